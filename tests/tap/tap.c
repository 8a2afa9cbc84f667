/* tap PORT: stands between clients and a TLS server, passes on what both say, and reads what they
 * say in the clear: which session a ClientHello offers, and whether the server resumes it. The
 * tests of drivers in C++, Go and Python run it as a process and talk to it over standard input and
 * output.
 *
 * PORT is the server's, on 127.0.0.1. The first line of output is the tap's own port there. From
 * then on each line of input is a command, and the line "ok" ends its answer:
 *
 *   report      first a line for each connection, in the order in which they were accepted
 *   finish      the same, once all connections have ended
 *   cut         ends all connections, as a network may
 *   refuse      refuses connections, as if there were no server
 *   listen      accepts them again, on the same port
 *   lead PORT   further connections go to another server
 *
 * The tap ends when its input does. A line of a report:
 *
 *   offered=psk identity=8c7dd922ad47494f answer=resumed tls=1.3 began=0 ended=2
 *
 *   offered    psk: a pre-shared key (TLS 1.3); ticket: a session ticket (TLS 1.2); id: only a
 * session id (TLS 1.2), which this tap has seen a server give out or take; none. Ids that clients
 *              make up, for TLS 1.3 or to notice that a ticket was taken, stand for no session.
 *   identity   a hash that tells one key, ticket or id from another, or -
 *   answer     resumed or full; - while the server has not shown which
 *   tls        the version that the server chose, or -
 *   began      how many of the commands refuse and listen had been done when the tap accepted it
 *   ended      how many when it ended; - while it is open
 *
 * A connection's answer is in the report before the client can read it from the wire. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static void fail(const char *what) {
    fprintf(stderr, "tap: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void *allocated(void *memory) {
    if (memory == NULL)
        fail("memory");
    return memory;
}

/* ---- What is said in the clear --------------------------------------------------------------- */

enum { CHANGE_CIPHER_SPEC = 20, HANDSHAKE = 22 };                           /* records */
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2, NEW_SESSION_TICKET = 4 };        /* messages */
enum { SESSION_TICKET = 35, PRE_SHARED_KEY = 41, SUPPORTED_VERSIONS = 43 }; /* extensions */
enum { TLS10 = 0x0301, TLS13 = 0x0304 };

typedef enum { OFFERED_NONE, OFFERED_ID, OFFERED_TICKET, OFFERED_PSK } offered;
typedef enum { UNANSWERED, FULL, RESUMED } answer;

static const char *const OFFERED[] = {"none", "id", "ticket", "psk"};
static const char *const ANSWERS[] = {"-", "full", "resumed"};

/* What one connection has shown. */
typedef struct {
    offered offered;
    uint64_t identity;
    uint64_t session_id; /* a hash of the ClientHello's; 0: it was empty */
    answer answer;
    unsigned tls;
    unsigned began, ended;
    bool open;
} note;

/* Bytes that are read from the front. Past their end there are only zeros and empty vectors. */
typedef struct {
    const uint8_t *at;
    size_t len;
} bytes;

static bytes take(bytes *from, size_t len) {
    bytes taken = {from->at, len <= from->len ? len : 0};
    const size_t gone = len <= from->len ? len : from->len;
    from->at += gone;
    from->len -= gone;
    return taken;
}

static size_t number(bytes *from, size_t size) {
    const bytes digits = take(from, size);
    size_t value = 0;
    for (size_t i = 0; i < digits.len; i++)
        value = value << 8 | digits.at[i];
    return value;
}

static bytes vector(bytes *from, size_t length_size) {
    return take(from, number(from, length_size));
}

/* FNV-1a. */
static uint64_t hash(bytes of) {
    uint64_t value = 0xcbf29ce484222325;
    for (size_t i = 0; i < of.len; i++)
        value = (value ^ of.at[i]) * 0x100000001b3;
    return value;
}

/* Takes the next message if all of it is there. */
static bool next_message(bytes *messages, size_t *type, bytes *body) {
    bytes ahead = *messages;
    const size_t its_type = number(&ahead, 1), len = number(&ahead, 3);
    if (messages->len < 4 || ahead.len < len)
        return false;
    *type = its_type;
    *body = take(&ahead, len);
    *messages = ahead;
    return true;
}

/* Whether a ServerHello asks the client to try again with another key share (RFC 8446, 4.1.3). */
static bool is_retry(bytes hello) {
    static const uint8_t random[32] = {0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11,
                                       0xBE, 0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91,
                                       0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E,
                                       0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C};
    return hello.len >= 34 && memcmp(hello.at + 2, random, sizeof random) == 0;
}

/* Hashes of the session ids that servers gave out. */
static uint64_t *issued;
static size_t issued_count;

static void issue(uint64_t id) {
    issued = allocated(realloc(issued, (issued_count + 1) * sizeof *issued));
    issued[issued_count++] = id;
}

static bool is_issued(uint64_t id) {
    for (size_t i = 0; i < issued_count; i++)
        if (issued[i] == id)
            return true;
    return false;
}

static void offer_id(note *to) {
    to->offered = OFFERED_ID;
    to->identity = to->session_id;
}

static void read_client_hello(bytes hello, note *to) {
    to->offered = OFFERED_NONE;
    take(&hello, 2 + 32);
    const bytes id = vector(&hello, 1);
    vector(&hello, 2); /* cipher suites */
    vector(&hello, 1); /* compression methods */
    for (bytes extensions = vector(&hello, 2); extensions.len > 0;) {
        const size_t type = number(&extensions, 2);
        bytes body = vector(&extensions, 2);
        if (type == PRE_SHARED_KEY) {
            bytes identities = vector(&body, 2);
            to->offered = OFFERED_PSK;
            to->identity = hash(vector(&identities, 2));
        } else if (type == SESSION_TICKET && body.len > 0 && to->offered != OFFERED_PSK) {
            to->offered = OFFERED_TICKET;
            to->identity = hash(body);
        }
    }
    to->session_id = id.len > 0 ? hash(id) : 0;
    if (to->offered == OFFERED_NONE && is_issued(to->session_id))
        offer_id(to);
}

/* after: the messages that follow the ServerHello; changes_cipher: a ChangeCipherSpec follows
 * those. */
static void read_server_hello(bytes hello, bytes after, bool changes_cipher, note *to) {
    bool has_key = false;
    unsigned tls = (unsigned)number(&hello, 2);
    take(&hello, 32);
    const bytes id = vector(&hello, 1);
    take(&hello, 2 + 1);
    for (bytes extensions = vector(&hello, 2); extensions.len > 0;) {
        const size_t type = number(&extensions, 2);
        bytes body = vector(&extensions, 2);
        if (type == SUPPORTED_VERSIONS)
            tls = (unsigned)number(&body, 2);
        has_key |= type == PRE_SHARED_KEY;
    }
    if (tls < TLS10 || tls > TLS13)
        return; /* it only looks like TLS */
    if (tls == TLS13) {
        to->answer = has_key ? RESUMED : FULL;
    } else if (after.len > 0 || changes_cipher) {
        /* A full handshake goes on with a certificate, an abbreviated one at most with a ticket. */
        to->answer = after.len == 0 || after.at[0] == NEW_SESSION_TICKET ? RESUMED : FULL;
        if (to->answer == FULL && id.len > 0)
            issue(hash(id));
        else if (to->answer == RESUMED && to->offered == OFFERED_NONE)
            offer_id(to);
    }
    if (to->answer != UNANSWERED)
        to->tls = tls;
}

/* Whether a ChangeCipherSpec after these messages says that a handshake is abbreviated. TLS 1.3 has
 * it without a meaning, also between a request for another ClientHello and that. */
static bool is_shortcut(bytes messages) {
    size_t type = 0;
    bytes body = {NULL, 0};
    while (next_message(&messages, &type, &body))
        ;
    return type == SERVER_HELLO && !is_retry(body);
}

/* Reads all that one side has said so far; called with more of it until there is an answer. */
static void read_stream(bytes stream, note *to) {
    static uint8_t clear[1 << 16];
    bytes messages = {clear, 0}, body;
    bool changes_cipher = false;
    size_t type;
    while (stream.len >= 5 && !changes_cipher) {
        const size_t record = number(&stream, 1);
        number(&stream, 2);
        const size_t len = number(&stream, 2);
        if (stream.len < len || messages.len + len > sizeof clear)
            break;
        const bytes content = take(&stream, len);
        if (record == HANDSHAKE) {
            memcpy(clear + messages.len, content.at, content.len);
            messages.len += content.len;
        } else if (record == CHANGE_CIPHER_SPEC) {
            changes_cipher = is_shortcut(messages);
        } else {
            break;
        }
    }
    while (to->answer == UNANSWERED && next_message(&messages, &type, &body)) {
        if (type == CLIENT_HELLO)
            read_client_hello(body, to);
        else if (type == SERVER_HELLO && !is_retry(body))
            read_server_hello(body, messages, changes_cipher, to);
    }
}

/* ---- Connections ----------------------------------------------------------------------------- */

enum { CLIENT, SERVER };
enum {
    MOST_HEARD = 1 << 16
}; /* a side that says more without an answer is no longer listened to */

/* What one side says: read from it, not yet passed on to the other. */
typedef struct {
    uint8_t pending[1 << 14];
    size_t from, to;
    bool over;      /* it says no more */
    uint8_t *heard; /* all of it, until there is an answer */
    size_t heard_len;
} speech;

typedef struct {
    int fd[2];
    speech *of[2]; /* NULL once the connection has ended */
    note note;
} connection;

static connection *connections;
static size_t count, open_count;
static int listener = -1;
static int reserved; /* holds the port while nobody listens: no other socket is given it */
static in_port_t own_port, upstream;
static unsigned turns; /* how many of the commands refuse and listen were done */

static struct sockaddr_in loopback(in_port_t port) {
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int new_socket(void) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    if (fd < 0)
        fail("socket");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    return fd;
}

/* Bound to the tap's own port; the first one that is finds a port for it. */
static int bound_socket(void) {
    const int fd = new_socket(), yes = 1;
    struct sockaddr_in address = loopback(own_port);
    socklen_t len = sizeof address;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        fail("bind");
    own_port = address.sin_port;
    return fd;
}

static void start_listening(void) {
    listener = bound_socket();
    if (listen(listener, 128) != 0)
        fail("listen");
}

static void accept_one(void) {
    const int client = accept(listener, NULL, NULL), yes = 1;
    if (client < 0)
        return;
    fcntl(client, F_SETFL, O_NONBLOCK);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const int server = new_socket();
    const struct sockaddr_in address = loopback(upstream);
    /* Should it fail, reading from it will tell. */
    (void)!connect(server, (const struct sockaddr *)&address, sizeof address);
    connections = allocated(realloc(connections, (count + 1) * sizeof *connections));
    connections[count++] = (connection){
        .fd = {client, server},
        .of = {allocated(calloc(1, sizeof(speech))), allocated(calloc(1, sizeof(speech)))},
        .note = {.began = turns, .open = true}};
    open_count++;
}

static void end(connection *of) {
    for (int side = CLIENT; side <= SERVER; side++) {
        close(of->fd[side]);
        free(of->of[side]->heard);
        free(of->of[side]);
        of->of[side] = NULL;
    }
    of->note.open = false;
    of->note.ended = turns;
    open_count--;
}

static void take_note(connection *of, speech *said, bytes fresh) {
    if (of->note.answer != UNANSWERED || said->heard_len + fresh.len > MOST_HEARD)
        return;
    if (said->heard == NULL)
        said->heard = allocated(malloc(MOST_HEARD));
    memcpy(said->heard + said->heard_len, fresh.at, fresh.len);
    said->heard_len += fresh.len;
    read_stream((bytes){said->heard, said->heard_len}, &of->note);
}

/* Reads what a side says. False: the connection is broken. */
static bool hear(connection *of, int side) {
    speech *said = of->of[side];
    const ssize_t len = recv(of->fd[side], said->pending, sizeof said->pending, 0);
    if (len < 0)
        return errno == EAGAIN || errno == EINTR;
    said->over = len == 0;
    said->from = 0;
    said->to = (size_t)len;
    take_note(of, said, (bytes){said->pending, said->to});
    return true;
}

/* Passes on what a side said, and that it says no more. False: the connection is broken. */
static bool pass_on(connection *of, int side) {
    speech *said = of->of[side];
    while (said->from < said->to) {
        const ssize_t len =
            send(of->fd[!side], said->pending + said->from, said->to - said->from, MSG_NOSIGNAL);
        if (len < 0)
            return errno == EAGAIN || errno == EINTR;
        said->from += (size_t)len;
    }
    if (said->over)
        shutdown(of->fd[!side], SHUT_WR);
    return true;
}

static bool is_drained(const speech *said) {
    return said->from == said->to;
}

/* What to wait for on a side's socket: to read on from it, when the other has all, or to write to
 * it. */
static short awaited(const connection *of, int side) {
    const speech *own = of->of[side], *others = of->of[!side];
    return (short)((is_drained(own) && !own->over ? POLLIN : 0) |
                   (is_drained(others) ? 0 : POLLOUT));
}

/* Goes on with a connection after these events. */
static void carry(connection *of, const struct pollfd polled[2]) {
    for (int side = CLIENT; side <= SERVER; side++) {
        const short wanted = polled[side].events, seen = polled[side].revents;
        bool whole = true;
        if (seen != 0 && (wanted & POLLIN))
            whole = hear(of, side) && pass_on(of, side);
        if (seen != 0 && whole && (wanted & POLLOUT))
            whole = pass_on(of, !side);
        if (!whole) {
            end(of);
            return;
        }
    }
    const speech *client = of->of[CLIENT], *server = of->of[SERVER];
    if (client->over && server->over && is_drained(client) && is_drained(server))
        end(of);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static bool finishing; /* a command to finish waits for the last connection to end */

static void report(void) {
    for (size_t i = 0; i < count; i++) {
        const note *of = &connections[i].note;
        printf("offered=%s identity=", OFFERED[of->offered]);
        if (of->offered == OFFERED_NONE)
            printf("-");
        else
            printf("%016" PRIx64, of->identity);
        printf(" answer=%s tls=", ANSWERS[of->answer]);
        if (of->answer == UNANSWERED)
            printf("-");
        else
            printf("1.%u", (of->tls & 0xFF) - 1);
        printf(" began=%u ended=", of->began);
        if (of->open)
            printf("-\n");
        else
            printf("%u\n", of->ended);
    }
}

static void finish(void) {
    if (finishing && open_count == 0) {
        report();
        printf("ok\n");
        finishing = false;
    }
}

static void obey(const char *command) {
    unsigned port;
    if (strcmp(command, "finish") == 0) {
        finishing = true;
        finish();
        return;
    }
    if (strcmp(command, "report") == 0) {
        report();
    } else if (strcmp(command, "cut") == 0) {
        for (size_t i = 0; i < count; i++)
            if (connections[i].note.open)
                end(&connections[i]);
    } else if (strcmp(command, "refuse") == 0 && listener >= 0) {
        close(listener);
        listener = -1;
        turns++;
    } else if (strcmp(command, "listen") == 0 && listener < 0) {
        start_listening();
        turns++;
    } else if (sscanf(command, "lead %u", &port) == 1) {
        upstream = htons((uint16_t)port);
    } else {
        fprintf(stderr, "tap: what is \"%s\"?\n", command);
        exit(2);
    }
    printf("ok\n");
}

/* Obeys the commands that have come. False: no more will come. */
static bool read_commands(void) {
    static char line[256];
    static size_t len;
    const ssize_t more = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
    if (more <= 0)
        return false;
    len += (size_t)more;
    for (char *end; (end = memchr(line, '\n', len)) != NULL;) {
        *end = '\0';
        obey(line);
        len -= (size_t)(end + 1 - line);
        memmove(line, end + 1, len);
    }
    return len + 1 < sizeof line;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: tap PORT\n");
        return 2;
    }
    upstream = htons((uint16_t)atoi(argv[1]));
    reserved = bound_socket();
    start_listening();
    printf("%d\n", ntohs(own_port));
    struct pollfd *polled = NULL;
    for (;;) {
        fflush(stdout);
        const size_t known = count;
        polled = allocated(realloc(polled, (2 + 2 * known) * sizeof *polled));
        polled[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = listener, .events = POLLIN};
        for (size_t i = 0; i < known; i++)
            for (int side = CLIENT; side <= SERVER; side++) {
                const connection *of = &connections[i];
                const short events = of->note.open ? awaited(of, side) : 0;
                /* Without events an end of the connection would be reported again and again. */
                polled[2 + 2 * i + (size_t)side] =
                    (struct pollfd){.fd = events ? of->fd[side] : -1, .events = events};
            }
        if (poll(polled, 2 + 2 * known, -1) < 0 && errno != EINTR)
            fail("poll");
        for (size_t i = 0; i < known; i++)
            if (connections[i].note.open)
                carry(&connections[i], &polled[2 + 2 * i]);
        if (polled[1].revents)
            accept_one();
        finish();
        if (polled[0].revents && !read_commands())
            break;
    }
    free(polled);
    return 0;
}
