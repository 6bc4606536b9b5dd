/* virtio-gpu, 2D commands on one scan-out. A scan-out VMO becomes the backing of a host resource; a
   flush transfers a rectangle to the host and shows it.

   Commands are synchronous: the calling thread parks until the device has answered, because after
   a flush returns the caller may paint into the same pixels again. One caller at a time; a second
   one gets ERR_SHOULD_WAIT. A device that does not answer within ten seconds is given up. */
#include "kernel/drivers/device.h"
#include "kernel/drivers/gpu_protocol.h"
#include "kernel/drivers/virtio.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    CONTROL_ENTRIES = 64,
    CURSOR_ENTRIES = 16,
    MODE_WIDTH = 1280, /* when the device does not say */
    MODE_HEIGHT = 800,
    SIDE_MAX = 16384,
    PIECES_PER_PAGE = KP_PAGE_SIZE / sizeof(gpu_piece_t),
    LIST_PAGES_MAX = KP_VIRTQUEUE_CHAIN_MAX - 2,
    /* The command page: two commands with their answers at a time. */
    SLOT_SIZE = 1024,
    SLOT_ANSWER = 256,
    CURSOR_RESOURCE = 3, /* screens use 1 and 2 in turn */
};
/* A guard against a dead device: much longer than a busy host may keep a living one waiting. */
#define ANSWER_TIMEOUT (10 * KP_NS_PER_S)

typedef struct gpu {
    kp_virtio_t virtio;
    kp_device_t device;
    kp_spinlock_t lock;
    kp_virtqueue_t control; /* guarded by lock */
    kp_virtqueue_t cursor;  /* guarded by lock */
    kp_thread_t *waiter;    /* guarded by lock */
    bool busy;              /* a thread is in an operation; guarded by lock */
    bool dead;              /* the device broke the rules; set by the busy thread */
    /* The rest belongs to the busy thread. */
    uint8_t *commands; /* a page */
    uint8_t *cursor_commands;
    uint32_t resource; /* on the screen, 0: none */
    uint32_t width, height;
    uint32_t row_pixels;
    kp_vmo_t *vmo;
    bool has_cursor, no_cursor, cursor_visible; /* no_cursor: the device refused its picture */
} gpu_t;

static void control_interrupt(void *argument)
{
    gpu_t *gpu = argument;
    kp_spin_lock(&gpu->lock);
    if (gpu->waiter)
        kp_machine_thread_unpark(gpu->waiter);
    kp_spin_unlock(&gpu->lock);
}

static bool gpu_acquire(gpu_t *gpu)
{
    kp_spin_lock(&gpu->lock);
    bool mine = !gpu->busy;
    gpu->busy = true;
    kp_spin_unlock(&gpu->lock);
    return mine;
}

static void gpu_release(gpu_t *gpu)
{
    kp_spin_lock(&gpu->lock);
    gpu->busy = false;
    kp_spin_unlock(&gpu->lock);
}

/* The command in slot 0 or 1, zeroed, with its kind filled in. */
static void *command_begin(gpu_t *gpu, uint32_t slot, uint32_t kind)
{
    uint8_t *command = gpu->commands + (size_t)slot * SLOT_SIZE;
    memset(command, 0, SLOT_SIZE);
    ((gpu_header_t *)(void *)command)->kind = kind;
    return command;
}

/* Offers the slot's command of `size` bytes, followed by extra_count lent buffers. */
static kp_status_t command_offer(gpu_t *gpu, uint32_t slot, uint32_t size,
                                 const kp_virtqueue_buffer_t *extra, size_t extra_count)
{
    kp_virtqueue_buffer_t buffers[KP_VIRTQUEUE_CHAIN_MAX];
    uint64_t physical = kp_x86_physical(gpu->commands) + (uint64_t)slot * SLOT_SIZE;
    if (extra_count > LIST_PAGES_MAX)
        return KP_ERR_TOO_LARGE;
    buffers[0] = (kp_virtqueue_buffer_t){physical, size};
    for (size_t i = 0; i < extra_count; i++)
        buffers[1 + i] = extra[i];
    buffers[1 + extra_count] =
        (kp_virtqueue_buffer_t){physical + SLOT_ANSWER, SLOT_SIZE - SLOT_ANSWER};
    kp_spin_lock(&gpu->lock);
    kp_status_t status = kp_virtqueue_add(&gpu->control, buffers, 1 + extra_count, 1, slot);
    kp_spin_unlock(&gpu->lock);
    return status;
}

/* Sends what was offered and waits for `count` answers, each of which must be `kind`.
   ERR_IO also when the device answered an error. */
static kp_status_t commands_finish(gpu_t *gpu, uint32_t count, uint32_t kind)
{
    kp_time_t deadline = kp_machine_now() + ANSWER_TIMEOUT;
    kp_status_t result = KP_OK, status;
    uint32_t answered = 0, slot, written;
    kp_spin_lock(&gpu->lock);
    gpu->waiter = kp_machine_thread_current();
    kp_virtqueue_kick(&gpu->control);
    for (;;) {
        status = kp_virtqueue_take(&gpu->control, &slot, &written);
        if (status == KP_OK) {
            const volatile gpu_header_t *answer =
                (const volatile void *)(gpu->commands + (size_t)slot * SLOT_SIZE + SLOT_ANSWER);
            if (written < sizeof *answer || answer->kind != kind)
                result = KP_ERR_IO;
            if (++answered == count)
                break;
            continue;
        }
        if (status != KP_ERR_SHOULD_WAIT || kp_machine_now() >= deadline) {
            gpu->dead = true;
            result = KP_ERR_IO;
            break;
        }
        if (kp_virtqueue_arm(&gpu->control))
            continue;
        kp_spin_unlock(&gpu->lock);
        /* Also a thread that is being killed stays until the device is done with our memory. */
        kp_machine_thread_park(deadline);
        kp_spin_lock(&gpu->lock);
    }
    gpu->waiter = NULL;
    kp_virtqueue_disarm(&gpu->control);
    kp_spin_unlock(&gpu->lock);
    if (gpu->dead)
        kp_log("gpu", KP_LOG_ERROR, "%s does not answer; given up", gpu->device.name);
    return result;
}

static kp_status_t command_run(gpu_t *gpu, uint32_t size)
{
    kp_status_t status = command_offer(gpu, 0, size, NULL, 0);
    return status == KP_OK ? commands_finish(gpu, 1, GPU_ANSWER_OK) : status;
}

static kp_status_t resource_create(gpu_t *gpu, uint32_t id, uint32_t format, uint32_t width,
                                   uint32_t height)
{
    gpu_create_t *command = command_begin(gpu, 0, GPU_RESOURCE_CREATE_2D);
    command->resource = id;
    command->format = format;
    command->width = width;
    command->height = height;
    return command_run(gpu, sizeof *command);
}

/* After it the device no longer touches the resource's pages. */
static kp_status_t resource_drop(gpu_t *gpu, uint32_t id)
{
    gpu_resource_t *command = command_begin(gpu, 0, GPU_RESOURCE_UNREF);
    command->resource = id;
    return command_run(gpu, sizeof *command);
}

/* The scatter list of a VMO's first `size` bytes, neighbouring pages joined. */
typedef struct piece_list {
    gpu_piece_t *pages[LIST_PAGES_MAX];
    uint32_t count; /* of pieces */
} piece_list_t;

static void piece_list_clear(piece_list_t *list)
{
    for (size_t i = 0; i < LIST_PAGES_MAX && list->pages[i]; i++)
        kp_x86_page_free(list->pages[i]);
}

static kp_status_t piece_list_fill(piece_list_t *list, kp_vmo_t *vmo, uint64_t size)
{
    gpu_piece_t *last = NULL;
    for (uint64_t offset = 0; offset < size; offset += KP_PAGE_SIZE) {
        void *page = kp_vmo_page(vmo, offset);
        if (!page)
            return KP_ERR_NO_MEMORY;
        uint64_t physical = kp_x86_physical(page);
        if (last && last->physical + last->length == physical && last->length < 1u << 30) {
            last->length += KP_PAGE_SIZE;
            continue;
        }
        uint32_t at = list->count / PIECES_PER_PAGE;
        if (at >= LIST_PAGES_MAX)
            return KP_ERR_TOO_LARGE;
        if (!list->pages[at] && !(list->pages[at] = kp_x86_page_allocate_zeroed()))
            return KP_ERR_NO_MEMORY;
        last = &list->pages[at][list->count++ % PIECES_PER_PAGE];
        *last = (gpu_piece_t){.physical = physical, .length = KP_PAGE_SIZE};
    }
    return KP_OK;
}

static kp_status_t resource_attach(gpu_t *gpu, uint32_t id, const piece_list_t *list)
{
    kp_virtqueue_buffer_t extra[LIST_PAGES_MAX];
    size_t extra_count = 0;
    for (uint32_t at = 0; at < list->count; at += PIECES_PER_PAGE) {
        uint32_t pieces = KP_MIN(list->count - at, (uint32_t)PIECES_PER_PAGE);
        extra[extra_count] = (kp_virtqueue_buffer_t){kp_x86_physical(list->pages[extra_count]),
                                                     pieces * (uint32_t)sizeof(gpu_piece_t)};
        extra_count++;
    }
    gpu_attach_t *command = command_begin(gpu, 0, GPU_RESOURCE_ATTACH);
    command->resource = id;
    command->piece_count = list->count;
    kp_status_t status = command_offer(gpu, 0, sizeof *command, extra, extra_count);
    return status == KP_OK ? commands_finish(gpu, 1, GPU_ANSWER_OK) : status;
}

static kp_status_t scanout_set(gpu_t *gpu, uint32_t id, uint32_t width, uint32_t height)
{
    gpu_set_scanout_t *command = command_begin(gpu, 0, GPU_SET_SCANOUT);
    command->rect = (gpu_rect_t){0, 0, width, height};
    command->resource = id;
    return command_run(gpu, sizeof *command);
}

/* The rectangle lies inside the screen. Both commands go in one trip. */
static kp_status_t rect_flush(gpu_t *gpu, const kp_gpu_rect_t *rect)
{
    gpu_rect_t wire = {rect->x, rect->y, rect->width, rect->height};
    gpu_transfer_t *transfer = command_begin(gpu, 0, GPU_TRANSFER_TO_HOST);
    transfer->rect = wire;
    transfer->offset = ((uint64_t)rect->y * gpu->row_pixels + rect->x) * 4;
    transfer->resource = gpu->resource;
    gpu_flush_t *flush = command_begin(gpu, 1, GPU_RESOURCE_FLUSH);
    flush->rect = wire;
    flush->resource = gpu->resource;
    kp_status_t status = command_offer(gpu, 0, sizeof *transfer, NULL, 0);
    if (status == KP_OK)
        status = command_offer(gpu, 1, sizeof *flush, NULL, 0);
    return status == KP_OK ? commands_finish(gpu, 2, GPU_ANSWER_OK) : status;
}

static int64_t gpu_scanout(gpu_t *gpu, const kp_gpu_scanout_t *scanout, kp_vmo_t *vmo)
{
    uint64_t bytes = (uint64_t)scanout->stride * scanout->height;
    if (!vmo || scanout->width == 0 || scanout->height == 0 || scanout->height > SIDE_MAX ||
        scanout->stride % 4 != 0 || scanout->stride / 4 > SIDE_MAX ||
        scanout->width > scanout->stride / 4)
        return KP_ERR_INVALID_ARGUMENT;
    if (bytes > kp_vmo_size(vmo))
        return KP_ERR_OUT_OF_RANGE;
    uint32_t old = gpu->resource, id = old == 1 ? 2 : 1;
    piece_list_t list = {0};
    kp_status_t status = piece_list_fill(&list, vmo, bytes);
    if (status == KP_OK)
        status = resource_create(gpu, id, GPU_FORMAT_BGRX, scanout->stride / 4, scanout->height);
    if (status != KP_OK) {
        piece_list_clear(&list);
        return status;
    }
    status = resource_attach(gpu, id, &list);
    piece_list_clear(&list);
    if (status == KP_OK)
        status = scanout_set(gpu, id, scanout->width, scanout->height);
    if (status != KP_OK) {
        (void)resource_drop(gpu, id); /* the first error is the one to tell */
        return status;
    }
    gpu->resource = id;
    gpu->width = scanout->width;
    gpu->height = scanout->height;
    gpu->row_pixels = scanout->stride / 4;
    kp_vmo_t *old_vmo = gpu->vmo;
    gpu->vmo = vmo;
    status = old ? resource_drop(gpu, old) : KP_OK;
    /* While the device may still read the old pages they must not be reused. */
    if (old_vmo && status == KP_OK)
        kp_vmo_release(old_vmo);
    (void)rect_flush(gpu, &(kp_gpu_rect_t){0, 0, gpu->width, gpu->height});
    return 0;
}

static int64_t gpu_flush(gpu_t *gpu, kp_gpu_rect_t rect)
{
    if (!gpu->resource)
        return KP_ERR_BAD_STATE;
    if (rect.x >= gpu->width || rect.y >= gpu->height)
        return 0;
    rect.width = KP_MIN(rect.width, gpu->width - rect.x);
    rect.height = KP_MIN(rect.height, gpu->height - rect.y);
    return rect.width && rect.height ? rect_flush(gpu, &rect) : 0;
}

static kp_status_t gpu_mode(gpu_t *gpu, kp_gpu_mode_t *mode)
{
    (void)command_begin(gpu, 0, GPU_GET_DISPLAY_INFO);
    kp_status_t status = command_offer(gpu, 0, sizeof(gpu_header_t), NULL, 0);
    if (status == KP_OK)
        status = commands_finish(gpu, 1, GPU_ANSWER_DISPLAY_INFO);
    if (status != KP_OK)
        return status;
    const gpu_display_info_t *info = (const void *)(gpu->commands + SLOT_ANSWER);
    *mode = (kp_gpu_mode_t){info->rect.width, info->rect.height};
    if (!info->enabled || mode->width == 0 || mode->width > SIDE_MAX || mode->height == 0 ||
        mode->height > SIDE_MAX)
        *mode = (kp_gpu_mode_t){MODE_WIDTH, MODE_HEIGHT};
    return KP_OK;
}

/* The pointer's picture as a host resource; once. */
static kp_status_t cursor_create(gpu_t *gpu)
{
    size_t page_count = GPU_CURSOR_SIDE * GPU_CURSOR_SIDE * 4 / KP_PAGE_SIZE;
    uint32_t *pixels = kp_x86_pages_allocate(page_count);
    piece_list_t list = {.count = 1, .pages = {kp_x86_page_allocate_zeroed()}};
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (pixels && list.pages[0]) {
        kp_gpu_cursor_draw(pixels);
        list.pages[0][0] = (gpu_piece_t){.physical = kp_x86_physical(pixels),
                                         .length = (uint32_t)page_count * KP_PAGE_SIZE};
        status = resource_create(gpu, CURSOR_RESOURCE, GPU_FORMAT_BGRA, GPU_CURSOR_SIDE,
                                 GPU_CURSOR_SIDE);
    }
    if (status == KP_OK)
        status = resource_attach(gpu, CURSOR_RESOURCE, &list);
    if (status == KP_OK) {
        gpu_transfer_t *transfer = command_begin(gpu, 0, GPU_TRANSFER_TO_HOST);
        transfer->rect = (gpu_rect_t){0, 0, GPU_CURSOR_SIDE, GPU_CURSOR_SIDE};
        transfer->resource = CURSOR_RESOURCE;
        status = command_run(gpu, sizeof *transfer);
    }
    if (list.pages[0])
        kp_x86_page_free(list.pages[0]);
    /* A device that refused may still know the pages; only without a resource they are ours. */
    if (status == KP_ERR_NO_MEMORY && pixels)
        kp_x86_pages_free(pixels, page_count);
    gpu->has_cursor = status == KP_OK;
    gpu->no_cursor = status != KP_OK && status != KP_ERR_NO_MEMORY;
    return status;
}

/* Not waited for: the next move makes a lost one good. */
static int64_t gpu_cursor(gpu_t *gpu, const kp_gpu_cursor_t *cursor)
{
    if (gpu->no_cursor)
        return KP_ERR_NOT_SUPPORTED;
    if (!gpu->has_cursor && cursor->visible) {
        kp_status_t status = cursor_create(gpu);
        if (status != KP_OK)
            return status;
    }
    bool visible = cursor->visible && gpu->has_cursor;
    bool update = visible != gpu->cursor_visible;
    if (!update && !visible)
        return 0;
    uint32_t token, written, slot;
    kp_spin_lock(&gpu->lock);
    while (kp_virtqueue_take(&gpu->cursor, &token, &written) == KP_OK)
        continue;
    kp_status_t status = KP_ERR_SHOULD_WAIT;
    slot = gpu->cursor.available % gpu->cursor.size; /* in use at most by what is finished */
    if (gpu->cursor.outstanding < gpu->cursor.size) {
        gpu_cursor_t *command = (void *)(gpu->cursor_commands + slot * sizeof *command);
        *command = (gpu_cursor_t){
            .header.kind = update ? GPU_UPDATE_CURSOR : GPU_MOVE_CURSOR,
            .x = (uint32_t)KP_MAX(cursor->x, 0),
            .y = (uint32_t)KP_MAX(cursor->y, 0),
            .resource = visible ? CURSOR_RESOURCE : 0,
        };
        kp_virtqueue_buffer_t buffer = {kp_x86_physical(command), sizeof *command};
        status = kp_virtqueue_add(&gpu->cursor, &buffer, 1, 0, slot);
        kp_virtqueue_kick(&gpu->cursor);
    }
    kp_spin_unlock(&gpu->lock);
    if (status == KP_OK)
        gpu->cursor_visible = visible;
    return status;
}

static int64_t gpu_control(kp_device_t *device, uint32_t op, const void *in, size_t in_count,
                           void *out, size_t out_capacity, kp_vmo_t *vmo)
{
    static const size_t in_sizes[] = {[KP_DEVICE_OP_GPU_MODE] = 0,
                                      [KP_DEVICE_OP_GPU_SCANOUT] = sizeof(kp_gpu_scanout_t),
                                      [KP_DEVICE_OP_GPU_FLUSH] = sizeof(kp_gpu_rect_t),
                                      [KP_DEVICE_OP_GPU_CURSOR] = sizeof(kp_gpu_cursor_t)};
    gpu_t *gpu = device->driver;
    union {
        kp_gpu_scanout_t scanout;
        kp_gpu_rect_t rect;
        kp_gpu_cursor_t cursor;
    } request = {0};
    kp_gpu_mode_t mode;
    if (op < KP_DEVICE_OP_GPU_MODE || op > KP_DEVICE_OP_GPU_CURSOR)
        return KP_ERR_NOT_SUPPORTED;
    if (in_count < in_sizes[op])
        return KP_ERR_INVALID_ARGUMENT;
    if (op == KP_DEVICE_OP_GPU_MODE && out_capacity < sizeof mode)
        return KP_ERR_BUFFER_TOO_SMALL;
    if (in_sizes[op] > 0)
        memcpy(&request, in, in_sizes[op]);
    if (!gpu_acquire(gpu))
        return KP_ERR_SHOULD_WAIT;
    int64_t result = KP_ERR_IO;
    if (gpu->dead) {
        result = KP_ERR_IO;
    } else if (op == KP_DEVICE_OP_GPU_SCANOUT) {
        result = gpu_scanout(gpu, &request.scanout, vmo);
    } else if (op == KP_DEVICE_OP_GPU_FLUSH) {
        result = gpu_flush(gpu, request.rect);
    } else if (op == KP_DEVICE_OP_GPU_CURSOR) {
        result = gpu_cursor(gpu, &request.cursor);
    } else {
        result = gpu_mode(gpu, &mode);
        if (result == KP_OK) {
            memcpy(out, &mode, sizeof mode);
            result = sizeof mode;
        }
    }
    gpu_release(gpu);
    return result;
}

static const kp_device_ops_t gpu_ops = {.control = gpu_control};

kp_status_t kp_virtio_gpu_start(const kp_pci_function_t *function, uint32_t index)
{
    if (index > 0)
        return KP_ERR_NOT_SUPPORTED;
    gpu_t *gpu = kp_kalloc(sizeof *gpu);
    if (!gpu)
        return KP_ERR_NO_MEMORY;
    kp_spin_init(&gpu->lock);
    gpu->device =
        (kp_device_t){.kind = KP_DEVICE_GPU, .name = "gpu0", .ops = &gpu_ops, .driver = gpu};
    gpu->commands = kp_x86_page_allocate_zeroed();
    gpu->cursor_commands = kp_x86_page_allocate_zeroed();
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (gpu->commands && gpu->cursor_commands)
        status = kp_virtio_open(&gpu->virtio, function, "gpu0");
    if (status == KP_OK)
        status = kp_virtio_negotiate(&gpu->virtio, KP_VIRTIO_F_EVENT_INDEX);
    if (status == KP_OK)
        status = kp_virtio_queue_start(&gpu->virtio, &gpu->control, 0, CONTROL_ENTRIES,
                                       control_interrupt, gpu);
    if (status == KP_OK)
        status = kp_virtio_queue_start(&gpu->virtio, &gpu->cursor, 1, CURSOR_ENTRIES, NULL, NULL);
    if (status == KP_OK)
        status = kp_device_register(&gpu->device);
    if (status == KP_OK) {
        kp_virtio_ready(&gpu->virtio);
        kp_log("gpu", KP_LOG_INFO, "gpu0: virtio, 2D");
        return KP_OK;
    }
    kp_virtio_fail(&gpu->virtio);
    if (gpu->commands)
        kp_x86_page_free(gpu->commands);
    if (gpu->cursor_commands)
        kp_x86_page_free(gpu->cursor_commands);
    return status; /* the state stays: an interrupt vector may still name it */
}
