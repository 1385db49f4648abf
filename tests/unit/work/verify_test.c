#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pairdump/verify.h"
#include "../../lib/work_verify_set.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

struct fixture {
    struct verify_set set;
    struct pd_toc toc;
    char path[300]; /* of archive 1 on copy 1 */
};

static int start(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    verify_set_start(&f->set, "disk", "");
    verify_set_dump(&f->set, "first", 25000);
    verify_set_toc(&f->set, 1, &f->toc);
    verify_set_path(&f->set, 0, 1, f->path, sizeof(f->path));
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fixture *f = *state;

    pd_toc_release(&f->toc);
    verify_set_end(&f->set);
    free(f);
    return 0;
}

/* After a hang: what the thread may still look at stays. */
static int leave(void **state)
{
    static struct fixture *left[2];
    struct fixture *f = *state;

    pd_toc_release(&f->toc);
    verify_set_leave(&f->set);
    left[left[0] != NULL] = f;
    return 0;
}

static void verify_filtered(struct fixture *f, const char *filter, const struct pd_toc *expect,
                            struct pd_verify_result *result)
{
    struct pd_target *target = verify_set_mount(&f->set, 0, filter);

    OK(pd_verify_archive(&f->set.e.env, target, 1, expect, 0, NULL, NULL, result, err));
    verify_set_close(target);
}

static void verify(struct fixture *f, const struct pd_toc *expect, struct pd_verify_result *result)
{
    verify_filtered(f, "", expect, result);
}

static bool names(const struct pd_verify_result *result, const char *path)
{
    for (size_t i = 0; i < result->damage_count; i++)
        if (result->damage[i].path != NULL && strcmp(result->damage[i].path, path) == 0)
            return true;
    return false;
}

/* The damage is this record and exactly the files in it. */
static void expect_record(const struct fixture *f, const struct pd_verify_result *result,
                          uint64_t record, enum pd_status status)
{
    uint64_t first = 0, count = 0;

    assert_int_equal(result->status, status);
    assert_int_equal(result->error.status, status);
    assert_int_equal(result->bad_records, 1);
    pd_toc_files_of_record(&f->toc, record, &first, &count);
    assert_int_equal(result->bad_files, count);
    assert_int_equal(result->damage_count, count > 0 ? count : 1);
    for (size_t i = 0; i < result->damage_count; i++) {
        assert_true(result->damage[i].has_record);
        assert_int_equal(result->damage[i].record, record);
        assert_int_equal(result->damage[i].status, status);
        if (count > 0)
            assert_string_equal(result->damage[i].path, f->toc.files[first + i].path);
        else
            assert_null(result->damage[i].path);
    }
}

static void test_good(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;

    verify(f, &f->toc, &result);
    assert_int_equal(result.status, PD_OK);
    assert_int_equal(result.records, f->toc.record_count);
    assert_int_equal(result.bytes, f->toc.record_count * VERIFY_SET_RECORD);
    assert_int_equal(result.files, f->toc.file_count);
    assert_int_equal(result.bad_files, 0);
    assert_int_equal(result.damage_count, 0);
    assert_string_equal(result.archive, "first.0001");
    assert_string_equal(result.label, "PD100001");
    assert_int_equal(f->set.e.progress.verified[0], result.bytes);
    pd_verify_result_release(&result);
    verify(f, NULL, &result);
    assert_int_equal(result.status, PD_OK);
    assert_int_equal(result.records, f->toc.record_count);
    assert_int_equal(result.files, f->toc.file_count);
    assert_string_equal(result.archive, "first.0001");
    pd_verify_result_release(&result);
}

static void test_each_flip_is_found(void **state)
{
    struct fixture *f = *state;
    struct pd_target *target = verify_set_mount(&f->set, 0, "");
    uint64_t size = verify_set_size(f->path);
    struct pd_verify_result result;

    for (uint64_t at = 0; at < size; at += at < 4096 || at > size - 2048 ? 61 : 1021) {
        verify_set_flip(f->path, at, (unsigned)(at % 8));
        OK(pd_verify_archive(&f->set.e.env, target, 1, &f->toc, 0, NULL, NULL, &result, err));
        expect_record(f, &result, at / VERIFY_SET_RECORD, PD_BAD_RECORD);
        pd_verify_result_release(&result);
        verify_set_flip(f->path, at, (unsigned)(at % 8));
    }
    OK(pd_verify_archive(&f->set.e.env, target, 1, &f->toc, 0, NULL, NULL, &result, err));
    assert_int_equal(result.status, PD_OK);
    verify_set_close(target);
}

/* The headers and extended headers in front of a payload file: owners, modes and times, which no
 * manifest covers. */
static const struct pd_toc_file *file_at(const struct pd_toc *toc, uint64_t at)
{
    for (uint64_t i = 0; i < toc->file_count; i++)
        if (at >= toc->files[i].offset && at < toc->files[i].offset + toc->files[i].length)
            return &toc->files[i];
    return NULL;
}

static bool is_header(const struct pd_toc_file *file, uint64_t at)
{
    uint64_t stored = (file->size + 511) / 512 * 512;

    /* the sparse one has its map in front of the data */
    return file->kind != PD_KIND_FILE || stored > file->length ||
           at < file->offset + file->length - stored;
}

static void test_flips_without_table(void **state)
{
    struct fixture *f = *state;
    struct pd_target *target = verify_set_mount(&f->set, 0, "");
    uint64_t size = verify_set_size(f->path), checked = 0;
    uint64_t past = f->toc.files[f->toc.file_count - 1].offset +
                    f->toc.files[f->toc.file_count - 1].length;
    struct pd_verify_result result;

    assert_int_equal(past, f->toc.manifest_offset);
    for (uint64_t at = 512; at < size; at += at > past ? 1 + at % 128 : 499) {
        const struct pd_toc_file *file = file_at(&f->toc, at);
        bool header = file != NULL ? is_header(file, at) : false;

        /* a tag file's header is covered by its checksum, apart from that field's last bytes */
        if (header || (file == NULL && at % 512 >= 154 && at % 512 < 156))
            continue;
        verify_set_flip(f->path, at, (unsigned)(at % 7));
        OK(pd_verify_archive(&f->set.e.env, target, 1, NULL, 0, NULL, NULL, &result, err));
        if (result.status == PD_OK)
            fail_msg("a flip at %llu is not found", (unsigned long long)at);
        if (file != NULL && result.status == PD_BAD_FILE)
            assert_true(names(&result, file->path));
        pd_verify_result_release(&result);
        verify_set_flip(f->path, at, (unsigned)(at % 7));
        checked++;
    }
    assert_true(checked > 500);
    verify_set_close(target);
}

static void test_flip_in_data_without_table_names_the_file(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;
    const struct pd_toc_file *one = NULL;

    for (uint64_t i = 0; i < f->toc.file_count; i++)
        if (strstr(f->toc.files[i].path, "/one") != NULL)
            one = &f->toc.files[i];
    assert_non_null(one);
    verify_set_flip(f->path, one->offset + one->length - 1024, 0);
    verify(f, NULL, &result);
    assert_int_equal(result.status, PD_BAD_FILE);
    assert_int_equal(result.bad_files, 2); /* and its hard link */
    assert_true(names(&result, one->path));
    assert_int_equal(result.damage_count, 2);
    pd_verify_result_release(&result);
}

static void test_truncated(void **state)
{
    struct fixture *f = *state;
    uint64_t size = verify_set_size(f->path);
    struct pd_verify_result result;
    const struct pd_toc_file *last = &f->toc.files[f->toc.file_count - 1];

    for (uint64_t cut = 0; cut < size; cut += cut % 2 == 0 ? 3 * VERIFY_SET_RECORD + 1 : 7) {
        bool whole = cut % VERIFY_SET_RECORD == 0;
        uint64_t bad = 0;

        verify_set_path(&f->set, 1, 1, f->path, sizeof(f->path));
        verify_set_truncate(f->path, cut);
        struct pd_target *target = verify_set_mount(&f->set, 1, "");
        OK(pd_verify_archive(&f->set.e.env, target, 1, &f->toc, 0, NULL, NULL, &result, err));
        assert_int_equal(result.status, whole ? PD_TRUNCATED : PD_BAD_RECORD);
        for (uint64_t i = 0; i < f->toc.file_count; i++) {
            const struct pd_toc_file *file = &f->toc.files[i];
            bool lost = file->offset + file->length > cut / VERIFY_SET_RECORD * VERIFY_SET_RECORD;

            assert_int_equal(names(&result, file->path), lost);
            bad += lost;
        }
        assert_int_equal(result.bad_files, bad);
        assert_int_equal(result.bad_records, f->toc.record_count - cut / VERIFY_SET_RECORD);
        assert_true(names(&result, last->path) ==
                    (last->offset + last->length > cut / VERIFY_SET_RECORD * VERIFY_SET_RECORD));
        pd_verify_result_release(&result);
        OK(pd_verify_archive(&f->set.e.env, target, 1, NULL, 0, NULL, NULL, &result, err));
        assert_true(result.status != PD_OK);
        pd_verify_result_release(&result);
        verify_set_close(target);
        /* the partner holds the same bytes */
        char good[300], command_free[300];
        verify_set_path(&f->set, 0, 1, good, sizeof(good));
        snprintf(command_free, sizeof(command_free), "%s", f->path);
        int from = open(good, O_RDONLY), to = open(command_free, O_WRONLY | O_TRUNC);
        assert_true(from >= 0 && to >= 0);
        off_t at = 0;
        while ((uint64_t)at < size) {
            ssize_t n = copy_file_range(from, &at, to, NULL, (size_t)(size - (uint64_t)at), 0);
            assert_true(n > 0);
        }
        assert_int_equal(close(from) | close(to), 0);
    }
}

static void test_extended(void **state)
{
    struct fixture *f = *state;
    uint64_t size = verify_set_size(f->path);
    const uint64_t more[] = {1, 512, VERIFY_SET_RECORD, 2 * VERIFY_SET_RECORD};
    struct pd_verify_result result;

    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        verify_set_truncate(f->path, size + more[i]); /* zeros */
        verify(f, &f->toc, &result);
        assert_int_equal(result.status, PD_BAD_FORMAT);
        assert_int_equal(result.bad_files, 0);
        pd_verify_result_release(&result);
        verify(f, NULL, &result);
        assert_true(result.status != PD_OK);
        pd_verify_result_release(&result);
    }
    verify_set_truncate(f->path, size);
    verify(f, &f->toc, &result);
    assert_int_equal(result.status, PD_OK);
}

static void test_swapped_records(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;

    verify_set_swap(f->path, 1, 3);
    verify(f, &f->toc, &result);
    assert_int_equal(result.status, PD_BAD_RECORD);
    assert_int_equal(result.bad_records, 2);
    pd_verify_result_release(&result);
    verify(f, NULL, &result);
    assert_int_equal(result.status, PD_BAD_FILE);
    pd_verify_result_release(&result);
}

static void test_missing_file(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;

    assert_int_equal(unlink(f->path), 0);
    verify(f, &f->toc, &result);
    assert_int_equal(result.status, PD_MISSING);
    assert_int_equal(result.bad_files, f->toc.file_count);
    assert_int_equal(result.damage_count, f->toc.file_count);
    pd_verify_result_release(&result);
}

/* An archive that is whole, but not the one expected. */
static void test_other_expectations(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;

    for (uint64_t i = 0; i < f->toc.file_count; i++) {
        struct pd_toc_file *file = &f->toc.files[i], kept = *file;

        for (int what = 0; what < 9; what++) {
            switch (what) {
            case 0: file->path = "/elsewhere"; break;
            case 1: file->kind = file->kind == PD_KIND_FIFO ? PD_KIND_DIR : PD_KIND_FIFO; break;
            case 2: file->mode ^= 0100; break;
            case 3: file->mtime++; break;
            case 4: file->mtime_ns ^= 1; break;
            case 5: file->uid++; break;
            case 6: file->gid++; break;
            case 7: file->offset++; break;
            default:
                if (file->kind == PD_KIND_SYMLINK || file->kind == PD_KIND_HARDLINK)
                    file->link = "/other";
                else if (file->kind == PD_KIND_FILE)
                    file->digest[31] ^= 1;
                else
                    continue;
            }
            verify(f, &f->toc, &result);
            assert_int_equal(result.status, PD_BAD_FILE);
            assert_int_equal(result.bad_files, 1);
            assert_int_equal(result.bad_records, 0);
            assert_true(names(&result, file->path));
            pd_verify_result_release(&result);
            *file = kept;
        }
        file->state = PD_CHANGED; /* not-whole.txt must be there then */
        verify(f, &f->toc, &result);
        assert_int_equal(result.status, PD_BAD_FILE);
        pd_verify_result_release(&result);
        *file = kept;
    }
}

static void test_other_archive(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;
    struct pd_toc toc = f->toc;

    toc.dump_uuid[0] = toc.dump_uuid[0] == '0' ? '1' : '0';
    verify(f, &toc, &result);
    assert_int_equal(result.status, PD_BAD_FILE);
    assert_non_null(strstr(result.error.message, "Pairdump-Dump-UUID"));
    pd_verify_result_release(&result);
    toc = f->toc;
    toc.seq++;
    verify(f, &toc, &result);
    assert_int_equal(result.status, PD_BAD_FILE);
    pd_verify_result_release(&result);
    toc = f->toc;
    toc.payload_bytes++;
    verify(f, &toc, &result);
    assert_int_equal(result.status, PD_BAD_FILE);
    pd_verify_result_release(&result);
    toc = f->toc;
    memcpy(toc.name, "second.0001", 12);
    verify(f, &toc, &result);
    assert_int_equal(result.status, PD_BAD_FORMAT);
    pd_verify_result_release(&result);
    toc = f->toc;
    toc.file_count--;
    verify(f, &toc, &result);
    assert_true(result.status != PD_OK);
    pd_verify_result_release(&result);
    toc = f->toc;
    toc.record_count--;
    verify(f, &toc, &result);
    assert_true(result.status != PD_OK);
    pd_verify_result_release(&result);
    toc = f->toc;
    toc.record_size *= 2;
    verify(f, &toc, &result);
    assert_int_equal(result.status, PD_BAD_FORMAT);
    pd_verify_result_release(&result);
}

static void test_read_faults(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;

    /* mounting reads through the filter too on no driver: reads are those of archives */
    for (uint64_t n = 1; n <= f->toc.record_count; n++) {
        char filter[40];

        snprintf(filter, sizeof(filter), "fault:read@%llu=EIO:", (unsigned long long)n);
        verify_filtered(f, filter, &f->toc, &result);
        expect_record(f, &result, n - 1, PD_IO);
        pd_verify_result_release(&result);
        verify_filtered(f, filter, NULL, &result);
        assert_int_equal(result.status, PD_IO);
        pd_verify_result_release(&result);
        snprintf(filter, sizeof(filter), "fault:read@%llu=flip:", (unsigned long long)n);
        verify_filtered(f, filter, &f->toc, &result);
        expect_record(f, &result, n - 1, PD_BAD_RECORD);
        pd_verify_result_release(&result);
        snprintf(filter, sizeof(filter), "fault:read@%llu=short:", (unsigned long long)n);
        verify_filtered(f, filter, &f->toc, &result);
        expect_record(f, &result, n - 1, PD_BAD_RECORD);
        pd_verify_result_release(&result);
    }
    verify_filtered(f, "fault:read@1+=EIO:", &f->toc, &result);
    assert_int_equal(result.status, PD_IO);
    assert_int_equal(result.bad_records, f->toc.record_count);
    assert_int_equal(result.bad_files, f->toc.file_count);
    pd_verify_result_release(&result);
    verify_filtered(f, "fault:read@1+=EIO:", NULL, &result);
    assert_int_equal(result.status, PD_IO);
    pd_verify_result_release(&result);
    verify_filtered(f, "fault:open@1=EIO:", &f->toc, &result);
    assert_int_equal(result.status, PD_IO);
    assert_int_equal(result.bad_files, f->toc.file_count);
    pd_verify_result_release(&result);
}

static void stop_at_third(void *arg)
{
    struct fixture *f = arg;
    static const uint64_t third = 2 * VERIFY_SET_RECORD;

    if (f->set.e.progress.verified[0] >= third)
        f->set.e.stopped = 1;
}

static void test_interrupted(void **state)
{
    struct fixture *f = *state;
    struct pd_verify_result result;
    struct pd_target *target = verify_set_mount(&f->set, 0, "");

    OK(pd_verify_archive(&f->set.e.env, target, 1, &f->toc, 0, stop_at_third, f, &result, err));
    assert_int_equal(result.status, PD_INTERRUPTED);
    assert_int_equal(result.records, 2);
    assert_int_equal(result.bad_files, 0);
    assert_int_equal(result.damage_count, 0);
    pd_verify_result_release(&result);
    f->set.e.stopped = 0;
    f->set.e.progress.verified[0] = 0;
    OK(pd_verify_archive(&f->set.e.env, target, 1, NULL, 0, stop_at_third, f, &result, err));
    assert_int_equal(result.status, PD_INTERRUPTED);
    assert_int_equal(result.damage_count, 0);
    pd_verify_result_release(&result);
    f->set.e.stopped = 0;
    verify_set_close(target);
}

/* ---- the thread ---- */

static struct pd_expect *expect_of(struct fixture *f)
{
    struct pd_expect *expect = NULL;
    struct pd_toc toc;

    verify_set_toc(&f->set, 1, &toc);
    OK(pd_expect_new(&toc, &expect, err));
    assert_int_equal(toc.file_count, 0);
    return expect;
}

static void test_verifier(void **state)
{
    struct fixture *f = *state;
    struct pd_expect *expect = expect_of(f);
    struct pd_verifier *verifier = NULL;
    struct pd_verify_result result;
    bool ready = false;

    OK(pd_verifier_start(&f->set.e.env, f->set.url[0], "PD100001", NULL, 0, &verifier, err));
    for (int i = 0; i < 6; i++)
        OK(pd_verifier_add(verifier, expect, i == 3 ? 9 : 1, 100 + i, err));
    pd_expect_release(expect);
    OK(pd_verifier_finish(verifier, err));
    for (int i = 0; i < 6; i++) {
        OK(pd_verifier_poll(verifier, &result, &ready, err));
        assert_true(ready);
        assert_int_equal(result.copy_id, 100 + i);
        assert_int_equal(result.status, i == 3 ? PD_MISSING : PD_OK);
        assert_false(result.unread);
        pd_verify_result_release(&result);
    }
    OK(pd_verifier_poll(verifier, &result, &ready, err));
    assert_false(ready);
    pd_verifier_free(verifier);
}

static void test_verifier_that_cannot_open(void **state)
{
    struct fixture *f = *state;
    struct pd_expect *expect = expect_of(f);
    const struct {
        const char *url, *label, *uuid;
        enum pd_status status;
    } cases[] = {
        {f->set.url[0], "PD100001", "11111111-2222-4333-8444-555555555555", PD_WRONG_VOLUME},
        {f->set.url[0], "PD100009", NULL, PD_NOT_FOUND},
        {"disk:/nowhere/at/all", "PD100001", NULL, PD_USAGE},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pd_verifier *verifier = NULL;
        struct pd_verify_result result;
        bool ready = false;

        OK(pd_verifier_start(&f->set.e.env, cases[i].url, cases[i].label, cases[i].uuid, 0,
                             &verifier, err));
        for (int k = 0; k < 4; k++)
            OK(pd_verifier_add(verifier, expect, 1, k, err));
        OK(pd_verifier_finish(verifier, err));
        for (int k = 0; k < 4; k++) {
            OK(pd_verifier_poll(verifier, &result, &ready, err));
            assert_true(ready);
            assert_int_equal(result.status, cases[i].status);
            assert_true(result.unread);
            assert_string_equal(result.archive, "first.0001");
            pd_verify_result_release(&result);
        }
        pd_verifier_free(verifier);
    }
    pd_expect_release(expect);
}

static void test_verifier_freed_early(void **state)
{
    struct fixture *f = *state;
    struct pd_expect *expect = expect_of(f);
    struct pd_verifier *verifier = NULL;

    OK(pd_verifier_start(&f->set.e.env, f->set.url[0], "PD100001", NULL, 0, &verifier, err));
    OK(pd_verifier_add(verifier, expect, 1, 1, err));
    OK(pd_verifier_add(verifier, expect, 1, 2, err));
    pd_expect_release(expect);
    pd_verifier_free(verifier);
    pd_verifier_free(NULL);
}

static void wait_ms(long ms)
{
    const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

static void test_verifier_hangs(void **state)
{
    struct fixture *f = *state;
    struct pd_expect *expect = expect_of(f);
    struct pd_verifier *verifier = NULL;
    struct pd_verify_result result;
    struct pd_error error = PD_ERROR_INIT;
    char url[300];
    bool ready = false;

    snprintf(url, sizeof(url), "fault:read@3=hang=1:%s", f->set.url[0]);
    f->set.e.env.stall_ns = 200000000;
    OK(pd_verifier_start(&f->set.e.env, url, "PD100001", NULL, 0, &verifier, err));
    for (int k = 0; k < 3; k++)
        OK(pd_verifier_add(verifier, expect, 1, k, err));
    pd_expect_release(expect);
    assert_int_equal(pd_verifier_finish(verifier, &error), PD_HUNG);
    for (int k = 0; k < 3; k++) {
        OK(pd_verifier_poll(verifier, &result, &ready, err));
        assert_true(ready);
        assert_int_equal(result.copy_id, k);
        assert_int_equal(result.status, PD_HUNG);
        pd_verify_result_release(&result);
    }
    OK(pd_verifier_poll(verifier, &result, &ready, err));
    assert_false(ready);
    pd_verifier_free(verifier);
    wait_ms(1500); /* the thread comes back, finds itself alone, and leaves */
}

static void test_adding_to_a_hung_verifier(void **state)
{
    struct fixture *f = *state;
    struct pd_expect *expect = expect_of(f);
    struct pd_verifier *verifier = NULL;
    struct pd_error error = PD_ERROR_INIT;
    char url[300];
    int added = 0;

    snprintf(url, sizeof(url), "fault:read@3=hang=1:%s", f->set.url[0]);
    f->set.e.env.stall_ns = 200000000;
    OK(pd_verifier_start(&f->set.e.env, url, "PD100001", NULL, 0, &verifier, err));
    while (pd_verifier_add(verifier, expect, 1, added, &error) == PD_OK)
        added++;
    pd_expect_release(expect);
    assert_int_equal(error.status, PD_HUNG);
    assert_int_equal(added, 3); /* one under way, two queued */
    pd_verifier_free(verifier);
    wait_ms(1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, start, end),
        cmocka_unit_test_setup_teardown(test_each_flip_is_found, start, end),
        cmocka_unit_test_setup_teardown(test_flips_without_table, start, end),
        cmocka_unit_test_setup_teardown(test_flip_in_data_without_table_names_the_file, start,
                                        end),
        cmocka_unit_test_setup_teardown(test_truncated, start, end),
        cmocka_unit_test_setup_teardown(test_extended, start, end),
        cmocka_unit_test_setup_teardown(test_swapped_records, start, end),
        cmocka_unit_test_setup_teardown(test_missing_file, start, end),
        cmocka_unit_test_setup_teardown(test_other_expectations, start, end),
        cmocka_unit_test_setup_teardown(test_other_archive, start, end),
        cmocka_unit_test_setup_teardown(test_read_faults, start, end),
        cmocka_unit_test_setup_teardown(test_interrupted, start, end),
        cmocka_unit_test_setup_teardown(test_verifier, start, end),
        cmocka_unit_test_setup_teardown(test_verifier_that_cannot_open, start, end),
        cmocka_unit_test_setup_teardown(test_verifier_freed_early, start, end),
        cmocka_unit_test_setup_teardown(test_verifier_hangs, start, leave),
        cmocka_unit_test_setup_teardown(test_adding_to_a_hung_verifier, start, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
