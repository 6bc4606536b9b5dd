/* net0 by libslirp: a virtual Ethernet card whose other end is a user-mode router (10.0.2.0/24, as
   in QEMU: host 10.0.2.2, DNS 10.0.2.3), for running the real network stack hosted. The library is
   loaded when asked for; its interface, version 1, is declared here. */
#include <dlfcn.h>
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "abi/device.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted_internal.h"

#define FRAME_MAX 1518u
#define QUEUE_FRAMES 512u
#define POLL_FILES_MAX 1024
#define TIMERS_MAX 16u

/* ---- libslirp's interface ---- */

typedef struct Slirp slirp_t;

typedef struct slirp_callbacks {
    ssize_t (*send_packet)(const void *bytes, size_t count, void *opaque);
    void (*guest_error)(const char *message, void *opaque);
    int64_t (*clock_get_ns)(void *opaque);
    void *(*timer_new)(void (*fn)(void *), void *context, void *opaque);
    void (*timer_free)(void *timer, void *opaque);
    void (*timer_mod)(void *timer, int64_t expire_ms, void *opaque);
    void (*register_poll_fd)(int file, void *opaque);
    void (*unregister_poll_fd)(int file, void *opaque);
    void (*notify)(void *opaque);
} slirp_callbacks_t;

typedef struct slirp_config {
    uint32_t version;
    int restricted;
    bool in_enabled;
    struct in_addr network, mask, host;
    bool in6_enabled;
    struct in6_addr prefix6;
    uint8_t prefix6_length;
    struct in6_addr host6;
    const char *host_name, *tftp_server_name, *tftp_path, *boot_file;
    struct in_addr dhcp_start, name_server;
    struct in6_addr name_server6;
    const char **dns_search;
    const char *domain_name;
    size_t mtu, mru;
    bool disable_host_loopback;
    bool enable_emu;
} slirp_config_t;

enum { SLIRP_IN = 1, SLIRP_OUT = 2, SLIRP_PRIORITY = 4, SLIRP_ERROR = 8, SLIRP_HANGUP = 16 };

static struct {
    slirp_t *(*create)(const slirp_config_t *, const slirp_callbacks_t *, void *);
    void (*fill)(slirp_t *, uint32_t *timeout, int (*add)(int, int, void *), void *);
    void (*poll)(slirp_t *, int error, int (*events)(int, void *), void *);
    void (*input)(slirp_t *, const uint8_t *, int);
} library;

/* ---- queues of frames ---- */

typedef struct frame {
    uint32_t size;
    uint8_t bytes[FRAME_MAX];
} frame_t;

typedef struct frame_queue {
    frame_t frames[QUEUE_FRAMES];
    uint32_t first, count;
} frame_queue_t;

static bool push_frame(frame_queue_t *queue, const void *bytes, size_t size)
{
    if (queue->count == QUEUE_FRAMES)
        return false;
    frame_t *frame = &queue->frames[(queue->first + queue->count++) % QUEUE_FRAMES];
    frame->size = (uint32_t)size;
    memcpy(frame->bytes, bytes, size);
    return true;
}

static frame_t *pop_frame(frame_queue_t *queue)
{
    if (queue->count == 0)
        return NULL;
    frame_t *frame = &queue->frames[queue->first];
    queue->first = (queue->first + 1) % QUEUE_FRAMES;
    queue->count--;
    return frame;
}

typedef struct slirp_timer {
    void (*fn)(void *); /* NULL: free slot */
    void *context;
    int64_t expire_ms; /* INT64_MAX: not armed */
} slirp_timer_t;

static struct {
    slirp_t *instance; /* only its thread touches it */
    int wake_file;     /* eventfd: something is to be sent */
    slirp_timer_t timers[TIMERS_MAX];
    struct pollfd files[POLL_FILES_MAX];
    int file_count;
    kp_spinlock_t lock;
    frame_queue_t *received; /* to the program; guarded by lock */
    frame_queue_t *sent;     /* from the program; guarded by lock */
} card;

/* ---- the device ---- */

static const uint8_t card_address[6] = {0x52, 0x54, 0x00, 0x12, 0x34, 0x56};

static int64_t card_read(kp_device_t *device, void *to, size_t capacity)
{
    int64_t result = KP_ERR_SHOULD_WAIT;
    kp_spin_lock(&card.lock);
    frame_t *frame = pop_frame(card.received);
    if (frame && frame->size <= capacity) {
        memcpy(to, frame->bytes, frame->size);
        result = frame->size;
    } else if (frame) {
        result = KP_ERR_BUFFER_TOO_SMALL; /* the frame is lost, as on a wire */
    }
    if (card.received->count == 0)
        kp_device_signal(device, KP_SIGNAL_READABLE, 0);
    kp_spin_unlock(&card.lock);
    return result;
}

static int64_t card_write(kp_device_t *device, const void *from, size_t count)
{
    if (count == 0 || count > FRAME_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_spin_lock(&card.lock);
    bool has_room = push_frame(card.sent, from, count);
    if (card.sent->count == QUEUE_FRAMES)
        kp_device_signal(device, KP_SIGNAL_WRITABLE, 0);
    kp_spin_unlock(&card.lock);
    if (!has_room)
        return KP_ERR_SHOULD_WAIT;
    eventfd_write(card.wake_file, 1);
    return (int64_t)count;
}

static int64_t card_control(kp_device_t *device, uint32_t op, const void *in, size_t in_count,
                            void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    (void)device, (void)in, (void)in_count, (void)vmo;
    kp_net_info_t info = {.mtu = 1500, .link_up = 1};
    if (op != KP_DEVICE_OP_NET_INFO)
        return KP_ERR_NOT_SUPPORTED;
    if (out_capacity < sizeof(info))
        return KP_ERR_BUFFER_TOO_SMALL;
    memcpy(info.mac, card_address, sizeof(info.mac));
    memcpy(out, &info, sizeof(info));
    return sizeof(info);
}

static const kp_device_ops_t card_ops = {
    .read = card_read, .write = card_write, .control = card_control};
static kp_device_t card_device = {.kind = KP_DEVICE_NET, .name = "net0", .ops = &card_ops};

/* ---- what libslirp calls, on its thread ---- */

static ssize_t on_packet(const void *bytes, size_t count, void *opaque)
{
    (void)opaque;
    if (count <= FRAME_MAX) {
        kp_spin_lock(&card.lock);
        /* A full queue drops, as a network does. */
        if (push_frame(card.received, bytes, count))
            kp_device_signal(&card_device, 0, KP_SIGNAL_READABLE);
        kp_spin_unlock(&card.lock);
    }
    return (ssize_t)count;
}

static void on_guest_error(const char *message, void *opaque)
{
    (void)opaque;
    kp_log("slirp", KP_LOG_WARN, "%s", message);
}

static int64_t on_clock(void *opaque)
{
    (void)opaque;
    return kp_machine_now();
}

static void *on_timer_new(void (*fn)(void *), void *context, void *opaque)
{
    (void)opaque;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        if (!card.timers[i].fn) {
            card.timers[i] = (slirp_timer_t){fn, context, INT64_MAX};
            return &card.timers[i];
        }
    }
    return NULL;
}

static void on_timer_free(void *timer, void *opaque)
{
    (void)opaque;
    if (timer)
        *(slirp_timer_t *)timer = (slirp_timer_t){0};
}

static void on_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    (void)opaque;
    if (timer)
        ((slirp_timer_t *)timer)->expire_ms = expire_ms;
}

static void on_poll_file(int file, void *opaque)
{
    (void)file, (void)opaque; /* files are asked for anew before each poll */
}

static void on_notify(void *opaque)
{
    (void)opaque;
    eventfd_write(card.wake_file, 1);
}

static int add_file(int file, int events, void *opaque)
{
    (void)opaque;
    if (card.file_count == POLL_FILES_MAX)
        return -1;
    card.files[card.file_count] = (struct pollfd){
        .fd = file,
        .events = (short)((events & SLIRP_IN ? POLLIN : 0) | (events & SLIRP_OUT ? POLLOUT : 0) |
                          (events & SLIRP_PRIORITY ? POLLPRI : 0))};
    return card.file_count++;
}

static int file_events(int index, void *opaque)
{
    (void)opaque;
    if (index < 0)
        return 0;
    short events = card.files[index].revents;
    return (events & POLLIN ? SLIRP_IN : 0) | (events & POLLOUT ? SLIRP_OUT : 0) |
           (events & POLLPRI ? SLIRP_PRIORITY : 0) | (events & POLLERR ? SLIRP_ERROR : 0) |
           (events & POLLHUP ? SLIRP_HANGUP : 0);
}

/* ---- the thread ---- */

static void send_frames(void)
{
    for (;;) {
        static frame_t copy; /* one thread */
        kp_spin_lock(&card.lock);
        frame_t *frame = pop_frame(card.sent);
        if (frame)
            copy = *frame;
        kp_device_signal(&card_device, 0, KP_SIGNAL_WRITABLE);
        kp_spin_unlock(&card.lock);
        if (!frame)
            return;
        library.input(card.instance, copy.bytes, (int)copy.size);
    }
}

static void run_timers(void)
{
    int64_t now = kp_machine_now() / KP_NS_PER_MS;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        slirp_timer_t timer = card.timers[i];
        if (!timer.fn || timer.expire_ms > now)
            continue;
        card.timers[i].expire_ms = INT64_MAX;
        timer.fn(timer.context);
    }
}

static int timeout_ms(uint32_t asked)
{
    int64_t timeout = asked, now = kp_machine_now() / KP_NS_PER_MS;
    for (size_t i = 0; i < TIMERS_MAX; i++) {
        if (card.timers[i].fn && card.timers[i].expire_ms - now < timeout)
            timeout = KP_MAX(card.timers[i].expire_ms - now, 0);
    }
    return (int)timeout;
}

static void run_card(void *argument)
{
    (void)argument;
    for (;;) {
        card.files[0] = (struct pollfd){.fd = card.wake_file, .events = POLLIN};
        card.file_count = 1;
        uint32_t asked = 60000;
        library.fill(card.instance, &asked, add_file, NULL);
        int ready = poll(card.files, (nfds_t)card.file_count, timeout_ms(asked));
        if (ready < 0 && errno == EINTR)
            continue;
        eventfd_t count;
        if (card.files[0].revents)
            eventfd_read(card.wake_file, &count);
        library.poll(card.instance, ready < 0, file_events, NULL);
        send_frames();
        run_timers();
    }
}

static bool load_library(void)
{
    void *handle = dlopen("libslirp.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return false;
    library.create = (typeof(library.create))dlsym(handle, "slirp_new");
    library.fill = (typeof(library.fill))dlsym(handle, "slirp_pollfds_fill");
    library.poll = (typeof(library.poll))dlsym(handle, "slirp_pollfds_poll");
    library.input = (typeof(library.input))dlsym(handle, "slirp_input");
    return library.create && library.fill && library.poll && library.input;
}

kp_status_t kp_hosted_slirp_start(void)
{
    static const slirp_callbacks_t callbacks = {
        .send_packet = on_packet,
        .guest_error = on_guest_error,
        .clock_get_ns = on_clock,
        .timer_new = on_timer_new,
        .timer_free = on_timer_free,
        .timer_mod = on_timer_mod,
        .register_poll_fd = on_poll_file,
        .unregister_poll_fd = on_poll_file,
        .notify = on_notify,
    };
    slirp_config_t config = {.version = 1, .in_enabled = true};
    inet_aton("10.0.2.0", &config.network);
    inet_aton("255.255.255.0", &config.mask);
    inet_aton("10.0.2.2", &config.host);
    inet_aton("10.0.2.15", &config.dhcp_start);
    inet_aton("10.0.2.3", &config.name_server);
    if (!load_library()) {
        fprintf(stderr, "kpio: libslirp (package libslirp0) is not on this machine\n");
        return KP_ERR_NOT_SUPPORTED;
    }
    kp_spin_init(&card.lock);
    card.received = calloc(1, sizeof(*card.received));
    card.sent = calloc(1, sizeof(*card.sent));
    card.wake_file = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!card.received || !card.sent || card.wake_file < 0)
        return KP_ERR_NO_MEMORY;
    card.instance = library.create(&config, &callbacks, NULL);
    if (!card.instance)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_device_register(&card_device);
    if (status != KP_OK)
        return status;
    kp_device_signal(&card_device, 0, KP_SIGNAL_WRITABLE);
    return kp_thread_create("slirp", run_card, NULL, NULL);
}
