/* The world around one driver on the host: virtio's transport, pages, the core's device calls, and
   a device side that works on the shared rings. "Physical" addresses are pointers. */
#ifndef KP_DRIVERS_TEST_FAKE_H
#define KP_DRIVERS_TEST_FAKE_H

#include "kernel/drivers/device.h"
#include "kernel/drivers/virtio.h"

#define FAKE_QUEUES 2u

typedef struct fake_queue {
    kp_virtqueue_t *queue;
    void (*handler)(void *);
    void *argument;
    uint16_t seen, used; /* the device's indices */
} fake_queue_t;

typedef struct fake {
    fake_queue_t queues[FAKE_QUEUES];
    uint8_t config[256];
    uint64_t offered;    /* feature bits */
    kp_device_t *device; /* what the driver registered */
    kp_signals_t signals;
    kp_time_t now;
    void (*on_park)(void); /* the device's chance while the driver waits */
    uint32_t fail_page_at; /* the n-th page from now cannot be had; 0: all can */
    uint32_t pages;        /* lent now */
    bool failed;           /* kp_virtio_fail was called */
    uint8_t entropy[64];   /* what the kernel's generator was given */
    size_t entropy_size;
    uint32_t vmos_released;
} fake_t;

extern fake_t fake;

/* A fresh world; frees what the driver before it had. */
void fake_reset(void);

/* One descriptor chain as the device sees it. */
typedef struct fake_chain {
    uint16_t head;
    uint32_t count;
    struct {
        uint8_t *bytes;
        uint32_t length;
        bool writable;
    } parts[KP_VIRTQUEUE_CHAIN_MAX];
} fake_chain_t;

/* The next chain that the driver offered; false: none. */
bool fake_next(uint32_t queue, fake_chain_t *chain);
/* Puts an entry on the used ring, as it is. */
void fake_finish(uint32_t queue, uint32_t id, uint32_t length);
/* Copies into the chain's writable parts and finishes it with that length. */
void fake_answer(uint32_t queue, const fake_chain_t *chain, const void *bytes, uint32_t size);
void fake_interrupt(uint32_t queue);

/* A VMO of the fake core. */
kp_vmo_t *fake_vmo_create(uint64_t size);
uint8_t *fake_vmo_bytes(kp_vmo_t *vmo);

#endif
