#include "pairdump/registry.h"

#include <errno.h>
#include <sys/stat.h>

#include "pairdump/drive_mock.h"
#include "pairdump/drive_st.h"
#include "pairdump/size.h"
#include "pairdump/target_disk.h"
#include "pairdump/target_fault.h"
#include "pairdump/target_tape.h"
#include "pairdump/text.h"

#define FAULT "fault:"

/* The values of "?name=value&...", 0 where not given. */
struct options {
    uint64_t capacity;
    uint64_t early;
    uint64_t slots;
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

static enum pd_status open_mock(const struct pd_env *env, const char *dir,
                                const struct options *options, const char *url,
                                struct pd_target **out, struct pd_error *err)
{
    const struct pd_drive_mock_options mock = {
        .capacity = options->capacity, .early = options->early, .slots = options->slots};
    struct pd_drive *drive = NULL;
    char *list = NULL;
    enum pd_status status = pd_drive_mock_open(dir, &mock, &drive, err);

    if (status != PD_OK)
        return status;
    list = strdup(dir);
    if (list == NULL) {
        struct pd_error ignored = PD_ERROR_INIT;

        (void)!pd_drive_close(drive, &ignored);
        return pd_error_memory(err, "a target");
    }
    return pd_target_tape_open(env, drive, pd_drive_mock_media, list, free, url, out, err);
}

/* The operator is the changer: there is no list of media. */
static enum pd_status open_tape(const struct pd_env *env, const char *device,
                                const struct options *options, const char *url,
                                struct pd_target **out, struct pd_error *err)
{
    const struct pd_drive_st_options st = {.capacity = options->capacity};
    struct pd_drive *drive = NULL;
    enum pd_status status = pd_drive_st_open(env, device, &st, &drive, err);

    return status == PD_OK ? pd_target_tape_open(env, drive, NULL, NULL, NULL, url, out, err)
                           : status;
}

static const struct scheme schemes[] = {
    {"disk", "capacity", false, false, open_disk},
    {"mock", "capacity early slots", true, false, open_mock},
    {"tape", "capacity", true, true, open_tape},
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

static enum pd_status take_option(const struct scheme *scheme, const char *name, const char *value,
                                  struct options *out, struct pd_error *err)
{
    uint64_t *place = NULL;
    bool ok;

    if (strcmp(name, "capacity") == 0)
        place = &out->capacity;
    else if (strcmp(name, "early") == 0)
        place = &out->early;
    else if (strcmp(name, "slots") == 0)
        place = &out->slots;
    if (place == NULL || !has_word(scheme->allowed, name))
        return pd_error_set(err, PD_USAGE, 0, "%s: knows no option \"%s\"; there is %s",
                            scheme->name, name, scheme->allowed);
    ok = place == &out->slots ? pd_parse_u64(value, place) : pd_parse_size(value, place);
    if (!ok || *place == 0)
        return pd_error_set(err, PD_USAGE, 0, "%s: %s=%s is not a number above zero", scheme->name,
                            name, value);
    return PD_OK;
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
    if (status == PD_OK && out->dir[0] == '\0')
        status = pd_error_set(err, PD_USAGE, 0, "%s: names no %s", out->scheme->name,
                              out->scheme->device ? "device" : "folder");
    if (status != PD_OK) {
        free(out->dir);
        out->dir = NULL;
    }
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
    free(place.dir);
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
    if (*out == NULL)
        *out = place.dir;
    else
        free(place.dir);
    return PD_OK;
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
    status = pd_buf_printf(&location, "%s:%s%s", place.scheme->name,
                           place.scheme->device && place.dir[0] == '/' ? place.dir : path,
                           options != NULL ? options : "");
    free(place.dir);
    free(path);
    if (status != PD_OK) {
        pd_buf_free(&location);
        return pd_error_memory(err, "a target");
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
        free(place.dir);
    }
    return capacity;
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
