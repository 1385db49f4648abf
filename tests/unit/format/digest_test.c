#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pairdump/digest.h"
#include "pairdump/text.h"

/* FIPS 180-4 examples. */
#define SHA256_EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA256_ABC   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
/* sha256sum of 1,000,000 zero bytes */
#define SHA256_ZEROS "d29751f2649b32ff572b5e0a9f541ea660a50f94ff0beedfb0b692b924cc8025"
/* xxh128sum of nothing, and of "abc" */
#define XXH128_EMPTY "99aa06d3014798d86001c324468d497f"
#define XXH128_ABC   "06b05ab6733a618578af5f94892f3950"

static void assert_final(struct pd_digest *digest, const char *expected)
{
    struct pd_error err = PD_ERROR_INIT;
    uint8_t sum[PD_SHA256_LEN];
    char hex[PD_SHA256_TEXT];

    assert_int_equal(pd_digest_final(digest, sum, &err), PD_OK);
    pd_hex_encode(sum, sizeof(sum), hex);
    assert_string_equal(hex, expected);
}

static void sha256_of_known_texts(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_digest *digest;

    (void)state;
    assert_int_equal(pd_digest_new("sha256", &digest, &err), PD_OK);
    assert_int_equal(pd_digest_len(digest), PD_SHA256_LEN);
    assert_final(digest, SHA256_EMPTY);
    assert_int_equal(pd_digest_update(digest, "abc", 3, &err), PD_OK);
    assert_final(digest, SHA256_ABC);
    assert_int_equal(pd_digest_update(digest, "a", 1, &err), PD_OK);
    assert_int_equal(pd_digest_update(digest, NULL, 0, &err), PD_OK);
    assert_int_equal(pd_digest_update(digest, "bc", 2, &err), PD_OK);
    assert_final(digest, SHA256_ABC);
    assert_final(digest, SHA256_EMPTY);
    pd_digest_free(digest);
}

static void zeros_are_hashed_as_bytes(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_digest *digest;

    (void)state;
    assert_int_equal(pd_digest_new("sha256", &digest, &err), PD_OK);
    assert_int_equal(pd_digest_zeros(digest, 0, &err), PD_OK);
    assert_int_equal(pd_digest_zeros(digest, 1000000, &err), PD_OK);
    assert_final(digest, SHA256_ZEROS);
    pd_digest_free(digest);
}

static void unknown_algorithm_is_refused(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_digest *digest = (void *)&err;

    (void)state;
    assert_int_equal(pd_digest_new("sha-nothing", &digest, &err), PD_UNSUPPORTED);
    assert_null(digest);
    pd_digest_free(digest);
}

/* What sha512sum, b2sum and openssl dgst -sha3-256 say of "abc". */
static void every_algorithm_is_the_one_of_its_name(void **state)
{
    static const char *const abc[PD_DIGEST_ALGS] = {
        [PD_DIGEST_SHA256] = SHA256_ABC,
        [PD_DIGEST_SHA512] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                             "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        [PD_DIGEST_SHA3_256] = "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
        [PD_DIGEST_BLAKE2B512] =
            "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
            "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    };
    struct pd_error err = PD_ERROR_INIT;
    struct pd_digest *digest;
    struct pd_buf names = PD_BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < PD_DIGEST_ALGS; i++) {
        const struct pd_digest_info *info = pd_digest_alg_info((enum pd_digest_alg)i);
        enum pd_digest_alg alg = PD_DIGEST_ALGS;
        uint8_t sum[PD_DIGEST_MAX];
        char hex[PD_DIGEST_TEXT];

        assert_true(pd_digest_alg_find(info->name, &alg) && alg == i);
        assert_int_equal(pd_digest_new(info->name, &digest, &err), PD_OK);
        assert_int_equal(pd_digest_len(digest), info->len);
        assert_true(info->len <= sizeof(sum));
        assert_int_equal(pd_digest_update(digest, "abc", 3, &err), PD_OK);
        assert_int_equal(pd_digest_final(digest, sum, &err), PD_OK);
        pd_hex_encode(sum, info->len, hex);
        assert_string_equal(hex, abc[i]);
        for (const char *p = info->bagit; *p != '\0'; p++) /* RFC 8493, 2.4 */
            assert_non_null(strchr("abcdefghijklmnopqrstuvwxyz0123456789", *p));
        assert_int_equal(pd_buf_printf(&names, i == 0 ? "%s" : ", %s", info->name), PD_OK);
        pd_digest_free(digest);
    }
    assert_string_equal(names.data, PD_DIGEST_NAMES);
    pd_buf_free(&names);
}

static void no_other_name_is_found(void **state)
{
    static const char *const names[] = {"", "md5", "SHA256", "sha-256", "sha256 ", "sha2", "sha3256"};
    enum pd_digest_alg alg;

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        assert_false(pd_digest_alg_find(names[i], &alg));
}

static void record_digests_are_canonical(void **state)
{
    struct pd_xxh128 a = pd_record_digest("abc", 3), b = pd_record_digest("", 0);
    char hex[PD_XXH128_TEXT];

    (void)state;
    pd_hex_encode(a.bytes, sizeof(a.bytes), hex);
    assert_string_equal(hex, XXH128_ABC);
    pd_hex_encode(b.bytes, sizeof(b.bytes), hex);
    assert_string_equal(hex, XXH128_EMPTY);
    assert_false(pd_xxh128_equal(&a, &b));
    b = pd_record_digest("abc", 3);
    assert_true(pd_xxh128_equal(&a, &b));
    b.bytes[15] ^= 1;
    assert_false(pd_xxh128_equal(&a, &b));
}

/* Any number of messages of any length, where blocks and padding end, and at no round addresses. */
static void many_messages_are_hashed_as_one(void **state)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_digest *digest;
    struct pd_digest_many *many;
    struct pd_digest_item items[PD_DIGEST_BATCH];
    static uint8_t bytes[300000];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 2654435761u >> 13);
    assert_int_equal(pd_digest_new("sha256", &digest, &err), PD_OK);
    assert_int_equal(pd_digest_many_new(&many, &err), PD_OK);
    for (size_t count = 0; count <= PD_DIGEST_BATCH; count++) {
        for (size_t i = 0; i < count; i++)
            items[i] = (struct pd_digest_item){.bytes = bytes + 7 * i,
                                               .len = i % 5 == 4 ? 4000 * i : 1 + count * 3 + i};
        assert_int_equal(pd_digest_many(many, items, count, &err), PD_OK);
        for (size_t i = 0; i < count; i++) {
            uint8_t sum[PD_SHA256_LEN];

            assert_int_equal(pd_digest_update(digest, items[i].bytes, items[i].len, &err), PD_OK);
            assert_int_equal(pd_digest_final(digest, sum, &err), PD_OK);
            assert_memory_equal(items[i].sha256, sum, sizeof(sum));
        }
    }
    pd_digest_many_free(many);
    pd_digest_many_free(NULL);
    pd_digest_free(digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_of_known_texts),
        cmocka_unit_test(zeros_are_hashed_as_bytes),
        cmocka_unit_test(unknown_algorithm_is_refused),
        cmocka_unit_test(every_algorithm_is_the_one_of_its_name),
        cmocka_unit_test(no_other_name_is_found),
        cmocka_unit_test(record_digests_are_canonical),
        cmocka_unit_test(many_messages_are_hashed_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
