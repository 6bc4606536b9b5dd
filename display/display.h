/* The display service (abi/display.h). Internal to display/.

   service.c   start-up, connections, the paint round
   client.c    connections: requests in, replies and input out
   surface.c   a surface's life: display lists and resources out of VMOs
   screen.c    the screen of dev:gpu0, or none
   input.c     dev:input*: keys, pointer and wheel to the client in front
   compositor.c, damage.c, painter/   pixels; portable

   Single-threaded around one loop. Requests only change state and damage; painting happens once in
   the round after, then the PRESENTED answers go out. */
#ifndef KP_DISPLAY_DISPLAY_H
#define KP_DISPLAY_DISPLAY_H

#include "display/compositor.h"
#include "runtime/program/kp.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"

#define KP_DISPLAY_SURFACES_MAX 256u     /* of one client */
#define KP_DISPLAY_REPLY_MAX 64u         /* bytes */
#define KP_DISPLAY_QUEUE_MAX 4096u       /* replies that may wait for a slow client */
#define KP_DISPLAY_MAPPED_MAX (1u << 30) /* bytes of resources of one surface */

typedef struct kp_display kp_display_t;
typedef struct kp_client kp_client_t;

/* A surface and what its client is owed for it. */
typedef struct kp_client_surface {
    kp_surface_t surface;
    struct kp_client_surface *next;
    uint32_t id;
    size_t mapped_bytes;
    bool owes_presented;
    kp_display_presented_t presented;
} kp_client_surface_t;

typedef struct kp_reply {
    kp_handle_t handle; /* NONE or one */
    uint32_t size;
    uint8_t bytes[KP_DISPLAY_REPLY_MAX];
} kp_reply_t;

struct kp_client {
    kp_client_t *next;
    kp_display_t *display;
    kp_handle_t channel;
    kp_client_surface_t *surfaces;
    uint32_t surface_count, next_surface;
    kp_reply_t *queue; /* replies the channel had no room for, in order */
    size_t queue_first, queue_count, queue_capacity;
};

typedef struct kp_screen {
    kp_handle_t device;
    kp_vmo_buffer_t pixels;
    bool has_hardware_cursor;
} kp_screen_t;

#define KP_DISPLAY_INPUTS_MAX 16u

typedef struct kp_pointer {
    int32_t x, y;
    bool moved; /* since the last event that was sent */
    bool seen;  /* a pointing device spoke: the cursor is shown */
} kp_pointer_t;

struct kp_display {
    kp_loop_t loop;
    kp_loop_timer_t paint;
    kp_handle_t service; /* incoming connections */
    kp_client_t *clients;
    kp_client_t *front; /* gets input; NULL: nobody */
    kp_compositor_t compositor;
    kp_screen_t screen;
    kp_handle_t inputs[KP_DISPLAY_INPUTS_MAX];
    size_t input_count;
    kp_pointer_t pointer;
    bool page_was_shown; /* the mark first-paint was set */
    kp_message_t message;
};

/* service.c */
/* Registers the service, opens screen and input devices; *display must be zero. */
kp_status_t kp_display_open(kp_display_t *display);
/* Paints in the next round. */
void kp_display_schedule(kp_display_t *display);

/* client.c */
kp_status_t kp_client_create(kp_display_t *display, kp_handle_t channel);
void kp_client_destroy(kp_client_t *client);
/* Queues when the channel is full. Takes the handle (or NONE) in every case. Beyond
   KP_DISPLAY_QUEUE_MAX waiting answers the newest are lost (and logged). */
void kp_client_send(kp_client_t *client, const void *bytes, size_t size, kp_handle_t handle);
/* Sends the PRESENTED answers that are due; after painting. */
void kp_client_answer(kp_client_t *client);

/* surface.c */
kp_status_t kp_client_surface_create(kp_client_t *client, kp_client_surface_t **out);
void kp_client_surface_destroy(kp_client_t *client, kp_client_surface_t *surface);
kp_client_surface_t *kp_client_surface_find(kp_client_t *client, uint32_t id);
/* Takes the display list and the resources out of the message; what it answers becomes due. */
kp_status_t kp_client_surface_present(kp_client_t *client, kp_client_surface_t *surface,
                                      const kp_display_present_t *present, kp_message_t *message);
/* Replies with CAPTURED. */
void kp_client_surface_capture(kp_client_t *client, kp_client_surface_t *surface,
                               const kp_display_capture_t *capture);

/* screen.c: without dev:gpu0 (or when it fails) the compositor gets no target. */
void kp_screen_open(kp_display_t *display);
void kp_screen_cursor(kp_display_t *display);

/* input.c */
void kp_input_open(kp_display_t *display);

#endif
