#include "pairdump/index.h"

#include "pairdump/bag.h"
#include "pairdump/clock.h"
#include "pairdump/size.h"

#define RECORDS_MAX     (UINT64_C(1) << 32)
#define RECORD_SIZE_MIN 512
#define RECORD_SIZE_MAX (UINT64_C(16) << 20)
#define NS_PER_S        1000000000u
#define FIELDS_MAX      16

/* Fields per line, the word at its head included. */
#define ARCHIVE_FIELDS 10 /* and one more for the algorithm */
#define RECORD_FIELDS  3
#define FILE_FIELDS    14 /* and one more for a link */
#define END_FIELDS     3

/* ---- encoding ---- */

static unsigned long long ull(uint64_t value)
{
    return value;
}

static enum pd_status encode_file(const struct pd_toc_file *file, struct pd_buf *out)
{
    char hex[PD_DIGEST_TEXT] = "-";
    enum pd_status status;

    if (file->has_digest)
        pd_hex_encode(file->digest, pd_digest_alg_info(file->alg)->len, hex);
    status = pd_buf_printf(out,
                           "file\t%c\t%c\t%04o\t%llu\t%llu\t%llu\t%lld.%09u\t%lld.%09u\t%llu:%llu\t"
                           "%llu\t%llu\t%s\t",
                           file->kind, file->state, file->mode, ull(file->uid), ull(file->gid),
                           ull(file->size), (long long)file->mtime, file->mtime_ns,
                           (long long)file->ctime, file->ctime_ns, ull(file->dev), ull(file->ino),
                           ull(file->offset), ull(file->length), hex);
    if (status == PD_OK)
        status = pd_escape(out, file->path, strlen(file->path));
    if (status == PD_OK && file->link != NULL)
        status = pd_buf_append(out, "\t", 1);
    if (status == PD_OK && file->link != NULL)
        status = pd_escape(out, file->link, strlen(file->link));
    if (status == PD_OK)
        status = pd_buf_append(out, "\n", 1);
    return status;
}

enum pd_status pd_index_encode(const struct pd_toc *toc, uint32_t tape_file, struct pd_buf *out)
{
    enum pd_status status;

    status = pd_buf_puts(out, "archive\t");
    if (status == PD_OK)
        status = pd_escape(out, toc->name, strlen(toc->name));
    if (status == PD_OK)
        status = pd_buf_printf(out, "\t%llu\t%u\t%llu\t%llu\t%llu\t%llu\t%llu\t%llu", ull(toc->seq),
                               tape_file, ull(toc->record_size), ull(toc->record_count),
                               ull(toc->file_count), ull(toc->payload_bytes),
                               ull(toc->payload_files), ull(toc->manifest_offset));
    if (status == PD_OK && toc->alg != PD_DIGEST_SHA256)
        status = pd_buf_printf(out, "\t%s", pd_digest_alg_info(toc->alg)->name);
    if (status == PD_OK)
        status = pd_buf_append(out, "\n", 1);
    for (uint64_t i = 0; i < toc->record_count && status == PD_OK; i++) {
        char hex[PD_XXH128_TEXT];

        pd_hex_encode(toc->records[i].bytes, PD_XXH128_LEN, hex);
        status = pd_buf_printf(out, "record\t%llu\t%s\n", ull(i), hex);
    }
    for (uint64_t i = 0; i < toc->file_count && status == PD_OK; i++)
        status = encode_file(&toc->files[i], out);
    if (status == PD_OK)
        status =
            pd_buf_printf(out, "end\t%llu\t%llu\n", ull(toc->record_count), ull(toc->file_count));
    return status;
}

/* ---- decoding ---- */

struct parser {
    struct pd_toc *toc;
    uint32_t tape_file;
    uint64_t records, files; /* announced by the archive line */
    uint64_t past;           /* end of the last file in the archive */
    struct pd_buf path, link;
    bool begun, ended;
    bool out_of_memory;
};

/* A part of a path: no slash, nothing that would be a folder's own name. */
static bool name_is_valid(const char *name, size_t len, size_t size)
{
    return len < size && memchr(name, '/', len) == NULL && pd_path_is_safe(name, len);
}

static bool get_path(const char *field, struct pd_buf *out)
{
    pd_buf_clear(out);
    return pd_unescape(field, strlen(field), out) && out->len > 0;
}

/* Absolute, no empty, "." or ".." component, no slash at the end. */
static bool path_is_clean(const struct pd_buf *path)
{
    return path->data[0] == '/' && path->data[path->len - 1] != '/' &&
           pd_path_is_safe(path->data + 1, path->len - 1);
}

static bool get_u32(const char *field, uint32_t *out)
{
    uint64_t value;

    if (!pd_parse_u64(field, &value) || value > UINT32_MAX)
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool get_mode(const char *field, uint32_t *out)
{
    uint32_t mode = 0;
    size_t len = strlen(field);

    if (len == 0 || len > 5)
        return false;
    for (; *field != '\0'; field++) {
        if (*field < '0' || *field > '7')
            return false;
        mode = mode << 3 | (uint32_t)(*field - '0');
    }
    *out = mode;
    return mode <= 07777;
}

/* "<seconds>.<nine digits>" */
static bool get_time(char *field, int64_t *seconds, uint32_t *ns)
{
    char *dot = strchr(field, '.');

    if (dot == NULL || strlen(dot + 1) != 9)
        return false;
    *dot = '\0';
    return pd_parse_i64(field, seconds) && get_u32(dot + 1, ns) && *ns < NS_PER_S;
}

static bool get_dev_ino(char *field, uint64_t *dev, uint64_t *ino)
{
    char *colon = strchr(field, ':');

    if (colon == NULL)
        return false;
    *colon = '\0';
    return pd_parse_u64(field, dev) && pd_parse_u64(colon + 1, ino);
}

/* Fields 5 to 9 of the archive line. */
static bool get_counts(struct parser *parser, char **field)
{
    struct pd_toc *toc = parser->toc;

    return pd_parse_u64(field[5], &parser->records) && parser->records <= RECORDS_MAX &&
           pd_parse_u64(field[6], &parser->files) && pd_parse_u64(field[7], &toc->payload_bytes) &&
           pd_parse_u64(field[8], &toc->payload_files) &&
           pd_parse_u64(field[9], &toc->manifest_offset) &&
           toc->manifest_offset <= parser->records * toc->record_size; /* < 2^57 */
}

static bool parse_archive(struct parser *parser, char **field, size_t count)
{
    struct pd_toc *toc = parser->toc;

    if (count < ARCHIVE_FIELDS || count > ARCHIVE_FIELDS + 1 || parser->begun)
        return false;
    parser->begun = true;
    if (count > ARCHIVE_FIELDS && !pd_digest_alg_find(field[ARCHIVE_FIELDS], &toc->alg))
        return false;
    if (!get_path(field[1], &parser->path) ||
        !name_is_valid(parser->path.data, parser->path.len, sizeof(toc->name)))
        return false;
    memcpy(toc->name, parser->path.data, parser->path.len + 1);
    if (!pd_parse_u64(field[2], &toc->seq) || toc->seq == 0)
        return false;
    if (!get_u32(field[3], &parser->tape_file) || parser->tape_file == 0)
        return false;
    if (!pd_parse_u64(field[4], &toc->record_size) || toc->record_size < RECORD_SIZE_MIN ||
        toc->record_size > RECORD_SIZE_MAX)
        return false;
    return get_counts(parser, field);
}

static bool add_record(struct parser *parser, struct pd_xxh128 digest, struct pd_error *err)
{
    parser->out_of_memory = pd_toc_add_record(parser->toc, digest, err) != PD_OK;
    return !parser->out_of_memory;
}

static bool parse_record(struct parser *parser, char **field, size_t count, struct pd_error *err)
{
    struct pd_toc *toc = parser->toc;
    struct pd_xxh128 digest;
    uint64_t number;

    return count == RECORD_FIELDS && toc->file_count == 0 && pd_parse_u64(field[1], &number) &&
           number == toc->record_count && number < parser->records &&
           strlen(field[2]) == 2 * PD_XXH128_LEN &&
           pd_hex_decode(field[2], digest.bytes, PD_XXH128_LEN) && add_record(parser, digest, err);
}

/* Kind, mode, owner, size and times: fields 1 to 9. */
static bool get_metadata(char **field, struct pd_toc_file *file)
{
    if (strlen(field[1]) != 1 || strchr("fdlhpcb", field[1][0]) == NULL || strlen(field[2]) != 1 ||
        strchr("=~!", field[2][0]) == NULL)
        return false;
    file->kind = field[1][0];
    file->state = field[2][0];
    return get_mode(field[3], &file->mode) && pd_parse_u64(field[4], &file->uid) &&
           pd_parse_u64(field[5], &file->gid) && pd_parse_u64(field[6], &file->size) &&
           file->size <= INT64_MAX && get_time(field[7], &file->mtime, &file->mtime_ns) &&
           get_time(field[8], &file->ctime, &file->ctime_ns) &&
           get_dev_ino(field[9], &file->dev, &file->ino);
}

static bool get_digest(const struct parser *parser, const char *field, struct pd_toc_file *file)
{
    const size_t len = pd_digest_alg_info(parser->toc->alg)->len;

    if (strcmp(field, "-") == 0)
        return true;
    file->has_digest = strlen(field) == 2 * len && pd_hex_decode(field, file->digest, len);
    return file->has_digest && (file->kind == PD_KIND_FILE || file->kind == PD_KIND_HARDLINK);
}

/* Path and link, in the parser's buffers, as the kind asks for. */
static bool get_names(struct parser *parser, char **field, size_t count, struct pd_toc_file *file)
{
    bool has_link = file->kind == PD_KIND_SYMLINK || file->kind == PD_KIND_HARDLINK;

    if (count != FILE_FIELDS + (has_link ? 1u : 0u) || !get_path(field[13], &parser->path))
        return false;
    file->path = parser->path.data;
    if (!path_is_clean(&parser->path) &&
        !(file->kind == PD_KIND_DIR && strcmp(file->path, "/") == 0))
        return false;
    if (!has_link)
        return true;
    if (!get_path(field[14], &parser->link))
        return false;
    file->link = parser->link.data;
    return file->kind == PD_KIND_SYMLINK || path_is_clean(&parser->link);
}

static bool parse_file(struct parser *parser, char **field, size_t count, struct pd_error *err)
{
    struct pd_toc *toc = parser->toc;
    struct pd_toc_file file = {0};

    if (count < FILE_FIELDS || toc->record_count != parser->records ||
        toc->file_count >= parser->files)
        return false;
    if (!get_metadata(field, &file) || !pd_parse_u64(field[10], &file.offset) ||
        !pd_parse_u64(field[11], &file.length) || !get_digest(parser, field[12], &file) ||
        !get_names(parser, field, count, &file))
        return false;
    if (file.offset < parser->past || file.offset > toc->manifest_offset || file.length == 0 ||
        file.length > toc->manifest_offset - file.offset)
        return false;
    parser->past = file.offset + file.length;
    parser->out_of_memory = pd_toc_add_file(toc, &file, NULL, err) != PD_OK;
    return !parser->out_of_memory;
}

static bool parse_end(struct parser *parser, char **field, size_t count)
{
    uint64_t records, files;

    parser->ended = true;
    return count == END_FIELDS && pd_parse_u64(field[1], &records) &&
           pd_parse_u64(field[2], &files) && records == parser->records && files == parser->files &&
           parser->toc->record_count == records && parser->toc->file_count == files;
}

static bool parse_line(struct parser *parser, char *line, struct pd_error *err)
{
    char *field[FIELDS_MAX];
    size_t count = 0;

    for (char *next = line; next != NULL; count++) {
        char *tab = strchr(next, '\t');

        if (count == FIELDS_MAX)
            return false;
        field[count] = next;
        if (tab != NULL)
            *tab++ = '\0';
        next = tab;
    }
    if (parser->ended)
        return false;
    if (strcmp(field[0], "archive") == 0)
        return parse_archive(parser, field, count);
    if (!parser->begun)
        return false;
    if (strcmp(field[0], "record") == 0)
        return parse_record(parser, field, count, err);
    if (strcmp(field[0], "file") == 0)
        return parse_file(parser, field, count, err);
    return strcmp(field[0], "end") == 0 && parse_end(parser, field, count);
}

enum pd_status pd_index_decode(const char *text, size_t len, struct pd_toc *toc,
                               uint32_t *tape_file, struct pd_error *err)
{
    struct parser parser = {.toc = toc, .path = PD_BUF_INIT, .link = PD_BUF_INIT};
    char *copy = NULL, *line, *end;
    enum pd_status status = PD_OK;
    uint64_t number = 1;

    pd_toc_init(toc);
    *tape_file = 0;
    copy = malloc(len + 1);
    if (copy == NULL)
        return pd_error_memory(err, "an index");
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    end = copy + len;
    for (line = copy; line < end && status == PD_OK; number++) {
        char *line_end = memchr(line, '\n', (size_t)(end - line));

        if (line_end == NULL)
            status =
                pd_error_set(err, PD_TRUNCATED, 0, "index: line %llu is cut short", ull(number));
        else
            *line_end = '\0';
        if (status == PD_OK &&
            (strlen(line) != (size_t)(line_end - line) || !parse_line(&parser, line, err)))
            status = parser.out_of_memory ? PD_NO_MEMORY
                                          : pd_error_set(err, PD_BAD_FORMAT, 0,
                                                         "index: line %llu is wrong", ull(number));
        line = line_end == NULL ? end : line_end + 1;
    }
    if (status == PD_OK && !parser.ended)
        status = pd_error_set(err, PD_TRUNCATED, 0, "index: ends without its end line");
    *tape_file = parser.tape_file;
    pd_buf_free(&parser.path);
    pd_buf_free(&parser.link);
    free(copy);
    return status;
}

/* ---- index-info.txt ---- */

/* What older indexes do not have. */
static enum pd_status encode_more(const struct pd_index_info *info, struct pd_buf *out)
{
    enum pd_status status = PD_OK;

    if (info->pair > 0)
        status = pd_bag_info_line(out, "Volume-Pair", "%llu", ull(info->pair));
    if (status == PD_OK)
        status = pd_index_facts_encode("Dump-", &info->facts, out);
    if (status == PD_OK && info->skipped > 0)
        status = pd_bag_info_line(out, "Dump-Skipped", "%llu", ull(info->skipped));
    if (status == PD_OK && info->problems > 0)
        status = pd_bag_info_line(out, "Dump-Problems", "%llu", ull(info->problems));
    if (status == PD_OK && info->lines != NULL)
        status = pd_buf_puts(out, info->lines);
    return status;
}

enum pd_status pd_index_info_encode(const struct pd_index_info *info, struct pd_buf *out)
{
    bool sha256 = info->alg == PD_DIGEST_SHA256;
    char created[64];
    enum pd_status status;

    pd_time_format(info->created, created, sizeof(created));
    status = pd_bag_info_line(out, "Pairdump-Format", "%d", sha256 ? 1 : PD_INDEX_FORMAT);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Dump-Name", "%s", info->dump_name);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Dump-UUID", "%s", info->dump_uuid);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Volume-Label", "%s", info->label);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Volume-UUID", "%s", info->volume_uuid);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Archives", "%llu", ull(info->archives));
    if (status == PD_OK && !sha256)
        status =
            pd_bag_info_line(out, "Digest-Algorithm", "%s", pd_digest_alg_info(info->alg)->name);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Created", "%s", created);
    if (status == PD_OK)
        status = pd_bag_info_line(out, "Software", "pairdump " PD_VERSION);
    return status == PD_OK ? encode_more(info, out) : status;
}

/* Reads the texts; gives the name of the first that is missing or wrong, NULL when all are good. */
static const char *decode_texts(const char *text, size_t len, struct pd_index_info *out)
{
    const struct {
        const char *name;
        char *place;
        size_t size;
    } fields[] = {
        {"Dump-Name", out->dump_name, sizeof(out->dump_name)},
        {"Dump-UUID", out->dump_uuid, sizeof(out->dump_uuid)},
        {"Volume-Label", out->label, sizeof(out->label)},
        {"Volume-UUID", out->volume_uuid, sizeof(out->volume_uuid)},
    };

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        if (!pd_bag_info_text(text, len, fields[i].name, fields[i].place, fields[i].size))
            return fields[i].name;
    if (!name_is_valid(out->dump_name, strlen(out->dump_name), sizeof(out->dump_name)))
        return "Dump-Name";
    if (!pd_uuid_is_valid(out->dump_uuid))
        return "Dump-UUID";
    if (!pd_label_is_valid(out->label))
        return "Volume-Label";
    return pd_uuid_is_valid(out->volume_uuid) ? NULL : "Volume-UUID";
}

/* Without the line it is SHA-256. */
static enum pd_status decode_alg(const char *text, size_t len, struct pd_index_info *out,
                                 struct pd_error *err)
{
    char name[64];

    if (!pd_bag_info_get(text, len, "Digest-Algorithm", name, sizeof(name)) ||
        pd_digest_alg_find(name, &out->alg))
        return PD_OK;
    return pd_error_set(err, PD_UNSUPPORTED, 0,
                        "the index has digests of %s, this pairdump knows " PD_DIGEST_NAMES
                        "; use a newer one",
                        name);
}

enum pd_status pd_index_info_decode(const char *text, size_t len, struct pd_index_info *out,
                                    struct pd_error *err)
{
    const char *problem;
    uint64_t format = 0;
    char created[64];

    memset(out, 0, sizeof(*out));
    if (!pd_bag_info_u64(text, len, "Pairdump-Format", UINT32_MAX, &format) || format == 0)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "index: Pairdump-Format is missing or wrong");
    if (format > PD_INDEX_FORMAT)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "index has format %llu, this pairdump reads up to %d; use a newer one",
                            ull(format), PD_INDEX_FORMAT);
    problem = decode_texts(text, len, out);
    if (problem == NULL && !pd_bag_info_u64(text, len, "Archives", UINT64_MAX, &out->archives))
        problem = "Archives";
    if (problem == NULL && (!pd_bag_info_text(text, len, "Created", created, sizeof(created)) ||
                            !pd_time_parse(created, &out->created)))
        problem = "Created";
    if (problem != NULL)
        return pd_error_set(err, PD_BAD_FORMAT, 0, "index: %s is missing or wrong", problem);
    pd_index_facts_decode("Dump-", text, len, &out->facts);
    if (!pd_bag_info_u64(text, len, "Volume-Pair", UINT32_MAX, &out->pair))
        out->pair = 0;
    if (!pd_bag_info_u64(text, len, "Dump-Skipped", INT64_MAX, &out->skipped))
        out->skipped = 0;
    if (!pd_bag_info_u64(text, len, "Dump-Problems", INT64_MAX, &out->problems))
        out->problems = 0;
    return decode_alg(text, len, out, err);
}
