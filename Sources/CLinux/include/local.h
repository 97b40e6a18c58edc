// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Messages between processes of one machine, by Unix sockets that keep their borders
// (SOCK_SEQPACKET); a message may bring an open file. Every function returns 0 or more, or a negated
// errno.

#ifndef MARTLET_LOCAL_H
#define MARTLET_LOCAL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// \returns a connected descriptor.
int martlet_local_connect(const char *path);

/// Waits at most `timeout` milliseconds for a connection, and for ever where it is negative.
/// \returns a descriptor; -EAGAIN where nobody came.
int martlet_local_accept(int descriptor, int timeout);

/// Has receives and sends end with -EAGAIN after `timeout` milliseconds.
int martlet_local_set_timeout(int descriptor, int timeout);

/// Who is at the other end, as the kernel saw it at connecting.
int martlet_local_peer(int descriptor, uid_t *user, pid_t *process);

/// Sends one message, and with it an open file, where `file` is not negative.
int martlet_local_send(int descriptor, const void *bytes, size_t count, int file);

/// Takes one message and the file that it brought: -1 where there was none; what comes is closed on
/// exec. \returns its length; 0 at the end; -EMSGSIZE where it was longer than `capacity`.
int martlet_local_receive(int descriptor, void *bytes, size_t capacity, int *file);

#endif
