/* gpu0 over memory: the scan-out VMO is the screen. Also input0, a queue of records that the
   window, or the caller of the machine, fills. */
#include <stdlib.h>
#include <string.h>

#include "abi/device.h"
#include "kernel/machine/hosted/hosted_internal.h"

#define SIDE_MAX 16384u
#define EVENTS_MAX 1024u

static struct {
    kp_spinlock_t lock;
    uint32_t width, height; /* mode; constant */
    kp_vmo_t *vmo;          /* what is shown; NULL: nothing yet; guarded by lock, as what follows */
    kp_gpu_scanout_t scanout;
    kp_hosted_show_fn show;

    kp_spinlock_t input_lock;
    kp_input_event_t events[EVENTS_MAX]; /* ring; guarded by input_lock */
    uint32_t event_first, event_count;
} screen;

/* ---- gpu0 ---- */

static int64_t set_scanout(const void *in, size_t in_count, kp_vmo_t *vmo)
{
    kp_gpu_scanout_t scanout;
    if (in_count < sizeof(scanout) || !vmo)
        return KP_ERR_INVALID_ARGUMENT;
    memcpy(&scanout, in, sizeof(scanout));
    if (scanout.width == 0 || scanout.height == 0 || scanout.width > SIDE_MAX ||
        scanout.height > SIDE_MAX || scanout.stride % 4 != 0 ||
        scanout.stride / 4 < scanout.width ||
        (uint64_t)scanout.stride * scanout.height > kp_vmo_size(vmo))
        return KP_ERR_INVALID_ARGUMENT;
    if (!kp_vmo_page(vmo, 0)) /* maps it whole: later accesses cannot fail */
        return KP_ERR_NO_MEMORY;
    kp_spin_lock(&screen.lock);
    kp_vmo_t *old = screen.vmo;
    screen.vmo = vmo;
    screen.scanout = scanout;
    kp_spin_unlock(&screen.lock);
    if (old)
        kp_vmo_release(old);
    return KP_OK;
}

static int64_t flush(const void *in, size_t in_count)
{
    kp_gpu_rect_t rect;
    if (in_count < sizeof(rect))
        return KP_ERR_INVALID_ARGUMENT;
    memcpy(&rect, in, sizeof(rect));
    kp_spin_lock(&screen.lock);
    const kp_gpu_scanout_t *scanout = &screen.scanout;
    bool is_inside = screen.vmo && rect.x <= scanout->width && rect.y <= scanout->height &&
                     rect.width <= scanout->width - rect.x &&
                     rect.height <= scanout->height - rect.y;
    if (is_inside && screen.show && rect.width > 0 && rect.height > 0)
        screen.show(kp_vmo_page(screen.vmo, 0), scanout->stride, rect.x, rect.y, rect.width,
                    rect.height);
    kp_spin_unlock(&screen.lock);
    return is_inside ? KP_OK : KP_ERR_INVALID_ARGUMENT;
}

static int64_t gpu_control(kp_device_t *device, uint32_t op, const void *in, size_t in_count,
                           void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    (void)device;
    if (op == KP_DEVICE_OP_GPU_SCANOUT)
        return set_scanout(in, in_count, vmo);
    if (op == KP_DEVICE_OP_GPU_FLUSH)
        return flush(in, in_count);
    if (op != KP_DEVICE_OP_GPU_MODE)
        return KP_ERR_NOT_SUPPORTED; /* the host draws the pointer itself */
    kp_gpu_mode_t mode = {screen.width, screen.height};
    if (out_capacity < sizeof(mode))
        return KP_ERR_BUFFER_TOO_SMALL;
    memcpy(out, &mode, sizeof(mode));
    return sizeof(mode);
}

static const kp_device_ops_t gpu_ops = {.control = gpu_control};
static kp_device_t gpu = {.kind = KP_DEVICE_GPU, .name = "gpu0", .ops = &gpu_ops};

void kp_hosted_screen_set_show(kp_hosted_show_fn show)
{
    kp_spin_lock(&screen.lock);
    screen.show = show;
    kp_spin_unlock(&screen.lock);
}

uint8_t *kp_hosted_screen_copy(uint32_t *width, uint32_t *height)
{
    uint8_t *copy = NULL;
    kp_spin_lock(&screen.lock);
    if (screen.vmo) {
        size_t row = (size_t)screen.scanout.width * 4;
        *width = screen.scanout.width;
        *height = screen.scanout.height;
        copy = malloc(row * *height);
        const uint8_t *pixels = kp_vmo_page(screen.vmo, 0);
        for (uint32_t y = 0; copy && y < *height; y++)
            memcpy(copy + y * row, pixels + (size_t)y * screen.scanout.stride, row);
    }
    kp_spin_unlock(&screen.lock);
    return copy;
}

/* ---- input0 ---- */

static int64_t input_read(kp_device_t *device, void *to, size_t capacity)
{
    kp_input_event_t *out = to;
    size_t room = capacity / sizeof(*out), count = 0;
    if (room == 0)
        return KP_ERR_BUFFER_TOO_SMALL;
    kp_spin_lock(&screen.input_lock);
    for (; count < room && screen.event_count > 0; count++) {
        out[count] = screen.events[screen.event_first];
        screen.event_first = (screen.event_first + 1) % EVENTS_MAX;
        screen.event_count--;
    }
    /* Under the lock: a record that comes now sets the signal after this. */
    if (screen.event_count == 0)
        kp_device_signal(device, KP_SIGNAL_READABLE, 0);
    kp_spin_unlock(&screen.input_lock);
    return count > 0 ? (int64_t)(count * sizeof(*out)) : KP_ERR_SHOULD_WAIT;
}

static const kp_device_ops_t input_ops = {.read = input_read};
static kp_device_t input = {.kind = KP_DEVICE_INPUT, .name = "input0", .ops = &input_ops};

void kp_hosted_input(const struct kp_input_event *events, size_t count)
{
    kp_spin_lock(&screen.input_lock);
    /* A batch that does not fit is lost whole, as on a full hardware queue. */
    if (count <= EVENTS_MAX - screen.event_count) {
        for (size_t i = 0; i < count; i++) {
            kp_input_event_t event = events[i];
            event.time_ns = (uint64_t)kp_machine_now();
            screen.events[(screen.event_first + screen.event_count++) % EVENTS_MAX] = event;
        }
        kp_device_signal(&input, 0, KP_SIGNAL_READABLE);
    }
    kp_spin_unlock(&screen.input_lock);
}

kp_status_t kp_hosted_screen_start(uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0 || width > SIDE_MAX || height > SIDE_MAX)
        return KP_ERR_INVALID_ARGUMENT;
    kp_spin_init(&screen.lock);
    kp_spin_init(&screen.input_lock);
    screen.width = width;
    screen.height = height;
    kp_status_t status = kp_device_register(&gpu);
    return status == KP_OK ? kp_device_register(&input) : status;
}
