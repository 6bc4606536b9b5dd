#include "kernel/drivers/framebuffer.h"

#include "kernel/drivers/device.h"
#include "kernel/machine/x86_64/memory.h"

enum { SIDE_MAX = 16384 };

typedef struct screen {
    kp_boot_framebuffer_t boot;
    volatile uint8_t *pixels;
    kp_device_t device;
    kp_spinlock_t lock;
    bool busy;                      /* a thread is in an operation; guarded by lock */
    kp_vmo_t *vmo;                  /* these belong to the busy thread */
    uint32_t width, height, stride; /* of the scan-out */
} screen_t;

/* Copies one row's part of the VMO, page by page. */
static kp_status_t row_copy(screen_t *screen, uint32_t y, uint32_t x, uint32_t width)
{
    uint64_t offset = (uint64_t)y * screen->stride + (uint64_t)x * 4;
    volatile uint8_t *to = screen->pixels + (uint64_t)y * screen->boot.stride + (uint64_t)x * 4;
    uint32_t left = width * 4;
    while (left > 0) {
        uint32_t in_page = (uint32_t)(offset % KP_PAGE_SIZE);
        uint32_t count = KP_MIN(left, KP_PAGE_SIZE - in_page);
        const uint8_t *page = kp_vmo_page(screen->vmo, offset - in_page);
        if (!page)
            return KP_ERR_NO_MEMORY;
        const uint32_t *from = (const uint32_t *)(const void *)(page + in_page);
        for (uint32_t i = 0; i < count / 4; i++)
            ((volatile uint32_t *)(volatile void *)to)[i] = from[i];
        to += count;
        offset += count;
        left -= count;
    }
    return KP_OK;
}

static int64_t screen_flush(screen_t *screen, kp_gpu_rect_t rect)
{
    uint32_t width = KP_MIN(screen->width, screen->boot.width);
    uint32_t height = KP_MIN(screen->height, screen->boot.height);
    if (!screen->vmo)
        return KP_ERR_BAD_STATE;
    if (rect.x >= width || rect.y >= height)
        return 0;
    rect.width = KP_MIN(rect.width, width - rect.x);
    rect.height = KP_MIN(rect.height, height - rect.y);
    kp_status_t status = KP_OK;
    for (uint32_t row = 0; row < rect.height && status == KP_OK; row++)
        status = row_copy(screen, rect.y + row, rect.x, rect.width);
    return status;
}

static int64_t screen_scanout(screen_t *screen, const kp_gpu_scanout_t *scanout, kp_vmo_t *vmo)
{
    if (!vmo || scanout->width == 0 || scanout->height == 0 || scanout->stride % 4 != 0 ||
        scanout->width > SIDE_MAX || scanout->height > SIDE_MAX ||
        scanout->width > scanout->stride / 4)
        return KP_ERR_INVALID_ARGUMENT;
    if ((uint64_t)scanout->stride * scanout->height > kp_vmo_size(vmo))
        return KP_ERR_OUT_OF_RANGE;
    if (screen->vmo)
        kp_vmo_release(screen->vmo);
    screen->vmo = vmo;
    screen->width = scanout->width;
    screen->height = scanout->height;
    screen->stride = scanout->stride;
    /* The VMO is taken from here on: a failing copy shows at the next flush. */
    (void)screen_flush(screen, (kp_gpu_rect_t){0, 0, scanout->width, scanout->height});
    return 0;
}

static int64_t screen_operate(screen_t *screen, uint32_t op, const void *in, size_t in_count,
                              void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    if (op == KP_DEVICE_OP_GPU_MODE) {
        kp_gpu_mode_t mode = {screen->boot.width, screen->boot.height};
        if (out_capacity < sizeof mode)
            return KP_ERR_BUFFER_TOO_SMALL;
        memcpy(out, &mode, sizeof mode);
        return sizeof mode;
    }
    if (op == KP_DEVICE_OP_GPU_SCANOUT) {
        kp_gpu_scanout_t scanout;
        if (in_count < sizeof scanout)
            return KP_ERR_INVALID_ARGUMENT;
        memcpy(&scanout, in, sizeof scanout);
        return screen_scanout(screen, &scanout, vmo);
    }
    if (op == KP_DEVICE_OP_GPU_FLUSH) {
        kp_gpu_rect_t rect;
        if (in_count < sizeof rect)
            return KP_ERR_INVALID_ARGUMENT;
        memcpy(&rect, in, sizeof rect);
        return screen_flush(screen, rect);
    }
    return KP_ERR_NOT_SUPPORTED; /* no cursor of its own */
}

static int64_t screen_control(kp_device_t *device, uint32_t op, const void *in, size_t in_count,
                              void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    screen_t *screen = device->driver;
    kp_spin_lock(&screen->lock);
    bool mine = !screen->busy;
    screen->busy = true;
    kp_spin_unlock(&screen->lock);
    if (!mine)
        return KP_ERR_SHOULD_WAIT;
    int64_t result = screen_operate(screen, op, in, in_count, out, out_capacity, vmo);
    kp_spin_lock(&screen->lock);
    screen->busy = false;
    kp_spin_unlock(&screen->lock);
    return result;
}

static const kp_device_ops_t screen_ops = {.control = screen_control};

kp_status_t kp_framebuffer_start(const kp_boot_framebuffer_t *framebuffer)
{
    if (!framebuffer->physical_address || framebuffer->bits_per_pixel != 32 ||
        framebuffer->width == 0 || framebuffer->width > SIDE_MAX || framebuffer->height == 0 ||
        framebuffer->height > SIDE_MAX || framebuffer->stride / 4 < framebuffer->width)
        return KP_ERR_NOT_SUPPORTED;
    screen_t *screen = kp_kalloc(sizeof *screen);
    if (!screen)
        return KP_ERR_NO_MEMORY;
    kp_spin_init(&screen->lock);
    screen->boot = *framebuffer;
    screen->device =
        (kp_device_t){.kind = KP_DEVICE_GPU, .name = "gpu0", .ops = &screen_ops, .driver = screen};
    screen->pixels = kp_x86_map_mmio(framebuffer->physical_address,
                                     (uint64_t)framebuffer->stride * framebuffer->height);
    kp_status_t status = screen->pixels ? kp_device_register(&screen->device) : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        kp_kfree(screen);
        return status;
    }
    kp_log("gpu", KP_LOG_INFO, "gpu0: boot frame buffer %ux%u", framebuffer->width,
           framebuffer->height);
    return KP_OK;
}
