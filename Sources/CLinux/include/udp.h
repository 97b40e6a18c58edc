// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Sockets for servers: bound UDP and TCP sockets, and datagrams received and sent many at a time,
// each reply from the address that its query was sent to.

#ifndef MARTLET_UDP_H
#define MARTLET_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// An address and a port, free of the sockaddr family.
struct martlet_endpoint {
    uint8_t family;     // 4 or 6
    uint8_t bytes[16];  // network order; an IPv4 address fills the first four
    uint16_t port;      // host order
    uint32_t scope;     // of a link-local IPv6 address, else 0
};

/// A UDP socket bound to `endpoint` with SO_REUSEPORT, its receives ending after `timeout`
/// milliseconds, packet info on where the address is a wildcard. `only_ipv6` keeps IPv4 off an IPv6
/// wildcard. The address needn't be on an interface yet. `buffer` bytes are asked for as receive and send buffers, 0 for the kernel's default.
/// \returns a descriptor, or a negated errno.
int martlet_udp_bind(const struct martlet_endpoint *endpoint, bool only_ipv6, int timeout,
                     int buffer);

/// A listening, non-blocking TCP socket. With `reuse_port` another process may listen beside it.
/// The address needn't be on an interface yet.
/// \returns a descriptor, or a negated errno.
int martlet_tcp_listen(const struct martlet_endpoint *endpoint, bool only_ipv6, bool reuse_port,
                       int backlog);

/// Whether the system takes the endpoint's address for its own.
/// \returns 1 or 0, or a negated errno.
int martlet_is_own(const struct martlet_endpoint *endpoint);

/// The address that a socket is bound to. \returns 0, or a negated errno.
int martlet_local_endpoint(int descriptor, struct martlet_endpoint *endpoint);

/// Takes the socket out of those that share its port: what has arrived can still be received, what
/// comes goes to the others. \returns 0, or a negated errno.
int martlet_udp_retire(int descriptor);

/// Whether a socket takes IPv6 alone. \returns 1 or 0, or a negated errno.
int martlet_is_only_ipv6(int descriptor);

/// Room for `capacity` datagrams in and as many replies out, for one thread.
struct martlet_batch;

/// \returns NULL where there is no memory.
struct martlet_batch *martlet_batch_create(int capacity, size_t query_size, size_t reply_size);
void martlet_batch_destroy(struct martlet_batch *batch);

/// Waits for a datagram, where `waits`, and takes what else has arrived, at most the capacity.
/// \returns how many, 0 when there is none and the time is over, or a negated errno.
int martlet_batch_receive(struct martlet_batch *batch, int descriptor, bool waits);

/// One datagram as it arrived. `bytes` belong to the batch until the next receive.
struct martlet_datagram {
    const uint8_t *bytes;
    size_t length;
    bool truncated;  // it was longer than the room for it
    struct martlet_endpoint peer;
};

void martlet_batch_datagram(const struct martlet_batch *batch, int index,
                            struct martlet_datagram *datagram);

/// Where the reply to datagram `index` is written, `reply_size` bytes.
uint8_t *martlet_batch_reply(struct martlet_batch *batch, int index);

/// Marks the reply to datagram `index` as `length` bytes long. Datagrams without a call get none.
void martlet_batch_answer(struct martlet_batch *batch, int index, size_t length);

/// Sends the replies. One that the kernel refuses is given up; the others still go.
/// \returns how many were sent.
int martlet_batch_send(struct martlet_batch *batch, int descriptor);

#endif
