/*
 * catalog_bench: what a catalog of many files costs.
 *   catalog_bench [FILES [URL]]    FILES: 1000000; URL: SQLite in a temporary folder in BENCH_DIR
 * Paths have about 80 bytes and lie in folders of 100, archives have 25,000 files. Each archive is
 * one transaction. Searches open the catalog anew each time, as the program does, and come right after
 * the files: no statistics were made. Safe asks for whole folders here and there, as a walk would.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pairdump/catalog.h"
#include "pairdump/size.h"

enum { PER_ARCHIVE = 25000, PER_FOLDER = 100, RECORD = 1 << 20, SEARCHES = 200, GLOBS = 50,
       SAFE = 100000, SAFE_RUNS = 5, AT_ONCE = 500 };

struct bench {
    struct pd_env env;
    struct pd_catalog *catalog;
    struct pd_rng *rng;
    struct pd_error err;
    const char *url;
    uint64_t files;
    int64_t dump, volumes[2];
    uint32_t archives;
};

static double seconds(uint64_t from)
{
    return (double)(pd_clock_monotonic(pd_clock_real()) - from) / 1e9;
}

static void path_of(uint64_t no, char *out, size_t size)
{
    uint64_t folder = no / PER_FOLDER;

    (void)snprintf(out, size,
                   "/srv/archive/projects/institute-00-%02d/year-%04d/run-%06d/samples/s%08d.dat",
                   (int)(folder / 5000 % 100), (int)(1990 + folder / 500 % 40),
                   (int)(folder % 1000000), (int)no);
}

static enum pd_status add_files(struct bench *b, struct pd_toc *toc, uint64_t first,
                                uint64_t count)
{
    enum pd_status status = PD_OK;
    char path[160];

    for (uint64_t i = 0; i < count && status == PD_OK; i++) {
        struct pd_toc_file file = {.path = path, .kind = PD_KIND_FILE, .state = PD_WHOLE,
                                   .has_digest = true, .mode = 0644, .uid = 1000, .gid = 1000,
                                   .mtime = 1700000000 + (int64_t)i, .mtime_ns = 123456789,
                                   .ctime = 1700000000 + (int64_t)i, .ctime_ns = 987654321,
                                   .ino = first + i + 1000, .size = 40000, .offset = i * 41472,
                                   .length = 41472};
        path_of(first + i, path, sizeof path);
        for (size_t at = 0; at < PD_SHA256_LEN; at += sizeof(uint64_t)) {
            uint64_t random = pd_rng_next(b->rng);
            memcpy(file.digest + at, &random, sizeof random);
        }
        status = pd_toc_add_file(toc, &file, NULL, &b->err);
    }
    for (uint64_t i = 0; i <= count * 41472 / RECORD && status == PD_OK; i++) {
        status = pd_toc_add_record(toc, pd_record_digest(&i, sizeof i), &b->err);
    }
    return status;
}

/* One archive on both volumes; *spent grows by the time that the catalog took. */
static enum pd_status write_archive(struct bench *b, uint64_t first, uint64_t count,
                                    double *spent)
{
    struct pd_archive_row archive = {.dump_id = b->dump, .seq = ++b->archives,
                                     .record_size = RECORD};
    struct pd_copy_row copies[2] = {
        {.volume_id = b->volumes[0], .copy = 1, .tape_file = b->archives},
        {.volume_id = b->volumes[1], .copy = 2, .tape_file = b->archives}};
    struct pd_toc toc;
    enum pd_status status;

    pd_toc_init(&toc);
    (void)snprintf(archive.name, sizeof archive.name, "bench.%d", (int)b->archives);
    (void)snprintf(toc.name, sizeof toc.name, "%s", archive.name);
    toc.record_size = RECORD;
    status = add_files(b, &toc, first, count);
    uint64_t from = pd_clock_monotonic(pd_clock_real());
    if (status == PD_OK) {
        status = pd_catalog_archive_begin(b->catalog, &archive, copies, 2, &b->err);
    }
    copies[0].state = copies[1].state = PD_COPY_WRITTEN;
    if (status == PD_OK) {
        status = pd_catalog_archive_written(b->catalog, archive.id, &toc, copies, 2, &b->err);
    }
    for (size_t i = 0; i < 2 && status == PD_OK; i++) {
        struct pd_verification_row row = {
            .copy_id = copies[i].id, .started = 1, .finished = 2, .mode = "full"};
        status = pd_catalog_verification_add(b->catalog, &row, NULL, 0, &b->err);
    }
    *spent += seconds(from);
    pd_toc_release(&toc);
    return status;
}

static enum pd_status fill(struct bench *b)
{
    struct pd_dump_row dump = {.name = "bench", .uuid = "bench", .state = PD_DUMP_WRITE,
                               .copies = 2};
    double spent = 0, first = 0, last = 0;
    enum pd_status status = pd_catalog_open(&b->env, b->url, true, &b->catalog, &b->err);

    if (status == PD_OK) {
        status = pd_catalog_dump_add(b->catalog, &dump, &b->err);
    }
    b->dump = dump.id;
    for (unsigned i = 0; i < 2 && status == PD_OK; i++) {
        struct pd_volume_row volume = {.copy = i + 1, .tape_files = 1};
        (void)snprintf(volume.label, sizeof volume.label, "BENCH%u", i + 1);
        (void)snprintf(volume.uuid, sizeof volume.uuid, "bench-%u", i + 1);
        status = pd_catalog_volume_add(b->catalog, &volume, &b->err);
        b->volumes[i] = volume.id;
    }
    for (uint64_t at = 0; at < b->files && status == PD_OK; at += PER_ARCHIVE) {
        uint64_t left = b->files - at;
        last = spent;
        status = write_archive(b, at, left < PER_ARCHIVE ? left : PER_ARCHIVE, &spent);
        last = spent - last;
        first = at == 0 ? last : first;
    }
    if (status == PD_OK) {
        printf("insert: %.0f rows/s (%u archives, the first took %.2f s, the last %.2f s)\n",
               (double)b->files / spent, b->archives, first, last);
    }
    pd_catalog_close(b->catalog);
    b->catalog = NULL;
    return status;
}

static enum pd_status count_found(void *arg, const struct pd_found *found, struct pd_error *err)
{
    (void)found;
    (void)err;
    ++*(uint64_t *)arg;
    return PD_OK;
}

/* Open, find, close; *ms gets the time, and wanted rows must come. */
static enum pd_status search(struct bench *b, const char *what, uint64_t wanted, double *ms)
{
    uint64_t found = 0, from = pd_clock_monotonic(pd_clock_real());
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_catalog_open(&b->env, b->url, false, &catalog, &b->err);

    if (status == PD_OK) {
        status = pd_catalog_find(catalog, 0, what, count_found, &found, &b->err);
    }
    pd_catalog_close(catalog);
    *ms = seconds(from) * 1000;
    if (status == PD_OK && found != wanted) {
        status = pd_error_set(&b->err, PD_INTERNAL, 0, "%s gave %d files", what, (int)found);
    }
    return status;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void print_times(const char *what, double *ms, size_t count)
{
    qsort(ms, count, sizeof *ms, by_size);
    printf("%s: median %.2f ms, worst %.2f ms of %zu\n", what, ms[count / 2], ms[count - 1],
           count);
}

static enum pd_status search_paths(struct bench *b)
{
    double ms[SEARCHES];
    char what[160];
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < SEARCHES && status == PD_OK; i++) {
        path_of(pd_rng_below(b->rng, b->files), what, sizeof what);
        status = search(b, what, 1, &ms[i]);
    }
    if (status == PD_OK) {
        print_times("open and find an exact path", ms, SEARCHES);
    }
    return status;
}

static enum pd_status search_globs(struct bench *b)
{
    double ms[GLOBS];
    char what[160];
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < GLOBS && status == PD_OK; i++) {
        path_of(pd_rng_below(b->rng, b->files) / PER_FOLDER * PER_FOLDER, what, sizeof what);
        char *last = strrchr(what, '/');
        (void)snprintf(last, sizeof what - (size_t)(last - what), "/s*7.dat");
        status = search(b, what, PER_FOLDER / 10, &ms[i]);
    }
    if (status == PD_OK) {
        print_times("open and find by a pattern in one folder", ms, GLOBS);
    }
    return status;
}

/* ---- safe ---- */

/* Whole folders that follow each other, their files as add_files has made them. */
static void fill_items(uint64_t first, struct pd_item *items, char (*paths)[160], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int64_t time = 1700000000 + (int64_t)((first + i) % PER_ARCHIVE);
        path_of(first + i, paths[i], sizeof paths[i]);
        items[i] = (struct pd_item){.path = paths[i], .path_len = strlen(paths[i]),
                                    .kind = PD_KIND_FILE, .mtime = time, .mtime_ns = 123456789,
                                    .ctime = time, .ctime_ns = 987654321, .size = 40000,
                                    .ino = first + i + 1000};
    }
}

static enum pd_status ask_safe(struct bench *b, struct pd_catalog *catalog, uint64_t count)
{
    static const enum pd_status wanted = PD_OK;
    char paths[AT_ONCE][160];
    struct pd_item items[AT_ONCE];
    const struct pd_held_terms terms = {.copies = 2, .since = 1, .until = 3};
    struct pd_held held[AT_ONCE];
    enum pd_status status = PD_OK;

    for (uint64_t done = 0; done < count && status == PD_OK; done += AT_ONCE) {
        uint64_t first = pd_rng_below(b->rng, b->files - AT_ONCE + 1) / PER_FOLDER * PER_FOLDER;
        fill_items(first, items, paths, AT_ONCE);
        status = pd_catalog_held_all(catalog, items, AT_ONCE, &terms, held, &b->err);
        for (size_t i = 0; i < AT_ONCE && status == PD_OK; i++) {
            if (held[i].why != wanted) {
                status = pd_error_set(&b->err, PD_INTERNAL, 0, "%s is not safe: %s", paths[i],
                                      pd_status_name(held[i].why));
            }
        }
    }
    return status;
}

static enum pd_status run_safe(struct bench *b)
{
    uint64_t count = b->files < SAFE ? b->files : SAFE;
    double ms[SAFE_RUNS];
    char what[64];
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < SAFE_RUNS && status == PD_OK; i++) {
        struct pd_catalog *catalog = NULL;
        uint64_t from = pd_clock_monotonic(pd_clock_real());
        status = pd_catalog_open(&b->env, b->url, false, &catalog, &b->err);
        if (status == PD_OK) {
            status = ask_safe(b, catalog, count);
        }
        pd_catalog_close(catalog);
        ms[i] = seconds(from) * 1000;
    }
    if (status == PD_OK) {
        (void)snprintf(what, sizeof what, "safe, %d files", (int)count);
        print_times(what, ms, SAFE_RUNS);
    }
    return status;
}

/* ---- everything ---- */

static double peak_mib(void)
{
    struct rusage usage = {0};

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024;
}

static enum pd_status search_everything(struct bench *b)
{
    double ms = 0, before = peak_mib();
    enum pd_status status = search(b, "*", b->files, &ms);

    if (status == PD_OK) {
        printf("find everything: %.1f s, memory grew by %.1f MiB\n", ms / 1000,
               peak_mib() - before);
    }
    return status;
}

static void print_size(const struct bench *b, const char *path)
{
    struct stat st;
    char example[160];

    path_of(b->files - 1, example, sizeof example);
    if (stat(path, &st) == 0) {
        printf("size: %.0f bytes per file, paths have %zu (%.1f MiB in all)\n",
               (double)st.st_size / (double)b->files, strlen(example),
               (double)st.st_size / (1 << 20));
    }
}

int main(int argc, char **argv)
{
    struct bench b = {.env = {.clock = pd_clock_real()}, .files = 1000000, .err = PD_ERROR_INIT};
    const char *base = getenv("BENCH_DIR");
    static enum pd_status (*const parts[])(struct bench *) = {search_globs, search_paths, run_safe,
                                                              search_everything};
    const uint64_t seed = 1;
    char folder[512], path[600], url[620];
    enum pd_status status;

    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc > 1 && (!pd_parse_u64(argv[1], &b.files) || b.files % AT_ONCE || !b.files)) {
        fprintf(stderr, "catalog_bench: %s is no multiple of %d files\n", argv[1], AT_ONCE);
        return 2;
    }
    (void)snprintf(folder, sizeof folder, "%s/pairdump-catalog.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) {
        perror(folder);
        return 3;
    }
    (void)snprintf(path, sizeof path, "%s/catalog.db", folder);
    (void)snprintf(url, sizeof url, "sqlite:%s", path);
    b.url = argc > 2 ? argv[2] : url;
    status = pd_rng_new(&seed, &b.rng, &b.err);
    if (status == PD_OK && (status = fill(&b)) == PD_OK) {
        print_size(&b, path);
        for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == PD_OK; i++) {
            status = parts[i](&b);
        }
    }
    if (status != PD_OK) {
        fprintf(stderr, "catalog_bench: %s\n", b.err.message);
    }
    pd_rng_free(b.rng);
    (void)unlink(path);
    (void)rmdir(folder);
    return status == PD_OK ? 0 : 3;
}
