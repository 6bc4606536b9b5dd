/* Service "display". Each connection is one client; a client owns surfaces. A surface is a display
   list with its resources, shown (or not) in a rectangle of the screen.

   Client -> service:
     SURFACE_CREATE  -> SURFACE_CREATED {surface}
     SURFACE_PRESENT kp_display_present_t, handles: display list VMO, new resources in the order of
                     their RESOURCE commands. -> PRESENTED {surface, sequence, status} once it is
                     painted (or refused): back-pressure, and the owner tells its tab.
     SURFACE_PLACE   kp_display_place_t: where on the screen, how far scrolled, on top of what
     SURFACE_DESTROY
     CAPTURE         kp_display_capture_t -> CAPTURED with one VMO of BGRX pixels: paints one surface
                     (whether placed or not) into memory, for headless rendering
     SCREEN_INFO     -> SCREEN_INFO reply kp_display_screen_t
   Service -> client:
     INPUT           kp_display_input_t: to the client that created the surface with FOCUS last
   Only a client that placed surfaces gets input; the shell is the only one in the boot table. */
#ifndef KP_ABI_DISPLAY_H
#define KP_ABI_DISPLAY_H

#include "abi/device.h"
#include "abi/display_list.h"
#include "abi/message.h"

enum {
    KP_DISPLAY_SURFACE_CREATE = 1,
    KP_DISPLAY_SURFACE_PRESENT = 2,
    KP_DISPLAY_SURFACE_PLACE = 3,
    KP_DISPLAY_SURFACE_DESTROY = 4,
    KP_DISPLAY_CAPTURE = 5,
    KP_DISPLAY_SCREEN_INFO = 6,
    KP_DISPLAY_SURFACE_CREATED = 32,
    KP_DISPLAY_PRESENTED = 33,
    KP_DISPLAY_CAPTURED = 34,
    KP_DISPLAY_INPUT = 35,
};

typedef struct kp_display_surface {
    kp_message_header_t header; /* SURFACE_CREATED, SURFACE_DESTROY */
    uint32_t surface;
} kp_display_surface_t;

typedef struct kp_display_present {
    kp_message_header_t header;
    uint32_t surface;
    uint32_t sequence;
    uint32_t list_size;
    uint32_t background; /* 0xAARRGGBB */
    int32_t page_width;  /* device px: the area beyond it is background */
    int32_t page_height;
} kp_display_present_t;

typedef struct kp_display_presented {
    kp_message_header_t header;
    uint32_t surface;
    uint32_t sequence;
    kp_status_t status; /* OK; ERR_BAD_FORMAT: the list was refused and the old one stays */
} kp_display_presented_t;

typedef struct kp_display_place {
    kp_message_header_t header;
    uint32_t surface;
    int32_t x, y;               /* on the screen, device px */
    uint32_t width, height;     /* 0: not shown */
    int32_t scroll_x, scroll_y; /* page position of the rectangle's top left, device px */
    uint32_t order;             /* higher is nearer to the viewer */
    uint32_t scroll_bar;        /* 1: draw a vertical scroll bar at the right edge, inside width and
                                   KP_DISPLAY_SCROLL_BAR_WIDTH CSS px wide; its thumb: see below */
} kp_display_place_t;

/* The thumb of a vertical scroll bar, so that who draws it and who drags it agree. All in device
   px; offset is from the top of the track, which is as high as the surface's rectangle. */
#define KP_DISPLAY_SCROLL_BAR_WIDTH 15
#define KP_DISPLAY_SCROLL_THUMB_MIN 24

typedef struct kp_display_thumb {
    int32_t offset;
    int32_t length; /* == track when there is nothing to scroll */
} kp_display_thumb_t;

static inline kp_display_thumb_t kp_display_thumb(int32_t track, int32_t page_height,
                                                  int32_t scroll_y)
{
    if (track <= 0 || page_height <= track)
        return (kp_display_thumb_t){0, track > 0 ? track : 0};
    int64_t length = (int64_t)track * track / page_height;
    if (length < KP_DISPLAY_SCROLL_THUMB_MIN)
        length = track < KP_DISPLAY_SCROLL_THUMB_MIN ? track : KP_DISPLAY_SCROLL_THUMB_MIN;
    int64_t range = page_height - track;
    int64_t at = scroll_y < 0 ? 0 : scroll_y > range ? range : scroll_y;
    return (kp_display_thumb_t){(int32_t)((track - length) * at / range), (int32_t)length};
}

typedef struct kp_display_capture {
    kp_message_header_t header;
    uint32_t surface;
    int32_t x, y;           /* page position, device px */
    uint32_t width, height; /* each 1..16384, area <= 2^28 */
} kp_display_capture_t;

typedef struct kp_display_captured {
    kp_message_header_t header;
    kp_status_t status;
    uint32_t width, height;
    uint32_t stride; /* bytes */
} kp_display_captured_t;

typedef struct kp_display_screen {
    kp_message_header_t header;
    uint32_t width, height; /* device px; 0 x 0: headless */
    uint32_t scale;         /* times 256 */
} kp_display_screen_t;

/* Pointer positions are already in screen device pixels: absolute and relative devices alike. */
enum {
    KP_DISPLAY_INPUT_POINTER_MOVE = 1,
    KP_DISPLAY_INPUT_BUTTON = 2, /* code: BTN_*, value: 1 down, 0 up */
    KP_DISPLAY_INPUT_WHEEL = 3,  /* value: notches, positive away from the user */
    KP_DISPLAY_INPUT_KEY = 4,    /* code: KEY_*, value: 0 up, 1 down, 2 repeat */
};

typedef struct kp_display_input {
    kp_message_header_t header;
    uint32_t kind;
    uint32_t code;
    int32_t value;
    int32_t x, y;
} kp_display_input_t;

#endif
