/* Files' digests in the catalog, of each algorithm. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/catalog_lib.h"

/* An archive of two files and a folder, with digests of that algorithm; its copy is written. */
static int64_t add_archive(struct cat_case *c, int64_t dump, uint64_t seq, int64_t volume,
                           enum pd_digest_alg alg)
{
    struct pd_toc_file folder = {.path = "/d", .kind = PD_KIND_DIR, .state = PD_WHOLE,
                                 .offset = 2048, .length = 1024};
    struct pd_copy_row copy;
    int64_t id = cat_begin(c, dump, seq, &volume, 1, &copy);
    struct pd_toc toc;
    char name[64];

    (void)snprintf(name, sizeof name, "d%d.%d", (int)dump, (int)seq);
    cat_toc_start(&toc, name);
    toc.alg = alg;
    cat_toc_add(c, &toc, "/d/a");
    cat_toc_add(c, &toc, "/d/b");
    cat_ok(c, pd_toc_add_file(&toc, &folder, NULL, &c->err));
    for (uint8_t i = 0; i < PD_DIGEST_MAX; i++) { /* each byte counts */
        toc.files[1].digest[i] = (uint8_t)(i + 7 * seq);
    }
    cat_toc_end(c, &toc);
    copy.state = PD_COPY_WRITTEN;
    cat_ok(c, pd_catalog_archive_written(c->catalog, id, &toc, &copy, 1, &c->err));
    pd_toc_release(&toc);
    return id;
}

/* One archive of each algorithm, ids 1, 2, ... */
static void make_archives(struct cat_case *c)
{
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");

    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        assert_int_equal(add_archive(c, dump, i + 1, volume, (enum pd_digest_alg)i), i + 1);
    }
}

static void expect_archive(struct cat_case *c, int64_t id, enum pd_digest_alg alg)
{
    size_t len = pd_digest_alg_info(alg)->len;
    struct pd_toc toc;

    cat_ok(c, pd_catalog_toc(c->catalog, id, &toc, &c->err));
    assert_int_equal(toc.alg, alg);
    assert_int_equal(toc.file_count, 3);
    assert_false(toc.files[2].has_digest);
    for (uint8_t i = 0; i < PD_DIGEST_MAX; i++) {
        assert_int_equal(toc.files[1].digest[i], i < len ? (uint8_t)(i + 7 * id) : 0);
    }
    assert_true(toc.files[1].has_digest);
    assert_int_equal(toc.files[1].alg, alg);
    pd_toc_release(&toc);
}

struct found {
    unsigned count, by_alg[PD_DIGEST_ALGS];
};

static enum pd_status count_found(void *arg, const struct pd_found *found, struct pd_error *err)
{
    struct found *f = arg;

    (void)err;
    assert_true(found->file->has_digest);
    assert_int_equal(found->file->digest[3], (uint8_t)(3 + 7 * found->archive_id));
    assert_int_equal(found->file->alg + 1, found->archive_id);
    f->count++;
    f->by_alg[found->file->alg]++;
    return PD_OK;
}

static void digests_of_each_algorithm_come_back(void **state)
{
    struct cat_case *c = *state;
    struct found found = {0};
    struct pd_archive_row row;
    bool there = false;

    make_archives(c);
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        expect_archive(c, i + 1, (enum pd_digest_alg)i);
        cat_ok(c, pd_catalog_archive_find(c->catalog, 1, i + 1, &row, &there, &c->err));
        assert_true(there);
        assert_int_equal(row.alg, i);
        assert_int_equal(found.by_alg[i], 0);
    }
    cat_ok(c, pd_catalog_find(c->catalog, 0, "/d/b", count_found, &found, &c->err));
    assert_int_equal(found.count, PD_DIGEST_ALGS);
    cat_ok(c, pd_catalog_find(c->catalog, 0, "/?/b", count_found, &found, &c->err));
    assert_int_equal(found.count, 2 * PD_DIGEST_ALGS);
    assert_int_equal(cat_check(c), 0);
}

/* What its name says, and nothing else: others may read the catalog too. */
static void the_column_of_sha256_holds_only_that(void **state)
{
    struct cat_case *c = *state;

    make_archives(c);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file WHERE sha256 IS NOT NULL"), 2);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file WHERE sha256 IS NOT NULL"
                                   " AND archive_id = 1"),
                     2);
    assert_int_equal(cat_number(c, "SELECT COUNT(*) FROM file WHERE digest IS NOT NULL"),
                     2 * (PD_DIGEST_ALGS - 1));
}

/* Also before it is written it is not said to be of another one. */
static void an_archive_begun_has_its_algorithm(void **state)
{
    struct cat_case *c = *state;
    int64_t volume = cat_volume(c, "V1");
    struct pd_archive_row row = {.dump_id = cat_dump(c, "d", 1, 1), .seq = 1, .name = "d.0001",
                                 .record_size = 65536, .alg = PD_DIGEST_BLAKE2B512};
    struct pd_copy_row copy = {.volume_id = volume, .copy = 1, .tape_file = 1};

    cat_ok(c, pd_catalog_archive_begin(c->catalog, &row, &copy, 1, &c->err));
    assert_int_equal(
        cat_number(c, "SELECT COUNT(*) FROM archive WHERE digest_algorithm = 'blake2b512'"), 1);
}

static void contradictions_are_found_and_not_taken(void **state)
{
    static const struct {
        const char *change, *undo;
        int64_t archive;
        unsigned findings;
    } cases[] = {
        {"UPDATE archive SET digest_algorithm = 'sha512' WHERE id = 1",
         "UPDATE archive SET digest_algorithm = 'sha256' WHERE id = 1", 1, 2},
        {"UPDATE archive SET digest_algorithm = 'sha256' WHERE id = 2",
         "UPDATE archive SET digest_algorithm = 'sha512' WHERE id = 2", 2, 2},
        {"UPDATE archive SET digest_algorithm = 'sha512' WHERE id = 3",
         "UPDATE archive SET digest_algorithm = 'sha3-256' WHERE id = 3", 3, 2},
        {"UPDATE archive SET digest_algorithm = 'sha3-256' WHERE id = 4",
         "UPDATE archive SET digest_algorithm = 'blake2b512' WHERE id = 4", 4, 2},
        {"UPDATE archive SET digest_algorithm = 'md5' WHERE id = 3",
         "UPDATE archive SET digest_algorithm = 'sha3-256' WHERE id = 3", 3, 3},
        {"UPDATE archive SET digest_algorithm = '' WHERE id = 4",
         "UPDATE archive SET digest_algorithm = 'blake2b512' WHERE id = 4", 4, 1},
        {"UPDATE file SET sha256 = digest WHERE archive_id = 3 AND seq = 0",
         "UPDATE file SET sha256 = NULL WHERE archive_id = 3 AND seq = 0", 3, 1},
        {"UPDATE file SET digest = sha256 WHERE archive_id = 1 AND seq = 0",
         "UPDATE file SET digest = NULL WHERE archive_id = 1 AND seq = 0", 1, 1},
        {"UPDATE file SET digest = x'01' WHERE archive_id = 2 AND seq = 0", "SELECT 1", 2, 1},
    };
    struct cat_case *c = *state;
    struct pd_toc toc;

    make_archives(c);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cat_sql(c, cases[i].change);
        assert_int_equal(cat_check(c), cases[i].findings);
        pd_error_clear(&c->err);
        cat_expect(c, PD_CATALOG, pd_catalog_toc(c->catalog, cases[i].archive, &toc, &c->err));
        if (strncmp(cases[i].undo, "SELECT", 6) != 0) {
            cat_sql(c, cases[i].undo);
            assert_int_equal(cat_check(c), 0);
            expect_archive(c, cases[i].archive, (enum pd_digest_alg)(cases[i].archive - 1));
        }
    }
}

static char *export_text(struct cat_case *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    cat_ok(c, pd_catalog_export(c->catalog, out, &c->err));
    assert_int_equal(fclose(out), 0);
    return text;
}

static void import_text(struct cat_case *c, char *text)
{
    FILE *in = fmemopen(text, strlen(text), "r");
    uint64_t rows = 0;

    assert_non_null(in);
    cat_ok(c, pd_catalog_import(c->catalog, in, &rows, &c->err));
    assert_int_equal(fclose(in), 0);
}

/* Out and into a new catalog: in SQLite, whatever the first one is in. */
static void digests_move_with_the_catalog(void **state)
{
    struct cat_case *c = *state;
    void *other_state = NULL;
    struct cat_case *other;
    char *text, *again;

    make_archives(c);
    text = export_text(c);
    assert_int_equal(cat_setup_sqlite(&other_state), 0);
    other = other_state;
    import_text(other, text);
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        expect_archive(other, i + 1, (enum pd_digest_alg)i);
    }
    assert_int_equal(cat_check(other), 0);
    again = export_text(other);
    assert_string_equal(again, text);
    free(again);
    free(text);
    cat_teardown(&other_state);
}

/* As an older program left it. On a server a step that was broken off may have made either column. */
static void a_catalog_of_schema_4_is_migrated(void **state)
{
    static const char *const undo[] = {"ALTER TABLE file DROP COLUMN digest",
                                       "ALTER TABLE archive DROP COLUMN digest_algorithm",
                                       "ALTER TABLE volume DROP COLUMN replaces"};
    enum { STEPS = sizeof undo / sizeof undo[0] };
    struct cat_case *c = *state;
    bool server = strncmp(c->url, "mysql:", 6) == 0;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    char *text, *again;

    assert_int_equal(add_archive(c, dump, 1, volume, PD_DIGEST_SHA256), 1);
    text = export_text(c);
    cat_close(c);
    for (size_t undone = server ? 0 : STEPS; undone <= STEPS; undone++) {
        for (size_t i = 0; i < undone; i++) {
            cat_sql(c, undo[i]);
        }
        cat_sql(c, "UPDATE schema_version SET version = 4");
        cat_ok(c, pd_catalog_open(&c->env, c->url, false, &c->catalog, &c->err));
        assert_int_equal(cat_number(c, "SELECT version FROM schema_version"), 5);
        expect_archive(c, 1, PD_DIGEST_SHA256);
        again = export_text(c);
        assert_string_equal(again, text);
        free(again);
        assert_int_equal(cat_check(c), 0);
        cat_close(c);
    }
    cat_open(c); /* and goes on with another */
    assert_int_equal(add_archive(c, dump, 2, volume, PD_DIGEST_SHA512), 2);
    expect_archive(c, 2, PD_DIGEST_SHA512);
    assert_int_equal(cat_check(c), 0);
    free(text);
}

/* An export of a schema without the column: all digests were SHA-256. */
static void an_export_of_schema_4_is_taken(void **state)
{
    static const char column[] = "\tdigest_algorithm=sha256";
    struct cat_case *c = *state;
    int64_t dump = cat_dump(c, "d", 1, 1), volume = cat_volume(c, "V1");
    void *other_state = NULL;
    char *text, *place;

    assert_int_equal(add_archive(c, dump, 1, volume, PD_DIGEST_SHA256), 1);
    text = export_text(c);
    place = strstr(text, column);
    assert_non_null(place);
    memmove(place, place + sizeof column - 1, strlen(place + sizeof column - 1) + 1);
    place = strstr(text, "schema=5");
    assert_non_null(place);
    place[7] = '4';
    assert_int_equal(cat_setup_sqlite(&other_state), 0);
    import_text(other_state, text);
    expect_archive(other_state, 1, PD_DIGEST_SHA256);
    assert_int_equal(cat_check(other_state), 0);
    free(text);
    cat_teardown(&other_state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, cat_setup, cat_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(digests_of_each_algorithm_come_back),
        TEST(the_column_of_sha256_holds_only_that),
        TEST(an_archive_begun_has_its_algorithm),
        TEST(contradictions_are_found_and_not_taken),
        TEST(digests_move_with_the_catalog),
        TEST(a_catalog_of_schema_4_is_migrated),
        TEST(an_export_of_schema_4_is_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
