#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/bag.h"

#include "../../lib/format_lib.h"

#define HEX "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void add(struct pd_toc *toc, const char *path, char kind, char wholeness, bool has_digest)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_toc_file file = {.path = path, .kind = kind, .state = wholeness};

    file.has_digest = has_digest;
    assert_true(pd_hex_decode(HEX, file.digest, PD_SHA256_LEN));
    assert_int_equal(pd_toc_add_file(toc, &file, NULL, &err), PD_OK);
}

static void manifest_lists_what_has_a_digest(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct pd_toc toc;

    (void)state;
    pd_toc_init(&toc);
    add(&toc, "/a", PD_KIND_DIR, PD_WHOLE, false);
    add(&toc, "/a/100%\n\r\t\xff", PD_KIND_FILE, PD_WHOLE, true);
    add(&toc, "/a/hard", PD_KIND_HARDLINK, PD_CHANGED, true);
    add(&toc, "/a/half\n", PD_KIND_FILE, PD_PARTIAL, true);
    assert_int_equal(pd_bag_manifest(&out, &toc), PD_OK);
    assert_string_equal(out.data, HEX "  data/a/100%25%0A%0D\t\xff\n" HEX "  data/a/hard\n" HEX
                                      "  data/a/half%0A\n");
    pd_buf_clear(&out);
    assert_int_equal(pd_bag_not_whole(&out, &toc), PD_OK);
    assert_string_equal(out.data, "~ data/a/hard\n! data/a/half%0A\n");
    pd_buf_free(&out);
    assert_int_equal(pd_bag_manifest_line(&out, HEX, "data/%x", 6), PD_OK);
    assert_string_equal(out.data, HEX "  data/%25\n");
    pd_buf_free(&out);
    toc.file_count = 1;
    assert_int_equal(pd_bag_not_whole(&out, &toc), PD_OK);
    assert_int_equal(out.len, 0);
    pd_buf_free(&out);
    pd_toc_release(&toc);
}

static void manifests_are_named_by_their_algorithm(void **state)
{
    static const struct {
        const char *name;
        enum pd_digest_alg alg; /* PD_DIGEST_ALGS: a manifest of one that is not known */
    } manifests[] = {
        {"manifest-sha256.txt", PD_DIGEST_SHA256},
        {"manifest-sha512.txt", PD_DIGEST_SHA512},
        {"manifest-sha3256.txt", PD_DIGEST_SHA3_256},
        {"manifest-blake2b512.txt", PD_DIGEST_BLAKE2B512},
        {"manifest-md5.txt", PD_DIGEST_ALGS},
        {"manifest-sha3-256.txt", PD_DIGEST_ALGS},
    };
    static const char *const others[] = {"manifest-.txt",    "manifest.txt",
                                         "manifest-sha256",  "tagmanifest-sha256.txt",
                                         "manifest-a/b.txt", ""};
    char name[PD_BAG_MANIFEST_TEXT];

    (void)state;
    for (size_t i = 0; i < sizeof(manifests) / sizeof(manifests[0]); i++) {
        enum pd_digest_alg alg = PD_DIGEST_SHA256;

        assert_true(pd_bag_is_manifest(manifests[i].name, &alg));
        assert_int_equal(alg, manifests[i].alg);
        if (alg == PD_DIGEST_ALGS)
            continue;
        pd_bag_manifest_name(alg, false, name);
        assert_string_equal(name, manifests[i].name);
        pd_bag_manifest_name(alg, true, name);
        assert_true(strncmp(name, "tag", 3) == 0 && strcmp(name + 3, manifests[i].name) == 0);
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        enum pd_digest_alg alg;

        assert_false(pd_bag_is_manifest(others[i], &alg));
    }
}

static void long_digests_are_listed_whole(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_toc_file file = {
        .path = "/f", .kind = PD_KIND_FILE, .state = PD_WHOLE, .alg = PD_DIGEST_SHA512};
    struct pd_buf out = PD_BUF_INIT;
    struct pd_toc toc;

    (void)state;
    pd_toc_init(&toc);
    toc.alg = PD_DIGEST_SHA512;
    pd_toc_set_digest(&file, "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF");
    assert_int_equal(pd_toc_add_file(&toc, &file, NULL, &err), PD_OK);
    assert_int_equal(pd_bag_manifest(&out, &toc), PD_OK);
    assert_string_equal(out.data, "3031323334353637383961626364656630313233343536373839414243444546"
                                  "3031323334353637383961626364656630313233343536373839414243444546"
                                  "  data/f\n");
    pd_buf_free(&out);
    pd_toc_release(&toc);
}

static enum pd_status take_none(void *arg, const uint8_t *digest, const char *path, size_t len,
                                struct pd_error *err)
{
    (void)digest;
    (void)path;
    (void)len;
    (void)err;
    ++*(unsigned *)arg;
    return PD_OK;
}

/* A manifest of another algorithm, or one line of it: refused, with the line's number. */
static void digests_of_another_length_are_refused(void **state)
{
    static const char text[] = HEX HEX "  data/a\n" HEX "  data/b\n";
    struct pd_error err = PD_ERROR_INIT;
    unsigned taken = 0;

    (void)state;
    assert_int_equal(pd_bag_manifest_parse(text, strlen(text), 64, take_none, &taken, &err),
                     PD_BAD_FORMAT);
    assert_int_equal(taken, 1);
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(pd_bag_manifest_parse(text, strlen(text), 32, take_none, &taken, &err),
                     PD_BAD_FORMAT);
    assert_int_equal(taken, 1);
    assert_non_null(strstr(err.message, "line 1"));
    assert_int_equal(
        pd_bag_manifest_parse(text, strlen(text), PD_DIGEST_MAX + 1, take_none, &taken, &err),
        PD_INTERNAL);
}

struct lines {
    struct pd_buf paths;
    unsigned count;
    enum pd_status refuse;
};

static enum pd_status note(void *arg, const uint8_t *digest, const char *path, size_t len,
                           struct pd_error *err)
{
    struct lines *lines = arg;

    assert_int_equal(digest[0], 0xba);
    lines->count++;
    assert_int_equal(pd_buf_append(&lines->paths, path, len), PD_OK);
    assert_int_equal(pd_buf_puts(&lines->paths, "|"), PD_OK);
    return lines->refuse == PD_OK ? PD_OK : pd_error_set(err, lines->refuse, 0, "as told");
}

static enum pd_status parse(const char *text, size_t len, struct lines *lines)
{
    struct pd_error err = PD_ERROR_INIT;
    enum pd_status status;

    pd_buf_free(&lines->paths);
    lines->count = 0;
    status = pd_bag_manifest_parse(text, len, PD_SHA256_LEN, note, lines, &err);
    assert_int_equal(err.status, status);
    return status;
}

static void manifests_of_any_origin_are_read(void **state)
{
    static const char text[] =
        HEX "  data/a b\n" HEX " *data/c\r\n" HEX "\t data/%0a%25\r" HEX "  data/\xff\xfe\n";
    struct lines lines = {0};

    (void)state;
    assert_int_equal(parse(text, sizeof(text) - 1, &lines), PD_OK);
    assert_int_equal(lines.count, 4);
    assert_string_equal(lines.paths.data, "data/a b|data/c|data/\n%|data/\xff\xfe|");
    assert_int_equal(parse("", 0, &lines), PD_OK);
    lines.refuse = PD_BAD_FILE;
    assert_int_equal(parse(text, sizeof(text) - 1, &lines), PD_BAD_FILE);
    assert_int_equal(lines.count, 1);
    pd_buf_free(&lines.paths);
}

static void a_path_may_begin_with_blanks_and_stars(void **state)
{
    static const char *const paths[] = {" a", "\t", "*a", "  ", "* "};
    struct lines lines = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct pd_buf text = PD_BUF_INIT;
        size_t len = strlen(paths[i]);
        assert_int_equal(pd_bag_manifest_line(&text, HEX, paths[i], len), PD_OK);
        assert_int_equal(parse(text.data, text.len, &lines), PD_OK);
        assert_int_equal(lines.paths.len, len + 1);
        assert_memory_equal(lines.paths.data, paths[i], len);
        pd_buf_free(&text);
    }
    pd_buf_free(&lines.paths);
}

static void bad_manifest_lines_are_refused(void **state)
{
    static const char *const bad[] = {
        HEX "  data/cut",
        HEX "  ../etc/passwd\n",
        HEX "  /etc/passwd\n",
        HEX "  data/../../x\n",
        HEX "  data/%0\n",
        HEX "  data/%00x\n",
        HEX "  \n",
        HEX "\n",
        HEX "data/a\n",
        "zz  data/a\n",
        "\n",
        "ba78  data/a\n",
        HEX "  data//x\n",
        HEX "  data/./x\n",
        HEX "  data/%zz\n",
    };
    struct lines lines = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(parse(bad[i], strlen(bad[i]), &lines), PD_BAD_FORMAT);
        assert_int_equal(lines.count, 0);
    }
    assert_int_equal(parse(HEX "  data/a\0b\n", sizeof(HEX) + 11, &lines), PD_BAD_FORMAT);
    assert_int_equal(parse(HEX "  data/a\nrest", sizeof(HEX) + 13, &lines), PD_BAD_FORMAT);
    assert_int_equal(lines.count, 1);
    pd_buf_free(&lines.paths);
}

static void the_bad_line_is_named(void **state)
{
    static const char text[] = HEX "  data/a\n" HEX "  data/b\n" HEX "  ../c\n";
    struct pd_error err = PD_ERROR_INIT;
    struct lines lines = {0};

    (void)state;
    assert_int_equal(pd_bag_manifest_parse(text, sizeof(text) - 1, 32, note, &lines, &err),
                     PD_BAD_FORMAT);
    assert_non_null(strstr(err.message, "line 3"));
    pd_buf_free(&lines.paths);
}

static void info_lines(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    uint64_t number = 0;
    char value[16];

    (void)state;
    assert_int_equal(pd_bag_info_line(&out, "Source", "%s", "a\r\nB: b"), PD_OK);
    assert_int_equal(pd_bag_info_line(&out, "Count", "%d", 12), PD_OK);
    assert_string_equal(out.data, "Source: a  B: b\nCount: 12\n");
    assert_true(pd_bag_info_get(out.data, out.len, "source", value, sizeof(value)));
    assert_string_equal(value, "a  B: b");
    assert_false(pd_bag_info_get(out.data, out.len, "B", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_true(pd_bag_info_u64(out.data, out.len, "COUNT", 12, &number));
    assert_int_equal(number, 12);
    assert_false(pd_bag_info_u64(out.data, out.len, "Count", 11, &number));
    assert_false(pd_bag_info_u64(out.data, out.len, "Source", 100, &number));
    pd_buf_free(&out);
}

static void info_values_are_folded_and_cut(void **state)
{
    static const char text[] = "A: one\n  two\n\tthree  \r\nAB: x\nC:\nD:y";
    char value[32], little[6];

    (void)state;
    assert_true(pd_bag_info_get(text, sizeof(text) - 1, "a", value, sizeof(value)));
    assert_string_equal(value, "one two three");
    assert_true(pd_bag_info_get(text, sizeof(text) - 1, "A", little, sizeof(little)));
    assert_string_equal(little, "one t");
    assert_false(pd_bag_info_text(text, sizeof(text) - 1, "A", little, sizeof(little)));
    assert_true(pd_bag_info_get(text, sizeof(text) - 1, "C", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_true(pd_bag_info_get(text, sizeof(text) - 1, "D", value, sizeof(value)));
    assert_string_equal(value, "y");
    assert_false(pd_bag_info_get(text, sizeof(text) - 1, "two", value, sizeof(value)));
    assert_false(pd_bag_info_get(text, 0, "A", value, sizeof(value)));
}

/* The recipe of README.txt makes sha256sum agree with the manifest for every name there is. */
static void sha256sum_checks_the_manifest(void **state)
{
    static const char *const names[] = {"plain",     "100%",  "a\nb",   "c\rd",     "e\\f", "%0A",
                                        "g\\\n%25h", " lead", "trail ", "\xff\xfe", "*star"};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_digest *digest;
    uint8_t sum[PD_SHA256_LEN];
    char hex[PD_SHA256_TEXT];
    char dir[256], name[64];

    (void)state;
    format_dir_make(dir, sizeof(dir));
    assert_int_equal(format_sh(dir, "mkdir data"), 0);
    assert_int_equal(pd_digest_new("sha256", &digest, &err), PD_OK);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(name, sizeof(name), "data/%s", names[i]);
        format_file_write(dir, name, name, strlen(name));
        assert_int_equal(pd_digest_update(digest, name, strlen(name), &err), PD_OK);
        assert_int_equal(pd_digest_final(digest, sum, &err), PD_OK);
        pd_hex_encode(sum, sizeof(sum), hex);
        assert_int_equal(pd_bag_manifest_line(&out, hex, name, strlen(name)), PD_OK);
    }
    format_file_write(dir, "manifest-sha256.txt", out.data, out.len);
    assert_int_equal(
        format_sh(dir, "sed -e '/%0[AD]/{s/\\\\/\\\\\\\\/g;s/%0A/\\\\n/g;s/%0D/\\\\r/g;s/^/\\\\/;}'"
                       " -e 's/%25/%/g' manifest-sha256.txt >plain; sha256sum --strict -c plain"),
        0);
    assert_int_equal(format_sh(dir, "echo x >>data/plain; sha256sum --quiet -c plain"), 1);
    pd_digest_free(digest);
    pd_buf_free(&out);
    format_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(manifest_lists_what_has_a_digest),
        cmocka_unit_test(manifests_of_any_origin_are_read),
        cmocka_unit_test(a_path_may_begin_with_blanks_and_stars),
        cmocka_unit_test(bad_manifest_lines_are_refused),
        cmocka_unit_test(the_bad_line_is_named),
        cmocka_unit_test(info_lines),
        cmocka_unit_test(info_values_are_folded_and_cut),
        cmocka_unit_test(sha256sum_checks_the_manifest),
        cmocka_unit_test(manifests_are_named_by_their_algorithm),
        cmocka_unit_test(long_digests_are_listed_whole),
        cmocka_unit_test(digests_of_another_length_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
