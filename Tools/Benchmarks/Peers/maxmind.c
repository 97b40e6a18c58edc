// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0
//
// libmaxminddb over the `single` table, which this writes as a database first.
//
//     maxmind WORK
//
// Questions: search (MMDB_lookup_sockaddr: the record and its netmask), value (and the value read
// out), dependent (search, the next key dependent on the last result).
//
// The database (MaxMind DB format 2.0): a binary tree of IPv6 with IPv4 under ::/96, 28 bits a
// record, 16 zero bytes, the data section, the metadata. A record below the node count is a node,
// equal to it nothing, above it a place in the data section.
#include "peer.h"
#include <maxminddb.h>
#include <netinet/in.h>

static uint32_t (*nodes)[2];
static uint32_t used, room;
// In a record of the tree in the making.
enum { NOTHING = 0, VALUE = 1u << 31 };

static uint32_t new_node(uint32_t inherited) {
    if (used == room) {
        room = room ? room * 2 : 1 << 20;
        nodes = realloc(nodes, (size_t)room * sizeof *nodes);
        if (!nodes) exit(1);
    }
    nodes[used][0] = nodes[used][1] = inherited;
    return used++;
}

// Routes come in any order as long as shorter prefixes come first.
static void insert(const uint8_t *address, int length, uint16_t hop) {
    uint32_t node = 0;
    for (int bit = 0; bit < length; bit++) {
        int side = address[bit >> 3] >> (7 - (bit & 7)) & 1;
        uint32_t record = nodes[node][side];
        if (bit == length - 1) {
            nodes[node][side] = VALUE | hop;
            return;
        }
        if (record == NOTHING || record & VALUE) {
            record = new_node(record);
            nodes[node][side] = record;
        }
        node = record;
    }
}

static void append(FILE *file, const char *bytes, size_t size) {
    if (fwrite(bytes, 1, size, file) != size) {
        perror("maxmind: writing");
        exit(1);
    }
}

static void text(FILE *file, const char *value) {
    fputc(2 << 5 | (int)strlen(value), file);
    append(file, value, strlen(value));
}

static void number(FILE *file, int type, int size, uint64_t value) {
    if (type > 7) {
        fputc(size, file);
        fputc(type - 7, file);
    } else {
        fputc(type << 5 | size, file);
    }
    for (int shift = 8 * (size - 1); shift >= 0; shift -= 8) fputc((int)(value >> shift) & 255, file);
}

// Each value is a uint16 in three bytes.
enum { VALUE_SIZE = 3, HOPS = 256 };

static void write_database(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(1);
    }
    for (uint32_t node = 0; node < used; node++) {
        uint32_t record[2];
        for (int side = 0; side < 2; side++) {
            uint32_t value = nodes[node][side];
            record[side] = value == NOTHING ? used
                           : value & VALUE  ? used + 16 + (value & 0xffff) * VALUE_SIZE
                                            : value;
        }
        char bytes[7] = {(char)(record[0] >> 16), (char)(record[0] >> 8), (char)record[0],
                         (char)((record[0] >> 24 & 15) << 4 | (record[1] >> 24 & 15)),
                         (char)(record[1] >> 16), (char)(record[1] >> 8), (char)record[1]};
        append(file, bytes, sizeof bytes);
    }
    append(file, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    for (int hop = 0; hop < HOPS; hop++) number(file, 5, 2, (uint64_t)hop);
    append(file, "\xab\xcd\xefMaxMind.com", 14);
    fputc(7 << 5 | 9, file);
    text(file, "node_count"), number(file, 6, 4, used);
    text(file, "record_size"), number(file, 5, 2, 28);
    text(file, "ip_version"), number(file, 5, 2, 6);
    text(file, "database_type"), text(file, "Next-Hop");
    text(file, "languages"), fputc(0, file), fputc(11 - 7, file);
    text(file, "binary_format_major_version"), number(file, 5, 2, 2);
    text(file, "binary_format_minor_version"), number(file, 5, 2, 0);
    text(file, "build_epoch"), number(file, 9, 8, 1700000000);
    text(file, "description"), fputc(7 << 5 | 1, file), text(file, "en"), text(file, "hops");
    if (fclose(file)) {
        perror(path);
        exit(1);
    }
}

static MMDB_s database;

static inline MMDB_lookup_result_s search4(uint32_t key) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(key)};
    int error;
    return MMDB_lookup_sockaddr(&database, (struct sockaddr *)&address, &error);
}

static inline MMDB_lookup_result_s search6(const uint64_t *key) {
    struct sockaddr_in6 address = {.sin6_family = AF_INET6};
    uint64_t words[2] = {__builtin_bswap64(key[0]), __builtin_bswap64(key[1])};
    memcpy(&address.sin6_addr, words, 16);
    int error;
    return MMDB_lookup_sockaddr(&database, (struct sockaddr *)&address, &error);
}

static inline uint64_t value_of(MMDB_lookup_result_s *result) {
    if (!result->found_entry) return 0;
    MMDB_entry_data_s data;
    const char *const path[] = {NULL};
    if (MMDB_aget_value(&result->entry, &data, path) != MMDB_SUCCESS) return 0;
    return data.uint16;
}

static uint64_t run(const char *question, int family, const void *keys, size_t *counted) {
    size_t count = *counted;
    int value = !strcmp(question, "value");
    uint64_t zero = !strcmp(question, "dependent") ? volatile_zero : 0, sum = 0, last = 0;
    int dependent = !strcmp(question, "dependent");
    const uint32_t *four = keys;
    const uint64_t *six = keys;
    for (size_t i = 0; i < count; i++) {
        MMDB_lookup_result_s result;
        if (family == 4) {
            result = search4(dependent ? four[i] ^ (uint32_t)(last & zero) : four[i]);
        } else {
            uint64_t key[2] = {six[2 * i], six[2 * i + 1]};
            if (dependent) key[0] ^= last & zero;
            result = search6(key);
        }
        last = value ? value_of(&result) : result.netmask;
        sum += last;
    }
    return sum;
}

static int by_length4(const void *a, const void *b) {
    return ((const struct route4 *)a)->length - ((const struct route4 *)b)->length;
}

static int by_length6(const void *a, const void *b) {
    return ((const struct route6 *)a)->length - ((const struct route6 *)b)->length;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: maxmind WORK\n", stderr);
        return 64;
    }
    size_t size;
    double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
    new_node(NOTHING);
    struct route6 *six = slurp(argv[1], "routes6", &size);
    size_t count = size / sizeof *six;
    qsort(six, count, sizeof *six, by_length6);
    for (size_t i = 0; i < count; i++) insert(six[i].address, six[i].length, six[i].hop);
    struct route4 *four = slurp(argv[1], "routes4", &size);
    count = size / sizeof *four;
    qsort(four, count, sizeof *four, by_length4);
    for (size_t i = 0; i < count; i++) {
        uint8_t address[16] = {0};
        uint32_t word = htonl(four[i].address);
        memcpy(address + 12, &word, 4);
        insert(address, 96 + four[i].length, four[i].hop);
    }
    char path[4096];
    snprintf(path, sizeof path, "%s/single.mmdb", argv[1]);
    write_database(path);
    double wrote = seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
    free(nodes);
    int status = MMDB_open(path, MMDB_MODE_MMAP, &database);
    if (status != MMDB_SUCCESS) {
        fprintf(stderr, "maxmind: %s: %s\n", path, MMDB_strerror(status));
        return 1;
    }
    printf("{\"load_cpu_seconds\": %.4f, \"file_bytes\": %ld}\n", wrote, (long)database.file_size);
    fflush(stdout);
    return serve(argv[1], NULL, run);
}
