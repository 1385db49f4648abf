#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "catalog_priv.h"
#include "pairdump/claim.h"
#include "pairdump/process.h"
#include "pairdump/text.h"

#define RUN_COLUMNS "r.id, r.host, r.pid, r.process, r.what, r.started, r.heartbeat"
enum { OWNER_TEXT = 640, NAME_SHOWN = 200 };

/* What became of a run, as far as it can be told from here. */
enum fate { RUNS, MAY_RUN, ENDED, SILENT };

const char *pd_claim_kind_name(enum pd_claim_kind kind)
{
    static const char *const names[] = {"dump", "volume", "drive", "source"};

    return (unsigned)kind < sizeof names / sizeof names[0] ? names[kind] : "?";
}

/* ---- runs ---- */

static void read_run(struct pd_sql_stmt *stmt, unsigned at, struct pd_run_row *run)
{
    memset(run, 0, sizeof *run);
    run->id = pd_sql_int(stmt, at);
    pd_cat_text(stmt, at + 1, run->host, sizeof run->host);
    run->pid = pd_sql_int(stmt, at + 2);
    pd_cat_text(stmt, at + 3, run->process, sizeof run->process);
    pd_cat_text(stmt, at + 4, run->what, sizeof run->what);
    run->started = pd_sql_int(stmt, at + 5);
    run->heartbeat = pd_sql_int(stmt, at + 6);
}

static enum pd_status own_host(char out[256], struct pd_error *err)
{
    memset(out, 0, 256);
    return gethostname(out, 255) == 0
               ? PD_OK
               : pd_error_set(err, PD_INTERNAL, errno, "this host has no name");
}

static enum fate fate_of(const struct pd_env *env, const struct pd_run_row *run, int64_t limit_ns)
{
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_process_state seen = PD_PROCESS_ELSEWHERE;
    char host[256];

    if (own_host(host, &ignored) == PD_OK && strcmp(host, run->host) == 0) {
        seen = pd_process_look(run->pid, run->process);
    }
    if (seen != PD_PROCESS_ELSEWHERE) {
        return seen == PD_PROCESS_RUNS ? RUNS : ENDED;
    }
    return run->heartbeat < pd_clock_utc(env->clock) - limit_ns ? SILENT : MAY_RUN;
}

static bool is_gone(enum fate fate)
{
    return fate == ENDED || fate == SILENT;
}

bool pd_run_is_gone(const struct pd_env *env, const struct pd_run_row *run, int64_t limit_ns)
{
    return is_gone(fate_of(env, run, limit_ns));
}

/* Runs and claims are changed by one transaction at a time: each begins by changing this row. */
static enum pd_status take_turn(struct pd_catalog *catalog, struct pd_error *err)
{
    return pd_cat_run(catalog, err, "UPDATE schema_version SET version = version", "");
}

static enum pd_status add_run(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct pd_run_row *r = arg;
    enum pd_status status = take_turn(catalog, err);

    if (status == PD_OK && catalog->unsure) {
        status = pd_cat_run(catalog, err,
                            "DELETE FROM run WHERE host = ? AND pid = ? AND process = ?"
                            " AND what = ? AND started = ?",
                            "sissi", r->host, r->pid, r->process, r->what, r->started);
    }
    if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "INSERT INTO run (host, pid, process, what, started, heartbeat, taken)"
                            " VALUES (?,?,?,?,?,?,0)",
                            "sissii", r->host, r->pid, r->process, r->what, r->started,
                            r->heartbeat);
    }
    r->id = status == PD_OK ? pd_sql_last_id(catalog->sql) : 0;
    return status;
}

enum pd_status pd_catalog_run_add(struct pd_catalog *catalog, const char *what,
                                  struct pd_run_row *out, struct pd_error *err)
{
    enum pd_status status;

    memset(out, 0, sizeof *out);
    status = own_host(out->host, err);
    if (status != PD_OK) {
        return status;
    }
    out->pid = getpid();
    pd_process_self(out->process);
    snprintf(out->what, sizeof out->what, "%s", what);
    out->started = out->heartbeat = pd_clock_utc(catalog->env->clock);
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, add_run, out, err);
}

static enum pd_status run_is_lost(struct pd_error *err)
{
    return pd_error_set(err, PD_BUSY, 0,
                        "this run was taken for gone, and another took over what it had claimed");
}

static enum pd_status beat(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    int64_t id = *(const int64_t *)arg;
    enum pd_status status = take_turn(catalog, err);

    if (status == PD_OK) {
        status = pd_cat_run(catalog, err, "UPDATE run SET heartbeat = ? WHERE id = ? AND taken = 0",
                            "ii", pd_clock_utc(catalog->env->clock), id);
    }
    return status == PD_OK && pd_sql_changes(catalog->sql) != 1 ? run_is_lost(err) : status;
}

enum pd_status pd_catalog_run_beat(struct pd_catalog *catalog, int64_t run_id, struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, beat, &run_id, err);
}

static enum pd_status forget_run(struct pd_catalog *catalog, int64_t id, struct pd_error *err)
{
    static const char *const statements[] = {
        "DELETE FROM claim WHERE run_id = ?",
        "UPDATE claim SET taken_from = 0 WHERE taken_from = ?",
        "DELETE FROM run WHERE id = ?",
    };
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < sizeof statements / sizeof statements[0] && status == PD_OK; i++) {
        status = pd_cat_run(catalog, err, statements[i], "i", id);
    }
    return status;
}

/* ---- what collides ---- */

/* A claim in the catalog that is in the way of one that is asked for, or is that one already. */
struct held {
    int64_t id, taken_from, via;
    bool equal; /* the very same name */
    struct pd_run_row run;
};

struct held_list {
    struct held *items;
    size_t count;
};

/* One path is the other, or lies below it. */
static bool paths_meet(const char *a, size_t a_len, const char *b, size_t b_len)
{
    const char *longer = a_len > b_len ? a : b;
    size_t len = a_len > b_len ? b_len : a_len;

    return memcmp(a, b, len) == 0 &&
           (a_len == b_len || (len > 0 && longer[len - 1] == '/') || longer[len] == '/');
}

static enum pd_status add_held(struct pd_sql_stmt *stmt, const struct pd_claim *claim,
                               struct held_list *list, struct pd_error *err)
{
    size_t want = strlen(claim->name), len = 0;
    const char *name = pd_sql_bytes(stmt, 1, &len);
    struct held held = {.equal = len == want && memcmp(name, claim->name, len) == 0};

    if (!held.equal &&
        (claim->kind != PD_CLAIM_SOURCE || !paths_meet(name, len, claim->name, want))) {
        return PD_OK;
    }
    held.id = pd_sql_int(stmt, 0);
    held.taken_from = pd_sql_int(stmt, 2);
    held.via = pd_sql_int(stmt, 3);
    read_run(stmt, 4, &held.run);
    struct held *grown = realloc(list->items, (list->count + 1) * sizeof *grown);
    if (!grown) {
        return pd_error_memory(err, "claims");
    }
    list->items = grown;
    list->items[list->count++] = held;
    return PD_OK;
}

/* What all hosts know by one name is of no host. */
static const char *host_of(const struct pd_claim *claim, const char *own)
{
    return claim->kind == PD_CLAIM_DUMP || claim->kind == PD_CLAIM_VOLUME ? "" : own;
}

static enum pd_status collect(struct pd_catalog *catalog, const struct pd_claim *claim,
                              const char *host, struct held_list *list, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    bool more = true;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT c.id, c.name, c.taken_from, c.via, " RUN_COLUMNS
                     " FROM claim c JOIN run r ON r.id = c.run_id"
                     " WHERE c.kind = ? AND c.host = ? ORDER BY c.id",
                     "ss", pd_claim_kind_name(claim->kind), host_of(claim, host));

    while (status == PD_OK && (status = pd_sql_step(stmt, &more, err)) == PD_OK && more) {
        status = add_held(stmt, claim, list, err);
    }
    pd_sql_reset(stmt);
    return status;
}

/* ---- claiming ---- */

struct claiming {
    int64_t run_id;
    struct pd_claim *claims;
    size_t count;
    int64_t limit_ns;
    char host[256];
    struct pd_buf lines; /* for the log once it is committed, each with its NUL */
    bool stale;          /* they are of a try before */
};

/* "dump x" (host h, process 1, since 2026-11-20T22:26:00Z) */
static void describe(const struct pd_run_row *run, char out[OWNER_TEXT])
{
    char since[32];

    pd_time_format(run->started, since, sizeof since);
    snprintf(out, OWNER_TEXT, "\"%s\" (host %s, process %" PRId64 ", since %s)", run->what,
             run->host, run->pid, since);
}

static enum pd_status is_busy(const struct pd_claim *claim, const struct pd_run_row *run,
                              enum fate fate, struct pd_error *err)
{
    char owner[OWNER_TEXT];

    describe(run, owner);
    return pd_error_set(err, PD_BUSY, 0, "%s %.*s is claimed by %s; wait until that has ended%s",
                        pd_claim_kind_name(claim->kind), NAME_SHOWN, claim->name, owner,
                        fate == MAY_RUN ? ", or, if it was killed, for as long as claim-limit says"
                                        : "");
}

/* The line is logged when the transaction is committed. */
static enum pd_status note_taken(struct claiming *cl, const struct pd_claim *claim,
                                 const struct pd_run_row *run, enum fate fate,
                                 struct pd_error *err)
{
    char owner[OWNER_TEXT], beat_time[32];
    enum pd_status status;

    if (cl->stale) {
        pd_buf_clear(&cl->lines);
        cl->stale = false;
    }
    describe(run, owner);
    pd_time_format(run->heartbeat, beat_time, sizeof beat_time);
    status = pd_buf_printf(&cl->lines, "taking over %s %s from %s: %s%s",
                           pd_claim_kind_name(claim->kind), claim->name, owner,
                           fate == ENDED ? "its process no longer runs"
                                         : "it gave no sign of life since ",
                           fate == ENDED ? "" : beat_time);
    if (status == PD_OK) {
        status = pd_buf_append(&cl->lines, "", 1);
    }
    return status == PD_OK ? PD_OK : pd_error_memory(err, "claims");
}

/* All that is in the way must be of runs that are gone. *own: the claim, if there is one of that
 * name. */
static enum pd_status judge(struct pd_catalog *catalog, struct claiming *cl, struct pd_claim *claim,
                            const struct held_list *list, int64_t *own, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < list->count && status == PD_OK; i++) {
        const struct held *held = &list->items[i];
        enum fate fate = fate_of(catalog->env, &held->run, cl->limit_ns);
        if (held->run.id == cl->run_id) {
            *own = held->equal ? held->id : *own;
            claim->taken_from = held->equal && held->taken_from ? held->taken_from
                                                                : claim->taken_from;
        } else if (is_gone(fate)) {
            *own = held->equal ? held->id : *own;
            claim->taken_from = held->run.id;
            status = note_taken(cl, claim, &held->run, fate, err);
        } else {
            status = is_busy(claim, &held->run, fate, err);
        }
    }
    return status;
}

/* Whoever takes over a dump is the heir of its run: what that had claimed for it goes along. */
static enum pd_status take(struct pd_catalog *catalog, const struct claiming *cl,
                           const struct held *held, int64_t own, bool heir, struct pd_error *err)
{
    enum pd_status status =
        pd_cat_run(catalog, err,
                   "UPDATE claim SET run_id = ?, taken_from = ?, via = ? WHERE id = ?",
                   "iiii", cl->run_id, held->run.id, held->equal ? (int64_t)0 : own, held->id);

    if (status == PD_OK && heir) {
        status = pd_cat_run(catalog, err,
                            "UPDATE claim SET run_id = ?, taken_from = ?, via = 0 WHERE run_id = ?",
                            "iii", cl->run_id, held->run.id, held->run.id);
    }

    if (status == PD_OK) {
        status = pd_cat_run(catalog, err, "UPDATE claim SET via = 0 WHERE via = ?", "i", held->id);
    }
    if (status == PD_OK) {
        status = pd_cat_run(catalog, err, "UPDATE run SET taken = 1 WHERE id = ?", "i",
                            held->run.id);
    }
    return status;
}

static enum pd_status claim_one(struct pd_catalog *catalog, struct claiming *cl,
                                struct pd_claim *claim, struct pd_error *err)
{
    struct held_list list = {NULL, 0};
    int64_t own = 0;
    enum pd_status status = collect(catalog, claim, cl->host, &list, err);

    if (status == PD_OK) {
        status = judge(catalog, cl, claim, &list, &own, err);
    }
    if (status == PD_OK && own != 0) {
        status = pd_cat_run(catalog, err, "UPDATE claim SET via = 0 WHERE id = ?", "i", own);
    } else if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "INSERT INTO claim (run_id, kind, host, name, taken_from, via)"
                            " VALUES (?,?,?,?,0,0)",
                            "issb", cl->run_id, pd_claim_kind_name(claim->kind),
                            host_of(claim, cl->host), claim->name, strlen(claim->name));
        own = status == PD_OK ? pd_sql_last_id(catalog->sql) : 0;
    }
    for (size_t i = 0; i < list.count && status == PD_OK; i++) {
        if (list.items[i].run.id != cl->run_id) {
            status = take(catalog, cl, &list.items[i], own, claim->kind == PD_CLAIM_DUMP, err);
        }
    }
    free(list.items);
    return status;
}

/* The first run after that one that is gone, has nothing but dumps that are done or never came to be,
 * and left nothing to others; 0: none. */
static enum pd_status next_idle(struct pd_catalog *catalog, const struct claiming *cl,
                                int64_t after, int64_t *id, struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    struct pd_run_row run;
    bool more = true;
    enum pd_status status =
        pd_cat_query(catalog, &stmt, err,
                     "SELECT " RUN_COLUMNS " FROM run r WHERE r.id > ? AND r.id <> ?"
                     " AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.run_id = r.id"
                     " AND (c.kind <> 'dump' OR EXISTS (SELECT 1 FROM dump d"
                     " WHERE d.uuid = CAST(c.name AS CHAR) AND d.state <> 'done')))"
                     " AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.taken_from = r.id)"
                     " ORDER BY r.id",
                     "ii", after, cl->run_id);

    *id = 0;
    while (status == PD_OK && *id == 0 && (status = pd_sql_step(stmt, &more, err)) == PD_OK &&
           more) {
        read_run(stmt, 0, &run);
        *id = pd_run_is_gone(catalog->env, &run, cl->limit_ns) ? run.id : 0;
    }
    pd_sql_reset(stmt);
    return status;
}

static enum pd_status forget_idle(struct pd_catalog *catalog, const struct claiming *cl,
                                  struct pd_error *err)
{
    int64_t id = 0;
    enum pd_status status = next_idle(catalog, cl, 0, &id, err);

    while (status == PD_OK && id != 0) {
        status = forget_run(catalog, id, err);
        if (status == PD_OK) {
            status = next_idle(catalog, cl, id, &id, err);
        }
    }
    return status;
}

static enum pd_status expect_own_run(struct pd_catalog *catalog, int64_t run_id,
                                     struct pd_error *err)
{
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = pd_cat_query(
        catalog, &stmt, err, "SELECT id FROM run WHERE id = ? AND taken = 0", "i", run_id);

    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    return status == PD_OK && id == 0 ? run_is_lost(err) : status;
}

static void forget_taken(struct claiming *cl)
{
    for (size_t i = 0; i < cl->count; i++) {
        cl->claims[i].taken_from = 0;
    }
}

/* When a try before was committed after all, the run has its claims already, and what they were
 * taken from is known from that try. */
static enum pd_status claim_all(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    struct claiming *cl = arg;
    enum pd_status status = take_turn(catalog, err);

    cl->stale = true;
    if (!catalog->unsure) {
        pd_buf_clear(&cl->lines);
        forget_taken(cl);
    }
    if (status == PD_OK) {
        status = expect_own_run(catalog, cl->run_id, err);
    }
    for (size_t i = 0; i < cl->count && status == PD_OK; i++) {
        status = claim_one(catalog, cl, &cl->claims[i], err);
    }
    return status == PD_OK ? forget_idle(catalog, cl, err) : status;
}

enum pd_status pd_catalog_claim(struct pd_catalog *catalog, int64_t run_id, struct pd_claim *claims,
                                size_t count, int64_t limit_ns, struct pd_error *err)
{
    struct claiming cl = {.run_id = run_id, .claims = claims, .count = count,
                          .limit_ns = limit_ns};
    enum pd_status status = own_host(cl.host, err);

    if (status == PD_OK) {
        status = pd_cat_transaction(catalog, PD_CAT_REPEAT, claim_all, &cl, err);
    }
    for (size_t at = 0; status == PD_OK && at < cl.lines.len;
         at += strlen(cl.lines.data + at) + 1) {
        pd_log_line(catalog->env->log, PD_LOG_WARN, "%s", cl.lines.data + at);
    }
    if (status != PD_OK) {
        forget_taken(&cl);
    }
    pd_buf_free(&cl.lines);
    return status;
}

/* ---- letting go ---- */

/* Those that ended before and were waiting for it, too. */
static enum pd_status remove_run(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    int64_t id = *(const int64_t *)arg;
    const struct claiming cl = {.run_id = id, .limit_ns = INT64_MAX};
    enum pd_status status = take_turn(catalog, err);

    if (status == PD_OK) {
        status = forget_run(catalog, id, err);
    }
    return status == PD_OK ? forget_idle(catalog, &cl, err) : status;
}

enum pd_status pd_catalog_run_remove(struct pd_catalog *catalog, int64_t run_id,
                                     struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, remove_run, &run_id, err);
}

/* What it took over is not settled: others are to see that it was left. */
static enum pd_status return_run(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    int64_t id = *(const int64_t *)arg;
    enum pd_status status = take_turn(catalog, err);

    if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "UPDATE claim SET run_id = taken_from, taken_from = 0, via = 0"
                            " WHERE run_id = ? AND taken_from <> 0",
                            "i", id);
    }
    return status == PD_OK ? remove_run(catalog, arg, err) : status;
}

enum pd_status pd_catalog_run_return(struct pd_catalog *catalog, int64_t run_id,
                                     struct pd_error *err)
{
    return pd_cat_transaction(catalog, PD_CAT_REPEAT, return_run, &run_id, err);
}

struct letting_go {
    int64_t run_id;
    const struct pd_claim *claim;
    char host[256];
};

/* What was taken for its sake goes where it came from, too. */
static enum pd_status unclaim(struct pd_catalog *catalog, void *arg, struct pd_error *err)
{
    const struct letting_go *go = arg;
    const struct pd_claim *claim = go->claim;
    struct pd_sql_stmt *stmt = NULL;
    int64_t id = 0;
    enum pd_status status = take_turn(catalog, err);

    if (status == PD_OK) {
        status = pd_cat_query(catalog, &stmt, err,
                              "SELECT id FROM claim WHERE run_id = ? AND kind = ? AND host = ?"
                              " AND name = ?",
                              "issb", go->run_id, pd_claim_kind_name(claim->kind),
                              host_of(claim, go->host), claim->name, strlen(claim->name));
    }
    if (status == PD_OK) {
        status = pd_cat_number(stmt, &id, err);
    }
    if (status != PD_OK || id == 0) {
        return status;
    }
    status = pd_cat_run(catalog, err,
                        "DELETE FROM claim WHERE (id = ? OR via = ?) AND taken_from = 0", "ii", id,
                        id);
    if (status == PD_OK) {
        status = pd_cat_run(catalog, err,
                            "UPDATE claim SET run_id = taken_from, taken_from = 0, via = 0"
                            " WHERE id = ? OR via = ?",
                            "ii", id, id);
    }
    return status;
}

enum pd_status pd_catalog_unclaim(struct pd_catalog *catalog, int64_t run_id,
                                  const struct pd_claim *claim, struct pd_error *err)
{
    struct letting_go go = {.run_id = run_id, .claim = claim};
    enum pd_status status = own_host(go.host, err);

    return status == PD_OK ? pd_cat_transaction(catalog, PD_CAT_REPEAT, unclaim, &go, err) : status;
}

enum pd_status pd_catalog_claim_owner(struct pd_catalog *catalog, enum pd_claim_kind kind,
                                      const char *name, struct pd_run_row *out, bool *found,
                                      struct pd_error *err)
{
    const struct pd_claim claim = {.kind = kind, .name = name};
    struct held_list list = {NULL, 0};
    char host[256];
    enum pd_status status = own_host(host, err);

    if (status == PD_OK) {
        status = collect(catalog, &claim, host, &list, err);
    }
    *found = status == PD_OK && list.count > 0;
    if (*found) {
        *out = list.items[0].run;
    }
    free(list.items);
    return status;
}
