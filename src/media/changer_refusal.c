#include "pairdump/changer.h"

#define LINE_MAX_SHOWN 200

/* Some bytes of what was said; not NUL-terminated. */
struct line {
    const char *at;
    size_t len;
};

static bool has(const struct line *line, const char *part)
{
    return memmem(line->at, line->len, part, strlen(part)) != NULL;
}

/* What mtx 1.3 says when it gives up (FatalError() in mtx.c, mtxl.c and scsi_linux.c). */
static const struct known {
    const char *part;
    const char *and; /* NULL: nothing more */
    enum pd_status status;
    const char *meaning;
} known[] = {
    {"Source Element Address", "is Empty", PD_NOT_FOUND, "the source is empty"},
    {"Data Transfer Element", "is Empty", PD_NOT_FOUND, "the drive is empty"},
    {"Destination Element Address", "is Already Full", PD_EXISTS, "the destination is full"},
    {"Storage Element", "is Already Full", PD_EXISTS, "the slot is full"},
    {"Drive ", " Full (Storage Element", PD_EXISTS, "the drive is not empty"},
    {"<storage-element-number> argument", NULL, PD_NOT_FOUND, "there is no such slot"},
    {"<drive-number> argument", NULL, PD_NOT_FOUND, "there is no such drive"},
    {"Invalid source", NULL, PD_NOT_FOUND, "there is no such slot"},
    {"Invalid destination", NULL, PD_NOT_FOUND, "there is no such slot"},
    {"Drive needs offline before move", NULL, PD_NOT_READY,
     "the drive still holds the cartridge; unload it there first"},
    {"Cleaning Cartridge Installed and Ejected", NULL, PD_WRONG_VOLUME,
     "that was a cleaning cartridge"},
    {"is not an sg device", NULL, PD_UNSUPPORTED, "not a device that mtx can use"},
    {"cannot open SCSI device", "Permission denied", PD_DENIED, "no permission"},
    {"cannot open SCSI device", "Operation not permitted", PD_DENIED, "no permission"},
    {"cannot open SCSI device", "Device or resource busy", PD_NOT_READY, "the device is busy"},
    {"cannot open SCSI device", "Resource temporarily unavailable", PD_NOT_READY,
     "the device is busy"},
    {"cannot open SCSI device", "No such", PD_NOT_FOUND, "there is no such device"},
    {"cannot open SCSI device", "a directory", PD_NOT_FOUND, "there is no such device"},
    {"cannot open SCSI device", "Read-only file system", PD_DENIED, "no permission"},
};

/* SPC-4 and SMC-3: sense key by the name that mtx gives it (NULL: any), additional sense code, and
 * its qualifier (-1: any). The first that fits counts. */
static const struct sense_meaning {
    const char *key;
    int code, qualifier;
    enum pd_status status;
    const char *meaning;
} sense_meanings[] = {
    {NULL, 0x3b, 0x0d, PD_EXISTS, "the destination is full"},
    {NULL, 0x3b, 0x0e, PD_NOT_FOUND, "the source is empty"},
    {NULL, 0x3b, 0x11, PD_NOT_READY, "the magazine cannot be reached"},
    {NULL, 0x3b, 0x12, PD_NOT_READY, "the magazine is not in its place"},
    {NULL, 0x21, 0x01, PD_NOT_FOUND, "there is no such element"},
    {NULL, 0x53, 0x02, PD_NOT_READY, "the drive still holds the cartridge; unload it there first"},
    {NULL, 0x3a, -1, PD_NOT_READY, "the drive still holds the cartridge; unload it there first"},
    {NULL, 0x30, -1, PD_WRONG_VOLUME, "the drive does not take that medium"},
    {NULL, 0x20, -1, PD_UNSUPPORTED, "not a changer, or it does not know the command"},
    {"Not Ready", -1, -1, PD_NOT_READY, "not ready"},
    {"Unit Attention", -1, -1, PD_AGAIN, "something changed there"},
};

/* The last request sense that was printed; code -1: none. */
struct sense {
    char key[24];
    int code, qualifier;
};

static bool next_line(const char **at, const char *end, struct line *line)
{
    const char *newline;

    if (*at == end)
        return false;
    newline = memchr(*at, '\n', (size_t)(end - *at));
    line->at = *at;
    line->len = (size_t)((newline != NULL ? newline : end) - *at);
    *at = newline != NULL ? newline + 1 : end;
    return true;
}

/* What stands behind a part of the line; NULL when that is not in it. */
static const char *behind(const struct line *line, const char *part, size_t *len)
{
    const char *found = memmem(line->at, line->len, part, strlen(part));

    if (found == NULL)
        return NULL;
    found += strlen(part);
    *len = (size_t)(line->at + line->len - found);
    return found;
}

/* Two hex digits. */
static int hex_byte(const char *at, size_t len)
{
    char text[3] = "", *end;
    long value;

    if (len < 2)
        return -1;
    memcpy(text, at, 2);
    value = strtol(text, &end, 16);
    return end == text + 2 && text[0] != '-' && text[0] != '+' && text[0] != ' ' ? (int)value : -1;
}

static void take_sense(const struct line *line, struct sense *sense)
{
    size_t len = 0;
    const char *value = behind(line, "Sense Key=", &len);

    if (value != NULL) {
        *sense = (struct sense){.code = -1, .qualifier = -1};
        snprintf(sense->key, sizeof(sense->key), "%.*s", len < 20 ? (int)len : 20, value);
    }
    value = behind(line, "Additional Sense Code = ", &len);
    if (value != NULL)
        sense->code = hex_byte(value, len);
    value = behind(line, "Additional Sense Qualifier = ", &len);
    if (value != NULL)
        sense->qualifier = hex_byte(value, len);
}

static const struct known *find_known(const struct line *line)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (has(line, known[i].part) && (known[i].and == NULL || has(line, known[i].and)))
            return &known[i];
    }
    return NULL;
}

static const struct sense_meaning *find_meaning(const struct sense *sense)
{
    for (size_t i = 0; i < sizeof(sense_meanings) / sizeof(sense_meanings[0]); i++) {
        const struct sense_meaning *m = &sense_meanings[i];

        if ((m->key == NULL || strcmp(m->key, sense->key) == 0) &&
            (m->code == -1 || m->code == sense->code) &&
            (m->qualifier == -1 || m->qualifier == sense->qualifier))
            return m;
    }
    return NULL;
}

static bool is_blank(const struct line *line)
{
    for (size_t i = 0; i < line->len; i++) {
        if (line->at[i] != ' ' && line->at[i] != '\t' && line->at[i] != '\r')
            return false;
    }
    return true;
}

/* The line that tells why: one that is known; else the last where mtx tells of senses, since it
 * ends with why; else the first. Lines about the sense itself do not count. */
struct reason {
    struct line any, first, last, known_line;
    const struct known *known;
    struct sense sense;
};

static void read_lines(const char *text, size_t len, struct reason *out)
{
    const char *at = text;
    struct line line;

    while (len > 0 && next_line(&at, text + len, &line)) {
        const struct known *found = find_known(&line);

        if (is_blank(&line))
            continue;
        take_sense(&line, &out->sense);
        if (out->any.at == NULL)
            out->any = line;
        if (!has(&line, "Request Sense:")) {
            out->last = line;
            if (out->first.at == NULL)
                out->first = line;
        }
        if (found != NULL && out->known == NULL) {
            out->known = found;
            out->known_line = line;
        }
    }
}

enum pd_status pd_changer_refusal(const char *what, const char *text, size_t len,
                                  struct pd_error *err)
{
    struct reason reason = {.sense = {.code = -1, .qualifier = -1}};
    const struct sense_meaning *sensed;
    enum pd_status status = PD_IO;
    const char *meaning = NULL;
    char sense[48] = "";
    struct line line;

    read_lines(text, len, &reason);
    sensed = reason.sense.key[0] != '\0' ? find_meaning(&reason.sense) : NULL;
    line = reason.sense.key[0] != '\0' ? reason.last : reason.first;
    if (line.at == NULL)
        line = reason.any;
    if (reason.known != NULL) {
        line = reason.known_line;
        status = reason.known->status;
        meaning = reason.known->meaning;
    } else if (sensed != NULL) {
        status = sensed->status;
        meaning = sensed->meaning;
    }
    if (reason.known == NULL && reason.sense.code >= 0)
        snprintf(sense, sizeof(sense), " (%s, sense %02x/%02x)", reason.sense.key,
                 (unsigned)reason.sense.code & 0xff, (unsigned)reason.sense.qualifier & 0xff);
    if (line.at == NULL)
        return pd_error_set(err, status, 0, "%s: failed, and does not say why", what);
    return pd_error_set(err, status, 0, "%s: %s%s%.*s%s", what, meaning != NULL ? meaning : "",
                        meaning != NULL ? ": " : "",
                        (int)(line.len < LINE_MAX_SHOWN ? line.len : LINE_MAX_SHOWN), line.at,
                        sense);
}
