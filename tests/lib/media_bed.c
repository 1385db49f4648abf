#include "media_bed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "media_lib.h"

struct driver {
    const char *name;
    const char *url;   /* %s: the folder */
    const char *small; /* the same with room for the label and 8 records on each volume, 4 more for
                          the index */
    bool library;      /* of mock drives, whose changer is the folder's second mention in the URL */
    bool drive;        /* one medium at a time, which has to be put in; %s: the device */
};

static const struct driver drivers[] = {
    {"disk", "disk:%s", "disk:%s?capacity=576K", false, false},
    {"mock", "mock:%s", "mock:%s?capacity=576K&early=256K", false, false},
    {"fault over disk", "fault:read@1000000=EIO,write@1000000+=flip:disk:%s",
     "fault:mark@1000000=kill:disk:%s?capacity=576K", false, false},
    {"fault over mock", "fault:seek@1000000=EIO,sync@1000000=EIO:mock:%s",
     "fault:open@1000000=EIO:mock:%s?capacity=576K&early=256K", false, false},
    {"library", "mock:%s/0?changer=cmd:%s/robot&drive=0",
     "mock:%s/0?capacity=576K&early=256K&changer=cmd:%s/robot&drive=0", true, false},
    {"tape", "tape:%s", "tape:%s?capacity=576K", false, true},
};

static const struct driver *const driver_end = drivers + sizeof(drivers) / sizeof(drivers[0]);

static void set_up(struct mb_bed *bed, const struct driver *driver, bool small)
{
    const char *url = small ? driver->small : driver->url;

    memset(bed, 0, sizeof(*bed));
    bed->dir = ml_folder();
    if (driver->library)
        free(ml_library(bed->dir, "drive 0 empty - -\nslot 1 full - PD100001\n"
                                  "slot 2 full - PD100002\n"));
    if (driver->drive)
        ml_change(small ? "small" : "blank", "589824", "262144");
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    bed->url = ml_text(url, driver->drive ? ml_tape() : bed->dir, bed->dir);
#pragma GCC diagnostic pop
    bed->target = ml_open(bed->url);
    bed->record = pd_record_alloc(ML_BLOCK);
    assert_non_null(bed->record);
}

static void tear_down(struct mb_bed *bed)
{
    ml_close(bed->target);
    free(bed->record);
    free(bed->url);
    ml_remove(bed->dir);
}

void mb_reopen(struct mb_bed *bed)
{
    ml_close(bed->target);
    bed->target = ml_open(bed->url);
}

void mb_put(struct mb_bed *bed, uint64_t number)
{
    ml_fill(bed->record, bed->number, number);
    OK(pd_target_write(bed->target, bed->record, ML_BLOCK, &err));
}

void mb_format(struct mb_bed *bed, const char *name)
{
    struct pd_label label = ml_label(name);

    OK(pd_target_format(bed->target, &label, &err));
}

static void for_each(void (*test)(struct mb_bed *bed), bool small, bool library)
{
    for (const struct driver *driver = drivers; driver < driver_end; driver++) {
        struct mb_bed bed;

        bool wanted = driver->drive == (ml_tape() != NULL); /* where there is a drive, that one */

        if (!wanted || (driver->drive && library))
            continue;
        print_message("    %s\n", driver->name);
        set_up(&bed, driver, small);
        test(&bed);
        tear_down(&bed);
    }
}

void mb_for_each(void (*test)(struct mb_bed *bed), bool small)
{
    for_each(test, small, false);
}

void mb_for_each_library(void (*test)(struct mb_bed *bed))
{
    for_each(test, false, true);
}
