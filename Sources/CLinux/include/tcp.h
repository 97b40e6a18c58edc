// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// TCP socket options whose values are structs: signed segments, and the state of a connection.
// The structs are laid out as the kernel wants them; who sets them needs no other function.

#ifndef MARTLET_TCP_H
#define MARTLET_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "udp.h"

/// The longest key of TCP MD5 and of TCP-AO, in bytes.
#define MARTLET_TCP_KEY_LIMIT 80

/// The socket options' numbers (linux/tcp.h), level IPPROTO_TCP.
enum {
    martlet_tcp_md5_option = 14,        // TCP_MD5SIG
    martlet_tcp_save_syn_option = 27,   // TCP_SAVE_SYN, on a listener
    martlet_tcp_saved_syn_option = 28,  // TCP_SAVED_SYN, of what it accepted
    martlet_tcp_md5_ext_option = 32,    // TCP_MD5SIG_EXT
    martlet_tcp_ao_add_option = 38,     // TCP_AO_ADD_KEY, Linux 6.7
    martlet_tcp_ao_del_option = 39,     // TCP_AO_DEL_KEY
};

/// The value of TCP_MD5SIG and TCP_MD5SIG_EXT (RFC 2385).
struct martlet_tcp_md5 {
    uint8_t address[128];  // sockaddr_storage
    uint8_t flags;
    uint8_t prefix_length;
    uint16_t key_length;
    int32_t interface;
    uint8_t key[MARTLET_TCP_KEY_LIMIT];
};

/// A key for the peers under a prefix, whose port doesn't matter; a key of no bytes takes the one
/// that is set away. `is_mapped` says that the socket is an IPv6 one, which knows IPv4 peers by
/// their mapped addresses.
/// \returns false where key or prefix is too long.
bool martlet_tcp_md5_fill(struct martlet_tcp_md5 *value, const struct martlet_endpoint *prefix,
                          int length, bool is_mapped, const uint8_t *key, size_t key_length);

/// The value of TCP_AO_ADD_KEY (RFC 5925).
struct martlet_tcp_ao_add {
    uint8_t address[128];
    char algorithm[64];
    int32_t interface;
    uint32_t flags;  // bit 0: the current key at once; bit 1: what the peer is asked to use
    uint16_t reserved;
    uint8_t prefix_length;
    uint8_t send_id;
    uint8_t receive_id;
    uint8_t mac_length;  // 0: 12 bytes
    uint8_t key_flags;
    uint8_t key_length;
    uint8_t key[MARTLET_TCP_KEY_LIMIT];
} __attribute__((aligned(8)));

/// The same for a master key tuple; `algorithm` is the kernel's name of it, such as `hmac(sha1)`.
/// `is_current` has it used at once, which a listener can't.
/// \returns false where key, name or prefix is too long, or the key empty.
bool martlet_tcp_ao_fill(struct martlet_tcp_ao_add *value, const struct martlet_endpoint *prefix,
                         int length, bool is_mapped, const char *algorithm, uint8_t send_id,
                         uint8_t receive_id, bool is_current, const uint8_t *key,
                         size_t key_length);

/// The value of TCP_AO_DEL_KEY.
struct martlet_tcp_ao_del {
    uint8_t address[128];
    int32_t interface;
    uint32_t flags;
    uint16_t reserved;
    uint8_t prefix_length;
    uint8_t send_id;
    uint8_t receive_id;
    uint8_t current_key;
    uint8_t next_key;
    uint8_t key_flags;
} __attribute__((aligned(8)));

bool martlet_tcp_ao_delete_fill(struct martlet_tcp_ao_del *value,
                                const struct martlet_endpoint *prefix, int length,
                                bool is_mapped, uint8_t send_id, uint8_t receive_id);

/// Whether the kernel signs segments by TCP-AO.
bool martlet_has_tcp_ao(void);

/// The value of TCP_SAVED_SYN: the headers of the segment that a connection began with, IP's first.
struct martlet_tcp_saved_syn {
    uint8_t bytes[160];
};

/// What waits in a connection's queues, from the front of TCP_INFO.
struct martlet_tcp_info {
    uint8_t states[8];
    uint32_t timeouts[4];    // rto, ato, snd_mss, rcv_mss
    uint32_t unacked;        // segments
    uint32_t counters[4];    // sacked, lost, retrans, fackets
    uint32_t times[4];       // last_data_sent, last_ack_sent, last_data_recv, last_ack_recv; ms
    uint32_t sizes[3];       // pmtu, rcv_ssthresh, rtt
    uint32_t more[8];        // rttvar, snd_ssthresh, snd_cwnd, advmss, reordering, rcv_rtt,
                             // rcv_space, total_retrans
    uint64_t rates[4];       // pacing_rate, max_pacing_rate, bytes_acked, bytes_received
    uint32_t segments[2];    // segs_out, segs_in
    uint32_t unsent;         // bytes that have not left yet
};

#endif
