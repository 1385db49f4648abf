#include "pairdump/changer.h"

#define ELEMENTS_MAX 65536 /* of a kind: SMC-3 addresses have 16 bits */
#define SHOWN        60    /* of a line that is not understood */
#define ALTERNATE    ":AlternateVolumeTag"

/* What is left of a line, without its newline and the blanks before it. */
struct text {
    const char *at, *end;
};

static bool take(struct text *text, const char *literal)
{
    size_t len = strlen(literal);

    if ((size_t)(text->end - text->at) < len || memcmp(text->at, literal, len) != 0)
        return false;
    text->at += len;
    return true;
}

/* As %d prints it: no sign, no leading zero; max at most. */
static bool take_number(struct text *text, uint32_t max, uint32_t *out)
{
    const char *from = text->at;
    uint64_t value = 0;

    while (text->at < text->end && *text->at >= '0' && *text->at <= '9' && value <= max)
        value = value * 10 + (uint64_t)(*text->at++ - '0');
    if (text->at == from || value > max || (*from == '0' && text->at - from > 1))
        return false;
    *out = (uint32_t)value;
    return true;
}

static bool at_end(const struct text *text)
{
    return text->at == text->end;
}

static bool is_printable(const char *at, const char *end)
{
    for (; at < end; at++) {
        if (*at < 0x20 || *at > 0x7e)
            return false;
    }
    return true;
}

/* A tag up to its end, into out (PD_BARCODE_MAX + 1). */
static bool take_tag(struct text *text, const char *end, char *out)
{
    const char *from = text->at, *to = end;

    text->at = end;
    while (to > from && to[-1] == ' ')
        to--;
    if (to - from > PD_BARCODE_MAX || !is_printable(from, to))
        return false;
    memcpy(out, from, (size_t)(to - from));
    out[to - from] = '\0';
    return true;
}

/* With drives mtx puts blanks around it; the second is gone with the blanks at the end of the line
 * when the tag is blank. */
static bool take_equals(struct text *text, const char *equals)
{
    if (!take(text, equals))
        return false;
    if (equals[0] == ' ')
        (void)take(text, " ");
    return true;
}

/* The volume tags, which end the line: "[:VolumeTag=TAG][:AlternateVolumeTag=TAG]". The alternate
 * one, of the other side of a medium, is checked and dropped. */
static bool take_tags(struct text *text, const char *equals, char *out)
{
    char alternate[PD_BARCODE_MAX + 1];

    if (take(text, ":VolumeTag")) {
        const char *end =
            memmem(text->at, (size_t)(text->end - text->at), ALTERNATE, strlen(ALTERNATE));

        if (!take_equals(text, equals) || !take_tag(text, end != NULL ? end : text->end, out))
            return false;
    }
    if (take(text, ALTERNATE)) {
        if (!take_equals(text, equals) || !take_tag(text, text->end, alternate))
            return false;
    }
    return at_end(text);
}

static const char *parse_drive(struct text *text, struct pd_changer_element *out)
{
    if (take(text, "Empty"))
        return at_end(text) ? NULL : "more behind an empty drive";
    out->full = true;
    if (take(text, "Full (Storage Element ")) {
        if (!take_number(text, ELEMENTS_MAX, &out->source) || !take(text, " Loaded)"))
            return "no slot that the drive was loaded from";
    } else if (!take(text, "Full (Unknown Storage Element Loaded)")) {
        return "neither full nor empty";
    }
    return take_tags(text, " =", out->barcode) ? NULL : "no proper volume tag";
}

/* Libraries fill the tag of an empty slot with blanks, or leave what was there. */
static const char *parse_slot(struct text *text, struct pd_changer_element *out)
{
    out->kind = take(text, " IMPORT/EXPORT") ? PD_CHANGER_PORT : PD_CHANGER_SLOT;
    if (!take(text, ":"))
        return "no colon behind the slot";
    if (take(text, "Full")) {
        out->full = true;
        if (!take(text, " ") && !at_end(text))
            return "neither full nor empty";
    } else if (!take(text, "Empty")) {
        return "neither full nor empty";
    }
    if (!take_tags(text, "=", out->barcode))
        return "no proper volume tag";
    if (!out->full)
        out->barcode[0] = '\0';
    return NULL;
}

struct reading {
    struct pd_changer_inventory *inventory;
    bool *seen; /* per element */
    size_t seen_count;
    uint32_t ports; /* seen */
};

static const char *parse_element(struct reading *reading, struct text *text)
{
    struct pd_changer_inventory *inventory = reading->inventory;
    struct pd_changer_element element = {.kind = PD_CHANGER_DRIVE};
    const char *wrong;
    size_t index;

    if (take(text, "Data Transfer Element ")) {
        if (!take_number(text, inventory->drive_count - 1, &element.number) || !take(text, ":"))
            return "no drive of those that the first line counts";
        index = element.number;
        wrong = parse_drive(text, &element);
        if (wrong == NULL && element.source > inventory->slot_count)
            wrong = "loaded from no slot of those that the first line counts";
    } else if (take(text, "      Storage Element ")) {
        if (!take_number(text, inventory->slot_count, &element.number) || element.number == 0)
            return "no slot of those that the first line counts";
        index = inventory->drive_count + element.number - 1;
        wrong = parse_slot(text, &element);
        reading->ports += element.kind == PD_CHANGER_PORT;
    } else {
        return "neither a drive nor a slot";
    }
    if (wrong != NULL)
        return wrong;
    if (reading->seen[index])
        return "the same element again";
    if (reading->ports > inventory->port_count)
        return "more import/export slots than the first line counts";
    reading->seen[index] = true;
    reading->seen_count++;
    inventory->elements[index] = element;
    return NULL;
}

/* "  Storage Changer DEVICE:2 Drives, 9 Slots ( 1 Import/Export )"; a device may hold colons. */
static const char *parse_first(struct text *text, struct pd_changer_inventory *out)
{
    const char *colon = memrchr(text->at, ':', (size_t)(text->end - text->at));

    if (!take(text, "  Storage Changer ") || colon == NULL || colon <= text->at)
        return "not the first line of a status";
    text->at = colon + 1;
    if (!take_number(text, ELEMENTS_MAX, &out->drive_count) || !take(text, " Drives, ") ||
        !take_number(text, ELEMENTS_MAX, &out->slot_count) || !take(text, " Slots ( ") ||
        !take_number(text, ELEMENTS_MAX, &out->port_count) || !take(text, " Import/Export )") ||
        !at_end(text))
        return "no counts of drives and slots";
    if (out->drive_count == 0 || out->slot_count == 0 || out->port_count > out->slot_count)
        return "counts that cannot be";
    out->count = (size_t)out->drive_count + out->slot_count;
    return NULL;
}

static enum pd_status refuse(struct pd_error *err, size_t number, const struct text *line,
                             const char *why)
{
    size_t len = (size_t)(line->end - line->at);

    return pd_error_set(err, PD_BAD_FORMAT, 0, "status of the changer, line %zu: %s: \"%.*s%s\"",
                        number, why, (int)(len < SHOWN ? len : SHOWN), line->at,
                        len > SHOWN ? "..." : "");
}

/* Takes the next line off rest, without blanks at its end. False: it has no end. */
static bool next_line(struct text *rest, struct text *line)
{
    const char *newline = memchr(rest->at, '\n', (size_t)(rest->end - rest->at));

    line->at = rest->at;
    line->end = newline != NULL ? newline : rest->end;
    rest->at = newline != NULL ? newline + 1 : rest->end;
    while (newline != NULL && line->end > line->at && line->end[-1] == ' ')
        line->end--;
    return newline != NULL;
}

static enum pd_status parse_lines(struct reading *reading, struct text *rest, struct pd_error *err)
{
    struct text line;
    size_t number = 1;

    while (!at_end(rest)) {
        const char *wrong = NULL;

        number++;
        if (!next_line(rest, &line)) {
            wrong = "cut off";
        } else {
            struct text text = line;

            wrong = parse_element(reading, &text);
        }
        if (wrong != NULL)
            return refuse(err, number, &line, wrong);
    }
    if (reading->seen_count != reading->inventory->count ||
        reading->ports != reading->inventory->port_count)
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "status of the changer: %zu elements in %zu lines, %u of them "
                            "import/export; the first line says %zu and %u",
                            reading->seen_count, number, reading->ports, reading->inventory->count,
                            reading->inventory->port_count);
    return PD_OK;
}

enum pd_status pd_changer_parse(const char *text, size_t len, struct pd_changer_inventory *out,
                                struct pd_error *err)
{
    struct text rest, line, first;
    struct reading reading = {.inventory = out};
    enum pd_status status;
    const char *wrong;

    memset(out, 0, sizeof(*out));
    if (len == 0)
        return pd_error_set(err, PD_BAD_FORMAT, 0,
                            "status of the changer, line 1: nothing is there");
    rest = (struct text){text, text + len};
    if (!next_line(&rest, &line)) {
        wrong = "cut off";
    } else {
        first = line;
        wrong = parse_first(&first, out);
    }
    if (wrong != NULL) {
        memset(out, 0, sizeof(*out));
        return refuse(err, 1, &line, wrong);
    }
    out->elements = calloc(out->count, sizeof(*out->elements));
    reading.seen = calloc(out->count, sizeof(*reading.seen));
    if (out->elements == NULL || reading.seen == NULL)
        status = pd_error_memory(err, "the elements of a changer");
    else
        status = parse_lines(&reading, &rest, err);
    free(reading.seen);
    if (status != PD_OK)
        pd_changer_inventory_free(out);
    return status;
}

void pd_changer_inventory_free(struct pd_changer_inventory *inventory)
{
    free(inventory->elements);
    memset(inventory, 0, sizeof(*inventory));
}

bool pd_changer_barcode_is(const char *barcode, const char *label)
{
    size_t len = strlen(label);

    if (len == 0 || strncmp(barcode, label, len) != 0)
        return false;
    barcode += len;
    if (barcode[0] == '\0')
        return true;
    return barcode[0] >= 'A' && barcode[0] <= 'Z' &&
           ((barcode[1] >= 'A' && barcode[1] <= 'Z') || (barcode[1] >= '0' && barcode[1] <= '9')) &&
           barcode[2] == '\0';
}

const struct pd_changer_element *pd_changer_find(const struct pd_changer_inventory *inventory,
                                                 const char *label)
{
    const struct pd_changer_element *found = NULL;

    for (size_t i = 0; i < inventory->count; i++) {
        const struct pd_changer_element *element = &inventory->elements[i];

        if (!pd_changer_barcode_is(element->barcode, label))
            continue;
        if (strcmp(element->barcode, label) == 0)
            return element;
        if (found == NULL)
            found = element;
    }
    return found;
}

const struct pd_changer_element *pd_changer_drive(const struct pd_changer_inventory *inventory,
                                                  uint32_t number)
{
    return number < inventory->drive_count ? &inventory->elements[number] : NULL;
}

const struct pd_changer_element *pd_changer_slot(const struct pd_changer_inventory *inventory,
                                                 uint32_t number)
{
    if (number == 0 || number > inventory->slot_count)
        return NULL;
    return &inventory->elements[inventory->drive_count + number - 1];
}
