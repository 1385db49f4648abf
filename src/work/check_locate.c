#include <stdlib.h>
#include <string.h>

#include "pairdump/check.h"
#include "pairdump/registry.h"

/* PD_OK: the volume is there, and its UUID is right. PD_MISSING: the folder is there, and the
 * volume is not; a cartridge that is not in its drive is only PD_NOT_FOUND, as it may lie on a
 * shelf. A drive says what lies in it instead. */
static enum pd_status look(const struct pd_env *env, const struct pd_volume_row *volume,
                           const char *url, struct pd_error *err)
{
    struct pd_target *target = NULL;
    bool found = false, drive = pd_target_url_device(url) && !pd_target_url_changer(url);
    struct pd_error ignored = PD_ERROR_INIT;
    const struct pd_label *label;
    enum pd_status status = pd_target_open(env, url, &target, err);

    if (status == PD_OK && !drive)
        status = pd_target_has(target, volume->label, &found, err);
    if (status == PD_OK && !found && !drive)
        status = pd_error_set(err, pd_target_caps(target).tape ? PD_NOT_FOUND : PD_MISSING, 0,
                              "no such volume there");
    /* In a library it is named by its cartridge; whoever mounts it looks at its UUID. */
    if (status == PD_OK && pd_target_caps(target).library)
        goto out;
    if (status == PD_OK)
        status = pd_target_mount(target, volume->label, err);
    if (status == PD_OK) {
        label = pd_target_label(target);
        if (label == NULL || strcmp(label->uuid, volume->uuid) != 0)
            status = pd_error_set(err, drive ? PD_NOT_FOUND : PD_WRONG_VOLUME, 0,
                                  "another volume of that label, with another UUID");
    }
out:
    (void)!pd_target_close(target, &ignored); /* only looked at */
    return status;
}

/* Adds "URL (why)" to the list of places tried. */
static void tell_place(struct pd_buf *tried, const char *url, const struct pd_error *why)
{
    (void)!pd_buf_printf(tried, "%s%s (%s)", tried->len > 0 ? ", " : "", url, why->message);
}

/* Did the place answer, and is the volume not there as it was recorded? */
static bool is_gone(enum pd_status status)
{
    return status == PD_MISSING || status == PD_WRONG_VOLUME || status == PD_BAD_FORMAT ||
           status == PD_FOREIGN || status == PD_TRUNCATED;
}

/* fallback: places were named, and it is at none of them. */
static enum pd_status take_place(const struct pd_env *env, const struct pd_volume_row *volume,
                                 const char *place, bool fallback, char **url,
                                 struct pd_error *err)
{
    if (fallback)
        pd_log_line(env->log, PD_LOG_WARN, "%s is not at the place given; read from %s",
                    volume->label, place);
    *url = strdup(place);
    return *url == NULL ? pd_error_memory(err, "a target") : PD_OK;
}

static bool ends_search(enum pd_status status)
{
    return status == PD_INTERRUPTED || status == PD_NO_MEMORY;
}

/* What another host has at a place need not be at the place of that name here. */
static enum pd_status tell_not_found(const struct pd_volume_row *volume, const struct pd_buf *tried,
                                     bool busy, bool gone, struct pd_error *err)
{
    bool elsewhere = pd_volume_is_elsewhere(volume);
    enum pd_status status = busy ? PD_BUSY : gone && !elsewhere ? PD_MISSING : PD_NOT_FOUND;
    const char *where = tried->len > 0 ? tried->data : "nowhere, no place is known";

    if (elsewhere)
        status = pd_error_set(err, status, 0,
                              "volume %s is not found; it is on host %s; run this there, or give "
                              "--at; looked at: %s",
                              volume->label, volume->host, where);
    else
        status = pd_error_set(err, status, 0, "volume %s is not found; looked at: %s",
                              volume->label, where);
    pd_error_context(err, volume->label, NULL, NULL);
    return status;
}

enum pd_status pd_locate_volume(const struct pd_env *env, const struct pd_volume_row *volume,
                                const char *const *at, size_t at_count, char **url,
                                struct pd_error *err)
{
    struct pd_buf tried = PD_BUF_INIT;
    struct pd_error why = PD_ERROR_INIT;
    bool busy = false, gone = false;
    enum pd_status status = PD_NOT_FOUND;

    *url = NULL;
    for (size_t i = 0; i <= at_count && status != PD_OK; i++) {
        const char *place = i < at_count ? at[i] : volume->location;

        if (place[0] == '\0')
            continue;
        pd_error_clear(&why);
        status = pd_env_check(env, &why);
        if (status == PD_OK)
            status = look(env, volume, place, &why);
        if (ends_search(status)) {
            *err = why;
            goto out;
        }
        if (status == PD_OK) {
            status = take_place(env, volume, place, i == at_count && at_count > 0, url, err);
            goto out;
        }
        busy = busy || status == PD_BUSY;
        gone = i == at_count && is_gone(status);
        tell_place(&tried, place, &why);
    }
    status = tell_not_found(volume, &tried, busy, gone, err);
out:
    pd_buf_free(&tried);
    return status;
}

void pd_leave_volume(const struct pd_env *env, struct pd_target *target)
{
    struct pd_error why = PD_ERROR_INIT;

    if (pd_target_put_back(target, &why) != PD_OK)
        pd_log_error(env->log, PD_LOG_WARN, &why);
    pd_error_clear(&why);
    if (pd_target_close(target, &why) != PD_OK)
        pd_log_error(env->log, PD_LOG_WARN, &why);
}
