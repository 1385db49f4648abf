#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <unistd.h>

#include "../../lib/work_verify_set.h"
#include "pairdump/agree.h"
#include "pairdump/registry.h"
#include "pairdump/tar.h"
#include "pairdump/text.h"

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct pd_error ok_err = PD_ERROR_INIT, *err = &ok_err;                                    \
        if ((call) != PD_OK)                                                                       \
            fail_msg("%s: %s", #call, err->message);                                               \
    } while (0)

/* Three archives and an index behind the label, on each of two volumes. */
#define ARCHIVES   3
#define TAPE_FILES 5

static int start_with(void **state, const char *scheme)
{
    struct verify_set *set = calloc(1, sizeof(*set));

    assert_non_null(set);
    verify_set_start(set, scheme, "");
    verify_set_dump(set, "first", 4);
    *state = set;
    return 0;
}

static int start_disk(void **state)
{
    return start_with(state, "disk");
}

static int start_mock(void **state)
{
    return start_with(state, "mock");
}

static int end(void **state)
{
    verify_set_end(*state);
    free(*state);
    return 0;
}

/* ---- what was told ---- */

struct told {
    struct pd_agree_summary summary;
    struct pd_buf problems, warnings; /* a line each */
};

static void take_problem(void *arg, const char *text)
{
    struct told *told = arg;

    assert_null(strchr(text, '\n'));
    assert_int_equal(pd_buf_printf(&told->problems, "%s\n", text), PD_OK);
}

static void take_warning(void *arg, const struct pd_error *warning)
{
    struct told *told = arg;
    char line[1400];

    pd_error_format(warning, line, sizeof(line));
    assert_int_equal(pd_buf_printf(&told->warnings, "%s\n", line), PD_OK);
}

static enum pd_status agree(struct verify_set *set, const char *at, struct told *told,
                            struct pd_error *err)
{
    struct pd_agree_options options = {.at = &at,
                                       .at_count = at != NULL,
                                       .on_warning = take_warning,
                                       .warning_arg = told};

    memset(told, 0, sizeof(*told));
    return pd_agree_run(&set->e.env, set->catalog, &options, take_problem, told, &told->summary,
                        err);
}

static void forget(struct told *told)
{
    pd_buf_free(&told->problems);
    pd_buf_free(&told->warnings);
}

static const char *text_of(const struct pd_buf *buf)
{
    return buf->len > 0 ? buf->data : "";
}

/* Runs it, and expects so many contradictions, of which one has both words; NULL: any. */
static void expect_problems(struct verify_set *set, uint64_t count, const char *word,
                            const char *other)
{
    struct told told;
    bool found = word == NULL;

    OK(agree(set, NULL, &told, err));
    for (char *at = told.problems.data, *line; at != NULL && (line = strsep(&at, "\n")) != NULL;)
        found = found || (strstr(line, word) != NULL && strstr(line, other) != NULL);
    if (told.summary.problems != count || !found)
        fail_msg("%u problems instead of %u with \"%s\" and \"%s\"; the first: %s",
                 (unsigned)told.summary.problems, (unsigned)count, word, other,
                 text_of(&told.problems));
    forget(&told);
}

/* ---- changes ---- */

static void find_volume(struct verify_set *set, const char *label, struct pd_volume_row *row)
{
    OK(pd_catalog_volume_find(set->catalog, label, row, err));
}

static void replace(const char *a, const char *b)
{
    char kept[320];

    snprintf(kept, sizeof(kept), "%s.kept", a);
    assert_int_equal(rename(a, kept), 0);
    assert_int_equal(rename(b, a), 0);
    assert_int_equal(rename(kept, b), 0);
}

static enum pd_status append(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    (void)err;
    return pd_buf_append(arg, bytes, len);
}

/* Appends a tape file of one record with this top folder; ended: with a filemark. */
static void add_tape_file(struct verify_set *set, size_t copy, const char *top, bool ended)
{
    struct pd_target *target = verify_set_mount(set, copy, "");
    struct pd_tar_writer *writer = NULL;
    struct pd_buf tar = PD_BUF_INIT;
    uint8_t *record = pd_record_alloc(VERIFY_SET_RECORD);
    uint32_t number = 0;
    char path[200];

    assert_non_null(record);
    snprintf(path, sizeof(path), "%s/bagit.txt", top);
    OK(pd_tar_writer_new(append, &tar, &writer, err));
    OK(pd_tar_file(writer, path, "x", 1, 0, err));
    OK(pd_tar_finish(writer, err));
    pd_tar_writer_free(writer);
    memset(record, 0, VERIFY_SET_RECORD);
    memcpy(record, tar.data, tar.len);
    OK(pd_target_begin(target, "more", &number, err));
    OK(pd_target_write(target, record, VERIFY_SET_RECORD, err));
    if (ended)
        OK(pd_target_end(target, true, err));
    else
        OK(pd_target_abandon(target, err));
    verify_set_close(target);
    free(record);
    pd_buf_free(&tar);
}

/* An archive in state writing on both volumes. */
static void begin_archive(struct verify_set *set, const char *name)
{
    struct pd_archive_row archive = {
        .dump_id = set->dump.id, .seq = 9, .record_size = VERIFY_SET_RECORD};
    struct pd_copy_row *copies = calloc(2, sizeof(*copies));
    struct pd_volume_row volume;

    assert_non_null(copies);
    snprintf(archive.name, sizeof(archive.name), "%s", name);
    for (unsigned i = 0; i < 2; i++) {
        find_volume(set, i == 0 ? "PD100001" : "PD200001", &volume);
        copies[i].volume_id = volume.id;
        copies[i].copy = i + 1;
        copies[i].tape_file = (uint32_t)volume.tape_files;
    }
    OK(pd_catalog_archive_begin(set->catalog, &archive, copies, 2, err));
    free(copies);
}

struct pick {
    uint32_t tape_file;
    int64_t id;
};

static enum pd_status pick_copy(void *arg, const struct pd_copy_row *row, struct pd_error *err)
{
    struct pick *pick = arg;

    (void)err;
    if (row->tape_file == pick->tape_file)
        pick->id = row->id;
    return PD_OK;
}

static void make_bad(struct verify_set *set, const char *label, uint32_t tape_file)
{
    struct pick pick = {tape_file, 0};
    struct pd_verification_row row = {.mode = "full", .status = PD_MISSING};
    struct pd_volume_row volume;

    find_volume(set, label, &volume);
    OK(pd_catalog_copies(set->catalog, 0, volume.id, pick_copy, &pick, err));
    row.copy_id = pick.id;
    OK(pd_catalog_verification_add(set->catalog, &row, NULL, 0, err));
}

/* ---- tests ---- */

static void test_good(void **state)
{
    struct verify_set *set = *state;
    struct told told;

    OK(agree(set, NULL, &told, err));
    assert_string_equal(text_of(&told.problems), "");
    assert_string_equal(text_of(&told.warnings), "");
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.volumes, 2);
    assert_int_equal(told.summary.archives, 2 * ARCHIVES);
    assert_int_equal(told.summary.unreachable, 0);
    forget(&told);
    OK(agree(set, set->url[0], &told, err));
    assert_int_equal(told.summary.volumes, 2);
    assert_int_equal(told.summary.problems, 0);
    forget(&told);
}

static void test_nothing_changes(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row before, after;
    struct told told;

    find_volume(set, "PD100001", &before);
    OK(agree(set, NULL, &told, err));
    find_volume(set, "PD100001", &after);
    assert_memory_equal(&before, &after, sizeof(before));
    forget(&told);
}

static void test_missing_volume(void **state)
{
    struct verify_set *set = *state;
    char here[200], away[200];

    snprintf(here, sizeof(here), "%s/PD100001", set->place[0]);
    snprintf(away, sizeof(away), "%s/away", set->root);
    assert_int_equal(rename(here, away), 0);
    expect_problems(set, 1, "PD100001", "[missing]");
}

/* It may lie on a shelf. */
static void test_missing_cartridge(void **state)
{
    struct verify_set *set = *state;
    struct told told;
    char path[200];

    snprintf(path, sizeof(path), "%s/PD100001.tap", set->place[0]);
    assert_int_equal(unlink(path), 0);
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.unreachable, 1);
    assert_int_equal(told.summary.volumes, 1);
    assert_int_equal(told.summary.archives, ARCHIVES);
    assert_non_null(strstr(text_of(&told.warnings), "PD100001"));
    forget(&told);
}

static void set_host(struct verify_set *set, const char *label, const char *host)
{
    struct pd_volume_row volume;

    find_volume(set, label, &volume);
    snprintf(volume.host, sizeof(volume.host), "%s", host);
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
}

/* Another host has it at a place of that name; what this one has there is another matter. */
static void test_volume_of_another_host(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;
    struct told told;

    set_host(set, "PD100001", "lab-1");
    OK(agree(set, NULL, &told, err)); /* the place is one that they share */
    assert_int_equal(told.summary.problems + told.summary.unreachable, 0);
    assert_int_equal(told.summary.volumes, 2);
    forget(&told);
    find_volume(set, "PD100001", &volume);
    snprintf(volume.location, sizeof(volume.location), "%s", set->url[1]);
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.unreachable, 1);
    assert_int_equal(told.summary.volumes, 1);
    assert_int_equal(told.summary.archives, ARCHIVES);
    assert_non_null(strstr(text_of(&told.warnings), "PD100001"));
    assert_non_null(strstr(text_of(&told.warnings), "host lab-1"));
    forget(&told);
    OK(agree(set, set->url[0], &told, err)); /* told where it is */
    assert_int_equal(told.summary.problems + told.summary.unreachable, 0);
    assert_int_equal(told.summary.volumes, 2);
    forget(&told);
}

/* It is out of reach; the one that is here is unknown, and told where the place is looked at. */
static void test_label_of_another_host(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;
    struct told told;

    find_volume(set, "PD200001", &volume);
    volume.uuid[0] = volume.uuid[0] == '0' ? '1' : '0';
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    set_host(set, "PD200001", "lab-1");
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.unreachable, 1);
    assert_int_equal(told.summary.volumes, 1);
    assert_non_null(strstr(text_of(&told.warnings), "PD200001"));
    assert_non_null(strstr(text_of(&told.warnings), "host lab-1"));
    forget(&told);
    OK(agree(set, set->url[1], &told, err));
    assert_int_equal(told.summary.problems, 1);
    assert_int_equal(told.summary.unreachable, 1);
    assert_non_null(strstr(text_of(&told.problems), "not in the catalog, which has another one of "
                                                    "that label on host lab-1"));
    forget(&told);
}

static void test_wrong_uuid(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;

    find_volume(set, "PD200001", &volume);
    volume.uuid[0] = volume.uuid[0] == '0' ? '1' : '0';
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    expect_problems(set, 1, "PD200001", "another UUID");
}

static void test_extra_tape_file(void **state)
{
    struct verify_set *set = *state;

    add_tape_file(set, 0, "foreign\n%.0001", true);
    expect_problems(set, 1, "PD100001: foreign%0A%.0001", "tape file 5 is not in the catalog");
}

static void test_extra_in_the_rows(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;

    find_volume(set, "PD100001", &volume);
    volume.tape_files = 2;
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    expect_problems(set, 3, "PD100001: first.index", "tape file 4");
    volume.tape_files = 6;
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    expect_problems(set, 1, "PD100001", "holds 5 tape files, the catalog says 6");
}

static void test_missing_tape_file(void **state)
{
    struct verify_set *set = *state;
    char path[300];

    verify_set_path(set, 0, 4, path, sizeof(path)); /* the index */
    assert_int_equal(unlink(path), 0);
    expect_problems(set, 1, "PD100001", "holds 4 tape files, the catalog says 5");
    verify_set_path(set, 0, 3, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    expect_problems(set, 2, "PD100001: first.0003", "[missing]");
    verify_set_path(set, 1, 1, path, sizeof(path)); /* in the middle */
    assert_int_equal(unlink(path), 0);
    expect_problems(set, 4, "PD200001: first.0001", "[missing]");
}

static void test_bad_copy_may_be_missing(void **state)
{
    struct verify_set *set = *state;
    struct told told;
    char path[300];

    make_bad(set, "PD100001", 2);
    expect_problems(set, 0, NULL, NULL);
    verify_set_path(set, 0, 2, path, sizeof(path));
    assert_int_equal(unlink(path), 0);
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.archives, 2 * ARCHIVES - 1);
    assert_non_null(strstr(text_of(&told.warnings), "tape file 2 is missing"));
    forget(&told);
    verify_set_path(set, 0, 1, path, sizeof(path)); /* but not another one */
    assert_int_equal(unlink(path), 0);
    expect_problems(set, 1, "PD100001: first.0001", "[missing]");
}

static void test_truncated(void **state)
{
    struct verify_set *set = *state;
    uint64_t size;
    char path[300];

    verify_set_path(set, 0, 1, path, sizeof(path));
    size = verify_set_size(path);
    verify_set_truncate(path, size - VERIFY_SET_RECORD);
    expect_problems(set, 1, "PD100001: first.0001", "[truncated]");
    verify_set_truncate(path, size - VERIFY_SET_RECORD - 100);
    expect_problems(set, 1, "PD100001: first.0001", "[truncated]");
    verify_set_truncate(path, size);
    expect_problems(set, 1, "PD100001: first.0001", "[bad-record]");
    verify_set_truncate(path, 0);
    expect_problems(set, 1, "PD100001: first.0001", "is empty");
}

static void test_one_record_more(void **state)
{
    struct verify_set *set = *state;
    char path[300];

    verify_set_path(set, 1, 2, path, sizeof(path));
    verify_set_truncate(path, verify_set_size(path) + VERIFY_SET_RECORD);
    expect_problems(set, 1, "PD200001: first.0002", "goes on behind");
}

static void test_truncated_tape(void **state)
{
    struct verify_set *set = *state;
    char path[200];

    snprintf(path, sizeof(path), "%s/PD100001.tap", set->place[0]);
    verify_set_truncate(path, 3 * VERIFY_SET_RECORD); /* label and a record are left */
    expect_problems(set, ARCHIVES + 1, "PD100001: first.0001", "[truncated]");
    expect_problems(set, ARCHIVES + 1, "PD100001: first.0002", "[missing]");
    expect_problems(set, ARCHIVES + 1, "PD100001", "holds 1 tape files, the catalog says 5");
}

static void test_exchanged(void **state)
{
    struct verify_set *set = *state;
    char a[300], b[300];

    verify_set_path(set, 0, 1, a, sizeof(a));
    verify_set_path(set, 0, 3, b, sizeof(b));
    replace(a, b);
    expect_problems(set, 2, "PD100001: first.0001", "tape file 1 holds first.0003");
    expect_problems(set, 2, "PD100001: first.0003", "tape file 3 holds first.0001");
    verify_set_path(set, 0, 4, b, sizeof(b));
    replace(a, b);
    expect_problems(set, 2, "PD100001: first.0001", "tape file 1 holds first.index");
}

static void test_first_record_altered(void **state)
{
    struct verify_set *set = *state;
    char path[300];

    verify_set_path(set, 1, 1, path, sizeof(path));
    verify_set_flip(path, 5000, 1);
    expect_problems(set, 1, "PD200001: first.0001", "[bad-record]");
    verify_set_flip(path, 0, 1); /* no tar any more */
    expect_problems(set, 1, "PD200001: first.0001", "[bad-record]");
}

static void test_link_is_not_followed(void **state)
{
    struct verify_set *set = *state;
    char path[300], away[200];

    snprintf(away, sizeof(away), "%s/away", set->root);
    verify_set_path(set, 0, 1, path, sizeof(path));
    assert_int_equal(rename(path, away), 0);
    assert_int_equal(symlink(away, path), 0);
    expect_problems(set, 2, "PD100001: first.0001", "[missing]");
}

static void test_unknown_volume(void **state)
{
    struct verify_set *set = *state;
    struct pd_target *target = verify_set_mount(set, 0, "");
    struct pd_label label = *pd_target_label(target);

    snprintf(label.label, sizeof(label.label), "STRANGE");
    label.uuid[0] = label.uuid[0] == '0' ? '1' : '0';
    OK(pd_target_format(target, &label, err));
    verify_set_close(target);
    expect_problems(set, 1, "STRANGE", "not in the catalog");
}

/* A label that the catalog has elsewhere. */
static void test_label_given_twice(void **state)
{
    struct verify_set *set = *state;
    struct pd_target *target = verify_set_mount(set, 0, "");
    struct pd_label label = *pd_target_label(target);

    snprintf(label.label, sizeof(label.label), "PD200001");
    OK(pd_target_format(target, &label, err));
    verify_set_close(target);
    expect_problems(set, 1, "PD200001", "another volume of that label");
}

static void test_blank_cartridge(void **state)
{
    struct verify_set *set = *state;
    char path[200];
    FILE *file;

    snprintf(path, sizeof(path), "%s/NEW001.tap", set->place[0]);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    expect_problems(set, 0, NULL, NULL);
}

static void test_unreachable(void **state)
{
    struct verify_set *set = *state;
    struct told told;
    char away[200], url[220];

    snprintf(away, sizeof(away), "%s/away", set->root);
    assert_int_equal(rename(set->place[1], away), 0);
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.unreachable, 1);
    assert_int_equal(told.summary.volumes, 1);
    assert_int_equal(told.summary.archives, ARCHIVES);
    assert_non_null(strstr(text_of(&told.warnings), "PD200001"));
    forget(&told);
    snprintf(url, sizeof(url), "%.4s:%s", set->url[1], away);
    OK(agree(set, url, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.unreachable, 0);
    assert_int_equal(told.summary.volumes, 2);
    forget(&told);
}

static void test_place_that_is_none(void **state)
{
    struct verify_set *set = *state;
    struct told told;
    struct pd_error error = PD_ERROR_INIT;

    assert_int_equal(agree(set, "floppy:a", &told, &error), PD_USAGE);
    forget(&told);
    OK(agree(set, "disk:/nowhere/at/all", &told, err));
    assert_int_equal(told.summary.volumes, 2);
    assert_non_null(strstr(text_of(&told.warnings), "/nowhere/at/all"));
    forget(&told);
}

static void test_writing(void **state)
{
    struct verify_set *set = *state;
    struct told told;

    begin_archive(set, "first.0009");
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.archives, 2 * ARCHIVES);
    assert_non_null(strstr(text_of(&told.warnings), "PD100001: first.0009"));
    assert_non_null(strstr(text_of(&told.warnings), "PD200001: first.0009"));
    forget(&told);
    add_tape_file(set, 0, "first.0009", true); /* killed before it was recorded */
    expect_problems(set, 0, NULL, NULL);
    add_tape_file(set, 0, "first.0010", true);
    expect_problems(set, 1, "PD100001: first.0010", "tape file 6");
}

static void test_index_of_a_dump_not_ended(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;

    find_volume(set, "PD100001", &volume);
    volume.tape_files = TAPE_FILES - 1;
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    expect_problems(set, 1, "PD100001: first.index", "tape file 4");
    set->dump.state = PD_DUMP_WRITE;
    OK(pd_catalog_dump_update(set->catalog, &set->dump, err));
    expect_problems(set, 0, NULL, NULL);
}

static void test_records_without_filemark(void **state)
{
    struct verify_set *set = *state;
    struct told told;

    add_tape_file(set, 0, "first.0009", false);
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_non_null(strstr(text_of(&told.warnings), "behind its last filemark"));
    forget(&told);
}

static void test_bad_volume(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;
    struct told told;
    char path[300];

    find_volume(set, "PD100001", &volume);
    volume.state = PD_VOLUME_BAD;
    OK(pd_catalog_volume_update(set->catalog, &volume, err));
    add_tape_file(set, 0, "foreign.0001", true); /* that it differs is known */
    expect_problems(set, 0, NULL, NULL);
    verify_set_path(set, 0, 1, path, sizeof(path));
    verify_set_flip(path, 5000, 1); /* but its copies count */
    expect_problems(set, 1, "PD100001: first.0001", "[bad-record]");
    for (uint32_t n = 1; n <= ARCHIVES; n++)
        make_bad(set, "PD100001", n);
    OK(agree(set, NULL, &told, err));
    assert_int_equal(told.summary.problems, 0);
    assert_int_equal(told.summary.volumes, 2);
    assert_int_equal(told.summary.archives, ARCHIVES);
    forget(&told);
    snprintf(path, sizeof(path), "%s/away", set->root);
    assert_int_equal(rename(set->place[0], path), 0);
    OK(agree(set, NULL, &told, err)); /* nobody misses it */
    assert_int_equal(told.summary.problems + told.summary.unreachable, 0);
    assert_int_equal(told.summary.volumes, 1);
    forget(&told);
}

static void test_never_labelled(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;

    find_volume(set, "PD100001", &volume);
    snprintf(volume.label, sizeof(volume.label), "PD100002");
    volume.uuid[0] = volume.uuid[0] == '0' ? '1' : '0';
    volume.state = PD_VOLUME_BAD;
    volume.tape_files = 0;
    OK(pd_catalog_volume_add(set->catalog, &volume, err));
    expect_problems(set, 0, NULL, NULL);
}

/* A label that a run has for later: no medium needs to bear it, but one may; and may hold more. */
static void test_reserved(void **state)
{
    struct verify_set *set = *state;
    struct pd_volume_row volume;
    struct told told;
    char *record;
    uint32_t number = 0;

    find_volume(set, "PD100001", &volume);
    snprintf(volume.label, sizeof(volume.label), "PD100002");
    volume.uuid[0] = volume.uuid[0] == '0' ? '1' : '0';
    volume.state = PD_VOLUME_RESERVED;
    volume.tape_files = 0;
    OK(pd_catalog_volume_add(set->catalog, &volume, err));
    for (int i = 0; i < 2; i++) {
        OK(agree(set, NULL, &told, err));
        assert_string_equal(text_of(&told.problems), "");
        assert_string_equal(text_of(&told.warnings), "");
        assert_int_equal(told.summary.unreachable, 0);
        assert_int_equal(told.summary.volumes, 2);
        forget(&told);
        if (i == 0) {
            struct pd_target *target = verify_set_mount(set, 0, "");
            struct pd_label label = *pd_target_label(target);

            snprintf(label.label, sizeof(label.label), "PD100002");
            memcpy(label.uuid, volume.uuid, sizeof(label.uuid));
            OK(pd_target_format(target, &label, err));
            verify_set_close(target);
        }
    }
    struct pd_target *target = verify_set_mount(set, 0, "");
    OK(pd_target_mount(target, "PD100002", err));
    record = pd_record_alloc(volume.block_size);
    assert_non_null(record);
    memset(record, 0, volume.block_size);
    OK(pd_target_begin(target, "d.0001", &number, err));
    OK(pd_target_write(target, record, volume.block_size, err));
    OK(pd_target_end(target, true, err));
    verify_set_close(target);
    free(record);
    OK(agree(set, NULL, &told, err));
    assert_string_equal(text_of(&told.problems), "");
    assert_non_null(strstr(text_of(&told.warnings),
                           "PD100002: is only reserved in the catalog, and "
                           "holds 2 tape files"));
    forget(&told);
}

static void test_busy_drive(void **state)
{
    struct verify_set *set = *state;
    struct pd_target *target = verify_set_mount(set, 1, "");
    struct pd_error error = PD_ERROR_INIT;
    struct told told;

    assert_int_equal(agree(set, NULL, &told, &error), PD_BUSY);
    forget(&told);
    verify_set_close(target);
}

/* A disk can be looked at while a run has it. */
static void test_claimed_disk(void **state)
{
    struct verify_set *set = *state;
    struct pd_target *target = verify_set_mount(set, 1, "");

    OK(pd_target_claim(target, err));
    expect_problems(set, 0, NULL, NULL);
    verify_set_close(target);
}

static void test_interrupted(void **state)
{
    struct verify_set *set = *state;
    struct pd_error error = PD_ERROR_INIT;
    struct told told;

    set->e.stopped = 1;
    assert_int_equal(agree(set, NULL, &told, &error), PD_INTERRUPTED);
    set->e.stopped = 0;
    forget(&told);
}

/* What cannot be read is not there. */
static void test_unreadable(void **state)
{
    struct verify_set *set = *state;
    struct told told;
    char url[200];

    snprintf(url, sizeof(url), "fault:read@1=EIO:%s", set->url[0]);
    OK(agree(set, url, &told, err));
    assert_int_equal(told.summary.problems, 1);
    assert_non_null(strstr(text_of(&told.problems), "PD100001: first.0001"));
    forget(&told);
}

#define ON(kind, test) {#test "_" #kind, test, start_##kind, end, NULL}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON(disk, test_good),
        ON(mock, test_good),
        ON(disk, test_nothing_changes),
        ON(disk, test_missing_volume),
        ON(mock, test_missing_cartridge),
        ON(disk, test_volume_of_another_host),
        ON(mock, test_volume_of_another_host),
        ON(disk, test_label_of_another_host),
        ON(mock, test_label_of_another_host),
        ON(disk, test_wrong_uuid),
        ON(mock, test_wrong_uuid),
        ON(disk, test_extra_tape_file),
        ON(mock, test_extra_tape_file),
        ON(disk, test_extra_in_the_rows),
        ON(mock, test_extra_in_the_rows),
        ON(disk, test_missing_tape_file),
        ON(disk, test_bad_copy_may_be_missing),
        ON(disk, test_truncated),
        ON(disk, test_one_record_more),
        ON(mock, test_truncated_tape),
        ON(disk, test_exchanged),
        ON(disk, test_first_record_altered),
        ON(disk, test_link_is_not_followed),
        ON(disk, test_unknown_volume),
        ON(mock, test_unknown_volume),
        ON(disk, test_label_given_twice),
        ON(mock, test_label_given_twice),
        ON(mock, test_blank_cartridge),
        ON(disk, test_unreachable),
        ON(mock, test_unreachable),
        ON(disk, test_place_that_is_none),
        ON(disk, test_writing),
        ON(mock, test_writing),
        ON(disk, test_index_of_a_dump_not_ended),
        ON(mock, test_index_of_a_dump_not_ended),
        ON(mock, test_records_without_filemark),
        ON(disk, test_bad_volume),
        ON(disk, test_never_labelled),
        ON(mock, test_never_labelled),
        ON(disk, test_reserved),
        ON(mock, test_reserved),
        ON(mock, test_busy_drive),
        ON(disk, test_claimed_disk),
        ON(disk, test_interrupted),
        ON(disk, test_unreadable),
        ON(mock, test_unreadable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
