#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "dump_priv.h"

static bool is_gone(const char *name)
{
    size_t len = strlen(name), end = strlen(PD_BOOK_GONE);

    return len > end && strcmp(name + len - end, PD_BOOK_GONE) == 0;
}

/* Killed before its dump was put on record, and not at work now. The journal of another catalog's dump has
 * entries, but for moments in which it is locked; one that is still empty may not be locked yet. */
static bool is_stillborn(struct pd_catalog *catalog, const char *dir, const char *uuid)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_dump_row row;
    struct pd_journal *journal = NULL;
    struct pd_buf path = PD_BUF_INIT;
    struct stat st;
    bool is = false;

    if (pd_buf_printf(&path, "%s/journal", dir) == PD_OK && stat(path.data, &st) == 0 &&
        st.st_size > 0 && pd_catalog_dump_find(catalog, uuid, &row, &ignored) == PD_NOT_FOUND &&
        pd_journal_open(path.data, false, &journal, &ignored) == PD_OK) {
        is = pd_journal_last(journal) == 0;
    }
    pd_journal_close(journal);
    pd_buf_free(&path);
    return is;
}

void pd_dump_sweep(const struct pd_env *env, struct pd_catalog *catalog, const char *state_dir)
{
    struct pd_buf parent = PD_BUF_INIT;
    DIR *folder = pd_buf_printf(&parent, "%s/dumps", state_dir) == PD_OK ? opendir(parent.data)
                                                                         : NULL;
    struct dirent *entry;

    while (folder && (entry = readdir(folder)) != NULL) {
        struct pd_buf dir = PD_BUF_INIT;
        if (entry->d_name[0] != '.' &&
            pd_buf_printf(&dir, "%s/%s", parent.data, entry->d_name) == PD_OK &&
            (is_gone(entry->d_name) || is_stillborn(catalog, dir.data, entry->d_name))) {
            pd_log_line(env->log, PD_LOG_INFO, "%s is of no use any more", dir.data);
            pd_book_remove_folder(dir.data);
        }
        pd_buf_free(&dir);
    }
    if (folder) {
        closedir(folder);
    }
    pd_buf_free(&parent);
}
