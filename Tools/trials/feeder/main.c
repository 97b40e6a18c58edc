// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Routers that flap at random, each with a full table of real prefixes:
//
//     feeder PREFIXES FEEDS SEED PORT AS RATE LOSSES
//
// PREFIXES is a file of records of 18 bytes (family 4 or 6, length, address), in order. Router N
// dials 127.0.0.1:PORT, of AS number AS, from 127.0.0.(11+N). When flapping, each sends RATE UPDATEs
// a second, and loses its session every LOSSES seconds on average. Everything that it has is the
// reference. Commands come by standard input; each is answered by one line on standard output:
//
//     up            answers when all sessions are up and have sent their tables
//     flap          begins to flap; `flap steady` without losses
//     calm          ends it; answers as `up` does
//     counts        one JSON object
//     reference F   writes to F what `show routes` has to say, behind everybody's back
//     origins F     writes to F the prefixes and the ASes that they are from
//     quit
//
// A line in between means trouble: it begins with `!`.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "feeder.h"

static struct session sessions[MAX_FEEDS];
static uint32_t own_as[MAX_FEEDS];
static int feeds;
static double rate, losses;
static bool flaps, loses, is_waited_for;

static const char *loss_names[LOSSES] = {"closed", "reset", "cease", "hard", "silent", "replaced"};

// What becomes of some neighbouring prefixes at a feed: a key, or 0.
struct change {
    uint32_t group, first, count, key;
};

// The key that follows, whatever was before: so what a feed has, by and large, stays the same.
static uint32_t next_key(struct session *session, uint32_t group, bool is_restless) {
    if (is_restless) {
        if (below(4) == 0) return 0;
        // A path that nobody has had before.
        return ++session->fresh_key;
    }
    return below(8) == 0 ? 0 : usual_key(group, (int)below(2));
}

// One group in a hundred is restless; its prefixes have seven of eight changes.
static struct change choose(struct session *session) {
    bool is_restless = below(8) != 0;
    uint32_t group = below(group_count);
    if (is_restless) group -= group % 100;
    uint32_t count = below(4) == 0 ? 1 + below(4) : 1;
    if (count > groups[group].count) count = groups[group].count;
    uint32_t first = groups[group].first + below(groups[group].count - count + 1);
    return (struct change){group, first, count, next_key(session, group, is_restless || group % 100 == 0)};
}

static void make(struct session *session, struct nlri *list, struct change change) {
    for (uint32_t place = change.first; place < change.first + change.count; place++) {
        held[session->number][place] = change.key;
        add_prefix(list, place);
    }
}

// One UPDATE; to nobody where the session is away.
static void flap(struct session *session) {
    static struct nlri withdrawn[2], announced;
    withdrawn[0].size = withdrawn[1].size = announced.size = 0;
    struct change change = choose(session);
    if (change.key == 0) {
        make(session, &withdrawn[places[change.first].family == 6], change);
        if (below(3) == 0) {
            // Something else comes in the same message; or the same: what is announced stands.
            struct change other = choose(session);
            if (below(4) == 0) other = (struct change){
                change.group, change.first, change.count, next_key(session, change.group, change.group % 100 == 0)};
            change = other;
            if (change.key == 0) make(session, &withdrawn[places[change.first].family == 6], change);
        }
    }
    struct route route = {.origin = 0};
    if (change.key != 0) {
        route = route_of(session->number, session->own_as, change.group, change.key);
        make(session, &announced, change);
    }
    if (session->state != UP) return;
    uint8_t message[MAX_MESSAGE];
    send_message(
        session, message,
        make_update(
            message, &withdrawn[0], &withdrawn[1], places[change.first].family, &announced, &route,
            session->own_as));
    session->counts.updates++;
}

static double random_time(double mean) { return mean * (0.2 + 1.6 * below(1 << 20) / (1 << 20)); }

static void lose_somehow(struct session *session) {
    enum loss how = (enum loss)below(LOSSES);
    if (how == LOSS_HARD && !session->abilities.survives_notifications) how = LOSS_CEASE;
    if (how == LOSS_SILENT && session->hold > 15) how = LOSS_RESET;
    if (how == LOSS_REPLACED && !session->abilities.restarts) how = LOSS_CLOSED;
    // Now and then for longer than its routes are kept.
    lose(session, how, below(5) == 0 ? random_time(40) : random_time(4));
    session->next_loss = now() + random_time(losses);
}

static void step(struct session *session, double seconds, uint16_t port) {
    // Who is waited for stays away no longer.
    if (session->state == AWAY && is_waited_for && session->until > now() + 1) session->until = now();
    if (session->state == AWAY && now() >= session->until) connect_session(session, port);
    if (flaps) {
        // Behind a receiver that doesn't read, no more than a second's worth is made up for.
        session->owed += seconds * (session->state == UP ? rate : rate / 10);
        if (session->owed > rate) {
            session->counts.missed += (uint64_t)(session->owed - rate);
            session->owed = rate;
        }
        while (session->owed >= 1 && (session->state != UP || has_room(session))) {
            flap(session);
            session->owed -= 1;
        }
        if (loses && session->state == UP && now() >= session->next_loss) {
            lose_somehow(session);
            return;
        }
    }
    if (session->state != UP) return;
    continue_transfer(session);
    writable(session);
    keep_alive(session);
}

static bool is_quiet(const struct session *session) {
    int queued = 0;
    return session->state == UP && session->is_complete && unsent(session) == 0
        && ioctl(session->socket, SIOCOUTQ, &queued) == 0 && queued == 0;
}

static void print_counts(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"cpu\": %.2f, \"feeds\": [",
           (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
               + (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
    for (int feed = 0; feed < feeds; feed++) {
        const struct session *session = &sessions[feed];
        const struct counts *counts = &session->counts;
        double up = counts->seconds_up + (session->state == UP ? now() - session->began : 0);
        printf("%s{\"updates\": %llu, \"transferred\": %llu, \"bytes\": %llu, \"missed\": %llu, "
               "\"sessions\": %llu, \"refreshes\": %llu, \"is_up\": %s, \"seconds_up\": %.1f, \"losses\": {",
               feed ? ", " : "", (unsigned long long)counts->updates,
               (unsigned long long)counts->transferred, (unsigned long long)counts->bytes,
               (unsigned long long)counts->missed, (unsigned long long)counts->sessions,
               (unsigned long long)counts->refreshes,
               session->state == UP && session->is_complete ? "true" : "false", up);
        for (int how = 0; how < LOSSES; how++)
            printf("%s\"%s\": %llu", how ? ", " : "", loss_names[how], (unsigned long long)counts->losses[how]);
        printf("}, \"received\": {\"keepalives\": %llu, \"ends_of_rib\": %llu, \"refreshes\": %llu, "
               "\"other_updates\": %llu, \"failures\": %llu}, \"failure\": \"%s\"}",
               (unsigned long long)counts->keepalives_received,
               (unsigned long long)counts->ends_of_rib_received,
               (unsigned long long)counts->refreshes_received,
               (unsigned long long)counts->updates_received,
               (unsigned long long)counts->notifications_received, counts->notification);
    }
    puts("]}");
}

// In a process of its own, which has the tables as they are now: sessions go on.
static void write_aside(const char *path, bool is_reference) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) err(1, "fork");
    if (child > 0) return;
    // Or a session that ends meanwhile would not be seen to.
    close_range(STDERR_FILENO + 1, ~0U, 0);
    FILE *out = fopen(path, "w");
    if (out == NULL) err(1, "%s", path);
    if (is_reference) write_reference(out, feeds, own_as);
    else write_origins(out);
    if (fclose(out) != 0) err(1, "%s", path);
    _exit(0);
}

// Returns false at the end.
static bool obey(char *line) {
    if (strcmp(line, "flap") == 0 || strcmp(line, "flap steady") == 0) {
        flaps = true;
        loses = line[4] == 0 && losses > 0;
        for (int feed = 0; feed < feeds; feed++) sessions[feed].next_loss = now() + random_time(losses);
        puts("flapping");
    } else if (strcmp(line, "up") == 0 || strcmp(line, "calm") == 0) {
        flaps = false;
        is_waited_for = true;
    } else if (strcmp(line, "counts") == 0)
        print_counts();
    else if (strncmp(line, "reference ", 10) == 0 || strncmp(line, "origins ", 8) == 0) {
        write_aside(strchr(line, ' ') + 1, line[0] == 'r');
        puts("writing");
    } else if (strcmp(line, "quit") == 0)
        return false;
    else
        printf("! no such command: %s\n", line);
    return true;
}

// Reads what there is of commands; false at the end.
static bool read_commands(void) {
    static char input[4096];
    static size_t filled;
    ssize_t size = read(STDIN_FILENO, input + filled, sizeof input - filled - 1);
    if (size <= 0) return false;
    filled += (size_t)size;
    input[filled] = 0;
    char *line = input, *end;
    while ((end = strchr(line, '\n')) != NULL) {
        *end = 0;
        if (!obey(line)) return false;
        line = end + 1;
    }
    filled = (size_t)(input + filled - line);
    memmove(input, line, filled);
    return true;
}

// What the feeds have at first is what flapping for long would leave.
static void fill_tables(void) {
    for (int feed = 0; feed < feeds; feed++) {
        struct session *session = &sessions[feed];
        session->fresh_key = usual_key(group_count, 0);
        for (uint32_t group = 0; group < group_count; group++)
            for (uint32_t place = groups[group].first; place < groups[group].first + groups[group].count; place++)
                held[feed][place] = next_key(session, group, group % 100 == 0);
    }
}

static void set_up(uint64_t seed, uint32_t martlet) {
    martlet_as = martlet;
    srandom((unsigned)seed);
    for (int feed = 0; feed < feeds; feed++) {
        struct session *session = &sessions[feed];
        session->number = feed;
        // Internal and external peers, of 2 and 4 octets.
        own_as[feed] = feed % 2 == 0 ? martlet : feed % 4 == 1 ? 64700 + (uint32_t)feed : 4200000000 + (uint32_t)feed;
        session->own_as = own_as[feed];
        session->source = INADDR_LOOPBACK + 10 + (uint32_t)feed;
        session->identifier = 0x0a000000 + 11 + (uint32_t)feed;
        session->hold = feed % 3 == 2 ? 9 : 90;
        session->abilities = (struct abilities){
            .restarts = feed % 4 != 0,
            .forwards = feed % 4 != 2,
            .survives_notifications = feed % 4 == 3,
            .refreshes = true,
            .marks_refreshes = feed % 4 >= 2,
        };
        session->state = AWAY;
        session->until = 1e18;
        session->socket = session->abandoned = -1;
        session->out = malloc(1 << 20);
        if (session->out == NULL) err(1, "buffers");
    }
}

int main(int count, char **arguments) {
    if (count != 8) errx(2, "usage: feeder PREFIXES FEEDS SEED PORT AS RATE LOSSES");
    feeds = atoi(arguments[2]);
    if (feeds < 1 || feeds > MAX_FEEDS) errx(2, "1 to %d feeds", MAX_FEEDS);
    uint64_t seed = strtoull(arguments[3], NULL, 10);
    uint16_t port = (uint16_t)atoi(arguments[4]);
    rate = atof(arguments[6]);
    losses = atof(arguments[7]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_places(arguments[1], feeds, seed);
    if (first_ipv6_group == 0 || first_ipv6_group >= group_count) errx(2, "prefixes of both families");
    set_up(seed, (uint32_t)strtoul(arguments[5], NULL, 10));
    fill_tables();
    epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event) < 0) err(1, "epoll");
    puts("ready");
    double last = now();
    for (;;) {
        struct epoll_event events[MAX_FEEDS + 1];
        int ready = epoll_wait(epoll, events, MAX_FEEDS + 1, 4);
        for (int index = 0; index < ready; index++) {
            struct session *session = events[index].data.ptr;
            if (session == NULL) {
                if (!read_commands()) return 0;
                continue;
            }
            // Either may end it.
            if (events[index].events & EPOLLOUT) writable(session);
            if (session->state != AWAY && events[index].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(session);
        }
        double time = now();
        bool all_are_quiet = true;
        for (int feed = 0; feed < feeds; feed++) {
            step(&sessions[feed], time - last, port);
            all_are_quiet = all_are_quiet && is_quiet(&sessions[feed]);
        }
        last = time;
        if (is_waited_for && all_are_quiet) {
            is_waited_for = false;
            puts("quiet");
        }
    }
}
