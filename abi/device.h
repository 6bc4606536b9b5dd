/* Devices as processes see them: device_read, device_write, device_control per kind. */
#ifndef KP_ABI_DEVICE_H
#define KP_ABI_DEVICE_H

#include "abi/types.h"

enum {
    KP_DEVICE_NET = 1,
    KP_DEVICE_GPU = 2,
    KP_DEVICE_INPUT = 3,
    KP_DEVICE_CONSOLE = 4,
    KP_DEVICE_RNG = 5,
};

/* device_control operations. */
enum {
    KP_DEVICE_OP_NET_INFO = 1,    /* out: kp_net_info_t */
    KP_DEVICE_OP_GPU_MODE = 2,    /* out: kp_gpu_mode_t, the current or preferred mode */
    KP_DEVICE_OP_GPU_SCANOUT = 3, /* in: kp_gpu_scanout_t: show this VMO from now on */
    KP_DEVICE_OP_GPU_FLUSH = 4,   /* in: kp_gpu_rect_t: these pixels of the scan-out changed */
    KP_DEVICE_OP_GPU_CURSOR =
        5, /* in: kp_gpu_cursor_t: move the hardware cursor, if there is one */
};

/* net: read takes one received Ethernet frame (without FCS), write sends one. READABLE, WRITABLE. */
typedef struct kp_net_info {
    uint8_t mac[6];
    uint16_t mtu;     /* of the IP packet: 1500 */
    uint32_t link_up; /* 0 or 1 */
} kp_net_info_t;

/* gpu: 32 bits a pixel, bytes B, G, R, X in memory (X ignored). Rows top to bottom. */
typedef struct kp_gpu_mode {
    uint32_t width; /* device pixels */
    uint32_t height;
} kp_gpu_mode_t;

typedef struct kp_gpu_scanout {
    kp_handle_t vmo; /* KP_RIGHT_READ | KP_RIGHT_MAP; at least stride * height bytes */
    uint32_t width;
    uint32_t height;
    uint32_t stride; /* bytes from row to row, a multiple of 4 */
} kp_gpu_scanout_t;

typedef struct kp_gpu_rect {
    uint32_t x, y, width, height;
} kp_gpu_rect_t;

typedef struct kp_gpu_cursor {
    int32_t x, y;
    uint32_t visible;
} kp_gpu_cursor_t;

/* input: read gives whole records. Codes are the Linux input event codes that virtio-input uses. */
enum {
    KP_INPUT_KEY = 1,      /* code: KEY_* or BTN_*; value: 0 up, 1 down, 2 repeat */
    KP_INPUT_ABSOLUTE = 2, /* code: 0 x, 1 y; value: 0..32767 of the screen */
    KP_INPUT_RELATIVE = 3, /* code: 0 x, 1 y, 8 wheel (positive: away from the user) */
    KP_INPUT_SYNC = 4,     /* end of one batch */
};

typedef struct kp_input_event {
    uint16_t type;
    uint16_t code;
    int32_t value;
    uint64_t time_ns;
} kp_input_event_t;

KP_STATIC_ASSERT(sizeof(kp_net_info_t) == 12, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_gpu_scanout_t) == 16, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_input_event_t) == 16, "ABI layout");

#endif
