#include "check_priv.h"

enum pd_status pd_check_tables_get(struct pd_check_tables *tables, struct pd_catalog *catalog,
                                   int64_t archive_id, struct pd_expect **out, struct pd_error *err)
{
    size_t oldest = 0;
    struct pd_toc toc;
    enum pd_status status;

    *out = NULL;
    tables->clock++;
    for (size_t i = 0; i < PD_CHECK_TABLES; i++) {
        if (tables->kept[i].expect != NULL && tables->kept[i].archive_id == archive_id) {
            tables->kept[i].used = tables->clock;
            *out = pd_expect_hold(tables->kept[i].expect);
            return PD_OK;
        }
        if (tables->kept[i].used < tables->kept[oldest].used)
            oldest = i;
    }
    status = pd_catalog_toc(catalog, archive_id, &toc, err);
    if (status == PD_OK)
        status = pd_expect_new(&toc, out, err);
    if (status != PD_OK) {
        pd_toc_release(&toc);
        return status;
    }
    pd_expect_release(tables->kept[oldest].expect);
    tables->kept[oldest].archive_id = archive_id;
    tables->kept[oldest].expect = pd_expect_hold(*out);
    tables->kept[oldest].used = tables->clock;
    return PD_OK;
}

void pd_check_tables_release(struct pd_check_tables *tables)
{
    for (size_t i = 0; i < PD_CHECK_TABLES; i++)
        pd_expect_release(tables->kept[i].expect);
}
