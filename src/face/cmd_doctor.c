#include <unistd.h>

#include "command.h"
#include "pairdump/cred.h"
#include "pairdump/registry.h"
#include "pairdump/size.h"
#include "pairdump/space.h"
#include "render.h"

const struct pd_option pd_cmd_doctor_options[] = {{NULL, 0, NULL, NULL}};

struct doctor {
    struct pd_face *face;
    json_t *list;
    enum pd_status worst; /* of the findings */
};

static void finding(struct doctor *doctor, const char *what, enum pd_status status,
                    const struct pd_error *err, const char *text)
{
    char line[1400];

    if (status != PD_OK) {
        pd_error_format(err, line, sizeof line);
        text = line;
    }
    if (doctor->list) {
        json_t *item = json_object();
        json_object_set_new(item, "what", pd_render_json_path(what));
        json_object_set_new(item, "status", json_string(pd_status_name(status)));
        json_object_set_new(item, "text", pd_render_json_path(text));
        json_array_append_new(doctor->list, item);
    } else {
        fprintf(doctor->face->out, "%-4s %s: %s\n", status == PD_OK ? "ok" : "BAD", what, text);
    }
    if (doctor->worst == PD_OK) {
        doctor->worst = status;
    }
}

static void check_config(struct doctor *doctor)
{
    const struct pd_config *config = doctor->face->config;

    finding(doctor, "configuration", PD_OK, NULL,
            config->path ? config->path : "no file; defaults are used");
}

static void check_credentials(struct doctor *doctor)
{
    const char *path = doctor->face->config->credentials;
    struct pd_cred cred = {0};
    struct pd_error err = PD_ERROR_INIT;

    if (!path) {
        return;
    }
    finding(doctor, "credentials", pd_cred_load(path, &cred, &err), &err, path);
    pd_cred_release(&cred);
}

static void count_problem(void *arg, const char *text)
{
    (void)text;
    *(size_t *)arg += 1;
}

static void check_catalog(struct doctor *doctor)
{
    struct pd_catalog *catalog = NULL;
    struct pd_error err = PD_ERROR_INIT;
    size_t problems = 0;
    enum pd_status status = pd_face_catalog(doctor->face, true, &catalog, &err);

    if (status == PD_OK) {
        status = pd_catalog_check(catalog, count_problem, &problems, &err);
    }
    const char *path = status == PD_OK ? pd_catalog_path(catalog) : NULL;
    finding(doctor, "catalog", status, &err, path ? path : "consistent");
    if (status == PD_OK && path) {
        char text[64], left[24];
        struct pd_space space = {0};
        status = pd_space_of(path, &space, &err);
        if (status == PD_OK) {
            status = pd_space_check(path, 0, doctor->face->config->catalog_reserve, &err);
        }
        pd_format_size(space.available, left, sizeof left);
        snprintf(text, sizeof text, "%s free", left);
        finding(doctor, "catalog space", status, &err, text);
    }
    pd_catalog_close(catalog);
}

static enum pd_status count_volume(void *arg, const char *label, struct pd_error *err)
{
    (void)label;
    (void)err;
    *(size_t *)arg += 1;
    return PD_OK;
}

static void check_target(struct doctor *doctor, const char *url)
{
    struct pd_target *target = NULL;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_target_space space = {.available = UINT64_MAX};
    size_t volumes = 0;
    char text[96], left[24] = "unknown";
    enum pd_status status = pd_target_open(&doctor->face->env, url, &target, &err);

    if (status == PD_OK) {
        status = pd_target_volumes(target, count_volume, &volumes, &err);
    }
    if (status == PD_OK) {
        status = pd_target_space_left(target, &space, &err);
    }
    if (space.available != UINT64_MAX) {
        pd_format_size(space.available, left, sizeof left);
    }
    snprintf(text, sizeof text, "%zu volumes, %s free", volumes, left);
    struct pd_error late = PD_ERROR_INIT;
    if (pd_target_close(target, &late) != PD_OK && status == PD_OK) {
        err = late;
        status = late.status;
    }
    finding(doctor, url, status, &err, text);
}

enum pd_status pd_cmd_doctor(struct pd_face *face, const struct pd_args *args,
                             struct pd_error *err)
{
    struct doctor doctor = {.face = face, .list = face->json ? json_array() : NULL};

    check_config(&doctor);
    check_credentials(&doctor);
    check_catalog(&doctor);
    for (size_t p = 0; p < face->config->pool_count; p++) {
        for (size_t i = 0; i < face->config->pools[p].copy_count; i++) {
            check_target(&doctor, face->config->pools[p].copies[i]);
        }
    }
    for (size_t i = 0; i < args->word_count; i++) {
        check_target(&doctor, args->words[i]);
    }
    if (doctor.list) {
        json_object_set_new(face->json, "findings", doctor.list);
    }
    if (doctor.worst != PD_OK) {
        return pd_error_set(err, doctor.worst, 0, "something needs attention, see above");
    }
    return PD_OK;
}
