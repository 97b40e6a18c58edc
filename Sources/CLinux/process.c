// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#include "process.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

int martlet_set_user(uid_t user) { return setresuid(user, user, user) == 0 ? 0 : -errno; }

int martlet_set_group(gid_t group) { return setresgid(group, group, group) == 0 ? 0 : -errno; }

int martlet_initialize_groups(const char *name, gid_t group) {
    return initgroups(name, group) == 0 ? 0 : -errno;
}

int martlet_clear_groups(void) { return setgroups(0, NULL) == 0 ? 0 : -errno; }

int martlet_available_processors(int *processors, int capacity) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return -errno;
    int count = 0;
    for (int processor = 0; processor < CPU_SETSIZE && count < capacity; processor++)
        if (CPU_ISSET(processor, &set)) processors[count++] = processor;
    return count;
}

int martlet_bind_thread(int processor) {
    if (processor < 0 || processor >= CPU_SETSIZE) return -EINVAL;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    return -pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

int martlet_prefer_batches(void) {
    struct sched_param none = {.sched_priority = 0};
    return -pthread_setschedparam(pthread_self(), SCHED_BATCH, &none);
}

int martlet_give_way(void) {
    errno = 0;
    // That of the main thread, which keeps the process's own.
    int own = getpriority(PRIO_PROCESS, getpid());
    if (own == -1 && errno != 0) return -errno;
    return setpriority(PRIO_PROCESS, 0, own + 10) == 0 ? 0 : -errno;
}

int martlet_spawn_without_files(posix_spawn_file_actions_t *actions, int first) {
    return -posix_spawn_file_actions_addclosefrom_np(actions, first);
}

int martlet_name_thread(const char *name) {
    char cut[16];
    snprintf(cut, sizeof cut, "%s", name);
    return -pthread_setname_np(pthread_self(), cut);
}
