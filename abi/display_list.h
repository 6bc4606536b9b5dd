/* A display list: what a tab asks the display to paint. It lies in a VMO that the tab wrote and the
   display reads (once, into its own memory, then validates: the tab may be hostile and may write
   while the display reads). All integers little-endian; coordinates are *device pixels* of the page
   (origin: top left of the page, not of the viewport), int32, within +-KP_DISPLAY_COORDINATE_MAX.
   Colours are 0xAARRGGBB, not premultiplied.

   Layout: kp_display_list_t, then command_bytes of commands. A command is kp_display_command_t
   (kind, size) and its struct; size counts the whole command, a multiple of 4.

   Resources are pixel buffers that persist between frames of one surface, named by ids the tab
   chooses: a RESOURCE command introduces one with the next handle of the frame's message;
   RESOURCE_DROP forgets it; a RESOURCE with a known id replaces it. A command that names an unknown
   resource paints nothing (it may come with a later frame: a message carries 63 of them at most).
   Painting reads the resource's VMO at paint time. A new frame repaints what differs from the last
   one: bytes that shown commands use must stay as they are (an atlas may gain glyphs); changed pixels
   need a new RESOURCE. */
#ifndef KP_ABI_DISPLAY_LIST_H
#define KP_ABI_DISPLAY_LIST_H

#include "abi/types.h"

#define KP_DISPLAY_LIST_MAGIC 0x4c44504bu /* "KPDL" */
#define KP_DISPLAY_COORDINATE_MAX (1 << 24)
#define KP_DISPLAY_LIST_MAX (64u << 20) /* bytes */
#define KP_DISPLAY_CLIP_DEPTH_MAX 64u
#define KP_DISPLAY_RESOURCES_MAX 4096u
#define KP_DISPLAY_RESOURCE_SIDE_MAX 16384u

typedef struct kp_display_list {
    uint32_t magic;
    uint32_t command_bytes;
    uint32_t command_count;
    uint32_t reserved;
} kp_display_list_t;

enum {
    KP_DISPLAY_RESOURCE = 1,
    KP_DISPLAY_RESOURCE_DROP = 2,
    KP_DISPLAY_RECT = 3,
    KP_DISPLAY_GLYPHS = 4,
    KP_DISPLAY_IMAGE = 5,
    KP_DISPLAY_CLIP_PUSH = 6, /* intersects with the enclosing clip */
    KP_DISPLAY_CLIP_POP = 7,
    KP_DISPLAY_ROUNDED_RECT = 8,
    KP_DISPLAY_BORDER = 9,
    KP_DISPLAY_LINEAR_GRADIENT = 10,
};

typedef struct kp_display_command {
    uint32_t kind;
    uint32_t size;
} kp_display_command_t;

enum {
    KP_DISPLAY_FORMAT_A8 = 1,    /* coverage, one byte a pixel */
    KP_DISPLAY_FORMAT_BGRA8 = 2, /* premultiplied, bytes B, G, R, A */
};

typedef struct kp_display_resource {
    kp_display_command_t command;
    uint32_t id; /* not 0 */
    uint32_t format;
    uint32_t width;
    uint32_t height;
    uint32_t stride; /* bytes */
    uint32_t offset; /* of the first row in the VMO */
} kp_display_resource_t;

typedef struct kp_display_resource_drop {
    kp_display_command_t command;
    uint32_t id;
} kp_display_resource_drop_t;

typedef struct kp_display_rect {
    kp_display_command_t command;
    int32_t x, y, width, height;
    uint32_t color;
} kp_display_rect_t;

/* Glyph bitmaps of one A8 resource, all in one colour: then count kp_display_glyph_t. */
typedef struct kp_display_glyphs {
    kp_display_command_t command;
    uint32_t resource;
    uint32_t color;
    uint32_t count;
} kp_display_glyphs_t;

typedef struct kp_display_glyph {
    int32_t x, y;                /* where the bitmap's top left pixel goes */
    uint16_t source_x, source_y; /* in the resource */
    uint16_t width, height;
} kp_display_glyph_t;

/* A rectangle of a BGRA8 resource scaled (bilinear; area average when shrinking) to a rectangle. */
typedef struct kp_display_image {
    kp_display_command_t command;
    uint32_t resource;
    int32_t x, y, width, height;
    uint32_t source_x, source_y, source_width, source_height;
    uint32_t opacity; /* 0..255 */
    uint32_t repeat;  /* 1: the source rectangle, scaled to tile_width x tile_height, fills the
                         target from (tile_x, tile_y) in both directions */
    int32_t tile_x, tile_y;
    uint32_t tile_width, tile_height;
} kp_display_image_t;

/* Also used by CLIP_PUSH (color ignored) with radii for a rounded clip. */
typedef struct kp_display_rounded_rect {
    kp_display_command_t command;
    int32_t x, y, width, height;
    uint32_t radius_x[4], radius_y[4]; /* top left, top right, bottom right, bottom left; px */
    uint32_t color;
} kp_display_rounded_rect_t;

enum {
    KP_DISPLAY_BORDER_NONE = 0,
    KP_DISPLAY_BORDER_SOLID = 1,
    KP_DISPLAY_BORDER_DASHED = 2,
    KP_DISPLAY_BORDER_DOTTED = 3,
    KP_DISPLAY_BORDER_DOUBLE = 4,
    KP_DISPLAY_BORDER_GROOVE = 5,
    KP_DISPLAY_BORDER_RIDGE = 6,
    KP_DISPLAY_BORDER_INSET = 7,
    KP_DISPLAY_BORDER_OUTSET = 8,
};

/* The border of a box: its outer (border-box) rectangle; edges in the order top, right, bottom, left. */
typedef struct kp_display_border {
    kp_display_command_t command;
    int32_t x, y, width, height;
    uint32_t radius_x[4], radius_y[4]; /* of the outer corners */
    uint32_t edge_width[4];
    uint32_t style[4];
    uint32_t color[4];
} kp_display_border_t;

/* angle: CSS degrees times 256 (0 to top, 90 to right); then stop_count kp_display_stop_t. */
typedef struct kp_display_linear_gradient {
    kp_display_command_t command;
    int32_t x, y, width, height;
    uint32_t angle;
    uint32_t stop_count;
} kp_display_linear_gradient_t;

typedef struct kp_display_stop {
    uint32_t offset; /* 0..65536 along the gradient line */
    uint32_t color;
} kp_display_stop_t;

KP_STATIC_ASSERT(sizeof(kp_display_glyph_t) == 16, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_display_border_t) == 8 + 16 + 32 + 48, "ABI layout");

#endif
