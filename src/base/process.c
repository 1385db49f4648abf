#include "pairdump/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PLACE_TEXT = 128, START_TEXT = 24, FIELD_START = 22, FIELD_STATE = 3 };

/* The beginning of a file of /proc; false when it cannot be read. */
static bool read_text(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, out, size - 1) : -1;

    if (fd >= 0) {
        close(fd);
    }
    out[len > 0 ? len : 0] = '\0';
    return len > 0;
}

/* "BOOT NAMESPACE" of this process. */
static void read_place(char out[PLACE_TEXT])
{
    char boot[48], space[48];
    ssize_t len = readlink("/proc/self/ns/pid", space, sizeof space - 1);

    space[len > 0 ? len : 0] = '\0';
    if (!read_text("/proc/sys/kernel/random/boot_id", boot, sizeof boot)) {
        boot[0] = '\0';
    }
    boot[strcspn(boot, " \n")] = '\0';
    snprintf(out, PLACE_TEXT, "%s %s", boot[0] ? boot : "-", space[0] ? space : "-");
}

/* State and start of a process, as in proc(5); the name, in parentheses, may hold any bytes. */
static bool read_stat(int64_t pid, char *state, char start[START_TEXT])
{
    char path[48], text[1024];
    const char *at;

    snprintf(path, sizeof path, "/proc/%" PRId64 "/stat", pid);
    if (!read_text(path, text, sizeof text) || (at = strrchr(text, ')')) == NULL || at[1] != ' ') {
        return false;
    }
    at += 2;
    *state = *at;
    for (int field = FIELD_STATE; field < FIELD_START; field++) {
        at += strcspn(at, " ");
        at += *at == ' ';
    }
    snprintf(start, START_TEXT, "%.*s", (int)strspn(at, "0123456789"), at);
    return start[0] != '\0';
}

void pd_process_self(char out[PD_PROCESS_TEXT])
{
    char place[PLACE_TEXT], start[START_TEXT], state;

    read_place(place);
    if (!read_stat(getpid(), &state, start)) {
        snprintf(start, sizeof start, "-");
    }
    snprintf(out, PD_PROCESS_TEXT, "%s %s", place, start);
}

enum pd_process_state pd_process_look(int64_t pid, const char *identity)
{
    char place[PLACE_TEXT], start[START_TEXT], state = '?';
    size_t len;

    read_place(place);
    len = strlen(place);
    if (place[0] == '-' || place[len - 1] == '-' || pid <= 0 || pid > INT_MAX ||
        strncmp(identity, place, len) != 0 || identity[len] != ' ') {
        return PD_PROCESS_ELSEWHERE;
    }
    if (kill((pid_t)pid, 0) != 0 && errno == ESRCH) {
        return PD_PROCESS_ENDED;
    }
    if (!read_stat(pid, &state, start) || strcmp(identity + len + 1, "-") == 0) {
        return PD_PROCESS_RUNS;
    }
    return state == 'Z' || state == 'X' || strcmp(identity + len + 1, start) != 0
               ? PD_PROCESS_ENDED
               : PD_PROCESS_RUNS;
}

void pd_process_host(char out[PD_HOST_TEXT])
{
    memset(out, 0, PD_HOST_TEXT);
    if (gethostname(out, PD_HOST_TEXT - 1) != 0) {
        out[0] = '\0';
    }
}
