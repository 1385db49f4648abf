#include "holding.h"

/* What a command like this one left when it was killed needs nobody to finish it. */
static bool is_of_dump(const struct pd_run_row *run)
{
    return strncmp(run->what, "dump ", 5) == 0 || strncmp(run->what, "resume ", 7) == 0;
}

/* Which of them did runs of dumps have before? */
static enum pd_status look(struct pd_catalog *catalog, const struct pd_claim *claims, size_t count,
                           struct pd_run_row *dumps, struct pd_error *err)
{
    enum pd_status status = PD_OK;

    for (size_t i = 0; i < count && status == PD_OK; i++) {
        struct pd_run_row run;
        bool found = false;
        status = pd_catalog_claim_owner(catalog, claims[i].kind, claims[i].name, &run, &found, err);
        if (status == PD_OK && found && is_of_dump(&run)) {
            dumps[i] = run;
        }
    }
    return status;
}

static enum pd_status refuse_left(const struct pd_claim *claims, size_t count,
                                  const struct pd_run_row *dumps, struct pd_error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (claims[i].kind == PD_CLAIM_VOLUME && claims[i].taken_from != 0 && dumps[i].id != 0) {
            return pd_error_set(err, PD_BUSY, 0,
                                "volume %s is of an interrupted run, %s; resume that one first",
                                claims[i].name, dumps[i].what);
        }
    }
    return PD_OK;
}

enum pd_status pd_holding_begin(struct pd_face *face, struct pd_catalog *catalog, const char *what,
                                struct pd_claim *claims, size_t count, struct pd_holding *out,
                                struct pd_error *err)
{
    struct pd_run_row dumps[PD_HOLDING_MAX] = {{.id = 0}};
    struct pd_error ignored = PD_ERROR_INIT;
    enum pd_status status = count <= PD_HOLDING_MAX
                                ? look(catalog, claims, count, dumps, err)
                                : pd_error_set(err, PD_INTERNAL, 0, "too many claims at once");

    out->catalog = catalog;
    out->begun = out->of_dump = false;
    if (status == PD_OK) {
        status = pd_catalog_run_add(catalog, what, &out->run, err);
    }
    if (status != PD_OK) {
        return status;
    }
    status = pd_catalog_claim(catalog, out->run.id, claims, count,
                              (int64_t)face->config->claim_limit_ns, err);
    if (status == PD_OK) {
        status = refuse_left(claims, count, dumps, err);
    }
    if (status != PD_OK) {
        (void)!pd_catalog_run_return(catalog, out->run.id, &ignored);
    }
    for (size_t i = 0; i < count; i++) {
        out->of_dump = out->of_dump || (claims[i].taken_from != 0 && dumps[i].id != 0);
    }
    out->begun = status == PD_OK;
    return status;
}

enum pd_status pd_holding_check(struct pd_holding *holding, struct pd_error *err)
{
    return pd_catalog_run_beat(holding->catalog, holding->run.id, err);
}

enum pd_status pd_holding_end(struct pd_holding *holding, struct pd_error *err)
{
    bool begun = holding->begun;

    holding->begun = false;
    if (!begun) {
        return PD_OK;
    }
    return holding->of_dump ? pd_catalog_run_return(holding->catalog, holding->run.id, err)
                            : pd_catalog_run_remove(holding->catalog, holding->run.id, err);
}
