#include "kernel/object/event.h"

static void event_destroy(kp_object_t *object)
{
    kp_object_fini(object);
    kp_kfree(object);
}

static const kp_object_ops_t event_ops = {.destroy = event_destroy};

kp_status_t kp_event_create(kp_capability_t *event)
{
    kp_object_t *object = kp_kalloc(sizeof(*object));
    if (!object)
        return KP_ERR_NO_MEMORY;
    kp_object_init(object, KP_TYPE_EVENT, &event_ops);
    *event = kp_capability_create(object, kp_object_default_rights(KP_TYPE_EVENT));
    kp_object_release(object);
    return KP_OK;
}
