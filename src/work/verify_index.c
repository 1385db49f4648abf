#include "verify_index.h"

#include <archive_entry.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "pairdump/tar.h"

#define INFO       "index-info.txt"
#define TOP_END    ".index/" INFO
#define TEXT_MAX   ((size_t)8 << 30)
#define INFO_MAX   ((size_t)1 << 20)
#define END_MARK   1024 /* two blocks of zeros end a tar */

/* Records of one tape file, for a tar reader. */
struct reading {
    const struct pd_env *env; /* NULL: one record only */
    struct pd_target *target;
    uint8_t *buffer;
    size_t size;
    uint64_t next;
    bool open;
};

static enum pd_status give(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct reading *reading = arg;
    enum pd_status status = PD_OK;
    size_t got = 0;

    *bytes = NULL;
    *len = 0;
    if (reading->env == NULL && reading->next > 0)
        return PD_OK;
    if (reading->env != NULL)
        status = pd_env_check(reading->env, err);
    if (status == PD_OK)
        status = pd_target_read(reading->target, reading->buffer, reading->size, &got, err);
    if (status == PD_END_OF_FILE)
        return PD_OK;
    if (status == PD_OK && got != reading->size && reading->env != NULL)
        status = pd_error_set(err, PD_BAD_RECORD, 0,
                              "record %" PRIu64 " has %zu bytes instead of %zu", reading->next,
                              got, reading->size);
    if (status != PD_OK)
        return status;
    reading->next++;
    *bytes = reading->buffer;
    *len = got;
    return PD_OK;
}

static enum pd_status start(struct reading *reading, const struct pd_env *env,
                            struct pd_target *target, uint32_t tape_file, struct pd_error *err)
{
    enum pd_status status;

    memset(reading, 0, sizeof(*reading));
    reading->env = env;
    reading->target = target;
    reading->size = (size_t)pd_target_label(target)->block_size;
    reading->buffer = pd_record_alloc(reading->size);
    if (reading->buffer == NULL)
        return pd_error_memory(err, "a record");
    status = pd_target_open_file(target, tape_file, err);
    reading->open = status == PD_OK;
    return status;
}

static void stop(struct reading *reading)
{
    struct pd_error ignored = PD_ERROR_INIT;

    if (reading->open)
        (void)!pd_target_close_file(reading->target, &ignored); /* only read from */
    free(reading->buffer);
}

static bool begins_index(const char *name)
{
    size_t len = strlen(name), end = sizeof(TOP_END) - 1;

    return len > end && strcmp(name + len - end, TOP_END) == 0 &&
           strchr(name, '/') == name + len - sizeof(INFO);
}

enum pd_status pd_verify_index_peek(struct pd_target *target, uint32_t tape_file, bool *is_index,
                                    struct pd_error *err)
{
    struct reading reading;
    struct pd_tar_reader *reader = NULL;
    struct archive_entry *entry = NULL;
    enum pd_status status = start(&reading, NULL, target, tape_file, err);

    *is_index = false;
    if (status != PD_OK)
        goto out;
    status = pd_tar_reader_new(give, &reading, &reader, err);
    if (status != PD_OK)
        goto out;
    if (pd_tar_next(reader, &entry, err) == PD_OK && entry != NULL)
        *is_index = begins_index(archive_entry_pathname(entry));
out:
    pd_tar_reader_free(reader);
    stop(&reading);
    return status;
}

/* ---- the whole of it ---- */

static enum pd_status take_info(struct pd_verify_index *index, struct pd_tar_reader *reader,
                                struct archive_entry *entry, const struct pd_label *label,
                                struct pd_error *err)
{
    char *text = NULL;
    size_t len = 0;
    enum pd_status status = pd_tar_slurp(reader, entry, INFO_MAX, &text, &len, err);

    if (status == PD_OK)
        status = pd_index_info_decode(text, len, &index->info, err);
    if (status == PD_OK && (strcmp(index->info.label, label->label) != 0 ||
                            strcmp(index->info.volume_uuid, label->uuid) != 0))
        status = pd_error_set(err, PD_WRONG_VOLUME, 0, "the index was made for volume %s (%s)",
                              index->info.label, index->info.volume_uuid);
    index->text = text;
    index->text_len = len;
    return status;
}

/* "<dump name>.index/<archive name>.txt" */
static bool names_archive(const struct pd_verify_index *index, const char *name,
                          const char *archive)
{
    char expected[300];

    (void)snprintf(expected, sizeof(expected), "%s.index/%s.txt", index->info.dump_name, archive);
    return strcmp(name, expected) == 0;
}

static enum pd_status take_archive(struct pd_verify_index *index, struct pd_tar_reader *reader,
                                   struct archive_entry *entry, struct pd_error *err)
{
    struct pd_verify_listed *list, *listed;
    char *text = NULL;
    size_t len = 0;
    enum pd_status status;

    list = realloc(index->list, (index->count + 1) * sizeof(*list));
    if (list == NULL)
        return pd_error_memory(err, "an index");
    index->list = list;
    status = pd_tar_slurp(reader, entry, TEXT_MAX, &text, &len, err);
    if (status != PD_OK)
        return status;
    listed = &index->list[index->count++];
    status = pd_index_decode(text, len, &listed->toc, &listed->tape_file, err);
    free(text);
    memcpy(listed->toc.dump_uuid, index->info.dump_uuid, sizeof(listed->toc.dump_uuid));
    if (status == PD_OK && !names_archive(index, archive_entry_pathname(entry), listed->toc.name))
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "%s tells of archive %s",
                              archive_entry_pathname(entry), listed->toc.name);
    if (status == PD_OK && listed->toc.alg != index->info.alg)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "%s has other digests than " INFO " says",
                              archive_entry_pathname(entry));
    for (size_t i = 0; i + 1 < index->count && status == PD_OK; i++)
        if (index->list[i].tape_file == listed->tape_file)
            status = pd_error_set(err, PD_BAD_FORMAT, 0, "tape file %" PRIu32 " is listed twice",
                                  listed->tape_file);
    return status;
}

static bool is_zero(const uint8_t *bytes, size_t len)
{
    return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* Behind the end mark zeros to the end of the record, then nothing. */
static enum pd_status check_end(struct reading *reading, uint64_t mark, struct pd_error *err)
{
    uint64_t end = mark + END_MARK;
    uint64_t first = reading->next > 0 ? (reading->next - 1) * reading->size : 0;
    const void *bytes;
    size_t len = 0;
    enum pd_status status;

    if (end < first || end - first > reading->size ||
        !is_zero(reading->buffer + (end - first), (size_t)(reading->size - (end - first))))
        return pd_error_set(err, PD_BAD_FORMAT, 0, "the index is not filled up with zeros");
    status = give(reading, &bytes, &len, err);
    if (status == PD_OK && len > 0)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "the index goes on behind its end");
    return status;
}

enum pd_status pd_verify_index_read(const struct pd_env *env, struct pd_target *target,
                                    uint32_t tape_file, struct pd_verify_index *index,
                                    struct pd_error *err)
{
    const struct pd_label *label = pd_target_label(target);
    struct reading reading;
    struct pd_tar_reader *reader = NULL;
    struct archive_entry *entry = NULL;
    enum pd_status status;

    memset(index, 0, sizeof(*index));
    status = start(&reading, env, target, tape_file, err);
    if (status == PD_OK)
        status = pd_tar_reader_new(give, &reading, &reader, err);
    if (status == PD_OK)
        status = pd_tar_next(reader, &entry, err);
    if (status == PD_OK && (entry == NULL || !begins_index(archive_entry_pathname(entry))))
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "the index does not begin with " INFO);
    if (status == PD_OK)
        status = take_info(index, reader, entry, label, err);
    while (status == PD_OK && (status = pd_tar_next(reader, &entry, err)) == PD_OK &&
           entry != NULL)
        status = take_archive(index, reader, entry, err);
    if (status == PD_OK)
        status = check_end(&reading, pd_tar_entry_offset(reader), err);
    if (status == PD_OK && index->count != index->info.archives)
        status = pd_error_set(err, PD_BAD_FORMAT, 0,
                              "the index tells of %zu archives instead of %" PRIu64, index->count,
                              index->info.archives);
    pd_tar_reader_free(reader);
    stop(&reading);
    return status;
}

void pd_verify_index_release(struct pd_verify_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        pd_toc_release(&index->list[i].toc);
    free(index->list);
    free(index->text);
    memset(index, 0, sizeof(*index));
}
