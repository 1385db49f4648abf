#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/clock.h"
#include "pairdump/label.h"
#include "pairdump/tar.h"

#include "../../lib/format_lib.h"

#define UUID_1 "11111111-2222-4333-8444-555555555555"
#define UUID_2 "66666666-7777-4888-9999-aaaaaaaaaaaa"

static struct pd_label sample(void)
{
    struct pd_label label = {
        .format = PD_FORMAT_VERSION,
        .label = "PD100001",
        .uuid = UUID_1,
        .pool = "science data",
        .copy = 1,
        .partners = {{2, "PD200001", UUID_2}, {3, "PD300001", UUID_1}},
        .partner_count = 2,
        .block_size = 524288,
        .created = INT64_C(1795213560) * PD_NS_PER_S,
        .software = "pairdump 0.1.0",
    };

    return label;
}

static void encode(const struct pd_label *label, struct pd_buf *out)
{
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_label_encode(label, out, &err), PD_OK);
}

static void a_label_comes_back(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;
    struct pd_label label = sample(), back;

    (void)state;
    assert_int_equal(pd_buf_puts(&out, "before"), PD_OK);
    encode(&label, &out);
    assert_int_equal(out.len, 6 + 524288); /* appended, and filled up to a whole record */
    assert_int_equal(pd_label_decode(out.data + 6, out.len - 6, &back, &err), PD_OK);
    assert_memory_equal(&label, &back, sizeof(label));
    assert_int_equal(pd_label_decode(out.data + 6, 65536, &back, &err), PD_OK);
    assert_memory_equal(&label, &back, sizeof(label));
    pd_buf_free(&out);

    label.partner_count = 0;
    memset(label.partners, 0, sizeof(label.partners));
    memset(label.pool, 0, sizeof(label.pool));
    label.block_size = 65536;
    encode(&label, &out);
    assert_int_equal(out.len, 65536);
    assert_int_equal(pd_label_decode(out.data, out.len, &back, &err), PD_OK);
    assert_memory_equal(&label, &back, sizeof(label));
    pd_buf_free(&out);
}

static void labels_that_would_not_read_back_are_not_written(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf out = PD_BUF_INIT;

    (void)state;
    for (int i = 0; i < 9; i++) {
        struct pd_label label = sample();

        if (i == 0)
            label.label[0] = 'a';
        else if (i == 1)
            label.uuid[0] = 'x';
        else if (i == 2)
            label.pool[3] = '\n';
        else if (i == 3)
            label.copy = 0;
        else if (i == 4)
            label.copy = PD_COPIES_MAX + 1;
        else if (i == 5)
            label.block_size = 65535;
        else if (i == 6)
            label.block_size = (4 << 20) + 512;
        else if (i == 7)
            label.partners[1].uuid[3] = '\0';
        else
            label.format = PD_FORMAT_VERSION + 1;
        assert_int_equal(pd_label_encode(&label, &out, &err), PD_INTERNAL);
        assert_int_equal(out.len, 0);
    }
    pd_buf_free(&out);
}

/* A tar with one file. */
static void make_tar(struct pd_buf *out, const char *name, const char *text)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_writer *writer;

    pd_buf_clear(out);
    assert_int_equal(pd_tar_writer_new(format_to_buf, out, &writer, &err), PD_OK);
    assert_int_equal(pd_tar_file(writer, name, text, strlen(text), 0, &err), PD_OK);
    assert_int_equal(pd_tar_finish(writer, &err), PD_OK);
    pd_tar_writer_free(writer);
}

static enum pd_status decode(const struct pd_buf *buf)
{
    static const struct pd_label empty;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_label label;
    enum pd_status status = pd_label_decode(buf->data, buf->len, &label, &err);

    assert_int_equal(err.status, status);
    if (status != PD_OK)
        assert_memory_equal(&label, &empty, sizeof(label)); /* nothing half read */
    return status;
}

static void what_is_not_ours_is_foreign(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf buf = PD_BUF_INIT;
    struct pd_label label;
    char zeros[65536] = {0};

    (void)state;
    assert_int_equal(pd_label_decode(zeros, sizeof(zeros), &label, &err), PD_FOREIGN);
    assert_int_equal(pd_label_decode(zeros, 0, &label, &err), PD_FOREIGN);
    assert_int_equal(pd_label_decode("hello", 5, &label, &err), PD_FOREIGN);
    make_tar(&buf, "README.txt", "Pairdump-Format: 1\n");
    assert_int_equal(decode(&buf), PD_FOREIGN);
    make_tar(&buf, "volume-info.txt", "Something: else\n");
    assert_int_equal(decode(&buf), PD_FOREIGN);
    buf.data[0] ^= 1;
    assert_int_equal(decode(&buf), PD_FOREIGN);
    pd_buf_free(&buf);
}

#define GOOD                                                                                       \
    "Pairdump-Format: 1\nVolume-Label: PD100001\nVolume-UUID: " UUID_1 "\nPool: p\n"               \
    "Copy-Number: 1\nBlock-Size: 524288\nCreated: 2026-11-20T22:26:00Z\nSoftware: s\n"

static void unknown_lines_are_skipped(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf buf = PD_BUF_INIT;
    struct pd_label label;

    (void)state;
    make_tar(&buf, "volume-info.txt",
             "New-Line: x\n" GOOD "Other: y\n  z\nPartner: 2 PD2 " UUID_2 "\n");
    assert_int_equal(pd_label_decode(buf.data, buf.len, &label, &err), PD_OK);
    assert_int_equal(label.partner_count, 1);
    assert_string_equal(label.partners[0].label, "PD2");
    pd_buf_free(&buf);
}

static void broken_labels_are_refused(void **state)
{
    static const char *const bad[] = {
        "Pairdump-Format: x\n",
        "Pairdump-Format: 0\n",
        "Pairdump-Format: 1\n",
        "Pairdump-Format: 1\nVolume-Label: PD1000019\n",
        GOOD "Partner: 2 PD2\n",
        GOOD "Partner: 9 PD2 " UUID_2 "\n",
        GOOD "Partner: 2 pd2 " UUID_2 "\n",
        GOOD "Partner: 2 PD2 " UUID_2 "0\n",
        GOOD "Partner:\n",
        GOOD "Partner: 99999999999 PD2 " UUID_2 "\n",
    };
    static const char *const lines[] = {"Volume-Label: PD100001",
                                        ("Volume-UUID: " UUID_1),
                                        "Copy-Number: 1",
                                        "Block-Size: 524288",
                                        "Created: 2026-11-20T22:26:00Z",
                                        "Pool: p",
                                        "Software: s"};
    struct pd_buf buf = PD_BUF_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_tar(&buf, "volume-info.txt", bad[i]);
        assert_int_equal(decode(&buf), PD_BAD_FORMAT);
    }
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) { /* each line renamed */
        char text[sizeof(GOOD)];

        memcpy(text, GOOD, sizeof(text));
        *strstr(text, lines[i]) = 'X';
        make_tar(&buf, "volume-info.txt", text);
        assert_int_equal(decode(&buf), PD_BAD_FORMAT);
    }
    make_tar(&buf, "volume-info.txt", "Pairdump-Format: 2\n");
    assert_int_equal(decode(&buf), PD_UNSUPPORTED);
    make_tar(&buf, "volume-info.txt", GOOD);
    assert_int_equal(decode(&buf), PD_OK);
    buf.len = 600; /* cut inside volume-info.txt */
    assert_int_equal(decode(&buf), PD_BAD_FORMAT);
    pd_buf_free(&buf);
}

static void too_many_partners_are_refused(void **state)
{
    struct pd_buf buf = PD_BUF_INIT, text = PD_BUF_INIT;

    (void)state;
    assert_int_equal(pd_buf_puts(&text, GOOD), PD_OK);
    for (int i = 0; i < PD_COPIES_MAX - 1; i++)
        assert_int_equal(pd_buf_puts(&text, "Partner: 2 PD2 " UUID_2 "\n"), PD_OK);
    make_tar(&buf, "volume-info.txt", text.data);
    assert_int_equal(decode(&buf), PD_OK);
    assert_int_equal(pd_buf_puts(&text, "Partner: 2 PD2 " UUID_2 "\n"), PD_OK);
    make_tar(&buf, "volume-info.txt", text.data);
    assert_int_equal(decode(&buf), PD_BAD_FORMAT);
    pd_buf_free(&text);
    pd_buf_free(&buf);
}

static void tar_alone_reads_the_label(void **state)
{
    struct pd_label label = sample();
    struct pd_buf out = PD_BUF_INIT;
    char dir[256];

    (void)state;
    format_dir_make(dir, sizeof(dir));
    encode(&label, &out);
    format_file_write(dir, "0000", out.data, out.len);
    assert_int_equal(format_sh(dir, "dd if=0000 bs=524288 2>dd | tar -x -f - 2>err\n"
                                    "test ! -s err\n"
                                    "test \"$(tar -tf 0000 | tr '\\n' ' ')\" = 'volume-info.txt "
                                    "README.txt '\n"
                                    "grep -x 'Volume-Label: PD100001' volume-info.txt\n"
                                    "grep -x 'Created: 2026-11-20T22:26:00Z' volume-info.txt\n"
                                    "test $(date -u -r README.txt +%s) = 1795213560\n"),
                     0);
    format_dir_remove(dir);
    pd_buf_free(&out);
}

static void the_readme_is_filled_in_and_fits_a_screen(void **state)
{
    struct pd_label label = sample();
    struct pd_buf out = PD_BUF_INIT;
    size_t width = 0;

    (void)state;
    assert_int_equal(pd_label_readme(&label, &out), PD_OK);
    assert_null(strchr(out.data, '@'));
    assert_non_null(strstr(out.data, "dd if=/dev/nst0 bs=524288 | LC_ALL=C tar -x"));
    assert_non_null(strstr(out.data, "Partner     PD200001, UUID " UUID_2 ", copy 2\n"));
    for (const char *p = out.data; *p != '\0'; p++) {
        width = *p == '\n' ? 0 : width + 1;
        assert_true(width <= 80);
    }
    label.partner_count = 0;
    pd_buf_clear(&out);
    assert_int_equal(pd_label_readme(&label, &out), PD_OK);
    assert_null(strstr(out.data, "Partner"));
    assert_non_null(strstr(out.data, "No other volume"));
    pd_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_label_comes_back),
        cmocka_unit_test(labels_that_would_not_read_back_are_not_written),
        cmocka_unit_test(what_is_not_ours_is_foreign),
        cmocka_unit_test(unknown_lines_are_skipped),
        cmocka_unit_test(broken_labels_are_refused),
        cmocka_unit_test(too_many_partners_are_refused),
        cmocka_unit_test(tar_alone_reads_the_label),
        cmocka_unit_test(the_readme_is_filled_in_and_fits_a_screen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
