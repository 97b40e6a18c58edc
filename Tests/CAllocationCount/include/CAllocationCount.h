// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#ifndef MARTLET_ALLOCATION_COUNT_H
#define MARTLET_ALLOCATION_COUNT_H

/// How often the calling thread has asked for memory since it began, by any of malloc's functions; -1
/// where a sanitizer has them.
long martlet_allocation_count(void);

#endif
