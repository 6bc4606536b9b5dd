/* Devices (kernel/drivers/device.h) as objects that capabilities name. */
#ifndef KP_KERNEL_OBJECT_DEVICE_H
#define KP_KERNEL_OBJECT_DEVICE_H

#include "kernel/drivers/device.h"
#include "kernel/object/object.h"

/* The device by name ("net0"); NULL: none. Devices stay for ever. */
kp_device_t *kp_device_find(const char *name);
/* The index-th registered device; NULL past the last. */
kp_device_t *kp_device_at(uint32_t index);
kp_object_t *kp_device_object(kp_device_t *device);
kp_device_t *kp_device_from_object(kp_object_t *object);

#endif
