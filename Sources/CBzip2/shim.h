// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#ifndef MARTLET_CBZIP2_SHIM_H
#define MARTLET_CBZIP2_SHIM_H

#include <bzlib.h>

#endif
