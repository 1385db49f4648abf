/* Verification of archives whose files are hashed with each algorithm, and of manifests that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
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

static void begin(struct fixture *f, enum pd_digest_alg alg, uint64_t files)
{
    memset(f, 0, sizeof(*f));
    verify_set_start(&f->set, "disk", "");
    f->set.alg = alg;
    verify_set_dump(&f->set, "first", files);
    verify_set_toc(&f->set, 1, &f->toc);
    verify_set_path(&f->set, 0, 1, f->path, sizeof(f->path));
    f->set.e.progress.verified[0] = 0;
}

static void finish(struct fixture *f)
{
    pd_toc_release(&f->toc);
    verify_set_end(&f->set);
}

static void verify(struct fixture *f, const struct pd_toc *expect, struct pd_verify_result *result)
{
    struct pd_target *target = verify_set_mount(&f->set, 0, "");

    OK(pd_verify_archive(&f->set.e.env, target, 1, expect, 0, NULL, NULL, result, err));
    verify_set_close(target);
}

static void each_algorithm_is_good_with_and_without_a_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        struct fixture f;
        struct pd_verify_result result;

        begin(&f, (enum pd_digest_alg)i, 25000);
        assert_int_equal(f.toc.alg, i);
        verify(&f, &f.toc, &result);
        assert_int_equal(result.status, PD_OK);
        assert_int_equal(result.alg, i);
        assert_int_equal(f.set.e.progress.verified[0], result.bytes);
        pd_verify_result_release(&result);
        f.set.e.progress.verified[0] = 0;
        verify(&f, NULL, &result);
        assert_int_equal(result.status, PD_OK);
        assert_int_equal(result.alg, i);
        assert_int_equal(result.files, f.toc.file_count);
        /* what was guessed wrong is read twice, and counts once */
        assert_int_equal(result.bytes, f.toc.record_count * VERIFY_SET_RECORD);
        assert_int_equal(f.set.e.progress.verified[0], result.bytes * (i == 0 ? 1 : 2));
        pd_verify_result_release(&result);
        finish(&f);
    }
}

/* Records match, so it is the file's own digest that tells; of each size, to its last byte. */
static void a_digest_counts_to_its_last_byte(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        const struct pd_digest_info *info = pd_digest_alg_info((enum pd_digest_alg)i);
        struct fixture f;
        struct pd_verify_result result;

        begin(&f, (enum pd_digest_alg)i, 25000);
        for (uint64_t n = 0; n < f.toc.file_count; n++) {
            struct pd_toc_file *file = &f.toc.files[n];

            if (file->kind != PD_KIND_FILE)
                continue;
            file->digest[info->len - 1] ^= 1;
            verify(&f, &f.toc, &result);
            assert_int_equal(result.status, PD_BAD_FILE);
            /* SHA-256 of small files is made later, maybe after the manifest was compared */
            if (i != PD_DIGEST_SHA256)
                assert_non_null(strstr(result.error.message, info->title));
            assert_string_equal(result.damage[0].path, file->path);
            pd_verify_result_release(&result);
            file->digest[info->len - 1] ^= 1;
        }
        verify(&f, &f.toc, &result);
        assert_int_equal(result.status, PD_OK);
        pd_verify_result_release(&result);
        finish(&f);
    }
}

/* Without a table nothing but the manifest tells of a flipped bit in a file. */
static void a_flip_is_found_by_the_manifest_of_each_algorithm(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        struct fixture f;
        struct pd_verify_result result;

        begin(&f, (enum pd_digest_alg)i, 25000);
        for (uint64_t n = 0; n < f.toc.file_count; n++) {
            const struct pd_toc_file *file = &f.toc.files[n];
            uint64_t data = file->offset + file->length - 512; /* its last block */

            if (file->kind != PD_KIND_FILE || file->size == 0)
                continue;
            verify_set_flip(f.path, data, 3);
            verify(&f, NULL, &result);
            assert_int_equal(result.status, PD_BAD_FILE);
            assert_true(result.damage_count > 0);
            assert_string_equal(result.damage[0].path, file->path);
            pd_verify_result_release(&result);
            verify_set_flip(f.path, data, 3);
        }
        finish(&f);
    }
}

/* The catalog, or an index, says another algorithm than the archive has. */
static void another_algorithm_than_recorded_is_a_contradiction(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        for (unsigned other = 0; other < PD_DIGEST_ALGS; other++) {
            struct fixture f;
            struct pd_verify_result result;

            if (other == i)
                continue;
            begin(&f, (enum pd_digest_alg)i, 25000);
            f.toc.alg = (enum pd_digest_alg)other;
            for (uint64_t n = 0; n < f.toc.file_count; n++)
                f.toc.files[n].alg = (uint8_t)other;
            verify(&f, &f.toc, &result);
            assert_true(result.status == PD_BAD_FILE || result.status == PD_BAD_FORMAT);
            assert_true(result.bad_files > 0);
            pd_verify_result_release(&result);
            finish(&f);
        }
    }
}

/* ---- manifests that lie ---- */

/* The entry whose header is there gets another name. Its records are to be good again. */
static void rename_entry(struct fixture *f, uint64_t offset, const char *old, const char *name)
{
    char header[512];
    unsigned sum = 0;
    int fd = open(f->path, O_RDWR);
    uint8_t *record = malloc(VERIFY_SET_RECORD);

    assert_true(fd >= 0);
    assert_non_null(record);
    assert_int_equal(pread(fd, header, sizeof(header), (off_t)offset), sizeof(header));
    assert_string_equal(header, old);
    memset(header, 0, 100);
    memcpy(header, name, strlen(name));
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < sizeof(header); i++)
        sum += (unsigned char)header[i];
    (void)snprintf(header + 148, 8, "%06o", sum);
    assert_int_equal(pwrite(fd, header, sizeof(header), (off_t)offset), sizeof(header));
    for (uint64_t i = 0; i < f->toc.record_count; i++) {
        assert_int_equal(pread(fd, record, VERIFY_SET_RECORD, (off_t)(i * VERIFY_SET_RECORD)),
                         VERIFY_SET_RECORD);
        f->toc.records[i] = pd_record_digest(record, VERIFY_SET_RECORD);
    }
    assert_int_equal(close(fd), 0);
    free(record);
}

/* Header of the entry behind the one there. */
static uint64_t next_entry(const struct fixture *f, uint64_t offset)
{
    char header[512];
    int fd = open(f->path, O_RDONLY);
    uint64_t size;

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, header, sizeof(header), (off_t)offset), sizeof(header));
    assert_int_equal(close(fd), 0);
    size = strtoull(header + 124, NULL, 8);
    return offset + 512 + (size + 511) / 512 * 512;
}

static void a_manifest_of_no_known_algorithm_is_not_judged(void **state)
{
    struct fixture f;
    struct pd_verify_result result;

    (void)state;
    begin(&f, PD_DIGEST_SHA256, 25000);
    rename_entry(&f, f.toc.manifest_offset, "first.0001/manifest-sha256.txt",
                 "first.0001/manifest-md5.txt");
    verify(&f, NULL, &result);
    assert_int_equal(result.status, PD_UNSUPPORTED);
    assert_non_null(strstr(result.error.message, "first.0001/manifest-md5.txt"));
    assert_non_null(strstr(result.error.message, PD_DIGEST_NAMES));
    pd_verify_result_release(&result);
    verify(&f, &f.toc, &result); /* what was recorded is not there */
    assert_int_equal(result.status, PD_BAD_FORMAT);
    assert_non_null(strstr(result.error.message, "where manifest-sha256.txt should be"));
    pd_verify_result_release(&result);
    finish(&f);
}

/* It is taken at its word, once, and found to be wrong. */
static void a_manifest_with_a_wrong_name_is_found(void **state)
{
    static const char *const names[] = {"sha512", "sha3256", "blake2b512"};
    struct fixture f;
    struct pd_verify_result result;
    char old[64] = "first.0001/manifest-sha256.txt", name[64];

    (void)state;
    begin(&f, PD_DIGEST_SHA256, 25000);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(name, sizeof(name), "first.0001/manifest-%s.txt", names[i]);
        rename_entry(&f, f.toc.manifest_offset, old, name);
        verify(&f, NULL, &result);
        assert_true(result.status == PD_BAD_FILE || result.status == PD_BAD_FORMAT);
        pd_verify_result_release(&result);
        memcpy(old, name, sizeof(old));
    }
    finish(&f);
}

static void a_second_manifest_is_refused(void **state)
{
    struct fixture f;
    struct pd_verify_result result;

    (void)state;
    begin(&f, PD_DIGEST_SHA512, 25000);
    rename_entry(&f, next_entry(&f, f.toc.manifest_offset), "first.0001/bag-info.txt",
                 "first.0001/manifest-sha256.txt");
    for (int table = 0; table < 2; table++) {
        verify(&f, table ? &f.toc : NULL, &result);
        assert_int_equal(result.status, PD_BAD_FORMAT);
        assert_non_null(strstr(result.error.message, "where bag-info.txt should be"));
        pd_verify_result_release(&result);
    }
    finish(&f);
}

static void a_tag_manifest_of_another_algorithm_is_refused(void **state)
{
    struct fixture f;
    struct pd_verify_result result;
    uint64_t at;

    (void)state;
    begin(&f, PD_DIGEST_SHA512, 25000);
    at = next_entry(&f, next_entry(&f, f.toc.manifest_offset));
    rename_entry(&f, at, "first.0001/tagmanifest-sha512.txt", "first.0001/tagmanifest-sha256.txt");
    for (int table = 0; table < 2; table++) {
        verify(&f, table ? &f.toc : NULL, &result);
        assert_int_equal(result.status, PD_BAD_FORMAT);
        assert_non_null(strstr(result.error.message, "where tagmanifest-sha512.txt should be"));
        pd_verify_result_release(&result);
    }
    finish(&f);
}

/* ---- a volume by itself ---- */

struct seen {
    unsigned count;
    uint64_t bytes, first;
};

static enum pd_status see(void *arg, const struct pd_verify_result *result, struct pd_error *err)
{
    struct seen *seen = arg;

    (void)err;
    assert_int_equal(result->status, PD_UNVERIFIED); /* by its own manifest alone */
    seen->first = seen->count == 0 ? result->bytes : seen->first;
    seen->bytes += result->bytes;
    seen->count++;
    return PD_OK;
}

/* Without an index the first archive tells what the others have. */
static void only_the_first_archive_is_read_twice(void **state)
{
    struct fixture f;
    struct seen seen = {0};
    struct pd_label label;
    enum pd_status found = PD_OK;
    char index[300];

    (void)state;
    begin(&f, PD_DIGEST_BLAKE2B512, 3);
    verify_set_path(&f.set, 0, 5, index, sizeof(index));
    assert_non_null(strstr(index, "first.index.tar"));
    assert_int_equal(unlink(index), 0);
    OK(pd_verify_volume(&f.set.e.env, f.set.url[0], "PD100001", 0, see, &seen, &label, &found,
                        err));
    assert_int_equal(found, PD_UNVERIFIED);
    assert_int_equal(seen.count, 4);
    assert_int_equal(f.set.e.progress.verified[0], seen.bytes + seen.first);
    finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_algorithm_is_good_with_and_without_a_table),
        cmocka_unit_test(a_digest_counts_to_its_last_byte),
        cmocka_unit_test(a_flip_is_found_by_the_manifest_of_each_algorithm),
        cmocka_unit_test(another_algorithm_than_recorded_is_a_contradiction),
        cmocka_unit_test(a_manifest_of_no_known_algorithm_is_not_judged),
        cmocka_unit_test(a_manifest_with_a_wrong_name_is_found),
        cmocka_unit_test(a_second_manifest_is_refused),
        cmocka_unit_test(a_tag_manifest_of_another_algorithm_is_refused),
        cmocka_unit_test(only_the_first_archive_is_read_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
