/*
 * registry: from the URL of a target to its driver; the only place that names drivers.
 *
 *     disk:DIR[?capacity=SIZE]
 *     tape:DEVICE[?capacity=SIZE]
 *     mock:DIR[?capacity=SIZE&early=SIZE&slots=N]
 *     fault:OP@N=EFFECT[,OP@N=EFFECT...]:TARGET
 *
 * OP: open write read mark sync seek load; N: 7 (the 7th call), 7+ (each from the 7th on);
 * EFFECT: EIO ENOSPC short flip slow=BYTES/s hang=SECONDS kill. An unknown scheme, option, or effect
 * is PD_USAGE. A folder that does not exist is PD_USAGE (never made: it may be a mount point), and so
 * is a DEVICE that is no tape drive (drive_st.h).
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

/* The URL by which a catalog knows the place again: "scheme:ABSOLUTE[?options]", filters left out. Links
 * are followed to folders, not to devices. Caller frees *out. */
PD_MUST_USE enum pd_status pd_target_url_location(const char *url, char **out,
                                                  struct pd_error *err);

/* What its option capacity says, bytes; 0: nothing. */
uint64_t pd_target_url_capacity(const char *url);

/* Whether its place is a device node, which has no file system. */
bool pd_target_url_device(const char *url);

/* Whether one run at a time may have it: a drive, but not a folder of volumes. */
bool pd_target_url_exclusive(const char *url);

#endif
