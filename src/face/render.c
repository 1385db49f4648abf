#include <inttypes.h>

#include "command.h"
#include "pairdump/size.h"
#include "pairdump/text.h"
#include "render.h"

char *pd_render_path(const char *path)
{
    struct pd_buf buf = PD_BUF_INIT;

    if (pd_escape_utf8(&buf, path, strlen(path)) != PD_OK) {
        pd_buf_free(&buf);
        return NULL;
    }
    return buf.data ? buf.data : strdup("");
}

void pd_render_print_path(FILE *out, const char *path)
{
    char *text = pd_render_path(path);

    fputs(text ? text : "(out of memory)", out);
    free(text);
}

void pd_render_time(int64_t utc_ns, char *out, size_t size)
{
    if (utc_ns == 0) {
        snprintf(out, size, "-");
    } else {
        pd_time_format(utc_ns, out, size);
    }
}

void pd_render_age(const struct pd_clock *clock, int64_t utc_ns, char *out, size_t size)
{
    int64_t now = pd_clock_utc(clock);
    char when[32], age[24];

    pd_render_time(utc_ns, when, sizeof when);
    if (utc_ns == 0) {
        snprintf(out, size, "%s", when);
    } else if (utc_ns > now) {
        snprintf(out, size, "%s, in the future", when);
    } else {
        pd_format_age((uint64_t)now - (uint64_t)utc_ns, age, sizeof age);
        snprintf(out, size, "%s, %s ago", when, age);
    }
}

json_t *pd_render_json_path(const char *path)
{
    char *text = pd_render_path(path);
    json_t *value = text ? json_string(text) : NULL;

    free(text);
    return value;
}

json_t *pd_render_json_time(int64_t utc_ns)
{
    char text[32];

    if (utc_ns == 0) {
        return json_null();
    }
    pd_time_format(utc_ns, text, sizeof text);
    return json_string(text);
}

json_t *pd_render_json_u64(uint64_t value)
{
    return value > INT64_MAX ? json_null() : json_integer((json_int_t)value);
}

json_t *pd_render_json_error(const struct pd_error *err)
{
    json_t *object = json_object();

    json_object_set_new(object, "status", json_string(pd_status_name(err->status)));
    json_object_set_new(object, "message", pd_render_json_path(err->message));
    if (err->volume[0]) {
        json_object_set_new(object, "volume", pd_render_json_path(err->volume));
    }
    if (err->archive[0]) {
        json_object_set_new(object, "archive", pd_render_json_path(err->archive));
    }
    if (err->file[0]) {
        json_object_set_new(object, "file", json_string(err->file));
    }
    if (err->sys_errno) {
        json_object_set_new(object, "errno", json_integer(err->sys_errno));
    }
    return object;
}

static void print_options(FILE *out, const struct pd_option *options)
{
    for (const struct pd_option *o = options; o->name; o++) {
        char left[64];

        if (o->letter) {
            snprintf(left, sizeof left, "-%c, --%s%s%s", o->letter, o->name, o->arg ? " " : "",
                     o->arg ? o->arg : "");
        } else {
            snprintf(left, sizeof left, "    --%s%s%s", o->name, o->arg ? " " : "",
                     o->arg ? o->arg : "");
        }
        fprintf(out, "  %-28s %s\n", left, o->help);
    }
}

static void print_overview(FILE *out)
{
    fprintf(out, "usage: pairdump [OPTION]... COMMAND [OPTION]... [ARG]...\n\n"
                 "Dumps files to a pair of tapes or disks, re-reads both copies, restores from\n"
                 "whichever is good.\n\ncommands:\n");
    for (const struct pd_command *c = pd_command_table; c->name; c++) {
        fprintf(out, "  %-12s %s\n", c->name, c->summary);
    }
    fprintf(out, "\noptions before the command:\n");
    print_options(out, pd_command_globals);
    fprintf(out, "\n\"pairdump help COMMAND\" tells more of each.\n\n"
                 "exit: 0 done and verified, 1 degraded, 2 usage or configuration, 3 data lost,\n"
                 "4 busy, 5 no space, 6 catalog, 130 interrupted\n");
}

void pd_render_help(FILE *out, const char *name)
{
    const struct pd_command *c = name ? pd_command_find(name) : NULL;

    if (!c) {
        print_overview(out);
        return;
    }
    fprintf(out, "usage: pairdump %s %s\n\n%s\n", c->name, c->usage, c->summary);
    if (c->details) {
        fprintf(out, "\n%s\n", c->details);
    }
    if (c->options[0].name) {
        fprintf(out, "\noptions:\n");
        print_options(out, c->options);
    }
}

static void completion_words(FILE *out, const struct pd_option *options)
{
    for (const struct pd_option *o = options; o->name; o++) {
        fprintf(out, " --%s", o->name);
    }
}

void pd_render_bash_completion(FILE *out)
{
    fprintf(out, "# bash completion for pairdump; made by \"pairdump completion bash\"\n"
                 "_pairdump()\n{\n"
                 "    local cur=${COMP_WORDS[COMP_CWORD]} command= word words=\n"
                 "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                 "        case $word in\n        ");
    for (const struct pd_command *c = pd_command_table; c->name; c++) {
        fprintf(out, "%s%s", c == pd_command_table ? "" : " | ", c->name);
    }
    fprintf(out, ")\n            command=$word\n            break\n            ;;\n"
                 "        esac\n    done\n    case $command in\n");
    for (const struct pd_command *c = pd_command_table; c->name; c++) {
        fprintf(out, "    %s) words=\"--help", c->name);
        completion_words(out, c->options);
        for (const char *const *w = c->words; w && *w; w++) {
            fprintf(out, " %s", *w);
        }
        fprintf(out, "\" ;;\n");
    }
    fprintf(out, "    *) words=\"");
    for (const struct pd_command *c = pd_command_table; c->name; c++) {
        fprintf(out, "%s ", c->name);
    }
    completion_words(out, pd_command_globals);
    fprintf(out, "\" ;;\n    esac\n"
                 "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -f -- \"$cur\")\n}\n"
                 "complete -o filenames -F _pairdump pairdump\n");
}
