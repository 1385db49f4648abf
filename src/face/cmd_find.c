#include <inttypes.h>

#include "command.h"
#include "pairdump/text.h"
#include "render.h"

const struct pd_option pd_cmd_ls_options[] = {
    {"dump", 0, "DUMP", "only this dump: name, UUID, or last"},
    {"long", 'l', NULL, "with size, time, dump and copies"},
    {NULL, 0, NULL, NULL},
};
const struct pd_option pd_cmd_find_options[] = {
    {"dump", 0, "DUMP", "only this dump: name, UUID, or last"},
    {"long", 'l', NULL, "with size, time, dump and copies"},
    {"null", '0', NULL, "print raw paths, each ended by NUL"},
    {NULL, 0, NULL, NULL},
};

struct find_view {
    struct pd_face *face;
    bool details, nul;
    json_t *files;
    uint64_t count;
};

static json_t *json_found(const struct pd_found *found)
{
    const struct pd_toc_file *file = found->file;
    char kind[2] = {file->kind, '\0'};
    const struct pd_digest_info *alg = pd_digest_alg_info(file->alg);
    char hex[PD_DIGEST_TEXT];
    json_t *item = json_object();

    json_object_set_new(item, "path", pd_render_json_path(file->path));
    json_object_set_new(item, "kind", json_string(kind));
    json_object_set_new(item, "whole", json_boolean(file->state == PD_WHOLE));
    json_object_set_new(item, "size", pd_render_json_u64(file->size));
    json_object_set_new(item, "mode", json_integer((json_int_t)file->mode));
    json_object_set_new(item, "mtime", json_integer((json_int_t)file->mtime));
    if (file->has_digest) {
        pd_hex_encode(file->digest, alg->len, hex);
        json_object_set_new(item, "digest_algorithm", json_string(alg->name));
        json_object_set_new(item, "digest", json_string(hex));
        if (file->alg == PD_DIGEST_SHA256) {
            json_object_set_new(item, "sha256", json_string(hex));
        }
    }
    if (file->link) {
        json_object_set_new(item, "link", pd_render_json_path(file->link));
    }
    json_object_set_new(item, "dump", json_string(found->dump_name));
    json_object_set_new(item, "archive", json_string(found->archive_name));
    json_object_set_new(item, "copies", json_integer((json_int_t)found->copies));
    json_object_set_new(item, "verified", json_integer((json_int_t)found->verified));
    json_object_set_new(item, "written", json_integer((json_int_t)found->written));
    json_object_set_new(item, "bad", json_integer((json_int_t)found->bad));
    return item;
}

static void print_found(struct find_view *view, const struct pd_found *found)
{
    const struct pd_toc_file *file = found->file;
    FILE *out = view->face->out;
    char when[32];

    if (view->nul) {
        fputs(file->path, out);
        fputc('\0', out);
        return;
    }
    if (view->details) {
        pd_time_format(file->mtime * PD_NS_PER_S, when, sizeof when);
        fprintf(out, "%c%c %04o %12" PRIu64 " %s %s %u/%u verified%s  ", file->kind, file->state,
                file->mode, file->size, when, found->archive_name, found->verified,
                found->copies, found->bad ? " BAD" : "");
    }
    pd_render_print_path(out, file->path);
    if (view->details && file->link) {
        fputs(file->kind == PD_KIND_SYMLINK ? " -> " : " == ", out);
        pd_render_print_path(out, file->link);
    }
    fputc('\n', out);
}

static enum pd_status show_found(void *arg, const struct pd_found *found, struct pd_error *err)
{
    struct find_view *view = arg;

    view->count++;
    if (view->files) {
        json_array_append_new(view->files, json_found(found));
    } else {
        print_found(view, found);
    }
    return pd_env_check(&view->face->env, err);
}

typedef enum pd_status (*query_fn)(struct pd_catalog *catalog, int64_t dump_id, const char *path,
                                   pd_found_fn fn, void *arg, struct pd_error *err);

static enum pd_status query(struct pd_face *face, const struct pd_args *args, query_fn fn,
                            struct pd_error *err)
{
    struct find_view view = {.face = face,
                             .details = pd_args_flag(args, "long"),
                             .files = face->json ? json_array() : NULL,
                             .nul = pd_args_flag(args, "null")};
    struct pd_catalog *catalog = NULL;
    struct pd_dump_row *dump = calloc(1, sizeof *dump);
    enum pd_status status = dump ? pd_face_catalog(face, false, &catalog, err)
                                 : pd_error_memory(err, "dump");

    if (status == PD_OK && pd_args_flag(args, "dump")) {
        status = pd_catalog_dump_find(catalog, pd_args_get(args, "dump"), dump, err);
    }
    size_t words = args->word_count ? args->word_count : 1;
    for (size_t i = 0; i < words && status == PD_OK; i++) {
        char *path = NULL;
        status = pd_path_absolute(args->word_count ? args->words[i] : "/", "/", &path, err);
        if (status == PD_OK) {
            status = fn(catalog, dump->id, path, show_found, &view, err);
        }
        free(path);
    }
    if (status == PD_OK && view.count == 0) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no such file in the catalog");
    }
    if (view.files) {
        json_object_set_new(face->json, "files", view.files);
    }
    pd_catalog_close(catalog);
    free(dump);
    return status;
}

enum pd_status pd_cmd_ls(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    enum pd_status status = pd_args_words(args, 0, 1, err);

    return status == PD_OK ? query(face, args, pd_catalog_ls, err) : status;
}

enum pd_status pd_cmd_find(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    enum pd_status status = pd_args_words(args, 1, SIZE_MAX, err);

    return status == PD_OK ? query(face, args, pd_catalog_find, err) : status;
}
