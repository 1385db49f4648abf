#include "pairdump/label.h"

#include <archive_entry.h>
#include <sys/stat.h>

#include "pairdump/bag.h"
#include "pairdump/clock.h"
#include "pairdump/size.h"
#include "pairdump/tar.h"

#define INFO_NAME      "volume-info.txt"
#define README_NAME    "README.txt"
#define INFO_MAX       ((size_t)64 << 10)
#define BLOCK_SIZE_MIN (UINT64_C(64) << 10)
#define BLOCK_SIZE_MAX (UINT64_C(4) << 20)
#define BLOCK_UNIT     512

static bool pool_is_valid(const char *pool)
{
    size_t len = strlen(pool);

    for (size_t i = 0; i < len; i++)
        if ((unsigned char)pool[i] < 0x20 || pool[i] == 0x7f)
            return false;
    return len < PD_POOL_TEXT && (len == 0 || (pool[0] != ' ' && pool[len - 1] != ' '));
}

static bool partners_are_valid(const struct pd_label *label)
{
    if (label->partner_count > PD_COPIES_MAX - 1)
        return false;
    for (size_t i = 0; i < label->partner_count; i++) {
        const struct pd_partner *partner = &label->partners[i];

        if (partner->copy < 1 || partner->copy > PD_COPIES_MAX ||
            !pd_label_is_valid(partner->label) || !pd_uuid_is_valid(partner->uuid))
            return false;
    }
    return true;
}

/* Says what is wrong with a label; NULL when nothing is. */
static const char *label_problem(const struct pd_label *label)
{
    if (!pd_label_is_valid(label->label))
        return "Volume-Label";
    if (!pd_uuid_is_valid(label->uuid))
        return "Volume-UUID";
    if (!pool_is_valid(label->pool))
        return "Pool";
    if (label->copy < 1 || label->copy > PD_COPIES_MAX)
        return "Copy-Number";
    if (label->block_size < BLOCK_SIZE_MIN || label->block_size > BLOCK_SIZE_MAX ||
        label->block_size % BLOCK_UNIT != 0)
        return "Block-Size";
    return partners_are_valid(label) ? NULL : "Partner";
}

/* ---- encoding ---- */

static enum pd_status encode_info(const struct pd_label *label, struct pd_buf *out)
{
    char created[64];
    enum pd_status status;

    pd_time_format(label->created, created, sizeof(created));
    status = pd_bag_info_line(out, "Pairdump-Format", "%u", label->format);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Volume-Label", "%s", label->label);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Volume-UUID", "%s", label->uuid);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Pool", "%s", label->pool);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Copy-Number", "%u", label->copy);
    for (size_t i = 0; i < label->partner_count && status == PD_OK; i++)
        status = pd_bag_info_line(out, "Partner", "%u %s %s", label->partners[i].copy,
                                  label->partners[i].label, label->partners[i].uuid);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Block-Size", "%llu", (unsigned long long)label->block_size);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Created", "%s", created);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Software", "%s", label->software);
    return status;
}

static enum pd_status to_buf(void *arg, const void *bytes, size_t len, struct pd_error *err)
{
    enum pd_status status = pd_buf_append(arg, bytes, len);

    return status == PD_OK ? PD_OK : pd_error_memory(err, "a volume label");
}

static enum pd_status pad(struct pd_buf *out, size_t len, struct pd_error *err)
{
    static const char zeros[4096];

    while (len > 0) {
        size_t step = len < sizeof(zeros) ? len : sizeof(zeros);

        if (to_buf(out, zeros, step, err) != PD_OK)
            return PD_NO_MEMORY;
        len -= step;
    }
    return PD_OK;
}

enum pd_status pd_label_encode(const struct pd_label *label, struct pd_buf *out,
                               struct pd_error *err)
{
    const char *problem = label_problem(label);
    int64_t mtime = label->created / PD_NS_PER_S;
    struct pd_buf info = PD_BUF_INIT, readme = PD_BUF_INIT;
    struct pd_tar_writer *writer = NULL;
    size_t before = out->len, size;
    enum pd_status status;

    if (problem != NULL || label->format != PD_FORMAT_VERSION)
        return pd_error_set(err, PD_INTERNAL, 0, "a volume label with a wrong %s",
                            problem != NULL ? problem : "Pairdump-Format");
    if (encode_info(label, &info) != PD_OK || pd_label_readme(label, &readme) != PD_OK) {
        status = pd_error_memory(err, "a volume label");
        goto out;
    }
    status = pd_tar_writer_new(to_buf, out, &writer, err);
    if (status == PD_OK)
        status = pd_tar_file(writer, INFO_NAME, info.data, info.len, mtime, err);
    if (status == PD_OK)
        status = pd_tar_file(writer, README_NAME, readme.data, readme.len, mtime, err);
    if (status == PD_OK)
        status = pd_tar_finish(writer, err);
    if (status != PD_OK)
        goto out;
    size = out->len - before;
    status = pad(out, (size_t)pd_round_up(size, label->block_size) - size, err);
out:
    pd_tar_writer_free(writer);
    pd_buf_free(&readme);
    pd_buf_free(&info);
    if (status != PD_OK)
        out->len = before;
    return status;
}

/* ---- decoding ---- */

/* "<copy> <label> <uuid>" */
static bool parse_partner(const char *text, struct pd_partner *out)
{
    const char *label = strchr(text, ' ');
    const char *uuid = label == NULL ? NULL : strchr(label + 1, ' ');
    char copy[8];
    uint64_t number;

    if (uuid == NULL || label - text >= (ptrdiff_t)sizeof(copy) || uuid - label > PD_LABEL_TEXT ||
        strlen(uuid + 1) >= PD_UUID_TEXT)
        return false;
    (void)snprintf(copy, sizeof(copy), "%.*s", (int)(label - text), text);
    if (!pd_parse_u64(copy, &number) || number > PD_COPIES_MAX)
        return false;
    out->copy = (unsigned)number;
    (void)snprintf(out->label, sizeof(out->label), "%.*s", (int)(uuid - label - 1), label + 1);
    (void)snprintf(out->uuid, sizeof(out->uuid), "%s", uuid + 1);
    return true;
}

/* Partners are the one field that may stand several times: look on behind each one found. */
static bool decode_partners(const char *text, size_t len, struct pd_label *out)
{
    const char *end = text + len;

    while (text < end) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        size_t line = line_end == NULL ? (size_t)(end - text) : (size_t)(line_end - text) + 1;
        char value[128];

        if (pd_bag_info_get(text, line, "Partner", value, sizeof(value))) {
            if (out->partner_count == PD_COPIES_MAX - 1 ||
                !parse_partner(value, &out->partners[out->partner_count]))
                return false;
            out->partner_count++;
        }
        text += line;
    }
    return true;
}

/* Fields of plain text; false and *problem when one is missing or does not fit. */
static bool decode_texts(const char *text, size_t len, struct pd_label *out, const char **problem)
{
    const struct {
        const char *name;
        char *place;
        size_t size;
    } fields[] = {
        {"Volume-Label", out->label, sizeof(out->label)},
        {"Volume-UUID", out->uuid, sizeof(out->uuid)},
        {"Pool", out->pool, sizeof(out->pool)},
        {"Software", out->software, sizeof(out->software)},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        *problem = fields[i].name;
        if (!pd_bag_info_text(text, len, fields[i].name, fields[i].place, fields[i].size))
            return false;
    }
    return true;
}

static bool decode_numbers(const char *text, size_t len, struct pd_label *out, const char **problem)
{
    char created[64];
    uint64_t copy = 0;

    *problem = "Copy-Number";
    if (!pd_bag_info_u64(text, len, "Copy-Number", PD_COPIES_MAX, &copy))
        return false;
    out->copy = (unsigned)copy;
    *problem = "Block-Size";
    if (!pd_bag_info_u64(text, len, "Block-Size", BLOCK_SIZE_MAX, &out->block_size))
        return false;
    *problem = "Created";
    return pd_bag_info_text(text, len, "Created", created, sizeof(created)) &&
           pd_time_parse(created, &out->created);
}

static enum pd_status decode_info(const char *text, size_t len, struct pd_label *out,
                                  struct pd_error *err)
{
    const char *problem = NULL;
    uint64_t format = 0;
    char value[32];

    if (!pd_bag_info_get(text, len, "Pairdump-Format", value, sizeof(value)))
        return pd_error_set(err, PD_FOREIGN, 0, INFO_NAME " is not pairdump's");
    if (!pd_bag_info_u64(text, len, "Pairdump-Format", UINT32_MAX, &format) || format == 0)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "volume label: Pairdump-Format is no number");
    if (format > PD_FORMAT_VERSION)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "volume has format %u, this pairdump reads up to %d; use a newer one",
                            (unsigned)format, PD_FORMAT_VERSION);
    out->format = (unsigned)format;
    if (decode_texts(text, len, out, &problem) && decode_numbers(text, len, out, &problem))
        problem = decode_partners(text, len, out) ? label_problem(out) : "Partner";
    if (problem != NULL)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "volume label: %s is missing or wrong", problem);
    return PD_OK;
}

struct memory {
    const void *bytes;
    size_t len;
};

static enum pd_status from_memory(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct memory *memory = arg;

    (void)err;
    *bytes = memory->bytes;
    *len = memory->len;
    memory->len = 0;
    return PD_OK;
}

enum pd_status pd_label_decode(const void *bytes, size_t len, struct pd_label *out,
                               struct pd_error *err)
{
    struct memory memory = {bytes, len};
    struct pd_tar_reader *reader = NULL;
    struct archive_entry *entry = NULL;
    char *text = NULL;
    size_t text_len = 0;
    enum pd_status status;

    memset(out, 0, sizeof(*out));
    status = pd_tar_reader_new(from_memory, &memory, &reader, err);
    if (status != PD_OK)
        goto out;
    status = pd_tar_next(reader, &entry, err);
    if (status == PD_NO_MEMORY)
        goto out;
    if (status != PD_OK || entry == NULL || archive_entry_filetype(entry) != S_IFREG ||
        archive_entry_hardlink(entry) != NULL ||
        strcmp(archive_entry_pathname(entry), INFO_NAME) != 0) {
        status = pd_error_set(err, PD_FOREIGN, 0, "does not begin with a pairdump label");
        goto out;
    }
    status = pd_tar_slurp(reader, entry, INFO_MAX, &text, &text_len, err);
    if (status != PD_OK && status != PD_NO_MEMORY)
        status = pd_error_set(err, PD_BAD_FORMAT, 0, "volume label: " INFO_NAME " is damaged");
    if (status == PD_OK)
        status = decode_info(text, text_len, out, err);
out:
    if (status != PD_OK)
        memset(out, 0, sizeof(*out));
    free(text);
    pd_tar_reader_free(reader);
    return status;
}
