#include "library_view.h"

#include <inttypes.h>

#include "pairdump/changer.h"
#include "render.h"

/* A volume of the catalog, and whether a cartridge bears its label. */
struct known {
    char label[PD_LABEL_TEXT];
    enum pd_volume_state state;
    char *location, *host;
    bool here;
};

struct library {
    struct pd_face *face;
    struct pd_changer_inventory inventory;
    struct known *known;
    size_t known_count, known_room;
    bool compared; /* with the catalog */
    size_t full, found, unknown, missing;
    json_t *elements, *absent;
};

static enum pd_status take_volume(void *arg, const struct pd_volume_row *row, struct pd_error *err)
{
    struct library *library = arg;

    if (library->known_count == library->known_room) {
        size_t room = library->known_room == 0 ? 64 : library->known_room * 2;
        struct known *more = realloc(library->known, room * sizeof *more);

        if (!more) {
            return pd_error_memory(err, "volumes");
        }
        library->known = more;
        library->known_room = room;
    }
    struct known *known = &library->known[library->known_count];
    *known = (struct known){.state = row->state,
                            .location = strdup(row->location),
                            .host = strdup(pd_volume_is_elsewhere(row) ? row->host : "")};
    snprintf(known->label, sizeof known->label, "%s", row->label);
    library->known_count++;
    return known->location && known->host ? PD_OK : pd_error_memory(err, "volumes");
}

static enum pd_status ask_catalog(struct library *library, struct pd_error *err)
{
    struct pd_catalog *catalog = NULL;
    enum pd_status status = pd_face_catalog(library->face, false, &catalog, err);

    if (status == PD_OK) {
        status = pd_catalog_volumes(catalog, take_volume, library, err);
    }
    pd_catalog_close(catalog);
    library->compared = status == PD_OK;
    return status;
}

static struct known *find_known(struct library *library, const char *barcode)
{
    for (size_t i = 0; library->compared && barcode[0] && i < library->known_count; i++) {
        if (pd_changer_barcode_is(barcode, library->known[i].label)) {
            return &library->known[i];
        }
    }
    return NULL;
}

/* By the custom of LTO; it holds nothing. */
static bool is_cleaner(const char *barcode)
{
    return strncmp(barcode, "CLN", 3) == 0;
}

static const char *kind_name(enum pd_changer_kind kind)
{
    return kind == PD_CHANGER_DRIVE ? "drive" : kind == PD_CHANGER_PORT ? "port" : "slot";
}

/* What the catalog makes of a cartridge; "" when it was not asked. */
static const char *state_name(const struct library *library,
                              const struct pd_changer_element *element, const struct known *known)
{
    if (known) {
        return pd_volume_state_name(known->state);
    }
    if (is_cleaner(element->barcode)) {
        return "cleaning";
    }
    return library->compared && element->full ? "unknown" : "";
}

static void show_element(struct library *library, const struct pd_changer_element *element)
{
    struct known *known = element->full ? find_known(library, element->barcode) : NULL;
    const char *state = state_name(library, element, known);
    FILE *out = library->face->out;

    if (known) {
        known->here = true;
    }
    library->full += element->full;
    library->found += known != NULL;
    library->unknown += strcmp(state, "unknown") == 0;
    if (library->elements) {
        json_t *item = json_object();
        json_object_set_new(item, "kind", json_string(kind_name(element->kind)));
        json_object_set_new(item, "number", json_integer((json_int_t)element->number));
        json_object_set_new(item, "full", json_boolean(element->full));
        json_object_set_new(item, "barcode", json_string(element->barcode));
        if (element->source != 0) {
            json_object_set_new(item, "from_slot", json_integer((json_int_t)element->source));
        }
        if (known) {
            json_object_set_new(item, "volume", json_string(known->label));
        }
        if (state[0]) {
            json_object_set_new(item, "state", json_string(state));
        }
        json_array_append_new(library->elements, item);
        return;
    }
    fprintf(out, "%-5s %4" PRIu32 "  ", kind_name(element->kind), element->number);
    if (!element->full) {
        fputs("empty\n", out);
        return;
    }
    fprintf(out, "%-12s  %s", element->barcode[0] ? element->barcode : "no barcode", state);
    if (element->source != 0) {
        fprintf(out, "  from slot %" PRIu32, element->source);
    }
    fputc('\n', out);
}

/* Volumes that a library could hold: those on disks do not count, nor labels that no medium bears.
 */
static bool is_missing(const struct known *known)
{
    return !known->here && known->state != PD_VOLUME_RESERVED &&
           strncmp(known->location, "disk:", 5) != 0;
}

static void show_missing(struct library *library, const struct known *known)
{
    FILE *out = library->face->out;

    library->missing++;
    if (library->absent) {
        json_t *item = json_object();
        json_object_set_new(item, "volume", json_string(known->label));
        json_object_set_new(item, "state", json_string(pd_volume_state_name(known->state)));
        json_object_set_new(item, "location", pd_render_json_path(known->location));
        json_object_set_new(item, "host", pd_render_json_path(known->host));
        json_array_append_new(library->absent, item);
        return;
    }
    fprintf(out, "not here    %-12s  %s  last at ", known->label,
            pd_volume_state_name(known->state));
    pd_render_print_path(out, known->location);
    if (known->host[0]) {
        fputs(" on host ", out);
        pd_render_print_path(out, known->host);
    }
    fputc('\n', out);
}

static void show_sum(const struct library *library)
{
    const struct pd_changer_inventory *inventory = &library->inventory;
    json_t *json = library->face->json;
    FILE *out = library->face->out;

    if (json) {
        json_object_set_new(json, "drives", json_integer((json_int_t)inventory->drive_count));
        json_object_set_new(json, "slots", json_integer((json_int_t)inventory->slot_count));
        json_object_set_new(json, "ports", json_integer((json_int_t)inventory->port_count));
        json_object_set_new(json, "cartridges", json_integer((json_int_t)library->full));
        if (library->compared) {
            json_object_set_new(json, "known", json_integer((json_int_t)library->found));
            json_object_set_new(json, "unknown", json_integer((json_int_t)library->unknown));
        }
        return;
    }
    fprintf(out,
            "%" PRIu32 " drives, %" PRIu32 " slots (%" PRIu32 " import/export), %zu cartridges",
            inventory->drive_count, inventory->slot_count, inventory->port_count, library->full);
    if (library->compared) {
        fprintf(out, ": %zu known, %zu unknown; %zu known and not here", library->found,
                library->unknown, library->missing);
    }
    fputc('\n', out);
}

static void show(struct library *library)
{
    json_t *json = library->face->json;

    if (json) {
        library->elements = json_array();
        json_object_set_new(json, "elements", library->elements);
    }
    for (size_t i = 0; i < library->inventory.count; i++) {
        show_element(library, &library->inventory.elements[i]);
    }
    if (json && library->compared) {
        library->absent = json_array();
        json_object_set_new(json, "not_here", library->absent);
    }
    for (size_t i = 0; library->compared && i < library->known_count; i++) {
        if (is_missing(&library->known[i])) {
            show_missing(library, &library->known[i]);
        }
    }
    show_sum(library);
}

enum pd_status pd_library_view(struct pd_face *face, const char *url, struct pd_error *err)
{
    struct library library = {.face = face};
    struct pd_changer *changer = NULL;
    enum pd_status status = pd_changer_open(&face->env, url, &changer, err);

    if (status == PD_OK) {
        status = pd_changer_status(changer, &library.inventory, err);
    }
    pd_changer_close(changer);
    if (status == PD_OK) {
        status = ask_catalog(&library, err);
        show(&library);
    }
    pd_changer_inventory_free(&library.inventory);
    for (size_t i = 0; i < library.known_count; i++) {
        free(library.known[i].location);
        free(library.known[i].host);
    }
    free(library.known);
    return status;
}
