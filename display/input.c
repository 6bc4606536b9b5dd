/* Input devices, merged: one pointer, one keyboard. Codes are Linux's (abi/device.h). */
#include <string.h>

#include "display/display.h"

#define ABSOLUTE_RANGE 32768 /* positions are 0..32767 of the screen */
#define BUTTON_FIRST 0x110   /* BTN_LEFT */
#define BUTTON_LAST 0x117
#define BUTTON_TOUCH 0x14a
#define AXIS_X 0
#define AXIS_Y 1
#define AXIS_WHEEL 8
#define EVENTS_AT_ONCE 64

static void send_input(kp_display_t *display, uint32_t kind, uint32_t code, int32_t value)
{
    kp_display_input_t event = {.header = {.ordinal = KP_DISPLAY_INPUT},
                                .kind = kind,
                                .code = code,
                                .value = value,
                                .x = display->pointer.x,
                                .y = display->pointer.y};
    if (display->front)
        kp_client_send(display->front, &event, sizeof event, KP_HANDLE_NONE);
}

/* Moves are told before anything that happens at the new place, and once for many of them. */
static void send_move(kp_display_t *display)
{
    if (!display->pointer.moved)
        return;
    display->pointer.moved = false;
    send_input(display, KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0);
    kp_screen_cursor(display);
}

static int32_t clamp(int64_t value, int32_t end)
{
    return value < 0 ? 0 : value >= end ? (end > 0 ? end - 1 : 0) : (int32_t)value;
}

static void move_pointer(kp_display_t *display, uint16_t axis, int64_t position)
{
    kp_pointer_t *pointer = &display->pointer;
    const kp_paint_target_t *target = &display->compositor.target;
    int32_t *at = axis == AXIS_X ? &pointer->x : &pointer->y;
    *at = clamp(position, axis == AXIS_X ? target->width : target->height);
    pointer->moved = true;
    pointer->seen = true;
}

static void on_event(kp_display_t *display, const kp_input_event_t *event)
{
    const kp_paint_target_t *target = &display->compositor.target;
    int64_t value = event->value;
    bool is_axis = event->code == AXIS_X || event->code == AXIS_Y;
    switch (event->type) {
    case KP_INPUT_ABSOLUTE:
        if (is_axis)
            move_pointer(display, event->code,
                         value * (event->code == AXIS_X ? target->width : target->height) /
                             ABSOLUTE_RANGE);
        break;
    case KP_INPUT_RELATIVE:
        if (is_axis) {
            move_pointer(display, event->code,
                         value + (event->code == AXIS_X ? display->pointer.x : display->pointer.y));
        } else if (event->code == AXIS_WHEEL) {
            send_move(display);
            send_input(display, KP_DISPLAY_INPUT_WHEEL, 0, event->value);
        }
        break;
    case KP_INPUT_KEY:
        send_move(display);
        if (event->code == BUTTON_TOUCH)
            send_input(display, KP_DISPLAY_INPUT_BUTTON, BUTTON_FIRST, event->value);
        else if (event->code >= BUTTON_FIRST && event->code <= BUTTON_LAST)
            send_input(display, KP_DISPLAY_INPUT_BUTTON, event->code, event->value);
        else
            send_input(display, KP_DISPLAY_INPUT_KEY, event->code, event->value);
        break;
    default: /* KP_INPUT_SYNC: moves are sent when all that is there was read */
        break;
    }
}

static void on_device(void *context, kp_handle_t handle, kp_signals_t observed)
{
    kp_display_t *display = context;
    kp_input_event_t events[EVENTS_AT_ONCE];
    int64_t size = observed ? 0 : KP_ERR_IO;
    while (size >= 0) {
        size = kp_device_read(handle, events, sizeof events);
        for (int64_t i = 0; i < size / (int64_t)sizeof events[0]; i++)
            on_event(display, &events[i]);
        if (size == 0)
            break;
    }
    send_move(display);
    if (size < 0 && size != KP_ERR_SHOULD_WAIT) {
        kp_log("input: %s", kp_status_text((kp_status_t)size));
        kp_loop_unwatch(&display->loop, handle);
    }
}

void kp_input_open(kp_display_t *display)
{
    const char *name;
    for (size_t i = 0; (name = kp_startup_name(i)) != NULL; i++) {
        if (strncmp(name, "dev:input", 9) != 0 || display->input_count == KP_DISPLAY_INPUTS_MAX)
            continue;
        kp_handle_t device = kp_startup_take(name);
        if (device == KP_HANDLE_NONE)
            continue;
        display->inputs[display->input_count++] = device;
        kp_status_t status =
            kp_loop_watch(&display->loop, device, KP_SIGNAL_READABLE, on_device, display);
        if (status != KP_OK)
            kp_log("%s: %s", name, kp_status_text(status));
    }
}
