/*
 * registry: from the URL of a target to its driver; the only place that names drivers.
 *
 *     disk:DIR[?capacity=SIZE]
 *     tape:DEVICE[?capacity=SIZE&LIBRARY]
 *     mock:DIR[?capacity=SIZE&early=SIZE&slots=N&LIBRARY]
 *     fault:OP@N=EFFECT[,OP@N=EFFECT...]:TARGET
 *
 * LIBRARY: changer=URL&drive=N[&timeout=SECONDS]: the drive is number N, from 0, of the library
 * that the changer (changer.h) serves (drive_library.h); its URL has no '&' and no '?'. timeout is
 * for one command of the changer.
 *
 * OP: open write read mark sync seek load; N: 7 (the 7th call), 7+ (each from the 7th on);
 * EFFECT: EIO ENOSPC short flip slow=BYTES/s hang=SECONDS kill. An unknown scheme, option, or
 * effect is PD_USAGE. A folder that does not exist is PD_USAGE (never made: it may be a mount
 * point), and so is a DEVICE that is no tape drive (drive_st.h).
 */
#ifndef PAIRDUMP_REGISTRY_H
#define PAIRDUMP_REGISTRY_H

#include "pairdump/target.h"

/* env outlives the target. */
PD_MUST_USE enum pd_status pd_target_open(const struct pd_env *env, const char *url,
                                          struct pd_target **out, struct pd_error *err);

/* A plain word for where the target keeps its data ("/mnt/a"), filters and options left out: to
 * see that two URLs mean one place, and for doctor. Caller frees *out. */
PD_MUST_USE enum pd_status pd_target_url_path(const char *url, char **out, struct pd_error *err);

/* The URL by which a catalog knows the place again: "scheme:ABSOLUTE[?options]", filters left out.
 * Links are followed to folders, not to devices; a changer's file is absolute too. Caller frees
 * *out. */
PD_MUST_USE enum pd_status pd_target_url_location(const char *url, char **out,
                                                  struct pd_error *err);

/* What its option capacity says, bytes; 0: nothing. */
uint64_t pd_target_url_capacity(const char *url);

/* Whether a changer brings its volumes. */
bool pd_target_url_changer(const char *url);

/* The URL with "name=value" behind its options, or as it is when it names that option already.
 * PD_USAGE: value has a '&' or '?', or is empty. Nothing else is checked. Caller frees *out. */
PD_MUST_USE enum pd_status pd_target_url_with(const char *url, const char *name, const char *value,
                                              char **out, struct pd_error *err);

/* Whether its place is a device node, which has no file system. */
bool pd_target_url_device(const char *url);

/* Whether one run at a time may have it: a drive, but not a folder of volumes. */
bool pd_target_url_exclusive(const char *url);

#endif
