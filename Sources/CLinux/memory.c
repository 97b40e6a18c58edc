// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#include "memory.h"

#include <errno.h>
#include <malloc.h>
#include <sys/mman.h>

int martlet_memory_file(const char *name) {
    int descriptor = memfd_create(name, MFD_CLOEXEC);
    return descriptor >= 0 ? descriptor : -errno;
}

void martlet_trim_memory(void) { malloc_trim(0); }

void martlet_map_large_memory(void) { mallopt(M_MMAP_THRESHOLD, 1 << 20); }
