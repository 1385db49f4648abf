#include <getopt.h>

#include "command.h"
#include "pairdump/size.h"

enum { OPTIONS_MAX = 48 };


bool pd_args_flag(const struct pd_args *args, const char *name)
{
    return pd_args_get(args, name) != NULL;
}

const char *pd_args_get(const struct pd_args *args, const char *name)
{
    for (size_t i = args->value_count; i > 0; i--) {
        if (strcmp(args->values[i - 1].option->name, name) == 0) {
            return args->values[i - 1].value;
        }
    }
    return NULL;
}

enum pd_status pd_args_all(const struct pd_args *args, const char *name, const char ***out,
                           size_t *count, struct pd_error *err)
{
    *count = 0;
    *out = calloc(args->value_count + 1, sizeof **out);
    if (!*out) {
        return pd_error_memory(err, "options");
    }
    for (size_t i = 0; i < args->value_count; i++) {
        if (strcmp(args->values[i].option->name, name) == 0) {
            (*out)[(*count)++] = args->values[i].value;
        }
    }
    return PD_OK;
}

enum pd_status pd_args_size(const struct pd_args *args, const char *name, uint64_t *out,
                            struct pd_error *err)
{
    const char *text = pd_args_get(args, name);

    if (text && !pd_parse_size(text, out)) {
        return pd_error_set(err, PD_USAGE, 0, "--%s takes a size such as 512K or 12G, not \"%s\"",
                            name, text);
    }
    return PD_OK;
}

enum pd_status pd_args_u64(const struct pd_args *args, const char *name, uint64_t *out,
                           struct pd_error *err)
{
    const char *text = pd_args_get(args, name);

    if (text && !pd_parse_u64(text, out)) {
        return pd_error_set(err, PD_USAGE, 0, "--%s takes a whole number, not \"%s\"", name, text);
    }
    return PD_OK;
}

enum pd_status pd_args_duration(const struct pd_args *args, const char *name, uint64_t *out,
                                struct pd_error *err)
{
    const char *text = pd_args_get(args, name);

    if (text && !pd_parse_duration(text, out)) {
        return pd_error_set(err, PD_USAGE, 0, "--%s takes a time as 90, 30m or 2h, not \"%s\"",
                            name, text);
    }
    return PD_OK;
}

enum pd_status pd_args_words(const struct pd_args *args, size_t min, size_t max,
                             struct pd_error *err)
{
    if (args->word_count < min) {
        return pd_error_set(err, PD_USAGE, 0, "%zu more argument%s needed",
                            min - args->word_count, min - args->word_count == 1 ? " is" : "s are");
    }
    if (args->word_count > max) {
        return pd_error_set(err, PD_USAGE, 0, "argument \"%s\" is one too many", args->words[max]);
    }
    return PD_OK;
}

/* Fills getopt_long's two tables from ours; the value of a long option is its place + 256. */
static void make_tables(const struct pd_option *options, bool stop_at_word,
                        struct option *longs, char *shorts)
{
    size_t n = 0;
    size_t s = 0;

    if (stop_at_word) {
        shorts[s++] = '+';
    }
    shorts[s++] = ':';
    for (; n < OPTIONS_MAX && options[n].name; n++) {
        longs[n].name = options[n].name;
        longs[n].has_arg = options[n].arg ? required_argument : no_argument;
        longs[n].flag = NULL;
        longs[n].val = 256 + (int)n;
        if (options[n].letter) {
            shorts[s++] = options[n].letter;
            if (options[n].arg) {
                shorts[s++] = ':';
            }
        }
    }
    shorts[s] = '\0';
    memset(&longs[n], 0, sizeof longs[n]);
}

static const struct pd_option *option_of(const struct pd_option *options, int got)
{
    if (got >= 256) {
        return &options[got - 256];
    }
    for (const struct pd_option *o = options; o->name; o++) {
        if (o->letter == (char)got) {
            return o;
        }
    }
    return NULL;
}

enum pd_status pd_args_parse(const struct pd_option *options, int argc, char **argv,
                             bool stop_at_word, struct pd_args *args, int *next,
                             struct pd_error *err)
{
    struct option longs[OPTIONS_MAX + 1];
    char shorts[2 * OPTIONS_MAX + 4];
    int got;

    memset(args, 0, sizeof *args);
    args->options = options;
    args->values = calloc((size_t)argc + 1, sizeof *args->values);
    if (!args->values) {
        return pd_error_memory(err, "options");
    }
    make_tables(options, stop_at_word, longs, shorts);
    optind = 0;
    opterr = 0;
    while ((got = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        const struct pd_option *option = NULL;

        if (got == ':') {
            return pd_error_set(err, PD_USAGE, 0, "option %s needs an argument", argv[optind - 1]);
        }
        if (got != '?') {
            option = option_of(options, got);
        }
        if (!option) {
            const char *word = argv[optind - 1] ? argv[optind - 1] : "?";
            return pd_error_set(err, PD_USAGE, 0, "unknown option near %s", word);
        }
        args->values[args->value_count].option = option;
        args->values[args->value_count].value = option->arg ? optarg : "";
        args->value_count++;
    }
    args->words = (const char *const *)&argv[optind];
    args->word_count = (size_t)(argc - optind);
    if (next) {
        *next = optind;
    }
    return PD_OK;
}

void pd_args_release(struct pd_args *args)
{
    free(args->values);
    args->values = NULL;
    args->value_count = 0;
}
