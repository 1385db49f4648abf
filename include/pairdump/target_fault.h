/*
 * target_fault: a filter that makes any target fail, slow down, hang, lie or kill the process.
 *
 * Faults are counted per operation from 1, over the life of the target object. Operations map to
 * slots: open = open_file, write = write, read = read, mark = end, sync = sync, seek = seek, load
 * = mount and format. "flip" on write changes one bit of what is written and says OK (the drive
 * that lies), on read one bit of what is read. "short" on write is PD_SHORT_WRITE after half the
 * record went out (the other half as zeros); on read it gives half a record. Flip and short are
 * for write and read only. A read that fails has passed its record. ENOSPC is PD_VOLUME_FULL on
 * write. "slow" delays each call from N on, "hang" one call (or each, with +). Same spec, same
 * faults: nothing is random.
 */
#ifndef PAIRDUMP_TARGET_FAULT_H
#define PAIRDUMP_TARGET_FAULT_H

#include "pairdump/target.h"

extern const struct pd_target_ops pd_target_fault_ops;

/* spec is the text between "fault:" and the last ":TARGET". Takes inner over, closed also when this
 * fails. */
PD_MUST_USE enum pd_status pd_target_fault_open(const struct pd_env *env, const char *spec,
                                                struct pd_target *inner, const char *url,
                                                struct pd_target **out, struct pd_error *err);

#endif
