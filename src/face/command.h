/*
 * command: the table of commands, their options, and what every command gets.
 *
 * One option table per command feeds getopt_long, --help, the bash completion and the check of the
 * manual page. A command writes results to face->out (or, with --json, into face->json) and returns
 * a status whose exit class becomes the exit code; main prints err on stderr.
 */
#ifndef PAIRDUMP_FACE_COMMAND_H
#define PAIRDUMP_FACE_COMMAND_H

#include <jansson.h>
#include <stdio.h>

#include "pairdump/catalog.h"
#include "pairdump/config.h"
#include "pairdump/env.h"

struct pd_option {
    const char *name; /* long name; NULL ends a table */
    char letter;      /* short one, 0: none */
    const char *arg;  /* name of its argument, NULL: a flag */
    const char *help;
};

struct pd_args {
    const struct pd_option *options;
    struct pd_args_value {
        const struct pd_option *option;
        const char *value;
    } *values; /* in the order given */
    size_t value_count;
    const char *const *words; /* what is no option */
    size_t word_count;
};

bool pd_args_flag(const struct pd_args *args, const char *name);
/* Last value given; NULL if none. */
const char *pd_args_get(const struct pd_args *args, const char *name);
/* All values in order; *out is an array to free. */
PD_MUST_USE enum pd_status pd_args_all(const struct pd_args *args, const char *name,
                                       const char ***out, size_t *count, struct pd_error *err);
/* Checked values: *out is left alone when the option was not given. */
PD_MUST_USE enum pd_status pd_args_size(const struct pd_args *args, const char *name,
                                        uint64_t *out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_args_duration(const struct pd_args *args, const char *name,
                                            uint64_t *out, struct pd_error *err);
PD_MUST_USE enum pd_status pd_args_u64(const struct pd_args *args, const char *name, uint64_t *out,
                                       struct pd_error *err);
/* PD_USAGE unless min <= words <= max. */
PD_MUST_USE enum pd_status pd_args_words(const struct pd_args *args, size_t min, size_t max,
                                         struct pd_error *err);

struct pd_face {
    struct pd_env env;
    struct pd_config *config;
    const char *catalog_url; /* --catalog, or NULL */
    const char *credentials; /* --credentials, or NULL */
    bool json_mode, quiet, verbose, no_progress;
    FILE *out;      /* results for people; /dev/null's place is taken by json in JSON mode */
    json_t *json;   /* result object in JSON mode, else NULL */
    struct pd_ticker *ticker; /* progress line, NULL when silent */
};

struct pd_command {
    const char *name;
    const char *usage;   /* after the name, for people */
    const char *summary; /* one line */
    const char *details; /* more lines for --help, or NULL */
    const struct pd_option *options;
    const char *const *words; /* fixed words for completion, NULL-ended, or NULL */
    enum pd_status (*run)(struct pd_face *face, const struct pd_args *args, struct pd_error *err);
};

extern const struct pd_command pd_command_table[]; /* name NULL ends it */
extern const struct pd_option pd_command_globals[];
const struct pd_command *pd_command_find(const char *name);

/* Parses argv[1..] after the command name; fills args (release with pd_args_release). *help: -h. */
PD_MUST_USE enum pd_status pd_args_parse(const struct pd_option *options, int argc, char **argv,
                                         bool stop_at_word, struct pd_args *args, int *next,
                                         struct pd_error *err);
void pd_args_release(struct pd_args *args);

/* ---- shared by commands ---- */

/* The catalog of the run: --catalog, else config, else catalog.db in the state folder. */
PD_MUST_USE enum pd_status pd_face_catalog(struct pd_face *face, bool create,
                                           struct pd_catalog **out, struct pd_error *err);
/* Makes the state folder (mode 0700) when missing. */
PD_MUST_USE enum pd_status pd_face_state_dir(struct pd_face *face, struct pd_error *err);
/* Cuts a pool together from --to, --pool and the size options; release with
 * pd_pool_config_release. */
PD_MUST_USE enum pd_status pd_face_pool(struct pd_face *face, const struct pd_args *args,
                                        struct pd_pool_config *pool, struct pd_error *err);

/* The commands, one file each. */
#define PD_COMMAND_DECLARE(name)                                                                   \
    extern const struct pd_option pd_cmd_##name##_options[];                                       \
    enum pd_status pd_cmd_##name(struct pd_face *face, const struct pd_args *args,                 \
                                 struct pd_error *err)
PD_COMMAND_DECLARE(dump);
PD_COMMAND_DECLARE(resume);
PD_COMMAND_DECLARE(verify);
PD_COMMAND_DECLARE(audit);
PD_COMMAND_DECLARE(restore);
PD_COMMAND_DECLARE(repair);
PD_COMMAND_DECLARE(copy);
PD_COMMAND_DECLARE(ls);
PD_COMMAND_DECLARE(find);
PD_COMMAND_DECLARE(dumps);
PD_COMMAND_DECLARE(show);
PD_COMMAND_DECLARE(volumes);
PD_COMMAND_DECLARE(history);
PD_COMMAND_DECLARE(safe);
PD_COMMAND_DECLARE(rebuild);
PD_COMMAND_DECLARE(label);
PD_COMMAND_DECLARE(tape);
PD_COMMAND_DECLARE(catalog);
PD_COMMAND_DECLARE(doctor);
PD_COMMAND_DECLARE(test_dump);
PD_COMMAND_DECLARE(completion);
PD_COMMAND_DECLARE(help);

#endif
