/* Reads HTTP requests from a connection, a step at a time: no allocation, no copy of a body.
 *
 * The program that includes it defines the five functions below, which give a request its meaning. */
#ifndef REQUEST_H
#define REQUEST_H
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BUFFER = 256 * 1024 };
enum step { HEAD, FIXED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS };

struct connection {
    int fd, kind;
    size_t start, end;
    enum step step;
    uint64_t sequence, left;
    char buffer[BUFFER];
};

/* Sets the next step, FIXED or CHUNK_SIZE, and `left` for the first. */
void head_complete(struct connection *c, char *text);
void body_part(struct connection *c, const char *data, size_t size);
void trailer(struct connection *c, const char *line);
/* The connection's step is HEAD again. */
void request_complete(struct connection *c);
void fail(const char *what);

/* The next line of the buffer without its end, as a string; NULL while it is incomplete. */
static char *take_until(struct connection *c, const char *end) {
    char *from = c->buffer + c->start, *found = memmem(from, c->end - c->start, end, strlen(end));
    if (!found) return NULL;
    *found = 0;
    c->start = (size_t)(found - c->buffer) + strlen(end);
    return from;
}

static int take_body(struct connection *c) {
    size_t ready = c->end - c->start, part = c->left < ready ? c->left : ready;
    body_part(c, c->buffer + c->start, part);
    c->start += part;
    c->left -= part;
    return !c->left;
}

/* Goes one step through the request; 0 when more bytes are needed. */
static int advance(struct connection *c) {
    char *line;
    switch (c->step) {
    case HEAD:
        if (!(line = take_until(c, "\r\n\r\n"))) return 0;
        head_complete(c, line);
        return 1;
    case FIXED:
        if (!take_body(c)) return 0;
        c->step = HEAD;
        request_complete(c);
        return 1;
    case CHUNK_SIZE:
        if (!(line = take_until(c, "\r\n"))) return 0;
        c->left = strtoull(line, NULL, 16);
        c->step = c->left ? CHUNK_DATA : TRAILERS;
        return 1;
    case CHUNK_DATA:
        if (!take_body(c)) return 0;
        c->step = CHUNK_END;
        return 1;
    case CHUNK_END:
        if (!take_until(c, "\r\n")) return 0;
        c->step = CHUNK_SIZE;
        return 1;
    case TRAILERS:
        if (!(line = take_until(c, "\r\n"))) return 0;
        if (*line) trailer(c, line);
        else {
            c->step = HEAD;
            request_complete(c);
        }
        return 1;
    }
    return 0;
}

/* Reads what has arrived; 0 when the peer closed. */
static int serve(struct connection *c) {
    if (c->start == c->end) c->start = c->end = 0;
    if (c->end == BUFFER) {
        memmove(c->buffer, c->buffer + c->start, c->end -= c->start);
        c->start = 0;
        if (c->end == BUFFER) fail("the head of a request is too long");
    }
    ssize_t got = recv(c->fd, c->buffer + c->end, BUFFER - c->end, 0);
    if (got < 0 && errno == EINTR) return 1;
    if (got <= 0) return 0;
    c->end += (size_t)got;
    while (advance(c)) {}
    return 1;
}

#endif
