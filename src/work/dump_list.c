#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dump_priv.h"
#include "pairdump/folder.h"

/* Files that this run writes to. They change while they are read, and closing the catalog's after
 * reading would drop the locks on it (fcntl(2)). */
enum { OWN_MAX = 6 };
struct own {
    struct pd_dumping *d;
    struct {
        dev_t dev;
        ino_t ino;
    } files[OWN_MAX];
    size_t count;
};

static void add_own(struct own *own, const char *path, const char *suffix)
{
    struct pd_buf name = PD_BUF_INIT;
    struct stat st;

    if (path && own->count < OWN_MAX && pd_buf_printf(&name, "%s%s", path, suffix) == PD_OK &&
        stat(name.data, &st) == 0) {
        own->files[own->count].dev = st.st_dev;
        own->files[own->count++].ino = st.st_ino;
    }
    pd_buf_free(&name);
}

static void find_own(struct pd_dumping *d, struct own *own)
{
    const char *catalog = pd_catalog_path(d->catalog);

    memset(own, 0, sizeof *own);
    own->d = d;
    add_own(own, catalog, "");
    add_own(own, catalog, "-wal");
    add_own(own, catalog, "-shm");
    add_own(own, d->book.dir, "/journal");
    add_own(own, d->book.dir, "/list");
    add_own(own, d->book.dir, "/index");
}

static bool is_own(const struct own *own, const struct pd_item *item)
{
    bool is = false;

    for (size_t i = 0; i < own->count && item->kind == PD_KIND_FILE; i++) {
        is = is || (own->files[i].dev == item->dev && own->files[i].ino == item->ino);
    }
    return is;
}

static enum pd_status keep_new(struct pd_dumping *d, const struct pd_item *item, bool *keep,
                               struct pd_error *err)
{
    const struct pd_held_terms terms = {.copies = (unsigned)pd_dump_copies(d)};
    struct pd_held held = {PD_INTERNAL, 0};
    enum pd_status status = pd_catalog_held(d->catalog, item, &terms, &held, err);

    *keep = status != PD_OK || held.why != PD_OK;
    d->row->skipped += !*keep;
    return status;
}

static enum pd_status keep_item(void *arg, const struct pd_item *item, bool *keep,
                                struct pd_error *err)
{
    const struct own *own = arg;

    *keep = !is_own(own, item);
    if (!*keep) {
        pd_log_line(own->d->env->log, PD_LOG_INFO, "%s is left out: this run writes to it",
                    item->path);
        return PD_OK;
    }
    return own->d->options->incremental ? keep_new(own->d, item, keep, err) : PD_OK;
}

enum pd_status pd_dump_open_source(struct pd_dump_lane *l,
                                   const struct pd_source_path_options *from, struct pd_error *err)
{
    struct pd_source_path_options options = *from;

    options.on_problem = pd_dump_take_problem;
    options.problem_arg = &l->problems;
    return pd_source_path_open(l->d->env, &options, &l->source, err);
}

/* A dry run's list has no name. */
static enum pd_status new_list(struct pd_dumping *d, struct pd_error *err)
{
    char *path = NULL;
    enum pd_status status;

    if (d->options->dry_run) {
        return pd_list_new(d->options->state_dir, &d->list, err);
    }
    status = pd_book_path(&d->book, "list", &path, err);
    if (status == PD_OK && unlink(path) != 0 && errno != ENOENT) { /* of a run that was broken off */
        status = pd_error_set(err, pd_status_from_errno(errno), errno, "cannot remove %s", path);
    }
    if (status == PD_OK) {
        status = pd_list_create(path, &d->list, err);
    }
    if (status == PD_OK) {
        status = pd_folder_sync(d->book.dir, err);
    }
    free(path);
    return status;
}

/* What was listed, or why nothing was. */
static enum pd_status take_totals(struct pd_dumping *d, struct pd_error *err)
{
    const struct pd_list_totals *totals = pd_list_totals(d->list);

    d->summary->source_files = totals->items;
    d->summary->source_bytes = totals->bytes;
    d->summary->archive_bytes = totals->archive_bytes;
    return totals->items == 0 && d->row->skipped == 0
               ? pd_error_set(err, PD_USAGE, 0, "nothing to dump: no path gave a file")
               : PD_OK;
}

enum pd_status pd_dump_list(struct pd_dumping *d, struct pd_error *err)
{
    uint64_t began = pd_clock_monotonic(d->env->clock);
    struct pd_dump_lane *l = &d->lanes[0];
    struct own own;
    enum pd_status status;

    atomic_store(&d->env->progress->phase, PD_PHASE_LIST);
    status = new_list(d, err);
    if (status == PD_OK) {
        find_own(d, &own);
        status = pd_scan(d->env, l->source, keep_item, &own, d->list, err);
    }
    if (status == PD_OK && !d->options->dry_run) {
        status = pd_book_listed(&d->book, d->list, d->row->skipped, &l->problems, err);
    }
    if (status == PD_OK) {
        status = pd_dump_tell_problems(d, &l->problems, err);
    }
    pd_dump_forget_problems(&l->problems);
    if (status == PD_OK) {
        status = take_totals(d, err);
    }
    d->summary->list_ns = pd_clock_monotonic(d->env->clock) - began;
    return status;
}
