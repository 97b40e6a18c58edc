// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Memory of the process.

#ifndef MARTLET_MEMORY_H
#define MARTLET_MEMORY_H

/// Opens a file in memory that has no name in any folder (memfd_create); its descriptor, closed
/// on exec, or a negated errno. `name` is for `/proc` alone.
int martlet_memory_file(const char *name);

/// Has the processor bring a cache line near that is soon read or written. Any address will do.
static inline void martlet_prefetch(const void *address) { __builtin_prefetch(address); }

/// Gives memory that was freed back to the system (malloc_trim).
void martlet_trim_memory(void);

/// Has the C library map each piece of memory of 1 MiB and more by itself, so that it goes back to
/// the system when it is freed. Left alone, it maps none below the largest that it has seen freed,
/// up to 32 MiB, and keeps what lies in between. To be called before other threads begin.
void martlet_map_large_memory(void);

#endif
