// Martlet: a BGP-fed route server and proximity oracle
// SPDX-License-Identifier: Apache-2.0

// The life of a session: it comes up, sends all of its routes, and is lost in one way or another.

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "feeder.h"

int epoll;

enum { OUT_SIZE = 1 << 20, OUT_FULL = OUT_SIZE - 64 * MAX_MESSAGE };

double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void watch(struct session *session, uint32_t events, int how) {
    struct epoll_event event = {.events = events, .data.ptr = session};
    if (epoll_ctl(epoll, how, session->socket, &event) < 0) err(1, "epoll_ctl");
}

void connect_session(struct session *session, uint16_t port) {
    session->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (session->socket < 0) err(1, "socket");
    int one = 1;
    setsockopt(session->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(session->source)};
    if (bind(session->socket, (struct sockaddr *)&own, sizeof own) < 0) err(1, "bind");
    struct sockaddr_in other = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(session->socket, (struct sockaddr *)&other, sizeof other) < 0 && errno != EINPROGRESS)
        err(1, "connect");
    session->state = CONNECTING;
    session->out_start = session->out_end = session->in_size = 0;
    session->got_open = session->is_complete = session->marks_refreshes = false;
    session->refresh_wanted[0] = session->refresh_wanted[1] = false;
    session->cursor = session->cursor_end = 0;
    session->refreshing = 0;
    session->owed = 0;
    session->heard = now();
    watch(session, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

size_t unsent(const struct session *session) { return session->out_end - session->out_start; }

bool has_room(const struct session *session) { return unsent(session) < OUT_FULL; }

void send_message(struct session *session, const uint8_t *bytes, size_t size) {
    if (session->out_end + size > OUT_SIZE) {
        memmove(session->out, session->out + session->out_start, unsent(session));
        session->out_end -= session->out_start;
        session->out_start = 0;
        if (session->out_end + size > OUT_SIZE) errx(1, "a session's buffer ran over");
    }
    memcpy(session->out + session->out_end, bytes, size);
    session->out_end += size;
    session->counts.bytes += size;
    session->spoke = now();
}

// Ends the connection, and comes back after `away` seconds.
static void leave(struct session *session, double away) {
    if (session->state == UP) session->counts.seconds_up += now() - session->began;
    if (session->socket >= 0) close(session->socket);
    session->socket = -1;
    session->state = AWAY;
    session->is_complete = false;
    session->until = now() + away;
}

static void broke(struct session *session, const char *why) {
    // Whoever isn't let in yet tries again; a session that breaks by itself is remembered, by what
    // was said first.
    if (session->state == UP && session->counts.notification[0] == 0) {
        session->counts.notifications_received++;
        strncpy(session->counts.notification, why, sizeof session->counts.notification - 1);
    }
    leave(session, 0.5);
}

void lose(struct session *session, enum loss how, double away) {
    uint8_t message[MAX_MESSAGE];
    session->counts.losses[how]++;
    switch (how) {
    case LOSS_CEASE:
    case LOSS_HARD:
        // Behind all that is queued, or amid a message, it would not be understood: what can't be
        // sent now is not.
        if (unsent(session) == 0) {
            size_t size = make_notification(message, 6, how == LOSS_HARD ? 9 : 4);
            if (how == LOSS_HARD) {
                // The code and subcode within (RFC 8538 §3).
                message[size++] = 6;
                message[size++] = 4;
                message[17] = (uint8_t)size;
            }
            if (write(session->socket, message, size) < 0) warn("a last word");
        }
        leave(session, away);
        break;
    case LOSS_RESET: {
        struct linger abortive = {.l_onoff = 1, .l_linger = 0};
        setsockopt(session->socket, SOL_SOCKET, SO_LINGER, &abortive, sizeof abortive);
        leave(session, away);
        break;
    }
    case LOSS_SILENT:
        // Still connected, and says nothing until the other side gives it up: what is to come in a
        // second doesn't come then.
        session->counts.seconds_up += now() - session->began;
        session->state = MUTE;
        session->is_complete = false;
        session->until = away;
        break;
    case LOSS_REPLACED:
        // A new connection while the old one still looks alive, as after a restart nobody saw.
        if (session->abandoned >= 0) close(session->abandoned);
        session->abandoned = session->socket;
        epoll_ctl(epoll, EPOLL_CTL_DEL, session->socket, NULL);
        session->socket = -1;
        leave(session, 0);
        break;
    case LOSS_CLOSED:
    default:
        leave(session, away);
    }
}

void writable(struct session *session) {
    if (session->state == CONNECTING) {
        int failure = 0;
        socklen_t size = sizeof failure;
        getsockopt(session->socket, SOL_SOCKET, SO_ERROR, &failure, &size);
        if (failure != 0) {
            leave(session, 0.2);
            return;
        }
        uint8_t message[MAX_MESSAGE];
        session->state = OPENED;
        send_message(
            session, message,
            make_open(
                message, session->own_as, session->hold, session->identifier, session->abilities,
                session->counts.sessions > 0));
    }
    while (unsent(session) > 0 && session->state != MUTE) {
        ssize_t sent = send(
            session->socket, session->out + session->out_start, unsent(session), MSG_NOSIGNAL);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) break;
        if (sent < 0) {
            broke(session, "the connection broke");
            return;
        }
        session->out_start += (size_t)sent;
    }
    if (unsent(session) == 0) session->out_start = session->out_end = 0;
    watch(session, EPOLLIN | (unsent(session) > 0 && session->state != MUTE ? EPOLLOUT : 0), EPOLL_CTL_MOD);
}

static void established(struct session *session) {
    session->state = UP;
    session->began = now();
    session->counts.sessions++;
    session->counts.transfers++;
    session->cursor = 0;
    session->cursor_end = group_count;
    session->refreshing = 0;
    // The old connection was dropped for the new one.
    if (session->abandoned >= 0) close(session->abandoned);
    session->abandoned = -1;
}

// Whether an OPEN's capabilities have one of this code.
static bool offers(const uint8_t *open, size_t size, uint8_t code) {
    for (size_t at = 29; at + 2 <= size; at += 2 + (size_t)open[at + 1])
        if (open[at] == 2)
            for (size_t one = at + 2; one + 2 <= size && one < at + 2 + open[at + 1]; one += 2 + (size_t)open[one + 1])
                if (open[one] == code) return true;
    return false;
}

static void received(struct session *session, const uint8_t *message, size_t size) {
    uint8_t answer[MAX_MESSAGE];
    session->heard = now();
    switch (message[18]) {
    case 1:
        session->got_open = true;
        session->marks_refreshes = session->abilities.marks_refreshes && offers(message, size, 70);
        send_message(session, answer, make_keepalive(answer));
        break;
    case 2:
        if ((size == 23 && memcmp(message + 19, "\0\0\0\0", 4) == 0)
            || (size == 29 && memcmp(message + 19, "\0\0\0\x06\x80\x0f\x03\0\2\1", 10) == 0))
            session->counts.ends_of_rib_received++;
        else
            session->counts.updates_received++;
        break;
    case 3:
        if (session->state == MUTE && message[19] == 4) break;  // that we were silent
        if (session->state == UP) {
            session->counts.notifications_received++;
            snprintf(
                session->counts.notification, sizeof session->counts.notification,
                "NOTIFICATION %u/%u, %zu bytes", message[19], message[20], size);
        }
        break;
    case 4:
        session->counts.keepalives_received++;
        if (session->state == OPENED && session->got_open) established(session);
        break;
    case 5:
        session->counts.refreshes_received++;
        session->refresh_wanted[message[20] == 2] = true;
        break;
    default: errx(1, "a message of type %u", message[18]);
    }
}

void readable(struct session *session) {
    ssize_t size = recv(session->socket, session->in + session->in_size, sizeof session->in - session->in_size, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        if (session->state == MUTE) leave(session, session->until);
        else broke(session, "the connection was closed");
        return;
    }
    session->in_size += (size_t)size;
    size_t at = 0;
    while (session->in_size - at >= 19) {
        const uint8_t *message = session->in + at;
        size_t length = (size_t)message[16] << 8 | message[17];
        if (length < 19 || length > sizeof session->in) errx(1, "a message of %zu bytes", length);
        if (session->in_size - at < length) break;
        received(session, message, length);
        at += length;
    }
    memmove(session->in, session->in + at, session->in_size - at);
    session->in_size -= at;
    if (session->state == OPENED || session->state == UP) writable(session);
}

void keep_alive(struct session *session) {
    uint8_t message[MAX_MESSAGE];
    if (session->state == UP && now() - session->heard > session->hold)
        broke(session, "silence for the hold time");
    if (session->state == UP && now() - session->spoke > session->hold / 3.0 && has_room(session)) {
        send_message(session, message, make_keepalive(message));
        writable(session);
    }
}

// A group's routes: those of one key share an UPDATE.
static void transfer_group(struct session *session, uint32_t number) {
    static const struct nlri none;
    const struct group group = groups[number];
    const uint32_t *keys = held[session->number] + group.first;
    uint8_t message[MAX_MESSAGE];
    uint32_t sent = 0;
    for (uint32_t index = 0; index < group.count; index++) {
        if (keys[index] == 0 || sent >> index & 1) continue;
        struct nlri announced = {.size = 0};
        for (uint32_t other = index; other < group.count; other++)
            if (keys[other] == keys[index]) {
                add_prefix(&announced, group.first + other);
                sent |= 1u << other;
            }
        struct route route = route_of(session->number, session->own_as, number, keys[index]);
        send_message(
            session, message,
            make_update(
                message, &none, &none, places[group.first].family, &announced, &route, session->own_as));
        session->counts.transferred++;
    }
}

void continue_transfer(struct session *session) {
    uint8_t message[MAX_MESSAGE];
    while (session->cursor < session->cursor_end && has_room(session)) {
        transfer_group(session, session->cursor++);
        bool is_family_over = session->cursor == first_ipv6_group || session->cursor == session->cursor_end;
        if (!is_family_over) continue;
        int family = session->cursor <= first_ipv6_group ? 4 : 6;
        if (session->refreshing == 0)
            send_message(session, message, make_end_of_rib(message, family));
        else if (session->marks_refreshes)
            send_message(session, message, make_refresh(message, family, 2));
    }
    if (session->cursor < session->cursor_end) return;
    session->is_complete = true;
    for (int index = 0; index < 2; index++) {
        if (!session->refresh_wanted[index]) continue;
        session->refresh_wanted[index] = false;
        session->is_complete = false;
        session->refreshing = index == 0 ? 4 : 6;
        session->cursor = index == 0 ? 0 : first_ipv6_group;
        session->cursor_end = index == 0 ? first_ipv6_group : group_count;
        session->counts.refreshes++;
        if (session->marks_refreshes)
            send_message(session, message, make_refresh(message, session->refreshing, 1));
        return;
    }
}
