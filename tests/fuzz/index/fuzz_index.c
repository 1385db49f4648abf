#include "pairdump/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is taken lies inside the archive, in order, and comes back the same when written. */
static void check(const struct pd_toc *toc, uint32_t tape_file)
{
    uint64_t past = 0, total = toc->record_count * toc->record_size, count = 0, first = 0;
    struct pd_error err = PD_ERROR_INIT;
    struct pd_buf once = PD_BUF_INIT, twice = PD_BUF_INIT;
    uint32_t tape_file_again;
    struct pd_toc again;

    for (uint64_t i = 0; i < toc->file_count; i++) {
        const struct pd_toc_file *file = &toc->files[i];

        if (file->offset < past || file->length > total - file->offset || file->path[0] != '/' ||
            strstr(file->path, "/../") != NULL)
            abort();
        past = file->offset + file->length;
    }
    pd_toc_files_of_record(toc, 0, &first, &count);
    if (pd_index_encode(toc, tape_file, &once) != PD_OK ||
        pd_index_decode(once.data, once.len, &again, &tape_file_again, &err) != PD_OK ||
        pd_index_encode(&again, tape_file_again, &twice) != PD_OK || once.len != twice.len ||
        memcmp(once.data, twice.data, once.len) != 0)
        abort();
    pd_toc_release(&again);
    pd_buf_free(&once);
    pd_buf_free(&twice);
}

/* A problem that is taken comes back the same when written. */
static enum pd_status check_problem(void *arg, const struct pd_index_problem *problem,
                                    struct pd_error *err)
{
    struct pd_buf once = PD_BUF_INIT;

    if (arg == NULL) { /* the second time */
        return PD_OK;
    }
    if (problem->path[0] == '\0' || pd_index_problem_encode(problem, &once) != PD_OK ||
        pd_index_problems(once.data, once.len, check_problem, NULL, err) != PD_OK)
        abort();
    pd_buf_free(&once);
    return PD_OK;
}

/* What is taken fits, and comes back the same when written. */
static void check_facts(const char *text, size_t len)
{
    struct pd_index_facts facts, again;
    struct pd_buf once = PD_BUF_INIT;

    pd_index_facts_decode("Dump-", text, len, &facts);
    if (pd_index_facts_encode("Dump-", &facts, &once) != PD_OK)
        abort();
    pd_index_facts_decode("Dump-", once.len > 0 ? once.data : "", once.len, &again);
    if (facts.started != again.started || facts.copies != again.copies ||
        facts.incremental != again.incremental)
        abort();
    pd_buf_free(&once);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pd_error err = PD_ERROR_INIT;
    struct pd_index_info info;
    uint32_t tape_file = 0;
    struct pd_toc toc;

    if (pd_index_decode((const char *)data, size, &toc, &tape_file, &err) == PD_OK)
        check(&toc, tape_file);
    pd_toc_release(&toc);
    (void)(pd_index_info_decode((const char *)data, size, &info, &err) == PD_OK);
    check_facts((const char *)data, size);
    if (pd_index_problems((const char *)data, size, check_problem, &info, &err) != PD_OK)
        abort();
    return 0;
}
