/* virtio-net: one receive and one transmit queue, no offloads, no merged buffers.

   Both directions own fixed buffers of half a page (12 bytes of virtio header, then the frame),
   named by their number, which is the queue's token. Transmission copies and never waits for the
   device; buffers come back when the next frame needs one. A frame that is too short or too long
   for Ethernet is dropped and counted; when nobody reads, the device itself drops (it has no
   buffers). */
#include "kernel/drivers/device.h"
#include "kernel/drivers/virtio.h"
#include "kernel/machine/x86_64/memory.h"

#define FEATURE_MAC (1ull << 5)
#define FEATURE_STATUS (1ull << 16)

enum {
    CONFIG_MAC = 0,
    CONFIG_STATUS = 6,
    STATUS_LINK_UP = 1,
    HEADER_SIZE = 12, /* struct virtio_net_hdr with num_buffers, as VERSION_1 has it */
    FRAME_MIN = 14,
    FRAME_MAX = 1514,
    MTU = 1500,
    BUFFER_SIZE = 2048,
    RECEIVE_COUNT = 128,
    TRANSMIT_COUNT = 64,
};

typedef struct net {
    kp_virtio_t virtio;
    kp_device_t device;
    uint8_t *receive_buffers[RECEIVE_COUNT];
    uint8_t *transmit_buffers[TRANSMIT_COUNT];
    kp_spinlock_t receive_lock;
    kp_virtqueue_t receive; /* guarded by receive_lock */
    bool receive_armed;     /* READABLE waits for an interrupt; guarded by receive_lock */
    uint64_t received;      /* frames; guarded by receive_lock */
    uint64_t receive_bad;   /* dropped for their length; guarded by receive_lock */
    kp_spinlock_t transmit_lock;
    kp_virtqueue_t transmit;      /* guarded by transmit_lock */
    uint8_t idle[TRANSMIT_COUNT]; /* buffers that wait for a frame; guarded by transmit_lock */
    uint32_t idle_count;          /* guarded by transmit_lock */
    uint64_t transmitted;         /* guarded by transmit_lock */
    uint8_t mac[6];
} net_t;

static void receive_interrupt(void *argument)
{
    net_t *net = argument;
    kp_device_signal(&net->device, 0, KP_SIGNAL_READABLE);
}

/* Takes back finished buffers. Holds transmit_lock. */
static void transmit_reclaim(net_t *net)
{
    uint32_t token, written;
    while (kp_virtqueue_take(&net->transmit, &token, &written) == KP_OK)
        net->idle[net->idle_count++] = (uint8_t)token;
}

static void transmit_interrupt(void *argument)
{
    net_t *net = argument;
    kp_spin_lock(&net->transmit_lock);
    transmit_reclaim(net);
    /* A writer may have taken and used again what this interrupt is about: then the next one. */
    if (net->idle_count == 0 && kp_virtqueue_arm(&net->transmit))
        transmit_reclaim(net);
    bool room = net->idle_count > 0;
    if (room)
        kp_virtqueue_disarm(&net->transmit);
    kp_spin_unlock(&net->transmit_lock);
    if (room)
        kp_device_signal(&net->device, 0, KP_SIGNAL_WRITABLE);
}

/* Gives receive buffer `token` to the device; told at the next kick. Holds receive_lock. */
static void receive_offer(net_t *net, uint32_t token)
{
    kp_virtqueue_buffer_t buffer = {kp_x86_physical(net->receive_buffers[token]), BUFFER_SIZE};
    /* There are as many descriptors as buffers, so only a broken queue refuses; take tells of it.
     */
    (void)kp_virtqueue_add(&net->receive, &buffer, 0, 1, token);
}

/* Copies the next good frame to `to`. Holds receive_lock. */
static int64_t receive_frame(net_t *net, void *to, size_t capacity)
{
    uint32_t token, written;
    for (;;) {
        kp_status_t status = kp_virtqueue_take(&net->receive, &token, &written);
        if (status != KP_OK)
            return status;
        size_t size = written > HEADER_SIZE ? written - HEADER_SIZE : 0;
        bool good = size >= FRAME_MIN && size <= FRAME_MAX;
        /* A reader whose buffer is too small for a whole frame loses it, like a bad frame. */
        bool fits = size <= capacity;
        if (good && fits)
            memcpy(to, net->receive_buffers[token] + HEADER_SIZE, size);
        receive_offer(net, token);
        net->received++;
        if (good && fits)
            return (int64_t)size;
        net->receive_bad++;
        if (good)
            return KP_ERR_BUFFER_TOO_SMALL;
    }
}

static int64_t net_read(kp_device_t *device, void *to, size_t capacity)
{
    net_t *net = device->driver;
    kp_spin_lock(&net->receive_lock);
    int64_t result = receive_frame(net, to, capacity);
    if (result == KP_ERR_SHOULD_WAIT) {
        /* Cleared before arming: an interrupt after arming sets it again. */
        kp_virtqueue_kick(&net->receive);
        kp_device_signal(device, KP_SIGNAL_READABLE, 0);
        if (kp_virtqueue_arm(&net->receive)) {
            kp_device_signal(device, 0, KP_SIGNAL_READABLE);
            kp_virtqueue_disarm(&net->receive);
            net->receive_armed = false;
            result = receive_frame(net, to, capacity);
        } else {
            net->receive_armed = true;
        }
    } else if (result > 0 && net->receive_armed) {
        /* The frame may be here before its interrupt, which now may never come: without the signal
           the frames behind it would wait for a reader who waits for the signal. */
        kp_device_signal(device, 0, KP_SIGNAL_READABLE);
        kp_virtqueue_disarm(&net->receive);
        net->receive_armed = false;
    }
    /* Give buffers back in groups: each ring of the doorbell is a trip out of the guest. */
    if ((uint16_t)(net->receive.available - net->receive.published) >= RECEIVE_COUNT / 4)
        kp_virtqueue_kick(&net->receive);
    kp_spin_unlock(&net->receive_lock);
    return result;
}

static int64_t net_write(kp_device_t *device, const void *from, size_t count)
{
    net_t *net = device->driver;
    if (count < FRAME_MIN || count > FRAME_MAX)
        return KP_ERR_OUT_OF_RANGE;
    kp_spin_lock(&net->transmit_lock);
    transmit_reclaim(net);
    if (net->idle_count == 0 && !net->transmit.broken) {
        kp_device_signal(device, KP_SIGNAL_WRITABLE, 0);
        if (kp_virtqueue_arm(&net->transmit)) {
            transmit_reclaim(net);
            kp_virtqueue_disarm(&net->transmit);
            kp_device_signal(device, 0, KP_SIGNAL_WRITABLE);
        }
    }
    int64_t result = net->transmit.broken ? KP_ERR_IO : KP_ERR_SHOULD_WAIT;
    if (net->idle_count > 0) {
        uint8_t token = net->idle[net->idle_count - 1];
        uint8_t *buffer = net->transmit_buffers[token];
        memset(buffer, 0, HEADER_SIZE);
        memcpy(buffer + HEADER_SIZE, from, count);
        kp_virtqueue_buffer_t piece = {kp_x86_physical(buffer), (uint32_t)(HEADER_SIZE + count)};
        result = kp_virtqueue_add(&net->transmit, &piece, 1, 0, token);
        if (result == KP_OK) {
            net->idle_count--;
            net->transmitted++;
            kp_virtqueue_kick(&net->transmit);
            result = (int64_t)count;
        }
    }
    kp_spin_unlock(&net->transmit_lock);
    return result;
}

static int64_t net_control(kp_device_t *device, uint32_t op, const void *in, size_t in_count,
                           void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    net_t *net = device->driver;
    (void)in, (void)in_count, (void)vmo;
    if (op != KP_DEVICE_OP_NET_INFO)
        return KP_ERR_NOT_SUPPORTED;
    if (out_capacity < sizeof(kp_net_info_t))
        return KP_ERR_BUFFER_TOO_SMALL;
    kp_net_info_t info = {.mtu = MTU, .link_up = 1};
    memcpy(info.mac, net->mac, sizeof info.mac);
    if (net->virtio.features & FEATURE_STATUS)
        info.link_up = kp_virtio_config_read16(&net->virtio, CONFIG_STATUS) & STATUS_LINK_UP;
    memcpy(out, &info, sizeof info);
    return sizeof info;
}

static const kp_device_ops_t net_ops = {
    .read = net_read, .write = net_write, .control = net_control};

/* Two buffers from each page. On failure the pages stay with the (failed) driver: see net_start. */
static bool buffers_allocate(uint8_t **buffers, size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        uint8_t *page = kp_x86_page_allocate();
        if (!page)
            return false;
        buffers[i] = page;
        buffers[i + 1] = page + BUFFER_SIZE;
    }
    return true;
}

static void buffers_free(uint8_t **buffers, size_t count)
{
    for (size_t i = 0; i < count; i += 2) {
        if (buffers[i])
            kp_x86_page_free(buffers[i]);
    }
}

static void mac_read(net_t *net)
{
    if (net->virtio.features & FEATURE_MAC) {
        for (uint32_t i = 0; i < 6; i++)
            net->mac[i] = kp_virtio_config_read8(&net->virtio, CONFIG_MAC + i);
        return;
    }
    /* The device has none: a random, locally administered one. */
    if (kp_machine_random(net->mac, sizeof net->mac) != KP_OK)
        memcpy(net->mac, "\x02KPIO\x01", sizeof net->mac);
    net->mac[0] = (uint8_t)((net->mac[0] & 0xfc) | 0x02);
}

static kp_status_t net_bring_up(net_t *net)
{
    kp_status_t status =
        kp_virtio_negotiate(&net->virtio, FEATURE_MAC | FEATURE_STATUS | KP_VIRTIO_F_EVENT_INDEX);
    if (status == KP_OK)
        status = kp_virtio_queue_start(&net->virtio, &net->receive, 0, RECEIVE_COUNT,
                                       receive_interrupt, net);
    if (status == KP_OK)
        status = kp_virtio_queue_start(&net->virtio, &net->transmit, 1, TRANSMIT_COUNT,
                                       transmit_interrupt, net);
    if (status != KP_OK)
        return status;
    mac_read(net);
    kp_virtqueue_disarm(&net->transmit);
    for (uint32_t i = 0; i < net->receive.size; i++)
        receive_offer(net, i);
    for (uint32_t i = 0; i < net->transmit.size; i++)
        net->idle[net->idle_count++] = (uint8_t)i;
    kp_virtqueue_arm(&net->receive);
    net->receive_armed = true;
    status = kp_device_register(&net->device);
    if (status != KP_OK)
        return status;
    kp_device_signal(&net->device, 0, KP_SIGNAL_WRITABLE);
    kp_virtio_ready(&net->virtio);
    kp_virtqueue_kick(&net->receive);
    return KP_OK;
}

kp_status_t kp_virtio_net_start(const kp_pci_function_t *function, uint32_t index)
{
    static const char *const names[] = {"net0", "net1", "net2", "net3"};
    if (index >= KP_ARRAY_COUNT(names))
        return KP_ERR_NOT_SUPPORTED;
    net_t *net = kp_kalloc(sizeof *net);
    if (!net)
        return KP_ERR_NO_MEMORY;
    kp_spin_init(&net->receive_lock);
    kp_spin_init(&net->transmit_lock);
    net->device =
        (kp_device_t){.kind = KP_DEVICE_NET, .name = names[index], .ops = &net_ops, .driver = net};
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (buffers_allocate(net->receive_buffers, RECEIVE_COUNT) &&
        buffers_allocate(net->transmit_buffers, TRANSMIT_COUNT))
        status = kp_virtio_open(&net->virtio, function, names[index]);
    if (status == KP_OK)
        status = net_bring_up(net);
    if (status == KP_OK) {
        kp_log("net", KP_LOG_INFO, "%s: mac %02x:%02x:%02x:%02x:%02x:%02x, %s, %s", names[index],
               net->mac[0], net->mac[1], net->mac[2], net->mac[3], net->mac[4], net->mac[5],
               net->virtio.features & KP_VIRTIO_F_EVENT_INDEX ? "event index" : "no event index",
               net->receive.fence_register ? "fence by register" : "fence by processor");
        return KP_OK;
    }
    kp_virtio_fail(&net->virtio); /* before its memory goes back */
    buffers_free(net->receive_buffers, RECEIVE_COUNT);
    buffers_free(net->transmit_buffers, TRANSMIT_COUNT);
    /* The state itself stays: an interrupt vector may still name it. */
    return status;
}
