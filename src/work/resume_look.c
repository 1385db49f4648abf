#include <stdlib.h>

#include "dump_book.h"
#include "pairdump/claim.h"
#include "pairdump/resume.h"

const char *pd_resumable_name(enum pd_resumable resumable)
{
    static const char *const names[] = {"no", "running", "here", "elsewhere"};

    return (unsigned)resumable < sizeof names / sizeof names[0] ? names[resumable] : "?";
}

enum pd_status pd_resume_look(const struct pd_env *env, struct pd_catalog *catalog,
                              const struct pd_config *config, const char *state_dir,
                              const struct pd_dump_row *row, enum pd_resumable *out,
                              struct pd_error *err)
{
    struct pd_run_row *owner = calloc(1, sizeof *owner);
    bool found = false;
    enum pd_status status = PD_OK;

    *out = PD_RESUME_NOTHING;
    if (!owner) {
        return pd_error_memory(err, "run");
    }
    bool here = pd_book_exists(state_dir, row->uuid);
    if (row->state != PD_DUMP_DONE || here) {
        status = pd_catalog_claim_owner(catalog, PD_CLAIM_DUMP, row->uuid, owner, &found, err);
        *out = found && !pd_run_is_gone(env, owner, (int64_t)config->claim_limit_ns)
                   ? PD_RESUME_RUNNING
               : here ? PD_RESUME_HERE
                      : PD_RESUME_ELSEWHERE;
    }
    free(owner);
    return status;
}
