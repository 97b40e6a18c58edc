// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

#include "tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(sizeof(struct sockaddr_storage) == 128, "an address of any family");
_Static_assert(sizeof(struct martlet_tcp_md5) == sizeof(struct tcp_md5sig), "TCP_MD5SIG's value");
_Static_assert(offsetof(struct martlet_tcp_md5, key_length) ==
                   offsetof(struct tcp_md5sig, tcpm_keylen), "where the length stands");
_Static_assert(offsetof(struct martlet_tcp_md5, key) == offsetof(struct tcp_md5sig, tcpm_key),
               "where the key stands");
// As in linux/tcp.h, which the C library's header doesn't have yet.
_Static_assert(sizeof(struct martlet_tcp_ao_add) == 288, "TCP_AO_ADD_KEY's value");
_Static_assert(sizeof(struct martlet_tcp_ao_del) == 144, "TCP_AO_DEL_KEY's value");
_Static_assert(offsetof(struct martlet_tcp_info, unacked) ==
                   offsetof(struct tcp_info, tcpi_unacked), "the front of TCP_INFO");
_Static_assert(offsetof(struct martlet_tcp_info, more) == offsetof(struct tcp_info, tcpi_rttvar),
               "the middle of TCP_INFO");
_Static_assert(offsetof(struct martlet_tcp_info, unsent) == 144, "tcpi_notsent_bytes");

enum { flag_prefix = 1 };  // TCP_MD5SIG_FLAG_PREFIX

/// Writes a sockaddr; false where the prefix is too long.
static bool fill_address(uint8_t address[128], const struct martlet_endpoint *prefix, int length,
                         bool is_mapped)
{
    memset(address, 0, 128);
    if (length < 0 || length > (prefix->family == 4 ? 32 : 128)) return false;
    if (prefix->family == 4 && !is_mapped) {
        struct sockaddr_in *in = (struct sockaddr_in *)(void *)address;
        in->sin_family = AF_INET;
        memcpy(&in->sin_addr, prefix->bytes, 4);
        return true;
    }
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)address;
    in6->sin6_family = AF_INET6;
    if (prefix->family == 4) {
        in6->sin6_addr.s6_addr[10] = 0xff;
        in6->sin6_addr.s6_addr[11] = 0xff;
        memcpy(in6->sin6_addr.s6_addr + 12, prefix->bytes, 4);
    } else {
        memcpy(&in6->sin6_addr, prefix->bytes, 16);
    }
    return true;
}

bool martlet_tcp_md5_fill(struct martlet_tcp_md5 *value, const struct martlet_endpoint *prefix,
                          int length, bool is_mapped, const uint8_t *key, size_t key_length)
{
    memset(value, 0, sizeof *value);
    if (key_length > MARTLET_TCP_KEY_LIMIT) return false;
    if (!fill_address(value->address, prefix, length, is_mapped)) return false;
    value->flags = flag_prefix;
    value->prefix_length = (uint8_t)length;
    value->key_length = (uint16_t)key_length;
    if (key_length > 0) memcpy(value->key, key, key_length);
    return true;
}

bool martlet_tcp_ao_fill(struct martlet_tcp_ao_add *value, const struct martlet_endpoint *prefix,
                         int length, bool is_mapped, const char *algorithm, uint8_t send_id,
                         uint8_t receive_id, bool is_current, const uint8_t *key,
                         size_t key_length)
{
    memset(value, 0, sizeof *value);
    if (key_length == 0 || key_length > MARTLET_TCP_KEY_LIMIT) return false;
    if (strlen(algorithm) >= sizeof value->algorithm) return false;
    if (!fill_address(value->address, prefix, length, is_mapped)) return false;
    strcpy(value->algorithm, algorithm);
    value->flags = is_current ? 3 : 0;
    value->prefix_length = (uint8_t)length;
    value->send_id = send_id;
    value->receive_id = receive_id;
    value->key_length = (uint8_t)key_length;
    memcpy(value->key, key, key_length);
    return true;
}

bool martlet_tcp_ao_delete_fill(struct martlet_tcp_ao_del *value,
                                const struct martlet_endpoint *prefix, int length,
                                bool is_mapped, uint8_t send_id, uint8_t receive_id)
{
    memset(value, 0, sizeof *value);
    if (!fill_address(value->address, prefix, length, is_mapped)) return false;
    value->prefix_length = (uint8_t)length;
    value->send_id = send_id;
    value->receive_id = receive_id;
    return true;
}

bool martlet_has_tcp_ao(void)
{
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return false;
    // Without a value the kernel refuses: with EINVAL where it knows the option.
    int result = setsockopt(descriptor, IPPROTO_TCP, martlet_tcp_ao_add_option, NULL, 0);
    bool has = result == 0 || errno != ENOPROTOOPT;
    close(descriptor);
    return has;
}
