#include "index_out.h"

#include <stdlib.h>
#include <string.h>

struct index_out {
    struct pd_target *target;
    uint8_t *record;
    size_t size, used;
    struct pd_toc *records; /* what was written, for reading it back */
};

static enum pd_status put_record(struct index_out *out, struct pd_error *err)
{
    enum pd_status status = pd_target_write(out->target, out->record, out->size, err);

    out->used = 0;
    return status == PD_OK
               ? pd_toc_add_record(out->records, pd_record_digest(out->record, out->size), err)
               : status;
}

static enum pd_status put(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    struct index_out *out = arg;
    const uint8_t *from = bytes;
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        size_t n = out->size - out->used < len ? out->size - out->used : len;
        memcpy(out->record + out->used, from, n);
        out->used += n;
        from += n;
        len -= n;
        if (out->used == out->size) {
            status = put_record(out, err);
        }
    }
    return status;
}

static enum pd_status put_tar(struct index_out *out, pd_index_fill_fn fill, void *arg,
                              struct pd_error *err)
{
    struct pd_tar_writer *tar = NULL;
    enum pd_status status = pd_tar_writer_new(put, out, &tar, err);

    if (status == PD_OK) {
        status = fill(arg, tar, err);
    }
    if (status == PD_OK) {
        status = pd_tar_finish(tar, err);
    }
    if (status == PD_OK && out->used > 0) {
        memset(out->record + out->used, 0, out->size - out->used);
        status = put_record(out, err);
    }
    pd_tar_writer_free(tar);
    return status;
}

enum pd_status pd_index_out(const struct pd_env *env, struct pd_target *target,
                            const char *dump_name, const char *dump_uuid, pd_index_fill_fn fill,
                            void *arg, uint32_t *file_no, struct pd_toc *records,
                            struct pd_error *err)
{
    struct index_out out = {
        .target = target, .size = (size_t)pd_target_label(target)->block_size, .records = records};
    struct pd_error late = PD_ERROR_INIT;
    char name[160];
    enum pd_status status;

    snprintf(name, sizeof name, "%s.index", dump_name);
    pd_toc_init(records);
    snprintf(records->name, sizeof records->name, "%.110s.index", dump_name);
    snprintf(records->dump_uuid, sizeof records->dump_uuid, "%s", dump_uuid);
    records->record_size = out.size;
    out.record = pd_record_alloc(out.size);
    if (!out.record) {
        return pd_error_memory(err, "index");
    }
    status = pd_target_use_reserve(target, true, err);
    if (status == PD_OK) {
        status = pd_target_begin(target, name, file_no, err);
    }
    if (status == PD_OK) {
        status = put_tar(&out, fill, arg, err);
        if (status == PD_OK) {
            status = pd_target_end(target, true, err);
        }
        if (status != PD_OK && pd_target_abandon(target, &late) != PD_OK) {
            pd_log_error(env->log, PD_LOG_WARN, &late);
        }
    }
    if (status == PD_OK) {
        status = pd_target_use_reserve(target, false, err);
    }
    free(out.record);
    return status;
}

void pd_index_facts_of(const struct pd_dump_row *dump, struct pd_index_facts *out)
{
    memset(out, 0, sizeof *out);
    snprintf(out->host, sizeof out->host, "%s", dump->host);
    snprintf(out->roots, sizeof out->roots, "%s", dump->roots);
    snprintf(out->pool, sizeof out->pool, "%s", dump->pool);
    snprintf(out->policy, sizeof out->policy, "%s", dump->policy);
    out->started = dump->started;
    out->copies = dump->copies;
    out->incremental = dump->incremental;
}

enum pd_status pd_index_line_of(const struct pd_problem *problem, struct pd_buf *lines,
                                struct pd_error *err)
{
    const struct pd_index_problem line = {.path = problem->path,
                                          .message = problem->message,
                                          .status = problem->status,
                                          .sys_errno = problem->sys_errno,
                                          .archived = problem->archived};
    size_t before = lines->len;

    if (pd_index_problem_encode(&line, lines) != PD_OK) {
        return pd_error_memory(err, "problems");
    }
    if (lines->len > PD_INDEX_LINES_MAX) {
        lines->len = before;
        lines->data[before] = '\0';
    }
    return PD_OK;
}
