#include <stdatomic.h>

#include "pairdump/ask.h"
#include "pairdump/check.h"
#include "pairdump/registry.h"
#include "pairdump/thread.h"
#include "restore_priv.h"

#define SLICE_NS       (UINT64_C(100) * 1000 * 1000) /* so soon a signal is seen */
#define INTERRUPTED_NS (UINT64_C(5) * (uint64_t)PD_NS_PER_S)

/* What the thread that finds and opens a volume and its owner share: a drive may hang in that, too, and
 * the thread then has all that it may still touch. */
struct opener {
    atomic_uint refs;
    const struct pd_env *env;
    struct pd_volume_row row;
    char **at; /* places to look at; none: url is known */
    size_t at_count;
    char *url;
    bool asked;
    struct pd_target *target; /* the opener's until it is taken out */
};

static void drop_opener(void *arg)
{
    struct opener *opener = arg;

    if (atomic_fetch_sub(&opener->refs, 1) > 1)
        return;
    pd_leave_volume(opener->env, opener->target);
    for (size_t i = 0; i < opener->at_count; i++)
        free(opener->at[i]);
    free(opener->at);
    free(opener->url);
    free(opener);
}

static enum pd_status open_target(struct opener *opener, struct pd_error *err)
{
    const struct pd_label *label;
    enum pd_status status = pd_target_open(opener->env, opener->url, &opener->target, err);

    if (status == PD_OK)
        status = pd_target_mount(opener->target, opener->row.label, err);
    if (status != PD_OK)
        return status;
    label = pd_target_label(opener->target);
    if (label == NULL || strcmp(label->uuid, opener->row.uuid) != 0)
        status = pd_error_set(err, PD_WRONG_VOLUME, 0,
                              "the volume at %s has this label but another UUID", opener->url);
    return status;
}

static enum pd_status run_opener(struct pd_thread *self, void *arg, struct pd_error *err)
{
    struct opener *opener = arg;
    struct pd_error error = PD_ERROR_INIT;
    enum pd_status status = PD_OK;

    (void)self;
    if (opener->url == NULL)
        status = pd_locate_volume(opener->env, &opener->row, (const char *const *)opener->at,
                                  opener->at_count, &opener->url, err);
    if (status == PD_OK)
        status = open_target(opener, err);
    if (status != PD_OK && opener->target != NULL) {
        if (opener->asked)
            pd_ask_make_way(opener->env, opener->target, status);
        if (pd_target_close(opener->target, &error) != PD_OK)
            pd_log_error(opener->env->log, PD_LOG_DEBUG, &error);
        opener->target = NULL;
    }
    return status;
}

/* Copies, since what the run has may be gone when a thread comes back that hung. */
static bool copy_places(struct opener *opener, const struct pd_restore_options *options,
                        const char *url)
{
    opener->url = url == NULL ? NULL : strdup(url);
    opener->at = calloc(options->at_count + 1, sizeof(*opener->at));
    if ((url != NULL && opener->url == NULL) || opener->at == NULL)
        return false;
    for (; opener->at_count < options->at_count; opener->at_count++) {
        opener->at[opener->at_count] = strdup(options->at[opener->at_count]);
        if (opener->at[opener->at_count] == NULL)
            return false;
    }
    return true;
}

static enum pd_status new_opener(const struct pd_restore_run *run, const struct pd_volume_row *row,
                                 bool asked, const char *url, struct opener **out,
                                 struct pd_error *err)
{
    struct opener *opener = calloc(1, sizeof(*opener));

    *out = NULL;
    if (opener == NULL)
        return pd_error_memory(err, "the volumes");
    atomic_init(&opener->refs, 1);
    opener->env = run->env;
    opener->row = *row;
    opener->asked = asked;
    if (!copy_places(opener, run->options, url)) {
        drop_opener(opener);
        return pd_error_memory(err, "the volumes");
    }
    *out = opener;
    return PD_OK;
}

/* A changer may take longer than any drive: what waits within a limit of its own does not hang. */
static enum pd_status join_opener(const struct pd_env *env, struct pd_thread *thread,
                                  struct pd_error *err)
{
    uint64_t since = pd_clock_monotonic(pd_clock_real()), limit = env->stall_ns;
    bool stopping = false;
    enum pd_status status;

    while (!pd_thread_wait(thread, SLICE_NS)) {
        uint64_t now = pd_clock_monotonic(pd_clock_real());

        if (!stopping && pd_stop_requested(env->stop)) {
            stopping = true;
            limit = limit == 0 || limit > INTERRUPTED_NS ? INTERRUPTED_NS : limit;
            since = now;
        }
        if (atomic_load(&env->progress->bounded) > 0)
            since = now;
        if (limit > 0 && now - since >= limit)
            break;
    }
    status = pd_thread_join(&thread, 1, err); /* it has ended, or is given up */
    if (status != PD_HUNG)
        return status;
    atomic_fetch_add(&env->progress->hung, 1);
    return stopping ? pd_env_check(env, err) : status;
}

enum pd_status pd_restore_volume_open(const struct pd_restore_run *run,
                                      const struct pd_volume_row *row, bool asked,
                                      const char *url, struct pd_target **out,
                                      struct pd_error *err)
{
    const struct pd_env *env = run->env;
    struct opener *opener;
    struct pd_thread *thread = NULL;
    enum pd_status status = new_opener(run, row, asked, url, &opener, err);

    if (status != PD_OK)
        return status;
    atomic_fetch_add(&opener->refs, 1); /* the thread's */
    status = pd_thread_start("open", run_opener, opener, drop_opener, &thread, err);
    if (status != PD_OK) {
        drop_opener(opener);
        goto out;
    }
    status = join_opener(env, thread, err);
    if (status == PD_OK) {
        *out = opener->target;
        opener->target = NULL;
    }
out:
    drop_opener(opener);
    return status;
}
