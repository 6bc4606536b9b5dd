#include "kernel/object/code.h"

static void code_destroy(kp_object_t *object)
{
    kp_object_fini(object);
    kp_kfree(KP_CONTAINER_OF(object, kp_code_t, object));
}

static const kp_object_ops_t code_ops = {.destroy = code_destroy};

kp_status_t kp_code_create(const kp_image_t *image, kp_capability_t *out)
{
    kp_code_t *code = kp_kalloc(sizeof(*code));
    if (!code)
        return KP_ERR_NO_MEMORY;
    kp_object_init(&code->object, KP_TYPE_CODE, &code_ops);
    code->image = image;
    *out = kp_capability_create(&code->object, kp_object_default_rights(KP_TYPE_CODE));
    kp_object_release(&code->object);
    return KP_OK;
}

static void authority_destroy(kp_object_t *object)
{
    (void)object;
    kp_panic("the code authority was destroyed"); /* the first reference never goes */
}

static const kp_object_ops_t authority_ops = {.destroy = authority_destroy};

static kp_object_t authority;

void kp_code_authority_init(void)
{
    if (!authority.ops)
        kp_object_init(&authority, KP_TYPE_CODE_AUTHORITY, &authority_ops);
}

kp_object_t *kp_code_authority(void)
{
    return &authority;
}
