/* The browser engine as a portable library: one kp_engine_t is one tab's document and all that
   belongs to it. The tab program (engine/tab) binds it to KPIO's channels and VMOs; engine/tool
   binds it to files for native tests and fuzzing. Single-threaded: every call and every host
   callback on one thread. Lengths: CSS px unless said. */
#ifndef KP_ENGINE_H
#define KP_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/display_list.h"
#include "abi/status.h"
#include "abi/tab.h"

typedef struct kp_engine kp_engine_t;

/* What the engine asks of its surroundings. Callbacks must not call back into the engine. */
typedef struct kp_engine_host {
    void *context;
    /* Starts a fetch; the answer comes by kp_engine_fetch_*. destination: KP_HTTP_FOR_*. */
    kp_status_t (*fetch)(void *context, uint32_t fetch_id, uint32_t destination, const char *url);
    void (*fetch_cancel)(void *context, uint32_t fetch_id);
    /* Pixel memory shared with the display: glyph atlases (A8) and decoded images (BGRA8). The
       resource id is chosen by the engine and used in display lists. */
    kp_status_t (*resource_create)(void *context, uint32_t resource_id, uint32_t format,
                                   uint32_t width, uint32_t height, uint32_t stride,
                                   uint8_t **pixels);
    void (*resource_destroy)(void *context, uint32_t resource_id);
    void (*load_state)(void *context, uint32_t load_id, uint32_t state, kp_status_t status,
                       uint32_t http_status, const char *url, const char *text);
    void (*title)(void *context, const char *text);
    void (*navigate_request)(void *context, const char *url);
    void (*hover)(void *context, const char *url);
    void (*scroll_request)(void *context, int32_t x, int32_t y);
    /* Something changed: the host should call kp_engine_frame when it may present. */
    void (*frame_wanted)(void *context);
    int64_t (*now)(void *context); /* monotonic ns */
} kp_engine_host_t;

kp_status_t kp_engine_create(const kp_engine_host_t *host, kp_engine_t **out);
void kp_engine_destroy(kp_engine_t *engine);

/* Fonts and the user-agent style sheet, before the first load. bytes stay the caller's and must
   live as long as the engine. name: "DejaVuSans.ttf". */
kp_status_t kp_engine_add_font(kp_engine_t *engine, const char *name, const uint8_t *bytes,
                               size_t size);

kp_status_t kp_engine_configure(kp_engine_t *engine, uint32_t width, uint32_t height,
                                uint32_t scale);
kp_status_t kp_engine_navigate(kp_engine_t *engine, uint32_t load_id, const char *url);
kp_status_t kp_engine_load_html(kp_engine_t *engine, uint32_t load_id, const char *url,
                                const char *html, size_t size);
void kp_engine_stop(kp_engine_t *engine);

/* Answers to host->fetch, in this order: response once (not when it failed before), data any times,
   end once. */
void kp_engine_fetch_response(kp_engine_t *engine, uint32_t fetch_id, uint32_t http_status,
                              const char *final_url, const char *headers, size_t headers_size);
void kp_engine_fetch_data(kp_engine_t *engine, uint32_t fetch_id, const uint8_t *bytes,
                          size_t size);
void kp_engine_fetch_end(kp_engine_t *engine, uint32_t fetch_id, kp_status_t status,
                         const char *text);

void kp_engine_pointer(kp_engine_t *engine, const kp_tab_pointer_t *event);
void kp_engine_key(kp_engine_t *engine, const kp_tab_key_t *event);
void kp_engine_scrolled(kp_engine_t *engine, int32_t x, int32_t y);

/* Restyles and lays out what is dirty and builds the display list of the whole page. The list's bytes
   belong to the engine until the next call. New resources since the last frame come as RESOURCE
   commands, in order of creation. ERR_SHOULD_WAIT when nothing changed. */
typedef struct kp_engine_frame {
    const uint8_t *list;
    size_t list_size;
    int32_t page_width;
    int32_t page_height;
    uint32_t background;
    const uint32_t *new_resources; /* ids, in the order of their RESOURCE commands */
    size_t new_resource_count;
} kp_engine_frame_t;
kp_status_t kp_engine_frame(kp_engine_t *engine, kp_engine_frame_t *out);

/* KP_TAB_DUMP_*: malloc'ed bytes for the caller to free. */
kp_status_t kp_engine_dump(kp_engine_t *engine, uint32_t format, char **out, size_t *size);

#endif
