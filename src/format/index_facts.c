#include <inttypes.h>
#include <string.h>

#include "pairdump/bag.h"
#include "pairdump/clock.h"
#include "pairdump/index.h"
#include "pairdump/size.h"

#define PROBLEM "Problem"

/* RFC 3339 to the nanosecond; pd_time_parse takes it back. */
static void format_time(int64_t utc_ns, char *out, size_t size)
{
    int64_t ns = utc_ns % PD_NS_PER_S;
    char seconds[40];

    pd_time_format(utc_ns, seconds, sizeof seconds);
    seconds[strcspn(seconds, "Z")] = '\0';
    snprintf(out, size, "%s.%09" PRId64 "Z", seconds, ns < 0 ? ns + PD_NS_PER_S : ns);
}

static enum pd_status put(struct pd_buf *out, const char *prefix, const char *name,
                          const char *value)
{
    char label[64];

    if (!value[0]) {
        return PD_OK;
    }
    snprintf(label, sizeof label, "%s%s", prefix, name);
    return pd_bag_info_line(out, label, "%s", value);
}

enum pd_status pd_index_facts_encode(const char *prefix, const struct pd_index_facts *facts,
                                     struct pd_buf *out)
{
    char started[64] = "", copies[24] = "";
    enum pd_status status;

    if (facts->started != 0) {
        format_time(facts->started, started, sizeof started);
    }
    if (facts->copies != 0) {
        snprintf(copies, sizeof copies, "%u", facts->copies);
    }
    if ((status = put(out, prefix, "Host", facts->host)) ||
        (status = put(out, prefix, "Roots", facts->roots)) ||
        (status = put(out, prefix, "Pool", facts->pool)) ||
        (status = put(out, prefix, "Policy", facts->policy)) ||
        (status = put(out, prefix, "Started", started)) ||
        (status = put(out, prefix, "Copies", copies)) ||
        (status = put(out, prefix, "Incremental", facts->incremental ? "yes" : ""))) {
        return status;
    }
    return PD_OK;
}

/* A line that is not there, or whose value does not fit, leaves the field empty. */
static void get(const char *text, size_t len, const char *prefix, const char *name, char *out,
                size_t size)
{
    char label[64];

    snprintf(label, sizeof label, "%s%s", prefix, name);
    if (!pd_bag_info_text(text, len, label, out, size)) {
        out[0] = '\0';
    }
}

void pd_index_facts_decode(const char *prefix, const char *text, size_t len,
                           struct pd_index_facts *out)
{
    char value[64];
    uint64_t copies = 0;

    memset(out, 0, sizeof *out);
    get(text, len, prefix, "Host", out->host, sizeof out->host);
    get(text, len, prefix, "Roots", out->roots, sizeof out->roots);
    get(text, len, prefix, "Pool", out->pool, sizeof out->pool);
    get(text, len, prefix, "Policy", out->policy, sizeof out->policy);
    get(text, len, prefix, "Started", value, sizeof value);
    if (!pd_time_parse(value, &out->started) || out->started < 0) {
        out->started = 0;
    }
    get(text, len, prefix, "Copies", value, sizeof value);
    if (pd_parse_u64(value, &copies) && copies <= PD_COPIES_MAX) {
        out->copies = (unsigned)copies;
    }
    get(text, len, prefix, "Incremental", value, sizeof value);
    out->incremental = strcmp(value, "yes") == 0;
}

/* ---- problems with source files ---- */

enum pd_status pd_index_problem_encode(const struct pd_index_problem *problem, struct pd_buf *out)
{
    struct pd_buf text = PD_BUF_INIT;
    enum pd_status status = pd_buf_printf(&text, "%s %d %s ", pd_status_name(problem->status),
                                          problem->sys_errno, problem->archived ? "kept" : "-");

    if (status == PD_OK) {
        status = pd_escape(&text, problem->path, strlen(problem->path));
    }
    /* no tab can stand in an escaped path */
    if (status == PD_OK) {
        status = pd_buf_puts(&text, "\t");
    }
    if (status == PD_OK) {
        status = pd_escape(&text, problem->message, strlen(problem->message));
    }
    if (status == PD_OK) {
        status = pd_bag_info_line(out, PROBLEM, "%s", text.data);
    }
    pd_buf_free(&text);
    return status;
}

struct problem_texts {
    struct pd_buf path, message;
};

static bool parse_problem(char *value, struct problem_texts *texts, struct pd_index_problem *out)
{
    char *word = strsep(&value, " "), *number = strsep(&value, " "), *kept = strsep(&value, " ");
    char *path = strsep(&value, "\t");
    uint64_t code = 0;

    if (!path || !value || !pd_status_parse(word, &out->status) || out->status == PD_OK ||
        !pd_parse_u64(number, &code) || code > 4095) {
        return false;
    }
    out->sys_errno = (int)code;
    out->archived = strcmp(kept, "kept") == 0;
    pd_buf_clear(&texts->path);
    pd_buf_clear(&texts->message);
    if (!pd_unescape(path, strlen(path), &texts->path) || texts->path.len == 0 ||
        !pd_unescape(value, strlen(value), &texts->message)) {
        return false;
    }
    out->path = texts->path.data;
    out->message = texts->message.data ? texts->message.data : "";
    return true;
}

static enum pd_status take_line(const char *line, size_t len, struct problem_texts *texts,
                                pd_index_problem_fn fn, void *arg, struct pd_error *err)
{
    static const char head[] = PROBLEM ": ";
    struct pd_index_problem problem;
    enum pd_status status = PD_OK;
    char *value;

    if (len < sizeof head || memcmp(line, head, sizeof head - 1) != 0) {
        return PD_OK;
    }
    value = strndup(line + sizeof head - 1, len - (sizeof head - 1));
    if (!value) {
        return pd_error_memory(err, "a problem");
    }
    if (parse_problem(value, texts, &problem)) {
        status = fn(arg, &problem, err);
    }
    free(value);
    return status;
}

enum pd_status pd_index_problems(const char *text, size_t len, pd_index_problem_fn fn, void *arg,
                                 struct pd_error *err)
{
    const char *end = text + len;
    struct problem_texts texts = {PD_BUF_INIT, PD_BUF_INIT};
    enum pd_status status = PD_OK;

    while (text < end && status == PD_OK) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        size_t line = line_end ? (size_t)(line_end - text) : (size_t)(end - text);

        status = take_line(text, line, &texts, fn, arg, err);
        text += line + (line_end ? 1 : 0);
    }
    pd_buf_free(&texts.path);
    pd_buf_free(&texts.message);
    return status;
}
