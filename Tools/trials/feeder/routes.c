// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// The routes that feeds have: a key for each prefix and feed, from which the rest follows.

#include <arpa/inet.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "feeder.h"

struct place *places;
struct group *groups;
uint32_t place_count, group_count, first_ipv6_group;
uint32_t *held[MAX_FEEDS];

static uint64_t random_state, salt;

static uint64_t mix(uint64_t word) {
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9;
    word = (word ^ word >> 27) * 0x94d049bb133111eb;
    return word ^ word >> 31;
}

uint64_t draw(void) { return mix(random_state += 0x9e3779b97f4a7c15); }

uint32_t below(uint32_t bound) { return (uint32_t)((draw() >> 32) * bound >> 32); }

// Records of 18 bytes: family, length, address; in order, IPv4 first.
void read_places(const char *file, int feeds, uint64_t seed) {
    random_state = seed;
    salt = mix(seed + 1);
    FILE *in = fopen(file, "rb");
    if (in == NULL) err(1, "%s", file);
    fseek(in, 0, SEEK_END);
    place_count = (uint32_t)(ftell(in) / sizeof *places);
    rewind(in);
    places = malloc(place_count * sizeof *places);
    groups = malloc((place_count / GROUP + 2) * sizeof *groups);
    if (places == NULL || groups == NULL) err(1, "prefixes");
    if (fread(places, sizeof *places, place_count, in) != place_count) err(1, "%s", file);
    fclose(in);
    for (uint32_t place = 0; place < place_count; place++) {
        bool is_ipv6_first = places[place].family == 6 && (place == 0 || places[place - 1].family == 4);
        if (is_ipv6_first) first_ipv6_group = group_count;
        if (group_count == 0 || groups[group_count - 1].count == GROUP || is_ipv6_first)
            groups[group_count++] = (struct group){place, 0};
        groups[group_count - 1].count++;
    }
    for (int feed = 0; feed < feeds; feed++) {
        held[feed] = calloc(place_count, sizeof **held);
        if (held[feed] == NULL) err(1, "routes");
    }
}

// Of AS numbers that nobody gives a meaning to: neither ours nor AS_TRANS nor private ones.
uint32_t origin_of(uint32_t group) { return 131072 + (uint32_t)(mix(salt ^ group) % 260000); }

// Each group is reached in two ways, as it were; keys beyond those are of single changes.
uint32_t usual_key(uint32_t group, int alternative) { return group * 2 + (uint32_t)alternative + 1; }

struct route route_of(int feed, uint32_t own_as, uint32_t group, uint32_t key) {
    uint64_t word = mix(salt ^ mix(((uint64_t)feed << 32 | key) + 0x5851f42d4c957f2d));
    struct route route = {.origin = (word >> 40 & 7) > 2 ? 0 : (uint8_t)(word >> 40 & 7)};
    struct path *path = &route.path;
    if (own_as != martlet_as) path->numbers[path->count++] = own_as;
    int transits = (int)(word & 7) % 6;
    uint64_t more = word;
    for (int index = 0; index < transits; index++) {
        more = mix(more);
        uint32_t number = more & 3 ? 1000 + (uint32_t)(more >> 8) % 20000
                                   : 200000 + (uint32_t)(more >> 8) % 50000;
        int times = index == 0 && (word >> 8 & 15) == 0 ? 2 + (int)(word >> 16 & 3) : 1;
        while (times-- > 0) path->numbers[path->count++] = number;
    }
    path->numbers[path->count++] = origin_of(group);
    if ((word >> 12 & 31) == 0) {
        path->numbers[path->count++] = origin_of(group ^ 1);
        path->ends_in_set = true;
    }
    route.next_hop = (uint8_t)(1 + (word >> 44 & 7));
    route.preference = 50 * (1 + (uint32_t)(word >> 48 & 3));
    route.discriminator = word >> 52 & 1 ? (int64_t)(word >> 53 & 127) : -1;
    route.communities = (int)(word >> 60 & 7);
    return route;
}

static char *prefix_text(char *text, const struct place *place) {
    char address[INET6_ADDRSTRLEN];
    inet_ntop(place->family == 4 ? AF_INET : AF_INET6, place->address, address, sizeof address);
    sprintf(text, "%s/%u", address, place->length);
    return text;
}

// Lines of `show routes` as they have to be, without the age of the routes.
void write_reference(FILE *out, int feeds, const uint32_t *own_as) {
    static const char *origins[] = {"igp", "egp", "incomplete"};
    char prefix[INET6_ADDRSTRLEN + 4];
    for (uint32_t group = 0; group < group_count; group++)
        for (uint32_t place = groups[group].first; place < groups[group].first + groups[group].count; place++) {
            prefix_text(prefix, &places[place]);
            for (int feed = 0; feed < feeds; feed++) {
                if (held[feed][place] == 0) continue;
                struct route route = route_of(feed, own_as[feed], group, held[feed][place]);
                int plain = route.path.count - (route.path.ends_in_set ? 2 : 0);
                fprintf(out, "%s site=site%d feed=feed%d distance=%d stale=no nexthop=%s%u", prefix, feed,
                        feed, plain + route.path.ends_in_set,
                        places[place].family == 4 ? "192.0.2." : "2001:db8::", route.next_hop);
                if (own_as[feed] == martlet_as)
                    fprintf(out, " metric=- localpref=%u", route.preference);
                else if (route.discriminator < 0)
                    fputs(" metric=- localpref=-", out);
                else
                    fprintf(out, " metric=%lld localpref=-", (long long)route.discriminator);
                fprintf(out, " origin=%s path=", origins[route.origin]);
                for (int index = 0; index < plain; index++)
                    fprintf(out, index ? ",%u" : "%u", route.path.numbers[index]);
                if (route.path.ends_in_set)
                    fprintf(out, "%s{%u,%u}", plain ? "," : "", route.path.numbers[plain],
                            route.path.numbers[plain + 1]);
                putc('\n', out);
            }
        }
}

void write_origins(FILE *out) {
    char prefix[INET6_ADDRSTRLEN + 4];
    for (uint32_t group = 0; group < group_count; group++)
        for (uint32_t place = groups[group].first; place < groups[group].first + groups[group].count; place++)
            fprintf(out, "%s %u\n", prefix_text(prefix, &places[place]), origin_of(group));
}
