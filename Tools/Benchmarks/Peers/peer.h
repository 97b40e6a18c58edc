// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0
//
// What the peers' programs share: the files that `martlet-bench prepare` writes, the clock, and
// the commands on standard input, one JSON line each:
//
//     QUESTION 4|6 random|prefix|zipf [DUMP-NAME]
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <valgrind/callgrind.h>

struct route4 {
    uint32_t address;
    uint16_t hop;
    uint8_t length, unused;
};
struct route6 {
    uint8_t address[16];
    uint16_t hop;
    uint8_t length, unused[5];
};

static inline void *slurp(const char *folder, const char *name, size_t *size) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(1);
    }
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    void *bytes = malloc(*size + 64);
    if (!bytes || fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(1);
    }
    fclose(file);
    return bytes;
}

static inline double seconds(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

// Resident bytes of this process.
static inline long resident(void) {
    long pages = 0, all = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%ld %ld", &all, &pages) != 2) pages = 0;
        fclose(file);
    }
    return pages * 4096;
}

// Zero, but the compiler can't know.
static volatile uint32_t volatile_zero;

// One pass over the keys: the sum of all results. IPv6 keys are two words each, the network's
// end first. A pass that does something fewer times says how often in *count.
typedef uint64_t (*pass)(const char *question, int family, const void *keys, size_t *count);

// What is done with a set of keys before passes are timed; the set stays loaded for the next.
typedef void (*prepare)(int family, void *keys, size_t count);

// Answers commands until the input ends.
static inline int serve(const char *folder, prepare prepare, pass pass) {
    // Every set that was asked for stays loaded.
    struct {
        char name[48];
        void *keys;
        size_t count;
    } sets[6], *set;
    size_t known = 0;
    char line[256], question[64], kind[32], dump[64], name[48];
    while (fgets(line, sizeof line, stdin)) {
        int family;
        dump[0] = 0;
        if (sscanf(line, "%63s %d %31s %63s", question, &family, kind, dump) < 3) return 64;
        snprintf(name, sizeof name, "keys%d.%s", family, kind);
        for (set = sets; set < sets + known; set++)
            if (!strcmp(set->name, name)) break;
        if (set == sets + known) {
            if (known == sizeof sets / sizeof *sets) return 64;
            size_t size;
            strcpy(set->name, name);
            set->keys = slurp(folder, name, &size);
            set->count = size / (family == 4 ? 4 : 16);
            if (prepare) prepare(family, set->keys, set->count);
            known++;
        }
        void *keys = set->keys;
        size_t count = set->count;
        double took = 0;
        uint64_t sum;
        if (dump[0] && RUNNING_ON_VALGRIND) {
            CALLGRIND_START_INSTRUMENTATION;
            CALLGRIND_ZERO_STATS;
            sum = pass(question, family, keys, &count);
            CALLGRIND_DUMP_STATS_AT(dump);
            CALLGRIND_STOP_INSTRUMENTATION;
        } else {
            double before = seconds(CLOCK_THREAD_CPUTIME_ID);
            sum = pass(question, family, keys, &count);
            took = seconds(CLOCK_THREAD_CPUTIME_ID) - before;
        }
        printf("{\"ns\": %.4f, \"keys\": %zu, \"sum\": \"%lu\"}\n", took * 1e9 / (double)count, count,
               (unsigned long)sum);
        fflush(stdout);
    }
    return 0;
}
