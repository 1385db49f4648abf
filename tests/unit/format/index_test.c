#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/clock.h"
#include "pairdump/index.h"

#define UUID_1 "11111111-2222-4333-8444-555555555555"
#define SHA    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define XXH    "06b05ab6733a618578af5f94892f3950"

static void add(struct pd_toc *toc, char kind, const char *path, const char *link, uint64_t offset)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_toc_file file = {
        .path = path,
        .link = link,
        .kind = kind,
        .state = PD_WHOLE,
        .mode = 04755,
        .mtime = -5,
        .mtime_ns = 999999999,
        .ctime = 1700000000,
        .ctime_ns = 7,
        .uid = 3000000000,
        .gid = 12,
        .dev = 2049,
        .ino = 18446744073709551615u,
        .offset = offset,
        .length = 1024,
    };

    if (kind == PD_KIND_FILE || kind == PD_KIND_HARDLINK) {
        file.has_digest = true;
        assert_true(pd_hex_decode(SHA, file.digest, PD_SHA256_LEN));
    }
    file.size = kind == PD_KIND_FILE ? 7 : 0;
    file.state = kind == PD_KIND_FILE ? PD_PARTIAL : PD_WHOLE;
    assert_int_equal(pd_toc_add_file(toc, &file, NULL, &err), PD_OK);
}

static void sample(struct pd_toc *toc)
{
    struct pd_error err = PD_ERROR_INIT;

    pd_toc_init(toc);
    memcpy(toc->name, "daily.0007", 11);
    toc->seq = 7;
    toc->record_size = 65536;
    toc->payload_bytes = 14;
    toc->payload_files = 2;
    toc->manifest_offset = 9216;
    add(toc, PD_KIND_DIR, "/", NULL, 1024);
    add(toc, PD_KIND_FILE, "/a b\t\n%\xff", NULL, 2048);
    add(toc, PD_KIND_HARDLINK, "/h", "/a b\t\n%\xff", 3072);
    add(toc, PD_KIND_SYMLINK, "/s", "../x\n/./", 4096);
    add(toc, PD_KIND_FIFO, "/p", NULL, 5120);
    add(toc, PD_KIND_CHAR, "/c", NULL, 6144);
    add(toc, PD_KIND_BLOCK, "/d/b", NULL, 7168);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal(pd_toc_add_record(toc, pd_record_digest(&i, sizeof(i)), &err), PD_OK);
}

static void a_table_comes_back(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_toc toc, back;
    uint32_t tape_file = 0;

    (void)state;
    sample(&toc);
    assert_int_equal(pd_index_encode(&toc, 3, &out), PD_OK);
    assert_int_equal(pd_index_decode(out.data, out.len, &back, &tape_file, &err), PD_OK);
    assert_int_equal(tape_file, 3);
    assert_string_equal(back.name, toc.name);
    assert_int_equal(back.seq, 7);
    assert_int_equal(back.record_size, 65536);
    assert_int_equal(back.payload_bytes, 14);
    assert_int_equal(back.payload_files, 2);
    assert_int_equal(back.manifest_offset, 9216);
    assert_int_equal(back.record_count, 2);
    assert_memory_equal(back.records, toc.records, 2 * sizeof(*toc.records));
    assert_int_equal(back.file_count, toc.file_count);
    for (uint64_t i = 0; i < toc.file_count; i++) {
        struct pd_toc_file *a = &toc.files[i], *b = &back.files[i];

        assert_string_equal(a->path, b->path);
        assert_int_equal(a->link == NULL, b->link == NULL);
        if (a->link != NULL)
            assert_string_equal(a->link, b->link);
        b->path = a->path;
        b->link = a->link;
        assert_memory_equal(a, b, sizeof(*a));
    }
    pd_toc_release(&toc);
    pd_toc_release(&back);
    pd_buf_free(&out);
}

/* The file lines have digests as long as the algorithm of the archive line says, and no others. */
static void digests_of_each_algorithm_come_back(void **state)
{
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        const struct pd_digest_info *info = pd_digest_alg_info((enum pd_digest_alg)i);
        struct pd_toc_file file = {.path = "/f", .kind = PD_KIND_FILE, .state = PD_WHOLE};
        struct pd_buf out = PD_BUF_INIT;
        struct pd_toc toc, back;
        uint32_t tape_file = 0;
        char hex[PD_DIGEST_TEXT], *field;

        sample(&toc);
        toc.alg = (enum pd_digest_alg)i;
        file.alg = (uint8_t)i;
        file.offset = 8192;
        file.length = 1024;
        memset(file.digest, 0xab, sizeof(file.digest));
        pd_toc_set_digest(&file,
                          "0123456789abcdef0123456789ABCDEF0123456789abcdef0123456789ABCDEF");
        toc.file_count = 0;
        assert_int_equal(pd_toc_add_file(&toc, &file, NULL, &err), PD_OK);
        assert_int_equal(pd_index_encode(&toc, 3, &out), PD_OK);
        pd_hex_encode(file.digest, info->len, hex);
        field = strstr(out.data, hex);
        assert_non_null(field);
        assert_int_equal(field[-1], '\t');
        assert_int_equal(field[2 * info->len], '\t');
        assert_int_equal(pd_index_decode(out.data, out.len, &back, &tape_file, &err), PD_OK);
        assert_int_equal(back.alg, i);
        assert_int_equal(back.files[0].alg, i);
        assert_true(pd_toc_same_digest(&back.files[0], &file));
        assert_memory_equal(back.files[0].digest, file.digest, PD_DIGEST_MAX);
        pd_toc_release(&back);

        memmove(field + 2 * info->len - 2, field + 2 * info->len,
                out.len - (size_t)(field + 2 * info->len - out.data) + 1);
        assert_int_equal(pd_index_decode(out.data, out.len - 2, &back, &tape_file, &err),
                         PD_BAD_FORMAT);
        pd_toc_release(&back);
        pd_toc_release(&toc);
        pd_buf_free(&out);
    }
}

static void an_algorithm_that_is_not_known_is_refused(void **state)
{
    static const char *const fields[] = {"", "md5", "SHA512", "sha512 ", "sha512\tsha512"};
    struct pd_error err = PD_ERROR_INIT;
    struct pd_toc toc;
    uint32_t tape_file = 0;
    char text[200];

    (void)state;
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        (void)snprintf(text, sizeof(text),
                       "archive\td.0001\t1\t1\t65536\t0\t0\t0\t0\t0\t%s\nend\t0\t0\n", fields[i]);
        assert_int_equal(pd_index_decode(text, strlen(text), &toc, &tape_file, &err),
                         PD_BAD_FORMAT);
        pd_toc_release(&toc);
    }
    (void)snprintf(text, sizeof(text),
                   "archive\td.0001\t1\t1\t65536\t0\t0\t0\t0\t0\tsha512\nend\t0\t0\n");
    assert_int_equal(pd_index_decode(text, strlen(text), &toc, &tape_file, &err), PD_OK);
    assert_int_equal(toc.alg, PD_DIGEST_SHA512);
    pd_toc_release(&toc);
}

/* Readers that know format 1 only can read what has SHA-256, and refuse the rest. */
static void the_info_tells_the_algorithm(void **state)
{
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        struct pd_index_info info = {.dump_name = "d",
                                     .dump_uuid = UUID_1,
                                     .label = "PD100001",
                                     .volume_uuid = UUID_1,
                                     .alg = (enum pd_digest_alg)i};
        struct pd_index_info back;
        struct pd_buf out = PD_BUF_INIT;

        assert_int_equal(pd_index_info_encode(&info, &out), PD_OK);
        assert_int_equal(
            strncmp(out.data, i == 0 ? "Pairdump-Format: 1\n" : "Pairdump-Format: 2\n", 19), 0);
        assert_int_equal(strstr(out.data, "Digest-Algorithm") != NULL, i != 0);
        assert_int_equal(pd_index_info_decode(out.data, out.len, &back, &err), PD_OK);
        assert_int_equal(back.alg, i);
        if (i != 0) {
            char *name = strstr(out.data, pd_digest_alg_info((enum pd_digest_alg)i)->name);
            *name = 'x';
            assert_int_equal(pd_index_info_decode(out.data, out.len, &back, &err), PD_UNSUPPORTED);
            assert_non_null(strstr(err.message, PD_DIGEST_NAMES));
        }
        pd_buf_free(&out);
    }
}

static void the_text_is_as_documented(void **state)
{
    struct pd_buf out = PD_BUF_INIT;
    struct pd_toc toc;

    (void)state;
    sample(&toc);
    toc.file_count = 3;
    toc.record_count = 1;
    assert_int_equal(pd_index_encode(&toc, 3, &out), PD_OK);
    assert_non_null(strstr(out.data, "archive\tdaily.0007\t7\t3\t65536\t1\t3\t14\t2\t9216\n"
                                     "record\t0\t"));
    assert_non_null(strstr(
        out.data, "\nfile\tf\t!\t4755\t3000000000\t12\t7\t-5.999999999\t1700000000.000000007\t"
                  "2049:18446744073709551615\t2048\t1024\t" SHA "\t/a b%09%0A%25\xff\n"));
    assert_non_null(strstr(out.data, "\t" SHA "\t/h\t/a b%09%0A%25\xff\nend\t1\t3\n"));
    pd_toc_release(&toc);
    pd_buf_free(&out);
}

static enum pd_status decode(const char *text, size_t len)
{
    struct pd_error err = {.status = PD_NO_MEMORY}; /* a stale error must not matter */
    struct pd_toc toc;
    uint32_t tape_file;
    enum pd_status status = pd_index_decode(text, len, &toc, &tape_file, &err);

    pd_toc_release(&toc);
    return status;
}

#define HEAD      "archive\tn.1\t1\t1\t65536\t1\t1\t0\t0\t8192\n"
#define REC       "record\t0\t" XXH "\n"
#define META      "\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t1024\t"
#define FILE_LINE "file\tf" META SHA "\t/a\n"
#define END       "end\t1\t1\n"

static void every_cut_is_seen(void **state)
{
    static const char text[] = HEAD REC FILE_LINE END;

    (void)state;
    assert_int_equal(decode(text, sizeof(text) - 1), PD_OK);
    for (size_t len = 0; len < sizeof(text) - 1; len++)
        assert_int_equal(decode(text, len), PD_TRUNCATED);
}

static void bad_lines_are_refused(void **state)
{
    static const char *const bad[] = {
        "\n",
        REC HEAD FILE_LINE END,
        HEAD HEAD REC FILE_LINE END,
        HEAD FILE_LINE REC END,
        HEAD REC REC FILE_LINE END,
        HEAD REC END,
        HEAD REC FILE_LINE FILE_LINE END,
        HEAD REC FILE_LINE END END,
        HEAD REC FILE_LINE END "\n",
        HEAD REC FILE_LINE "end\t1\t2\n",
        HEAD REC FILE_LINE "end\t1\n",
        HEAD REC FILE_LINE "stop\t1\t1\n",
        HEAD "record\t1\t" XXH "\n" FILE_LINE END,
        HEAD "record\t0\t" XXH "0\n" FILE_LINE END,
        HEAD "record\t0\tzz\n" FILE_LINE END,
        "archive\t../x\t1\t1\t65536\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\t..\t1\t1\t65536\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\t\t1\t1\t65536\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\tn.1\t0\t1\t65536\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\tn.1\t1\t0\t65536\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\tn.1\t1\t4294967296\t65536\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\tn.1\t1\t1\t511\t1\t1\t0\t0\t0\n" REC FILE_LINE END,
        "archive\tn.1\t1\t1\t33554432\t1\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\tn.1\t1\t1\t65536\t4294967297\t1\t0\t0\t8192\n" REC FILE_LINE END,
        "archive\tn.1\t1\t1\t65536\t1\t1\t0\t0\t65537\n" REC FILE_LINE END,
        "archive\tn.1\t1\t1\t65536\t1\t1\t0\t0\t-1\n" REC FILE_LINE END,
        HEAD REC "file\tf" META SHA "\ta\n" END,
        HEAD REC "file\tf" META SHA "\t/\n" END,
        HEAD REC "file\tf" META SHA "\t//a\n" END,
        HEAD REC "file\tf" META SHA "\t/a/\n" END,
        HEAD REC "file\tf" META SHA "\t/a/../b\n" END,
        HEAD REC "file\tf" META SHA "\t/./b\n" END,
        HEAD REC "file\tf" META SHA "\t/a%00b\n" END,
        HEAD REC "file\tf" META SHA "\t/a%0\n" END,
        HEAD REC "file\tf" META SHA "\t\n" END,
        HEAD REC "file\tf" META SHA "\t/a\t/b\n" END,
        HEAD REC "file\tx" META SHA "\t/a\n" END,
        HEAD REC "file\tff" META SHA "\t/a\n" END,
        HEAD REC "file\td" META SHA "\t/a\n" END,
        HEAD REC "file\tl" META "-\t/a\n" END,
        HEAD REC "file\tl" META "-\t/a\t\n" END,
        HEAD REC "file\th" META SHA "\t/a\n" END,
        HEAD REC "file\th" META SHA "\t/a\tb\n" END,
        HEAD REC "file\th" META SHA "\t/a\t/b/../c\n" END,
        HEAD REC "file\tf" META "0\t/a\n" END,
        HEAD REC "file\tf\t?\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0648\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t1024\t-\t/a\n" END,
        HEAD REC
        "file\tf\t=\t10000\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1\t1.000000000\t0:0\t512\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.0\t1.000000000\t0:0\t512\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.00000000x\t0:0\t512\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0\t512\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t9223372036854775808\t1.000000000\t1.000000000\t0:0\t512"
                 "\t1024\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t0\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t7681\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t8193\t1\t-\t/a\n" END,
        HEAD REC "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t512\t"
                 "18446744073709551615\t-\t/a\n" END,
        HEAD REC "file\ta\tb\tc\td\te\tf\tg\th\ti\tj\tk\tl\tm\tn\to\tp\tq\tr\n" END,
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (decode(bad[i], strlen(bad[i])) != PD_BAD_FORMAT)
            fail_msg("taken: %s", bad[i]);
    }
    assert_int_equal(decode(HEAD REC "file\tf" META "-\t/a\0b\n" END,
                            sizeof(HEAD REC "file\tf" META "-\t/a\0b\n" END) - 1),
                     PD_BAD_FORMAT);
    assert_int_equal(decode(NULL, 0), PD_TRUNCATED);
}

static void files_must_not_overlap(void **state)
{
    static const char two[] =
        "archive\tn.1\t1\t1\t65536\t1\t2\t0\t0\t8192\n" REC FILE_LINE
        "file\tf\t=\t0644\t0\t0\t5\t1.000000000\t1.000000000\t0:0\t1536\t512\t"
        "-\t/b\nend\t1\t2\n";
    char text[sizeof(two)];

    (void)state;
    memcpy(text, two, sizeof(text));
    assert_int_equal(decode(text, sizeof(text) - 1), PD_OK);
    *strstr(text, "1536") = '0';
    assert_int_equal(decode(text, sizeof(text) - 1), PD_BAD_FORMAT);
}

static void a_huge_count_takes_no_memory(void **state)
{
    static const char text[] =
        "archive\tn.1\t1\t1\t65536\t4294967296\t18446744073709551615\t0\t0\t8192\n" REC;

    (void)state;
    assert_int_equal(decode(text, sizeof(text) - 1), PD_TRUNCATED);
}

static struct pd_index_info info_sample(void)
{
    struct pd_index_info info = {.dump_name = "daily",
                                 .dump_uuid = UUID_1,
                                 .label = "PD100001",
                                 .volume_uuid = UUID_1,
                                 .archives = 3,
                                 .created = INT64_C(1700000000) * PD_NS_PER_S};

    return info;
}

static void the_info_comes_back(void **state)
{
    struct pd_index_info info = info_sample(), back;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    assert_int_equal(pd_index_info_encode(&info, &out), PD_OK);
    assert_int_equal(pd_index_info_decode(out.data, out.len, &back, &err), PD_OK);
    assert_string_equal(info.dump_name, back.dump_name);
    assert_string_equal(info.dump_uuid, back.dump_uuid);
    assert_string_equal(info.label, back.label);
    assert_string_equal(info.volume_uuid, back.volume_uuid);
    assert_int_equal(info.archives, back.archives);
    assert_int_equal(info.created, back.created);
    pd_buf_free(&out);
}

static void broken_info_is_refused(void **state)
{
    struct pd_index_info back;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct pd_index_info info = info_sample();
        struct pd_buf out = PD_BUF_INIT;

        if (i == 0)
            memcpy(info.dump_name, "../x", 5);
        else if (i == 1)
            info.dump_uuid[0] = 'x';
        else if (i == 2)
            info.label[0] = '\0';
        else
            info.volume_uuid[5] = '\0';
        assert_int_equal(pd_index_info_encode(&info, &out), PD_OK);
        assert_int_equal(pd_index_info_decode(out.data, out.len, &back, &err), PD_BAD_FORMAT);
        pd_buf_free(&out);
    }
    assert_int_equal(pd_index_info_decode("", 0, &back, &err), PD_BAD_FORMAT);
    assert_int_equal(pd_index_info_decode("Pairdump-Format: 9\n", 19, &back, &err), PD_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_comes_back),
        cmocka_unit_test(the_text_is_as_documented),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(files_must_not_overlap),
        cmocka_unit_test(a_huge_count_takes_no_memory),
        cmocka_unit_test(digests_of_each_algorithm_come_back),
        cmocka_unit_test(an_algorithm_that_is_not_known_is_refused),
        cmocka_unit_test(the_info_tells_the_algorithm),
        cmocka_unit_test(the_info_comes_back),
        cmocka_unit_test(broken_info_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
