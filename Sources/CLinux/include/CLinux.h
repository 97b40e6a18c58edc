// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// C that Swift can't see, one header a topic. No policy: plain structs in, 0 or a negated errno out.

#ifndef MARTLET_CLINUX_H
#define MARTLET_CLINUX_H

#include "local.h"
#include "memory.h"
#include "process.h"
#include "tcp.h"
#include "udp.h"

#endif
