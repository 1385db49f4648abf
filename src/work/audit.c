#include "pairdump/audit.h"

#include <stdlib.h>
#include <string.h>

#include "pairdump/registry.h"
#include "pairdump/size.h"

struct copy {
    int64_t id, age; /* age: when it was last found good or bad; 0: never */
    uint64_t bytes;
    size_t volume, place; /* place: on its volume */
    bool chosen, begun, done;
};

/* What else is known of a volume. */
struct share {
    size_t first, count; /* its copies, longest not read first */
    uint64_t waiting;    /* bytes that were begun and not answered */
    uint64_t run_bytes, run_ns;
    bool picked;
};

struct audit {
    const struct pd_env *env;
    struct pd_catalog *catalog;
    const struct pd_audit_options *options;
    struct pd_audit_summary *summary;
    int64_t now;
    uint64_t deadline; /* monotonic ns; UINT64_MAX: none */
    uint64_t bytes_left, bytes_read;
    bool any; /* an archive was begun: the first is, whatever the budget */
    bool pool_is_known;
    struct pd_audit_volume *volumes; /* in the order of picking */
    struct share *shares;            /* of each */
    size_t count, room;
    struct copy *copies;
    struct copy **by_id;
    size_t copy_count, copy_room;
    char **places;
    size_t place_count;
    uint64_t known_bytes, known_ns; /* of all volumes */
};

/* ---- what there is ---- */

/* A bad one is only not written to any more: what it holds may count. */
static bool holds_something(const struct pd_volume_row *row)
{
    return row->verified_copies + row->written_copies > 0;
}

static bool is_in_pool(const struct audit *a, const struct pd_volume_row *row)
{
    return a->options->pool == NULL || strcmp(row->pool, a->options->pool) == 0;
}

static int64_t known_time(const struct audit *a, const struct pd_volume_row *row)
{
    return row->last_verified > a->now ? 0 : row->last_verified;
}

static bool is_due(const struct audit *a, int64_t verified)
{
    return verified == 0 || (uint64_t)a->now - (uint64_t)verified >= a->options->older_than_ns;
}

static enum pd_status find_place(struct audit *a, const char *location, size_t *out,
                                 struct pd_error *err)
{
    struct pd_error ignored = PD_ERROR_INIT;
    char *path = NULL, **places;

    if (pd_target_url_path(location, &path, &ignored) != PD_OK) {
        path = strdup(location); /* none, or one of another machine */
    }
    for (*out = 0; path && *out < a->place_count; ++*out) {
        if (strcmp(a->places[*out], path) == 0) {
            free(path);
            return PD_OK;
        }
    }
    places = path ? reallocarray(a->places, a->place_count + 1, sizeof *places) : NULL;
    if (!places) {
        free(path);
        return pd_error_memory(err, "places");
    }
    a->places = places;
    a->places[a->place_count++] = path;
    return PD_OK;
}

static enum pd_status take_volume(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct audit *a = arg;
    struct pd_audit_volume volume = {.id = row->id, .verified = known_time(a, row)};

    a->pool_is_known = a->pool_is_known || is_in_pool(a, row);
    if (!is_in_pool(a, row) || !holds_something(row) || !is_due(a, volume.verified)) {
        return PD_OK;
    }
    if (a->count == a->room) {
        size_t room = a->room ? 2 * a->room : 64;
        struct pd_audit_volume *more = reallocarray(a->volumes, room, sizeof *more);
        if (!more) {
            return pd_error_memory(err, "volumes");
        }
        a->volumes = more;
        a->room = room;
    }
    memcpy(volume.label, row->label, sizeof volume.label);
    enum pd_status status = find_place(a, row->location, &volume.place, err);
    if (status == PD_OK) {
        a->volumes[a->count++] = volume;
    }
    return status;
}

struct loading {
    struct audit *a;
    size_t volume;
};

static enum pd_status take_copy(void *arg, const struct pd_copy_age *age, struct pd_error *err)
{
    struct loading *l = arg;
    struct audit *a = l->a;
    struct pd_audit_volume *volume = &a->volumes[l->volume];
    bool known = age->state == PD_COPY_VERIFIED && age->read_ns > 0;

    if (a->copy_count == a->copy_room) {
        size_t room = a->copy_room ? 2 * a->copy_room : 256;
        struct copy *more = reallocarray(a->copies, room, sizeof *more);
        if (!more) {
            return pd_error_memory(err, "copies");
        }
        a->copies = more;
        a->copy_room = room;
    }
    a->copies[a->copy_count++] = (struct copy){
        .id = age->id,
        .age = age->state == PD_COPY_WRITTEN || age->changed > a->now ? 0 : age->changed,
        .bytes = age->bytes,
        .volume = l->volume,
        .place = a->shares[l->volume].count++};
    volume->archives++;
    volume->bytes = pd_add_sat(volume->bytes, age->bytes);
    volume->known_bytes += known ? age->bytes : 0;
    volume->known_ns = pd_add_sat(volume->known_ns, known ? age->read_ns : 0);
    return PD_OK;
}

static int by_age(const void *x, const void *y)
{
    const struct copy *a = x, *b = y;

    if (a->age != b->age) {
        return a->age < b->age ? -1 : 1;
    }
    return (a->place > b->place) - (a->place < b->place);
}

static int by_id(const void *x, const void *y)
{
    const struct copy *const *a = x, *const *b = y;

    return ((*a)->id > (*b)->id) - ((*a)->id < (*b)->id);
}

static struct copy *find_copy(const struct audit *a, int64_t id)
{
    struct copy key = {.id = id};
    const struct copy *wanted = &key;
    struct copy **found = a->copy_count == 0 ? NULL
                                             : bsearch(&wanted, a->by_id, a->copy_count,
                                                       sizeof(struct copy *), by_id);

    return found ? *found : NULL;
}

static enum pd_status load_copies(struct audit *a, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < a->count && status == PD_OK; i++) {
        struct loading loading = {a, i};
        a->shares[i].first = a->copy_count;
        status = pd_catalog_copy_ages(a->catalog, a->volumes[i].id, take_copy, &loading, err);
        if (status == PD_OK && a->shares[i].count > 0) {
            qsort(a->copies + a->shares[i].first, a->shares[i].count, sizeof *a->copies, by_age);
        }
        a->known_bytes = pd_add_sat(a->known_bytes, a->volumes[i].known_bytes);
        a->known_ns = pd_add_sat(a->known_ns, a->volumes[i].known_ns);
    }
    a->by_id = calloc(a->copy_count + 1, sizeof(struct copy *));
    if (status == PD_OK && !a->by_id) {
        status = pd_error_memory(err, "copies");
    }
    for (size_t i = 0; i < a->copy_count && status == PD_OK; i++) {
        a->by_id[i] = &a->copies[i];
    }
    if (status == PD_OK && a->copy_count > 0) {
        qsort(a->by_id, a->copy_count, sizeof(struct copy *), by_id);
    }
    return status;
}

/* Where it is not known how fast a volume is, that of all is. */
static void guess_speeds(struct audit *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->volumes[i].known_ns == 0 || a->volumes[i].known_bytes == 0) {
            a->volumes[i].known_bytes = a->known_bytes;
            a->volumes[i].known_ns = a->known_ns;
        }
    }
}

static enum pd_status load(struct audit *a, struct pd_error *err)
{
    enum pd_status status = pd_catalog_volumes(a->catalog, take_volume, a, err);

    if (status == PD_OK && !a->pool_is_known && a->options->pool != NULL) {
        status = pd_error_set(err, PD_NOT_FOUND, 0, "no volume of the pool %s in the catalog",
                              a->options->pool);
    }
    if (status != PD_OK) {
        return status;
    }
    a->summary->due = a->count;
    a->shares = calloc(a->count + 1, sizeof *a->shares);
    if (!a->shares) {
        return pd_error_memory(err, "volumes");
    }
    if (a->count > 0) {
        qsort(a->volumes, a->count, sizeof *a->volumes, pd_audit_compare);
    }
    status = load_copies(a, err);
    guess_speeds(a);
    return status;
}

/* ---- what is read ---- */

static uint64_t time_left(const struct audit *a)
{
    uint64_t now = pd_clock_monotonic(a->env->clock);

    return a->deadline == UINT64_MAX ? UINT64_MAX : now < a->deadline ? a->deadline - now : 0;
}

/* The copies of a volume that fit into what was picked of it, the oldest first. Behind one that
 * does not fit, no younger one is squeezed in. */
static void choose_on(struct audit *a, size_t i, bool at_least_one)
{
    struct pd_audit_volume *volume = &a->volumes[i];
    uint64_t room = volume->take;

    volume->take = volume->take_archives = 0;
    for (size_t k = a->shares[i].first; k < a->shares[i].first + a->shares[i].count; k++) {
        struct copy *copy = &a->copies[k];
        bool first = at_least_one && volume->take_archives == 0;
        if (copy->done) {
            continue;
        }
        if (copy->bytes > room && !first) {
            break;
        }
        copy->chosen = true;
        volume->take += copy->bytes;
        volume->take_archives++;
        room -= copy->bytes < room ? copy->bytes : room;
    }
}

static bool can_pick(const struct pd_audit_volume *volume)
{
    return !volume->out && volume->archives > 0;
}

/* However small the budget, the oldest archive is read. */
static void pick_first(struct audit *a)
{
    for (size_t i = 0; i < a->count; i++) {
        if (a->volumes[i].take > 0) {
            return;
        }
    }
    for (size_t i = 0; i < a->count; i++) {
        if (can_pick(&a->volumes[i])) {
            a->volumes[i].take = 1;
            return;
        }
    }
}

/* *names: labels of what is read next, none when the audit is at its end. Caller frees it. */
static enum pd_status pick(struct audit *a, const char ***names, size_t *count,
                           struct pd_error *err)
{
    const struct pd_audit_budget budget = {a->bytes_left, time_left(a)};
    enum pd_status status = PD_OK;
    bool need = !a->any;

    *count = 0;
    *names = calloc(a->count + 1, sizeof **names);
    if (!*names) {
        return pd_error_memory(err, "volumes");
    }
    for (size_t i = 0; i < a->copy_count; i++) {
        a->copies[i].chosen = false;
    }
    pd_audit_pick(a->volumes, a->count, &budget);
    if (need) {
        pick_first(a);
    }
    for (size_t i = 0; i < a->count && status == PD_OK; i++) {
        struct pd_audit_volume *volume = &a->volumes[i];
        if (volume->take > 0) {
            choose_on(a, i, need);
        }
        if (volume->take_archives == 0) {
            continue;
        }
        need = false;
        (*names)[(*count)++] = volume->label;
        a->summary->picked += !a->shares[i].picked;
        a->shares[i].picked = true;
        if (a->options->on_volume) {
            status = a->options->on_volume(a->options->arg, volume, err);
        }
    }
    return status;
}

static bool is_wanted(void *arg, int64_t copy_id)
{
    const struct copy *copy = find_copy(arg, copy_id);

    return copy && copy->chosen;
}

/* Is there time for it, and for what was begun before it on its volume? */
static bool may_begin(void *arg, int64_t copy_id)
{
    struct audit *a = arg;
    struct copy *copy = find_copy(a, copy_id);
    struct pd_audit_volume *volume = copy ? &a->volumes[copy->volume] : NULL;
    struct share *share = copy ? &a->shares[copy->volume] : NULL;
    uint64_t left = time_left(a);

    if (!copy || copy->begun) {
        return copy != NULL;
    }
    if (a->any && left != UINT64_MAX &&
        (left == 0 || pd_audit_estimate(volume, share->waiting + copy->bytes) > left)) {
        return false;
    }
    a->any = copy->begun = true;
    share->waiting += copy->bytes;
    return true;
}

static void account(struct audit *a, struct copy *copy, const struct pd_verify_result *result)
{
    struct pd_audit_volume *volume = &a->volumes[copy->volume];
    struct share *share = &a->shares[copy->volume];

    if (copy->begun) {
        share->waiting -= copy->bytes;
    }
    volume->archives -= !copy->done;
    volume->bytes -= copy->done ? 0 : copy->bytes;
    copy->done = true;
    if (result->unread) {
        volume->out = true;
        a->any = a->bytes_read > 0; /* else the next is the first */
        return;
    }
    a->bytes_read += result->bytes;
    if (a->bytes_left != UINT64_MAX) {
        a->bytes_left -= result->bytes < a->bytes_left ? result->bytes : a->bytes_left;
    }
    if (result->status == PD_OK && result->finished > result->started) {
        share->run_bytes += result->bytes;
        share->run_ns += (uint64_t)(result->finished - result->started);
        volume->known_bytes = share->run_bytes;
        volume->known_ns = share->run_ns;
    }
}

static enum pd_status take_result(void *arg, const struct pd_verify_result *result,
                                  struct pd_error *err)
{
    struct audit *a = arg;
    struct copy *copy = find_copy(a, result->copy_id);

    if (copy) {
        account(a, copy, result);
    }
    return a->options->on_result ? a->options->on_result(a->options->arg, result, err) : PD_OK;
}

static void add_up(struct pd_audit_summary *summary, const struct pd_check_summary *round)
{
    struct pd_check_summary *sum = &summary->check;

    sum->copies += round->copies;
    sum->good += round->good;
    sum->bad += round->bad;
    sum->unreachable += round->unreachable;
    sum->left += round->left;
    sum->bytes += round->bytes;
    sum->files_lost += round->files_lost;
    summary->status = round->status == PD_INTERRUPTED
                          ? PD_INTERRUPTED
                          : pd_status_worst(summary->status, round->status);
}

/* *more: something was read or found to be out of reach, so that there may be more to pick. */
static enum pd_status read_back(struct audit *a, const char *const *names, size_t count, bool *more,
                                struct pd_error *err)
{
    const struct pd_check_options options = {.volumes = names,
                                             .volume_count = count,
                                             .wanted = is_wanted,
                                             .may_begin = may_begin,
                                             .choice_arg = a,
                                             .at = a->options->at,
                                             .at_count = a->options->at_count,
                                             .retry = a->options->retry,
                                             .on_result = take_result,
                                             .result_arg = a};
    struct pd_check_summary round;
    enum pd_status status = pd_check_run(a->env, a->catalog, &options, &round, err);

    if (status == PD_OK) {
        add_up(a->summary, &round);
    }
    *more = status == PD_OK && round.copies > 0 && round.status != PD_INTERRUPTED;
    return status;
}

static enum pd_status read_all(struct audit *a, struct pd_error *err)
{
    enum pd_status status = PD_OK;
    bool more = true;

    while (status == PD_OK && more && (status = pd_env_check(a->env, err)) == PD_OK) {
        const char **names = NULL;
        size_t count = 0;

        status = pick(a, &names, &count, err);
        more = status == PD_OK && count > 0 && !a->options->dry_run;
        if (more) {
            status = read_back(a, names, count, &more, err);
        }
        free(names);
    }
    return status;
}

/* ---- what is left ---- */

static enum pd_status take_age(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct audit *a = arg;
    struct pd_audit_summary *s = a->summary;
    int64_t verified = known_time(a, row);

    (void)err;
    if (!is_in_pool(a, row) || !holds_something(row)) {
        return PD_OK;
    }
    s->volumes++;
    s->never += verified == 0;
    if (verified != 0 && (s->oldest == 0 || verified < s->oldest)) {
        s->oldest = verified;
        memcpy(s->oldest_label, row->label, sizeof s->oldest_label);
    }
    return PD_OK;
}

static void release(struct audit *a)
{
    for (size_t i = 0; i < a->place_count; i++) {
        free(a->places[i]);
    }
    free(a->places);
    free(a->volumes);
    free(a->shares);
    free(a->copies);
    free(a->by_id);
}

enum pd_status pd_audit_run(const struct pd_env *env, struct pd_catalog *catalog,
                            const struct pd_audit_options *options,
                            struct pd_audit_summary *summary, struct pd_error *err)
{
    struct audit a = {.env = env,
                      .catalog = catalog,
                      .options = options,
                      .summary = summary,
                      .now = pd_clock_utc(env->clock),
                      .deadline = UINT64_MAX,
                      .bytes_left = options->budget.bytes};
    enum pd_status status;

    memset(summary, 0, sizeof *summary); /* nothing to do is PD_OK */
    if (options->budget.ns != UINT64_MAX) {
        a.deadline = pd_add_sat(pd_clock_monotonic(env->clock), options->budget.ns);
    }
    status = load(&a, err);
    if (status == PD_OK) {
        status = read_all(&a, err);
    }
    if (status == PD_OK) {
        a.now = pd_clock_utc(env->clock);
        status = pd_catalog_volumes(catalog, take_age, &a, err);
    }
    if (status != PD_OK) {
        summary->status = status;
    }
    release(&a);
    return status;
}
