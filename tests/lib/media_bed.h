/*
 * media_bed: a target of each driver in a fresh folder, for tests of what all drivers promise. A
 * driver is a row of a table: a URL that holds the name of the folder, or of a device. A tape drive
 * that the environment names (ml_change) is one as well.
 */
#ifndef MEDIA_BED_H
#define MEDIA_BED_H

#include "pairdump/target.h"

struct mb_bed {
    char *dir;
    char *url;
    struct pd_target *target;
    char *record;
    uint32_t number;
    size_t got;
};

/* Runs the test with each driver; small: with room for the label and 8 records on each volume, 4
 * more for the index. */
void mb_for_each(void (*test)(struct mb_bed *bed), bool small);
/* Only with those that bring a new volume by themselves: several of them, one after the other. */
void mb_for_each_library(void (*test)(struct mb_bed *bed));
/* As the next process finds it. */
void mb_reopen(struct mb_bed *bed);
/* Writes the record of that number of the tape file that was begun. */
void mb_put(struct mb_bed *bed, uint64_t number);
/* A new volume of that name. */
void mb_format(struct mb_bed *bed, const char *name);

#endif
