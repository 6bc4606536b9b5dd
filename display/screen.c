/* The screen: one VMO that the gpu scans out; the compositor paints into it. */
#include "display/display.h"

static void on_flush(void *context, kp_paint_rect_t rect)
{
    kp_display_t *display = context;
    kp_gpu_rect_t wire = {(uint32_t)rect.x0, (uint32_t)rect.y0, (uint32_t)(rect.x1 - rect.x0),
                          (uint32_t)(rect.y1 - rect.y0)};
    int64_t result = kp_device_control(display->screen.device, KP_DEVICE_OP_GPU_FLUSH, &wire,
                                       sizeof wire, NULL, 0);
    if (result < 0)
        kp_log("flush: %s", kp_status_text((kp_status_t)result));
}

static kp_status_t set_scanout(kp_screen_t *screen, const kp_gpu_mode_t *mode)
{
    if (mode->width == 0 || mode->height == 0 || mode->width > 16384 || mode->height > 16384)
        return KP_ERR_NOT_SUPPORTED;
    uint32_t stride = mode->width * 4;
    kp_status_t status = kp_vmo_buffer_create(&screen->pixels, (size_t)stride * mode->height);
    if (status != KP_OK)
        return status;
    kp_gpu_scanout_t scanout = {screen->pixels.vmo, mode->width, mode->height, stride};
    int64_t result = kp_device_control(screen->device, KP_DEVICE_OP_GPU_SCANOUT, &scanout,
                                       sizeof scanout, NULL, 0);
    if (result < 0)
        kp_vmo_buffer_destroy(&screen->pixels);
    return result < 0 ? (kp_status_t)result : KP_OK;
}

void kp_screen_open(kp_display_t *display)
{
    kp_screen_t *screen = &display->screen;
    display->compositor.scale = 256;
    screen->device = kp_startup_take("dev:gpu0");
    if (screen->device == KP_HANDLE_NONE)
        return;
    kp_gpu_mode_t mode = {0};
    int64_t size =
        kp_device_control(screen->device, KP_DEVICE_OP_GPU_MODE, NULL, 0, &mode, sizeof mode);
    kp_status_t status = size < 0                      ? (kp_status_t)size
                         : (size_t)size < sizeof(mode) ? KP_ERR_PROTOCOL
                                                       : set_scanout(screen, &mode);
    if (status != KP_OK) {
        kp_log("no screen: %s", kp_status_text(status));
        return;
    }
    kp_compositor_t *compositor = &display->compositor;
    compositor->target = (kp_paint_target_t){screen->pixels.bytes, mode.width, (int32_t)mode.width,
                                             (int32_t)mode.height};
    compositor->flush = on_flush;
    compositor->context = display;
    kp_compositor_damage(compositor,
                         (kp_paint_rect_t){0, 0, (int32_t)mode.width, (int32_t)mode.height});
    display->pointer.x = (int32_t)mode.width / 2;
    display->pointer.y = (int32_t)mode.height / 2;
    kp_gpu_cursor_t hidden = {0};
    screen->has_hardware_cursor = kp_device_control(screen->device, KP_DEVICE_OP_GPU_CURSOR,
                                                    &hidden, sizeof hidden, NULL, 0) >= 0;
}

void kp_screen_cursor(kp_display_t *display)
{
    const kp_pointer_t *pointer = &display->pointer;
    if (!display->compositor.target.pixels || !pointer->seen)
        return;
    if (display->screen.has_hardware_cursor) {
        kp_gpu_cursor_t cursor = {pointer->x, pointer->y, 1};
        if (kp_device_control(display->screen.device, KP_DEVICE_OP_GPU_CURSOR, &cursor,
                              sizeof cursor, NULL, 0) >= 0)
            return;
        display->screen.has_hardware_cursor = false; /* draw it from now on */
    }
    kp_compositor_cursor(&display->compositor, pointer->x, pointer->y, true);
    kp_display_schedule(display);
}
