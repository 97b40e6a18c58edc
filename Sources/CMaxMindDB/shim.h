// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#ifndef MARTLET_CMAXMINDDB_SHIM_H
#define MARTLET_CMAXMINDDB_SHIM_H

#include <maxminddb.h>

#endif
