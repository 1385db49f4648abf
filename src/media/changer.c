#include "pairdump/changer.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/spawn.h"
#include "pairdump/text.h"

#define MTX         "mtx:"
#define CMD         "cmd:"
#define STATUS_NS   (UINT64_C(60) * (uint64_t)PD_NS_PER_S)
#define MOVE_NS     (UINT64_C(600) * (uint64_t)PD_NS_PER_S)
#define GRACE_NS    (UINT64_C(5) * (uint64_t)PD_NS_PER_S)
#define OUT_MAX     ((size_t)4 << 20)
#define ERR_MAX     ((size_t)64 << 10)
#define ARGS_MAX    8
#define NUMBER_MAX  12 /* a slot in digits */
#define NUMBER_LAST 65536

struct pd_changer {
    const struct pd_env *env;
    char *url;
    char *program;
    char *device; /* NULL with cmd: */
    uint64_t status_ns;
    uint64_t move_ns;
};

static bool starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool pd_changer_is_url(const char *url)
{
    return starts(url, MTX) || starts(url, CMD);
}

static enum pd_status find_mtx(struct pd_changer *changer, const char *device, struct pd_error *err)
{
    enum pd_status status;

    if (device[0] == '\0')
        return pd_error_set(err, PD_USAGE, 0, "mtx: names no device, such as mtx:/dev/sg2");
    changer->device = strdup(device);
    if (changer->device == NULL)
        return pd_error_memory(err, "a changer");
    status = pd_spawn_find("mtx", &changer->program, err);
    if (status == PD_NOT_FOUND)
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "mtx is not installed; it is in the package mtx (apt-get install mtx)");
    return status;
}

static enum pd_status find_program(struct pd_changer *changer, const char *path,
                                   struct pd_error *err)
{
    struct stat st;

    if (strchr(path, '/') == NULL)
        return pd_error_set(err, PD_USAGE, 0,
                            "cmd: takes the path of a program, such as cmd:/usr/local/sbin/robot");
    changer->program = strdup(path);
    if (changer->program == NULL)
        return pd_error_memory(err, "a changer");
    if (stat(path, &st) != 0)
        return pd_error_set(err, pd_status_from_errno(errno), errno, "cannot look at %s", path);
    if (!S_ISREG(st.st_mode) || access(path, X_OK) != 0)
        return pd_error_set(err, PD_DENIED, 0, "%s is not a program that can be run", path);
    return PD_OK;
}

enum pd_status pd_changer_open(const struct pd_env *env, const char *url, struct pd_changer **out,
                               struct pd_error *err)
{
    struct pd_changer *changer;
    enum pd_status status;

    *out = NULL;
    if (!pd_changer_is_url(url))
        return pd_error_set(err, PD_USAGE, 0,
                            "\"%s\" is not a changer; it begins with mtx:DEVICE or cmd:PATH", url);
    changer = calloc(1, sizeof(*changer));
    if (changer == NULL)
        return pd_error_memory(err, "a changer");
    changer->env = env;
    changer->status_ns = STATUS_NS;
    changer->move_ns = MOVE_NS;
    changer->url = strdup(url);
    if (changer->url == NULL)
        status = pd_error_memory(err, "a changer");
    else if (starts(url, MTX))
        status = find_mtx(changer, url + strlen(MTX), err);
    else
        status = find_program(changer, url + strlen(CMD), err);
    if (status != PD_OK) {
        pd_error_context(err, url, NULL, NULL);
        pd_changer_close(changer);
        return status;
    }
    *out = changer;
    return PD_OK;
}

void pd_changer_close(struct pd_changer *changer)
{
    if (changer == NULL)
        return;
    free(changer->url);
    free(changer->program);
    free(changer->device);
    free(changer);
}

void pd_changer_timeouts(struct pd_changer *changer, uint64_t status_ns, uint64_t move_ns)
{
    if (status_ns != 0)
        changer->status_ns = status_ns;
    if (move_ns != 0)
        changer->move_ns = move_ns;
}

/* Everything of one call: words of the command, NULL-ended; what it is called in messages. */
struct call {
    const char *const *words;
    char what[64];
    bool move;
};

static enum pd_status ended_badly(const struct call *call, const struct pd_spawn_result *result,
                                  struct pd_error *err)
{
    if (result->signal != 0)
        return pd_error_set(err, PD_IO, 0, "%s: ended by signal %d", call->what, result->signal);
    return pd_changer_refusal(call->what, result->err.data, result->err.len, err);
}

/* The caller releases *result. */
static enum pd_status run(const struct pd_changer *changer, const struct call *call,
                          struct pd_spawn_result *result, struct pd_error *err)
{
    const char *argv[ARGS_MAX + 1] = {changer->device != NULL ? "mtx" : changer->program};
    struct pd_spawn spawn = {.program = changer->program,
                             .argv = argv,
                             .timeout_ns = call->move ? changer->move_ns : changer->status_ns,
                             .grace_ns = GRACE_NS,
                             .out_max = call->move ? ERR_MAX : OUT_MAX,
                             .err_max = ERR_MAX,
                             .finish = call->move};
    size_t count = 1;
    enum pd_status status;

    if (changer->device != NULL) {
        argv[count++] = "-f";
        argv[count++] = changer->device;
    }
    for (size_t i = 0; call->words[i] != NULL && count < ARGS_MAX; i++)
        argv[count++] = call->words[i];
    pd_log_line(changer->env->log, PD_LOG_DEBUG, "%s: %s", changer->url, call->what);
    status = pd_spawn_run(changer->env, &spawn, result, err);
    if (status == PD_OK && result->exit_code != 0)
        status = ended_badly(call, result, err);
    if (status != PD_OK)
        pd_error_context(err, changer->url, NULL, NULL);
    return status;
}

enum pd_status pd_changer_status(struct pd_changer *changer, struct pd_changer_inventory *out,
                                 struct pd_error *err)
{
    static const char *const words[] = {"status", NULL};
    const struct call call = {.words = words, .what = "status"};
    struct pd_spawn_result result;
    enum pd_status status;

    memset(out, 0, sizeof(*out));
    status = run(changer, &call, &result, err);
    if (status == PD_OK) {
        status = pd_changer_parse(result.out.data, result.out.len, out, err);
        if (status != PD_OK)
            pd_error_context(err, changer->url, NULL, NULL);
    }
    pd_spawn_result_free(&result);
    return status;
}

static enum pd_status move(const struct pd_changer *changer, const char *verb, uint32_t from,
                           uint32_t to, struct pd_error *err)
{
    char a[NUMBER_MAX], b[NUMBER_MAX];
    const char *const words[] = {verb, a, b, NULL};
    struct call call = {.words = words, .move = true};
    struct pd_spawn_result result;
    enum pd_status status;

    snprintf(a, sizeof(a), "%" PRIu32, from);
    snprintf(b, sizeof(b), "%" PRIu32, to);
    snprintf(call.what, sizeof(call.what), "%s %s %s", verb, a, b);
    status = run(changer, &call, &result, err);
    pd_spawn_result_free(&result);
    return status;
}

/* mtx reads a number that is too large for it as one that was not given, and takes drive 0. */
static enum pd_status check(const struct pd_changer *changer, uint32_t slot, uint32_t other,
                            struct pd_error *err)
{
    if (slot != 0 && slot <= NUMBER_LAST && other <= NUMBER_LAST)
        return PD_OK;
    (void)pd_error_set(err, slot == 0 ? PD_USAGE : PD_NOT_FOUND, 0,
                       slot == 0 ? "slots are counted from 1" : "there is no such element");
    pd_error_context(err, changer->url, NULL, NULL);
    return err->status;
}

enum pd_status pd_changer_load(struct pd_changer *changer, uint32_t slot, uint32_t drive,
                               struct pd_error *err)
{
    enum pd_status status = check(changer, slot, drive, err);

    return status == PD_OK ? move(changer, "load", slot, drive, err) : status;
}

enum pd_status pd_changer_unload(struct pd_changer *changer, uint32_t slot, uint32_t drive,
                                 struct pd_error *err)
{
    enum pd_status status = check(changer, slot, drive, err);

    return status == PD_OK ? move(changer, "unload", slot, drive, err) : status;
}

enum pd_status pd_changer_transfer(struct pd_changer *changer, uint32_t from, uint32_t to,
                                   struct pd_error *err)
{
    enum pd_status status = check(changer, from < to ? from : to, from < to ? to : from, err);

    if (status == PD_OK && from == to) {
        status = pd_error_set(err, PD_USAGE, 0, "slot %" PRIu32 " is where it is already", from);
        pd_error_context(err, changer->url, NULL, NULL);
    }
    return status == PD_OK ? move(changer, "transfer", from, to, err) : status;
}
