/* A code object: a program image as a capability. Only the kernel makes them: from the boot archive. */
#ifndef KP_KERNEL_CODE_H
#define KP_KERNEL_CODE_H

#include "kernel/object/image.h"
#include "kernel/object/object.h"

typedef struct kp_code {
    kp_object_t object;
    const kp_image_t *image; /* stays for ever */
} kp_code_t;

/* A capability with all rights of a code object. ERR_NO_MEMORY. */
kp_status_t kp_code_create(const kp_image_t *image, kp_capability_t *code);

/* Whoever holds a capability to this object (KP_RIGHT_MANAGE) may make code of VMOs: code_create. The
   boot table gives it to the compiler service. One for the system; for ever, and nobody's charge. */
void kp_code_authority_init(void); /* at the kernel's start */
kp_object_t *kp_code_authority(void);

static inline const kp_code_t *kp_code_from_object(kp_object_t *object)
{
    KP_ASSERT(object->type == KP_TYPE_CODE);
    return KP_CONTAINER_OF(object, kp_code_t, object);
}

#endif
