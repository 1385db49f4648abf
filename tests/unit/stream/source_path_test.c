#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "pairdump/source.h"
#include "pairdump/text.h"

#include "../../lib/format_lib.h"
#include "../../lib/stream_lib.h"
#include "../../lib/work_restore_lib.h"

enum { NOBODY = 65534 };

struct bed {
    struct restore_lib_env e;
    char dir[128];
    char in[160];        /* dir/t */
    char list_path[160]; /* dir/list */
    unsigned descriptors; /* before it began */
    struct pd_source_path_options options;
    struct pd_source *source;
    struct pd_error err;
    struct pd_buf seen;     /* "<kind> <path below dir>\n" of each item */
    struct pd_buf problems; /* "<status> <path below dir>\n" */
    enum pd_status on_problem;
    struct pd_item last;
    char last_path[4200];
};

static unsigned count_descriptors(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 1000; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static const char *below(const struct bed *b, const char *path)
{
    return strncmp(path, b->in, strlen(b->dir) + 1) == 0 ? path + strlen(b->dir) + 1 : path;
}

static enum pd_status note(void *arg, const struct pd_problem *problem, struct pd_error *err)
{
    struct bed *b = arg;

    assert_false(problem->archived);
    assert_true(problem->message[0] != '\0');
    assert_int_equal(pd_buf_printf(&b->problems, "%s %s\n", pd_status_name(problem->status),
                                   below(b, problem->path)),
                     PD_OK);
    return b->on_problem == PD_OK ? PD_OK : pd_error_set(err, b->on_problem, 0, "as told");
}

static int start(void **state)
{
    struct bed *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    restore_lib_env_start(&b->e);
    format_dir_make(b->dir, sizeof(b->dir));
    (void)snprintf(b->in, sizeof(b->in), "%s/t", b->dir);
    assert_int_equal(mkdir(b->in, 0755), 0);
    assert_int_equal(chmod(b->dir, 0755), 0);
    b->descriptors = count_descriptors();
    b->options = (struct pd_source_path_options){
        .list_recurse = true, .cwd = b->dir, .on_problem = note, .problem_arg = b};
    *state = b;
    return 0;
}

static int end(void **state)
{
    struct bed *b = *state;

    (void)!seteuid(getuid()); /* where a test failed as somebody else */
    pd_source_close(b->source);
    assert_int_equal(count_descriptors(), b->descriptors);
    pd_buf_free(&b->seen);
    pd_buf_free(&b->problems);
    format_dir_remove(b->dir);
    restore_lib_env_end(&b->e);
    free(b);
    return 0;
}

/* Runs a script in dir/t. */
static void sh(const struct bed *b, const char *script)
{
    char whole[1000];

    (void)snprintf(whole, sizeof(whole), "cd t\n%s", script);
    assert_int_equal(format_sh(b->dir, whole), 0);
}

static enum pd_status open_source(struct bed *b, const char *const *paths, size_t count)
{
    pd_source_close(b->source);
    b->source = NULL;
    pd_error_clear(&b->err);
    b->options.paths = paths;
    b->options.path_count = count;
    return pd_source_path_open(&b->e.env, &b->options, &b->source, &b->err);
}

/* Lists all; the status that ended it. */
static enum pd_status list(struct bed *b)
{
    struct pd_item item;
    enum pd_status status;

    pd_buf_clear(&b->seen);
    pd_buf_clear(&b->problems);
    assert_int_equal(pd_buf_puts(&b->seen, ""), PD_OK);
    assert_int_equal(pd_buf_puts(&b->problems, ""), PD_OK);
    while ((status = pd_source_next(b->source, &item, &b->err)) == PD_OK) {
        assert_int_equal(pd_buf_printf(&b->seen, "%c %s\n", item.kind, below(b, item.path)), PD_OK);
        b->last = item;
        (void)snprintf(b->last_path, sizeof(b->last_path), "%s", item.path);
        b->last.path = b->last_path;
    }
    return status;
}

#define LIST(b, ...)                                                                               \
    do {                                                                                           \
        const char *const paths_[] = {__VA_ARGS__};                                                \
        assert_int_equal(open_source(b, paths_, sizeof(paths_) / sizeof(paths_[0])), PD_OK);       \
        assert_int_equal(list(b), PD_END_OF_DATA);                                                 \
    } while (0)
#define WALK(b, wanted, ...)                                                                       \
    do {                                                                                           \
        LIST(b, __VA_ARGS__);                                                                      \
        assert_string_equal((b)->seen.data, wanted);                                               \
    } while (0)

/* Lists one path, and opens it as a file. */
static struct pd_source_file *open_file(struct bed *b, const char *path,
                                        struct archive_entry **entry)
{
    struct pd_source_file *file = NULL;

    assert_int_equal(open_source(b, &path, 1), PD_OK);
    assert_int_equal(list(b), PD_END_OF_DATA);
    *entry = archive_entry_new();
    assert_non_null(*entry);
    assert_int_equal(pd_source_open(b->source, &b->last, *entry, &file, &b->err), PD_OK);
    return file;
}

static enum pd_status close_file(struct bed *b, struct pd_source_file *file,
                                 struct archive_entry *entry)
{
    archive_entry_free(entry);
    pd_error_clear(&b->err);
    return pd_source_close_file(b->source, file, &b->err);
}

/* ---- listing ---- */

static void a_tree_is_listed_in_the_order_of_bytes_parents_first(void **state)
{
    struct bed *b = *state;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/A-socket", b->in); /* which is left out */
    assert_int_equal(mknod(path, S_IFSOCK | 0600, 0), 0);
    sh(b, "mkdir -p a/z a-b a.c; echo 1 >a/z/1; echo 2 >a-b/2; >B; ln -s none l; mkfifo p; >.dot");
    WALK(b, "d t\nf t/.dot\nf t/B\nd t/a\nd t/a/z\nf t/a/z/1\nd t/a-b\nf t/a-b/2\nd t/a.c\nl t/l\n"
            "p t/p\n", "t");
    WALK(b, "f t/a/z/1\n", "t/a/z/1"); /* a file may be named */
    b->options.excludes = (const char *[]){"/*/*"};
    b->options.exclude_count = 1;
    LIST(b, "/");
    assert_non_null(strstr(b->seen.data, "\nd /proc\n"));
}

static void an_item_tells_what_lstat_does(void **state)
{
    struct bed *b = *state;
    struct stat st;

    sh(b, "printf 12345 >file; ln file name; touch -d @1234567890.123456789 file");
    WALK(b, "f t/name\n", "t/name");
    assert_int_equal(stat(b->last.path, &st), 0);
    assert_int_equal(b->last.path_len, strlen(b->last.path));
    assert_int_equal(b->last.mtime, 1234567890);
    assert_int_equal(b->last.mtime_ns, 123456789);
    assert_int_equal(b->last.ctime, st.st_ctim.tv_sec);
    assert_int_equal(b->last.ctime_ns, st.st_ctim.tv_nsec);
    assert_int_equal(b->last.size, 5);
    assert_int_equal(b->last.stored, 5);
    assert_int_equal(b->last.dev, st.st_dev);
    assert_int_equal(b->last.ino, st.st_ino);
    assert_int_equal(b->last.nlink, 2);
    WALK(b, "d t\nf t/file\nf t/name\n", "t"); /* each name is an item */
    sh(b, "rm *; ln -s 0123456789 l");
    WALK(b, "l t/l\n", "t/l");
    assert_int_equal(b->last.size, 0);
}

static void excludes_match_names_or_whole_paths(void **state)
{
    struct bed *b = *state;
    const char *patterns[] = {"*.o", "sk[i]p", "/*/t/a/*", "none"};

    sh(b, "mkdir -p a/b skip/deep c/skip; >a/1; >a/b/2; >skip/deep/3; >c/x.o; >c/x.oo; >c/skip/4");
    b->options.excludes = patterns;
    b->options.exclude_count = 4;
    WALK(b, "d t\nd t/a\nd t/c\nf t/c/x.oo\n", "t");
    WALK(b, "", "t/c/x.o");
    b->options.exclude_count = 1;
    WALK(b, "d t/c\nd t/c/skip\nf t/c/skip/4\nf t/c/x.oo\n", "t/c");
}

static void other_file_systems_are_left_out_on_request(void **state)
{
    struct bed *b = *state;
    char folder[] = "/dev/shm/.pairdump-test-XXXXXX";
    const char *others[] = {"/dev/shm/[!.]*"};
    char line[64];
    struct stat dev, shm;

    if (stat("/dev", &dev) != 0 || stat("/dev/shm", &shm) != 0 || dev.st_dev == shm.st_dev ||
        !mkdtemp(folder))
        skip();
    (void)snprintf(line, sizeof(line), "d %s\n", folder);
    b->options.excludes = others;
    b->options.exclude_count = 1;
    for (int one = 0; one < 2; one++) {
        b->options.one_file_system = one;
        LIST(b, "/dev");
        assert_non_null(strstr(b->seen.data, "d /dev/shm\n")); /* the mount point itself */
        assert_int_equal(strstr(b->seen.data, line) == NULL, one);
        assert_non_null(strstr(b->seen.data, "c /dev/null\n"));
    }
    LIST(b, "/dev", "/dev/shm"); /* unless it is named too: then it is entered */
    assert_non_null(strstr(b->seen.data, line));
    assert_null(strstr(strstr(b->seen.data, "d /dev/shm\n") + 1, "d /dev/shm\n")); /* once */
    assert_int_equal(rmdir(folder), 0);
}

static void what_is_named_twice_is_listed_once(void **state)
{
    struct bed *b = *state;

    sh(b, "mkdir -p a/b a-b; >a/b/1; >a/2; >a-b/3");
    WALK(b, "d t\nd t/a\nf t/a/2\nd t/a/b\nf t/a/b/1\nd t/a-b\nf t/a-b/3\n", "t/a-b", "t/a/b",
         "t/a", "t/a/b/1", "t/a/", "./t//a/.", "t");
}

static void paths_are_taken_as_the_disk_leads(void **state)
{
    struct bed *b = *state;

    sh(b, "mkdir -p a/b c; >c/1; ln -s a/b up; ln -s c link");
    WALK(b, "d t/c\nf t/c/1\n", "t/a/../c");
    WALK(b, "d t/c\nf t/c/1\n", "t/up/../../c"); /* not t/../c */
    WALK(b, "l t/link\n", "t/link");
    WALK(b, "d t/c\nf t/c/1\n", "t/link/");
    WALK(b, "d t/c\nf t/c/1\nl t/link\n", "t/link", "t/link/.");
    WALK(b, "f t/link/1\n", "t/link/1");
    sh(b, "rm c/1; mkdir c/d; >c/d/1");
    WALK(b, "d t\nd t/a\nd t/a/b\nd t/c\nd t/c/d\nf t/c/d/1\nl t/link\nl t/up\nd t/link/d\n"
            "f t/link/d/1\n", "t", "t/link/d", "t/link/d/1");
}

static void names_are_any_bytes(void **state)
{
    struct bed *b = *state;

    sh(b, "mkdir \"$(printf 'n\\nl')\"; >\"$(printf 'n\\nl/\\377\\376')\"; >' *?[%\\'; >-rf");
    WALK(b, "d t\nf t/ *?[%\\\nf t/-rf\nd t/n\nl\nf t/n\nl/\xff\xfe\n", "t");
    WALK(b, "f t/n\nl/\xff\xfe\n", "t/n\nl/\xff\xfe");
}

static void trees_may_be_deep(void **state)
{
    struct bed *b = *state;
    struct rlimit before, few;
    unsigned lines = 0;

    sh(b, "i=0; while [ $i -lt 100 ]; do mkdir d; cd d; >f; i=$((i+1)); done");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 90; /* deeper than this */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    LIST(b, "t");
    for (const char *p = b->seen.data; (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(lines, 201);
    assert_string_equal(b->problems.data, "");
}

/* ---- lists of paths ---- */

static void use_list(struct bed *b, const char *bytes, size_t len, bool nul)
{
    format_file_write(b->dir, "list", bytes, len);
    (void)snprintf(b->list_path, sizeof(b->list_path), "%s/list", b->dir);
    b->options.list_file = b->list_path;
    b->options.list_nul = nul;
}

static void walk_list(struct bed *b, const char *wanted)
{
    assert_int_equal(open_source(b, NULL, 0), PD_OK);
    assert_int_equal(list(b), PD_END_OF_DATA);
    assert_string_equal(b->seen.data, wanted);
}

static void lists_name_a_path_a_line_or_between_nuls(void **state)
{
    static const char lines[] = "t/b\n\n./t/a\nt/c"; /* also without an end of line */
    static const char nuls[] = "t/b\0\0t/n\nl\0t/a";
    struct bed *b = *state;

    sh(b, "mkdir a c; >a/1; >b; >'n\nl'; >other");
    use_list(b, lines, sizeof(lines) - 1, false);
    WALK(b, "d t/a\nf t/a/1\nf t/b\nd t/c\nf t/other\n", "t/other");
    use_list(b, nuls, sizeof(nuls) - 1, true);
    walk_list(b, "d t/a\nf t/a/1\nf t/b\nf t/n\nl\n");
    b->options.list_nul = false; /* that it is one of NULs is seen */
    assert_int_equal(open_source(b, NULL, 0), PD_USAGE);
    assert_non_null(strstr(b->err.message, "-0"));
    b->options.list_file = "/none/at/all";
    assert_int_equal(open_source(b, NULL, 0), PD_USAGE);
    b->options.list_file = NULL;
    assert_int_equal(open_source(b, (const char *[]){"t", ""}, 2), PD_USAGE);
    assert_null(b->source);
}

static void folders_of_a_list_are_not_entered_on_request(void **state)
{
    struct bed *b = *state;

    sh(b, "mkdir -p a/b; >a/1; >a/b/2");
    use_list(b, "t\nt/a\nt/a/1\nt/a\n", 16, false);
    b->options.list_recurse = false;
    walk_list(b, "d t\nd t/a\nf t/a/1\n");
}

static void a_list_may_come_from_standard_input(void **state)
{
    struct bed *b = *state;
    int before = dup(STDIN_FILENO), input;

    sh(b, ">a");
    use_list(b, "t/a\n", 4, false);
    input = open(b->list_path, O_RDONLY);
    assert_int_equal(dup2(input, STDIN_FILENO), STDIN_FILENO);
    close(input);
    b->options.list_file = "-";
    assert_int_equal(open_source(b, NULL, 0), PD_OK);
    assert_int_equal(list(b), PD_END_OF_DATA);
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    close(before);
    assert_string_equal(b->seen.data, "f t/a\n");
}

/* ---- problems ---- */

static void what_is_not_there_is_named_and_the_rest_listed(void **state)
{
    struct bed *b = *state;

    sh(b, ">a; ln -s a l");
    WALK(b, "f t/a\n", "t/none", "t/a", "t/a/b");
    assert_string_equal(b->problems.data,
                        "source-vanished t/a/b\nsource-vanished t/none\n");
    b->on_problem = PD_CATALOG; /* who cannot take it, ends the walk */
    assert_int_equal(open_source(b, (const char *[]){"t/none", "t/a"}, 2), PD_OK);
    assert_int_equal(list(b), PD_CATALOG);
}

static void a_path_that_is_too_long_is_named(void **state)
{
    struct bed *b = *state;
    char name[251];
    int fd = open(b->in, O_RDONLY | O_DIRECTORY);

    (void)snprintf(name, sizeof(name), "%0250d", 0);
    for (int i = 0; i < 20; i++) {
        int above = fd;
        assert_int_equal(mkdirat(above, name, 0755), 0);
        fd = openat(above, name, O_RDONLY | O_DIRECTORY);
        close(above);
    }
    close(fd);
    LIST(b, "t");
    assert_memory_equal(b->problems.data, "source-unreadable t/000", 23);
    assert_null(strchr(strchr(b->problems.data, '\n') + 1, '\n')); /* once */
    assert_in_range(b->last.path_len, 3500, PATH_MAX - 1);
}

/* What root may not do: this test acts as somebody else. */
static void what_is_not_permitted_is_named(void **state)
{
    struct bed *b = *state;
    struct archive_entry *entry = archive_entry_new();
    struct pd_source_file *file;
    bool root = geteuid() == 0;

    sh(b, "mkdir shut open; echo x >open/2; chmod 0 shut; >file; chmod 0 file");
    assert_true(!root || seteuid(NOBODY) == 0);
    WALK(b, "d t\nf t/file\nd t/open\nf t/open/2\nd t/shut\n", "t");
    assert_string_equal(b->problems.data, "source-unreadable t/shut\n");
    WALK(b, "f t/open/2\n", "t/open/2"); /* of another owner: its atime cannot be spared */
    assert_int_equal(pd_source_open(b->source, &b->last, entry, &file, &b->err), PD_OK);
    assert_int_equal(pd_source_close_file(b->source, file, &b->err), PD_OK);
    WALK(b, "f t/file\n", "t/file");
    assert_int_equal(pd_source_open(b->source, &b->last, entry, &file, &b->err),
                     PD_SOURCE_UNREADABLE);
    assert_true(!root || seteuid(0) == 0);
    archive_entry_free(entry);
}

/* ---- reading ---- */

static void a_file_is_read_with_its_metadata(void **state)
{
    struct bed *b = *state;
    struct archive_entry *entry;
    struct pd_source_file *file;
    char bytes[16], path[200];
    size_t got;
    const char *name;
    const void *value;
    int attributes = 0;

    sh(b, "printf 0123456789 >f; ln f g; chmod 4751 f; touch -d @1234567890.5 f");
    (void)snprintf(path, sizeof(path), "%s/f", b->in);
    if (setxattr(path, "user.test", "v", 1, 0) == 0) /* where the file system has them */
        attributes = 1;
    file = open_file(b, "t/f", &entry);
    assert_int_equal(pd_source_read(b->source, file, bytes, 4, 3, &got, &b->err), PD_OK);
    assert_int_equal(got, 4);
    assert_memory_equal(bytes, "3456", 4);
    assert_int_equal(pd_source_read(b->source, file, bytes, 16, 8, &got, &b->err), PD_OK);
    assert_int_equal(got, 2);
    assert_int_equal(pd_source_read(b->source, file, bytes, 16, 10, &got, &b->err), PD_OK);
    assert_int_equal(got, 0);
    assert_int_equal(archive_entry_perm(entry), 04751);
    assert_int_equal(archive_entry_mtime(entry), 1234567890);
    assert_int_equal(archive_entry_mtime_nsec(entry), 500000000);
    assert_int_equal(archive_entry_uid(entry), getuid());
    assert_int_equal(archive_entry_nlink(entry), 2);
    assert_int_equal(archive_entry_xattr_reset(entry), attributes);
    if (attributes > 0) {
        assert_int_equal(archive_entry_xattr_next(entry, &name, &value, &got), ARCHIVE_OK);
        assert_string_equal(name, "user.test");
        assert_int_equal(got, 1);
    }
    assert_int_equal(close_file(b, file, entry), PD_OK);
}

static void links_folders_and_holes_are_described(void **state)
{
    struct bed *b = *state;
    struct archive_entry *entry;
    struct pd_source_file *file;
    la_int64_t at, len, data = 0;

    sh(b, "ln -s ../x/y l; mkdir d; truncate -s 10M h n; printf x | dd of=h seek=5000000 bs=1 "
          "conv=notrunc");
    file = open_file(b, "t/l", &entry);
    assert_string_equal(archive_entry_symlink(entry), "../x/y");
    assert_int_equal(archive_entry_size(entry), 0);
    assert_int_equal(close_file(b, file, entry), PD_OK);
    file = open_file(b, "t/d", &entry);
    assert_int_equal(archive_entry_filetype(entry), AE_IFDIR);
    assert_int_equal(archive_entry_size(entry), 0);
    assert_int_equal(close_file(b, file, entry), PD_OK);
    file = open_file(b, "t/h", &entry);
    assert_int_equal(b->last.size, 10 << 20);
    assert_in_range(b->last.stored, 1, 2 << 20);
    assert_in_range(archive_entry_sparse_reset(entry), 1, 3);
    while (archive_entry_sparse_next(entry, &at, &len) == ARCHIVE_OK)
        data += at <= 5000000 && 5000000 < at + len ? len : 0;
    assert_in_range(data, 1, 2 << 20);
    assert_int_equal(close_file(b, file, entry), PD_OK);
    file = open_file(b, "t/n", &entry); /* nothing but a hole */
    assert_in_range(b->last.stored, 0, 4096);
    assert_int_equal(archive_entry_sparse_reset(entry), 1);
    assert_int_equal(archive_entry_sparse_next(entry, &at, &len), ARCHIVE_OK);
    assert_int_equal(len, 0);
    assert_int_equal(close_file(b, file, entry), PD_OK);
}

static void a_file_that_changes_while_it_is_read_is_told(void **state)
{
    static const char *const changes[] = {
        "echo more >>f", "truncate -s 3 f", "printf X | dd of=f conv=notrunc", "chmod 600 f",
        "touch -r f ../stamp; printf X | dd of=f conv=notrunc; touch -r ../stamp f"};

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct bed *b = *state;
        struct archive_entry *entry;
        struct pd_source_file *file;

        sh(b, "printf 0123456789 >f");
        file = open_file(b, "t/f", &entry);
        sh(b, changes[i]);
        assert_int_equal(close_file(b, file, entry), PD_SOURCE_CHANGED);
        assert_int_equal(b->err.status, PD_SOURCE_CHANGED);
        file = open_file(b, "t/f", &entry); /* as it is now, it is whole */
        assert_int_equal(close_file(b, file, entry), PD_OK);
    }
}

static void a_change_right_after_opening_is_told(void **state)
{
    struct bed *b = *state;
    char path[200];

    (void)snprintf(path, sizeof(path), "%s/f", b->in);
    for (int i = 0; i < 8; i++) { /* its time stamps are as old as the tick of the clock allows */
        struct archive_entry *entry;
        struct pd_source_file *file;
        int fd = open(path, O_WRONLY | O_CREAT, 0644);

        assert_int_equal(pwrite(fd, "0", 1, 0), 1);
        file = open_file(b, "t/f", &entry);
        assert_int_equal(pwrite(fd, "1", 1, 0), 1);
        close(fd);
        assert_int_equal(close_file(b, file, entry), PD_SOURCE_CHANGED);
    }
}

static void a_file_that_became_something_else_has_vanished(void **state)
{
    static const char *const changes[] = {"rm f", "rm f; mkfifo f", "mv f g; ln -s g f",
                                          "rm f; mkdir f", "cd ..; mv t u; >t"};

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        struct bed *b = *state;
        struct archive_entry *entry = archive_entry_new();
        struct pd_source_file *file = NULL;

        sh(b, "rm -rf f; echo x >f");
        WALK(b, "f t/f\n", "t/f");
        sh(b, changes[i]);
        assert_int_equal(pd_source_open(b->source, &b->last, entry, &file, &b->err),
                         PD_SOURCE_VANISHED);
        assert_int_equal(b->err.status, PD_SOURCE_VANISHED);
        assert_null(file);
        archive_entry_free(entry);
    }
}

static void bytes_beyond_the_size_are_a_change(void **state)
{
    struct bed *b = *state;
    struct archive_entry *entry;
    struct pd_source_file *file = open_file(b, "/proc/version", &entry);

    assert_int_equal(close_file(b, file, entry), PD_SOURCE_CHANGED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_tree_is_listed_in_the_order_of_bytes_parents_first),
        TEST(an_item_tells_what_lstat_does),
        TEST(excludes_match_names_or_whole_paths),
        TEST(other_file_systems_are_left_out_on_request),
        TEST(what_is_named_twice_is_listed_once),
        TEST(paths_are_taken_as_the_disk_leads),
        TEST(names_are_any_bytes),
        TEST(trees_may_be_deep),
        TEST(lists_name_a_path_a_line_or_between_nuls),
        TEST(folders_of_a_list_are_not_entered_on_request),
        TEST(a_list_may_come_from_standard_input),
        TEST(what_is_not_there_is_named_and_the_rest_listed),
        TEST(a_path_that_is_too_long_is_named),
        TEST(what_is_not_permitted_is_named),
        TEST(a_file_is_read_with_its_metadata),
        TEST(links_folders_and_holes_are_described),
        TEST(a_file_that_changes_while_it_is_read_is_told),
        TEST(a_change_right_after_opening_is_told),
        TEST(a_file_that_became_something_else_has_vanished),
        TEST(bytes_beyond_the_size_are_a_change),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
