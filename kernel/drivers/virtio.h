/* One virtio device over PCI, modern interface only (virtio 1.x, 4.1). The bring-up of a driver:
     kp_virtio_open      finds the registers, resets, ACKNOWLEDGE | DRIVER
     kp_virtio_negotiate features
     kp_virtio_queue_start for each queue
     kp_virtio_ready     DRIVER_OK
   and kp_virtio_fail when a step went wrong. Thread context, one thread, until kp_virtio_ready. */
#ifndef KP_KERNEL_DRIVERS_VIRTIO_H
#define KP_KERNEL_DRIVERS_VIRTIO_H

#include "kernel/drivers/pci.h"
#include "kernel/drivers/virtqueue.h"

#define KP_VIRTIO_VENDOR 0x1af4u
#define KP_VIRTIO_DEVICE_BASE 0x1040u /* PCI device id of virtio type 0 */

enum {
    KP_VIRTIO_TYPE_NET = 1,
    KP_VIRTIO_TYPE_RNG = 4,
    KP_VIRTIO_TYPE_GPU = 16,
    KP_VIRTIO_TYPE_INPUT = 18,
};

/* Feature bits of every device. */
#define KP_VIRTIO_F_EVENT_INDEX (1ull << 29)
#define KP_VIRTIO_F_VERSION_1 (1ull << 32)

typedef struct kp_virtio {
    kp_pci_function_t pci;
    volatile uint8_t *common; /* registers; sizes were checked at open */
    volatile uint8_t *notify;
    volatile uint8_t *config; /* device-specific; NULL: none */
    uint64_t notify_size;
    uint32_t notify_multiplier;
    uint32_t config_size;
    uint64_t features; /* negotiated */
    const char *name;  /* for the log */
} kp_virtio_t;

/* The virtio type of a PCI function, 0 when it is no modern virtio device. */
uint32_t kp_virtio_type(const kp_pci_function_t *function);

/* name: static, "net0". ERR_NOT_SUPPORTED: not a modern virtio-pci device with MSI-X;
   ERR_BAD_FORMAT: registers outside their BAR; ERR_IO: the reset did not take. */
kp_status_t kp_virtio_open(kp_virtio_t *device, const kp_pci_function_t *function,
                           const char *name);

/* Accepts VERSION_1 and what of `wanted` the device offers. ERR_NOT_SUPPORTED: no VERSION_1, or
   the device refuses the choice. */
kp_status_t kp_virtio_negotiate(kp_virtio_t *device, uint64_t wanted);

/* Sets up queue `index` with at most max_size entries. handler(argument): interrupt when chains
   finish (see pci.h), NULL: none wanted. MSI-X entry `index` + 1 is used, entry 0 is for
   configuration changes. */
kp_status_t kp_virtio_queue_start(kp_virtio_t *device, kp_virtqueue_t *queue, uint16_t index,
                                  uint16_t max_size, void (*handler)(void *), void *argument);

/* Interrupt when the device's configuration changes. */
kp_status_t kp_virtio_config_watch(kp_virtio_t *device, void (*handler)(void *), void *argument);

void kp_virtio_ready(kp_virtio_t *device);
/* Tells the device that it is given up and must not touch memory any more (reset). The memory of
   its queues is not reused. */
void kp_virtio_fail(kp_virtio_t *device);

/* Device-specific configuration; reads beyond its end give 0, writes there do nothing. */
uint8_t kp_virtio_config_read8(const kp_virtio_t *device, uint32_t offset);
uint16_t kp_virtio_config_read16(const kp_virtio_t *device, uint32_t offset);
uint32_t kp_virtio_config_read32(const kp_virtio_t *device, uint32_t offset);
void kp_virtio_config_write8(const kp_virtio_t *device, uint32_t offset, uint8_t value);

/* Drivers: each copies the function and keeps its own state for ever; on an error the device is
   reset and nothing was registered. index: 0 for the first of its kind, gives the name. */
kp_status_t kp_virtio_net_start(const kp_pci_function_t *function, uint32_t index);
kp_status_t kp_virtio_gpu_start(const kp_pci_function_t *function, uint32_t index);
kp_status_t kp_virtio_input_start(const kp_pci_function_t *function, uint32_t index);
kp_status_t kp_virtio_rng_start(const kp_pci_function_t *function, uint32_t index);
/* Waits a few milliseconds at most for the rng's first bytes and gives them to the kernel's
   generator; nothing happens without a virtio-rng. Later reads of rng0 would seed it otherwise. */
void kp_virtio_rng_seed(void);

#endif
