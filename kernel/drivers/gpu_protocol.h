/* What goes over virtio-gpu's queues (virtio 1.x, 5.7.6), and the pointer's picture. */
#ifndef KP_KERNEL_DRIVERS_GPU_PROTOCOL_H
#define KP_KERNEL_DRIVERS_GPU_PROTOCOL_H

#include "kernel/base/base.h"

enum {
    GPU_GET_DISPLAY_INFO = 0x0100,
    GPU_RESOURCE_CREATE_2D = 0x0101,
    GPU_RESOURCE_UNREF = 0x0102,
    GPU_SET_SCANOUT = 0x0103,
    GPU_RESOURCE_FLUSH = 0x0104,
    GPU_TRANSFER_TO_HOST = 0x0105,
    GPU_RESOURCE_ATTACH = 0x0106,
    GPU_UPDATE_CURSOR = 0x0300,
    GPU_MOVE_CURSOR = 0x0301,
    GPU_ANSWER_OK = 0x1100,
    GPU_ANSWER_DISPLAY_INFO = 0x1101,
    GPU_FORMAT_BGRA = 1,
    GPU_FORMAT_BGRX = 2,
};

typedef struct gpu_header {
    uint32_t kind;
    uint32_t flags;
    uint64_t fence;
    uint32_t context;
    uint32_t ring;
} gpu_header_t;

typedef struct gpu_rect {
    uint32_t x, y, width, height;
} gpu_rect_t;

typedef struct gpu_create {
    gpu_header_t header;
    uint32_t resource, format, width, height;
} gpu_create_t;

typedef struct gpu_resource {
    gpu_header_t header;
    uint32_t resource, padding;
} gpu_resource_t;

typedef struct gpu_set_scanout {
    gpu_header_t header;
    gpu_rect_t rect;
    uint32_t scanout, resource;
} gpu_set_scanout_t;

typedef struct gpu_flush {
    gpu_header_t header;
    gpu_rect_t rect;
    uint32_t resource, padding;
} gpu_flush_t;

typedef struct gpu_transfer {
    gpu_header_t header;
    gpu_rect_t rect;
    uint64_t offset; /* of the rectangle's first pixel in the backing */
    uint32_t resource, padding;
} gpu_transfer_t;

/* Followed by piece_count gpu_piece_t. */
typedef struct gpu_attach {
    gpu_header_t header;
    uint32_t resource, piece_count;
} gpu_attach_t;

typedef struct gpu_piece {
    uint64_t physical;
    uint32_t length, padding;
} gpu_piece_t;

/* The answer has 16 of rect, enabled, flags; only the first matters here. */
typedef struct gpu_display_info {
    gpu_header_t header;
    gpu_rect_t rect;
    uint32_t enabled, flags;
} gpu_display_info_t;

typedef struct gpu_cursor {
    gpu_header_t header;
    uint32_t scanout, x, y, padding;
    uint32_t resource, hot_x, hot_y, padding_2;
} gpu_cursor_t;

KP_STATIC_ASSERT(sizeof(gpu_header_t) == 24, "virtio layout");
KP_STATIC_ASSERT(sizeof(gpu_set_scanout_t) == 48, "virtio layout");
KP_STATIC_ASSERT(sizeof(gpu_transfer_t) == 56, "virtio layout");
KP_STATIC_ASSERT(sizeof(gpu_piece_t) == 16, "virtio layout");
KP_STATIC_ASSERT(sizeof(gpu_cursor_t) == 56, "virtio layout");

#define GPU_CURSOR_SIDE 64u /* the only size virtio-gpu has */

/* Draws an arrow with its point at (0, 0): GPU_CURSOR_SIDE squared pixels, 0xAARRGGBB. */
void kp_gpu_cursor_draw(uint32_t *pixels);

#endif
