/* The load on an HTTP server: kept-alive connections, each of which sends its next request when it has its answer.
 *
 *   load PORT CONNECTIONS MILLISECONDS REQUEST ANSWER
 *
 * REQUEST is a file with a whole request, ANSWER one with the body that it is answered with. The first 100000 in either
 * is replaced by another number for each request, so that no answer fits two requests. Any other answer ends the
 * program with status 1. It prints how many answers came, and in which time. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 65536, MANY = 1024, FIRST = 100000, NUMBERS = 900000, PATIENCE = 30000 };

struct text {
    char bytes[LARGEST];
    size_t size;
    char *number;
};

struct connection {
    int socket;
    int number;
    size_t size;
    char bytes[LARGEST];
};

static struct text request, answer;
static struct connection *connections;
static long sent;

static void fail(const char *what, const char *bytes, size_t size) {
    fprintf(stderr, "load: %s%s%.*s\n", what, size ? ": " : "", (int)(size > 400 ? 400 : size), bytes);
    exit(1);
}

static void read_text(struct text *text, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) fail("cannot open", path, strlen(path));
    text->size = fread(text->bytes, 1, LARGEST, file);
    fclose(file);
    text->number = memmem(text->bytes, text->size, "100000", 6);
    if (!text->number || text->size == LARGEST) fail("no number, or too large", path, strlen(path));
}

static void set_number(struct text *text, int number) {
    for (int at = 5; at >= 0; at--, number /= 10) text->number[at] = (char)('0' + number % 10);
}

static void send_request(struct connection *connection) {
    connection->number = FIRST + (int)(sent++ % NUMBERS);
    connection->size = 0;
    set_number(&request, connection->number);
    if (send(connection->socket, request.bytes, request.size, MSG_NOSIGNAL) != (ssize_t)request.size)
        fail("cannot send a request", strerror(errno), strlen(strerror(errno)));
}

/* The size of a whole answer of one chunk or of a known length; 0 if more of it has to come. */
static size_t whole(const char *bytes, size_t size, const char **body, size_t *length) {
    const char *stop = memmem(bytes, size, "\r\n\r\n", 4), *header;
    char *end;
    if (!stop) return 0;
    *body = stop + 4;
    if ((header = strcasestr(bytes, "\r\ncontent-length:")) && header < stop) {
        *length = strtoull(header + 17, NULL, 10);
        size_t expected = (size_t)(*body - bytes) + *length;
        return size >= expected ? expected : 0;
    }
    if (!(header = strcasestr(bytes, "\r\ntransfer-encoding: chunked")) || header > stop) fail("an answer without a length", bytes, size);
    *length = strtoull(*body, &end, 16);
    if (end == *body || strncmp(end, "\r\n", 2)) return 0;
    *body = end + 2;
    size_t expected = (size_t)(*body - bytes) + *length + 2 + 5;
    return size >= expected && !memcmp(*body + *length, "\r\n0\r\n\r\n", 7) ? expected : 0;
}

/* Reads what has come; whether it is the whole answer. */
static int receive(struct connection *connection) {
    ssize_t got = recv(connection->socket, connection->bytes + connection->size, LARGEST - 1 - connection->size, 0);
    if (got <= 0) fail("the server has closed a connection", connection->bytes, connection->size);
    connection->size += (size_t)got;
    connection->bytes[connection->size] = 0;
    const char *body = NULL;
    size_t length = 0, size = whole(connection->bytes, connection->size, &body, &length);
    if (!size) return 0;
    set_number(&answer, connection->number);
    if (size != connection->size || strncmp(connection->bytes, "HTTP/1.1 200 ", 13) || length != answer.size || memcmp(body, answer.bytes, length))
        fail("wrong answer", connection->bytes, connection->size);
    return 1;
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void connect_to(struct connection *connection, int port, int poll) {
    int one = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((unsigned short)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection->socket, (struct sockaddr *)&address, sizeof address)) fail("cannot connect", "", 0);
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (epoll_ctl(poll, EPOLL_CTL_ADD, connection->socket, &event)) fail("cannot poll", "", 0);
}

int main(int argc, char **argv) {
    struct epoll_event ready[64];
    int poll = epoll_create1(EPOLL_CLOEXEC), count = argc == 6 ? atoi(argv[2]) : 0;
    long answers = 0;
    if (count < 1 || count > MANY) fail("usage: load PORT CONNECTIONS MILLISECONDS REQUEST ANSWER", "", 0);
    read_text(&request, argv[4]);
    read_text(&answer, argv[5]);
    connections = calloc((size_t)count, sizeof *connections);
    long long began = now(), until = began + atoll(argv[3]) * 1000000LL;
    for (int i = 0; i < count; i++) {
        connect_to(&connections[i], atoi(argv[1]), poll);
        send_request(&connections[i]);
    }
    for (int waiting = count; waiting;) {
        int got = epoll_wait(poll, ready, 64, PATIENCE);
        if (got <= 0) fail("no answer for 30 s", "", 0);
        for (int i = 0; i < got; i++) {
            struct connection *connection = ready[i].data.ptr;
            if (!receive(connection)) continue;
            answers++;
            if (now() < until) send_request(connection);
            else waiting--;
        }
    }
    printf("{\"answers\": %ld, \"elapsed_ns\": %lld}\n", answers, now() - began);
    return 0;
}
