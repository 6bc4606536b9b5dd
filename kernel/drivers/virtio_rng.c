/* virtio-rng: random bytes of the host. What arrives first goes to the kernel's generator; after
   that each read hands out what the device filled and asks for more. */
#include "kernel/drivers/device.h"
#include "kernel/drivers/virtio.h"
#include "kernel/machine/x86_64/interrupt.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    RING_ENTRIES = 2,
    REQUEST_SIZE = 256,
    SEED_SIZE = 64,
};

#define SEED_TIMEOUT (5 * KP_NS_PER_MS)

typedef struct rng {
    kp_virtio_t virtio;
    kp_device_t device;
    kp_spinlock_t lock;
    kp_virtqueue_t requests; /* guarded by lock */
    uint8_t *buffer;         /* a page; the device writes it while a request is out */
    uint32_t available;      /* bytes not handed out yet; guarded by lock */
    bool seeded;             /* guarded by lock */
    kp_thread_t *waiter;     /* guarded by lock */
} rng_t;

/* The one rng, for kp_virtio_rng_seed; set once while the drivers start. */
static rng_t *rng_first;

static void rng_interrupt(void *argument)
{
    rng_t *rng = argument;
    kp_spin_lock(&rng->lock);
    if (rng->waiter)
        kp_machine_thread_unpark(rng->waiter);
    kp_spin_unlock(&rng->lock);
    kp_device_signal(&rng->device, 0, KP_SIGNAL_READABLE);
}

/* Holds the lock. */
static void rng_request(rng_t *rng)
{
    kp_virtqueue_buffer_t piece = {kp_x86_physical(rng->buffer), REQUEST_SIZE};
    (void)kp_virtqueue_add(&rng->requests, &piece, 0, 1, 0); /* one at a time: always fits */
    kp_virtqueue_kick(&rng->requests);
}

static int64_t rng_read(kp_device_t *device, void *to, size_t capacity)
{
    rng_t *rng = device->driver;
    uint8_t seed[SEED_SIZE];
    uint32_t token, written;
    bool has_seed = false;
    kp_status_t status = KP_OK;
    kp_spin_lock(&rng->lock);
    if (rng->available == 0)
        status = kp_virtqueue_take(&rng->requests, &token, &written);
    if (rng->available == 0 && status == KP_OK)
        rng->available = written;
    if (status == KP_OK && !rng->seeded && rng->available >= 2 * SEED_SIZE) {
        rng->available -= SEED_SIZE;
        memcpy(seed, rng->buffer + rng->available, SEED_SIZE);
        rng->seeded = has_seed = true;
    }
    size_t count = KP_MIN(capacity, (size_t)rng->available);
    if (count > 0) {
        rng->available -= (uint32_t)count;
        memcpy(to, rng->buffer + rng->available, count);
        memset(rng->buffer + rng->available, 0, count); /* never twice */
    }
    if (status == KP_OK && rng->available == 0)
        rng_request(rng);
    if (rng->available == 0) {
        kp_device_signal(device, KP_SIGNAL_READABLE, 0);
        if (kp_virtqueue_arm(&rng->requests))
            kp_device_signal(device, 0, KP_SIGNAL_READABLE);
    }
    kp_spin_unlock(&rng->lock);
    if (has_seed)
        kp_x86_entropy_add(seed, sizeof seed);
    if (count > 0)
        return (int64_t)count;
    return status == KP_OK ? KP_ERR_SHOULD_WAIT : status;
}

static const kp_device_ops_t rng_ops = {.read = rng_read};

kp_status_t kp_virtio_rng_start(const kp_pci_function_t *function, uint32_t index)
{
    if (index > 0)
        return KP_ERR_NOT_SUPPORTED;
    rng_t *rng = kp_kalloc(sizeof *rng);
    if (!rng)
        return KP_ERR_NO_MEMORY;
    kp_spin_init(&rng->lock);
    rng->device =
        (kp_device_t){.kind = KP_DEVICE_RNG, .name = "rng0", .ops = &rng_ops, .driver = rng};
    rng->buffer = kp_x86_page_allocate_zeroed();
    kp_status_t status =
        rng->buffer ? kp_virtio_open(&rng->virtio, function, "rng0") : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = kp_virtio_negotiate(&rng->virtio, KP_VIRTIO_F_EVENT_INDEX);
    if (status == KP_OK)
        status = kp_virtio_queue_start(&rng->virtio, &rng->requests, 0, RING_ENTRIES, rng_interrupt,
                                       rng);
    if (status == KP_OK)
        status = kp_device_register(&rng->device);
    if (status != KP_OK) {
        kp_virtio_fail(&rng->virtio);
        if (rng->buffer)
            kp_x86_page_free(rng->buffer);
        return status; /* the state stays: an interrupt vector may still name it */
    }
    kp_virtqueue_arm(&rng->requests);
    kp_virtio_ready(&rng->virtio);
    kp_spin_lock(&rng->lock);
    rng_request(rng);
    kp_spin_unlock(&rng->lock);
    rng_first = rng;
    kp_log("rng", KP_LOG_INFO, "rng0: virtio");
    return KP_OK;
}

void kp_virtio_rng_seed(void)
{
    rng_t *rng = rng_first;
    if (!rng)
        return;
    kp_time_t deadline = kp_machine_now() + SEED_TIMEOUT;
    uint8_t byte;
    kp_spin_lock(&rng->lock);
    rng->waiter = kp_machine_thread_current();
    kp_spin_unlock(&rng->lock);
    /* A read of one byte does the seeding as soon as there are bytes. */
    while (rng_read(&rng->device, &byte, 1) == KP_ERR_SHOULD_WAIT && kp_machine_now() < deadline)
        kp_machine_thread_park(deadline);
    kp_spin_lock(&rng->lock);
    rng->waiter = NULL;
    kp_spin_unlock(&rng->lock);
}
