#include <stdlib.h>
#include <string.h>

#include "dump_priv.h"
#include "index_out.h"

enum pd_status pd_dump_take_problem(void *arg, const struct pd_problem *problem,
                                    struct pd_error *err)
{
    struct pd_dump_problems *p = arg;
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&p->lock);
    if (p->count == p->cap) {
        size_t cap = p->cap ? p->cap * 2 : 16;
        struct pd_dump_problem *grown = realloc(p->list, cap * sizeof *grown);
        if (grown) {
            p->list = grown;
            p->cap = cap;
        } else {
            status = pd_error_memory(err, "problems");
        }
    }
    if (status == PD_OK) {
        struct pd_dump_problem one = {.path = strdup(problem->path),
                                      .message = strdup(problem->message ? problem->message : ""),
                                      .status = problem->status,
                                      .sys_errno = problem->sys_errno,
                                      .archived = problem->archived};
        if (one.path && one.message) {
            p->list[p->count++] = one;
        } else {
            free(one.path);
            free(one.message);
            status = pd_error_memory(err, "problems");
        }
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

enum pd_status pd_dump_tell_problems(struct pd_dumping *d, const struct pd_dump_problems *problems,
                                     struct pd_error *err)
{
    enum pd_status status = PD_OK;

    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < problems->count && status == PD_OK; i++) {
        const struct pd_dump_problem *one = &problems->list[i];
        struct pd_problem problem = {.path = one->path,
                                     .status = one->status,
                                     .sys_errno = one->sys_errno,
                                     .message = one->message,
                                     .archived = one->archived};
        d->row->problems++;
        atomic_fetch_add(&d->env->progress->problems, 1);
        status = pd_index_line_of(&problem, &d->problem_lines, err);
        if (status == PD_OK && d->options->on_problem) {
            status = d->options->on_problem(d->options->problem_arg, &problem, err);
        }
    }
    pthread_mutex_unlock(&d->lock);
    return status;
}

void pd_dump_forget_problems(struct pd_dump_problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        free(problems->list[i].path);
        free(problems->list[i].message);
    }
    free(problems->list);
    problems->list = NULL;
    problems->count = problems->cap = 0;
}
