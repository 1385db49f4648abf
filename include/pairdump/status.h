/*
 * status: the one table of outcomes, and the two ways to combine them.
 *
 * Every function that can fail returns an enum pd_status. A status has a stable name (written to
 * the catalog, to JSON and to logs), a severity, a retryable flag, an exit class and a text that
 * tells an operator what to do. Names never change their meaning; new ones may be added.
 *
 * Along one copy the worst status wins, and an unknown one is worst (pd_status_worst).
 * Across copies one good copy makes the whole degraded, none makes it failed (pd_status_across).
 */
#ifndef PAIRDUMP_STATUS_H
#define PAIRDUMP_STATUS_H

#include <stdbool.h>
#include <stddef.h>

#define PD_MUST_USE __attribute__((warn_unused_result))
#define PD_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* In rising order; the order is the rank by which the worst of one copy is found. */
enum pd_severity {
    PD_SEV_OK,       /* nothing to say */
    PD_SEV_NOTE,     /* expected turn of events: blank medium, early warning, end of volume */
    PD_SEV_WARN,     /* the data is safe, but somebody should look */
    PD_SEV_ERROR,    /* this copy, file or step failed */
    PD_SEV_FATAL,    /* nothing further can be trusted */
};

/* Exit classes are the exit codes of the program (pairdump(1)). */
enum pd_exit {
    PD_EXIT_OK = 0,
    PD_EXIT_DEGRADED = 1,
    PD_EXIT_USAGE = 2,
    PD_EXIT_FAILED = 3,
    PD_EXIT_BUSY = 4,
    PD_EXIT_SPACE = 5,
    PD_EXIT_CATALOG = 6,
    PD_EXIT_INTERRUPTED = 130,
};

/*
 * X(code, name, severity, retryable, exit class, text)
 * The text completes "pairdump: <what>: <text>"; it is short, and says what to do where it can.
 */
#define PD_STATUS_TABLE(X)                                                                         \
    X(PD_OK, "ok", PD_SEV_OK, false, PD_EXIT_OK, "done")                                           \
    X(PD_BLANK, "blank", PD_SEV_NOTE, false, PD_EXIT_USAGE, "medium is blank; label it first")     \
    X(PD_END_OF_FILE, "end-of-file", PD_SEV_NOTE, false, PD_EXIT_FAILED,                           \
      "end of the tape file where more was expected")                                              \
    X(PD_END_OF_DATA, "end-of-data", PD_SEV_NOTE, false, PD_EXIT_FAILED,                           \
      "end of the recorded data where more was expected")                                          \
    X(PD_VOLUME_FULL, "volume-full", PD_SEV_NOTE, false, PD_EXIT_SPACE,                            \
      "volume is full; it is closed, give another one")                                            \
    X(PD_SKIPPED, "skipped", PD_SEV_NOTE, false, PD_EXIT_OK, "left out on request")                \
    X(PD_UNVERIFIED, "unverified", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                           \
      "written but not read back; run verify")                                                     \
    X(PD_STALE, "stale", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                                     \
      "read back too long ago, or in the future; run audit or verify")                             \
    X(PD_KEPT, "kept", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                                       \
      "files that exist already were kept; --overwrite replaces them")                             \
    X(PD_DEGRADED, "degraded", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                               \
      "at least one good copy of everything remains, but not all copies")                          \
    X(PD_SOURCE_VANISHED, "source-vanished", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                 \
      "source file disappeared before it was read; it is not in the dump")                         \
    X(PD_SOURCE_CHANGED, "source-changed", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                   \
      "source file changed while it was read; dump it again")                                      \
    X(PD_SOURCE_UNREADABLE, "source-unreadable", PD_SEV_WARN, false, PD_EXIT_DEGRADED,             \
      "source file cannot be read; it is not whole in the dump")                                   \
    X(PD_INTERRUPTED, "interrupted", PD_SEV_ERROR, false, PD_EXIT_INTERRUPTED,                     \
      "interrupted; what was recorded stays valid, resume finishes a dump")                        \
    X(PD_USAGE, "usage", PD_SEV_ERROR, false, PD_EXIT_USAGE, "wrong usage; see pairdump help")     \
    X(PD_CONFIG, "config", PD_SEV_ERROR, false, PD_EXIT_USAGE, "mend the configuration")           \
    X(PD_CREDENTIALS, "credentials", PD_SEV_ERROR, false, PD_EXIT_USAGE,                           \
      "mend the credentials file")                                                                 \
    X(PD_NOT_FOUND, "not-found", PD_SEV_ERROR, false, PD_EXIT_USAGE, "no such thing is known")     \
    X(PD_EXISTS, "exists", PD_SEV_ERROR, false, PD_EXIT_USAGE,                                     \
      "already there, and not overwritten")                                                        \
    X(PD_DENIED, "denied", PD_SEV_ERROR, false, PD_EXIT_USAGE,                                     \
      "not permitted; check path, owner and mode")                                                 \
    X(PD_UNSAFE_PATH, "unsafe-path", PD_SEV_ERROR, false, PD_EXIT_FAILED,                          \
      "path would leave its folder; refused")                                                      \
    X(PD_FOREIGN, "foreign", PD_SEV_ERROR, false, PD_EXIT_USAGE,                                   \
      "holds data without a pairdump label; never overwritten, use another")                       \
    X(PD_WRONG_VOLUME, "wrong-volume", PD_SEV_ERROR, false, PD_EXIT_USAGE,                         \
      "another volume is mounted than the one expected")                                           \
    X(PD_WRITE_PROTECTED, "write-protected", PD_SEV_ERROR, false, PD_EXIT_USAGE,                   \
      "medium is write protected")                                                                 \
    X(PD_BUSY, "busy", PD_SEV_ERROR, false, PD_EXIT_BUSY, "in use by another run; try later")      \
    X(PD_NO_SPACE, "no-space", PD_SEV_ERROR, false, PD_EXIT_SPACE, "not enough free space")        \
    X(PD_NO_VOLUME, "no-volume", PD_SEV_ERROR, false, PD_EXIT_SPACE,                               \
      "no further volume; add media or free space")                                                \
    X(PD_NO_MEDIUM, "no-medium", PD_SEV_ERROR, true, PD_EXIT_FAILED,                               \
      "no medium in the drive; load one")                                                          \
    X(PD_NOT_READY, "not-ready", PD_SEV_ERROR, true, PD_EXIT_FAILED,                               \
      "device is not ready yet; wait, then check it")                                              \
    X(PD_AGAIN, "again", PD_SEV_ERROR, true, PD_EXIT_FAILED, "passing fault; try again")           \
    X(PD_IO, "io-error", PD_SEV_ERROR, true, PD_EXIT_FAILED,                                       \
      "input/output error; check cable, drive and medium")                                         \
    X(PD_SHORT_WRITE, "short-write", PD_SEV_ERROR, false, PD_EXIT_FAILED,                          \
      "fewer bytes were taken than given; the copy is not good")                                   \
    X(PD_HUNG, "hung", PD_SEV_ERROR, false, PD_EXIT_FAILED,                                        \
      "no progress within the stall time; check the drive")                                        \
    X(PD_LATE, "late", PD_SEV_WARN, false, PD_EXIT_DEGRADED,                                       \
      "no answer within the read deadline; check the drive")                                       \
    X(PD_TRUNCATED, "truncated", PD_SEV_ERROR, false, PD_EXIT_FAILED,                              \
      "data ends too early; use the other copy")                                                   \
    X(PD_BAD_RECORD, "bad-record", PD_SEV_ERROR, false, PD_EXIT_FAILED,                            \
      "record does not match its digest; use the other copy")                                      \
    X(PD_BAD_FILE, "bad-file", PD_SEV_ERROR, false, PD_EXIT_FAILED,                                \
      "file does not match its digest, size or name; use the other copy")                          \
    X(PD_BAD_FORMAT, "bad-format", PD_SEV_ERROR, false, PD_EXIT_FAILED,                            \
      "structure is damaged or not of this format")                                                \
    X(PD_MISSING, "missing", PD_SEV_ERROR, false, PD_EXIT_FAILED,                                  \
      "expected on this copy but not there")                                                       \
    X(PD_GIVEN_UP, "given-up", PD_SEV_ERROR, false, PD_EXIT_FAILED,                                \
      "its volume was given up; use the other copy")                                               \
    X(PD_REPLACED, "replaced", PD_SEV_ERROR, false, PD_EXIT_FAILED,                                \
      "another copy was made in its place; use that one")                                          \
    X(PD_HELD, "held", PD_SEV_ERROR, false, PD_EXIT_USAGE,                                         \
      "nothing was changed, as it holds what is to be kept; see volumes")                          \
    X(PD_RESTORE, "restore", PD_SEV_ERROR, false, PD_EXIT_FAILED,                                  \
      "could not be restored completely")                                                          \
    X(PD_CATALOG_BUSY, "catalog-busy", PD_SEV_ERROR, true, PD_EXIT_CATALOG,                        \
      "catalog is locked by another run")                                                          \
    X(PD_CATALOG_LOST, "catalog-lost", PD_SEV_ERROR, true, PD_EXIT_CATALOG,                        \
      "the catalog's server does not answer; start it, or check host, port and socket")            \
    X(PD_COMMIT_UNKNOWN, "commit-unknown", PD_SEV_ERROR, false, PD_EXIT_CATALOG,                   \
      "the catalog's server went away before it said whether it took a change; look before again") \
    X(PD_CATALOG, "catalog", PD_SEV_ERROR, false, PD_EXIT_CATALOG,                                 \
      "catalog cannot be used; run pairdump catalog check")                                        \
    X(PD_UNSUPPORTED, "unsupported", PD_SEV_ERROR, false, PD_EXIT_USAGE, "not supported here")     \
    X(PD_NO_MEMORY, "no-memory", PD_SEV_FATAL, false, PD_EXIT_FAILED,                              \
      "out of memory; lower buffer or batch size")                                                 \
    X(PD_FAILED, "failed", PD_SEV_FATAL, false, PD_EXIT_FAILED, "some data has no good copy")      \
    X(PD_INTERNAL, "internal", PD_SEV_FATAL, false, PD_EXIT_FAILED,                                \
      "a contract inside pairdump was broken; please report it")

enum pd_status {
#define PD_X(code, name, sev, retry, exit_class, text) code,
    PD_STATUS_TABLE(PD_X)
#undef PD_X
    PD_STATUS_COUNT
};

/* Every accessor takes any int: a value outside the table is answered as "internal". */
const char *pd_status_name(enum pd_status status);
const char *pd_status_text(enum pd_status status);
enum pd_severity pd_status_severity(enum pd_status status);
bool pd_status_retryable(enum pd_status status);
enum pd_exit pd_status_exit(enum pd_status status);

/* Finds a status by its stable name; false, and *out = PD_INTERNAL, when the name is unknown. */
bool pd_status_parse(const char *name, enum pd_status *out);

/* Of a verification: is what is on the medium bad? False for PD_OK, and for what only tells of the run
 * (interrupted, no medium, a hung drive). */
bool pd_status_blames_copy(enum pd_status status);

/* The worse of two by severity; of equals the first. A value outside the table wins and becomes
 * PD_INTERNAL. */
enum pd_status pd_status_worst(enum pd_status a, enum pd_status b);

/* The status of n copies that each should hold the same: PD_OK only if n > 0 and all are PD_OK;
 * PD_INTERRUPTED if any was; PD_DEGRADED if at least one is PD_OK; PD_UNVERIFIED if none is bad
 * but none was read back; else PD_FAILED. */
enum pd_status pd_status_across(const enum pd_status *copies, size_t n);

#endif
