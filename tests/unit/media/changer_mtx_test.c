#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/media_lib.h"
#include "pairdump/changer.h"

#define FIRST "  Storage Changer /dev/sg2:2 Drives, 3 Slots ( 1 Import/Export )\n"
#define D0    "Data Transfer Element 0:Full (Storage Element 1 Loaded):VolumeTag = PD0003L6      \n"
#define D1    "Data Transfer Element 1:Empty\n"
#define S1    "      Storage Element 1:Empty\n"
#define S2    "      Storage Element 2:Full :VolumeTag=PD0001L6                            \n"
#define S3    "      Storage Element 3 IMPORT/EXPORT:Empty\n"

static void parse(const char *text, struct pd_changer_inventory *out)
{
    OK(pd_changer_parse(text, strlen(text), out, &err));
}

/* As mtx prints it on real libraries, with all that its Status() can print. */
static void what_mtx_prints(void **state)
{
    struct pd_changer_inventory inventory;

    (void)state;
    parse("  Storage Changer /dev/tape/by-id/scsi-1:2:3:4 Drives, 9 Slots ( 2 Import/Export )\n"
          "Data Transfer Element 0:Full (Storage Element 3 Loaded):VolumeTag = PD0003L6"
          "                            \n"
          "Data Transfer Element 1:Empty\n"
          "Data Transfer Element 2:Full (Unknown Storage Element Loaded)\n"
          "Data Transfer Element 3:Full (Storage Element 9 Loaded):VolumeTag = "
          "                                    :AlternateVolumeTag = SIDE B\n"
          "      Storage Element 1:Full :VolumeTag=PD0001L6                            \n"
          "      Storage Element 2:Full \n"
          "      Storage Element 3:Empty\n"
          "      Storage Element 4:Empty:VolumeTag=                                    \n"
          "      Storage Element 5:Empty:VolumeTag=PD0003L6                            \n"
          "      Storage Element 6:Full :VolumeTag=AB 12:=                             \n"
          "      Storage Element 7:Full :VolumeTag=123456789012345678901234567890123456"
          ":AlternateVolumeTag=654321                              \n"
          "      Storage Element 8 IMPORT/EXPORT:Full :AlternateVolumeTag=B\n"
          "      Storage Element 9 IMPORT/EXPORT:Empty\n",
          &inventory);
    assert_int_equal(inventory.drive_count, 4);
    assert_int_equal(inventory.slot_count, 9);
    assert_int_equal(inventory.port_count, 2);
    assert_int_equal(inventory.count, 13);
    for (size_t i = 0; i < 13; i++) {
        static const struct {
            bool full;
            uint32_t source;
            const char *barcode;
        } wanted[13] = {
            {true, 3, "PD0003L6"},
            {false, 0, ""},
            {true, 0, ""},
            {true, 9, ""},
            {true, 0, "PD0001L6"},
            {true, 0, ""},
            {false, 0, ""},
            {false, 0, ""},
            {false, 0, ""},
            {true, 0, "AB 12:="},
            {true, 0, "123456789012345678901234567890123456"},
            {true, 0, ""},
            {false, 0, ""},
        };
        const struct pd_changer_element *e = &inventory.elements[i];

        assert_int_equal(e->kind, i < 4    ? PD_CHANGER_DRIVE
                                  : i < 11 ? PD_CHANGER_SLOT
                                           : PD_CHANGER_PORT);
        assert_int_equal(e->number, i < 4 ? i : i - 3);
        assert_int_equal(e->full, wanted[i].full);
        assert_int_equal(e->source, wanted[i].source);
        assert_string_equal(e->barcode, wanted[i].barcode);
    }
    pd_changer_inventory_free(&inventory);
}

/* What a wrapper may do to it: another order, blanks cut off at the ends of lines. */
static void what_wrappers_print(void **state)
{
    struct pd_changer_inventory inventory;

    (void)state;
    parse(FIRST S3 S2 D1 "      Storage Element 1:Full\n"
                         "Data Transfer Element 0:Full (Storage Element 0 Loaded):VolumeTag =\n",
          &inventory);
    assert_true(inventory.elements[0].full);
    assert_int_equal(inventory.elements[0].source, 0);
    assert_true(inventory.elements[2].full);
    assert_int_equal(inventory.elements[4].kind, PD_CHANGER_PORT);
    pd_changer_inventory_free(&inventory);
}

static void nothing_else_is_taken(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "line 1"},
        {"\n", "line 1: not the first line"},
        {FIRST, "the first line says 5 and 1"},
        {"Storage Changer /dev/sg2:1 Drives, 1 Slots ( 0 Import/Export )\n",
         "line 1: not the first"},
        {"  Storage Changer\n", "line 1: not the first"},
        {"  Storage Changer /dev/sg2:-1 Drives, 1 Slots ( 0 Import/Export )\n",
         "line 1: no counts"},
        {"  Storage Changer /dev/sg2:1 Drives, 1 Slots ( 0 Import/Export ) \t\n",
         "line 1: no counts"},
        {"  Storage Changer /dev/sg2:1 Drives, 1 Slots\n", "line 1: no counts"},
        {"  Storage Changer /dev/sg2:1 Drives, 0 Slots ( 0 Import/Export )\n",
         "counts that cannot"},
        {"  Storage Changer /dev/sg2:0 Drives, 1 Slots ( 0 Import/Export )\n",
         "counts that cannot"},
        {"  Storage Changer /dev/sg2:1 Drives, 1 Slots ( 2 Import/Export )\n",
         "counts that cannot"},
        {"  Storage Changer /dev/sg2:01 Drives, 1 Slots ( 0 Import/Export )\n",
         "line 1: no counts"},
        {"  Storage Changer /dev/sg2:1 Drives, 65537 Slots ( 0 Import/Export )\n", "no counts"},
        {"  Storage Changer /dev/sg2:1 Drives, 99999999999999999999999 Slots ( 0 Import/Export )\n",
         "line 1: no counts"},
        {"  Storage Changer /dev/sg2:1 Drives, 1 Slots ( 0 Import/Export )", "line 1: cut off"},
        {FIRST D0 D1 S1 S2, "the first line says 5 and 1"},
        {FIRST D0 S1 S2 S3, "the first line says 5 and 1"},
        {FIRST D0 D1 S1 S2 "      Storage Element 3:Empty\n", "0 of them import/export"},
        {FIRST D0 D1 "      Storage Element 1 IMPORT/EXPORT:Empty\n" S2 S3, "line 6: more import"},
        {FIRST D0 D1 S1 S2 S3 "\n", "line 7: neither a drive nor a slot"},
        {FIRST "\n" D0 D1 S1 S2 S3, "line 2: neither a drive nor a slot"},
        {FIRST D0 D1 S1 S2 S3 S3, "line 7: the same element again"},
        {FIRST D0 D0 S1 S2 S3, "line 3: the same element again"},
        {FIRST D0 D1 S1 S2 "      Storage Element 3 IMPORT/EXPORT:Empty", "line 6: cut off"},
        {FIRST D0 "Data Transfer Element 2:Empty\n", "line 3: no drive of those"},
        {FIRST "Data Transfer Element 00:Empty\n", "line 2: no drive of those"},
        {FIRST "Data Transfer Element -1:Empty\n", "line 2: no drive of those"},
        {FIRST "Data Transfer Element 0 :Empty\n", "line 2: no drive of those"},
        {FIRST "Data Transfer Element 0:Empty:VolumeTag = PD0001L6\n", "behind an empty drive"},
        {FIRST "Data Transfer Element 0:Full\n", "line 2: neither full nor empty"},
        {FIRST "Data Transfer Element 0:full (Storage Element 1 Loaded)\n", "neither full nor"},
        {FIRST "Data Transfer Element 0:Full (Storage Element 4 Loaded)\n", "loaded from no slot"},
        {FIRST "Data Transfer Element 0:Full (Storage Element -1 Loaded)\n", "no slot that the"},
        {FIRST "Data Transfer Element 0:Full (Storage Element 1 Loaded\n", "no slot that the"},
        {FIRST "Data Transfer Element 0:Full (Storage Element 1 Loaded) PD0003L6\n", "volume tag"},
        {FIRST "Data Transfer Element 0:Full (Storage Element 1 Loaded):VolumeTag=PD0003L6\n",
         "line 2: no proper volume tag"},
        {FIRST D0 D1 "      Storage Element 0:Empty\n", "line 4: no slot of those"},
        {FIRST D0 D1 "      Storage Element 4:Empty\n", "line 4: no slot of those"},
        {FIRST D0 D1 "     Storage Element 1:Empty\n", "line 4: neither a drive nor a slot"},
        {FIRST D0 D1 "      Storage Element 1 EXPORT:Empty\n", "line 4: no colon"},
        {FIRST D0 D1 "      Storage Element 1:\n", "line 4: neither full nor empty"},
        {FIRST D0 D1 "      Storage Element 1:Full:VolumeTag=PD0001L6\n", "neither full nor empty"},
        {FIRST D0 D1 "      Storage Element 1:Full :VolumeTag=PD\tL6\n", "no proper volume tag"},
        {FIRST D0 D1 "      Storage Element 1:Full :VolumeTag=PD\303\244L6\n",
         "no proper volume tag"},
        {FIRST D0 D1 "      Storage Element 1:Full :VolumeTag=PD\177L6\n", "no proper volume tag"},
        {FIRST D0 D1 "      Storage Element 1:Full :VolumeTag=PD0001L6\r\n",
         "no proper volume tag"},
        {FIRST D0 D1 "      Storage Element 1:Empty:VolumeTag=\033[31m\n", "no proper volume tag"},
        {FIRST D0 D1
         "      Storage Element 1:Full :VolumeTag=1234567890123456789012345678901234567\n",
         "line 4: no proper volume tag"},
        {FIRST D0 D1 "      Storage Element 1:Full :AlternateVolumeTag=\001\n", "no proper volume"},
        {FIRST D0 D1 "      Storage Element 1:Full :AlternateVolumeTag:x\n", "no proper volume"},
        {FIRST D0 D1 "      Storage Element 1:Full :Volume=x\n", "no proper volume tag"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pd_changer_inventory inventory;
        struct pd_error err = PD_ERROR_INIT;

        ml_is(pd_changer_parse(cases[i].text, strlen(cases[i].text), &inventory, &err),
              PD_BAD_FORMAT, &err, cases[i].text, __LINE__);
        if (strstr(err.message, cases[i].says) == NULL)
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.message, cases[i].says);
        assert_null(inventory.elements);
        assert_int_equal(inventory.count, 0);
        assert_int_equal(inventory.slot_count, 0);
    }
}

static void every_cut_is_refused(void **state)
{
    static const char whole[] = FIRST D0 D1 S1 S2 S3;
    struct pd_changer_inventory inventory;

    (void)state;
    parse(whole, &inventory);
    pd_changer_inventory_free(&inventory);
    for (size_t len = 0; len < strlen(whole); len++) {
        char *exact = malloc(len + 1); /* so that a sanitizer sees a read behind it */
        struct pd_error err = PD_ERROR_INIT;

        assert_non_null(exact);
        memcpy(exact, whole, len);
        exact = realloc(exact, len > 0 ? len : 1);
        assert_non_null(exact);
        assert_int_equal(pd_changer_parse(exact, len, &inventory, &err), PD_BAD_FORMAT);
        free(exact);
    }
}

static void barcodes_and_labels(void **state)
{
    static const struct {
        const char *barcode, *label;
        bool is;
    } cases[] = {
        {"PD100001L6", "PD100001", true},
        {"PD100001", "PD100001", true},
        {"PD100001LT", "PD100001", true},
        {"PD100001M8", "PD100001", true},
        {"PD100001L6", "PD100001L6", true},
        {"PD100001L6", "PD10000", false},
        {"PD100001", "PD1000", false}, /* two digits are no medium type */
        {"PD100001l6", "PD100001", false},
        {"PD100001L", "PD100001", false},
        {"PD100001L66", "PD100001", false},
        {"PD100001", "PD100001L6", false},
        {"pd100001L6", "PD100001", false},
        {"", "", false},
        {"L6", "", false},
        {"", "PD100001", false},
        {"PD100001L-", "PD100001", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (pd_changer_barcode_is(cases[i].barcode, cases[i].label) != cases[i].is)
            fail_msg("%s, %s", cases[i].barcode, cases[i].label);
    }
}

static void the_first_is_found(void **state)
{
    struct pd_changer_inventory inventory;

    (void)state;
    parse("  Storage Changer /dev/sg2:1 Drives, 4 Slots ( 0 Import/Export )\n"
          "Data Transfer Element 0:Full (Storage Element 1 Loaded):VolumeTag = PD0003L6\n"
          "      Storage Element 1:Full :VolumeTag=PD0001L6\n"
          "      Storage Element 2:Full :VolumeTag=PD0001L7\n"
          "      Storage Element 3:Full :VolumeTag=PD0001\n"
          "      Storage Element 4:Full :VolumeTag=PD0003L6\n",
          &inventory);
    assert_ptr_equal(pd_changer_find(&inventory, "PD0003"), &inventory.elements[0]);
    assert_ptr_equal(pd_changer_find(&inventory, "PD0001"), &inventory.elements[3]);
    assert_ptr_equal(pd_changer_find(&inventory, "PD0001L7"), &inventory.elements[2]);
    inventory.elements[3].barcode[0] = '\0';
    assert_ptr_equal(pd_changer_find(&inventory, "PD0001"), &inventory.elements[1]);
    assert_null(pd_changer_find(&inventory, "PD0002"));
    assert_null(pd_changer_find(&inventory, ""));
    pd_changer_inventory_free(&inventory);
    assert_null(pd_changer_find(&inventory, "PD0001"));
}

/* What the mapping does with bytes of any kind; the texts of mtx are tried in changer_test.c. */
static void any_refusal(void **state)
{
    static const char odd[] = "\0\0Sense Key=\nmtx: Request Sense: Sense Key=Not Ready\n\n \t\r\n"
                              "Additional Sense Code = \nAdditional Sense Qualifier = 0\nlast";
    struct pd_error err = PD_ERROR_INIT;

    (void)state;
    for (size_t len = 0; len <= sizeof(odd); len++) {
        char *exact = malloc(len > 0 ? len : 1);

        assert_non_null(exact);
        memcpy(exact, odd, len);
        pd_error_clear(&err);
        assert_int_not_equal(pd_changer_refusal("load 1 0", exact, len, &err), PD_OK);
        assert_int_equal(strncmp(err.message, "load 1 0: ", 10), 0);
        free(exact);
    }
    assert_int_equal(err.status, PD_NOT_READY);
    assert_int_equal(pd_changer_refusal("x", NULL, 0, &err), PD_IO);
    /* mtx tells of several senses; the last is that of what failed */
    static const char two[] = "mtx: Request Sense: Sense Key=Unit Attention\n"
                              "mtx: Request Sense: Additional Sense Code = 28\n"
                              "mtx: Request Sense: Additional Sense Qualifier = 00\n"
                              "Mode sense (0x1A) for Page 0x1D failed\n"
                              "mtx: Request Sense: Sense Key=Illegal Request\n"
                              "mtx: Request Sense: Additional Sense Code = 3B\n"
                              "mtx: Request Sense: Additional Sense Qualifier = 0D\n"
                              "MOVE MEDIUM from Element Address 1000 to 500 Failed\n";
    assert_int_equal(pd_changer_refusal("load 1 0", two, strlen(two), &err), PD_EXISTS);
    assert_string_equal(err.message,
                        "load 1 0: the destination is full: MOVE MEDIUM from Element Address "
                        "1000 to 500 Failed (Illegal Request, sense 3b/0d)");
    /* and ends with why */
    static const char last[] = "RequestSense (0x03) failed\n"
                               "mtx: Request Sense: Sense Key=Hardware Error\n"
                               "mtx: Request Sense: SKSV=no\n"
                               "Mode sense (0x1A) for Page 0x1D failed\n"
                               "no Data Transfer Element reported\n\n";
    assert_int_equal(pd_changer_refusal("status", last, strlen(last), &err), PD_IO);
    assert_string_equal(err.message, "status: no Data Transfer Element reported");
    static const char sense_only[] = "mtx: Request Sense: Sense Key=Not Ready\n";
    assert_int_equal(pd_changer_refusal("status", sense_only, strlen(sense_only), &err),
                     PD_NOT_READY);
    assert_string_equal(err.message, "status: not ready: mtx: Request Sense: Sense Key=Not Ready");
    /* others begin with it */
    static const char first[] = "\nrobot: no such robot\nusage: robot status\n";
    assert_int_equal(pd_changer_refusal("status", first, strlen(first), &err), PD_IO);
    assert_string_equal(err.message, "status: robot: no such robot");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_mtx_prints),       cmocka_unit_test(what_wrappers_print),
        cmocka_unit_test(nothing_else_is_taken), cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(barcodes_and_labels),   cmocka_unit_test(the_first_is_found),
        cmocka_unit_test(any_refusal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
