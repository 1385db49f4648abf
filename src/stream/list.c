#include "pairdump/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/size.h"

enum { WRITE_BUFFER = 262144 };

/* As it lies in the spool, followed by path_len bytes and a NUL. Native byte order: the spool never
 * leaves the machine. Another layout needs another PD_LIST_LAYOUT. */
struct spooled {
    struct pd_item item; /* path is meaningless */
};

struct pd_list {
    int fd;
    uint64_t size;    /* bytes of items, those in the buffer included */
    uint64_t flushed; /* bytes in the file */
    char *buffer;
    bool broken; /* a write failed: what the spool holds is not known */
    struct pd_list_totals totals;
};

/* Takes fd over; fd < 0: errno says why there is none. */
static enum pd_status make(int fd, const char *place, struct pd_list **out, struct pd_error *err)
{
    int saved = errno;
    struct pd_list *list = calloc(1, sizeof *list);

    if (!list || !(list->buffer = malloc(WRITE_BUFFER))) {
        free(list);
        if (fd >= 0) {
            close(fd);
        }
        return pd_error_memory(err, "list of files");
    }
    list->fd = fd;
    if (fd < 0) {
        pd_list_free(list);
        return pd_error_set(err, pd_status_from_errno(saved), saved,
                            "cannot make or open the list of files %s", place);
    }
    *out = list;
    return PD_OK;
}

enum pd_status pd_list_new(const char *dir, struct pd_list **out, struct pd_error *err)
{
    char path[4096];
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
        snprintf(path, sizeof path, "%s/list.XXXXXX", dir);
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0) {
            unlink(path);
        }
    }
    return make(fd, dir, out, err);
}

enum pd_status pd_list_create(const char *path, struct pd_list **out, struct pd_error *err)
{
    return make(open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600), path, out, err);
}

enum pd_status pd_list_open(const char *path, uint64_t size, const struct pd_list_totals *totals,
                            struct pd_list **out, struct pd_error *err)
{
    struct stat st = {0};
    enum pd_status status = make(open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), path, out, err);

    if (status != PD_OK) {
        return status;
    }
    if (fstat((*out)->fd, &st) != 0 || (uint64_t)st.st_size != size) {
        pd_list_free(*out);
        *out = NULL;
        return pd_error_set(err, PD_BAD_FORMAT, 0, "the list of files %s is not whole", path);
    }
    (*out)->size = (*out)->flushed = size;
    (*out)->totals = *totals;
    return PD_OK;
}

void pd_list_free(struct pd_list *list)
{
    if (list) {
        if (list->fd >= 0) {
            close(list->fd);
        }
        free(list->buffer);
        free(list);
    }
}

static enum pd_status flush(struct pd_list *list, struct pd_error *err)
{
    const char *at = list->buffer;

    if (list->broken) {
        return pd_error_set(err, PD_IO, 0, "the list of files could not be written before");
    }
    while (list->flushed < list->size) {
        ssize_t n = pwrite(list->fd, at, (size_t)(list->size - list->flushed),
                           (off_t)list->flushed);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            list->broken = true;
            return pd_error_set(err, n < 0 ? pd_status_from_errno(errno) : PD_IO, n < 0 ? errno : 0,
                                "cannot write the list of files; the state folder needs space");
        }
        list->flushed += (uint64_t)n;
        at += n;
    }
    return PD_OK;
}

enum pd_status pd_list_keep(struct pd_list *list, uint64_t *size, struct pd_error *err)
{
    enum pd_status status = flush(list, err);

    if (status == PD_OK && fdatasync(list->fd) != 0) {
        status = pd_error_set(err, pd_status_from_errno(errno), errno,
                              "cannot write the list of files; the state folder needs space");
    }
    *size = list->size;
    return status;
}

static enum pd_status put(struct pd_list *list, const void *bytes, size_t len,
                          struct pd_error *err)
{
    const char *from = bytes;
    enum pd_status status = PD_OK;

    while (len > 0 && status == PD_OK) {
        size_t used = (size_t)(list->size - list->flushed);
        size_t n = WRITE_BUFFER - used < len ? WRITE_BUFFER - used : len;
        memcpy(list->buffer + used, from, n);
        list->size += n;
        from += n;
        len -= n;
        if (used + n == WRITE_BUFFER) {
            status = flush(list, err);
        }
    }
    return status;
}

enum pd_status pd_list_add(struct pd_list *list, const struct pd_item *item, struct pd_error *err)
{
    struct spooled head;
    struct pd_list_totals *totals = &list->totals;
    enum pd_status status;

    memset(&head, 0, sizeof head);
    head.item = *item;
    head.item.path = NULL;
    status = list->broken ? flush(list, err) : put(list, &head, sizeof head, err);
    if (status == PD_OK) {
        status = put(list, item->path, item->path_len + 1, err);
    }
    if (status != PD_OK) {
        return status;
    }
    totals->items++;
    if (item->kind == PD_KIND_FILE) {
        totals->files++;
        totals->bytes = pd_add_sat(totals->bytes, item->stored);
        if (item->stored > totals->largest) {
            totals->largest = item->stored;
            snprintf(totals->largest_path, sizeof totals->largest_path, "%s", item->path);
        }
    }
    totals->archive_bytes = pd_add_sat(totals->archive_bytes, pd_item_archive_bytes(item));
    return PD_OK;
}

const struct pd_list_totals *pd_list_totals(const struct pd_list *list)
{
    return &list->totals;
}

enum pd_status pd_scan(const struct pd_env *env, struct pd_source *source, pd_keep_fn keep,
                       void *keep_arg, struct pd_list *list, struct pd_error *err)
{
    struct pd_item item;
    enum pd_status status;

    while ((status = pd_env_check(env, err)) == PD_OK &&
           (status = pd_source_next(source, &item, err)) == PD_OK) {
        bool kept = true;
        if (keep) {
            status = keep(keep_arg, &item, &kept, err);
        }
        if (status == PD_OK && kept) {
            status = pd_list_add(list, &item, err);
            atomic_fetch_add(&env->progress->files_total, 1);
            atomic_fetch_add(&env->progress->bytes_total, item.stored);
        }
        if (status != PD_OK) {
            return status;
        }
    }
    if (status == PD_END_OF_DATA) {
        pd_error_clear(err);
        status = PD_OK;
    }
    return status;
}

uint64_t pd_item_archive_bytes(const struct pd_item *item)
{
    /* ustar header, pax header with its own, path in the pax header, manifest line, index line */
    uint64_t fixed = 512 + 512 + 1024 + pd_round_up(item->path_len, 512) + 66 + item->path_len;

    return pd_add_sat(fixed, pd_round_up(item->kind == PD_KIND_FILE ? item->stored : 0, 512));
}

/* ---- batches ---- */

enum { PATHS_MAX = 8 << 20 };

struct window {
    char bytes[262144];
    uint64_t start;
    size_t len;
};

static enum pd_status fetch(struct pd_list *list, struct window *window, uint64_t at, void *out,
                            size_t len, struct pd_error *err)
{
    char *to = out;

    while (len > 0) {
        if (at >= window->start && at < window->start + window->len) {
            size_t skip = (size_t)(at - window->start);
            size_t n = window->len - skip < len ? window->len - skip : len;
            memcpy(to, window->bytes + skip, n);
            to += n;
            at += n;
            len -= n;
            continue;
        }
        ssize_t got = pread(list->fd, window->bytes, sizeof window->bytes, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return pd_error_set(err, PD_IO, got < 0 ? errno : 0,
                                "cannot read the list of files back");
        }
        window->start = at;
        window->len = (size_t)got;
    }
    return PD_OK;
}

void pd_batch_init(struct pd_batch *batch)
{
    memset(batch, 0, sizeof *batch);
}

void pd_batch_release(struct pd_batch *batch)
{
    free(batch->items);
    free(batch->arena);
    memset(batch, 0, sizeof *batch);
}

/* Room for one more item and its path; paths are offsets until the batch is complete. */
static enum pd_status make_room(struct pd_batch *batch, size_t path_size, struct pd_error *err)
{
    if (batch->count == batch->item_cap) {
        size_t cap = batch->item_cap ? batch->item_cap * 2 : 1024;
        struct pd_item *items = realloc(batch->items, cap * sizeof *items);
        if (!items) {
            return pd_error_memory(err, "batch");
        }
        batch->items = items;
        batch->item_cap = cap;
    }
    if (batch->arena_cap - batch->arena_len < path_size) {
        size_t cap = batch->arena_cap * 2 + path_size + 65536;
        char *arena = realloc(batch->arena, cap);
        if (!arena) {
            return pd_error_memory(err, "batch");
        }
        batch->arena = arena;
        batch->arena_cap = cap;
    }
    return PD_OK;
}

static bool fits(const struct pd_batch *batch, const struct pd_batch_limits *limits,
                 const struct pd_item *item)
{
    uint64_t data = item->kind == PD_KIND_FILE ? item->stored : 0;
    uint64_t bytes = pd_add_sat(batch->bytes, data);
    uint64_t archive = pd_add_sat(batch->archive_bytes, pd_item_archive_bytes(item));

    return batch->count == 0 ||
           (bytes <= limits->bytes && batch->count < limits->files &&
            batch->arena_len + item->path_len < PATHS_MAX &&
            (limits->volume == 0 || archive <= limits->volume));
}

enum pd_status pd_batch_next(struct pd_list *list, uint64_t *cursor,
                             const struct pd_batch_limits *limits, struct pd_batch *batch,
                             struct pd_error *err)
{
    struct window *window = malloc(sizeof *window);
    enum pd_status status = window ? flush(list, err) : pd_error_memory(err, "batch");

    if (window) {
        window->start = 0;
        window->len = 0;
    }
    batch->seq++;
    batch->count = 0;
    batch->bytes = 0;
    batch->archive_bytes = 0;
    batch->arena_len = 0;
    while (status == PD_OK && *cursor < list->size) {
        struct spooled head;
        status = fetch(list, window, *cursor, &head, sizeof head, err);
        if (status != PD_OK || !fits(batch, limits, &head.item)) {
            break;
        }
        size_t size = head.item.path_len + 1;
        status = make_room(batch, size, err);
        if (status == PD_OK) {
            status = fetch(list, window, *cursor + sizeof head, batch->arena + batch->arena_len,
                           size, err);
        }
        if (status == PD_OK) {
            batch->items[batch->count++] = head.item;
            batch->arena_len += size;
            batch->bytes = pd_add_sat(batch->bytes,
                                      head.item.kind == PD_KIND_FILE ? head.item.stored : 0);
            batch->archive_bytes =
                pd_add_sat(batch->archive_bytes, pd_item_archive_bytes(&head.item));
            *cursor += sizeof head + size;
        }
    }
    const char *path = batch->arena;
    for (size_t i = 0; i < batch->count; i++) {
        batch->items[i].path = path;
        path += batch->items[i].path_len + 1;
    }
    free(window);
    return status;
}
