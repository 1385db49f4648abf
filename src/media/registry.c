#include "pairdump/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "pairdump/changer.h"
#include "pairdump/drive_library.h"
#include "pairdump/drive_mock.h"
#include "pairdump/drive_st.h"
#include "pairdump/size.h"
#include "pairdump/target_disk.h"
#include "pairdump/target_fault.h"
#include "pairdump/target_tape.h"
#include "pairdump/text.h"

#define FAULT         "fault:"
#define DRIVE_MAX     65535
#define TIMEOUT_MAX   86400               /* seconds */
#define MOCK_PAUSE_NS UINT64_C(200000000) /* a mock has its medium at once */

/* The values of "?name=value&...", 0 or NULL where not given. */
struct options {
    uint64_t capacity;
    uint64_t early;
    uint64_t slots;
    uint64_t timeout; /* seconds */
    uint64_t drive;
    bool has_drive;
    char *changer;
};

typedef enum pd_status (*open_fn)(const struct pd_env *env, const char *dir,
                                  const struct options *options, const char *url,
                                  struct pd_target **out, struct pd_error *err);

struct scheme {
    const char *name;
    const char *allowed; /* its options, separated by spaces */
    bool exclusive;      /* a drive: for one run at a time */
    bool device;         /* a device node, not a folder */
    open_fn open;
};

static enum pd_status open_disk(const struct pd_env *env, const char *dir,
                                const struct options *options, const char *url,
                                struct pd_target **out, struct pd_error *err)
{
    return pd_target_disk_open(env, dir, options->capacity, url, out, err);
}

/* The drive as one of a library; taken over, closed also when this fails. */
static enum pd_status open_library(const struct pd_env *env, struct pd_drive *inner,
                                   const char *name, const struct pd_drive_library_options *times,
                                   const struct options *options, const char *url,
                                   struct pd_target **out, struct pd_error *err)
{
    struct pd_drive_library_options library = *times;
    struct pd_error ignored = PD_ERROR_INIT;
    struct pd_drive *drive = NULL;
    void *media = NULL;
    enum pd_status status;

    library.changer = options->changer;
    library.drive = (uint32_t)options->drive;
    library.name = name;
    library.timeout_ns = options->timeout * (uint64_t)PD_NS_PER_S;
    status = pd_drive_library_open(env, inner, &library, &drive, err);
    if (status != PD_OK)
        return status;
    status = pd_drive_library_media_new(env, &library, &media, err);
    if (status != PD_OK) {
        (void)!pd_drive_close(drive, &ignored); /* nothing is loaded */
        return status;
    }
    return pd_target_tape_open(env, drive, true, pd_drive_library_media, media,
                               pd_drive_library_media_free, url, out, err);
}

static enum pd_status open_mock(const struct pd_env *env, const char *dir,
                                const struct options *options, const char *url,
                                struct pd_target **out, struct pd_error *err)
{
    const struct pd_drive_mock_options mock = {
        .capacity = options->capacity, .early = options->early, .slots = options->slots};
    const struct pd_drive_library_options library = {.pause_ns = MOCK_PAUSE_NS,
                                                     .settle_ns = MOCK_PAUSE_NS};
    struct pd_drive *drive = NULL;
    char *list = NULL;
    enum pd_status status = pd_drive_mock_open(dir, &mock, &drive, err);

    if (status != PD_OK)
        return status;
    if (options->changer != NULL)
        return open_library(env, drive, dir, &library, options, url, out, err);
    list = strdup(dir);
    if (list == NULL) {
        struct pd_error ignored = PD_ERROR_INIT;

        (void)!pd_drive_close(drive, &ignored);
        return pd_error_memory(err, "a target");
    }
    return pd_target_tape_open(env, drive, false, pd_drive_mock_media, list, free, url, out, err);
}

/* Without a changer the operator is one: there is no list of media. */
static enum pd_status open_tape(const struct pd_env *env, const char *device,
                                const struct options *options, const char *url,
                                struct pd_target **out, struct pd_error *err)
{
    const struct pd_drive_st_options st = {.capacity = options->capacity};
    const struct pd_drive_library_options library = {0};
    struct pd_drive *drive = NULL;
    enum pd_status status = pd_drive_st_open(env, device, &st, &drive, err);

    if (status != PD_OK)
        return status;
    if (options->changer != NULL)
        return open_library(env, drive, device, &library, options, url, out, err);
    return pd_target_tape_open(env, drive, false, NULL, NULL, NULL, url, out, err);
}

static const struct scheme schemes[] = {
    {"disk", "capacity", false, false, open_disk},
    {"mock", "capacity early slots changer drive timeout", true, false, open_mock},
    {"tape", "capacity changer drive timeout", true, true, open_tape},
};

/* A URL without its fault filters, taken apart. */
struct place {
    const struct scheme *scheme;
    char *dir;
    struct options options;
};

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    while (*words != '\0') {
        size_t n = strcspn(words, " ");

        if (n == len && memcmp(words, word, n) == 0)
            return true;
        words += n + strspn(words + n, " ");
    }
    return false;
}

static enum pd_status take_changer(const char *value, struct options *out, struct pd_error *err)
{
    if (!pd_changer_is_url(value) || strchr(value, ':')[1] == '\0')
        return pd_error_set(err, PD_USAGE, 0, "changer=%s: a changer is mtx:DEVICE or cmd:PROGRAM",
                            value);
    free(out->changer);
    out->changer = strdup(value);
    return out->changer != NULL ? PD_OK : pd_error_memory(err, "a changer");
}

/* Where the number of an option goes, and what it may be. */
struct number {
    const char *name;
    uint64_t *place;
    uint64_t least, most;
    bool size;
};

static enum pd_status take_number(const struct scheme *scheme, const struct number *number,
                                  const char *value, struct pd_error *err)
{
    bool ok =
        number->size ? pd_parse_size(value, number->place) : pd_parse_u64(value, number->place);

    if (ok && *number->place >= number->least && *number->place <= number->most)
        return PD_OK;
    if (ok && *number->place > number->most)
        return pd_error_set(err, PD_USAGE, 0, "%s: %s=%s is above %" PRIu64, scheme->name,
                            number->name, value, number->most);
    return pd_error_set(err, PD_USAGE, 0, "%s: %s=%s is not a number%s", scheme->name, number->name,
                        value, number->least > 0 ? " above zero" : "");
}

static enum pd_status take_option(const struct scheme *scheme, const char *name, const char *value,
                                  struct options *out, struct pd_error *err)
{
    const struct number numbers[] = {
        {"capacity", &out->capacity, 1, UINT64_MAX, true},
        {"early", &out->early, 1, UINT64_MAX, true},
        {"slots", &out->slots, 1, UINT64_MAX, false},
        {"drive", &out->drive, 0, DRIVE_MAX, false},
        {"timeout", &out->timeout, 1, TIMEOUT_MAX, false},
    };

    if (!has_word(scheme->allowed, name))
        return pd_error_set(err, PD_USAGE, 0, "%s: knows no option \"%s\"; there is %s",
                            scheme->name, name, scheme->allowed);
    if (strcmp(name, "changer") == 0)
        return take_changer(value, out, err);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        out->has_drive = out->has_drive || numbers[i].place == &out->drive;
        return take_number(scheme, &numbers[i], value, err);
    }
    return pd_error_set(err, PD_INTERNAL, 0, "%s: option %s has no place", scheme->name, name);
}

/* A changer serves a drive by its number. */
static enum pd_status check_options(const struct scheme *scheme, const struct options *options,
                                    struct pd_error *err)
{
    if ((options->changer != NULL) == options->has_drive &&
        (options->changer != NULL || options->timeout == 0))
        return PD_OK;
    return pd_error_set(err, PD_USAGE, 0,
                        options->changer != NULL
                            ? "%s: changer=%s needs drive=N, the number of the drive there, from 0"
                            : "%s: drive=N and timeout=SECONDS need changer=URL%s",
                        scheme->name, options->changer != NULL ? options->changer : "");
}

/* text is taken apart in place. */
static enum pd_status parse_options(const struct scheme *scheme, char *text, struct options *out,
                                    struct pd_error *err)
{
    enum pd_status status = PD_OK;

    while (status == PD_OK && text != NULL) {
        char *next = strchr(text, '&');
        char *value;

        if (next != NULL)
            *next++ = '\0';
        value = strchr(text, '=');
        if (value == NULL)
            return pd_error_set(err, PD_USAGE, 0, "%s: option \"%s\" has no value", scheme->name,
                                text);
        *value++ = '\0';
        status = take_option(scheme, text, value, out, err);
        text = next;
    }
    return status;
}

static const struct scheme *find_scheme(const char *url)
{
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t len = strlen(schemes[i].name);

        if (strncmp(url, schemes[i].name, len) == 0 && url[len] == ':')
            return &schemes[i];
    }
    return NULL;
}

/* The TARGET of "fault:SPEC:TARGET", *spec_len bytes of SPEC before it; NULL when there is none. */
static const char *behind_fault(const char *url, size_t *spec_len)
{
    *spec_len = strcspn(url + strlen(FAULT), ":");
    url += strlen(FAULT) + *spec_len;
    return *url == ':' ? url + 1 : NULL;
}

static bool is_fault(const char *url)
{
    return strncmp(url, FAULT, strlen(FAULT)) == 0;
}

/* The TARGET behind all filters; NULL when there is none. */
static const char *behind_faults(const char *url)
{
    size_t spec_len = 0;

    while (url != NULL && is_fault(url))
        url = behind_fault(url, &spec_len);
    return url;
}

static void drop_place(struct place *place)
{
    free(place->dir);
    free(place->options.changer);
    memset(place, 0, sizeof(*place));
}

/* Nothing is to be dropped when it fails. */
static enum pd_status parse_place(const char *url, struct place *out, struct pd_error *err)
{
    char *options;
    enum pd_status status = PD_OK;

    memset(out, 0, sizeof(*out));
    out->scheme = find_scheme(url);
    if (out->scheme == NULL)
        return pd_error_set(err, PD_USAGE, 0,
                            "\"%s\" is not a target; it begins with disk:DIR, tape:DEVICE, "
                            "mock:DIR or fault:OP@N=EFFECT:TARGET",
                            url);
    out->dir = strdup(url + strlen(out->scheme->name) + 1);
    if (out->dir == NULL)
        return pd_error_memory(err, "a target");
    options = strrchr(out->dir, '?');
    if (options != NULL) {
        *options++ = '\0';
        status = parse_options(out->scheme, options, &out->options, err);
    }
    if (status == PD_OK)
        status = check_options(out->scheme, &out->options, err);
    if (status == PD_OK && out->dir[0] == '\0')
        status = pd_error_set(err, PD_USAGE, 0, "%s: names no %s", out->scheme->name,
                              out->scheme->device ? "device" : "folder");
    if (status != PD_OK)
        drop_place(out);
    return status;
}

static enum pd_status check_folder(const char *dir, struct pd_error *err)
{
    struct stat st;

    if (stat(dir, &st) != 0) {
        bool absent = errno == ENOENT || errno == ENOTDIR;

        return pd_error_set(err, absent ? PD_USAGE : pd_status_from_errno(errno), errno,
                            absent ? "the folder %s does not exist; make or mount it first"
                                   : "cannot look at %s",
                            dir);
    }
    if (!S_ISDIR(st.st_mode))
        return pd_error_set(err, PD_USAGE, 0, "%s is not a folder", dir);
    return PD_OK;
}

static enum pd_status open_place(const struct pd_env *env, const char *url, struct pd_target **out,
                                 struct pd_error *err)
{
    struct place place;
    enum pd_status status = parse_place(url, &place, err);

    if (status == PD_OK && !place.scheme->device)
        status = check_folder(place.dir, err);
    if (status == PD_OK)
        status = place.scheme->open(env, place.dir, &place.options, url, out, err);
    drop_place(&place);
    return status;
}

/* Filters are wrapped from the inside out: the first in the URL is the outermost. */
static enum pd_status open_fault(const struct pd_env *env, const char *url, struct pd_target **out,
                                 struct pd_error *err)
{
    size_t spec_len = 0;
    const char *rest = behind_fault(url, &spec_len);
    struct pd_target *inner = NULL;
    char *spec = NULL;
    enum pd_status status;

    if (rest == NULL)
        return pd_error_set(err, PD_USAGE, 0, "\"%s\" names no target behind the faults", url);
    spec = strndup(url + strlen(FAULT), spec_len);
    if (spec == NULL)
        return pd_error_memory(err, "a target");
    status =
        is_fault(rest) ? open_fault(env, rest, &inner, err) : open_place(env, rest, &inner, err);
    if (status == PD_OK)
        status = pd_target_fault_open(env, spec, inner, url, out, err);
    free(spec);
    return status;
}

enum pd_status pd_target_open(const struct pd_env *env, const char *url, struct pd_target **out,
                              struct pd_error *err)
{
    enum pd_status status;

    *out = NULL;
    status = is_fault(url) ? open_fault(env, url, out, err) : open_place(env, url, out, err);
    if (status != PD_OK)
        pd_error_context(err, url, NULL, NULL);
    return status;
}

enum pd_status pd_target_url_path(const char *url, char **out, struct pd_error *err)
{
    struct place place;
    const char *rest = behind_faults(url);
    enum pd_status status;

    *out = NULL;
    if (rest == NULL)
        return pd_error_set(err, PD_USAGE, 0, "\"%s\" names no target behind the faults", url);
    status = parse_place(rest, &place, err);
    if (status != PD_OK)
        return status;
    /* One spelling for one place; a folder that does not exist keeps its own. */
    *out = realpath(place.dir, NULL);
    if (*out == NULL) {
        *out = place.dir;
        place.dir = NULL;
    }
    drop_place(&place);
    return PD_OK;
}

/* The options as they are, but with the changer's file by an absolute path: it is told to others. A
 * link to it outlives the number of a device. */
static enum pd_status put_options(struct pd_buf *out, const char *options, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (char sign = '?'; status == PD_OK && *options != '\0'; sign = '&') {
        size_t len = strcspn(options, "&"), start = strlen("changer=");
        bool changer = strncmp(options, "changer=", start) == 0;
        const char *file = changer ? memchr(options, ':', len) : NULL;
        char *path = NULL;

        if (file != NULL && file[1] != '/') {
            size_t skip = (size_t)(file + 1 - options);
            char *given = strndup(file + 1, len - skip);

            path = given != NULL ? realpath(given, NULL) : NULL;
            free(given);
            if (path != NULL)
                status = pd_buf_printf(out, "%c%.*s%s", sign, (int)skip, options, path);
        }
        if (path == NULL)
            status = pd_buf_printf(out, "%c%.*s", sign, (int)len, options);
        free(path);
        options += len + (options[len] == '&');
    }
    return status == PD_OK ? PD_OK : pd_error_memory(err, "a target");
}

enum pd_status pd_target_url_location(const char *url, char **out, struct pd_error *err)
{
    struct pd_buf location = PD_BUF_INIT;
    const char *rest = behind_faults(url), *options;
    struct place place = {0};
    char *path = NULL;
    enum pd_status status = pd_target_url_path(url, &path, err);

    *out = NULL;
    if (status == PD_OK)
        status = parse_place(rest, &place, err);
    if (status != PD_OK) {
        free(path);
        return status;
    }
    options = strrchr(rest, '?');
    /* A link to a device, as in /dev/tape/by-id, outlives the number of the device. */
    if (pd_buf_printf(&location, "%s:%s", place.scheme->name,
                      place.scheme->device && place.dir[0] == '/' ? place.dir : path) != PD_OK)
        status = pd_error_memory(err, "a target");
    if (status == PD_OK && options != NULL)
        status = put_options(&location, options + 1, err);
    drop_place(&place);
    free(path);
    if (status != PD_OK) {
        pd_buf_free(&location);
        return status;
    }
    *out = location.data;
    return PD_OK;
}

uint64_t pd_target_url_capacity(const char *url)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct place place;
    uint64_t capacity = 0;

    url = behind_faults(url);
    if (url != NULL && parse_place(url, &place, &ignored) == PD_OK) {
        capacity = place.options.capacity;
        drop_place(&place);
    }
    return capacity;
}

bool pd_target_url_changer(const char *url)
{
    struct pd_error ignored = PD_ERROR_INIT;
    struct place place;
    bool changer = false;

    url = behind_faults(url);
    if (url != NULL && parse_place(url, &place, &ignored) == PD_OK) {
        changer = place.options.changer != NULL;
        drop_place(&place);
    }
    return changer;
}

/* Whether "?...name=..." is at the end of the URL. */
static bool names_option(const char *options, const char *name)
{
    size_t len = strlen(name);

    while (options != NULL) {
        if (strncmp(++options, name, len) == 0 && options[len] == '=')
            return true;
        options = strchr(options, '&');
    }
    return false;
}

enum pd_status pd_target_url_with(const char *url, const char *name, const char *value, char **out,
                                  struct pd_error *err)
{
    struct pd_buf buf = PD_BUF_INIT;
    const char *options = strrchr(url, '?');
    enum pd_status status;

    *out = NULL;
    if (value[0] == '\0' || strpbrk(value, "&?") != NULL)
        return pd_error_set(err, PD_USAGE, 0, "%s=%s: a value is not empty, and has no & and no ?",
                            name, value);
    status = pd_buf_puts(&buf, url);
    if (status == PD_OK && !names_option(options, name))
        status = pd_buf_printf(&buf, "%c%s=%s", options != NULL ? '&' : '?', name, value);
    if (status != PD_OK) {
        pd_buf_free(&buf);
        return pd_error_memory(err, "a target");
    }
    *out = buf.data;
    return PD_OK;
}

bool pd_target_url_device(const char *url)
{
    const struct scheme *scheme;

    url = behind_faults(url);
    scheme = url != NULL ? find_scheme(url) : NULL;
    return scheme != NULL && scheme->device;
}

bool pd_target_url_exclusive(const char *url)
{
    const struct scheme *scheme;

    url = behind_faults(url);
    scheme = url != NULL ? find_scheme(url) : NULL;
    return scheme != NULL && scheme->exclusive;
}
