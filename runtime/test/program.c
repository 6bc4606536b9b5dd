/* The program side of the runtime's tests: argv[1] says which case. A case returns 0, or the line
   of the check that failed; traps are what the driver (hosted.c) expects. */
#include <assert.h>
#include <limits.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/program/loop.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"
#include "tests/kp_check.h"

static kp_message_t message;
static volatile int zero = 0; /* keeps the compiler from knowing */

/* ---- plain C ---- */

static int test_hello(int argc, char **argv)
{
    CHECK(argc == 4 && strcmp(argv[2], "two words") == 0 && argv[3][0] == '\0');
    CHECK(strcmp(kp_startup_argument(1), "hello") == 0 && !kp_startup_argument(4));
    char text[64];
    snprintf(text, sizeof(text), "%d %.3f %s", -5, 1.0 / 3.0, "x");
    CHECK(strcmp(text, "-5 0.333 x") == 0);
    printf("hello ");
    printf("world\n");
    fprintf(stderr, "unfinished line");
    CHECK(fopen("/etc/passwd", "r") == NULL);
    CHECK(getenv("PATH") == NULL);
    return 0;
}

/* A filter as there are many: what comes by standard input goes, in capitals, to standard output. */
static int test_filter(void)
{
    for (int byte; (byte = getchar()) != EOF;)
        putchar(byte >= 'a' && byte <= 'z' ? byte - 'a' + 'A' : byte);
    CHECK(fflush(stdout) == 0);
    return 0;
}

static jmp_buf outer, inner;

static void jump_deep(int depth)
{
    if (depth == 0)
        longjmp(inner, 7);
    jump_deep(depth - 1);
}

static int test_jump(void)
{
    volatile int count = 0;
    int value = setjmp(outer);
    if (value < 3) {
        count++;
        int nested = setjmp(inner);
        if (nested == 0)
            jump_deep(50);
        CHECK(nested == 7);
        longjmp(outer, value + 1);
    }
    CHECK(value == 3 && count == 3);
    return 0;
}

static int test_memory_functions(void)
{
    static uint8_t a[600], b[600];
    for (size_t size = 0; size < 300; size += size < 70 ? 1 : 37) {
        for (size_t from = 0; from < 40; from += 13) {
            for (size_t to = 0; to < 200; to += 17) {
                for (size_t i = 0; i < sizeof(a); i++)
                    a[i] = b[i] = (uint8_t)(i * 7 + size);
                memmove(a + to, a + from, size);
                uint8_t copy[300];
                for (size_t i = 0; i < size; i++)
                    copy[i] = b[from + i];
                for (size_t i = 0; i < size; i++)
                    b[to + i] = copy[i];
                CHECK(memcmp(a, b, sizeof(a)) == 0);
                memset(a + from, 0x5a, size);
                for (size_t i = 0; i < size; i++)
                    b[from + i] = 0x5a;
                CHECK(memcmp(a, b, sizeof(a)) == 0);
            }
        }
    }
    CHECK(memcmp("abc", "abd", 3) < 0 && memcmp("abd", "abc", 3) > 0);
    return 0;
}

static int test_clock(void)
{
    kp_time_t before = kp_now();
    struct timespec pause = {0, 2000000}, now;
    CHECK(nanosleep(&pause, NULL) == 0);
    CHECK(kp_now() - before >= 2 * KP_NS_PER_MS);
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0 && now.tv_sec > 1700000000);
    uint8_t random[2][32] = {{0}};
    CHECK(kp_random_get(random, sizeof(random)) == KP_OK);
    CHECK(memcmp(random[0], random[1], 32) != 0);
    uint64_t used = 0, of_thread = 0;
    for (volatile int i = 0; i < 1000000; i++)
        continue;
    CHECK(kp_clock_get(KP_CLOCK_PROCESS, &used) == KP_OK && used > 0);
    CHECK(kp_clock_get(KP_CLOCK_THREAD, &of_thread) == KP_OK && of_thread > 0);
    CHECK(kp_clock_get(9, (uint64_t *)random) == KP_ERR_INVALID_ARGUMENT);
    return 0;
}

/* ---- memory ---- */

static int test_grow(void)
{
    size_t total = 0;
    /* Without volatile the compiler knows that nobody looks, and that malloc never fails. */
    for (void *volatile block; (block = malloc(1 << 20)) != NULL; total++)
        memset(block, 1, 1 << 20);
    kp_log("grew to %zu MiB", total);
    CHECK(total >= 55 && total < 64); /* of 64 MiB */
    return 0;
}

static int test_vmo(void)
{
    kp_vmo_buffer_t buffer;
    CHECK(kp_vmo_buffer_create(&buffer, 100000) == KP_OK);
    CHECK(buffer.size == 102400 && (uintptr_t)buffer.bytes % 4096 == 0);
    uint8_t *bytes = buffer.bytes;
    for (size_t i = 0; i < buffer.size; i++)
        CHECK(bytes[i] == 0);
    memset(bytes, 0x33, buffer.size);
    uint8_t seen = 0, other = 0x44;
    CHECK(kp_vmo_read(buffer.vmo, 99999, &seen, 1) == KP_OK && seen == 0x33);
    CHECK(kp_vmo_write(buffer.vmo, 4096, &other, 1) == KP_OK && bytes[4096] == 0x44);
    CHECK(kp_vmo_read(buffer.vmo, 102400, &seen, 1) == KP_ERR_OUT_OF_RANGE);
    /* The kernel's copies see the mapping too. */
    CHECK(kp_random_get(bytes + 8192, 64) == KP_OK);
    uint8_t through[64];
    CHECK(kp_vmo_read(buffer.vmo, 8192, through, 64) == KP_OK);
    CHECK(memcmp(through, bytes + 8192, 64) == 0);

    kp_handle_t copy = (kp_handle_t)kp_vmo_buffer_share(&buffer, KP_VMO_SHARE_READ);
    kp_vmo_buffer_t view, refused;
    CHECK(kp_vmo_buffer_map(&refused, copy, 0, true) == KP_ERR_ACCESS_DENIED);
    CHECK(kp_vmo_buffer_map(&view, copy, 0, false) == KP_OK);
    CHECK(((uint8_t *)view.bytes)[4096] == 0x44);
    CHECK(kp_random_get(view.bytes, 16) == KP_ERR_BAD_ADDRESS);
    uint8_t *was = view.bytes;
    kp_vmo_buffer_destroy(&view);
    kp_vmo_buffer_destroy(&buffer);
    uint8_t *again = calloc(1, 8192);
    CHECK(again && was != NULL);
    for (int round = 0; round < 300; round++) { /* address space comes back */
        CHECK(kp_vmo_buffer_create(&buffer, 4 << 20) == KP_OK);
        ((uint8_t *)buffer.bytes)[round] = 1;
        kp_vmo_buffer_destroy(&buffer);
    }
    return 0;
}

static int test_vmo_write_read_only(void)
{
    kp_vmo_buffer_t buffer, view;
    CHECK(kp_vmo_buffer_create(&buffer, 4096) == KP_OK);
    kp_handle_t copy = (kp_handle_t)kp_vmo_buffer_share(&buffer, KP_VMO_SHARE_READ);
    CHECK(kp_vmo_buffer_map(&view, copy, 0, false) == KP_OK);
    *(volatile uint8_t *)view.bytes = 1; /* traps */
    return __LINE__;
}

static int test_file(void)
{
    size_t size = 0;
    const char *bytes = kp_startup_file("data/greeting.txt", &size);
    CHECK(bytes && size == 6 && memcmp(bytes, "greet\n", 7) == 0);
    CHECK(kp_startup_file("data/greeting.txt", NULL) == (const void *)bytes);
    CHECK(!kp_startup_file("data/absent.txt", &size));
    CHECK(strcmp(kp_startup_name(0), "file:data/greeting.txt") == 0 && !kp_startup_name(1));
    return 0;
}

/* ---- messages and the loop ---- */

typedef struct {
    kp_message_header_t header;
    uint32_t value;
} ping_t;

static int echo_server(void)
{
    kp_handle_t peer = kp_startup_take("peer");
    CHECK(peer != KP_HANDLE_NONE && kp_startup_take("peer") == KP_HANDLE_NONE);
    for (;;) {
        kp_status_t status = kp_message_receive_wait(peer, &message, KP_TIME_INFINITE);
        if (status == KP_ERR_PEER_CLOSED)
            return 0;
        CHECK(status == KP_OK);
        if (message.handle_count == 1) { /* a buffer: add one to each byte */
            kp_vmo_buffer_t buffer;
            CHECK(kp_vmo_buffer_map(&buffer, kp_message_take(&message, 0), 0, true) == KP_OK);
            for (size_t i = 0; i < buffer.size; i++)
                ((uint8_t *)buffer.bytes)[i]++;
            kp_vmo_buffer_destroy(&buffer);
        }
        CHECK(kp_message_send(peer, message.bytes, message.size) == KP_OK);
    }
}

static int echo_client(void)
{
    enum { ROUNDS = 2000 };
    kp_handle_t peer = kp_startup_take("peer");
    ping_t ping = {{1, 0}, 0};
    kp_time_t start = kp_now();
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        ping.header.txid = i;
        ping.value = i * 3;
        CHECK(kp_message_send(peer, &ping, sizeof(ping)) == KP_OK);
        CHECK(kp_message_receive_wait(peer, &message, KP_TIME_INFINITE) == KP_OK);
        const ping_t *reply = kp_message_as(&message, sizeof(*reply));
        CHECK(reply && reply->value == i * 3 && !kp_message_as(&message, sizeof(*reply) + 1));
    }
    kp_log("echo: %lld ns a round trip", (long long)(kp_now() - start) / ROUNDS);

    static uint8_t large[KP_CHANNEL_BYTES_MAX];
    for (size_t i = 0; i < sizeof(large); i++)
        large[i] = (uint8_t)(i ^ (i >> 8));
    CHECK(kp_message_send_with(peer, large, 100, large + 100, sizeof(large) - 100, NULL, 0) ==
          KP_OK);
    CHECK(kp_message_receive_wait(peer, &message, KP_TIME_INFINITE) == KP_OK);
    CHECK(message.size == sizeof(large) && memcmp(message.bytes, large, sizeof(large)) == 0);
    CHECK(kp_message_send_with(peer, large, sizeof(large), large, 1, NULL, 0) == KP_ERR_TOO_LARGE);

    kp_vmo_buffer_t buffer;
    CHECK(kp_vmo_buffer_create(&buffer, 1 << 20) == KP_OK);
    memset(buffer.bytes, 0x10, buffer.size);
    kp_handle_t shared = (kp_handle_t)kp_vmo_buffer_share(&buffer, KP_VMO_SHARE_WRITE);
    CHECK(kp_message_send_with(peer, &ping, sizeof(ping), NULL, 0, &shared, 1) == KP_OK);
    CHECK(kp_message_receive_wait(peer, &message, KP_TIME_INFINITE) == KP_OK);
    for (size_t i = 0; i < buffer.size; i++)
        CHECK(((uint8_t *)buffer.bytes)[i] == 0x11);
    kp_vmo_buffer_destroy(&buffer);
    return 0;
}

typedef struct {
    kp_loop_t loop;
    kp_loop_timer_t timers[3];
    kp_handle_t ends[2];
    char order[8];
    int received;
} looped_t;

static looped_t looped;

static void on_timer(void *context)
{
    size_t index = (size_t)((kp_loop_timer_t *)context - looped.timers);
    looped.order[strlen(looped.order)] = (char)('a' + index);
    if (index == 0)
        (void)kp_message_send(looped.ends[0], "ping", 4);
    if (index == 2)
        kp_loop_stop(&looped.loop, 42);
}

static void on_message(void *context, kp_handle_t handle, kp_signals_t observed)
{
    (void)context;
    if (observed & KP_SIGNAL_READABLE && kp_message_receive(handle, &message) == KP_OK) {
        looped.received += (int)message.size;
        (void)kp_handle_close(looped.ends[0]);
        return;
    }
    if (observed & KP_SIGNAL_PEER_CLOSED) {
        kp_loop_unwatch(&looped.loop, handle);
        kp_loop_timer_set(&looped.loop, &looped.timers[2], kp_now() + 5 * KP_NS_PER_MS);
    }
}

static int bad_handles;

static void on_bad_handle(void *context, kp_handle_t handle, kp_signals_t observed)
{
    (void)context, (void)handle;
    bad_handles += observed == 0;
}

static int test_loop(void)
{
    kp_loop_init(&looped.loop);
    CHECK(kp_loop_run(&looped.loop) == -1); /* nothing to wait for */
    CHECK(kp_channel_create(looped.ends) == KP_OK);
    for (int i = 0; i < 3; i++)
        kp_loop_timer_init(&looped.timers[i], on_timer, &looped.timers[i]);
    kp_time_t now = kp_now();
    kp_loop_timer_set(&looped.loop, &looped.timers[2], now + KP_NS_PER_S * 1000);
    kp_loop_timer_set(&looped.loop, &looped.timers[1], now + 2 * KP_NS_PER_MS);
    kp_loop_timer_set(&looped.loop, &looped.timers[0], now + 1 * KP_NS_PER_MS);
    CHECK(kp_loop_watch(&looped.loop, looped.ends[1], KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED,
                        on_message, NULL) == KP_OK);
    kp_handle_t gone = (kp_handle_t)kp_event_create();
    CHECK(kp_loop_watch(&looped.loop, gone, KP_SIGNAL_SIGNALED, on_bad_handle, NULL) == KP_OK);
    CHECK(kp_handle_close(gone) == KP_OK);
    CHECK(kp_loop_run(&looped.loop) == 42);
    CHECK(bad_handles == 1);
    CHECK(strcmp(looped.order, "abc") == 0 && looped.received == 4);
    CHECK(kp_loop_step(&looped.loop, KP_TIME_POLL) == KP_ERR_TIMED_OUT);
    kp_loop_clear(&looped.loop);
    return 0;
}

/* ---- how programs die ---- */

typedef int (*binary_fn)(int, int);
static void takes_nothing(void)
{
}

static int recurse(int depth)
{
    volatile char frame[64];
    frame[0] = (char)depth;
    return depth == zero - 1 ? 0 : recurse(depth + 1) + frame[0];
}

/* Deep in native frames, none in linear memory's own stack. */
__attribute__((noinline)) static int recurse_native(int depth, int a, int b)
{
    return depth == zero - 1 ? a : recurse_native(depth + 1, b, a + depth) / (depth | 1);
}

static int trap(const char *kind)
{
    if (strcmp(kind, "unreachable") == 0)
        __builtin_trap();
    if (strcmp(kind, "load") == 0)
        return *(volatile int *)(uintptr_t)(0xfffffff0u + (unsigned)zero);
    if (strcmp(kind, "store") == 0)
        *(volatile int *)(uintptr_t)(0x30000000u + (unsigned)zero) = 1;
    if (strcmp(kind, "divide") == 0)
        return 1000 / zero;
    if (strcmp(kind, "overflow") == 0)
        return (INT_MIN + zero) / (zero - 1);
    if (strcmp(kind, "call") == 0)
        return ((binary_fn)(uintptr_t)(zero ? (void *)0 : (void *)takes_nothing))(1, 2);
    if (strcmp(kind, "null-call") == 0)
        return ((binary_fn)(uintptr_t)zero)(1, 2);
    if (strcmp(kind, "stack") == 0)
        return recurse(0);
    if (strcmp(kind, "native-stack") == 0)
        return recurse_native(0, 1, 2);
    if (strcmp(kind, "abort") == 0)
        abort();
    if (strcmp(kind, "assert") == 0)
        assert(zero == 1);
    if (strcmp(kind, "exit") == 0)
        exit(77);
    if (strcmp(kind, "spin") == 0) {
        for (;;)
            zero = 0;
    }
    if (strcmp(kind, "sleep") == 0)
        (void)kp_object_wait_many(NULL, 0, KP_TIME_INFINITE);
    return __LINE__;
}

/* Only in the image with the stub call_evil.S: number 1000 is a system call of the host. */
static int evil(char **argv)
{
    uint64_t arguments[5] = {0};
    for (int i = 0; i < 5 && argv[2 + i]; i++)
        arguments[i] = strtoull(argv[2 + i], NULL, 0);
    int64_t result =
        kp_call(1000, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], 0);
    kp_log("the host answered %lld", (long long)result);
    return 0;
}

/* The same image: does with code that the kernel has mapped what the messages say. */
static int evil_code(void)
{
    kp_handle_t peer = kp_startup_take("peer");
    for (;;) {
        uint64_t words[2]; /* 1001: call there, 1002: write there; address */
        kp_status_t status = kp_message_receive_wait(peer, &message, KP_TIME_INFINITE);
        if (status == KP_ERR_PEER_CLOSED)
            return 0;
        CHECK(status == KP_OK && message.size == sizeof(words));
        memcpy(words, message.bytes, sizeof(words));
        int64_t result = kp_call((uint32_t)words[0], words[1], 0, 0, 0, 0, 0);
        CHECK(kp_message_send(peer, &result, sizeof(result)) == KP_OK);
    }
}

static int bad_calls(void)
{
    CHECK(kp_call(0, 0, 0, 0, 0, 0, 0) == 0 && kp_call(127, 0, 0, 0, 0, 0, 0) < 0);
    CHECK(kp_call(0xffffffffu, 1, 2, 3, 4, 5, 6) < 0);
    CHECK(kp_call(KP_CALL_random_get, 0xfffffff0, 64, 0, 0, 0, 0) == KP_ERR_BAD_ADDRESS);
    CHECK(kp_call(KP_CALL_random_get, (uint64_t)1 << 33, 64, 0, 0, 0, 0) == KP_ERR_BAD_ADDRESS);
    CHECK(kp_call(KP_CALL_random_get, UINT64_MAX - 8, 64, 0, 0, 0, 0) == KP_ERR_BAD_ADDRESS);
    CHECK(kp_call(KP_CALL_memory_grow, 1, 0, 0, 0, 0, 0) == KP_ERR_NOT_SUPPORTED);
    CHECK(kp_call(KP_CALL_clock_get, 0, UINT64_MAX - 2, 0, 0, 0, 0) == KP_ERR_BAD_ADDRESS);
    CHECK(kp_handle_close(12345) == KP_ERR_BAD_HANDLE);
    CHECK(kp_startup_channel() == KP_ERR_NOT_FOUND);
    return 0;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "hello") == 0)
        return test_hello(argc, argv);
    if (strcmp(name, "jump") == 0)
        return test_jump();
    if (strcmp(name, "memory-functions") == 0)
        return test_memory_functions();
    if (strcmp(name, "filter") == 0)
        return test_filter();
    if (strcmp(name, "clock") == 0)
        return test_clock();
    if (strcmp(name, "grow") == 0)
        return test_grow();
    if (strcmp(name, "vmo") == 0)
        return test_vmo();
    if (strcmp(name, "vmo-read-only") == 0)
        return test_vmo_write_read_only();
    if (strcmp(name, "file") == 0)
        return test_file();
    if (strcmp(name, "echo-server") == 0)
        return echo_server();
    if (strcmp(name, "echo-client") == 0)
        return echo_client();
    if (strcmp(name, "loop") == 0)
        return test_loop();
    if (strcmp(name, "bad-calls") == 0)
        return bad_calls();
    if (strcmp(name, "trap") == 0 && argc > 2)
        return trap(argv[2]);
    if (strcmp(name, "evil") == 0)
        return evil(argv);
    if (strcmp(name, "evil-code") == 0)
        return evil_code();
    return __LINE__;
}
