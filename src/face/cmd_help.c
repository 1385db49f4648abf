#include "command.h"
#include "render.h"

const struct pd_option pd_cmd_completion_options[] = {{NULL, 0, NULL, NULL}};
const struct pd_option pd_cmd_help_options[] = {{NULL, 0, NULL, NULL}};

enum pd_status pd_cmd_completion(struct pd_face *face, const struct pd_args *args,
                                 struct pd_error *err)
{
    enum pd_status status = pd_args_words(args, 1, 1, err);

    if (status == PD_OK && strcmp(args->words[0], "bash") != 0) {
        status = pd_error_set(err, PD_USAGE, 0, "only bash is known, not \"%s\"", args->words[0]);
    }
    if (status == PD_OK) {
        pd_render_bash_completion(face->out);
    }
    return status;
}

enum pd_status pd_cmd_help(struct pd_face *face, const struct pd_args *args, struct pd_error *err)
{
    enum pd_status status = pd_args_words(args, 0, 1, err);

    if (status == PD_OK && args->word_count > 0 && !pd_command_find(args->words[0])) {
        status = pd_error_set(err, PD_USAGE, 0, "no command \"%s\"", args->words[0]);
    }
    if (status == PD_OK) {
        pd_render_help(face->out, args->word_count ? args->words[0] : NULL);
    }
    return status;
}
