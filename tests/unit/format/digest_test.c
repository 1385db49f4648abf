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
        cmocka_unit_test(record_digests_are_canonical),
        cmocka_unit_test(many_messages_are_hashed_as_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
