/* The screen as an SDL2 window; its keyboard and mouse fill input0. The library is loaded when a
   window is asked for; what we use of its interface (stable within SDL 2) is declared here. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/device.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted_internal.h"

/* ---- SDL2's interface ---- */

enum {
    SDL_INIT_VIDEO = 0x20,
    SDL_WINDOW_CENTERED = 0x2fff0000,
    SDL_RENDERER_SOFTWARE = 1,
    SDL_TEXTURE_STREAMING = 1,
    SDL_PIXELS_BGRX = 0x16161804, /* 32 bits: B, G, R, X in memory */
    SDL_QUIT = 0x100,
    SDL_WINDOW_EVENT = 0x200,
    SDL_KEY_DOWN = 0x300,
    SDL_KEY_UP = 0x301,
    SDL_MOUSE_MOTION = 0x400,
    SDL_BUTTON_DOWN = 0x401,
    SDL_BUTTON_UP = 0x402,
    SDL_MOUSE_WHEEL = 0x403,
    SDL_USER_EVENT = 0x8000,
};

typedef struct sdl_rect {
    int x, y, w, h;
} sdl_rect_t;

typedef union sdl_event {
    uint32_t type;
    struct {
        uint32_t type, time, window;
        uint8_t state, repeat, padding[2];
        int32_t scancode;
    } key;
    struct {
        uint32_t type, time, window, which, state;
        int32_t x, y;
    } motion;
    struct {
        uint32_t type, time, window, which;
        uint8_t button, state, clicks, padding;
        int32_t x, y;
    } button;
    struct {
        uint32_t type, time, window, which;
        int32_t x, y;
    } wheel;
    uint8_t space[128]; /* more than SDL's 56 */
} sdl_event_t;

static struct {
    int (*Init)(uint32_t);
    const char *(*GetError)(void);
    void *(*CreateWindow)(const char *, int, int, int, int, uint32_t);
    void *(*CreateRenderer)(void *, int, uint32_t);
    void *(*CreateTexture)(void *, uint32_t, int, int, int);
    int (*UpdateTexture)(void *, const sdl_rect_t *, const void *, int);
    int (*RenderCopy)(void *, void *, const sdl_rect_t *, const sdl_rect_t *);
    void (*RenderPresent)(void *);
    int (*WaitEvent)(sdl_event_t *);
    int (*PushEvent)(sdl_event_t *);
} sdl;

static const struct {
    const char *name;
    void *slot;
} functions[] = {
    {"SDL_Init", &sdl.Init},
    {"SDL_GetError", &sdl.GetError},
    {"SDL_CreateWindow", &sdl.CreateWindow},
    {"SDL_CreateRenderer", &sdl.CreateRenderer},
    {"SDL_CreateTexture", &sdl.CreateTexture},
    {"SDL_UpdateTexture", &sdl.UpdateTexture},
    {"SDL_RenderCopy", &sdl.RenderCopy},
    {"SDL_RenderPresent", &sdl.RenderPresent},
    {"SDL_WaitEvent", &sdl.WaitEvent},
    {"SDL_PushEvent", &sdl.PushEvent},
};

/* ---- the window ---- */

static struct {
    uint32_t width, height;
    kp_spinlock_t lock;
    uint8_t *pixels;         /* copy of the screen, width * 4 a row; guarded by lock */
    bool is_dirty;           /* a user event is on its way; guarded by lock */
    kp_capability_t started; /* event: the window thread has tried */
    kp_status_t status;
} window;

/* On the thread of the program that flushed, under the screen's lock. */
static void show(const uint8_t *pixels, uint32_t stride, uint32_t x, uint32_t y, uint32_t width,
                 uint32_t height)
{
    if (x >= window.width || y >= window.height)
        return;
    width = KP_MIN(width, window.width - x);
    height = KP_MIN(height, window.height - y);
    kp_spin_lock(&window.lock);
    for (uint32_t row = y; row < y + height; row++)
        memcpy(window.pixels + ((size_t)row * window.width + x) * 4,
               pixels + (size_t)row * stride + (size_t)x * 4, (size_t)width * 4);
    bool must_wake = !window.is_dirty;
    window.is_dirty = true;
    kp_spin_unlock(&window.lock);
    if (must_wake) {
        sdl_event_t event = {.type = SDL_USER_EVENT};
        sdl.PushEvent(&event);
    }
}

/* USB usage codes (SDL's scancodes) to Linux key codes. */
static const uint8_t key_codes[] = {
    [4] = 30, 48,  46,         32, 18,  33,  34,  35,  23,  36,  37,  38,  50,  49,  24,  25,
    16,       19,  31,         20, 22,  47,  17,  45,  21,  44,  2,   3,   4,   5,   6,   7,
    8,        9,   10,         11, 28,  1,   14,  15,  57,  12,  13,  26,  27,  43,  43,  39,
    40,       41,  51,         52, 53,  58,  59,  60,  61,  62,  63,  64,  65,  66,  67,  68,
    87,       88,  99,         70, 119, 110, 102, 104, 111, 107, 109, 106, 105, 108, 103, 69,
    98,       55,  74,         78, 96,  79,  80,  81,  75,  76,  77,  71,  72,  73,  82,  83,
    86,       127, [224] = 29, 42, 56,  125, 97,  54,  100, 126,
};

static void send_input(uint16_t type, uint16_t code, int32_t value)
{
    kp_input_event_t events[2] = {{.type = type, .code = code, .value = value},
                                  {.type = KP_INPUT_SYNC}};
    kp_hosted_input(events, 2);
}

static void send_position(int32_t x, int32_t y)
{
    int32_t across = KP_MAX(KP_MIN(x, (int32_t)window.width - 1), 0);
    int32_t down = KP_MAX(KP_MIN(y, (int32_t)window.height - 1), 0);
    int32_t last_x = KP_MAX((int32_t)window.width - 1, 1);
    int32_t last_y = KP_MAX((int32_t)window.height - 1, 1);
    kp_input_event_t events[3] = {
        {.type = KP_INPUT_ABSOLUTE,
         .code = 0,
         .value = (int32_t)((int64_t)across * 32767 / last_x)},
        {.type = KP_INPUT_ABSOLUTE, .code = 1, .value = (int32_t)((int64_t)down * 32767 / last_y)},
        {.type = KP_INPUT_SYNC},
    };
    kp_hosted_input(events, 3);
}

static void on_event(const sdl_event_t *event)
{
    enum { BUTTON_LEFT = 0x110, BUTTON_RIGHT = 0x111, BUTTON_MIDDLE = 0x112 };
    static const uint16_t buttons[] = {0, BUTTON_LEFT, BUTTON_MIDDLE, BUTTON_RIGHT};
    switch (event->type) {
    case SDL_KEY_DOWN:
    case SDL_KEY_UP: {
        size_t scancode = (size_t)event->key.scancode;
        uint16_t code = scancode < sizeof(key_codes) ? key_codes[scancode] : 0;
        if (code)
            send_input(KP_INPUT_KEY, code,
                       event->type == SDL_KEY_UP ? 0
                       : event->key.repeat       ? 2
                                                 : 1);
        break;
    }
    case SDL_MOUSE_MOTION:
        send_position(event->motion.x, event->motion.y);
        break;
    case SDL_BUTTON_DOWN:
    case SDL_BUTTON_UP:
        send_position(event->button.x, event->button.y);
        if (event->button.button < KP_ARRAY_COUNT(buttons) && event->button.button > 0)
            send_input(KP_INPUT_KEY, buttons[event->button.button], event->type == SDL_BUTTON_DOWN);
        break;
    case SDL_MOUSE_WHEEL:
        send_input(KP_INPUT_RELATIVE, 8, event->wheel.y);
        break;
    }
}

static void draw(void *renderer, void *texture)
{
    kp_spin_lock(&window.lock);
    window.is_dirty = false;
    sdl.UpdateTexture(texture, NULL, window.pixels, (int)window.width * 4);
    kp_spin_unlock(&window.lock);
    sdl.RenderCopy(renderer, texture, NULL, NULL);
    sdl.RenderPresent(renderer);
}

/* SDL wants everything on one thread. */
static void run_window(void *argument)
{
    (void)argument;
    void *handle = NULL, *renderer = NULL, *texture = NULL;
    if (sdl.Init(SDL_INIT_VIDEO) == 0)
        handle = sdl.CreateWindow("KPIO", SDL_WINDOW_CENTERED, SDL_WINDOW_CENTERED,
                                  (int)window.width, (int)window.height, 0);
    if (handle)
        renderer = sdl.CreateRenderer(handle, -1, SDL_RENDERER_SOFTWARE);
    if (renderer)
        texture = sdl.CreateTexture(renderer, SDL_PIXELS_BGRX, SDL_TEXTURE_STREAMING,
                                    (int)window.width, (int)window.height);
    if (!texture)
        fprintf(stderr, "kpio: no window: %s\n", sdl.GetError());
    window.status = texture ? KP_OK : KP_ERR_NOT_SUPPORTED;
    kp_object_signal(window.started.object, 0, KP_SIGNAL_SIGNALED);
    if (!texture)
        return;
    draw(renderer, texture);
    sdl_event_t event;
    while (sdl.WaitEvent(&event)) {
        if (event.type == SDL_QUIT) {
            (void)kp_kernel_stop(kp_machine_now() + 5 * KP_NS_PER_S);
            return;
        }
        if (event.type == SDL_USER_EVENT || event.type == SDL_WINDOW_EVENT)
            draw(renderer, texture);
        else
            on_event(&event);
    }
}

kp_status_t kp_hosted_window_start(uint32_t width, uint32_t height)
{
    void *handle = dlopen("libSDL2-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    bool is_whole = handle != NULL;
    for (size_t i = 0; is_whole && i < KP_ARRAY_COUNT(functions); i++) {
        void *function = dlsym(handle, functions[i].name);
        memcpy(functions[i].slot, &function, sizeof(function));
        is_whole = function != NULL;
    }
    if (!is_whole) {
        fprintf(stderr, "kpio: SDL2 (package libsdl2-2.0-0) is not on this machine\n");
        return KP_ERR_NOT_SUPPORTED;
    }
    window.width = width;
    window.height = height;
    kp_spin_init(&window.lock);
    window.pixels = calloc((size_t)width * height, 4);
    if (!window.pixels)
        return KP_ERR_NO_MEMORY;
    kp_status_t status = kp_event_create(&window.started);
    if (status == KP_OK)
        status = kp_thread_create("window", run_window, NULL, NULL);
    if (status == KP_OK)
        status = kp_wait_one(window.started.object, KP_SIGNAL_SIGNALED, KP_TIME_INFINITE, NULL);
    if (status == KP_OK)
        status = window.status;
    if (status == KP_OK)
        kp_hosted_screen_set_show(show);
    return status;
}
