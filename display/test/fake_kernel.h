/* A kernel for tests of the display service: kp_call over objects in memory, never blocking. The
   test plays the clients, the screen and the input devices through the functions below. */
#ifndef KP_DISPLAY_TEST_FAKE_KERNEL_H
#define KP_DISPLAY_TEST_FAKE_KERNEL_H

#include "abi/device.h"
#include "runtime/program/kp.h"

/* Objects are numbers; a handle is its object's number, so handles are never "wrong" by accident.
   Channels come in pairs: n and n ^ 1. */
void fake_reset(void);
/* The test's end of a new connection to the service. */
kp_handle_t fake_connect(void);
void fake_send(kp_handle_t end, const void *bytes, size_t size, const kp_handle_t *handles,
               size_t handle_count);
/* Size of the oldest message at the test's end, 0: none. Handles must have room for one. */
size_t fake_receive(kp_handle_t end, void *bytes, size_t capacity, kp_handle_t *handle);
void fake_close(kp_handle_t end);
kp_handle_t fake_vmo(const void *bytes, size_t size);
const void *fake_vmo_bytes(kp_handle_t vmo);
void fake_input(const kp_input_event_t *events, size_t count);
/* How many objects are open on the service's side or in messages. */
size_t fake_open_count(void);

typedef struct fake_screen {
    bool exists, has_cursor;
    uint32_t width, height;
    kp_handle_t scanout;
    size_t flushes, cursor_moves;
    uint64_t flushed_pixels;
    size_t first_paint_marks;
    size_t queue_limit; /* messages that fit into a channel */
} fake_screen_t;
extern fake_screen_t fake_screen;

#endif
