#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <unistd.h>

#include "drive_library_priv.h"
#include "pairdump/text.h"

#define TRIES    4 /* of what is refused for now */
#define PAUSE_NS (UINT64_C(5) * (uint64_t)PD_NS_PER_S)
#define LOCK_MIN 30 /* others may wait for a hanging move before us */
#define LOCK_NS  (UINT64_C(60) * LOCK_MIN * (uint64_t)PD_NS_PER_S)
#define TELL_NS  (UINT64_C(10) * (uint64_t)PD_NS_PER_S) /* a wait worth a line */
#define POLL_NS  UINT64_C(100000000)
#define CLEANER  "CLN" /* by the custom of LTO */

/* ---- names ---- */

bool pd_drive_library_label(const char *barcode, char out[PD_LABEL_TEXT])
{
    size_t len = strlen(barcode);
    char label[PD_BARCODE_MAX + 1];

    if (len > PD_BARCODE_MAX || strncmp(barcode, CLEANER, strlen(CLEANER)) == 0)
        return false;
    memcpy(label, barcode, len + 1);
    if (len > 2) {
        label[len - 2] = '\0';
        if (!pd_changer_barcode_is(barcode, label)) /* no medium type */
            label[len - 2] = barcode[len - 2];
    }
    if (!pd_label_is_valid(label))
        return false;
    (void)snprintf(out, PD_LABEL_TEXT, "%.*s", PD_LABEL_TEXT - 1, label);
    return true;
}

const char *pd_drive_library_name(const char *barcode, char *out)
{
    char label[PD_LABEL_TEXT];

    (void)snprintf(out, PD_BARCODE_MAX + 1, "%s",
                   pd_drive_library_label(barcode, label) ? label
                   : barcode[0] != '\0'                   ? barcode
                                                          : "a cartridge without barcode");
    return out;
}

const char *pd_drive_library_kind(enum pd_changer_kind kind)
{
    return kind == PD_CHANGER_DRIVE ? "drive" : kind == PD_CHANGER_PORT ? "port" : "slot";
}

enum pd_status pd_drive_library_acquit(enum pd_status status, struct pd_error *err)
{
    if (pd_status_blames_copy(status) || status == PD_WRONG_VOLUME)
        err->status = status = PD_NOT_READY;
    return status;
}

/* ---- life ---- */

enum pd_status pd_drive_library_robot_init(struct pd_drive_library_robot *robot,
                                           const struct pd_env *env,
                                           const struct pd_drive_library_options *options,
                                           struct pd_error *err)
{
    enum pd_status status;

    *robot = (struct pd_drive_library_robot){.env = env, .lock_fd = -1};
    robot->pause_ns = options->pause_ns != 0 ? options->pause_ns : PAUSE_NS;
    robot->url = strdup(options->changer);
    if (robot->url == NULL)
        return pd_error_memory(err, "a changer");
    status = pd_changer_open(env, options->changer, &robot->changer, err);
    if (status == PD_OK)
        pd_changer_timeouts(robot->changer, options->timeout_ns, options->timeout_ns);
    return status;
}

void pd_drive_library_robot_drop(struct pd_drive_library_robot *robot)
{
    pd_drive_library_robot_unlock(robot);
    pd_changer_close(robot->changer);
    free(robot->url);
}

/* ---- the lock ---- */

static enum pd_status try_lock(const struct pd_drive_library_robot *robot, bool *ours,
                               struct pd_error *err)
{
    *ours = flock(robot->lock_fd, LOCK_EX | LOCK_NB) == 0;
    if (*ours || errno == EWOULDBLOCK || errno == EINTR)
        return PD_OK;
    (void)pd_error_set(err, pd_status_from_errno(errno), errno, "cannot lock the changer %s",
                       robot->url);
    return pd_drive_library_acquit(err->status, err);
}

static enum pd_status wait_for_lock(struct pd_drive_library_robot *robot, struct pd_error *err)
{
    const struct pd_clock *clock = robot->env->clock;
    uint64_t started = pd_clock_monotonic(clock);
    bool ours = false, told = false;
    enum pd_status status = try_lock(robot, &ours, err);

    while (status == PD_OK && !ours) {
        uint64_t waited = pd_clock_monotonic(clock) - started;

        if (!told && waited > TELL_NS) {
            pd_log_line(robot->env->log, PD_LOG_NOTE,
                        "%s: waiting for another run that moves cartridges", robot->url);
            told = true;
        }
        if (waited > LOCK_NS)
            return pd_error_set(err, PD_BUSY, 0,
                                "another run has kept the changer %s for %d minutes; look at it",
                                robot->url, LOCK_MIN);
        status = pd_env_check(robot->env, err);
        if (status == PD_OK) {
            pd_env_rest(robot->env, POLL_NS);
            status = try_lock(robot, &ours, err);
        }
    }
    return status;
}

enum pd_status pd_drive_library_robot_lock(struct pd_drive_library_robot *robot,
                                           struct pd_error *err)
{
    const char *file = strchr(robot->url, ':') + 1;
    enum pd_status status;

    do
        robot->lock_fd = open(file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    while (robot->lock_fd < 0 && errno == EINTR);
    if (robot->lock_fd < 0) {
        (void)pd_error_set(err, pd_status_from_errno(errno), errno, "cannot open the changer's %s",
                           file);
        return pd_drive_library_acquit(err->status, err);
    }
    status = wait_for_lock(robot, err);
    if (status != PD_OK)
        pd_drive_library_robot_unlock(robot);
    return status;
}

void pd_drive_library_robot_unlock(struct pd_drive_library_robot *robot)
{
    if (robot->lock_fd >= 0)
        (void)close(robot->lock_fd); /* only read; drops the lock */
    robot->lock_fd = -1;
}

/* ---- looking ---- */

static bool may_pass(enum pd_status status)
{
    return status == PD_NOT_READY || status == PD_AGAIN;
}

static enum pd_status pause_a_while(const struct pd_drive_library_robot *robot,
                                    struct pd_error *err)
{
    enum pd_status status = pd_env_check(robot->env, err);

    if (status == PD_OK)
        pd_env_rest(robot->env, robot->pause_ns);
    return status == PD_OK ? pd_env_check(robot->env, err) : status;
}

/* Cartridges, and not one barcode: the library did not want to tell just now. */
static bool tells_nothing(const struct pd_changer_inventory *inventory)
{
    size_t full = 0;

    for (size_t i = 0; i < inventory->count; i++) {
        if (inventory->elements[i].barcode[0] != '\0')
            return false;
        full += inventory->elements[i].full;
    }
    return full > 0;
}

enum pd_status pd_drive_library_robot_look(struct pd_drive_library_robot *robot,
                                           struct pd_changer_inventory *out, struct pd_error *err)
{
    for (int tries = 1;; tries++) {
        enum pd_status status = pd_changer_status(robot->changer, out, err);
        bool again = status == PD_OK ? tells_nothing(out) : may_pass(status);

        if (!again || tries == TRIES)
            return status == PD_OK ? PD_OK : pd_drive_library_acquit(status, err);
        pd_changer_inventory_free(out);
        status = pause_a_while(robot, err);
        if (status != PD_OK)
            return status;
    }
}

/* ---- moving ---- */

static bool is_it(const struct pd_changer_element *element, const char *barcode)
{
    return element != NULL && element->full &&
           (strcmp(element->barcode, barcode) == 0 || element->barcode[0] == '\0');
}

/* Whether the cartridge lies where it was to be brought. */
static bool was_done(struct pd_drive_library_robot *robot, const struct pd_drive_library_move *move)
{
    struct pd_changer_inventory inventory = {0};
    struct pd_error ignored = PD_ERROR_INIT;
    const struct pd_changer_element *slot, *drive;
    bool done = false;

    if (pd_drive_library_robot_look(robot, &inventory, &ignored) == PD_OK) {
        slot = pd_changer_slot(&inventory, move->slot);
        drive = pd_changer_drive(&inventory, move->drive);
        done = move->load ? is_it(drive, move->barcode) && slot != NULL && !slot->full
                          : is_it(slot, move->barcode) && drive != NULL && !drive->full;
    }
    pd_changer_inventory_free(&inventory);
    return done;
}

static void tell(const struct pd_drive_library_robot *robot,
                 const struct pd_drive_library_move *move)
{
    char name[PD_BARCODE_MAX + 1];
    const char *kind = pd_drive_library_kind(move->kind);

    if (move->load)
        pd_log_line(robot->env->log, PD_LOG_NOTE, "%s: %s %" PRIu32 " -> drive %" PRIu32,
                    pd_drive_library_name(move->barcode, name), kind, move->slot, move->drive);
    else
        pd_log_line(robot->env->log, PD_LOG_NOTE, "%s: drive %" PRIu32 " -> %s %" PRIu32,
                    pd_drive_library_name(move->barcode, name), move->drive, kind, move->slot);
}

enum pd_status pd_drive_library_robot_move(struct pd_drive_library_robot *robot,
                                           const struct pd_drive_library_move *move,
                                           struct pd_error *err)
{
    for (int tries = 1;; tries++) {
        enum pd_status status =
            move->load ? pd_changer_load(robot->changer, move->slot, move->drive, err)
                       : pd_changer_unload(robot->changer, move->slot, move->drive, err);

        if (status == PD_OK) {
            tell(robot, move);
            return PD_OK;
        }
        if (!may_pass(status) && status != PD_IO && status != PD_HUNG)
            return pd_drive_library_acquit(status, err);
        if (was_done(robot, move)) {
            pd_log_error(robot->env->log, PD_LOG_WARN, err);
            pd_log_line(robot->env->log, PD_LOG_WARN, "%s: the move was made all the same",
                        robot->url);
            tell(robot, move);
            pd_error_clear(err);
            return PD_OK;
        }
        if (!may_pass(status) || tries == TRIES)
            return pd_drive_library_acquit(status, err);
        pd_log_error(robot->env->log, PD_LOG_INFO, err);
        status = pause_a_while(robot, err);
        if (status != PD_OK)
            return status;
    }
}

/* ---- the list of media ---- */

struct media {
    struct pd_drive_library_robot robot;
};

enum pd_status pd_drive_library_media_new(const struct pd_env *env,
                                          const struct pd_drive_library_options *options,
                                          void **out, struct pd_error *err)
{
    struct media *media = calloc(1, sizeof(*media));
    enum pd_status status;

    *out = NULL;
    if (media == NULL)
        return pd_error_memory(err, "a changer");
    status = pd_drive_library_robot_init(&media->robot, env, options, err);
    if (status == PD_OK)
        *out = media;
    else
        pd_drive_library_media_free(media);
    return status;
}

void pd_drive_library_media_free(void *arg)
{
    struct media *media = arg;

    if (media == NULL)
        return;
    pd_drive_library_robot_drop(&media->robot);
    free(media);
}

enum pd_status pd_drive_library_media(void *media,
                                      enum pd_status (*fn)(void *arg, const char *label,
                                                           struct pd_error *err),
                                      void *arg, struct pd_error *err)
{
    struct media *list = media;
    struct pd_changer_inventory inventory = {0};
    enum pd_status status = pd_drive_library_robot_lock(&list->robot, err);

    /* a cartridge that is just being moved lies nowhere */
    if (status == PD_OK)
        status = pd_drive_library_robot_look(&list->robot, &inventory, err);
    pd_drive_library_robot_unlock(&list->robot);
    for (size_t i = 0; status == PD_OK && i < inventory.count; i++) {
        char label[PD_LABEL_TEXT];

        if (pd_drive_library_label(inventory.elements[i].barcode, label))
            status = fn(arg, label, err);
    }
    pd_changer_inventory_free(&inventory);
    return status;
}
