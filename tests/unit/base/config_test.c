#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/config.h"
#include "pairdump/text.h"

static const char *no_env(const char *name)
{
    (void)name;
    return NULL;
}

static const char *home_env(const char *name)
{
    return strcmp(name, "HOME") == 0 ? "/home/op" : NULL;
}

static const char *xdg_env(const char *name)
{
    return strcmp(name, "XDG_STATE_HOME") == 0 ? "/state" : home_env(name);
}

static const char *relative_env(const char *name)
{
    (void)name;
    return "relative";
}

static enum pd_status parse(const char *text, struct pd_config **config, struct pd_error *err)
{
    pd_error_clear(err);
    return pd_config_parse(text, strlen(text), "test.conf", no_env, config, err);
}

static struct pd_config *parse_ok(const char *text)
{
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;

    if (parse(text, &config, &err) != PD_OK) {
        fail_msg("%s\n%s", err.message, text);
    }
    return config;
}

/* Refused, with where (file:line) at the start of the message and what in it. */
static void parse_bad(const char *text, const char *where, const char *what)
{
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;

    if (parse(text, &config, &err) != PD_CONFIG) {
        fail_msg("taken: %s", text);
    }
    assert_null(config);
    assert_int_equal(err.status, PD_CONFIG);
    if (strncmp(err.message, where, strlen(where)) != 0 || !strstr(err.message, what)) {
        fail_msg("expected %s ... %s, got %s", where, what, err.message);
    }
}

static void check_defaults(const struct pd_config *config)
{
    struct pd_retry retry = pd_config_retry(config, "open");

    assert_null(config->catalog_url);
    assert_null(config->credentials);
    assert_true(config->buffer == UINT64_C(64) << 20);
    assert_true(config->stall_ns == UINT64_C(900000000000));
    assert_true(config->read_deadline_ns == UINT64_C(30000000000));
    assert_int_equal(config->stream_mark, 90);
    assert_true(config->sync_bytes == UINT64_C(32) << 30);
    assert_true(config->sync_ns == UINT64_C(300000000000));
    assert_true(config->catalog_reserve == UINT64_C(16) << 20);
    assert_true(config->claim_limit_ns == UINT64_C(600000000000));
    assert_true(config->catalog_wait_ns == UINT64_C(30000000000));
    assert_int_equal(config->pool_count, 0);
    assert_int_equal(config->retry_count, 1);
    assert_int_equal(retry.tries, 3);
    assert_true(retry.delay_ns == UINT64_C(500000000));
    assert_true(retry.max_delay_ns == UINT64_C(30000000000));
    assert_int_equal(retry.backoff_percent, 200);
    assert_int_equal(retry.jitter_percent, 20);
}

static void test_nothing_gives_defaults(void **state)
{
    const char *texts[] = {"", "\n\n", "# only\n; comments\n", "\xef\xbb\xbf", "[pairdump]\n"};

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pd_config *config = parse_ok(texts[i]);
        check_defaults(config);
        assert_null(config->path);
        assert_string_equal(config->state_dir, "/var/lib/pairdump");
        pd_config_free(config);
    }
    pd_config_free(NULL);
}

/* The example of the design page. */
static void test_the_design_page_loads(void **state)
{
    struct pd_config *config = parse_ok("[pairdump]\n"
                                        "buffer = 1G\n"
                                        "[catalog]\n"
                                        "url = mysql:\n"
                                        "credentials = /etc/pairdump/my.pairdump.cnf\n"
                                        "[pool science]\n"
                                        "copy1 = tape:/dev/nst0\n"
                                        "copy2 = tape:/dev/nst1\n"
                                        "changer = mtx:/dev/changer\n"
                                        "label-prefix = PD\n"
                                        "batch-size = 12G\n"
                                        "capacity = 1536000M\n"
                                        "reserve = 1G\n"
                                        "verify = full\n");
    const struct pd_pool_config *pool = pd_config_pool(config, "science");

    (void)state;
    assert_true(config->buffer == UINT64_C(1) << 30);
    assert_string_equal(config->catalog_url, "mysql:");
    assert_string_equal(config->credentials, "/etc/pairdump/my.pairdump.cnf");
    assert_non_null(pool);
    assert_int_equal(pool->copy_count, 2);
    assert_string_equal(pool->copies[0], "tape:/dev/nst0");
    assert_string_equal(pool->copies[1], "tape:/dev/nst1");
    assert_null(pool->copies[2]);
    assert_string_equal(pool->changer, "mtx:/dev/changer");
    assert_string_equal(pool->label_prefix, "PD");
    assert_true(pool->batch_size == UINT64_C(12) << 30);
    assert_true(pool->batch_files == 25000);
    assert_true(pool->block_size == 524288);
    assert_true(pool->capacity == UINT64_C(1536000) << 20);
    assert_true(pool->reserve == UINT64_C(1) << 30);
    assert_int_equal(pool->verify.mode, PD_VERIFY_FULL);
    assert_null(pd_config_pool(config, "scienc"));
    assert_null(pd_config_pool(config, ""));
    pd_config_free(config);
}

/* Each key: values at and beyond the ends of its range. NULL ends a list. */
static const struct {
    const char *section, *key;
    const char *good[4], *bad[8];
} table[] = {
    {"pairdump", "buffer", {"1M", "16G"}, {"1023K", "0", "", "-1M", "lots", "1M 2M"}},
    {"pairdump", "state-dir", {"/", "/var/x y"}, {"", "relative", "./x", "#", "/x #y"}},
    {"pairdump", "stall-timeout", {"0", "90", "15m", "1d"}, {"", "-1", "1M", "1y", "1.5h"}},
    {"pairdump", "read-deadline", {"0", "30s", "2m"}, {"", "-1", "x", "1y"}},
    {"pairdump", "media-wait", {"0", "30m", "1d"}, {"", "-1", "x"}},
    {"pairdump", "stream-mark", {"1", "90", "100"}, {"", "0", "101", "90%", "4294967386"}},
    {"pairdump", "sync-bytes", {"0", "32G"}, {"", "-1", "x"}},
    {"pairdump", "sync-interval", {"0", "5m", "1h"}, {"", "-1s", "x"}},
    {"pairdump",
     "digest",
     {"sha256", "sha512", "sha3-256", "blake2b512"},
     {"", "md5", "SHA256", "sha3256", "sha-256"}},
    {"catalog", "url", {"sqlite:/x", "mysql:"}, {"", "#x", "a\t#b"}},
    {"catalog", "credentials", {"/x"}, {""}},
    {"catalog", "wait", {"0", "30s", "1h"}, {"", "x", "-1s"}},
    {"catalog", "claim-limit", {"1m", "10m", "1d"}, {"", "0", "59s", "x", "400000d"}},
    {"catalog", "reserve", {"0", "5G"}, {"", "x", "17000P"}},
    {"pool p", "copy1", {"disk:/a b", "disk:/a#b"}, {"", "disk:/a # first"}},
    {"pool p", "copy2", {"disk:/2"}, {""}},
    {"pool p", "copy3", {"disk:/3"}, {""}},
    {"pool p", "copy4", {"disk:/4"}, {""}},
    {"pool p", "copy5", {"disk:/5"}, {""}},
    {"pool p", "copy6", {"disk:/6"}, {""}},
    {"pool p", "copy7", {"disk:/7"}, {""}},
    {"pool p", "copy8", {"disk:/8"}, {""}},
    {"pool p", "pairs", {"1"}, {"", "0", "9", "x", "1.0"}},
    {"pool p", "changer", {"mtx:/dev/changer"}, {""}},
    {"pool p", "label-prefix", {"P", "9Z"}, {"", "pd", "ABC", "A-", "A B"}},
    {"pool p", "block-size", {"64K", "4M", "65536"}, {"", "32K", "8M", "96K", "65537", "0"}},
    {"pool p", "batch-size", {"1", "12G"}, {"", "0", "-1"}},
    {"pool p", "batch-files", {"1", "1000000"}, {"", "0", "1K", "1.0"}},
    {"pool p", "capacity", {"0", "1536000M"}, {"", "x"}},
    {"pool p", "reserve", {"0", "1G"}, {"", "x"}},
    {"pool p",
     "verify",
     {"full", "none", "sample=1%", "sample=100%"},
     {"", "Full", "sample", "sample=0%", "sample=101%", "sample=25", "sample=%"}},
    {"pool p",
     "digest",
     {"sha256", "sha512", "sha3-256", "blake2b512"},
     {"", "md5", "SHA256", "sha3256", "sha-256"}},
    {"pool p", "verify-swap", {"yes", "no"}, {"", "Yes", "1", "true", "on"}},
    {"retry default", "tries", {"1", "1000"}, {"", "0", "1001", "4294967299", "many"}},
    {"retry default", "delay", {"0", "10ms"}, {"", "-1", "1x"}},
    {"retry load", "max-delay", {"0", "1h"}, {"", "x"}},
    {"retry load", "backoff", {"100", "10000"}, {"", "99", "10001", "200%", "4294967496"}},
    {"retry load", "jitter", {"0", "100"}, {"", "101", "-1", "4294967296"}},
};
enum { KEYS = sizeof table / sizeof table[0] };

/* A file that sets only this key, and besides what a pool needs. */
static void compose(char *out, size_t size, size_t k, const char *value)
{
    int copy = strncmp(table[k].key, "copy", 4) == 0 ? table[k].key[4] - '0' : 0;
    int at = snprintf(out, size, "[%s]\n%s = %s\n", table[k].section, table[k].key, value);

    if (strcmp(table[k].section, "pool p") == 0) {
        for (int i = 1; i < copy || i == 1; i++) {
            if (i != copy) {
                at += snprintf(out + at, size - (size_t)at, "copy%d = mock:/%d\n", i, i);
            }
        }
    }
}

static void test_every_key(void **state)
{
    char text[512];

    (void)state;
    for (size_t k = 0; k < KEYS; k++) {
        for (size_t i = 0; i < 4 && table[k].good[i]; i++) {
            compose(text, sizeof text, k, table[k].good[i]);
            pd_config_free(parse_ok(text));
        }
        for (size_t i = 0; i < 8 && table[k].bad[i]; i++) {
            compose(text, sizeof text, k, table[k].bad[i]);
            parse_bad(text, "test.conf:", strcmp(table[k].key, "state-dir") ? table[k].key : "");
        }
    }
}

/* A pool has that of [pairdump], wherever that stands, unless it says its own. */
static void test_digests_are_passed_down(void **state)
{
    struct pd_config *config = parse_ok("[pool a]\ncopy1=disk:/1\n"
                                        "[pool b]\ncopy1=disk:/2\ndigest=sha256\n"
                                        "[pairdump]\ndigest=blake2b512\n"
                                        "[pool c]\ncopy1=disk:/3\ndigest=sha3-256\n");

    (void)state;
    assert_int_equal(config->digest, PD_DIGEST_BLAKE2B512);
    assert_int_equal(pd_config_pool(config, "a")->digest, PD_DIGEST_BLAKE2B512);
    assert_int_equal(pd_config_pool(config, "b")->digest, PD_DIGEST_SHA256);
    assert_int_equal(pd_config_pool(config, "c")->digest, PD_DIGEST_SHA3_256);
    pd_config_free(config);
    config = parse_ok("[pool a]\ncopy1=disk:/1\n");
    assert_int_equal(config->digest, PD_DIGEST_SHA256);
    assert_int_equal(pd_config_pool(config, "a")->digest, PD_DIGEST_SHA256);
    pd_config_free(config);
    parse_bad("[pairdump]\ndigest=md5\n", "test.conf:2", PD_DIGEST_NAMES);
}

static void test_values_arrive(void **state)
{
    struct pd_config *config = parse_ok("[pairdump]\nstate-dir=/s\nstall-timeout=0\nbuffer=2M\n"
                                        "read-deadline=7s\n"
                                        "stream-mark=75\nsync-bytes=9M\nsync-interval=3s\n"
                                        "[catalog]\nreserve=3M\nclaim-limit=5m\nwait=2s\n"
                                        "[pool a]\ncopy1=disk:/1\nblock-size=64K\nbatch-files=9\n"
                                        "verify=sample=25%\nlabel-prefix=X\nreserve=0\n"
                                        "[pool b]\ncopy2=disk:/2\ncopy1=disk:/1\ncopy3=disk:/3\n"
                                        "verify=none\n"
                                        "[pool c]\ncopy1=disk:/1\ncopy2=disk:/2\ncopy3=disk:/3\n"
                                        "copy4=disk:/4\npairs=2\n");
    const struct pd_pool_config *a = pd_config_pool(config, "a");
    const struct pd_pool_config *b = pd_config_pool(config, "b");

    (void)state;
    assert_string_equal(config->state_dir, "/s");
    assert_true(config->stall_ns == 0);
    assert_true(config->read_deadline_ns == UINT64_C(7000000000));
    assert_true(config->buffer == 2097152);
    assert_int_equal(config->stream_mark, 75);
    assert_true(config->sync_bytes == 9437184);
    assert_true(config->sync_ns == UINT64_C(3000000000));
    assert_true(config->catalog_reserve == 3145728);
    assert_true(config->claim_limit_ns == UINT64_C(300000000000));
    assert_true(config->catalog_wait_ns == UINT64_C(2000000000));
    assert_int_equal(config->pool_count, 3);
    assert_true(a->pairs == 1 && pd_config_pool(config, "c")->pairs == 2);
    assert_true(a->block_size == 65536 && a->batch_files == 9 && a->reserve == 0);
    assert_string_equal(a->label_prefix, "X");
    assert_int_equal(a->verify.mode, PD_VERIFY_SAMPLE);
    assert_int_equal(a->verify.percent, 25);
    assert_int_equal(a->copy_count, 1);
    assert_int_equal(b->copy_count, 3);
    assert_string_equal(b->copies[1], "disk:/2");
    assert_string_equal(b->label_prefix, "PD");
    assert_int_equal(b->verify.mode, PD_VERIFY_NONE);
    assert_true(b->batch_size == UINT64_C(4) << 30);
    pd_config_free(config);
}

static void test_retries_start_from_default(void **state)
{
    /* [retry default] counts for the others wherever it stands */
    struct pd_config *config = parse_ok("[retry load]\ntries=5\ndelay=1m\n"
                                        "[retry default]\ntries=7\njitter=0\n"
                                        "[retry open]\nbackoff=150\n");
    struct pd_retry load = pd_config_retry(config, "load");
    struct pd_retry open = pd_config_retry(config, "open");
    struct pd_retry other = pd_config_retry(config, "commit");

    (void)state;
    assert_int_equal(load.tries, 5);
    assert_true(load.delay_ns == UINT64_C(60000000000));
    assert_int_equal(load.jitter_percent, 0);
    assert_int_equal(open.tries, 7);
    assert_int_equal(open.backoff_percent, 150);
    assert_int_equal(other.tries, 7);
    assert_int_equal(other.backoff_percent, 200);
    pd_config_free(config);
}

static void test_structure_is_checked(void **state)
{
    (void)state;
    parse_bad("buffer = 1M\n", "test.conf:1:", "before any [section]");
    parse_bad("[pairdump]\n\nbufer = 1M\n", "test.conf:3:", "unknown key bufer");
    parse_bad("[pairdump]\nBuffer = 1M\n", "test.conf:2:", "unknown key");
    parse_bad("[catalog]\nbuffer = 1M\n", "test.conf:2:", "unknown key");
    parse_bad("[pairdump]\nbuffer = 1M\n#\nbuffer = 1M\n", "test.conf:4:", "twice");
    parse_bad("[catalog]\n[pairdump]\n[catalog]\n", "test.conf:3:", "[catalog] stands there twice");
    parse_bad("[pool a]\ncopy1=x\n[pool a]\ncopy2=y\n", "test.conf:3:", "[pool a]");
    parse_bad("[retry default]\n[retry default]\n", "test.conf:2:", "twice");
    parse_bad("[retry load]\n[retry load]\n", "test.conf:2:", "twice");
    parse_bad("[other]\n", "test.conf:1:", "unknown section [other]");
    parse_bad("[Pairdump]\n", "test.conf:1:", "unknown section");
    parse_bad("[ pairdump ]\n", "test.conf:1:", "unknown section");
    parse_bad("[]\n", "test.conf:1:", "unknown section");
    parse_bad("[pool]\n", "test.conf:1:", "unknown section");
    parse_bad("[pool ]\n", "test.conf:1:", "unknown section");
    parse_bad("[pool  a]\n", "test.conf:1:", "unknown section");
    parse_bad("[pool a b]\n", "test.conf:1:", "unknown section");
    parse_bad("[pool ../a]\n", "test.conf:1:", "unknown section");
    parse_bad("[pools a]\n", "test.conf:1:", "unknown section");
    parse_bad("[pairdump]\nbuffer\n", "test.conf:2:", "neither");
    parse_bad("[pairdump]\nbuffer\n[catalog]\nurl\n", "test.conf:2:", "neither");
}

static void test_copies_are_checked(void **state)
{
    (void)state;
    parse_bad("[pool a]\n", "test.conf:", "[pool a] needs copy1");
    parse_bad("[pool a]\nverify=full\n", "test.conf:", "[pool a] needs copy1");
    parse_bad("[pool a]\ncopy2=disk:/x\n", "test.conf:", "gap");
    parse_bad("[pool a]\ncopy1=disk:/x\ncopy3=disk:/y\n", "test.conf:", "gap");
    parse_bad("[pool a]\ncopy1=disk:/x\ncopy9=disk:/y\n", "test.conf:3:", "unknown key");
    parse_bad("[pool a]\ncopy1=disk:/x\ncopy0=disk:/y\n", "test.conf:3:", "unknown key");
    parse_bad("[pool a]\ncopy1=disk:/x\ncopy2=disk:/x\n", "test.conf:", "same place");
}

/* libinih would cut or misread these without a word. */
static void test_nothing_is_cut_silently(void **state)
{
    char text[1024];

    (void)state;
    parse_bad("[pairdump]\nstate-dir = /a ;b\n", "test.conf:2:", "comment");
    parse_bad("[pairdump]\nbuffer = 1G ; big\n", "test.conf:2:", "comment");
    parse_bad("[pairdump] buffer = 1G\n", "test.conf:1:", "behind the ]");
    parse_bad("[pairdump]]\n", "test.conf:1:", "behind the ]");
    parse_bad("[pairdump\nbuffer = 1G\n", "test.conf:1:", "closing");
    parse_bad("[pool ;x]\n", "test.conf:1:", "comment");
    parse_bad("[pairdump]\rbuffer = 1G\r", "test.conf:1:", "behind the ]");
    parse_bad("[pairdump]\nstate-dir = /a\n  continued\n", "test.conf:3:", "neither");

    /* the longest name that survives, and one more */
    snprintf(text, sizeof text, "[pool %044d]\ncopy1=disk:/x\n", 7);
    struct pd_config *config = parse_ok(text);
    assert_int_equal(strlen(config->pools[0].name), 44);
    pd_config_free(config);
    snprintf(text, sizeof text, "[pool %045d]\ncopy1=disk:/x\n", 7);
    parse_bad(text, "test.conf:1:", "longer");

    /* the longest line that survives whole, and one more */
    snprintf(text, sizeof text, "[pairdump]\nstate-dir = /%0184d\n", 7);
    config = parse_ok(text);
    assert_int_equal(strlen(config->state_dir), 185);
    assert_int_equal(config->state_dir[184], '7');
    pd_config_free(config);
    snprintf(text, sizeof text, "[pairdump]\nstate-dir = /%0185d\n", 7);
    parse_bad(text, "test.conf:2:", "longer than 197");
    snprintf(text, sizeof text, "[pairdump]\n#%0400d\nbuffer = 2M\n", 7);
    parse_bad(text, "test.conf:2:", "longer");
}

static void test_nul_bytes_are_refused(void **state)
{
    static const char text[] = "[pairdump]\nbuffer = 2M\0\n";
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_config_parse(text, sizeof text - 1, "n", no_env, &config, &err), PD_CONFIG);
    assert_non_null(strstr(err.message, "n:2: NUL"));
    assert_null(config);
}

static void test_lenient_where_it_is_harmless(void **state)
{
    const char *texts[] = {
        "[pairdump]\r\nbuffer = 2M\r\n",
        "\xef\xbb\xbf[pairdump]\nbuffer=2M",
        "  [pairdump]  \n\tbuffer\t=\t2M\t\n",
        "[pairdump] # main\n  state-dir = /x\n  buffer = 2M\n",
        "[pairdump] ; main\n; c\n  # d ; e\nbuffer = 2M\n",
        "[pairdump]\n   \n\t\nbuffer : 2M\n\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct pd_config *config = parse_ok(texts[i]);
        assert_true(config->buffer == 2097152);
        pd_config_free(config);
    }
}

static void check_state_dir(const char *(*getenv_fn)(const char *name), const char *dir)
{
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;

    assert_int_equal(pd_config_parse("", 0, "x", getenv_fn, &config, &err), PD_OK);
    assert_string_equal(config->state_dir, dir);
    pd_config_free(config);
}

static void test_state_dir(void **state)
{
    (void)state;
    check_state_dir(no_env, "/var/lib/pairdump");
    check_state_dir(relative_env, "/var/lib/pairdump");
    check_state_dir(xdg_env, "/state/pairdump");
    check_state_dir(home_env,
                    geteuid() == 0 ? "/var/lib/pairdump" : "/home/op/.local/state/pairdump");
}

static void test_verify_policy(void **state)
{
    const char *texts[] = {"full", "none", "sample=1%", "sample=100%"};
    const char *bad[] = {"sample=",    "sample=1",     "sample=1%%", "sample=+5%",
                         "sample= 5%", "sample=1000%", "fulll",      "samplE=5%"};
    char out[16];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct pd_verify_policy policy;
        assert_true(pd_verify_policy_parse(texts[i], &policy));
        pd_verify_policy_format(policy, out, sizeof out);
        assert_string_equal(out, texts[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct pd_verify_policy policy = {PD_VERIFY_SAMPLE, 77};
        assert_false(pd_verify_policy_parse(bad[i], &policy));
        assert_int_equal(policy.percent, 77);
    }
}

static void test_pool_for_the_command_line(void **state)
{
    struct pd_pool_config pool;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    assert_int_equal(pd_pool_config_init("default", &pool, &err), PD_OK);
    assert_string_equal(pool.name, "default");
    assert_string_equal(pool.label_prefix, "PD");
    assert_int_equal(pool.copy_count, 0);
    assert_true(pool.reserve == UINT64_C(64) << 20);
    assert_int_equal(pool.verify.mode, PD_VERIFY_FULL);
    pd_pool_config_release(&pool);
    assert_null(pool.name);
    pd_pool_config_release(&pool);
}

/* ---- files ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pd-config-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    const char *names[] = {"/a.conf", "/.config/pairdump/pairdump.conf", "/.config/pairdump",
                           "/.config", ""};
    char path[128];
    int result = 0;

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s%s", folder, names[i]);
        if (remove(path) != 0 && errno != ENOENT) {
            result = -1;
        }
    }
    return result;
}

static const char *folder_env(const char *name)
{
    return strcmp(name, "HOME") == 0 ? folder : NULL;
}

static char named[128];

static const char *named_env(const char *name)
{
    return strcmp(name, "PAIRDUMP_CONF") == 0 ? named : folder_env(name);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_load_named_file(void **state)
{
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/a.conf", folder);
    assert_int_equal(pd_config_load(path, no_env, &config, &err), PD_CONFIG);
    assert_int_equal(err.sys_errno, ENOENT);
    assert_non_null(strstr(err.message, path));
    write_file(path, "[pairdump]\nbuffer = 3M\n");
    assert_int_equal(pd_config_load(path, no_env, &config, &err), PD_OK);
    assert_string_equal(config->path, path);
    assert_true(config->buffer == 3145728);
    pd_config_free(config);
    write_file(path, "");
    assert_int_equal(pd_config_load(path, no_env, &config, &err), PD_OK);
    check_defaults(config);
    pd_config_free(config);
    write_file(path, "[pairdump]\nbuffer = x\n");
    assert_int_equal(pd_config_load(path, no_env, &config, &err), PD_CONFIG);
    assert_non_null(strstr(err.message, "a.conf:2:"));
    assert_null(config);
}

static void test_load_refuses_what_is_no_file(void **state)
{
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;
    char path[128];

    (void)state;
    assert_int_equal(pd_config_load(folder, no_env, &config, &err), PD_CONFIG);
    assert_int_equal(pd_config_load("/dev/null", no_env, &config, &err), PD_CONFIG);
    assert_int_equal(pd_config_load("", no_env, &config, &err), PD_CONFIG);
    snprintf(path, sizeof path, "%s/a.conf", folder);
    write_file(path, "#\n");
    assert_int_equal(truncate(path, 1048577), 0);
    assert_int_equal(pd_config_load(path, no_env, &config, &err), PD_CONFIG);
    assert_non_null(strstr(err.message, "1 MiB"));
    assert_null(config);
}

static void test_search(void **state)
{
    struct pd_config *config = NULL;
    struct pd_error err = PD_ERROR_INIT;
    char path[128];

    (void)state;
    snprintf(path, sizeof path, "%s/.config", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.config/pairdump", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/.config/pairdump/pairdump.conf", folder);
    write_file(path, "[pairdump]\nbuffer = 5M\n");
    assert_int_equal(pd_config_load(NULL, folder_env, &config, &err), PD_OK);
    assert_string_equal(config->path, path);
    assert_true(config->buffer == UINT64_C(5) << 20);
    pd_config_free(config);

    snprintf(named, sizeof named, "%s/a.conf", folder);
    write_file(named, "[pairdump]\nbuffer = 6M\n");
    assert_int_equal(pd_config_load(NULL, named_env, &config, &err), PD_OK);
    assert_string_equal(config->path, named);
    assert_true(config->buffer == UINT64_C(6) << 20);
    pd_config_free(config);
    assert_int_equal(unlink(named), 0);
    assert_int_equal(pd_config_load(NULL, named_env, &config, &err), PD_CONFIG);
    named[0] = '\0'; /* set but empty: as if not set */
    assert_int_equal(pd_config_load(NULL, named_env, &config, &err), PD_OK);
    assert_string_equal(config->path, path);
    pd_config_free(config);

    /* a link to nowhere is a mistake, not an absent file */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("/nonexistent/x", path), 0);
    assert_int_equal(pd_config_load(NULL, folder_env, &config, &err), PD_CONFIG);
    assert_null(config);
    assert_int_equal(unlink(path), 0);
}

/* ---- the sample ---- */

static void read_sample(struct pd_buf *whole, struct pd_buf *uncommented)
{
    FILE *file = fopen("etc/pairdump.conf.sample", "r"); /* tests run in the top folder */
    char line[512];

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        bool key = line[0] == '#' && line[1] != ' ' && line[1] != '\n';
        assert_true(line[0] == '#' || line[0] == '\n');
        assert_int_equal(pd_buf_puts(whole, line), PD_OK);
        assert_int_equal(pd_buf_puts(uncommented, line + key), PD_OK);
    }
    assert_int_equal(fclose(file), 0);
}

static void test_sample_holds_every_key(void **state)
{
    struct pd_buf whole = PD_BUF_INIT;
    struct pd_buf uncommented = PD_BUF_INIT;
    char line[64];

    (void)state;
    read_sample(&whole, &uncommented);
    for (size_t k = 0; k < KEYS; k++) {
        snprintf(line, sizeof line, "\n#%s = ", table[k].key);
        if (!strstr(whole.data, line)) {
            fail_msg("not in the sample: %s", table[k].key);
        }
    }
    struct pd_config *config = parse_ok(whole.data);
    check_defaults(config);
    pd_config_free(config);
    pd_buf_free(&whole);
    pd_buf_free(&uncommented);
}

static void test_sample_shows_the_defaults(void **state)
{
    struct pd_buf whole = PD_BUF_INIT;
    struct pd_buf uncommented = PD_BUF_INIT;
    struct pd_pool_config fresh;
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    read_sample(&whole, &uncommented);
    struct pd_config *config = parse_ok(uncommented.data);
    assert_string_equal(config->catalog_url, "sqlite:/var/lib/pairdump/catalog.db");
    assert_string_equal(config->credentials, "/etc/pairdump/pairdump.cnf");
    assert_int_equal(config->pool_count, 1);
    const struct pd_pool_config *pool = pd_config_pool(config, "science");
    assert_non_null(pool);
    assert_int_equal(pool->copy_count, PD_COPIES_MAX);
    assert_int_equal(pd_pool_config_init("fresh", &fresh, &err), PD_OK);
    assert_string_equal(pool->label_prefix, fresh.label_prefix);
    assert_true(pool->block_size == fresh.block_size);
    assert_true(pool->batch_size == fresh.batch_size);
    assert_true(pool->batch_files == fresh.batch_files);
    assert_true(pool->capacity == fresh.capacity);
    assert_true(pool->reserve == fresh.reserve);
    assert_int_equal(pool->verify.mode, fresh.verify.mode);
    pd_pool_config_release(&fresh);
    /* what check_defaults knows, besides the catalog */
    free(config->catalog_url);
    free(config->credentials);
    config->catalog_url = NULL;
    config->credentials = NULL;
    size_t pools = config->pool_count;
    config->pool_count = 0;
    check_defaults(config);
    config->pool_count = pools;
    pd_config_free(config);
    pd_buf_free(&whole);
    pd_buf_free(&uncommented);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_gives_defaults),
        cmocka_unit_test(test_the_design_page_loads),
        cmocka_unit_test(test_every_key),
        cmocka_unit_test(test_values_arrive),
        cmocka_unit_test(test_digests_are_passed_down),
        cmocka_unit_test(test_retries_start_from_default),
        cmocka_unit_test(test_structure_is_checked),
        cmocka_unit_test(test_copies_are_checked),
        cmocka_unit_test(test_nothing_is_cut_silently),
        cmocka_unit_test(test_nul_bytes_are_refused),
        cmocka_unit_test(test_lenient_where_it_is_harmless),
        cmocka_unit_test(test_state_dir),
        cmocka_unit_test(test_verify_policy),
        cmocka_unit_test(test_pool_for_the_command_line),
        cmocka_unit_test_setup_teardown(test_load_named_file, make_folder, drop_folder),
        cmocka_unit_test_setup_teardown(test_load_refuses_what_is_no_file, make_folder,
                                        drop_folder),
        cmocka_unit_test_setup_teardown(test_search, make_folder, drop_folder),
        cmocka_unit_test(test_sample_holds_every_key),
        cmocka_unit_test(test_sample_shows_the_defaults),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
