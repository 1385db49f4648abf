/*
 * cred: credentials files in MySQL option-file form, checked before anything is touched.
 *
 * Reads [client] and [pairdump] (the latter wins): user, password, host, port, socket, database,
 * ssl-ca, ssl-cert, ssl-key, connect-timeout. Quotes and backslash escapes as there; what MySQL or
 * the parser would cut (an unquoted '#', white space before ';') is refused. A file that is
 * missing, empty, not regular, not owned by the user or root, or readable by group or others is
 * PD_CREDENTIALS, with the chmod to run in the message. Values never appear in messages. Source:
 * MySQL 8.0 manual, 4.2.2.2 "Using Option Files".
 */
#ifndef PAIRDUMP_CRED_H
#define PAIRDUMP_CRED_H

#include "pairdump/error.h"

struct pd_cred {
    char *user, *password, *host, *socket, *database, *ssl_ca, *ssl_cert, *ssl_key; /* or NULL */
    unsigned port;            /* 0: not given */
    unsigned connect_timeout; /* seconds, 0: not given */
};

PD_MUST_USE enum pd_status pd_cred_load(const char *path, struct pd_cred *out,
                                        struct pd_error *err);
PD_MUST_USE enum pd_status pd_cred_parse(const char *text, size_t len, const char *name,
                                         struct pd_cred *out, struct pd_error *err);
void pd_cred_release(struct pd_cred *cred); /* wipes the password */

#endif
