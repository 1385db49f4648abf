#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/cred.h"
#include "pairdump/text.h"

#define SECRET "hunter2-xyzzy"

static enum pd_status parse(const char *text, struct pd_cred *cred, struct pd_error *err)
{
    pd_error_clear(err);
    return pd_cred_parse(text, strlen(text), "my.cnf", cred, err);
}

static void parse_ok(const char *text, struct pd_cred *cred)
{
    struct pd_error err = PD_ERROR_INIT;

    if (parse(text, cred, &err) != PD_OK) {
        fail_msg("%s\n%s", err.message, text);
    }
}

static void check_empty(const struct pd_cred *cred)
{
    static const struct pd_cred empty;

    assert_memory_equal(cred, &empty, sizeof empty);
}

static void parse_bad(const char *text, const char *what)
{
    struct pd_cred cred;
    struct pd_error err = PD_ERROR_INIT;
    char line[2048];

    memset(&cred, 0x55, sizeof cred);
    if (parse(text, &cred, &err) != PD_CREDENTIALS) {
        fail_msg("taken: %s", text);
    }
    check_empty(&cred);
    pd_error_format(&err, line, sizeof line);
    if (!strstr(line, what) || !strstr(line, "my.cnf")) {
        fail_msg("expected %s, got %s", what, line);
    }
    assert_null(strstr(line, "hunter2"));
}

static void test_every_key(void **state)
{
    struct pd_cred cred;

    (void)state;
    parse_ok("[client]\nuser=u\npassword=p\nhost=h\nport=3306\nsocket=/s\ndatabase=d\n"
             "ssl-ca=/ca\nssl-cert=/cert\nssl-key=/key\nconnect-timeout=9\n",
             &cred);
    assert_string_equal(cred.user, "u");
    assert_string_equal(cred.password, "p");
    assert_string_equal(cred.host, "h");
    assert_string_equal(cred.socket, "/s");
    assert_string_equal(cred.database, "d");
    assert_string_equal(cred.ssl_ca, "/ca");
    assert_string_equal(cred.ssl_cert, "/cert");
    assert_string_equal(cred.ssl_key, "/key");
    assert_int_equal(cred.port, 3306);
    assert_int_equal(cred.connect_timeout, 9);
    pd_cred_release(&cred);
    check_empty(&cred);
    pd_cred_release(&cred);
    parse_ok("[client]\nssl_ca = /ca\nconnect_timeout = 3\n", &cred);
    assert_string_equal(cred.ssl_ca, "/ca");
    assert_int_equal(cred.connect_timeout, 3);
    assert_null(cred.user);
    pd_cred_release(&cred);
}

static void test_pairdump_wins_in_either_order(void **state)
{
    const char *texts[] = {
        "[client]\nuser=a\nhost=h\n[pairdump]\nuser=b\n",
        "[pairdump]\nuser=b\n[client]\nuser=a\nhost=h\n",
        "[client]\nuser=a\n[pairdump]\nuser=b\n[client]\nuser=c\nhost=h\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pd_cred cred;
        parse_ok(texts[i], &cred);
        assert_string_equal(cred.user, "b");
        assert_string_equal(cred.host, "h");
        pd_cred_release(&cred);
    }
}

static void test_others_are_left_alone(void **state)
{
    struct pd_cred cred;

    (void)state;
    parse_ok("[mysqldump]\nuser=x\npassword=y\n[client]\nuser=a\nssl-mode=REQUIRED\n"
             "[client-server]\nuser=z\n",
             &cred);
    assert_string_equal(cred.user, "a");
    assert_null(cred.password);
    pd_cred_release(&cred);
    parse_bad("[pairdump]\nuser=a\nusr=b\n", "my.cnf:3: unknown key");
    parse_bad("[mysqldump]\nuser=a\n", "has no credentials");
    parse_bad("user=a\n", "has no credentials");
}

static void test_last_of_equals_wins(void **state)
{
    struct pd_cred cred;

    (void)state;
    parse_ok("[client]\nuser=a\nuser=b\n[client]\nport=1\nport=2\n", &cred);
    assert_string_equal(cred.user, "b");
    assert_int_equal(cred.port, 2);
    pd_cred_release(&cred);
}

/* As the mysql program reads them. */
static void test_values_as_mysql_reads_them(void **state)
{
    static const struct {
        const char *text, *value;
    } cases[] = {
        {"plain", "plain"},
        {"  spaced out  ", "spaced out"},
        {"\"quo ted\"", "quo ted"},
        {"'single'", "single"},
        {"\" edges \"", " edges "},
        {"\"", "\""},
        {"\"open", "\"open"},
        {"'mixed\"", "'mixed\""},
        {"\"\"", ""},
        {"", ""},
        {"\"a#b\"", "a#b"},
        {"'a # b'", "a # b"},
        {"a\"#\"b", "a\"#\"b"},
        {"a\\\\b", "a\\b"},
        {"a\\sb\\tc", "a b\tc"},
        {"\"say \\\"#\\\"\"", "say \"#\""},
        {"a\\Sb", "a\\Sb"},
        {"a\\", "a\\"},
        {"a=b:c", "a=b:c"},
        {"a;b", "a;b"},
        {"p%s%n\xc3\xa4", "p%s%n\xc3\xa4"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pd_cred cred;
        char text[128];
        snprintf(text, sizeof text, "[client]\npassword=%s\n", cases[i].text);
        parse_ok(text, &cred);
        assert_string_equal(cred.password, cases[i].value);
        pd_cred_release(&cred);
    }
}

/* What one of the two programs would cut is refused, and never shown. */
static void test_ambiguous_values_are_refused(void **state)
{
    (void)state;
    parse_bad("[client]\npassword=" SECRET "#x\n", "quotes");
    parse_bad("[client]\npassword=" SECRET " # x\n", "quotes");
    parse_bad("[client]\npassword=#" SECRET "\n", "quotes");
    parse_bad("[client]\npassword=\"" SECRET "\"#\"\n", "quotes");
    parse_bad("[client]\npassword=" SECRET " ;x\n", "comment");
    parse_bad("[client]\npassword=\"" SECRET " ;x\"\n", "comment");
    parse_bad("[client]\n" SECRET "\n", "my.cnf:2: neither");
    parse_bad("[client]\nuser=a\n  password\n", "my.cnf:3: neither");
    parse_bad("[client] password=" SECRET "\n", "behind the ]");
    parse_bad("[client]\nport=" SECRET "\n", "my.cnf:2: port takes a number");
    parse_bad("[client]\nport=65536\n", "port takes a number");
    parse_bad("[client]\nport=-1\n", "port takes a number");
    parse_bad("[client]\nport=\n", "port takes a number");
    parse_bad("[client]\nconnect-timeout=1s\n", "connect-timeout takes a number");
    parse_bad("[pairdump]\n" SECRET "=1\n", "unknown key");
    parse_bad("", "has no credentials");
    parse_bad("\n\n", "has no credentials");
    parse_bad("[client]\n", "has no credentials");
    parse_bad("[client\nuser=a\n", "closing");
}

static void test_indented_lines_are_lines(void **state)
{
    struct pd_cred cred;

    (void)state;
    parse_ok("  [client]\n  user = a\n\tpassword = b\n", &cred);
    assert_string_equal(cred.user, "a");
    assert_string_equal(cred.password, "b");
    pd_cred_release(&cred);
}

static void test_long_lines_are_refused(void **state)
{
    char text[600];
    struct pd_cred cred;

    (void)state;
    snprintf(text, sizeof text, "[client]\npassword=%0188d\n", 1);
    parse_ok(text, &cred);
    assert_int_equal(strlen(cred.password), 188);
    pd_cred_release(&cred);
    snprintf(text, sizeof text, "[client]\npassword=%0189d\n", 1);
    parse_bad(text, "longer");
}

/* ---- files ---- */

static char folder[64];
static char path[128];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pd-cred-XXXXXX");
    if (!mkdtemp(folder)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/my.cnf", folder);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    return (remove(path) != 0 && errno != ENOENT) || rmdir(folder) != 0 ? -1 : 0;
}

static void write_file(const char *text, mode_t mode)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void load_bad(const char *what)
{
    struct pd_cred cred;
    struct pd_error err = PD_ERROR_INIT;

    memset(&cred, 0x55, sizeof cred);
    assert_int_equal(pd_cred_load(path, &cred, &err), PD_CREDENTIALS);
    assert_int_equal(err.status, PD_CREDENTIALS);
    assert_non_null(strstr(err.message, path));
    if (!strstr(err.message, what)) {
        fail_msg("expected %s, got %s", what, err.message);
    }
    assert_null(strstr(err.message, "hunter2"));
    check_empty(&cred);
}

static void test_load(void **state)
{
    struct pd_cred cred;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    write_file("[client]\nuser=op\npassword=" SECRET "\n", 0600);
    assert_int_equal(pd_cred_load(path, &cred, &err), PD_OK);
    assert_string_equal(cred.password, SECRET);
    pd_cred_release(&cred);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(pd_cred_load(path, &cred, &err), PD_OK);
    pd_cred_release(&cred);
}

static void test_every_open_mode_is_refused(void **state)
{
    (void)state;
    write_file("[client]\npassword=" SECRET "\n", 0600);
    for (mode_t bit = 1; bit <= 040; bit <<= 1) {
        assert_int_equal(chmod(path, 0600 | bit), 0);
        load_bad("run: chmod 600 ");
    }
    assert_int_equal(chmod(path, 0644), 0);
    load_bad("run: chmod 600 ");
}

static void test_bad_files(void **state)
{
    (void)state;
    load_bad("No such file");
    write_file("", 0600);
    load_bad("is empty");
    write_file("\n", 0600);
    load_bad("has no credentials");
    write_file("[client]\npassword=" SECRET " ;\n", 0600);
    load_bad("my.cnf:2:");
    assert_int_equal(truncate(path, 65537), 0);
    load_bad("too long");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    load_bad("not a regular file");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    load_bad("not a regular file"); /* and does not wait for a writer */
}

static void test_foreign_owner(void **state)
{
    struct pd_cred cred;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    if (geteuid() != 0) {
        skip();
    }
    write_file("[client]\npassword=" SECRET "\n", 0600);
    assert_int_equal(chown(path, 12345, 12345), 0);
    load_bad("belongs to another user");
    assert_int_equal(chown(path, 0, 12345), 0);
    assert_int_equal(pd_cred_load(path, &cred, &err), PD_OK);
    pd_cred_release(&cred);
}

static void test_sample(void **state)
{
    FILE *file = fopen("etc/pairdump.cnf.sample", "r"); /* tests run in the top folder */
    struct pd_buf whole = PD_BUF_INIT;
    struct pd_buf uncommented = PD_BUF_INIT;
    struct pd_cred cred;
    char line[512];

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        bool key = line[0] == '#' && line[1] != ' ' && line[1] != '\n';
        assert_int_equal(pd_buf_puts(&whole, line), PD_OK);
        assert_int_equal(pd_buf_puts(&uncommented, line + key), PD_OK);
    }
    assert_int_equal(fclose(file), 0);
    parse_ok(whole.data, &cred);
    assert_string_equal(cred.user, "pairdump");
    assert_string_equal(cred.password, "change me");
    assert_null(cred.host);
    pd_cred_release(&cred);
    parse_ok(uncommented.data, &cred);
    assert_true(cred.host && cred.socket && cred.database);
    assert_true(cred.ssl_ca && cred.ssl_cert && cred.ssl_key);
    assert_int_equal(cred.port, 3306);
    assert_int_equal(cred.connect_timeout, 10);
    pd_cred_release(&cred);
    pd_buf_free(&whole);
    pd_buf_free(&uncommented);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_pairdump_wins_in_either_order),
        cmocka_unit_test(test_others_are_left_alone),
        cmocka_unit_test(test_last_of_equals_wins),
        cmocka_unit_test(test_values_as_mysql_reads_them),
        cmocka_unit_test(test_ambiguous_values_are_refused),
        cmocka_unit_test(test_indented_lines_are_lines),
        cmocka_unit_test(test_long_lines_are_refused),
        cmocka_unit_test_setup_teardown(test_load, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_every_open_mode_is_refused, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_bad_files, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_foreign_owner, make_folder, drop_folder),
        cmocka_unit_test(test_sample),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
