// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// Routers that flap: what they have to say (routes.c), how they say it (messages.c), and the life
// of their sessions (session.c). main.c reads commands and lets them flap.

#ifndef FEEDER_H
#define FEEDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    MAX_FEEDS = 32,
    GROUP = 16,  // neighbouring prefixes of one origin AS
    MAX_MESSAGE = 4096,
    MAX_PATH = 24,
};

// Routes.

struct place {
    uint8_t family;  // 4 or 6
    uint8_t length;
    uint8_t address[16];
};

// The prefixes, in order, and what each feed has of them: 0 where it has no route, else a key from
// which all of the route's attributes follow.
extern struct place *places;
extern uint32_t place_count, group_count, first_ipv6_group;
extern uint32_t *held[MAX_FEEDS];

// Places of a group: from its first on.
struct group {
    uint32_t first;
    uint32_t count;
};
extern struct group *groups;

struct path {
    uint32_t numbers[MAX_PATH];
    int count;
    bool ends_in_set;  // the last two numbers are a set
};

struct route {
    struct path path;
    uint8_t origin;  // IGP, EGP, incomplete
    uint8_t next_hop;
    uint32_t preference;   // LOCAL_PREF, to internal peers
    int64_t discriminator;  // MED, to external peers; -1: none
    int communities;
};

void read_places(const char *file, int feeds, uint64_t seed);
uint32_t origin_of(uint32_t group);
struct route route_of(int feed, uint32_t own_as, uint32_t group, uint32_t key);
uint32_t usual_key(uint32_t group, int alternative);
void write_reference(FILE *out, int feeds, const uint32_t *own_as);
void write_origins(FILE *out);

uint64_t draw(void);
uint32_t below(uint32_t bound);

// Messages.

extern uint32_t martlet_as;

// Prefixes of one family of an UPDATE, as they stand in it.
struct nlri {
    uint8_t bytes[MAX_MESSAGE];
    size_t size;
};

void add_prefix(struct nlri *list, uint32_t place);
// Of each family what is withdrawn, and of one what is announced, with a route's attributes.
size_t make_update(
    uint8_t *message, const struct nlri *withdrawn4, const struct nlri *withdrawn6,
    uint8_t announced_family, const struct nlri *announced, const struct route *route,
    uint32_t own_as);
size_t make_end_of_rib(uint8_t *message, int family);
size_t make_refresh(uint8_t *message, int family, uint8_t subtype);
size_t make_keepalive(uint8_t *message);
size_t make_notification(uint8_t *message, uint8_t code, uint8_t subcode);

struct abilities {
    bool restarts, forwards, survives_notifications, refreshes, marks_refreshes;
};
size_t make_open(
    uint8_t *message, uint32_t own_as, uint16_t hold, uint32_t identifier,
    struct abilities abilities, bool has_restarted);

// Sessions.

enum state { AWAY, CONNECTING, OPENED, UP, MUTE };

enum loss { LOSS_CLOSED, LOSS_RESET, LOSS_CEASE, LOSS_HARD, LOSS_SILENT, LOSS_REPLACED, LOSSES };

struct counts {
    uint64_t updates, transferred, bytes, sessions, transfers, refreshes, missed;
    uint64_t losses[LOSSES];
    uint64_t keepalives_received, ends_of_rib_received, refreshes_received;
    // What should never come.
    uint64_t updates_received, notifications_received;
    char notification[64];
    double seconds_up;
};

struct session {
    int number;
    uint32_t own_as, identifier, source;
    uint16_t hold;
    struct abilities abilities;
    enum state state;
    int socket, abandoned;
    double until;      // AWAY: when to come back
    double began, heard, spoke;
    double next_loss;
    double owed;       // UPDATEs
    uint8_t *out;
    size_t out_start, out_end;
    uint8_t in[4096];
    size_t in_size;
    bool got_open, expects_end, marks_refreshes;
    // The routes that are being sent, by group; group_count: none.
    uint32_t cursor, cursor_end;
    int refreshing;    // the family that is sent again, or 0 in the first transfer
    bool refresh_wanted[2];
    bool is_complete;
    uint32_t fresh_key;
    struct counts counts;
};

extern int epoll;
double now(void);
void connect_session(struct session *session, uint16_t port);
void writable(struct session *session);
void readable(struct session *session);
void lose(struct session *session, enum loss how, double away);
void continue_transfer(struct session *session);
void keep_alive(struct session *session);
bool has_room(const struct session *session);
void send_message(struct session *session, const uint8_t *bytes, size_t size);
size_t unsent(const struct session *session);

#endif
