#include "pairdump/drive_library.h"

#include <inttypes.h>

#include "drive_library_priv.h"

#define MOVES_MAX 4 /* what a load can take: away from two drives, and in */
#define SETTLE_NS (UINT64_C(60) * (uint64_t)PD_NS_PER_S)
#define READY_NS  (UINT64_C(300) * (uint64_t)PD_NS_PER_S)
#define POLL_NS   (UINT64_C(1) * (uint64_t)PD_NS_PER_S)

/*
 * `proved`: a cartridge was seen to come into the drive behind when the changer brought it; until
 * then it may be another one of the library, or none of it. The robot is locked while it is looked
 * at and told to move, not while a drive gets ready.
 */
struct library {
    const struct pd_env *env;
    struct pd_drive *inner;
    struct pd_drive_library_robot robot;
    char *name;
    uint32_t number;
    uint64_t settle_ns, ready_ns;

    bool loaded;
    bool proved;
    bool came; /* with the load at hand */
    char barcode[PD_BARCODE_MAX + 1];
};

static enum pd_status need_medium(const struct library *library, struct pd_error *err)
{
    if (library->loaded)
        return PD_OK;
    return pd_error_set(err, PD_NO_MEDIUM, 0, "nothing is loaded in drive %" PRIu32 " (%s)",
                        library->number, library->name);
}

/* ---- whether the drive behind is the one of that number ---- */

static enum pd_status is_empty_behind(const struct library *library, const char *barcode,
                                      struct pd_error *err)
{
    char name[PD_BARCODE_MAX + 1];

    return pd_error_set(err, PD_NO_MEDIUM, 0,
                        "%s lies in drive %" PRIu32 ", says the changer, but %s has no medium: "
                        "either drive=%" PRIu32 " is the number of another drive, or the drive "
                        "does not take the cartridge",
                        pd_drive_library_name(barcode, name), library->number, library->name,
                        library->number);
}

/* The changer says that the drive is empty; so the drive behind has to be. */
static enum pd_status check_empty(const struct library *library, struct pd_error *err)
{
    struct pd_error found = PD_ERROR_INIT;
    enum pd_status status;

    if (library->proved)
        return PD_OK;
    status = pd_drive_load(library->inner, NULL, &found);
    if (status == PD_NO_MEDIUM)
        return PD_OK;
    if (status == PD_OK)
        return pd_error_set(err, PD_CONFIG, 0,
                            "drive %" PRIu32 " is empty, says the changer, but %s has a medium: "
                            "drive=%" PRIu32 " is the number of another drive",
                            library->number, library->name, library->number);
    *err = found;
    return status;
}

static enum pd_status no_such_drive(const struct library *library,
                                    const struct pd_changer_inventory *inventory,
                                    struct pd_error *err)
{
    return pd_error_set(err, PD_CONFIG, 0,
                        "the changer has %" PRIu32 " drives, counted from 0: there is no "
                        "drive=%" PRIu32,
                        inventory->drive_count, library->number);
}

/* ---- where things lie ---- */

static bool is_taken(const struct pd_changer_inventory *inventory, uint32_t slot)
{
    for (uint32_t i = 0; i < inventory->drive_count; i++) {
        const struct pd_changer_element *drive = pd_changer_drive(inventory, i);

        if (drive->full && drive->source == slot)
            return true;
    }
    return false;
}

/* The slot to put a drive's cartridge into; NULL: there is none. */
static const struct pd_changer_element *find_home(const struct pd_changer_inventory *inventory,
                                                  const struct pd_changer_element *drive)
{
    const struct pd_changer_element *slot = pd_changer_slot(inventory, drive->source);
    const struct pd_changer_element *left = NULL;

    if (slot != NULL && !slot->full)
        return slot;
    for (uint32_t i = 1; i <= inventory->slot_count; i++) {
        slot = pd_changer_slot(inventory, i);
        if (slot->kind != PD_CHANGER_SLOT || slot->full)
            continue;
        if (!is_taken(inventory, i))
            return slot;
        left = left != NULL ? left : slot; /* of a cartridge that is in another drive */
    }
    return left;
}

static enum pd_status find_cartridge(const struct pd_changer_inventory *inventory,
                                     const char *label, const struct pd_changer_element **out,
                                     struct pd_error *err)
{
    size_t nameless = 0;

    *out = NULL;
    for (size_t i = 0; i < inventory->count; i++) {
        const struct pd_changer_element *e = &inventory->elements[i];
        char found[PD_LABEL_TEXT];

        nameless += e->full && e->barcode[0] == '\0';
        if (!pd_drive_library_label(e->barcode, found) || strcmp(found, label) != 0)
            continue;
        if (*out != NULL)
            return pd_error_set(err, PD_EXISTS, 0,
                                "two cartridges are %s: %s in %s %" PRIu32 " and %s in %s %" PRIu32
                                "; take the wrong one out",
                                label, (*out)->barcode, pd_drive_library_kind((*out)->kind),
                                (*out)->number, e->barcode, pd_drive_library_kind(e->kind),
                                e->number);
        *out = e;
    }
    if (*out != NULL)
        return PD_OK;
    if (nameless > 0)
        return pd_error_set(err, PD_NOT_FOUND, 0,
                            "no cartridge in the library has the barcode of %s; of %zu the barcode "
                            "cannot be read",
                            label, nameless);
    return pd_error_set(err, PD_NOT_FOUND, 0, "no cartridge in the library has the barcode of %s",
                        label);
}

/* ---- away with it ---- */

static enum pd_status to_slot(struct library *library, const struct pd_changer_inventory *inventory,
                              const struct pd_changer_element *drive, struct pd_error *err)
{
    const struct pd_changer_element *slot = find_home(inventory, drive);
    struct pd_drive_library_move move = {.drive = drive->number, .barcode = drive->barcode};
    char name[PD_BARCODE_MAX + 1];

    if (slot == NULL)
        return pd_error_set(err, PD_NO_SPACE, 0,
                            "no slot is free for %s in drive %" PRIu32 "; take a cartridge out",
                            pd_drive_library_name(drive->barcode, name), drive->number);
    move.slot = slot->number;
    move.kind = slot->kind;
    return pd_drive_library_robot_move(&library->robot, &move, err);
}

/* Makes the drive behind give free what it has; *had: it had something. A drive that holds what an
 * earlier run has left gives it free only when it was loaded. */
static enum pd_status give_free(struct library *library, bool *had, struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_drive_status state;

    *had = pd_drive_status(library->inner, &state, &ignored) == PD_OK && state.loaded;
    if (!*had)
        *had = pd_drive_load(library->inner, NULL, &ignored) == PD_OK;
    library->loaded = false;
    return pd_drive_unload(library->inner, err);
}

static enum pd_status put_away(struct library *library,
                               const struct pd_changer_inventory *inventory,
                               const struct pd_changer_element *ours, struct pd_error *err)
{
    bool had = false;
    enum pd_status status = give_free(library, &had, err);

    if (status == PD_OK)
        status = to_slot(library, inventory, ours, err);
    return status == PD_NOT_READY && !had ? is_empty_behind(library, ours->barcode, err) : status;
}

/* Only when nobody uses it: then the library refuses. */
static enum pd_status take_from(struct library *library,
                                const struct pd_changer_inventory *inventory,
                                const struct pd_changer_element *drive, struct pd_error *err)
{
    struct pd_error why = PD_ERROR_INIT;
    enum pd_status status = to_slot(library, inventory, drive, &why);
    char name[PD_BARCODE_MAX + 1];

    if (status != PD_NOT_READY && status != PD_AGAIN) {
        if (status != PD_OK)
            *err = why;
        return status;
    }
    return pd_error_set(err, PD_BUSY, 0,
                        "%s lies in drive %" PRIu32 ", which does not give it free; unload it "
                        "there, or wait for who uses it (%s)",
                        pd_drive_library_name(drive->barcode, name), drive->number, why.message);
}

/* ---- loading ---- */

static void take(struct library *library, const struct pd_changer_element *ours, bool *there)
{
    memcpy(library->barcode, ours->barcode, sizeof(library->barcode));
    *there = true;
}

static enum pd_status bring(struct library *library, const struct pd_changer_element *slot,
                            struct pd_error *err)
{
    const struct pd_drive_library_move move = {.load = true,
                                               .slot = slot->number,
                                               .kind = slot->kind,
                                               .drive = library->number,
                                               .barcode = slot->barcode};
    enum pd_status status = check_empty(library, err);

    if (status == PD_OK)
        status = pd_drive_library_robot_move(&library->robot, &move, err);
    library->came = library->came || status == PD_OK;
    return status;
}

/* One move towards what is wanted; *there: none is needed. */
static enum pd_status next_move(struct library *library, const char *label,
                                const struct pd_changer_inventory *inventory, bool *there,
                                struct pd_error *err)
{
    const struct pd_changer_element *ours = pd_changer_drive(inventory, library->number), *it;
    enum pd_status status;

    if (ours == NULL)
        return no_such_drive(library, inventory, err);
    if (label == NULL) {
        if (ours->full) {
            take(library, ours, there);
            return PD_OK;
        }
        status = check_empty(library, err);
        return status != PD_OK ? status
                               : pd_error_set(err, PD_NO_MEDIUM, 0, "drive %" PRIu32 " is empty",
                                              library->number);
    }
    status = find_cartridge(inventory, label, &it, err);
    if (status != PD_OK)
        return status;
    if (it == ours) {
        take(library, ours, there);
        return PD_OK;
    }
    if (it->kind == PD_CHANGER_DRIVE)
        return take_from(library, inventory, it, err);
    return ours->full ? put_away(library, inventory, ours, err) : bring(library, it, err);
}

/* Into the drive, by the changer's word. */
static enum pd_status fetch(struct library *library, const char *label, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    bool there = false;

    for (int moves = 0; status == PD_OK && !there; moves++) {
        struct pd_changer_inventory inventory = {0};

        if (moves > MOVES_MAX)
            return pd_error_set(err, PD_NOT_READY, 0,
                                "the changer says that it has moved %s, and shows it elsewhere; "
                                "look at it",
                                label);
        status = pd_env_check(library->env, err);
        if (status == PD_OK)
            status = pd_drive_library_robot_look(&library->robot, &inventory, err);
        if (status == PD_OK)
            status = next_move(library, label, &inventory, &there, err);
        pd_changer_inventory_free(&inventory);
    }
    return status;
}

/* Until the drive behind has it. */
static enum pd_status wait_ready(struct library *library, struct pd_error *err)
{
    const struct pd_clock *clock = library->env->clock;
    uint64_t started = pd_clock_monotonic(clock);

    for (;;) {
        struct pd_error found = PD_ERROR_INIT;
        enum pd_status status = pd_drive_load(library->inner, NULL, &found);
        uint64_t waited = pd_clock_monotonic(clock) - started;
        bool may_come =
            (status == PD_NO_MEDIUM && waited < library->settle_ns) ||
            ((status == PD_NOT_READY || status == PD_AGAIN) && waited < library->ready_ns);

        if (status == PD_NO_MEDIUM && !may_come)
            return is_empty_behind(library, library->barcode, err);
        if (!may_come) {
            *err = found;
            return status;
        }
        status = pd_env_check(library->env, err);
        if (status != PD_OK)
            return status;
        pd_env_rest(library->env, POLL_NS);
    }
}

static enum pd_status library_load(void *impl, const char *medium, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status;

    library->loaded = library->came = false;
    status = pd_drive_library_robot_lock(&library->robot, err);
    if (status == PD_OK)
        status = fetch(library, medium, err);
    pd_drive_library_robot_unlock(&library->robot);
    if (status == PD_OK)
        status = wait_ready(library, err);
    library->loaded = status == PD_OK;
    library->proved = library->proved || (library->loaded && library->came);
    return status;
}

static enum pd_status library_unload(void *impl, struct pd_error *err)
{
    struct library *library = impl;
    struct pd_changer_inventory inventory = {0};
    struct pd_error late = PD_ERROR_INIT;
    const struct pd_changer_element *ours = NULL;
    bool had = library->loaded;
    /* first what was written */
    enum pd_status status = had ? pd_drive_unload(library->inner, err) : PD_OK;
    enum pd_status moved;

    library->loaded = false;
    moved = pd_drive_library_robot_lock(&library->robot, &late);
    if (moved == PD_OK)
        moved = pd_drive_library_robot_look(&library->robot, &inventory, &late);
    if (moved == PD_OK)
        ours = pd_changer_drive(&inventory, library->number);
    if (moved == PD_OK && ours == NULL)
        moved = no_such_drive(library, &inventory, &late);
    if (ours != NULL && ours->full)
        moved = had ? to_slot(library, &inventory, ours, &late)
                    : put_away(library, &inventory, ours, &late);
    pd_drive_library_robot_unlock(&library->robot);
    pd_changer_inventory_free(&inventory);
    if (status == PD_OK && moved != PD_OK) {
        *err = late;
        status = moved;
    }
    return status;
}

static enum pd_status library_status(void *impl, struct pd_drive_status *out, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = pd_drive_status(library->inner, out, err);

    if (status != PD_OK)
        return status;
    out->loaded = out->loaded && library->loaded;
    out->seen = out->loaded && library->proved;
    (void)snprintf(out->medium, sizeof(out->medium), "%s", out->loaded ? library->barcode : "");
    return PD_OK;
}

/* ---- the drive behind ---- */

static enum pd_status library_read(void *impl, void *buf, size_t size, size_t *got,
                                   struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_read(library->inner, buf, size, got, err) : status;
}

static enum pd_status library_write(void *impl, const void *buf, size_t len, bool *early_warning,
                                    struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_write(library->inner, buf, len, early_warning, err) : status;
}

static enum pd_status library_marks(void *impl, unsigned count, bool immediate,
                                    struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_marks(library->inner, count, immediate, err) : status;
}

static enum pd_status library_space(void *impl, enum pd_space_kind kind, int64_t count,
                                    struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_space(library->inner, kind, count, err) : status;
}

static enum pd_status library_rewind(void *impl, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_rewind(library->inner, err) : status;
}

static enum pd_status library_end(void *impl, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_end(library->inner, err) : status;
}

static enum pd_status library_tell(void *impl, struct pd_drive_pos *out, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_tell(library->inner, out, err) : status;
}

static enum pd_status library_locate(void *impl, uint64_t object, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = need_medium(library, err);

    return status == PD_OK ? pd_drive_locate(library->inner, object, err) : status;
}

static enum pd_status library_close(void *impl, struct pd_error *err)
{
    struct library *library = impl;
    enum pd_status status = pd_drive_close(library->inner, err);

    pd_drive_library_robot_drop(&library->robot);
    free(library->name);
    free(library);
    return status;
}

const struct pd_drive_ops pd_drive_library_ops = {
    .name = "library",
    .load = library_load,
    .unload = library_unload,
    .status = library_status,
    .read = library_read,
    .write = library_write,
    .marks = library_marks,
    .space = library_space,
    .rewind = library_rewind,
    .end = library_end,
    .tell = library_tell,
    .locate = library_locate,
    .close = library_close,
};

enum pd_status pd_drive_library_open(const struct pd_env *env, struct pd_drive *inner,
                                     const struct pd_drive_library_options *options,
                                     struct pd_drive **out, struct pd_error *err)
{
    struct library *library = calloc(1, sizeof(*library));
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status;

    *out = NULL;
    if (library == NULL) {
        (void)!pd_drive_close(inner, &ignored); /* nothing is loaded */
        return pd_error_memory(err, "a drive");
    }
    library->env = env;
    library->inner = inner;
    library->number = options->drive;
    library->settle_ns = options->settle_ns != 0 ? options->settle_ns : SETTLE_NS;
    library->ready_ns = options->ready_ns != 0 ? options->ready_ns : READY_NS;
    status = pd_drive_library_robot_init(&library->robot, env, options, err);
    if (status == PD_OK) {
        library->name = strdup(options->name);
        if (library->name == NULL)
            status = pd_error_memory(err, "a drive");
    }
    if (status != PD_OK) {
        (void)!library_close(library, &ignored);
        return status;
    }
    return pd_drive_new(&pd_drive_library_ops, library, out, err);
}
