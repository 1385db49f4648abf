/*
 * target_lib: a target that does nothing, for tests that bring only the calls they are about.
 *
 * Take a copy of target_lib_ops and set those calls. Of the others, what reads, writes or labels is
 * PD_UNSUPPORTED; claim, sync, close_file, unmount and close are PD_OK.
 */
#ifndef TARGET_LIB_H
#define TARGET_LIB_H

#include "pairdump/target.h"

extern const struct pd_target_ops target_lib_ops;

#endif
