// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0
#pragma once

// malloc_trim()
#include <malloc.h>

// Whether this runs under valgrind; always 0 where its header was missing.
int callgrind_is_running(void);
// Counts instructions from here on, from zero.
void callgrind_begin(void);
// Writes the count since callgrind_begin() to a dump of this name, and stops counting.
void callgrind_end(const char *name);
