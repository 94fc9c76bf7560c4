/* A Lambda Runtime API server that starts one runtime, sends it events, and prints the measurements as JSON.
 *
 *   platform [-e EVENT_FILE] [-w WARMUP] [-n MEASURED] [-a CPU | -A CPU] [-p MICROSECONDS] [-o ANSWER_FILE] [-t SECONDS] [-x]
 *            [-c CONNECTIONS] -- COMMAND...
 *
 * It must cost so little that only the runtime is measured: one thread, replies rendered in advance, no allocation per
 * invocation. The time of a cold start begins before the fork and ends when the first poll has been read. An answer is
 * acknowledged in a separate write, as by Lambda, which does not have the next event yet.
 * With -a both run on that processor; with -A only the server does, and the runtime on all others that it may use.
 * With -p each event comes this long after its poll; without it events are always waiting.
 * With -c no event is sent, and the run ends when so many connections have polled; only then is the memory summed up
 * whose pages are shared in proportion (smaps_rollup(5), Pss), because that takes longer than a poll.
 * With -x the command must exit by itself without polling, and the time until then is measured. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "request.h"

enum { CONNECTIONS = 64, IN_FLIGHT = 64, ERROR_TEXT = 4096 };
enum kind { NEXT, RESPONSE, FAILURE, UNKNOWN };

static struct connection connections[CONNECTIONS];
static int connection_count;
static char head[1024], *event;
static size_t head_size, event_size, id_places[4];
static int id_count;
static uint64_t warmup, total, issued, answered, body_bytes;
static uint64_t in_flight[IN_FLIGHT], started, first_poll, last_poll, waiting, awaited;
static uint64_t *issue_at, *latency, *first_byte;
static uint64_t cpu_before, cpu_after, own_cpu_before, own_cpu_after, resident_first, resident_before;
static uint64_t programs_cpu_before, programs_cpu_after;
static uint64_t descriptors_before, threads_before;
static clockid_t runtime_clock;
static pid_t runtime;
static FILE *answer;
static char error_text[ERROR_TEXT];
static size_t error_size;
static cpu_set_t runtime_cpus;
static int finished, pinned;
static useconds_t pause_before;

static const char PSS[] = "Pss";
static const char ACCEPTED[] = "HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
                               "{\"status\":\"OK\"}\n";
static const char NOT_FOUND[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
/* The headers as Lambda spells them. Each run of twelve # is replaced by the number of the invocation. */
static const char HEAD_FORM[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    "Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-############\r\n"
    "Lambda-Runtime-Invocation-Id: 5b0c1f0e-7a52-4e0b-9c1d-############\r\n"
    "Lambda-Runtime-Deadline-Ms: %llu\r\n"
    "Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n"
    "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6e############;Parent=9a9197af755a6419;Sampled=1\r\n"
    "Date: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Length: %zu\r\n\r\n";

static uint64_t read_clock(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now)) return 0;
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void fail(const char *what) {
    if (runtime > 0) kill(-runtime, SIGKILL);
    fprintf(stderr, "platform: %s; %llu of %llu invocations were answered\n", what, (unsigned long long)answered,
            (unsigned long long)total);
    exit(1);
}

static void too_late(int signal) {
    (void)signal;
    if (runtime > 0) kill(-runtime, SIGKILL);
    static const char text[] = "platform: the time limit was reached\n";
    if (write(2, text, sizeof text - 1)) {}
    _exit(1);
}

/* One field of /proc/PID/status, or Pss of /proc/PID/smaps_rollup, in KiB. */
static uint64_t memory_of(int process, const char *field) {
    char path[64], line[256];
    unsigned long long value = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", process, strcmp(field, PSS) ? "status" : "smaps_rollup");
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status))
        if (!strncmp(line, field, strlen(field)) && line[strlen(field)] == ':') value = strtoull(line + strlen(field) + 1, NULL, 10);
    if (status) fclose(status);
    return value;
}

/* The sum for the runtime and its workers; shared pages count once for each, except in Pss. */
static uint64_t memory(const char *field) {
    char path[64];
    int process;
    uint64_t sum = memory_of(runtime, field);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", runtime, runtime);
    FILE *children = fopen(path, "r");
    while (children && fscanf(children, "%d", &process) == 1) sum += memory_of(process, field);
    if (children) fclose(children);
    return sum;
}

/* The processor time of the programs that a process has started and that have ended: cutime and cstime of proc_pid_stat(5),
 * which count in ticks, as a rule of 10 ms. */
static uint64_t ended_programs_cpu(int process) {
    char path[64], line[1024];
    unsigned long long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", process);
    FILE *stat = fopen(path, "r");
    const char *after = stat && fgets(line, sizeof line, stat) ? strrchr(line, ')') : NULL;
    if (after) sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %llu %llu", &user, &system);
    if (stat) fclose(stat);
    return (user + system) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* The same for the runtime, and all the time of the programs that it has started and that still run. */
static uint64_t programs_cpu(void) {
    char path[64];
    int process;
    clockid_t clock;
    uint64_t sum = ended_programs_cpu(runtime);
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", runtime, runtime);
    FILE *children = fopen(path, "r");
    while (children && fscanf(children, "%d", &process) == 1)
        if (!clock_getcpuclockid(process, &clock)) sum += read_clock(clock) + ended_programs_cpu(process);
    if (children) fclose(children);
    return sum;
}

/* How many descriptors the runtime has open. */
static uint64_t descriptors(void) {
    char path[64];
    uint64_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", runtime);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) count += entry->d_name[0] != '.';
    if (folder) closedir(folder);
    return count;
}

static void render_head(void) {
    unsigned long long deadline = ((unsigned long long)time(NULL) + 3600) * 1000;
    head_size = (size_t)snprintf(head, sizeof head, HEAD_FORM, deadline, event_size);
    for (char *at = head; (at = strstr(at, "############")); at += 12) id_places[id_count++] = (size_t)(at - head);
}

static void write_id(uint64_t sequence) {
    for (int place = 0; place < id_count; place++) {
        uint64_t rest = sequence;
        for (int digit = 11; digit >= 0; digit--, rest >>= 4) head[id_places[place] + digit] = "0123456789abcdef"[rest & 15];
    }
}

static void send_all(struct connection *c, const char *first, size_t first_size, const char *second, size_t second_size) {
    struct iovec parts[2] = {{(void *)first, first_size}, {(void *)second, second_size}};
    while (parts[0].iov_len + parts[1].iov_len) {
        ssize_t sent = writev(c->fd, parts, 2);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0) fail("the runtime closed the connection while it was sent an event");
        for (int i = 0; i < 2 && sent > 0; i++) {
            size_t part = (size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len;
            parts[i].iov_base = (char *)parts[i].iov_base + part;
            parts[i].iov_len -= part;
            sent -= (ssize_t)part;
        }
    }
}

static void give_event(struct connection *c) {
    uint64_t now = read_clock(CLOCK_MONOTONIC);
    if (finished) return;
    if (!first_poll) {
        first_poll = now - started;
        resident_first = memory("VmRSS");
    }
    if (awaited) {
        last_poll = now - started;
        finished = ++waiting == awaited;
        return;
    }
    if (pause_before) {
        usleep(pause_before);
        now = read_clock(CLOCK_MONOTONIC);
    }
    if (issued == warmup && !cpu_before) {
        resident_before = memory("VmRSS");
        descriptors_before = descriptors();
        threads_before = memory_of(runtime, "Threads");
        programs_cpu_before = programs_cpu();
        cpu_before = read_clock(runtime_clock);
        own_cpu_before = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        now = read_clock(CLOCK_MONOTONIC);
    }
    if (issued == total) {
        if (answered < total) return; /* a worker polls while another is still busy: it waits, as on Lambda */
        issue_at[total] = now;
        cpu_after = read_clock(runtime_clock);
        own_cpu_after = read_clock(CLOCK_PROCESS_CPUTIME_ID);
        programs_cpu_after = programs_cpu();
        finished = 1;
        return;
    }
    issue_at[issued] = in_flight[issued % IN_FLIGHT] = now;
    write_id(issued++);
    send_all(c, head, head_size, event, event_size);
}

static void take_answer(struct connection *c) {
    uint64_t sent = in_flight[c->sequence % IN_FLIGHT];
    if (c->sequence >= issued || !sent) fail("an answer came for an invocation that is not under way");
    latency[c->sequence] = read_clock(CLOCK_MONOTONIC) - sent;
    in_flight[c->sequence % IN_FLIGHT] = 0;
    answered++;
    send_all(c, ACCEPTED, sizeof ACCEPTED - 1, NULL, 0);
}

void request_complete(struct connection *c) {
    if (c->kind == NEXT) give_event(c);
    else if (c->kind == RESPONSE) take_answer(c);
    else if (c->kind == FAILURE) fprintf(stderr, "%.*s\n", (int)error_size, error_text), fail("the runtime reported an error");
    else send_all(c, NOT_FOUND, sizeof NOT_FOUND - 1, NULL, 0);
}

void body_part(struct connection *c, const char *data, size_t size) {
    if (c->kind == FAILURE) {
        size_t room = ERROR_TEXT - error_size, part = size < room ? size : room;
        memcpy(error_text + error_size, data, part);
        error_size += part;
    }
    if (c->kind != RESPONSE || !size) return;
    if (!first_byte[c->sequence]) first_byte[c->sequence] = read_clock(CLOCK_MONOTONIC) - in_flight[c->sequence % IN_FLIGHT];
    body_bytes += size;
    if (answer && c->sequence + 1 == total) fwrite(data, 1, size, answer);
}

void trailer(struct connection *c, const char *line) {
    (void)c;
    if (strcasestr(line, "function-error-type:")) fail("a streamed answer ended in an error");
}

static const char *header(const char *text, const char *name) {
    const char *found = strcasestr(text, name);
    return found ? found + strlen(name) : NULL;
}

void head_complete(struct connection *c, char *text) {
    static const char base[] = "/2018-06-01/runtime/";
    char *path = strchr(text, ' ');
    path = path ? path + 1 : text;
    c->kind = UNKNOWN;
    if (!strncmp(path, base, sizeof base - 1)) {
        char *rest = path + sizeof base - 1, *id = rest + strlen("invocation/8476a536-e9f4-11e8-9739-"), *after = id;
        if (!strncmp(rest, "invocation/next ", 16)) c->kind = NEXT;
        else if (!strncmp(rest, "init/error ", 11)) c->kind = FAILURE;
        else if (!strncmp(rest, "invocation/8476a536-e9f4-11e8-9739-", 35)) {
            c->sequence = strtoull(id, &after, 16);
            if (!strncmp(after, "/response ", 10)) c->kind = RESPONSE;
            if (!strncmp(after, "/error ", 7)) c->kind = FAILURE;
        }
    }
    if (c->kind == RESPONSE && c->sequence >= issued) fail("an answer came for an invocation that does not exist");
    const char *length = header(text, "\r\ncontent-length:"), *coding = header(text, "\r\ntransfer-encoding: chunked");
    c->left = length ? strtoull(length, NULL, 10) : 0;
    c->step = coding ? CHUNK_SIZE : FIXED;
}

static int listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char text[64];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || listen(fd, CONNECTIONS)) fail("cannot listen on 127.0.0.1");
    if (getsockname(fd, (struct sockaddr *)&address, &size)) fail("getsockname");
    snprintf(text, sizeof text, "127.0.0.1:%d", ntohs(address.sin_port));
    setenv("AWS_LAMBDA_RUNTIME_API", text, 1);
    return fd;
}

static void accept_connection(int listener) {
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) return;
    if (connection_count == CONNECTIONS) fail("the runtime opened too many connections");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *c = &connections[connection_count++];
    c->fd = fd;
    c->start = c->end = 0;
    c->step = HEAD;
}

static void start_runtime(char **command) {
    started = read_clock(CLOCK_MONOTONIC);
    runtime = fork();
    if (runtime < 0) fail("fork");
    if (!runtime) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        if (pinned && sched_setaffinity(0, sizeof runtime_cpus, &runtime_cpus)) _exit(126);
        dup2(2, 1); /* standard output is for the figures */
        execvp(command[0], command);
        fprintf(stderr, "platform: cannot run %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    setpgid(runtime, runtime);
    if (clock_getcpuclockid(runtime, &runtime_clock)) fail("clock_getcpuclockid");
}

static void ended_early(void) {
    char text[96];
    int status = 0;
    waitpid(runtime, &status, 0);
    if (WIFSIGNALED(status)) snprintf(text, sizeof text, "the runtime ended early, by signal %d", WTERMSIG(status));
    else snprintf(text, sizeof text, "the runtime ended early, with status %d", WEXITSTATUS(status));
    fail(text);
}

static void loop(int listener, int expect_exit) {
    struct pollfd waits[CONNECTIONS + 2];
    int ended = (int)syscall(SYS_pidfd_open, runtime, 0);
    if (ended < 0) fail("pidfd_open needs Linux 5.3");
    while (!finished) {
        waits[0] = (struct pollfd){listener, POLLIN, 0};
        waits[1] = (struct pollfd){ended, POLLIN, 0};
        int count = connection_count;
        for (int i = 0; i < count; i++) waits[i + 2] = (struct pollfd){connections[i].fd, POLLIN, 0};
        if (poll(waits, (nfds_t)count + 2, -1) < 0) continue;
        for (int i = count - 1; i >= 0 && !finished; i--) {
            if (!waits[i + 2].revents || serve(&connections[i])) continue;
            close(connections[i].fd);
            if (i < --connection_count) memcpy(&connections[i], &connections[connection_count], sizeof connections[i]);
        }
        if (finished) return;
        if (waits[0].revents) accept_connection(listener);
        if (!waits[1].revents) continue;
        siginfo_t end = {0};
        waitid(P_PID, (id_t)runtime, &end, WEXITED | WNOWAIT);
        if (!expect_exit || end.si_status) ended_early();
        first_poll = read_clock(CLOCK_MONOTONIC) - started;
        return;
    }
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void print_spread(const char *name, uint64_t *values, uint64_t count) {
    qsort(values, count, sizeof *values, ascending);
    printf(", \"%s\": {\"p50\": %llu, \"p90\": %llu, \"p99\": %llu}", name, (unsigned long long)values[count / 2],
           (unsigned long long)values[count * 9 / 10], (unsigned long long)values[count * 99 / 100]);
}

static uint64_t microseconds(struct timeval t) { return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_usec; }

static void report(int expect_exit) {
    uint64_t resident = memory("VmRSS"), peak = memory("VmHWM"), shared = awaited ? memory(PSS) : 0, measured = total - warmup;
    uint64_t descriptors_after = descriptors(), threads_after = memory_of(runtime, "Threads");
    struct rusage usage;
    int status = 0;
    kill(-runtime, SIGKILL);
    if (wait4(runtime, &status, 0, &usage) < 0) fail("wait4");
    if (expect_exit && status) fail("the command failed");
    printf("{\"first_poll_ns\": %llu, \"invocations\": %llu, \"resident_kib\": %llu, \"resident_first_kib\": %llu, "
           "\"resident_before_kib\": %llu, \"peak_kib\": %llu, \"lifetime_user_us\": %llu, \"lifetime_system_us\": %llu, \"switches\": %ld",
           (unsigned long long)first_poll, (unsigned long long)measured, (unsigned long long)resident,
           (unsigned long long)resident_first, (unsigned long long)resident_before, (unsigned long long)peak, (unsigned long long)microseconds(usage.ru_utime),
           (unsigned long long)microseconds(usage.ru_stime), usage.ru_nvcsw);
    if (awaited) printf(", \"last_poll_ns\": %llu, \"pss_kib\": %llu", (unsigned long long)last_poll, (unsigned long long)shared);
    if (measured) {
        printf(", \"elapsed_ns\": %llu, \"cpu_ns\": %llu, \"programs_cpu_ns\": %llu, \"platform_cpu_ns\": %llu, \"answer_bytes\": %llu",
               (unsigned long long)(issue_at[total] - issue_at[warmup]), (unsigned long long)(cpu_after - cpu_before),
               (unsigned long long)(programs_cpu_after - programs_cpu_before),
               (unsigned long long)(own_cpu_after - own_cpu_before), (unsigned long long)(body_bytes / total));
        for (uint64_t i = warmup; i < total; i++) issue_at[i] = issue_at[i + 1] - issue_at[i];
        printf(", \"descriptors_before\": %llu, \"descriptors\": %llu, \"threads_before\": %llu, \"threads\": %llu",
               (unsigned long long)descriptors_before, (unsigned long long)descriptors_after,
               (unsigned long long)threads_before, (unsigned long long)threads_after);
        print_spread("cycle_ns", issue_at + warmup, measured);
        print_spread("answer_ns", latency + warmup, measured);
        print_spread("first_byte_ns", first_byte + warmup, measured);
    }
    printf("}\n");
}

static void read_event(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END)) fail("cannot read the event file");
    event_size = (size_t)ftell(file);
    event = malloc(event_size + 1);
    rewind(file);
    if (!event || fread(event, 1, event_size, file) != event_size) fail("cannot read the event file");
    fclose(file);
}

/* Pins the server to one processor, and the runtime to the same one or to all others. */
static void pin(const char *cpu, int together) {
    cpu_set_t own;
    CPU_ZERO(&own);
    CPU_SET(atoi(cpu), &own);
    if (sched_getaffinity(0, sizeof runtime_cpus, &runtime_cpus)) fail("sched_getaffinity");
    if (together) runtime_cpus = own;
    else CPU_CLR(atoi(cpu), &runtime_cpus);
    if (sched_setaffinity(0, sizeof own, &own)) fail("no such processor, or this process may not use it");
    pinned = 1;
}

int main(int argc, char **argv) {
    unsigned limit = 60;
    int option, expect_exit = 0;
    while ((option = getopt(argc, argv, "+e:w:n:a:A:p:o:t:c:x")) != -1) switch (option) {
        case 'e': read_event(optarg); break;
        case 'w': warmup = strtoull(optarg, NULL, 10); break;
        case 'n': total = strtoull(optarg, NULL, 10); break;
        case 'a': pin(optarg, 1); break;
        case 'A': pin(optarg, 0); break;
        case 'p': pause_before = (useconds_t)atoi(optarg); break;
        case 'o': if (!(answer = fopen(optarg, "wb"))) fail("cannot write the answer file"); break;
        case 't': limit = (unsigned)atoi(optarg); break;
        case 'c': awaited = strtoull(optarg, NULL, 10); break;
        case 'x': expect_exit = 1; break;
        default: return 2;
    }
    if (optind >= argc) fail("no command was given");
    total += warmup;
    issue_at = calloc(total + 1, sizeof *issue_at);
    latency = calloc(total + 1, sizeof *latency);
    first_byte = calloc(total + 1, sizeof *first_byte);
    if (!issue_at || !latency || !first_byte) fail("out of memory");
    signal(SIGPIPE, SIG_IGN);
    signal(SIGALRM, too_late);
    alarm(limit);
    render_head();
    int listener = listen_on_loopback();
    start_runtime(argv + optind);
    loop(listener, expect_exit);
    report(expect_exit);
    return answer && fclose(answer) ? 1 : 0;
}
