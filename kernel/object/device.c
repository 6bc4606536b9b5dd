#include "kernel/object/device.h"

#define DEVICES_MAX 32u

typedef struct kp_device_object {
    kp_object_t object;
    kp_device_t *device;
} kp_device_object_t;

/* Written once per registration; a slot is published by `count`. Guarded by: lock (writers). */
static kp_device_t *devices[DEVICES_MAX];
static atomic_uint device_count;
static kp_spinlock_t device_lock;

static void device_destroy(kp_object_t *object)
{
    (void)object;
    kp_panic("device: destroyed"); /* the registry's reference never goes */
}

static const kp_object_ops_t device_ops = {.destroy = device_destroy};

kp_status_t kp_device_register(kp_device_t *device)
{
    kp_device_object_t *wrapper = kp_kalloc(sizeof(*wrapper));
    if (!wrapper)
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&device_lock);
    unsigned count = atomic_load(&device_count);
    kp_status_t status = KP_OK;
    if (count == DEVICES_MAX)
        status = KP_ERR_QUOTA;
    else if (kp_device_find(device->name))
        status = KP_ERR_ALREADY_EXISTS;
    if (status == KP_OK) {
        kp_object_init(&wrapper->object, KP_TYPE_DEVICE, &device_ops);
        wrapper->device = device;
        device->object = wrapper;
        devices[count] = device;
        atomic_store_explicit(&device_count, count + 1, memory_order_release);
    }
    kp_spin_unlock(&device_lock);
    if (status != KP_OK)
        kp_kfree(wrapper);
    return status;
}

void kp_device_signal(kp_device_t *device, kp_signals_t clear, kp_signals_t set)
{
    kp_device_object_t *wrapper = device->object;
    if (wrapper) /* an interrupt may come before the driver registered the device */
        kp_object_signal(&wrapper->object, clear, set);
}

kp_device_t *kp_device_at(uint32_t index)
{
    unsigned count = atomic_load_explicit(&device_count, memory_order_acquire);
    return index < count ? devices[index] : NULL;
}

kp_device_t *kp_device_find(const char *name)
{
    for (uint32_t i = 0; kp_device_at(i); i++) {
        if (strcmp(devices[i]->name, name) == 0)
            return devices[i];
    }
    return NULL;
}

kp_object_t *kp_device_object(kp_device_t *device)
{
    return &((kp_device_object_t *)device->object)->object;
}

kp_device_t *kp_device_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_DEVICE);
    return KP_CONTAINER_OF(object, kp_device_object_t, object)->device;
}
