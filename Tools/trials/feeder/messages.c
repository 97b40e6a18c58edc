// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// BGP messages, values to bytes.

#include <string.h>

#include "feeder.h"

uint32_t martlet_as;

static uint8_t *put16(uint8_t *at, uint32_t value) {
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put32(uint8_t *at, uint32_t value) { return put16(put16(at, value >> 16), value & 0xffff); }

static uint8_t *put(uint8_t *at, const void *bytes, size_t size) {
    memcpy(at, bytes, size);
    return at + size;
}

static uint8_t *begin(uint8_t *message, uint8_t type) {
    memset(message, 0xff, 16);
    message[18] = type;
    return message + 19;
}

static size_t finish(uint8_t *message, const uint8_t *end) {
    put16(message + 16, (uint32_t)(end - message));
    return (size_t)(end - message);
}

void add_prefix(struct nlri *list, uint32_t place) {
    uint8_t octets = (uint8_t)((places[place].length + 7) / 8);
    list->bytes[list->size++] = places[place].length;
    memcpy(list->bytes + list->size, places[place].address, octets);
    list->size += octets;
}

static uint8_t *put_path(uint8_t *at, const struct path *path) {
    int plain = path->count - (path->ends_in_set ? 2 : 0);
    uint8_t *size = (at = put(at, "\x40\x02", 2));
    at++;
    if (plain > 0) {
        *at++ = 2;
        *at++ = (uint8_t)plain;
        for (int index = 0; index < plain; index++) at = put32(at, path->numbers[index]);
    }
    if (path->ends_in_set) {
        at = put(at, "\x01\x02", 2);
        at = put32(put32(at, path->numbers[plain]), path->numbers[plain + 1]);
    }
    *size = (uint8_t)(at - size - 1);
    return at;
}

static const uint8_t next_hop6[15] = {0x20, 0x01, 0x0d, 0xb8};

size_t make_update(
    uint8_t *message, const struct nlri *withdrawn4, const struct nlri *withdrawn6,
    uint8_t announced_family, const struct nlri *announced, const struct route *route,
    uint32_t own_as) {
    uint8_t *at = begin(message, 2);
    at = put(put16(at, (uint32_t)withdrawn4->size), withdrawn4->bytes, withdrawn4->size);
    uint8_t *attributes = at;
    at += 2;
    if (withdrawn6->size > 0) {
        at = put16(put(at, "\x90\x0f", 2), (uint32_t)withdrawn6->size + 3);
        at = put(put(at, "\0\2\1", 3), withdrawn6->bytes, withdrawn6->size);
    }
    if (announced->size > 0) {
        if (announced_family == 6) {
            at = put16(put(at, "\x90\x0e", 2), (uint32_t)announced->size + 21);
            at = put(put(at, "\0\2\1\x10", 4), next_hop6, 15);
            *at++ = route->next_hop;
            *at++ = 0;
            at = put(at, announced->bytes, announced->size);
        }
        at = put(at, "\x40\x01\x01", 3);
        *at++ = route->origin;
        at = put_path(at, &route->path);
        if (announced_family == 4) {
            at = put(at, "\x40\x03\x04\xc0\x00\x02", 6);
            *at++ = route->next_hop;
        }
        if (own_as == martlet_as)
            at = put32(put(at, "\x40\x05\x04", 3), route->preference);
        else if (route->discriminator >= 0)
            at = put32(put(at, "\x80\x04\x04", 3), (uint32_t)route->discriminator);
        if (route->communities > 0) {
            at = put(at, "\xc0\x08", 2);
            *at++ = (uint8_t)(4 * route->communities);
            for (int index = 0; index < route->communities; index++)
                at = put32(at, route->path.numbers[0] << 16 | (uint32_t)index);
        }
    }
    put16(attributes, (uint32_t)(at - attributes - 2));
    if (announced_family == 4) at = put(at, announced->bytes, announced->size);
    return finish(message, at);
}

size_t make_end_of_rib(uint8_t *message, int family) {
    uint8_t *at = begin(message, 2);
    return finish(
        message, family == 4 ? put(at, "\0\0\0\0", 4) : put(at, "\0\0\0\x06\x80\x0f\x03\0\2\1", 10));
}

size_t make_refresh(uint8_t *message, int family, uint8_t subtype) {
    uint8_t *at = put16(begin(message, 5), family == 4 ? 1 : 2);
    *at++ = subtype;
    *at++ = 1;
    return finish(message, at);
}

size_t make_keepalive(uint8_t *message) { return finish(message, begin(message, 4)); }

size_t make_notification(uint8_t *message, uint8_t code, uint8_t subcode) {
    uint8_t *at = begin(message, 3);
    *at++ = code;
    *at++ = subcode;
    return finish(message, at);
}

static const uint8_t both_families[] = {1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1};

size_t make_open(
    uint8_t *message, uint32_t own_as, uint16_t hold, uint32_t identifier,
    struct abilities abilities, bool has_restarted) {
    uint8_t *at = begin(message, 1);
    *at++ = 4;
    at = put32(put16(put16(at, own_as > 65535 ? 23456 : own_as), hold), identifier);
    uint8_t *size = at;
    at += 2;
    *at++ = 0;
    uint8_t *capabilities = at;
    at = put(at, both_families, sizeof both_families);
    at = put32(put(at, "\x41\x04", 2), own_as);
    if (abilities.refreshes) at = put(at, "\x02\x00", 2);
    if (abilities.marks_refreshes) at = put(at, "\x46\x00", 2);
    if (abilities.restarts) {
        uint32_t flags = (has_restarted ? 0x8000 : 0) | (abilities.survives_notifications ? 0x4000 : 0);
        at = put16(put(at, "\x40\x0a", 2), flags | 30);  // seconds
        for (uint8_t family = 1; family <= 2; family++) {
            at = put16(at, family);
            *at++ = 1;
            *at++ = abilities.forwards ? 0x80 : 0;
        }
    }
    size[0] = (uint8_t)(at - capabilities + 2);
    size[1] = 2;
    size[2] = (uint8_t)(at - capabilities);
    return finish(message, at);
}
