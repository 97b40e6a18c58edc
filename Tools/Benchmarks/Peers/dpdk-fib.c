// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0
//
// DPDK's forwarding tables over the `single` table: rte_fib (DIR24_8, 2-byte entries) and rte_fib6
// (trie, 4-byte entries), scalar, no huge pages.
//
//     dpdk-fib WORK
//
// Questions: bulk8, bulk1 (one call a lookup), dependent (bulk1, the next key dependent on the last
// result), updates (withdraw and announce again, both counted; nanoseconds an update).
#include "peer.h"
#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>

enum { UPDATES = 100000 };

static struct rte_fib *fib4;
static struct rte_fib6 *fib6;
static struct route4 *routes4;
static struct route6 *routes6;
static size_t count4, count6;

static void must(int ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "dpdk-fib: %s failed\n", what);
    exit(1);
}

static uint64_t bulk4(const uint32_t *keys, size_t count, unsigned width) {
    uint64_t hops[8], sum = 0;
    for (size_t i = 0; i + width <= count; i += width) {
        rte_fib_lookup_bulk(fib4, (uint32_t *)keys + i, hops, (int)width);
        for (unsigned k = 0; k < width; k++) sum += hops[k];
    }
    return sum;
}

static uint64_t dependent4(const uint32_t *keys, size_t count) {
    uint32_t zero = volatile_zero;
    uint64_t hop = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t key = keys[i] ^ ((uint32_t)hop & zero);
        rte_fib_lookup_bulk(fib4, &key, &hop, 1);
        sum += hop;
    }
    return sum;
}

static uint64_t bulk6(const uint8_t (*keys)[16], size_t count, unsigned width) {
    uint64_t hops[8], sum = 0;
    for (size_t i = 0; i + width <= count; i += width) {
        rte_fib6_lookup_bulk(fib6, (uint8_t(*)[16])keys + i, hops, (int)width);
        for (unsigned k = 0; k < width; k++) sum += hops[k];
    }
    return sum;
}

static uint64_t dependent6(const uint8_t (*keys)[16], size_t count) {
    uint8_t key[1][16];
    uint32_t zero = volatile_zero;
    uint64_t hop = 0, sum = 0;
    for (size_t i = 0; i < count; i++) {
        memcpy(key[0], keys[i], 16);
        key[0][15] ^= (uint8_t)(hop & zero);
        key[0][0] ^= (uint8_t)(hop & zero);
        rte_fib6_lookup_bulk(fib6, key, &hop, 1);
        sum += hop;
    }
    return sum;
}

// Few at a time: updates of rte_fib6 lose blocks, and at last it has none left.
static uint64_t updates(int family, size_t count) {
    uint64_t state = 1, failed = 0;
    for (size_t i = 0; i < count / 2; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        if (family == 4) {
            struct route4 *r = &routes4[(state >> 33) % count4];
            failed += rte_fib_delete(fib4, r->address, r->length) != 0;
            failed += rte_fib_add(fib4, r->address, r->length, r->hop) != 0;
        } else {
            struct route6 *r = &routes6[(state >> 33) % count6];
            failed += rte_fib6_delete(fib6, r->address, r->length) != 0;
            failed += rte_fib6_add(fib6, r->address, r->length, r->hop) != 0;
        }
    }
    must(failed == 0, "an update");
    return failed;
}

static uint64_t run(const char *question, int family, const void *keys, size_t *counted) {
    size_t count = *counted;
    if (!strcmp(question, "updates")) return updates(family, *counted = UPDATES);
    if (family == 4) {
        if (!strcmp(question, "bulk8")) return bulk4(keys, count, 8);
        if (!strcmp(question, "bulk1")) return bulk4(keys, count, 1);
        if (!strcmp(question, "dependent")) return dependent4(keys, count);
    } else {
        if (!strcmp(question, "bulk8")) return bulk6(keys, count, 8);
        if (!strcmp(question, "bulk1")) return bulk6(keys, count, 1);
        if (!strcmp(question, "dependent")) return dependent6(keys, count);
    }
    must(0, question);
    return 0;
}

// The library wants IPv6 keys in network order.
static void to_network_order(int family, void *keys, size_t count) {
    uint64_t *words = keys;
    if (family == 6)
        for (size_t i = 0; i < 2 * count; i++) words[i] = __builtin_bswap64(words[i]);
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: dpdk-fib WORK\n", stderr);
        return 64;
    }
    char *eal[] = {"dpdk-fib", "--no-huge",        "-m",     "4096", "--no-pci", "--no-shconf",
                   "--no-telemetry", "-l", "0",    "--log-level", "error"};
    must(rte_eal_init(sizeof eal / sizeof *eal, eal) >= 0, "rte_eal_init");
    size_t size;
    routes4 = slurp(argv[1], "routes4", &size);
    count4 = size / sizeof *routes4;
    routes6 = slurp(argv[1], "routes6", &size);
    count6 = size / sizeof *routes6;

    long memory = resident();
    double before = seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct rte_fib_conf conf4 = {.type = RTE_FIB_DIR24_8, .default_nh = 0, .max_routes = 1 << 21,
                                 .dir24_8 = {.nh_sz = RTE_FIB_DIR24_8_2B, .num_tbl8 = 32767}};
    fib4 = rte_fib_create("four", -1, &conf4);
    must(fib4 != NULL, "rte_fib_create");
    must(!rte_fib_select_lookup(fib4, RTE_FIB_LOOKUP_DIR24_8_SCALAR_MACRO), "selecting scalar");
    for (size_t i = 0; i < count4; i++)
        must(!rte_fib_add(fib4, routes4[i].address, routes4[i].length, routes4[i].hop), "a route");
    double loaded4 = seconds(CLOCK_PROCESS_CPUTIME_ID) - before;

    before = seconds(CLOCK_PROCESS_CPUTIME_ID);
    struct rte_fib6_conf conf6 = {.type = RTE_FIB6_TRIE, .default_nh = 0, .max_routes = 1 << 20,
                                  .trie = {.nh_sz = RTE_FIB6_TRIE_4B, .num_tbl8 = 1 << 20}};
    fib6 = rte_fib6_create("six", -1, &conf6);
    must(fib6 != NULL, "rte_fib6_create");
    must(!rte_fib6_select_lookup(fib6, RTE_FIB6_LOOKUP_TRIE_SCALAR), "selecting scalar");
    for (size_t i = 0; i < count6; i++)
        must(!rte_fib6_add(fib6, routes6[i].address, routes6[i].length, routes6[i].hop), "a route");
    double loaded6 = seconds(CLOCK_PROCESS_CPUTIME_ID) - before;
    printf("{\"load_cpu_seconds\": %.4f, \"load6_cpu_seconds\": %.4f, \"resident_growth\": %ld}\n", loaded4,
           loaded6, resident() - memory);
    fflush(stdout);
    return serve(argv[1], to_network_order, run);
}
