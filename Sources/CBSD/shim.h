// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#ifndef MARTLET_CBSD_SHIM_H
#define MARTLET_CBSD_SHIM_H

#include <bsd/libutil.h>
#include <bsd/unistd.h>

// setproctitle is variadic, which Swift can't call; "-" leaves out the program's name.
static inline void martlet_set_process_title(const char *title) {
    setproctitle("-%s", title);
}

#endif
