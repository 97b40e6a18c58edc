// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Privileges, threads, and programs to be started. Every function returns 0, or a negated errno.

#ifndef MARTLET_PROCESS_H
#define MARTLET_PROCESS_H

#include <spawn.h>
#include <sys/types.h>

/// Sets the real, effective and saved user of every thread (setresuid).
int martlet_set_user(uid_t user);

/// Sets the real, effective and saved group of every thread (setresgid).
int martlet_set_group(gid_t group);

/// Replaces the supplementary groups by those that the group database gives `name`, and `group`.
int martlet_initialize_groups(const char *name, gid_t group);

/// Replaces the supplementary groups by none.
int martlet_clear_groups(void);

/// The processors this process may use, at most `capacity` of them written to `processors`;
/// their number.
int martlet_available_processors(int *processors, int capacity);

/// Binds the calling thread to one processor.
int martlet_bind_thread(int processor);

/// Has the calling thread, when it is woken, wait for its turn rather than interrupt who woke it
/// (SCHED_BATCH, sched(7)): for who does best with much at a time.
int martlet_prefer_batches(void);

/// Has the calling thread leave the processors to the process's others, where there aren't enough: its
/// nice value (setpriority(2)) is by 10 above the main thread's, up to 19. Threads that it starts have
/// that, too.
int martlet_give_way(void);

/// Has a program that is started so get no descriptor from `first` on
/// (posix_spawn_file_actions_addclosefrom_np).
int martlet_spawn_without_files(posix_spawn_file_actions_t *actions, int first);

/// Names the calling thread as `ps -L` and `top -H` show it; cut to 15 bytes.
int martlet_name_thread(const char *name);

#endif
