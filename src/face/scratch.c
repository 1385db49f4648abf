#include "scratch.h"

#include "pairdump/changer.h"
#include "pairdump/process.h"
#include "pairdump/registry.h"

#define POOL "test-dump"

/* ---- looking ---- */

/* In a library a label is the barcode without the medium type; a mock's is the name of its image.
 */
static enum pd_status label_of_medium(const char *url, const char *medium, char *out,
                                      struct pd_error *err)
{
    size_t len = strlen(medium);
    bool library = pd_target_url_device(url) || strstr(url, "changer=");

    if (library && len > 2 && len - 2 < PD_LABEL_TEXT) {
        char shorter[PD_LABEL_TEXT];
        snprintf(shorter, sizeof shorter, "%.*s", (int)(len - 2), medium);
        if (pd_changer_barcode_is(medium, shorter)) {
            len -= 2;
        }
    }
    snprintf(out, PD_LABEL_TEXT, "%.*s", (int)(len < PD_LABEL_TEXT ? len : 0), medium);
    return pd_label_is_valid(out)
               ? PD_OK
               : pd_error_set(err, PD_UNSUPPORTED, 0, "the name of the medium, %s, makes no label",
                              medium);
}

static bool is_taken(const struct pd_scratch *s, const char *label)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->copies[i].label.label, label) == 0) {
            return true;
        }
    }
    return false;
}

/* PD_OK when the catalog has no volume of the label. */
static enum pd_status is_free(struct pd_scratch *s, const char *label, struct pd_error *err)
{
    struct pd_volume_row *row = calloc(1, sizeof *row);
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = row ? pd_catalog_volume_find(s->catalog, label, row, &why)
                                : pd_error_memory(&why, "volume");

    free(row);
    if (status == PD_NOT_FOUND) {
        return PD_OK;
    }
    *err = why;
    return status == PD_OK
               ? pd_error_set(err, PD_EXISTS, 0, "the catalog has a volume %s already", label)
               : status;
}

/* A blank medium without a name gets the first label that is free. */
static enum pd_status make_label(struct pd_scratch *s, char *out, struct pd_error *err)
{
    enum pd_status status = PD_EXISTS;

    for (unsigned n = 1; n < 10000 && status == PD_EXISTS; n++) {
        snprintf(out, PD_LABEL_TEXT, "TEST%04u", n);
        pd_error_clear(err);
        status = is_taken(s, out) ? PD_EXISTS : is_free(s, out, err);
    }
    return status;
}

static enum pd_status look_at_blank(struct pd_scratch *s, const char *url, const char *medium,
                                    struct pd_scratch_copy *copy, struct pd_error *err)
{
    enum pd_status status;

    if (!medium[0]) {
        return make_label(s, copy->label.label, err);
    }
    status = label_of_medium(url, medium, copy->label.label, err);
    return status == PD_OK ? is_free(s, copy->label.label, err) : status;
}

/* Only what the catalog knows as given up. */
static enum pd_status look_at_volume(struct pd_scratch *s, struct pd_scratch_copy *copy,
                                     struct pd_error *err)
{
    const struct pd_label *found = pd_target_label(copy->target);
    struct pd_volume_row *row = calloc(1, sizeof *row);
    enum pd_status status = row ? pd_catalog_volume_find(s->catalog, found->uuid, row, err)
                                : pd_error_memory(err, "volume");

    if (status == PD_NOT_FOUND) {
        status = pd_error_set(err, PD_HELD, 0, "%s is not in the catalog, so it is not scratch",
                              found->label);
    } else if (status == PD_OK && row->state != PD_VOLUME_SCRATCH && row->state != PD_VOLUME_GONE) {
        status = pd_error_set(err, PD_HELD, 0, "%s is %s, not scratch; see volumes --scratch",
                              found->label, pd_volume_state_name(row->state));
    } else if (status == PD_OK && row->state == PD_VOLUME_GONE) {
        status = is_free(s, found->label, err);
    }
    if (status == PD_OK) {
        status = pd_volume_row_retention(row, pd_clock_utc(s->face->env.clock), err);
    }
    snprintf(copy->old_uuid, sizeof copy->old_uuid, "%s", found->uuid);
    snprintf(copy->label.label, sizeof copy->label.label, "%s", found->label);
    free(row);
    return status;
}

static enum pd_status look(struct pd_scratch *s, const char *url, struct pd_scratch_copy *copy,
                           struct pd_error *err)
{
    struct pd_drive_status drive = {0};
    char *location = NULL;
    enum pd_status status = pd_target_url_location(url, &location, err);

    if (status == PD_OK && strlen(location) >= sizeof copy->row.location) {
        status = pd_error_set(err, PD_USAGE, 0, "the target's path is too long");
    }
    if (status == PD_OK) {
        snprintf(copy->row.location, sizeof copy->row.location, "%s", location);
        status = pd_target_open(&s->face->env, location, &copy->target, err);
    }
    if (status == PD_OK) {
        status = pd_target_drive(copy->target, &drive, err);
    }
    if (status == PD_OK && drive.write_protected) {
        status = pd_error_set(err, PD_WRITE_PROTECTED, 0, "the medium is write protected");
        pd_error_context(err, location, NULL, NULL);
    }
    if (status == PD_OK) {
        status = pd_target_mount(copy->target, NULL, err);
        if (status == PD_OK) {
            status = look_at_volume(s, copy, err);
        } else if (status == PD_BLANK) {
            pd_error_clear(err);
            status = look_at_blank(s, location, drive.medium, copy, err);
        }
    }
    free(location);
    return status;
}

/* ---- labelling ---- */

static void fill(const struct pd_scratch *s, const struct pd_pool_config *pool, size_t i,
                 struct pd_scratch_copy *copy)
{
    struct pd_label *label = &copy->label;
    struct pd_volume_row *row = &copy->row;

    label->format = PD_FORMAT_VERSION;
    label->block_size = pool->block_size;
    label->copy = (unsigned)i + 1;
    label->created = pd_clock_utc(s->face->env.clock) / PD_NS_PER_S * PD_NS_PER_S;
    pd_uuid_make(s->face->env.rng, label->uuid);
    snprintf(label->pool, sizeof label->pool, POOL);
    snprintf(label->software, sizeof label->software, "pairdump %s", PD_VERSION);
    snprintf(row->label, sizeof row->label, "%s", label->label);
    snprintf(row->uuid, sizeof row->uuid, "%s", label->uuid);
    snprintf(row->pool, sizeof row->pool, "%s", pool->name);
    pd_process_host(row->host);
    row->copy = label->copy;
    row->pair = 1;
    row->state = PD_VOLUME_APPENDABLE;
    row->block_size = label->block_size;
    row->tape_files = 1;
    row->created = label->created;
}

struct going {
    struct pd_scratch *scratch;
    const struct pd_scratch_copy *copy;
};

static enum pd_status forget_old(void *arg, struct pd_error *err)
{
    const struct going *going = arg;
    enum pd_status status = pd_holding_check(&going->scratch->holding, err);

    return status == PD_OK
               ? pd_catalog_volume_gone(going->scratch->catalog, going->copy->old_uuid, err)
               : status;
}

static enum pd_status label_medium(struct pd_scratch *s, struct pd_scratch_copy *copy,
                                   struct pd_error *err)
{
    struct going going = {s, copy};
    struct pd_volume_row row = copy->row;
    enum pd_status status =
        copy->old_uuid[0]
            ? pd_target_relabel(copy->target, copy->old_uuid, &copy->label, forget_old, &going, err)
            : pd_target_format(copy->target, &copy->label, err);

    row.state = PD_VOLUME_SCRATCH;
    row.pair = 0;
    snprintf(row.pool, sizeof row.pool, POOL);
    return status == PD_OK ? pd_catalog_volume_add(s->catalog, &row, err) : status;
}

static enum pd_status close_targets(struct pd_scratch *s, enum pd_status status,
                                    struct pd_error *err)
{
    for (size_t i = 0; i < PD_COPIES_MAX; i++) {
        struct pd_error late = PD_ERROR_INIT;
        if (pd_target_close(s->copies[i].target, &late) != PD_OK && status == PD_OK) {
            *err = late;
            status = late.status;
        }
        s->copies[i].target = NULL;
    }
    return status;
}

static enum pd_status claim_drives(struct pd_scratch *s, const struct pd_pool_config *pool,
                                   struct pd_error *err)
{
    struct pd_claim claims[PD_COPIES_MAX] = {{.name = NULL}};
    char *paths[PD_COPIES_MAX] = {NULL};
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < pool->copy_count && status == PD_OK; i++) {
        if (!pd_target_url_exclusive(pool->copies[i])) {
            status =
                pd_error_set(err, PD_USAGE, 0, "--scratch is for tapes, not %s", pool->copies[i]);
        } else {
            status = pd_target_url_path(pool->copies[i], &paths[i], err);
        }
        claims[i] = (struct pd_claim){.kind = PD_CLAIM_DRIVE, .name = paths[i]};
    }
    if (status == PD_OK) {
        status = pd_holding_begin(s->face, s->catalog, "test-dump", claims, pool->copy_count,
                                  &s->holding, err);
    }
    for (size_t i = 0; i < pool->copy_count; i++) {
        free(paths[i]);
    }
    return status;
}

enum pd_status pd_scratch_begin(struct pd_face *face, const struct pd_pool_config *pool,
                                struct pd_scratch *out, struct pd_error *err)
{
    enum pd_status status;

    memset(out, 0, sizeof *out);
    out->face = face;
    status = pd_face_catalog(face, true, &out->catalog, err);
    if (status == PD_OK) {
        status = claim_drives(out, pool, err);
    }
    for (size_t i = 0; i < pool->copy_count && status == PD_OK; i++) {
        status = look(out, pool->copies[i], &out->copies[i], err);
        fill(out, pool, i, &out->copies[i]);
        out->count++;
    }
    for (size_t i = 0; i < pool->copy_count && status == PD_OK; i++) {
        status = label_medium(out, &out->copies[i], err);
    }
    return close_targets(out, status, err);
}

enum pd_status pd_scratch_check(struct pd_scratch *scratch, struct pd_error *err)
{
    return scratch->holding.begun ? pd_holding_check(&scratch->holding, err) : PD_OK;
}

enum pd_status pd_scratch_end(struct pd_scratch *scratch, struct pd_error *err)
{
    enum pd_status status = pd_holding_end(&scratch->holding, err);

    pd_catalog_close(scratch->catalog);
    scratch->catalog = NULL;
    return status;
}
