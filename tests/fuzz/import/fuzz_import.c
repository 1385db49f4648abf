#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pairdump/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char path[] = "/dev/shm/pairdump-fuzz-import";

static char *name_of(const char *end)
{
    static char name[96];

    (void)snprintf(name, sizeof name, "%s.%d%s", path, (int)getpid(), end);
    return name;
}

static void clean(void)
{
    (void)unlink(name_of(""));
    (void)unlink(name_of("-wal"));
    (void)unlink(name_of("-shm"));
}

static struct pd_catalog *fresh(const struct pd_env *env)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_catalog *catalog = NULL;
    char url[128];

    clean();
    (void)snprintf(url, sizeof url, "sqlite:%s", name_of(""));
    if (pd_catalog_open(env, url, true, &catalog, &err) != PD_OK)
        abort();
    return catalog;
}

/* What is refused leaves the catalog empty; what is taken comes out again as it went in. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const volatile sig_atomic_t go_on = 0;
    static const struct pd_stop stop = {&go_on};
    static struct pd_env env = {.stop = &stop};
    static struct pd_catalog *catalog;
    struct pd_error err = PD_ERROR_INIT;
    char *text = NULL;
    size_t len = 0;
    uint64_t rows = 0;
    FILE *in = fmemopen((void *)(uintptr_t)(size > 0 ? (const void *)data : ""), size > 0 ? size : 1,
                        "r");
    FILE *out = open_memstream(&text, &len);

    env.clock = pd_clock_real();
    if (!catalog) {
        catalog = fresh(&env);
        (void)atexit(clean);
    }
    bool taken = pd_catalog_import(catalog, in, &rows, &err) == PD_OK;
    if (pd_catalog_export(catalog, out, &err) != PD_OK)
        abort();
    (void)fclose(out);
    (void)fclose(in);
    if (!taken && strcmp(text, "pairdump-catalog\tschema=5\nend\trows=0\n") != 0)
        abort();
    free(text);
    if (taken) {
        pd_catalog_close(catalog);
        catalog = fresh(&env);
    }
    return 0;
}
