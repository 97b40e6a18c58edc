// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#ifndef MARTLET_CLINUX_H
#define MARTLET_CLINUX_H

#endif
