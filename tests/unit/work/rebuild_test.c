#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <unistd.h>

#include "../../lib/work_verify_set.h"
#include "pairdump/index.h"
#include "pairdump/rebuild.h"
#include "pairdump/tar.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

#define UUID_X "77777777-2222-4333-8444-555555555555"

/* Volumes that hold what nobody in his senses writes. The set has two dumps of three archives and one:
 * tape files 1-3, index 4, 5, index 6. */

static int start(void **state)
{
    struct verify_set *set = calloc(1, sizeof *set);

    assert_non_null(set);
    verify_set_start(set, "disk", "");
    verify_set_dump(set, "first", 4);
    assert_int_equal(set->dump.archives, 3);
    verify_set_dump(set, "second", 25000);
    *state = set;
    return 0;
}

static int end(void **state)
{
    verify_set_end(*state);
    free(*state);
    return 0;
}

struct made {
    enum pd_status status;
    struct pd_rebuild_summary summary;
    char *text; /* archives, copies and files of the catalog */
};

static void no_problem(void *arg, const char *text)
{
    (void)arg;
    fail_msg("%s", text);
}

/* Dumps by what does not change from one index to the next, and what holds data; in any order of ids. */
static bool tells(const char *line)
{
    static const char *const tables[] = {"archive\t", "copy\t", "file\t", "folder\t", "dump\t"};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        if (strncmp(line, tables[i], strlen(tables[i])) == 0) {
            return true;
        }
    }
    return false;
}

static void cut(char *line, const char *from)
{
    char *at = strstr(line, from);

    if (at) {
        at[0] = '\n';
        at[1] = '\0';
    }
}

static char *contents(struct pd_catalog *catalog)
{
    char *all = NULL, *line = NULL, *kept = NULL;
    size_t size = 0, room = 0, len = 0;
    FILE *out = open_memstream(&all, &size);
    FILE *in, *text = open_memstream(&kept, &len);

    assert_non_null(out);
    assert_non_null(text);
    OK(pd_catalog_export(catalog, out, err));
    assert_int_equal(fclose(out), 0);
    in = fmemopen(all, size, "r");
    assert_non_null(in);
    while (getline(&line, &room, in) > 0) {
        cut(line, "\tfinished="); /* behind it stand counts, which only grow */
        cut(line, "\tchanged=");
        if (tells(line)) {
            fputs(line, text);
        }
    }
    free(line);
    fclose(in);
    fclose(text);
    free(all);
    return kept;
}

/* A new catalog out of one copy or both. */
static struct made make(struct verify_set *set, size_t copies)
{
    const char *targets[] = {set->url[0], set->url[1]};
    const struct pd_rebuild_options options = {
        .targets = targets, .target_count = copies, .state_dir = set->root};
    struct pd_catalog *catalog = NULL;
    struct pd_error why = PD_ERROR_INIT;
    struct made made;
    char path[100], url[120];

    snprintf(path, sizeof path, "%s/new.db", set->root);
    snprintf(url, sizeof url, "sqlite:%s", path);
    (void)unlink(path);
    OK(pd_catalog_open(&set->e.env, url, true, &catalog, err));
    made.status = pd_rebuild_run(&set->e.env, catalog, &options, &made.summary, &why);
    OK(pd_catalog_check(catalog, no_problem, NULL, err));
    made.text = contents(catalog);
    pd_catalog_close(catalog);
    return made;
}

/* ---- an index as somebody else might write it: tape file 7 of copy 0 ---- */

struct forged {
    struct pd_index_info info;
    struct pd_toc toc;
    uint32_t tape_file;
};

static enum pd_status to_file(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    (void)err;
    return fwrite(bytes, 1, len, arg) == len ? PD_OK : PD_IO;
}

static void forge(struct verify_set *set, const struct forged *f)
{
    static const char zeros[VERIFY_SET_RECORD];
    struct pd_buf text = PD_BUF_INIT;
    struct pd_tar_writer *tar = NULL;
    char path[200];
    FILE *file;
    long at;

    snprintf(path, sizeof path, "%s/PD100001/0007-forged.index.tar", set->place[0]);
    file = fopen(path, "wb");
    assert_non_null(file);
    OK(pd_tar_writer_new(to_file, file, &tar, err));
    OK(pd_index_info_encode(&f->info, &text));
    snprintf(path, sizeof path, "%s.index/index-info.txt", f->info.dump_name);
    OK(pd_tar_file(tar, path, text.data, text.len, 1, err));
    pd_buf_clear(&text);
    OK(pd_index_encode(&f->toc, f->tape_file, &text));
    snprintf(path, sizeof path, "%s.index/%s.txt", f->info.dump_name, f->toc.name);
    OK(pd_tar_file(tar, path, text.data, text.len, 1, err));
    OK(pd_tar_finish(tar, err));
    pd_tar_writer_free(tar);
    pd_buf_free(&text);
    at = ftell(file);
    assert_true(at > 0);
    size_t rest = VERIFY_SET_RECORD - (size_t)at % VERIFY_SET_RECORD;
    assert_int_equal(fwrite(zeros, 1, rest, file), rest);
    assert_int_equal(fclose(file), 0);
}

/* Tells of the archive in tape file 5, as dump "forged". */
static struct forged forgery(struct verify_set *set)
{
    struct forged f = {.tape_file = 5};
    struct pd_volume_row volume;

    OK(pd_catalog_volume_find(set->catalog, "PD100001", &volume, err));
    (void)verify_set_toc(set, 1, &f.toc);
    snprintf(f.info.dump_name, sizeof f.info.dump_name, "forged");
    snprintf(f.toc.name, sizeof f.toc.name, "forged.0001");
    snprintf(f.info.dump_uuid, sizeof f.info.dump_uuid, "%s", UUID_X);
    snprintf(f.info.label, sizeof f.info.label, "PD100001");
    snprintf(f.info.volume_uuid, sizeof f.info.volume_uuid, "%s", volume.uuid);
    f.info.archives = 1;
    f.info.created = 1;
    return f;
}

static void what_is_sound_comes_back(void **state)
{
    struct verify_set *set = *state;
    struct made one = make(set, 1), both = make(set, 2);

    assert_int_equal(one.status, PD_OK);
    assert_int_equal(one.summary.new_archives, 4);
    assert_int_equal(one.summary.new_copies, 4);
    assert_int_equal(both.status, PD_OK);
    assert_int_equal(both.summary.new_archives, 4);
    assert_int_equal(both.summary.new_copies, 8);
    assert_int_equal(both.summary.read_whole, 0);
    free(one.text);
    free(both.text);
}

static void what_does_not_stand_before_an_index_is_left_out(void **state)
{
    static const uint32_t files[] = {7, 8, 99, UINT32_MAX};
    struct verify_set *set = *state;
    struct forged f = forgery(set);

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        f.tape_file = files[i];
        forge(set, &f);
        struct made made = make(set, 2);
        assert_int_equal(made.status, PD_DEGRADED);
        assert_int_equal(made.summary.left_out, 1);
        assert_int_equal(made.summary.new_archives, 4);
        assert_null(strstr(made.text, "forged.0001"));
        free(made.text);
    }
    pd_toc_release(&f.toc);
}

static void two_archives_in_one_tape_file_contradict(void **state)
{
    struct verify_set *set = *state;
    struct forged f = forgery(set);
    struct made made;

    forge(set, &f);
    made = make(set, 2);
    assert_int_equal(made.status, PD_CATALOG);
    assert_true(made.summary.contradictions >= 1);
    free(made.text);
    pd_toc_release(&f.toc);
}

static void an_index_of_another_volume_or_number_is_left_out(void **state)
{
    struct verify_set *set = *state;
    struct forged f = forgery(set);
    struct made made;

    f.toc.seq = 2; /* its name says 1 */
    forge(set, &f);
    made = make(set, 2);
    assert_int_equal(made.status, PD_DEGRADED);
    assert_int_equal(made.summary.new_archives, 4);
    free(made.text);
    f.toc.seq = 1;
    snprintf(f.info.volume_uuid, sizeof f.info.volume_uuid, "%s", UUID_X);
    forge(set, &f);
    made = make(set, 2);
    assert_int_equal(made.status, PD_DEGRADED);
    assert_int_equal(made.summary.new_archives, 4);
    free(made.text);
    pd_toc_release(&f.toc);
}

static void a_dump_of_the_same_name_contradicts(void **state)
{
    struct verify_set *set = *state;
    struct forged f = forgery(set);
    struct made made;

    snprintf(f.info.dump_name, sizeof f.info.dump_name, "first");
    snprintf(f.toc.name, sizeof f.toc.name, "first.0001");
    forge(set, &f);
    made = make(set, 2);
    assert_int_equal(made.status, PD_CATALOG);
    free(made.text);
    pd_toc_release(&f.toc);
}

static void wrong_lengths_of_records_are_left_out(void **state)
{
    struct verify_set *set = *state;
    struct forged f = forgery(set);
    struct made made;

    f.toc.record_size *= 2;
    forge(set, &f);
    made = make(set, 2);
    assert_int_equal(made.status, PD_DEGRADED);
    assert_int_equal(made.summary.new_archives, 4);
    free(made.text);
    pd_toc_release(&f.toc);
}

/* Whatever byte of an index is another one: the other copy's index tells, or it makes no difference. */
static void no_flip_in_one_index_passes_beside_the_other(void **state)
{
    struct verify_set *set = *state;
    struct made sound = make(set, 2);
    char path[200];
    uint64_t size, named = 0;

    verify_set_path(set, 0, 4, path, sizeof path);
    size = 12000; /* of what is not padding */
    assert_true(verify_set_size(path) >= size);
    for (uint64_t i = 0; i < 60; i++) {
        uint64_t place = i * size / 60 + i % 7;
        struct made made;
        verify_set_flip(path, place, (unsigned)(i % 8));
        made = make(set, 2);
        assert_true(made.status == PD_OK || made.status == PD_CATALOG ||
                    made.status == PD_DEGRADED || made.status == PD_FAILED);
        named += made.status != PD_OK;
        if (made.status == PD_OK && strcmp(made.text, sound.text) != 0) {
            fail_msg("bit %u of byte %u passes", (unsigned)(i % 8), (unsigned)place);
        }
        free(made.text);
        verify_set_flip(path, place, (unsigned)(i % 8));
    }
    assert_true(named > 10);
    free(sound.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_sound_comes_back, start, end),
        cmocka_unit_test_setup_teardown(what_does_not_stand_before_an_index_is_left_out, start, end),
        cmocka_unit_test_setup_teardown(two_archives_in_one_tape_file_contradict, start, end),
        cmocka_unit_test_setup_teardown(an_index_of_another_volume_or_number_is_left_out, start,
                                        end),
        cmocka_unit_test_setup_teardown(a_dump_of_the_same_name_contradicts, start, end),
        cmocka_unit_test_setup_teardown(wrong_lengths_of_records_are_left_out, start, end),
        cmocka_unit_test_setup_teardown(no_flip_in_one_index_passes_beside_the_other, start, end),
    };

    return cmocka_run_group_tests_name("rebuild", tests, NULL, NULL);
}
