/* The floor: a Lambda runtime in C that does nothing but answer, to show what the wire and the scheduler cost.
 *
 *   client [-p] [-b] [-s BLOCK,COUNT] [COMMAND...]
 *
 * It sends each event back. With -p the answer and the next poll are one write; with -b it polls for the reply for
 * 200 µs before it sleeps; with -s the answer is COUNT chunks of BLOCK bytes instead; with COMMAND each event is the
 * standard input of a new process, whose output is the answer. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 8 * 1024 * 1024 }; /* Lambda's events have at most 6 MiB */

extern char **environ;
static char buffer[BUFFER], output[BUFFER];
static size_t start, end;
static int api, awake;

static void fail(const char *what) {
    fprintf(stderr, "client: %s\n", what);
    exit(1);
}

static void send_parts(struct iovec *parts, int count) {
    int at = 0;
    while (at < count) {
        ssize_t sent = writev(api, parts + at, count - at);
        if (sent < 0) exit(0); /* the platform has ended */
        while (at < count && (size_t)sent >= parts[at].iov_len) sent -= (ssize_t)parts[at++].iov_len;
        if (at < count) {
            parts[at].iov_base = (char *)parts[at].iov_base + sent;
            parts[at].iov_len -= (size_t)sent;
        }
    }
}

static void receive(void) {
    if (start == end) start = end = 0;
    if (end == BUFFER) {
        memmove(buffer, buffer + start, end -= start);
        start = 0;
    }
    ssize_t got = -1;
    struct timespec now, since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    for (now = since; awake && got < 0 && (now.tv_sec - since.tv_sec) * 1000000000L + now.tv_nsec - since.tv_nsec < 200000;) {
        got = recv(api, buffer + end, BUFFER - end, MSG_DONTWAIT);
        clock_gettime(CLOCK_MONOTONIC, &now);
    }
    if (got < 0) got = recv(api, buffer + end, BUFFER - end, 0);
    if (got <= 0) exit(0);
    end += (size_t)got;
}

/* Reads one answer of the platform; its head is a string, its body follows it in the buffer. */
static char *take(char **body, size_t *size) {
    char *stop, *length;
    while (!(stop = memmem(buffer + start, end - start, "\r\n\r\n", 4))) receive();
    *stop = 0;
    length = strcasestr(buffer + start, "\r\ncontent-length:");
    *size = length ? strtoull(length + 17, NULL, 10) : 0;
    while (end - start < (size_t)(stop + 4 - buffer) - start + *size) {
        size_t before = start, offset = (size_t)(stop - buffer);
        receive();
        stop = buffer + offset - (before - start);
    }
    char *head = buffer + start;
    *body = stop + 4;
    start = (size_t)(*body - buffer) + *size;
    return head;
}

static void connect_to_api(void) {
    int one = 1;
    char *name = getenv("AWS_LAMBDA_RUNTIME_API"), *colon = name ? strchr(name, ':') : NULL;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (!colon) fail("AWS_LAMBDA_RUNTIME_API is not set to host:port");
    address.sin_port = htons((unsigned short)atoi(colon + 1));
    api = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(api, (struct sockaddr *)&address, sizeof address)) fail("cannot connect");
    setsockopt(api, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void stream_blocks(size_t block, long count) {
    char size[32], *data = calloc(1, block);
    int digits = snprintf(size, sizeof size, "%zx\r\n", block);
    for (long i = 0; i < count; i++) {
        struct iovec parts[3] = {{size, (size_t)digits}, {data, block}, {"\r\n", 2}};
        send_parts(parts, 3);
    }
    struct iovec last = {"0\r\n\r\n", 5};
    send_parts(&last, 1);
    free(data);
}

/* A new process for one event. Its standard input is a file in memory, because a pipe could fill up. */
static size_t run_command(char **command, const char *event, size_t size) {
    int pipes[2], status, file = memfd_create("event", MFD_CLOEXEC);
    pid_t child;
    size_t got = 0;
    posix_spawn_file_actions_t actions;
    if (file < 0 || write(file, event, size) != (ssize_t)size || lseek(file, 0, SEEK_SET) || pipe(pipes)) fail("no pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, file, 0);
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1);
    posix_spawn_file_actions_addclose(&actions, pipes[0]);
    if (posix_spawnp(&child, command[0], &actions, NULL, command, environ)) fail("cannot start the command");
    posix_spawn_file_actions_destroy(&actions);
    close(pipes[1]);
    close(file);
    for (ssize_t part; (part = read(pipes[0], output + got, BUFFER - got)) > 0;) got += (size_t)part;
    close(pipes[0]);
    if (waitpid(child, &status, 0) < 0 || status) fail("the command failed");
    return got;
}

int main(int argc, char **argv) {
    static char next[] = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    int option, pipelined = 0;
    size_t block = 0, size, ignored;
    long count = 0;
    char post[512], *body, *nothing;
    while ((option = getopt(argc, argv, "+pbs:")) != -1) {
        if (option == 'p') pipelined = 1;
        else if (option == 'b') awake = 1;
        else if (option != 's' || sscanf(optarg, "%zu,%ld", &block, &count) != 2) return 2;
    }
    connect_to_api();
    struct iovec poll = {next, sizeof next - 1};
    send_parts(&poll, 1);
    for (;;) {
        char *id = strcasestr(take(&body, &size), "aws-request-id: ");
        if (!id) fail("an event came without a request id");
        int used = snprintf(post, sizeof post, "POST /2018-06-01/runtime/invocation/%.36s/response HTTP/1.1\r\nHost: 127.0.0.1\r\n", id + 16);
        if (optind < argc) size = run_command(argv + optind, body, size), body = output;
        used += snprintf(post + used, sizeof post - (size_t)used, block ? "Transfer-Encoding: chunked\r\n\r\n" : "Content-Length: %zu\r\n\r\n", size);
        struct iovec parts[3] = {{post, (size_t)used}, {body, block ? 0 : size}, {next, pipelined ? sizeof next - 1 : 0}};
        send_parts(parts, block ? 1 : 3);
        if (block) stream_blocks(block, count);
        take(&nothing, &ignored);
        poll = (struct iovec){next, sizeof next - 1};
        if (!pipelined || block) send_parts(&poll, 1);
    }
}
