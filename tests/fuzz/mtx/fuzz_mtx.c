#include "pairdump/changer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_element(const struct pd_changer_inventory *inventory, size_t i)
{
    const struct pd_changer_element *e = &inventory->elements[i];
    bool drive = i < inventory->drive_count;

    if ((e->kind == PD_CHANGER_DRIVE) != drive || e->source > inventory->slot_count ||
        (drive ? pd_changer_drive(inventory, e->number) : pd_changer_slot(inventory, e->number)) !=
            e)
        abort();
    if (!e->full && (e->source != 0 || e->barcode[0] != '\0'))
        abort();
    for (const char *c = e->barcode; *c != '\0'; c++) {
        if (*c < 0x20 || *c > 0x7e || c - e->barcode >= PD_BARCODE_MAX)
            abort();
    }
    if (e->barcode[0] != '\0') {
        const struct pd_changer_element *found = pd_changer_find(inventory, e->barcode);

        if (found == NULL || !pd_changer_barcode_is(found->barcode, e->barcode))
            abort();
    }
}

/* Any bytes, as what status says and as what a failure says: no crash; a refusal is one line, and
 * what is taken keeps every promise of the header. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_changer_inventory inventory;
    size_t ports = 0;

    if (pd_changer_parse((const char *)data, size, &inventory, &err) == PD_OK) {
        if (inventory.count != (size_t)inventory.drive_count + inventory.slot_count)
            abort();
        for (size_t i = 0; i < inventory.count; i++) {
            ports += inventory.elements[i].kind == PD_CHANGER_PORT;
            if (i < 100)
                check_element(&inventory, i);
        }
        if (ports != inventory.port_count)
            abort();
        pd_changer_inventory_free(&inventory);
    } else if (err.status != PD_BAD_FORMAT || inventory.elements != NULL || inventory.count != 0 ||
               strpbrk(err.message, "\n\r\033") != NULL) {
        abort();
    }
    if (pd_changer_refusal("load 1 0", (const char *)data, size, &err) == PD_OK ||
        strncmp(err.message, "load 1 0: ", 10) != 0 || strpbrk(err.message, "\n\r\033") != NULL)
        abort();
    return 0;
}
