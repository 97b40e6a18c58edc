// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Asks a DNS server on loopback for random clients, and measures how long each answer takes:
//
//     asker PORT NAME RATE SECONDS WINDOW
//
// RATE questions a second, evenly, whatever becomes of them; with RATE 0 as many as are answered, WINDOW
// of them under way. Each has a Client Subnet of its own, a random /24. One JSON object on standard
// output: how many were asked, answered and lost, and microseconds that answers took by percentile.
//
// A question's time begins before the call that sends it, and ends when the kernel has the answer for
// this process: not when this process has the processor.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    SOCKETS = 8,
    BATCH = 64,
    SIZE = 512,
    STEP = 200000,          // nanoseconds between looks, where the rate is given
    PATIENCE = 2000000000,  // nanoseconds after which an answer doesn't come any more
    BUCKETS = 4000000,      // a microsecond each
};

struct client {
    int socket;
    uint16_t next;
    uint64_t asked[65536];  // when; 0 where nothing is under way
};

static struct client clients[SOCKETS];
static uint32_t times[BUCKETS];
static uint64_t asked, answered, failed;
static uint8_t template[SIZE];
static size_t template_size, subnet_at;

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t random_state = 88172645463325252;

static uint32_t random_number(void) {
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16);
}

// A query for A with an OPT record that has a Client Subnet (RFC 7871), the address left open.
static void make_template(const char *name) {
    static const uint8_t head[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    static const uint8_t tail[] = {0, 0, 1, 0, 1, 0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 11, 0, 8, 0, 7, 0, 1, 24, 0};
    memcpy(template, head, sizeof head);
    size_t at = sizeof head;
    while (*name) {
        size_t length = strcspn(name, ".");
        if (length == 0 || length > 63 || at + length > 300) errx(64, "not a name");
        template[at++] = (uint8_t)length;
        memcpy(template + at, name, length);
        at += length;
        name += length;
        if (*name == '.') name++;
    }
    memcpy(template + at, tail, sizeof tail);
    subnet_at = at + sizeof tail;
    template_size = subnet_at + 3;
}

static void connect_clients(uint16_t port) {
    struct sockaddr_in server = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < SOCKETS; i++) {
        clients[i].socket = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        int yes = 1, size = 4 << 20;
        setsockopt(clients[i].socket, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes);
        setsockopt(clients[i].socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
        if (connect(clients[i].socket, (struct sockaddr *)&server, sizeof server) != 0) err(71, "connect");
    }
}

// Sends at most `count` questions from one client; returns how many left.
static int ask(struct client *client, int count) {
    static uint8_t bytes[BATCH][SIZE];
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    if (count > BATCH) count = BATCH;
    uint64_t begun = now();
    int ready = 0;
    while (ready < count) {
        uint16_t number = client->next;
        if (client->asked[number] != 0 && begun - client->asked[number] < PATIENCE) break;
        if (client->asked[number] != 0) failed++;
        client->next++;
        client->asked[number] = begun;
        memcpy(bytes[ready], template, template_size);
        bytes[ready][0] = (uint8_t)(number >> 8);
        bytes[ready][1] = (uint8_t)number;
        uint32_t address = random_number();
        bytes[ready][subnet_at] = (uint8_t)(1 + (address >> 16) % 223);
        bytes[ready][subnet_at + 1] = (uint8_t)(address >> 8);
        bytes[ready][subnet_at + 2] = (uint8_t)address;
        parts[ready] = (struct iovec){bytes[ready], template_size};
        messages[ready].msg_hdr = (struct msghdr){.msg_iov = &parts[ready], .msg_iovlen = 1};
        ready++;
    }
    int sent = ready == 0 ? 0 : sendmmsg(client->socket, messages, (unsigned)ready, 0);
    if (sent < 0) {
        if (errno != EAGAIN && errno != ECONNREFUSED) err(71, "sendmmsg");
        sent = 0;
    }
    // What didn't leave is asked another time.
    for (int i = ready; i > sent; i--) client->asked[--client->next] = 0;
    asked += (uint64_t)sent;
    return sent;
}

static uint64_t arrival(struct msghdr *message) {
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SO_TIMESTAMPNS) {
            struct timespec time;
            memcpy(&time, CMSG_DATA(header), sizeof time);
            return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
        }
    return now();
}

// Takes what answers there are; returns how many.
static int listen_to(struct client *client) {
    static uint8_t bytes[BATCH][SIZE];
    static uint8_t controls[BATCH][CMSG_SPACE(sizeof(struct timespec))]
        __attribute__((aligned(sizeof(size_t))));
    static struct iovec parts[BATCH];
    static struct mmsghdr messages[BATCH];
    for (int i = 0; i < BATCH; i++) {
        parts[i] = (struct iovec){bytes[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){
            .msg_iov = &parts[i], .msg_iovlen = 1, .msg_control = controls[i],
            .msg_controllen = sizeof controls[i]};
    }
    int count = recvmmsg(client->socket, messages, BATCH, 0, NULL);
    if (count <= 0) return 0;
    for (int i = 0; i < count; i++) {
        uint16_t number = (uint16_t)(bytes[i][0] << 8 | bytes[i][1]);
        uint64_t begun = client->asked[number];
        if (messages[i].msg_len < 12 || begun == 0) continue;
        client->asked[number] = 0;
        // Only an answer with a record counts.
        if ((bytes[i][3] & 15) != 0 || bytes[i][7] == 0) {
            failed++;
            continue;
        }
        uint64_t end = arrival(&messages[i].msg_hdr);
        uint64_t took = end > begun ? (end - begun) / 1000 : 0;
        times[took < BUCKETS ? took : BUCKETS - 1]++;
        answered++;
    }
    return count;
}

static void wait_for_answers(long nanoseconds) {
    struct pollfd entries[SOCKETS];
    for (int i = 0; i < SOCKETS; i++) entries[i] = (struct pollfd){clients[i].socket, POLLIN, 0};
    struct timespec time = {0, nanoseconds};
    ppoll(entries, SOCKETS, &time, NULL);
}

static void listen_to_all(void) {
    for (int i = 0; i < SOCKETS; i++)
        while (listen_to(&clients[i]) == BATCH) {}
}

static uint64_t percentile(double part) {
    uint64_t wanted = (uint64_t)((double)answered * part), seen = 0;
    for (uint32_t bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += times[bucket]) > wanted) return bucket;
    return BUCKETS - 1;
}

int main(int count, char **words) {
    if (count != 6) errx(64, "usage: asker PORT NAME RATE SECONDS WINDOW");
    double rate = atof(words[3]), seconds = atof(words[4]);
    uint64_t window = (uint64_t)atoll(words[5]);
    make_template(words[2]);
    connect_clients((uint16_t)atoi(words[1]));
    random_state ^= (uint64_t)getpid() << 32 ^ now();

    uint64_t begun = now(), end = begun + (uint64_t)(seconds * 1e9), time;
    int turn = 0;
    while ((time = now()) < end) {
        int64_t due = rate > 0 ? (int64_t)(rate * (double)(time - begun) / 1e9) - (int64_t)asked
                               : (int64_t)(window - (asked - answered - failed));
        while (due > 0) {
            int sent = ask(&clients[turn++ % SOCKETS], due > BATCH ? BATCH : (int)due);
            if (sent == 0) break;
            due -= sent;
        }
        listen_to_all();
        if (rate > 0 || asked - answered - failed >= window) wait_for_answers(rate > 0 ? STEP : 10000000);
    }
    double took = (double)(now() - begun) / 1e9;
    uint64_t in_time = answered;
    for (end = now() + PATIENCE; answered + failed < asked && now() < end;) {
        wait_for_answers(10000000);
        listen_to_all();
    }
    printf("{\"asked\": %llu, \"answered\": %llu, \"lost\": %llu, \"rate\": %.0f, \"p50\": %llu, "
           "\"p99\": %llu, \"p999\": %llu, \"longest\": %llu}\n",
           (unsigned long long)asked, (unsigned long long)answered, (unsigned long long)(asked - answered),
           (double)in_time / took, (unsigned long long)percentile(0.5), (unsigned long long)percentile(0.99),
           (unsigned long long)percentile(0.999), (unsigned long long)percentile(1 - 1e-9));
    return 0;
}
