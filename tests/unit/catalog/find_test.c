#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "pairdump/text.h"

#include "../../lib/catalog_lib.h"

/* What a search gave: each path followed by '|', and the last row. */
struct results {
    struct pd_buf text;
    size_t n;
    struct pd_found last;
    struct pd_toc_file file;
    char dump[128], archive[128], link[64];
    char names[8][128]; /* of the dumps of the first rows */
};

static enum pd_status take(void *arg, const struct pd_found *found, struct pd_error *err)
{
    struct results *r = arg;

    (void)err;
    assert_int_equal(pd_buf_puts(&r->text, found->file->path), PD_OK);
    assert_int_equal(pd_buf_puts(&r->text, "|"), PD_OK);
    if (r->n < 8) {
        (void)snprintf(r->names[r->n], sizeof r->names[0], "%s", found->dump_name);
    }
    r->n++;
    r->last = *found;
    r->file = *found->file;
    (void)snprintf(r->dump, sizeof r->dump, "%s", found->dump_name);
    (void)snprintf(r->archive, sizeof r->archive, "%s", found->archive_name);
    (void)snprintf(r->link, sizeof r->link, "%s", found->file->link ? found->file->link : "none");
    return PD_OK;
}

typedef enum pd_status (*search_fn)(struct pd_catalog *catalog, int64_t dump_id, const char *what,
                                    pd_found_fn fn, void *arg, struct pd_error *err);

static void search(struct cat_case *c, search_fn fn, struct results *r, int64_t dump,
                   const char *what)
{
    pd_buf_free(&r->text);
    memset(r, 0, sizeof *r);
    assert_int_equal(pd_buf_puts(&r->text, ""), PD_OK);
    cat_expect_at(c, PD_OK, fn(c->catalog, dump, what, take, r, &c->err), what, __FILE__,
                  __LINE__);
}

#define assert_search(c, fn, dump, what, wanted)                                                   \
    do {                                                                                           \
        struct results r_ = {0};                                                                   \
        search(c, fn, &r_, dump, what);                                                            \
        assert_string_equal(r_.text.data, wanted);                                                 \
        pd_buf_free(&r_.text);                                                                     \
    } while (0)
#define assert_find(c, what, wanted) assert_search(c, pd_catalog_find, 0, what, wanted)
#define assert_ls(c, what, wanted) assert_search(c, pd_catalog_ls, 0, what, wanted)

/* A dump of one archive on a volume of its own. */
static int64_t dump_of(struct cat_case *c, const char *name, int64_t started,
                       const char *const *paths, size_t count)
{
    int64_t dump = cat_dump(c, name, 1, started);
    int64_t volume;
    struct pd_copy_row copy;
    char label[16];

    (void)snprintf(label, sizeof label, "V%d", (int)dump);
    volume = cat_volume(c, label);
    (void)cat_archive(c, dump, 1, paths, count, &volume, 1, &copy);
    return dump;
}

#define DUMP(c, name, started, paths) dump_of(c, name, started, paths, sizeof paths / sizeof *paths)

/* ---- exact paths ---- */

static void a_file_is_found_by_its_path(void **state)
{
    static const char *const paths[] = {"/top", "/data", "/data/a", "/data/b", "/data/sub/a"};
    static const char *const unknown[] = {"/", "", "/dat", "/data/", "/data/c", "/data/sub",
                                          "data/a", "/data/a/", "/data//a", "/other/a", "/top/a"};
    struct cat_case *c = *state;

    assert_find(c, "/data/a", "");
    (void)DUMP(c, "one", 1, paths);
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "%s|", paths[i]);
        assert_find(c, paths[i], wanted);
    }
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_find(c, unknown[i], "");
    }
}

static void what_is_found_tells_where_it_lies(void **state)
{
    static const char *const first[] = {"/x"};
    static const char *const second[] = {"/data/a", "/data/b"};
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "one", 3, 77);
    int64_t volumes[] = {cat_volume(c, "V1"), cat_volume(c, "V2"), cat_volume(c, "V3")};
    struct pd_copy_row copies[3];
    struct results r = {0};

    (void)cat_archive(c, dump, 1, first, 1, volumes, 3, copies);
    int64_t archive = cat_archive(c, dump, 2, second, 2, volumes, 3, copies);
    cat_ok(c, cat_verify(c, copies[0].id, "full", PD_OK));
    cat_ok(c, cat_verify(c, copies[2].id, "full", PD_IO));
    search(c, pd_catalog_find, &r, 0, "/data/b");
    assert_int_equal(r.n, 1);
    assert_int_equal(r.last.dump_id, dump);
    assert_int_equal(r.last.archive_id, archive);
    assert_int_equal(r.last.archive_seq, 2);
    assert_int_equal(r.last.index, 1);
    assert_string_equal(r.dump, "one");
    assert_string_equal(r.archive, "d1.2");
    assert_int_equal(r.last.dump_started, 77);
    assert_int_equal(r.last.copies, 3);
    assert_int_equal(r.last.verified, 1);
    assert_int_equal(r.last.written, 1);
    assert_int_equal(r.last.bad, 1);
    assert_int_equal(r.file.kind, PD_KIND_FILE);
    assert_int_equal(r.file.size, 512);
    assert_int_equal(r.file.offset, 1024);
    assert_int_equal(r.file.length, 1024);
    assert_int_equal(r.file.mtime, 100);
    assert_int_equal(r.file.ctime_ns, 2);
    assert_true(r.file.has_digest);
    assert_int_equal(r.file.digest[31], 1);
    search(c, pd_catalog_find, &r, 0, "/x");
    assert_int_equal(r.last.archive_seq, 1);
    assert_int_equal(r.last.verified + r.last.bad, 0);
    assert_int_equal(r.last.written, 3);
    pd_buf_free(&r.text);
}

static void an_archive_that_is_being_written_has_no_files_yet(void **state)
{
    static const char *const paths[] = {"/data/a"};
    struct cat_case *c = *state;
    int64_t dump = DUMP(c, "one", 1, paths), volume = cat_volume(c, "W1");
    struct pd_copy_row copy;

    (void)cat_begin(c, dump, 2, &volume, 1, &copy);
    assert_find(c, "/data/a", "/data/a|");
}

static void links_are_found_with_what_they_lead_to(void **state)
{
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "one", 1, 1), volume = cat_volume(c, "V1");
    struct pd_toc_file link = {.path = "/d/link", .link = "../\xff to", .kind = PD_KIND_SYMLINK,
                               .state = PD_WHOLE};
    struct pd_copy_row copy;
    struct pd_toc toc;
    int64_t id = cat_begin(c, dump, 1, &volume, 1, &copy);
    struct results r = {0};

    cat_toc_start(&toc, "one.1");
    cat_ok(c, pd_toc_add_file(&toc, &link, NULL, &c->err));
    cat_toc_end(c, &toc);
    copy.state = PD_COPY_WRITTEN;
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, &copy, 1, &c->err));
    pd_toc_release(&toc);
    search(c, pd_catalog_find, &r, 0, "/d/link");
    assert_int_equal(r.file.kind, PD_KIND_SYMLINK);
    assert_string_equal(r.link, "../\xff to");
    assert_false(r.file.has_digest);
    pd_buf_free(&r.text);
}

static void the_newest_dump_comes_first(void **state)
{
    static const char *const paths[] = {"/data/a", "/data/b"};
    struct cat_case *c = *state;
    int64_t old = DUMP(c, "old", 400, paths); /* the clock was set back since */
    struct results r = {0};

    (void)DUMP(c, "middle", 200, paths);
    (void)DUMP(c, "new", 300, paths);
    search(c, pd_catalog_find, &r, 0, "/data/a");
    assert_int_equal(r.n, 3);
    assert_string_equal(r.names[0], "new");
    assert_string_equal(r.names[1], "middle");
    assert_string_equal(r.names[2], "old");
    search(c, pd_catalog_find, &r, 0, "/data/?");
    assert_int_equal(r.n, 6);
    assert_string_equal(r.text.data, "/data/a|/data/a|/data/a|/data/b|/data/b|/data/b|");
    assert_string_equal(r.names[1], "middle");
    assert_string_equal(r.names[3], "new");
    assert_string_equal(r.names[5], "old");
    search(c, pd_catalog_find, &r, 0, "*");
    assert_string_equal(r.text.data, "/data/a|/data/b|/data/a|/data/b|/data/a|/data/b|");
    assert_string_equal(r.names[1], "new");
    assert_string_equal(r.names[2], "middle");
    assert_string_equal(r.names[5], "old");
    search(c, pd_catalog_ls, &r, 0, "/data");
    assert_string_equal(r.text.data, "/data/a|/data/a|/data/a|/data/b|/data/b|/data/b|");
    assert_string_equal(r.names[0], "new");
    assert_string_equal(r.names[2], "old");
    /* or one dump alone */
    search(c, pd_catalog_find, &r, old, "/data/a");
    assert_int_equal(r.n, 1);
    assert_string_equal(r.dump, "old");
    search(c, pd_catalog_find, &r, old, "/d*");
    assert_int_equal(r.n, 2);
    assert_string_equal(r.dump, "old");
    search(c, pd_catalog_find, &r, old, "*");
    assert_int_equal(r.n, 2);
    search(c, pd_catalog_ls, &r, old, "/data");
    assert_int_equal(r.n, 2);
    assert_search(c, pd_catalog_find, old + 100, "/data/a", "");
    pd_buf_free(&r.text);
}

/* ---- patterns ---- */

static void patterns_are_over_the_whole_path(void **state)
{
    static const char *const paths[] = {"/", "/data", "/data/a.c", "/data/b.c", "/data/b.h",
                                        "/data/sub/a.c", "/data/sub/deep/a.c", "/z"};
    static const struct {
        const char *pattern, *wanted;
    } tried[] = {
        {"/data/*.c", "/data/a.c|/data/b.c|/data/sub/a.c|/data/sub/deep/a.c|"},
        {"/data/?.c", "/data/a.c|/data/b.c|"},
        {"/data/[b-z].?", "/data/b.c|/data/b.h|"},
        {"/data/[!a].c", "/data/b.c|"},
        {"/data/sub*", "/data/sub/a.c|/data/sub/deep/a.c|"},
        {"/data/sub/*/a.c", "/data/sub/deep/a.c|"},
        {"*/a.c", "/data/a.c|/data/sub/a.c|/data/sub/deep/a.c|"},
        {"/*a.c", "/data/a.c|/data/sub/a.c|/data/sub/deep/a.c|"},
        {"/d*a", "/data|"},
        {"/?", "/z|"},
        {"a.c*", ""},
        {"*.C", ""},
        {"data/*", ""},
        {"/data/*/", ""},
        {"/data/sub/[", ""},
        {"/nowhere/*", ""},
        {"/data*", "/data|/data/a.c|/data/b.c|/data/b.h|/data/sub/a.c|/data/sub/deep/a.c|"},
        {"*", "/|/data|/data/a.c|/data/b.c|/data/b.h|/data/sub/a.c|/data/sub/deep/a.c|/z|"},
        {"/*", "/|/data|/data/a.c|/data/b.c|/data/b.h|/data/sub/a.c|/data/sub/deep/a.c|/z|"},
        {"/dat[a]/b.?", "/data/b.c|/data/b.h|"},
    };
    struct cat_case *c = *state;

    (void)DUMP(c, "one", 1, paths);
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        assert_find(c, tried[i].pattern, tried[i].wanted);
    }
}

/* Folders are searched by a range of paths; these lie at its edges. */
static void a_pattern_meets_all_folders_below_and_no_neighbour(void **state)
{
    static const char *const paths[] = {
        "/data/x", "/data!/x", "/data-/x", "/data.d/x", "/data/!/x", "/data/-/x",
        "/data/\xff/x", "/data/\xff\xff/x", "/data0/x", "/data/0/x", "/dataa/x", "/dat/x",
        "/data/\x01/x", "/DATA/x", "/data/~/x",
    };
    struct cat_case *c = *state;

    (void)DUMP(c, "one", 1, paths);
    assert_find(c, "/data/*",
                "/data/x|/data/\x01/x|/data/!/x|/data/-/x|/data/0/x|/data/~/x|/data/\xff/x|"
                "/data/\xff\xff/x|");
    assert_find(c, "/data/\xff/*", "/data/\xff/x|");
    assert_find(c, "/data/\xff*/x", "/data/\xff/x|/data/\xff\xff/x|");
    assert_find(c, "/data0/*", "/data0/x|");
    assert_find(c, "/data?/x", "/data!/x|/data-/x|/data0/x|/dataa/x|");
}

/* ---- names that mean something elsewhere ---- */

static void special_characters_stand_for_themselves(void **state)
{
    static const char *const paths[] = {
        "/d/100%", "/d/100x", "/d/a_b", "/d/axb", "/d/star*", "/d/starlet", "/d/what?",
        "/d/whats", "/d/[x]", "/d/x", "/d/it's", "/d/\"q\"", "/d/a;b--", "/d/?1", "/%/p", "/_/u",
        "/x/u", "/*/s", "/[]/b", "/d/ ", "/d/  ", "/d/ lead", "/d/.", "/d/..",
    };
    struct cat_case *c = *state;

    (void)DUMP(c, "one", 1, paths);
    assert_find(c, "/d/100%", "/d/100%|");
    assert_find(c, "/d/a_b", "/d/a_b|");
    assert_find(c, "/d/it's", "/d/it's|");
    assert_find(c, "/d/\"q\"", "/d/\"q\"|");
    assert_find(c, "/d/a;b--", "/d/a;b--|");
    assert_find(c, "/%/p", "/%/p|");
    assert_find(c, "/_/u", "/_/u|");
    assert_find(c, "/d/ ", "/d/ |");
    assert_find(c, "/d/  ", "/d/  |");
    /* in patterns too % and _ are plain, and what is special is quoted */
    assert_find(c, "/d/10?%", "/d/100%|");
    assert_find(c, "/d/a_*", "/d/a_b|");
    assert_find(c, "/_/*", "/_/u|");
    assert_find(c, "/%/*", "/%/p|");
    assert_find(c, "/d/star*", "/d/star*|/d/starlet|");
    assert_find(c, "/d/star\\*", "/d/star*|");
    assert_find(c, "/d/star[*]", "/d/star*|");
    assert_find(c, "/d/what?", "/d/what?|/d/whats|");
    assert_find(c, "/d/what\\?", "/d/what?|");
    assert_find(c, "/d/[x]", "/d/x|");
    assert_find(c, "/d/\\[x]", "/d/[x]|");
    assert_find(c, "/\\*/s", "/*/s|");
    assert_find(c, "/\\[]/b", "/[]/b|");
    /* and folders are no patterns */
    assert_ls(c, "/*", "/*/s|");
    assert_ls(c, "/[]", "/[]/b|");
    assert_ls(c, "/_", "/_/u|");
}

static void a_backslash_in_a_name_can_be_asked_for(void **state)
{
    static const char *const paths[] = {"/d/a\\b", "/d/ab", "/e\\f/x"};
    struct cat_case *c = *state;

    (void)DUMP(c, "one", 1, paths);
    assert_find(c, "/d/a\\b", "/d/a\\b|"); /* no pattern, as it has none of *?[ */
    assert_find(c, "/d/a?b", "/d/a\\b|");
    assert_find(c, "/e\\\\f/*", "/e\\f/x|");
    assert_ls(c, "/e\\f", "/e\\f/x|");
}

static void bytes_are_bytes(void **state)
{
    static const char *const paths[] = {
        "/r/\xff\xfe", "/r/\xc3\xa4", "/r/a\xcc\x88", "/r/\xe4", "/r/new\nline", "/r/tab\t",
        "/r/\x01\x02", "/r/\xed\xa0\x80", "/\xff/in", "/r/A", "/r/a", "/r/a ", "/r/\xc3\xa9",
        "/r/e",
    };
    struct cat_case *c = *state;

    (void)DUMP(c, "one", 1, paths);
    /* no case, no trailing blank, no accent and no composed form is taken for another */
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "%s|", paths[i]);
        assert_find(c, paths[i], wanted);
    }
    assert_find(c, "/R/a", "");
    assert_find(c, "/r/\xff*", "/r/\xff\xfe|");
    assert_find(c, "/r/*\xfe", "/r/\xff\xfe|");
    assert_find(c, "/r/new?line", "/r/new\nline|");
    assert_find(c, "/\xff/*", "/\xff/in|");
    assert_find(c, "/r/?", "/r/A|/r/a|/r/e|/r/\xe4|");
    assert_ls(c, "/\xff", "/\xff/in|");
    assert_ls(c, "/r",
              "/r/\x01\x02|/r/A|/r/a|/r/a |/r/a\xcc\x88|/r/e|/r/new\nline|/r/tab\t|"
              "/r/\xc3\xa4|/r/\xc3\xa9|/r/\xe4|/r/\xed\xa0\x80|/r/\xff\xfe|");
}

static void long_names_and_deep_folders_are_found(void **state)
{
    struct cat_case *c = *state;
    char name[300] = "/d/", deep[4096] = "", wanted[4200];
    const char *paths[] = {name, deep, "/d/x"};

    memset(name + 3, 'n', 255);
    for (size_t at = 0; at + 20 < sizeof deep; at += 16) {
        (void)snprintf(deep + at, sizeof deep - at, "/0123456789abcde");
    }
    (void)DUMP(c, "one", 1, paths);
    (void)snprintf(wanted, sizeof wanted, "%s|", name);
    assert_find(c, name, wanted);
    (void)snprintf(wanted, sizeof wanted, "%s|", deep);
    assert_find(c, deep, wanted);
    assert_find(c, "/0123*cde", wanted);
    name[200] = '\0';
    assert_find(c, name, "");
    deep[strlen(deep) - 1] = 'x';
    assert_find(c, deep, "");
}

/* ---- folders ---- */

static void ls_gives_what_lies_directly_in_a_folder(void **state)
{
    static const char *const paths[] = {"/", "/b", "/data", "/data/z", "/data/a", "/data/sub",
                                        "/data/sub/x", "/data/sub/deep/y", "/data-2/n"};
    struct cat_case *c = *state;

    assert_ls(c, "/", "");
    (void)DUMP(c, "one", 1, paths);
    assert_ls(c, "/", "/b|/data|");
    assert_ls(c, "/data", "/data/a|/data/sub|/data/z|");
    assert_ls(c, "/data/sub", "/data/sub/x|");
    assert_ls(c, "/data/sub/deep", "/data/sub/deep/y|");
    assert_ls(c, "/data/a", "");
    assert_ls(c, "/dat", "");
    assert_ls(c, "/nowhere", "");
}

/* Folders are looked up by a hash; one that is shared must not lead into the other. */
static void folders_with_the_same_hash_are_kept_apart(void **state)
{
    static const char *const first[] = {"/other/a"}, *const second[] = {"/data/a"};
    struct cat_case *c = *state;
    char sql[128];

    (void)DUMP(c, "one", 1, first);
    (void)snprintf(sql, sizeof sql, "UPDATE folder SET hash = %lld",
                   (long long)XXH3_64bits("/data", 5));
    cat_close(c);
    cat_sql(c, sql);
    cat_open(c);
    assert_find(c, "/data/a", "");
    (void)DUMP(c, "two", 2, second);
    assert_find(c, "/data/a", "/data/a|");
    assert_ls(c, "/data", "/data/a|");
    cat_close(c);
    cat_open(c);
    assert_find(c, "/data/a", "/data/a|");
    assert_find(c, "*/a", "/data/a|/other/a|");
}

enum { MANY = 11000 }; /* folders: more than are kept at hand, or searched one by one */

static void many_folders_are_each_found_again(void **state)
{
    struct cat_case *c = *state;
    int64_t volume = cat_volume(c, "V1");
    struct pd_copy_row copy;
    struct pd_toc toc;
    char path[64], wanted[140];

    for (uint64_t seq = 1; seq <= 2; seq++) {
        int64_t dump = cat_dump(c, seq == 1 ? "one" : "two", 1, (int64_t)seq);
        int64_t id = cat_begin(c, dump, seq, &volume, 1, &copy);
        cat_toc_start(&toc, "many");
        for (int i = 0; i < MANY; i++) {
            (void)snprintf(path, sizeof path, "/many/%d/f", i);
            cat_toc_add(c, &toc, path);
        }
        cat_toc_end(c, &toc);
        copy.state = PD_COPY_WRITTEN;
        cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, &copy, 1, &c->err));
        pd_toc_release(&toc);
    }
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM folder"), MANY);
    for (int i = 0; i < MANY; i += 13) {
        (void)snprintf(path, sizeof path, "/many/%d/f", i);
        (void)snprintf(wanted, sizeof wanted, "%s|%s|", path, path);
        assert_find(c, path, wanted);
    }
    struct results r = {0};
    search(c, pd_catalog_find, &r, 0, "/many/*");
    assert_int_equal(r.n, 2 * MANY);
    search(c, pd_catalog_find, &r, 0, "/many/*/f");
    assert_int_equal(r.n, 2 * MANY);
    search(c, pd_catalog_find, &r, 0, "/many/12?4/f");
    assert_int_equal(r.n, 2 * 10);
    pd_buf_free(&r.text);
    assert_int_equal(cat_check(c), 0);
}

/* A file of one folder, of which there are more than one statement asks for. */
enum { IN_FOLDER = 2500, DUMPS = 3, MEMORY_MAX = 1 << 20 };

struct seen {
    unsigned count[IN_FOLDER];
    unsigned rows;
    bool by_name;  /* names must not go down, and dumps only within a name */
    int64_t name, dump;
    struct pd_catalog *catalog; /* that is asked something else between rows */
    size_t memory; /* in use before */
};

static size_t memory_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static enum pd_status see(void *arg, const struct pd_found *found, struct pd_error *err)
{
    struct seen *seen = arg;
    int64_t name = strtol(found->file->path + strlen("/flat/"), NULL, 10);
    struct results other = {0};

    assert_true(name >= 0 && name < IN_FOLDER);
    seen->count[name]++;
    if (seen->by_name) {
        assert_true(name > seen->name || (name == seen->name && found->dump_id < seen->dump));
    } else {
        assert_true(found->dump_id < seen->dump ||
                    (found->dump_id == seen->dump && name > seen->name));
    }
    seen->name = name;
    seen->dump = found->dump_id;
    if (seen->rows++ % 1000 == 0) {
        assert_int_equal(pd_catalog_find(seen->catalog, 0, "/flat/00007", take, &other, err), PD_OK);
        assert_int_equal(other.n, DUMPS);
        assert_in_range(memory_in_use(), 0, seen->memory + MEMORY_MAX);
        pd_buf_free(&other.text);
    }
    return PD_OK;
}

static void fill_folder(struct cat_case *c)
{
    int64_t volume = cat_volume(c, "V1");
    struct pd_copy_row copy;
    struct pd_toc toc;
    char text[64];

    for (int d = 1; d <= DUMPS; d++) {
        (void)snprintf(text, sizeof text, "dump%d", d);
        int64_t dump = cat_dump(c, text, 1, d);
        int64_t id = cat_begin(c, dump, (uint64_t)d, &volume, 1, &copy);
        cat_toc_start(&toc, text);
        for (int i = 0; i < IN_FOLDER; i++) {
            (void)snprintf(text, sizeof text, "/flat/%05d", i);
            cat_toc_add(c, &toc, text);
        }
        cat_toc_end(c, &toc);
        copy.state = PD_COPY_WRITTEN;
        cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, &copy, 1, &c->err));
        pd_toc_release(&toc);
    }
}

/* What does not come over at once comes whole, in order, and once, and is not all held in memory. */
static void large_results_come_whole(void **state)
{
    static const struct {
        search_fn fn;
        const char *what;
        bool by_name;
    } tried[] = {{pd_catalog_ls, "/flat", true},
                 {pd_catalog_find, "/flat/*", true},
                 {pd_catalog_find, "*", false},
                 {pd_catalog_find, "/*[0-9]", false}};
    struct cat_case *c = *state;

    fill_folder(c);
    for (size_t i = 0; i < sizeof tried / sizeof tried[0]; i++) {
        for (int64_t dump = 0; dump <= 2; dump += 2) { /* all, and one of them */
            struct seen seen = {.by_name = tried[i].by_name, .name = -1, .dump = INT64_MAX,
                                .catalog = c->catalog, .memory = memory_in_use()};
            cat_ok(c, tried[i].fn(c->catalog, dump, tried[i].what, see, &seen, &c->err));
            for (size_t n = 0; n < IN_FOLDER; n++) {
                assert_int_equal(seen.count[n], dump ? 1 : DUMPS);
            }
        }
    }
    assert_find(c, "/flat/?2499", "/flat/02499|/flat/02499|/flat/02499|");
    assert_find(c, "/flat/12*", "");
}

static void exports_and_tables_of_contents_come_whole(void **state)
{
    struct cat_case *c = *state;
    FILE *text = tmpfile();
    char line[1024];
    int64_t files = 0, archive_id = 1;
    int archive = 0, seq = 0, wanted = 0;
    struct pd_toc toc;

    assert_non_null(text);
    fill_folder(c);
    cat_ok(c, pd_catalog_export(c->catalog, text, &c->err));
    rewind(text);
    while (fgets(line, sizeof line, text)) {
        if (sscanf(line, "file\tarchive_id=%d\tseq=%d\t", &archive, &seq) == 2) {
            assert_int_equal(archive, files / IN_FOLDER + 1);
            assert_int_equal(seq, wanted++ % IN_FOLDER);
            files++;
        }
    }
    assert_int_equal(files, DUMPS * IN_FOLDER);
    (void)fclose(text);
    cat_ok(c, pd_catalog_toc(c->catalog, archive_id, &toc, &c->err));
    assert_int_equal(toc.file_count, IN_FOLDER);
    assert_string_equal(toc.files[IN_FOLDER - 1].path, "/flat/02499");
    pd_toc_release(&toc);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_found_by_its_path),
        TEST(what_is_found_tells_where_it_lies),
        TEST(an_archive_that_is_being_written_has_no_files_yet),
        TEST(links_are_found_with_what_they_lead_to),
        TEST(the_newest_dump_comes_first),
        TEST(patterns_are_over_the_whole_path),
        TEST(a_pattern_meets_all_folders_below_and_no_neighbour),
        TEST(special_characters_stand_for_themselves),
        TEST(a_backslash_in_a_name_can_be_asked_for),
        TEST(bytes_are_bytes),
        TEST(long_names_and_deep_folders_are_found),
        TEST(ls_gives_what_lies_directly_in_a_folder),
        TEST(folders_with_the_same_hash_are_kept_apart),
        TEST(many_folders_are_each_found_again),
        TEST(large_results_come_whole),
        TEST(exports_and_tables_of_contents_come_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
