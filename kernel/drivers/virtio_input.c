/* virtio-input: keyboards, mice, tablets. The device fills small event buffers; reading turns them
   into the records of abi/device.h. Time stamps are those of the read: the interrupt wakes the
   reader at once, and handlers do no work. */
#include "kernel/drivers/device.h"
#include "kernel/drivers/virtio.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    EVENT_ENTRIES = 64,
    CONFIG_SELECT = 0,
    CONFIG_SUBSELECT = 1,
    CONFIG_SIZE = 2,
    CONFIG_DATA = 8,
    SELECT_NAME = 1,
    SELECT_ABSOLUTE = 0x12,
    /* Linux event types and codes. */
    TYPE_SYNC = 0,
    TYPE_KEY = 1,
    TYPE_RELATIVE = 2,
    TYPE_ABSOLUTE = 3,
    CODE_WHEEL = 8,
    CODE_GEAR_DOWN = 0x150, /* QEMU without wheel-axis: the wheel as buttons */
    CODE_GEAR_UP = 0x151,
    ABSOLUTE_MAX = 32767,
};

typedef struct wire_event {
    uint16_t type;
    uint16_t code;
    uint32_t value;
} wire_event_t;

typedef struct axis {
    int32_t minimum, maximum;
} axis_t;

typedef struct input {
    kp_virtio_t virtio;
    kp_device_t device;
    kp_spinlock_t lock;
    kp_virtqueue_t events; /* guarded by lock */
    wire_event_t *buffers; /* a page; EVENT_ENTRIES are used */
    axis_t axes[2];        /* x, y */
} input_t;

static void event_interrupt(void *argument)
{
    input_t *input = argument;
    kp_device_signal(&input->device, 0, KP_SIGNAL_READABLE);
}

static void event_offer(input_t *input, uint32_t token)
{
    kp_virtqueue_buffer_t buffer = {kp_x86_physical(&input->buffers[token]), sizeof(wire_event_t)};
    /* As many descriptors as buffers: only a broken queue refuses, and take tells of it. */
    (void)kp_virtqueue_add(&input->events, &buffer, 0, 1, token);
}

/* A device position to 0..32767. */
static int32_t absolute_scale(const axis_t *axis, int32_t value)
{
    int64_t range = (int64_t)axis->maximum - axis->minimum;
    int64_t from = (int64_t)value - axis->minimum;
    if (range <= 0 || from <= 0)
        return 0;
    return from >= range ? ABSOLUTE_MAX : (int32_t)(from * ABSOLUTE_MAX / range);
}

/* False: an event that nobody above knows. */
static bool event_translate(const input_t *input, const wire_event_t *wire, kp_input_event_t *event)
{
    *event = (kp_input_event_t){
        .code = wire->code, .value = (int32_t)wire->value, .time_ns = (uint64_t)kp_machine_now()};
    switch (wire->type) {
    case TYPE_SYNC:
        event->type = KP_INPUT_SYNC;
        return true;
    case TYPE_KEY:
        event->type = KP_INPUT_KEY;
        if (wire->code == CODE_GEAR_UP || wire->code == CODE_GEAR_DOWN) {
            event->type = KP_INPUT_RELATIVE;
            event->value = wire->code == CODE_GEAR_UP ? 1 : -1;
            event->code = CODE_WHEEL;
            return wire->value == 1;
        }
        return true;
    case TYPE_RELATIVE:
        event->type = KP_INPUT_RELATIVE;
        return wire->code <= 1 || wire->code == CODE_WHEEL;
    case TYPE_ABSOLUTE:
        event->type = KP_INPUT_ABSOLUTE;
        if (wire->code > 1)
            return false;
        event->value = absolute_scale(&input->axes[wire->code], event->value);
        return true;
    default:
        return false;
    }
}

/* Fills at most `room` records. Holds the lock. */
static size_t events_take(input_t *input, kp_input_event_t *events, size_t room,
                          kp_status_t *status)
{
    size_t count = 0;
    uint32_t token, written;
    *status = KP_OK;
    while (count < room) {
        *status = kp_virtqueue_take(&input->events, &token, &written);
        if (*status != KP_OK)
            break;
        wire_event_t wire = input->buffers[token];
        if (written >= sizeof wire && event_translate(input, &wire, &events[count]))
            count++;
        event_offer(input, token);
    }
    kp_virtqueue_kick(&input->events);
    return count;
}

static int64_t input_read(kp_device_t *device, void *to, size_t capacity)
{
    input_t *input = device->driver;
    kp_input_event_t events[32];
    size_t room = KP_MIN(capacity / sizeof events[0], KP_ARRAY_COUNT(events));
    kp_status_t status;
    if (room == 0)
        return KP_ERR_BUFFER_TOO_SMALL;
    kp_spin_lock(&input->lock);
    size_t count = events_take(input, events, room, &status);
    if (count == 0 && status == KP_ERR_SHOULD_WAIT) {
        kp_device_signal(device, KP_SIGNAL_READABLE, 0);
        if (kp_virtqueue_arm(&input->events)) {
            kp_device_signal(device, 0, KP_SIGNAL_READABLE);
            count = events_take(input, events, room, &status);
        }
    }
    kp_spin_unlock(&input->lock);
    if (count == 0)
        return status == KP_OK ? KP_ERR_SHOULD_WAIT : status;
    memcpy(to, events, count * sizeof events[0]);
    return (int64_t)(count * sizeof events[0]);
}

static const kp_device_ops_t input_ops = {.read = input_read};

/* Chooses a part of the configuration; returns its size. */
static uint32_t config_select(input_t *input, uint8_t select, uint8_t subselect)
{
    kp_virtio_config_write8(&input->virtio, CONFIG_SELECT, select);
    kp_virtio_config_write8(&input->virtio, CONFIG_SUBSELECT, subselect);
    return kp_virtio_config_read8(&input->virtio, CONFIG_SIZE);
}

static void config_read(input_t *input, char *name, size_t name_size)
{
    for (uint8_t i = 0; i < 2; i++) {
        input->axes[i] = (axis_t){0, ABSOLUTE_MAX};
        if (config_select(input, SELECT_ABSOLUTE, i) >= 8) {
            input->axes[i].minimum = (int32_t)kp_virtio_config_read32(&input->virtio, CONFIG_DATA);
            input->axes[i].maximum =
                (int32_t)kp_virtio_config_read32(&input->virtio, CONFIG_DATA + 4);
        }
    }
    size_t length = KP_MIN(config_select(input, SELECT_NAME, 0), name_size - 1);
    for (uint32_t i = 0; i < length; i++) {
        uint8_t byte = kp_virtio_config_read8(&input->virtio, CONFIG_DATA + i);
        if (byte == '\0') /* QEMU counts the NUL */
            length = i;
        name[i] = byte >= ' ' && byte < 0x7f ? (char)byte : '?';
    }
    name[length] = '\0';
}

kp_status_t kp_virtio_input_start(const kp_pci_function_t *function, uint32_t index)
{
    static const char *const names[] = {"input0", "input1", "input2", "input3"};
    char description[64];
    if (index >= KP_ARRAY_COUNT(names))
        return KP_ERR_NOT_SUPPORTED;
    input_t *input = kp_kalloc(sizeof *input);
    if (!input)
        return KP_ERR_NO_MEMORY;
    kp_spin_init(&input->lock);
    input->device = (kp_device_t){
        .kind = KP_DEVICE_INPUT, .name = names[index], .ops = &input_ops, .driver = input};
    input->buffers = kp_x86_page_allocate_zeroed();
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (input->buffers)
        status = kp_virtio_open(&input->virtio, function, names[index]);
    if (status == KP_OK)
        status = kp_virtio_negotiate(&input->virtio, KP_VIRTIO_F_EVENT_INDEX);
    if (status == KP_OK)
        status = kp_virtio_queue_start(&input->virtio, &input->events, 0, EVENT_ENTRIES,
                                       event_interrupt, input);
    if (status == KP_OK)
        status = kp_device_register(&input->device);
    if (status != KP_OK) {
        kp_virtio_fail(&input->virtio);
        if (input->buffers)
            kp_x86_page_free(input->buffers);
        return status; /* the state stays: an interrupt vector may still name it */
    }
    for (uint32_t i = 0; i < input->events.size; i++)
        event_offer(input, i);
    kp_virtqueue_arm(&input->events);
    kp_virtio_ready(&input->virtio);
    kp_virtqueue_kick(&input->events);
    config_read(input, description, sizeof description);
    kp_log("input", KP_LOG_INFO, "%s: %s", names[index], description);
    return KP_OK;
}
