// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#include "udp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

// Packet info of either family, aligned as a control message must be.
union control {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct martlet_batch {
    int capacity, received;
    size_t query_size, reply_size;
    struct mmsghdr *queries, *replies;
    struct iovec *query_parts, *reply_parts;
    union address *peers;
    union control *controls;
    uint8_t *query_bytes, *reply_bytes;
    int answers;
};

static socklen_t to_address(const struct martlet_endpoint *endpoint, union address *address) {
    memset(address, 0, sizeof *address);
    if (endpoint->family == 4) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(endpoint->port);
        memcpy(&address->v4.sin_addr, endpoint->bytes, 4);
        return sizeof address->v4;
    }
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(endpoint->port);
    address->v6.sin6_scope_id = endpoint->scope;
    memcpy(&address->v6.sin6_addr, endpoint->bytes, 16);
    return sizeof address->v6;
}

static void from_address(const union address *address, struct martlet_endpoint *endpoint) {
    memset(endpoint, 0, sizeof *endpoint);
    if (address->any.sa_family == AF_INET) {
        endpoint->family = 4;
        endpoint->port = ntohs(address->v4.sin_port);
        memcpy(endpoint->bytes, &address->v4.sin_addr, 4);
    } else {
        endpoint->family = 6;
        endpoint->port = ntohs(address->v6.sin6_port);
        endpoint->scope = address->v6.sin6_scope_id;
        memcpy(endpoint->bytes, &address->v6.sin6_addr, 16);
    }
}

static bool is_wildcard(const struct martlet_endpoint *endpoint) {
    static const uint8_t zeros[16];
    return memcmp(endpoint->bytes, zeros, endpoint->family == 4 ? 4 : 16) == 0;
}

static int set(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

// Closes the descriptor and keeps the errno that made it useless.
static int fail(int descriptor) {
    int reason = errno;
    close(descriptor);
    return -reason;
}

// Lets an address be bound before an interface has it, as one of many servers' may come and go with
// its routes. Where the kernel doesn't know the option, the bind is refused as ever.
static void free_bind(int descriptor, bool v6) {
    set(descriptor, IPPROTO_IP, IP_FREEBIND, 1);
    if (v6) set(descriptor, IPPROTO_IPV6, IPV6_FREEBIND, 1);
}

int martlet_udp_bind(const struct martlet_endpoint *endpoint, bool only_ipv6, int timeout,
                     int buffer) {
    union address address;
    socklen_t length = to_address(endpoint, &address);
    bool v6 = endpoint->family == 6;
    int descriptor = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    if (set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) != 0) return fail(descriptor);
    if (v6 && set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, only_ipv6) != 0) return fail(descriptor);
    if (is_wildcard(endpoint)) {
        if (!v6 && set(descriptor, IPPROTO_IP, IP_PKTINFO, 1) != 0) return fail(descriptor);
        if (v6 && set(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) != 0) return fail(descriptor);
    }
    // Forged "fragmentation needed" messages must not make replies come in fragments, which can be
    // forged in turn. Where the kernel doesn't know the option, its default holds.
    set(descriptor, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
    if (v6) set(descriptor, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_OMIT);
    if (buffer > 0) {
        set(descriptor, SOL_SOCKET, SO_RCVBUF, buffer);
        set(descriptor, SOL_SOCKET, SO_SNDBUF, buffer);
    }
    free_bind(descriptor, v6);
    struct timeval time = {.tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000};
    if (setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) != 0)
        return fail(descriptor);
    if (bind(descriptor, &address.any, length) != 0) return fail(descriptor);
    return descriptor;
}

int martlet_tcp_listen(const struct martlet_endpoint *endpoint, bool only_ipv6, bool reuse_port,
                       int backlog) {
    union address address;
    socklen_t length = to_address(endpoint, &address);
    int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    int descriptor = socket(address.any.sa_family, type, 0);
    if (descriptor < 0) return -errno;
    if (set(descriptor, SOL_SOCKET, SO_REUSEADDR, 1) != 0) return fail(descriptor);
    if (reuse_port && set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1) != 0) return fail(descriptor);
    if (endpoint->family == 6 && set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, only_ipv6) != 0)
        return fail(descriptor);
    free_bind(descriptor, endpoint->family == 6);
    if (bind(descriptor, &address.any, length) != 0) return fail(descriptor);
    if (listen(descriptor, backlog) != 0) return fail(descriptor);
    return descriptor;
}

int martlet_is_own(const struct martlet_endpoint *endpoint) {
    union address address;
    struct martlet_endpoint any_port = *endpoint;
    any_port.port = 0;
    socklen_t length = to_address(&any_port, &address);
    int descriptor = socket(address.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    // To bind is to ask: addresses may be the system's by a route, too, with no interface that has them.
    int reason = bind(descriptor, &address.any, length) == 0 ? 0 : errno;
    close(descriptor);
    return reason == 0 ? 1 : reason == EADDRNOTAVAIL ? 0 : -reason;
}

int martlet_local_endpoint(int descriptor, struct martlet_endpoint *endpoint) {
    union address address;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, &address.any, &length) != 0) return -errno;
    from_address(&address, endpoint);
    return 0;
}

int martlet_udp_retire(int descriptor) {
    // A connected socket has no part in the choice among those that share a port. It is connected
    // to itself: nobody else sends from there.
    union address address;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, &address.any, &length) != 0) return -errno;
    if (address.any.sa_family == AF_INET) {
        if (address.v4.sin_addr.s_addr == htonl(INADDR_ANY))
            address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return connect(descriptor, &address.any, length) == 0 ? 0 : -errno;
    }
    if (!IN6_IS_ADDR_UNSPECIFIED(&address.v6.sin6_addr))
        return connect(descriptor, &address.any, length) == 0 ? 0 : -errno;
    address.v6.sin6_addr = in6addr_loopback;
    if (connect(descriptor, &address.any, length) == 0) return 0;
    // A system without IPv6 on its loopback.
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    memcpy(&address.v6.sin6_addr, mapped, sizeof mapped);
    return connect(descriptor, &address.any, length) == 0 ? 0 : -errno;
}

int martlet_is_only_ipv6(int descriptor) {
    int value = 0;
    socklen_t length = sizeof value;
    if (getsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &value, &length) != 0) return -errno;
    return value != 0;
}

void martlet_batch_destroy(struct martlet_batch *batch) {
    if (batch == NULL) return;
    free(batch->queries);
    free(batch->replies);
    free(batch->query_parts);
    free(batch->reply_parts);
    free(batch->peers);
    free(batch->controls);
    free(batch->query_bytes);
    free(batch->reply_bytes);
    free(batch);
}

struct martlet_batch *martlet_batch_create(int capacity, size_t query_size, size_t reply_size) {
    struct martlet_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL || capacity <= 0) {
        free(batch);
        return NULL;
    }
    size_t count = (size_t)capacity;
    batch->capacity = capacity;
    batch->query_size = query_size;
    batch->reply_size = reply_size;
    batch->queries = calloc(count, sizeof *batch->queries);
    batch->replies = calloc(count, sizeof *batch->replies);
    batch->query_parts = calloc(count, sizeof *batch->query_parts);
    batch->reply_parts = calloc(count, sizeof *batch->reply_parts);
    batch->peers = calloc(count, sizeof *batch->peers);
    batch->controls = calloc(count, sizeof *batch->controls);
    batch->query_bytes = calloc(count, query_size);
    batch->reply_bytes = calloc(count, reply_size);
    if (!batch->queries || !batch->replies || !batch->query_parts || !batch->reply_parts ||
        !batch->peers || !batch->controls || !batch->query_bytes || !batch->reply_bytes) {
        martlet_batch_destroy(batch);
        return NULL;
    }
    for (int i = 0; i < capacity; i++) {
        batch->query_parts[i].iov_base = batch->query_bytes + (size_t)i * query_size;
        batch->query_parts[i].iov_len = query_size;
        batch->queries[i].msg_hdr.msg_iov = &batch->query_parts[i];
        batch->queries[i].msg_hdr.msg_iovlen = 1;
        batch->queries[i].msg_hdr.msg_name = &batch->peers[i];
        batch->queries[i].msg_hdr.msg_namelen = sizeof *batch->peers;
        batch->queries[i].msg_hdr.msg_control = &batch->controls[i];
        batch->queries[i].msg_hdr.msg_controllen = sizeof *batch->controls;
        batch->replies[i].msg_hdr.msg_iov = &batch->reply_parts[i];
        batch->replies[i].msg_hdr.msg_iovlen = 1;
    }
    return batch;
}

int martlet_batch_receive(struct martlet_batch *batch, int descriptor, bool waits) {
    // The kernel has written over the lengths of those that were received last time only.
    for (int i = 0; i < batch->received; i++) {
        batch->queries[i].msg_hdr.msg_namelen = sizeof *batch->peers;
        batch->queries[i].msg_hdr.msg_controllen = sizeof *batch->controls;
    }
    batch->answers = 0;
    batch->received = 0;
    int flags = waits ? MSG_WAITFORONE : MSG_DONTWAIT;
    int count = recvmmsg(descriptor, batch->queries, (unsigned)batch->capacity, flags, NULL);
    if (count < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -errno;
    batch->received = count;
    return count;
}

void martlet_batch_datagram(const struct martlet_batch *batch, int index,
                            struct martlet_datagram *datagram) {
    const struct mmsghdr *query = &batch->queries[index];
    datagram->bytes = query->msg_hdr.msg_iov->iov_base;
    datagram->length = query->msg_len;
    datagram->truncated = (query->msg_hdr.msg_flags & MSG_TRUNC) != 0;
    from_address(&batch->peers[index], &datagram->peer);
}

uint8_t *martlet_batch_reply(struct martlet_batch *batch, int index) {
    return batch->reply_bytes + (size_t)index * batch->reply_size;
}

// Turns the packet info that a query came with into the one that its reply goes with: from the
// address that was asked, by whatever way the kernel finds.
static size_t turn(struct msghdr *query) {
    if (query->msg_flags & MSG_CTRUNC) return 0;
    struct cmsghdr *header = CMSG_FIRSTHDR(query);
    if (header == NULL) return 0;
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo *info = (struct in_pktinfo *)CMSG_DATA(header);
        info->ipi_ifindex = 0;
        return CMSG_SPACE(sizeof *info);
    }
    if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo *info = (struct in6_pktinfo *)CMSG_DATA(header);
        // A link-local address means nothing without its interface.
        if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr)) info->ipi6_ifindex = 0;
        return CMSG_SPACE(sizeof *info);
    }
    return 0;
}

void martlet_batch_answer(struct martlet_batch *batch, int index, size_t length) {
    struct msghdr *query = &batch->queries[index].msg_hdr;
    struct msghdr *reply = &batch->replies[batch->answers].msg_hdr;
    batch->reply_parts[batch->answers].iov_base = martlet_batch_reply(batch, index);
    batch->reply_parts[batch->answers].iov_len = length;
    reply->msg_name = query->msg_name;
    reply->msg_namelen = query->msg_namelen;
    reply->msg_controllen = query->msg_controllen == 0 ? 0 : turn(query);
    reply->msg_control = reply->msg_controllen == 0 ? NULL : query->msg_control;
    batch->answers++;
}

int martlet_batch_send(struct martlet_batch *batch, int descriptor) {
    int next = 0, sent = 0;
    while (next < batch->answers) {
        unsigned left = (unsigned)(batch->answers - next);
        int count = sendmmsg(descriptor, batch->replies + next, left, 0);
        if (count > 0) {
            next += count;
            sent += count;
        } else if (errno != EINTR) {
            next++;  // the first of the rest is the one that was refused
        }
    }
    batch->answers = 0;
    return sent;
}
