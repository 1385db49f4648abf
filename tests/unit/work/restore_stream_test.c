#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "pairdump/restore.h"

#include "../../../src/work/restore_priv.h"
#include "../../lib/work_restore_set.h"

/* A run to a stream that is a file, and the files that it named. */
struct run {
    struct restore_set set;
    struct pd_restore_options options;
    struct pd_restore_summary summary;
    struct pd_error err;
    char files[1024];
    char at_text[160];
    const char *at;
    int fd;
    char out[100];
};

static void on_file(void *arg, const char *path, const struct pd_error *err)
{
    struct run *run = arg;
    size_t used = strlen(run->files);

    snprintf(run->files + used, sizeof(run->files) - used, "%s [%s]\n", path,
             pd_status_name(err->status));
}

static int start(void **state)
{
    struct run *run = calloc(1, sizeof(*run));

    assert_non_null(run);
    restore_set_start(&run->set);
    snprintf(run->out, sizeof(run->out), "%s/stream.tar", run->set.root);
    run->fd = open(run->out, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(run->fd >= 0);
    run->options.dump_id = run->set.dump.id;
    run->options.stream = true;
    run->options.stream_fd = run->fd;
    run->options.temp = run->set.root;
    run->options.retry = PD_RETRY_ONCE;
    run->options.on_file = on_file;
    run->options.file_arg = run;
    *state = run;
    return 0;
}

static int end(void **state)
{
    struct run *run = *state;

    if (run->fd >= 0)
        assert_int_equal(close(run->fd), 0);
    restore_set_end(&run->set);
    free(run);
    return 0;
}

static enum pd_status restore(struct run *run)
{
    run->files[0] = '\0';
    pd_error_clear(&run->err);
    if (run->fd >= 0) {
        assert_int_equal(ftruncate(run->fd, 0), 0);
        assert_int_equal(lseek(run->fd, 0, SEEK_SET), 0);
    }
    return pd_restore_run(&run->set.e.env, run->set.catalog, &run->options, &run->summary,
                          &run->err);
}

static void expect(struct run *run, enum pd_status status, const char *files)
{
    if (restore(run) != PD_OK)
        fail_msg("%s", run->err.message);
    assert_string_equal(run->files, files);
    assert_string_equal(pd_status_name(run->summary.status), pd_status_name(status));
}

#define ADD(run, p, k, ...)                                                                        \
    restore_set_add(&(run)->set,                                                                   \
                    &(struct restore_set_entry){.path = (p), .kind = (k), ##__VA_ARGS__})

/* ---- what the stream says ---- */

struct listing {
    char lines[2048];      /* "kind name mode size link\n" per entry */
    enum pd_status status; /* how the reading ended */
};

struct bytes {
    char *data;
    size_t len;
    bool given;
};

static enum pd_status give(void *arg, const void **bytes, size_t *len, struct pd_error *err)
{
    struct bytes *b = arg;

    (void)err;
    *bytes = b->data;
    *len = b->given ? 0 : b->len;
    b->given = true;
    return PD_OK;
}

static void add_line(struct listing *list, struct archive_entry *entry, uint64_t data)
{
    size_t used = strlen(list->lines);
    const char *link = archive_entry_hardlink(entry);
    mode_t type = archive_entry_filetype(entry);

    snprintf(list->lines + used, sizeof(list->lines) - used, "%s %s %o %llu %s\n",
             link != NULL      ? "link"
             : type == S_IFDIR ? "dir"
             : type == S_IFLNK ? "soft"
             : type == S_IFREG ? "file"
                               : "node",
             archive_entry_pathname(entry), (unsigned)archive_entry_perm(entry),
             (unsigned long long)data,
             link != NULL      ? link
             : type == S_IFLNK ? archive_entry_symlink(entry)
                               : "");
}

static void list_stream(const struct run *run, struct listing *list)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_tar_reader *reader;
    struct archive_entry *entry = NULL;
    struct bytes bytes = {0};
    struct stat st;

    memset(list, 0, sizeof(*list));
    assert_int_equal(fstat(run->fd, &st), 0);
    bytes.len = (size_t)st.st_size;
    bytes.data = malloc(bytes.len + 1);
    assert_non_null(bytes.data);
    assert_int_equal(pread(run->fd, bytes.data, bytes.len, 0), st.st_size);
    assert_int_equal(pd_tar_reader_new(give, &bytes, &reader, &err), PD_OK);
    while ((list->status = pd_tar_next(reader, &entry, &err)) == PD_OK && entry != NULL) {
        const void *data;
        uint64_t offset, end_of = 0;
        size_t len = 1;

        while (len > 0 &&
               (list->status = pd_tar_block(reader, &data, &len, &offset, &err)) == PD_OK)
            end_of = len > 0 ? offset + len : end_of;
        if (list->status != PD_OK)
            break;
        add_line(list, entry, end_of);
    }
    pd_tar_reader_free(reader);
    free(bytes.data);
}

static void expect_stream(const struct run *run, enum pd_status status, const char *lines)
{
    struct listing list;

    list_stream(run, &list);
    assert_string_equal(list.lines, lines);
    assert_string_equal(pd_status_name(list.status), pd_status_name(status));
}

/* ---- what comes ---- */

static void folders_come_twice_and_names_are_joined(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/s", PD_KIND_DIR, .mode = 0555);
    ADD(run, "/s/a", PD_KIND_FILE, .data = "aaa", .mode = 0600, .ino = 4);
    ADD(run, "/s/sub", PD_KIND_DIR, .mode = 0511);
    ADD(run, "/s/sub/l", PD_KIND_SYMLINK, .link = "../../x", .mode = 0777);
    ADD(run, "/s/sub/same", PD_KIND_HARDLINK, .link = "/s/a", .ino = 4);
    ADD(run, "/s/z", PD_KIND_FILE, .len = 200000, .seed = 1);
    restore_set_write(&run->set);
    expect(run, PD_OK, "");
    assert_int_equal(run->summary.files, 6);
    expect_stream(run, PD_OK,
                  "dir s/ 700 0 \nfile s/a 600 3 \ndir s/sub/ 700 0 \nsoft s/sub/l 777 0 ../../x\n"
                  "link s/sub/same 644 0 s/a\nfile s/z 644 200000 \ndir s/sub/ 511 0 \n"
                  "dir s/ 555 0 \n");
}

static void what_is_lost_is_left_out(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "a");
    ADD(run, "/b", PD_KIND_FILE, .data = "b", .wrong_sha256 = true);
    ADD(run, "/c", PD_KIND_FILE, .len = 200000, .seed = 1);
    ADD(run, "/d", PD_KIND_FILE, .len = 100, .seed = 2);
    restore_set_write(&run->set);
    for (size_t copy = 0; copy < 2; copy++)
        restore_set_flip(&run->set, copy, 1, 2 * RESTORE_SET_RECORD);
    expect(run, PD_FAILED, "/b [bad-file]\n/c [bad-record]\n");
    assert_int_equal(run->summary.lost, 2);
    expect_stream(run, PD_OK, "file a 644 1 \nfile d 644 100 \n");
}

static void what_is_too_large_to_wait_is_read_twice(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "a");
    ADD(run, "/b", PD_KIND_FILE, .len = 200000, .seed = 1);
    ADD(run, "/c", PD_KIND_FILE, .len = 200000, .seed = 2, .wrong_sha256 = true);
    ADD(run, "/d", PD_KIND_FILE, .data = "d");
    restore_set_write(&run->set);
    run->options.spool = 1000;
    expect(run, PD_FAILED, "/c [bad-file]\n");
    expect_stream(run, PD_OK, "file a 644 1 \nfile b 644 200000 \nfile d 644 1 \n");
}

/* What was good when it was proved, and is not when it is sent. */
static void what_goes_bad_while_it_is_sent_ends_the_stream(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "a");
    ADD(run, "/b", PD_KIND_FILE, .len = 2000000, .seed = 1);
    ADD(run, "/c", PD_KIND_FILE, .data = "c");
    restore_set_write(&run->set);
    run->options.spool = 1000;
    snprintf(run->at_text, sizeof(run->at_text), "fault:read@%llu+=EIO:disk:%s",
             (unsigned long long)run->set.toc.record_count + 20, run->set.disk[0]);
    run->at = run->at_text;
    run->options.at = &run->at;
    run->options.at_count = 1;
    run->options.from = "RS100001";
    assert_int_equal(restore(run), PD_BAD_RECORD);
    assert_string_equal(run->err.file, "/b");
    expect_stream(run, PD_TRUNCATED, "file a 644 1 \n");
}

static void unsafe_names_are_not_sent(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/../up", PD_KIND_FILE, .data = "x");
    ADD(run, "/a/../../b", PD_KIND_DIR);
    ADD(run, "//tmp/x", PD_KIND_SYMLINK, .link = "/etc");
    ADD(run, "/fine", PD_KIND_FILE, .data = "fine", .ino = 3);
    ADD(run, "/x/../../fine2", PD_KIND_HARDLINK, .link = "/fine", .ino = 3);
    restore_set_write(&run->set);
    expect(run, PD_RESTORE,
           "/../up [unsafe-path]\n/a/../../b [unsafe-path]\n//tmp/x [unsafe-path]\n"
           "/x/../../fine2 [unsafe-path]\n");
    expect_stream(run, PD_OK, "file fine 644 4 \n");
}

/* Records are checked before, so only a bug somewhere could bring this about. */
static void a_file_that_was_wrongly_proved_does_not_come_whole(void **state)
{
    struct run *run = *state;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_restore_stream *stream;
    struct pd_restore_outcome outcome;
    struct pd_tar_reader *reader;
    struct archive_entry *entry;
    struct bytes bytes = {0};

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 1024000, .seed = 1, .wrong_sha256 = true);
    restore_set_write(&run->set);
    bytes.data = run->set.bytes.data;
    bytes.len = run->set.bytes.len;
    assert_int_equal(pd_tar_reader_new(give, &bytes, &reader, &err), PD_OK);
    for (int i = 0; i < 2; i++) /* bagit.txt comes first */
        assert_int_equal(pd_tar_next(reader, &entry, &err), PD_OK);
    assert_int_equal(pd_restore_stream_open(&run->set.e.env, &run->options, &stream, &err), PD_OK);
    assert_int_equal(pd_restore_stream_file(stream, reader, entry, &run->set.toc.files[0], "a",
                                            true, &outcome, &err),
                     PD_BAD_FILE);
    assert_true(pd_restore_stream_broken(stream));
    assert_false(outcome.back);
    pd_restore_stream_free(stream);
    pd_tar_reader_free(reader);
    struct stat st;
    assert_int_equal(fstat(run->fd, &st), 0);
    assert_true(st.st_size > 0); /* at first it went out: the length is headers and all data */
    assert_true((uint64_t)st.st_size < run->set.toc.files[0].length);
    expect_stream(run, PD_TRUNCATED, "");
}

/* ---- how it ends ---- */

static void without_a_reader_it_ends(void **state)
{
    struct run *run = *state;
    int ends[2];

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 1000000, .seed = 1);
    restore_set_write(&run->set);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(close(ends[0]), 0);
    run->options.stream_fd = ends[1];
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(restore(run), PD_RESTORE);
    assert_non_null(strstr(run->err.message, "nobody reads"));
    assert_int_equal(run->err.sys_errno, EPIPE);
    assert_int_equal(close(ends[1]), 0);
}

static void a_signal_leaves_it_without_an_end_mark(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "a");
    restore_set_write(&run->set);
    run->set.e.stopped = 1;
    assert_int_equal(restore(run), PD_INTERRUPTED);
    expect_stream(run, PD_TRUNCATED, "");
}

static volatile sig_atomic_t *stop_flag; /* a handler takes no argument */

static void stop(int signo)
{
    (void)signo;
    *stop_flag = 1;
}

/* Nobody reads on, nor goes away. */
static void a_signal_ends_a_write_that_does_not_end(void **state)
{
    const struct sigaction action = {.sa_handler = stop};
    const struct timespec soon = {.tv_nsec = 50000000};
    struct run *run = *state;
    struct itimerspec often = {.it_interval = soon, .it_value = soon};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    timer_t timer;
    int ends[2];

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .len = 1000000, .seed = 1);
    restore_set_write(&run->set);
    assert_int_equal(pipe(ends), 0);
    run->options.stream_fd = ends[1];
    stop_flag = &run->set.e.stopped;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    assert_int_equal(timer_settime(timer, 0, &often, NULL), 0);
    assert_int_equal(restore(run), PD_INTERRUPTED);
    assert_int_equal(timer_delete(timer), 0);
    assert_int_equal(close(ends[0]), 0);
    assert_int_equal(close(ends[1]), 0);
}

static void without_a_place_to_wait_nothing_is_sent(void **state)
{
    struct run *run = *state;

    restore_set_archive(&run->set);
    ADD(run, "/a", PD_KIND_FILE, .data = "a");
    restore_set_write(&run->set);
    run->options.temp = "/nonexistent";
    run->options.spool = 1;
    expect(run, PD_OK, ""); /* read twice instead */
    expect_stream(run, PD_OK, "file a 644 1 \n");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(folders_come_twice_and_names_are_joined),
        TEST(what_is_lost_is_left_out),
        TEST(what_is_too_large_to_wait_is_read_twice),
        TEST(what_goes_bad_while_it_is_sent_ends_the_stream),
        TEST(a_file_that_was_wrongly_proved_does_not_come_whole),
        TEST(unsafe_names_are_not_sent),
        TEST(without_a_reader_it_ends),
        TEST(a_signal_leaves_it_without_an_end_mark),
        TEST(a_signal_ends_a_write_that_does_not_end),
        TEST(without_a_place_to_wait_nothing_is_sent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
