#include "pairdump/drive_log.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "pairdump/registry.h"
#include "pairdump/spawn.h"

#define SG_LOGS    "sg_logs"
#define TIMEOUT_NS ((uint64_t)20 * PD_NS_PER_S)
#define GRACE_NS   ((uint64_t)2 * PD_NS_PER_S)
#define PAGE_MAX   65540 /* a length of 16 bits, and the head */
#define ERR_MAX    2048
#define SYSFS      128
#define ATTENTION  6 /* exit code of sg_logs: the drive had something else to say first */

/* ---- which node, and which drive ---- */

/* What a file of sysfs says, blanks around it and what is not printable left out. */
static void read_word(const char *folder, const char *name, size_t skip, char *out, size_t size)
{
    char path[SYSFS + 32], text[256];
    size_t len = 0, put = 0;
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "re");
    if (file != NULL) {
        len = fread(text, 1, sizeof(text), file);
        (void)fclose(file);
    }
    while (len > skip && !isgraph((unsigned char)text[len - 1]))
        len--;
    for (size_t i = skip; i < len && put + 1 < size; i++) {
        bool leading = put == 0 && !isgraph((unsigned char)text[i]);

        if (!leading && text[i] >= ' ' && text[i] <= '~')
            out[put++] = text[i];
    }
    out[put] = '\0';
}

/* "sg3": the name of the one node that the folder of sysfs has. */
static bool find_sg(const char *folder, char *out, size_t size)
{
    char path[SYSFS + 32];
    struct dirent *entry;
    bool found = false;
    DIR *dir;

    snprintf(path, sizeof(path), "%s/scsi_generic", folder);
    dir = opendir(path);
    while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, "sg", 2) == 0 && isdigit((unsigned char)entry->d_name[2])) {
            found = snprintf(out, size, "/dev/%s", entry->d_name) < (int)size;
        }
    }
    if (dir != NULL)
        (void)closedir(dir);
    return found;
}

static enum pd_status look_at_drive(const char *device, char *node, size_t size,
                                    struct pd_drive_log *log, struct pd_error *err)
{
    char folder[SYSFS], maker[16], model[32], serial[64];
    struct stat st;

    if (stat(device, &st) != 0 || !S_ISCHR(st.st_mode))
        return pd_error_set(err, PD_UNSUPPORTED, 0, "%s is no tape drive", device);
    snprintf(folder, sizeof(folder), "/sys/dev/char/%u:%u/device", major(st.st_rdev),
             minor(st.st_rdev));
    if (!find_sg(folder, node, size))
        return pd_error_set(err, PD_UNSUPPORTED, 0,
                            "%s has no SCSI generic node; load the module sg", device);
    read_word(folder, "vendor", 0, maker, sizeof(maker));
    read_word(folder, "model", 0, model, sizeof(model));
    read_word(folder, "vpd_pg80", 4, serial, sizeof(serial)); /* behind a head of 4 bytes */
    snprintf(log->drive, sizeof(log->drive), "%s %s %s", maker, model, serial[0] ? serial : device);
    return PD_OK;
}

/* A mock's node is a file that tests have put there. */
static enum pd_status look_at_mock(const char *dir, char *node, size_t size,
                                   struct pd_drive_log *log, struct pd_error *err)
{
    int len = snprintf(node, size, "%s/sg", dir);

    if (len >= (int)size || access(node, F_OK) != 0)
        return pd_error_set(err, PD_UNSUPPORTED, 0, "a drive without hardware has no log");
    snprintf(log->drive, sizeof(log->drive), "mock %.200s", dir);
    return PD_OK;
}

static enum pd_status find_node(const char *url, char *node, size_t size, struct pd_drive_log *log,
                                struct pd_error *err)
{
    char *path = NULL;
    enum pd_status status;

    if (!pd_target_url_exclusive(url))
        return pd_error_set(err, PD_UNSUPPORTED, 0, "%s is no tape drive", url);
    status = pd_target_url_path(url, &path, err);
    if (status == PD_OK)
        status = pd_target_url_device(url) ? look_at_drive(path, node, size, log, err)
                                           : look_at_mock(path, node, size, log, err);
    free(path);
    return status;
}

/* ---- asking ---- */

/* The last line of its errors, for people. */
static enum pd_status ended_badly(unsigned page, const struct pd_spawn_result *result,
                                  struct pd_error *err)
{
    char why[160] = "";
    size_t put = 0;

    for (size_t i = 0; i < result->err.len && put + 1 < sizeof(why); i++) {
        char c = result->err.data[i];

        why[put++] = c >= ' ' && c <= '~' ? c : ' ';
    }
    why[put] = '\0';
    return pd_error_set(err, PD_IO, 0, "%s cannot read page %02Xh: %s", SG_LOGS, page,
                        put > 0 ? why : "it does not say why");
}

static enum pd_status ask(const struct pd_env *env, const char *program, const char *node,
                          unsigned page, struct pd_drive_log *log, struct pd_error *err)
{
    char which[32];
    const char *const argv[] = {SG_LOGS, "--raw", "--no_inq", "--readonly", which, node, NULL};
    const struct pd_spawn spawn = {.program = program,
                                   .argv = argv,
                                   .timeout_ns = TIMEOUT_NS,
                                   .grace_ns = GRACE_NS,
                                   .out_max = PAGE_MAX,
                                   .err_max = ERR_MAX};
    struct pd_spawn_result result;
    enum pd_status status;

    snprintf(which, sizeof(which), "--page=0x%02x", page);
    status = pd_spawn_run(env, &spawn, &result, err);
    if (status == PD_OK && result.exit_code == ATTENTION) {
        pd_spawn_result_free(&result);
        status = pd_spawn_run(env, &spawn, &result, err);
    }
    if (status == PD_OK && result.exit_code != 0)
        status = ended_badly(page, &result, err);
    if (status == PD_OK)
        status = pd_drive_log_page(page, result.out.data, result.out.len, log, err);
    pd_spawn_result_free(&result);
    return status;
}

enum pd_status pd_drive_log_take(const struct pd_env *env, const char *url,
                                 struct pd_drive_log *out, struct pd_error *err)
{
    static const unsigned pages[] = {PD_LOG_PAGE_ALERT, PD_LOG_PAGE_WRITE, PD_LOG_PAGE_READ};
    struct pd_error first = PD_ERROR_INIT;
    char node[512];
    char *program = NULL;
    size_t told = 0;
    enum pd_status status;

    *out = (struct pd_drive_log){.taken = pd_clock_utc(env->clock),
                                 .write_corrected = PD_DRIVE_LOG_UNKNOWN,
                                 .write_uncorrected = PD_DRIVE_LOG_UNKNOWN,
                                 .read_corrected = PD_DRIVE_LOG_UNKNOWN,
                                 .read_uncorrected = PD_DRIVE_LOG_UNKNOWN};
    status = find_node(url, node, sizeof(node), out, err);
    if (status == PD_OK)
        status = pd_spawn_find(SG_LOGS, &program, err);
    if (status == PD_NOT_FOUND)
        status = pd_error_set(err, PD_NOT_FOUND, 0,
                              "%s is not installed (package sg3-utils): drives are not asked for "
                              "alerts and errors",
                              SG_LOGS);
    if (status != PD_OK)
        return status;
    for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]) && status == PD_OK; i++) {
        struct pd_error why = PD_ERROR_INIT;
        enum pd_status asked = ask(env, program, node, pages[i], out, &why);

        told += asked == PD_OK;
        if (asked != PD_OK && first.status == PD_OK)
            first = why;
        if (asked == PD_HUNG || asked == PD_INTERRUPTED)
            break;
    }
    free(program);
    if (told == 0) {
        *err = first;
        status = first.status;
    }
    return status;
}
