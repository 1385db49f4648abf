/*
 * resume_book: what the journal of a dump says to the run that goes on with it.
 */
#ifndef PAIRDUMP_WORK_RESUME_BOOK_H
#define PAIRDUMP_WORK_RESUME_BOOK_H

#include "dump_priv.h"

enum pd_told { PD_TOLD_BEGUN, PD_TOLD_WRITTEN, PD_TOLD_GONE };

struct pd_told_archive {
    uint64_t seq;
    enum pd_told state;
    uint64_t offset, len; /* of its index text, once written */
    uint32_t tape_file;
    unsigned index; /* number of the index that lists it; 0: none */
    size_t lane;
};

/* One set of drives. */
struct pd_told_lane {
    char volumes[PD_COPIES_MAX][PD_UUID_TEXT]; /* that its last archive was begun on; "": none */
    struct {
        bool written; /* since that was begun */
        uint32_t tape_file;
    } indexes[PD_COPIES_MAX];
    unsigned index; /* number of its last index; those of all copies are one */
    bool indexing;  /* nothing was begun since */
};

struct pd_story {
    struct pd_dump_plan plan;
    bool listed; /* the list of files is whole */
    uint64_t list_layout, list_size, skipped;
    struct pd_list_totals totals;
    struct pd_told_archive *archives; /* in the order of their last begin */
    size_t count, room;
    struct pd_told_lane lanes[PD_COPIES_MAX];
    char (*labels)[PD_UUID_TEXT];              /* that media may bear */
    size_t label_count;
    unsigned index_count; /* of all lanes */
};

/* Release it in any case. */
PD_MUST_USE enum pd_status pd_story_read(struct pd_dump_book *book, struct pd_story *story,
                                         struct pd_error *err);
void pd_story_release(struct pd_story *story);
/* The last index of a lane is to be written anew: nothing is listed in it any more. */
void pd_story_drop_index(struct pd_story *story, struct pd_told_lane *lane);
/* The archive of that number; NULL: never begun. */
struct pd_told_archive *pd_story_archive(struct pd_story *story, uint64_t seq);

#endif
