/*
 * The indexes of a volume, for verify_volume.c.
 */
#ifndef PAIRDUMP_VERIFY_INDEX_H
#define PAIRDUMP_VERIFY_INDEX_H

#include "pairdump/index.h"
#include "pairdump/target.h"

/* Does this tape file begin as an index does? What cannot be read does not. */
PD_MUST_USE enum pd_status pd_verify_index_peek(struct pd_target *target, uint32_t tape_file,
                                                bool *is_index, struct pd_error *err);

/* An archive as an index tells of it. */
struct pd_verify_listed {
    struct pd_toc toc;
    uint32_t tape_file;
};

struct pd_verify_index {
    struct pd_index_info info;
    char *text; /* of index-info.txt, for what info leaves out */
    size_t text_len;
    struct pd_verify_listed *list;
    size_t count;
};

/* Reads an index whole; what is wrong with it is the return value: PD_BAD_FORMAT, PD_TRUNCATED,
 * PD_WRONG_VOLUME (made for another volume), or why it cannot be read. */
PD_MUST_USE enum pd_status pd_verify_index_read(const struct pd_env *env,
                                                struct pd_target *target, uint32_t tape_file,
                                                struct pd_verify_index *index,
                                                struct pd_error *err);
void pd_verify_index_release(struct pd_verify_index *index);

#endif
