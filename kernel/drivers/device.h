/* A device as a kernel object: what a driver (virtio, hosted) fills in and registers; processes
   reach it by the device_* calls (abi/device.h), the core holds it as an object of type DEVICE. */
#ifndef KP_KERNEL_DEVICE_H
#define KP_KERNEL_DEVICE_H

#include "abi/device.h"
#include "kernel/machine/machine.h"

typedef struct kp_device kp_device_t;

/* All are called in thread context without locks held, by one or several threads at once; buffers
   are kernel memory. A NULL op gives ERR_NOT_SUPPORTED. read and write return bytes (> 0) or a
   status, ERR_SHOULD_WAIT when nothing can be done now. */
typedef struct kp_device_ops {
    int64_t (*read)(kp_device_t *device, void *to, size_t capacity);
    int64_t (*write)(kp_device_t *device, const void *from, size_t count);
    /* in, out: as abi/device.h says; for GPU_SCANOUT the core passes the VMO it found in `vmo` (and
       took a reference that the driver owns on success), otherwise NULL. Returns bytes of out. */
    int64_t (*control)(kp_device_t *device, uint32_t op, const void *in, size_t in_count, void *out,
                       size_t out_capacity, kp_vmo_t *vmo);
    /* For the kernel alone: returns when what was written has left, or the deadline has passed. NULL: it leaves
       at once. */
    void (*flush)(kp_device_t *device, kp_time_t deadline);
} kp_device_ops_t;

struct kp_device {
    uint32_t kind;    /* KP_DEVICE_* */
    const char *name; /* "net0", "gpu0", "input0", ... static */
    const kp_device_ops_t *ops;
    void *driver; /* the driver's own state */
    void *object; /* the core's object wrapper, set by kp_device_register */
};

/* Before kp_kernel_main or at any time later, in thread context. The device stays for ever. */
kp_status_t kp_device_register(kp_device_t *device);
/* Sets and clears signals (READABLE, WRITABLE) of the device's object; also from interrupt
 * handlers. */
void kp_device_signal(kp_device_t *device, kp_signals_t clear, kp_signals_t set);
/* VMO access for drivers (kernel/object/vmo.h has the object); release drops the driver's
 * reference. */
uint64_t kp_vmo_size(const kp_vmo_t *vmo);
void *kp_vmo_page(kp_vmo_t *vmo, uint64_t offset);
void kp_vmo_release(kp_vmo_t *vmo);

#endif
