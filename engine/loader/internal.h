/* Shared by the files of the loader: what one engine (one tab) holds. */
#ifndef KP_ENGINE_LOADER_INTERNAL_H
#define KP_ENGINE_LOADER_INTERNAL_H

#include <lexbor/encoding/encoding.h>

#include "engine/base/url.h"
#include "engine/engine.h"
#include "engine/image/image.h"
#include "engine/layout/layout.h"
#include "engine/paint/paint.h"

#define KP_SHEET_NESTING_MAX 8
#define KP_SHEETS_MAX 512 /* of one document, imported ones included */
#define KP_IMAGES_MAX 2048
/* Documents beyond this stop loading: what arrived stays shown. */
#define KP_DOCUMENT_BYTES_MAX (64u << 20)

typedef enum kp_fetch_kind { KP_FETCH_DOCUMENT, KP_FETCH_SHEET, KP_FETCH_IMAGE } kp_fetch_kind_t;

typedef struct kp_sheet_entry {
    struct kp_sheet_entry *next;    /* of the list it is in */
    struct kp_sheet_entry *imports; /* first of the imported ones */
    const kp_node_t *node;          /* <style> or <link>; NULL: imported */
    char *url;                      /* final; base of what is in it */
    char *media;                    /* NULL: all */
    kp_css_sheet_t *sheet;          /* NULL: pending or failed */
    bool pending;
    bool disabled;      /* its node is gone or says so */
    uint32_t text_hash; /* <style>: of the text that was parsed */
    int nesting;
} kp_sheet_entry_t;

typedef struct kp_image_entry {
    kp_layout_image_t image; /* first: layout sees only this */
    struct kp_image_entry *next;
    char *url;
    bool pending;
} kp_image_entry_t;

typedef struct kp_fetch {
    struct kp_fetch *next;
    uint32_t id;
    kp_fetch_kind_t kind;
    kp_buffer_t body; /* sheets and images */
    void *target;     /* the entry */
    uint32_t http_status;
} kp_fetch_t;

typedef enum kp_content {
    KP_CONTENT_UNKNOWN,
    KP_CONTENT_HTML,
    KP_CONTENT_TEXT,
    KP_CONTENT_IMAGE
} kp_content_t;

/* From bytes to UTF-8. */
typedef struct kp_decoder {
    const lxb_encoding_data_t *encoding; /* NULL: UTF-8 */
    lxb_encoding_decode_t state;
    uint8_t carry[4]; /* UTF-8: the begin of a character at the end of a chunk */
    size_t carry_size;
} kp_decoder_t;

typedef struct kp_resource {
    uint32_t id, format, width, height, stride;
} kp_resource_t;

struct kp_engine {
    kp_engine_host_t host;
    kp_css_atoms_t atoms;
    kp_css_sheet_t *ua, *ua_quirks;
    kp_text_t *text;
    kp_css_font_host_t font_host;
    kp_layout_host_t layout_host;
    uint32_t width, height, scale; /* viewport; scale * 256 */
    bool configured;

    /* ---- the load ---- */
    uint32_t load_id;
    bool loading; /* LOAD_DONE or LOAD_FAILED not sent yet */
    bool committed;
    bool document_ended;
    kp_status_t document_status; /* how the document's body ended */
    char document_text[160];
    char *url;  /* of the document, final */
    char *base; /* of its links: <base> or url */
    uint32_t http_status;
    uint64_t document_bytes;
    kp_content_t content;
    char type[64], charset[48];
    kp_buffer_t head; /* bytes before type and charset are decided */
    kp_decoder_t decoder;
    lxb_html_document_t *document;
    kp_arena_t data_arena; /* kp_dom_data_t of the document */
    kp_sheet_entry_t *sheets;
    uint32_t sheet_count; /* ever made for this document */
    kp_image_entry_t *images;
    uint32_t image_count;
    kp_fetch_t *fetches;
    uint32_t next_fetch;
    char *fragment; /* to scroll to when laid out; NULL: done */
    kp_buffer_t title;

    /* ---- styling, layout, painting ---- */
    kp_css_cascade_t *cascade;
    kp_layout_t layout;
    bool style_dirty, paint_dirty;
    int64_t last_layout_end, last_layout_cost; /* ns */
    uint32_t *atlases;                         /* resource of each glyph atlas */
    size_t atlas_count;
    kp_resource_t *new_resources;
    size_t new_resource_count, new_resource_capacity;
    uint32_t *new_resource_ids;
    size_t new_resource_id_capacity;
    uint32_t next_resource;
    uint32_t *dropped;
    size_t dropped_count, dropped_capacity;
    int32_t scroll_x, scroll_y;
    float painted_top, painted_bottom; /* CSS px of the page in the last frame */
    kp_buffer_t commands, page_list;   /* of the last frame */

    /* ---- pointer ---- */
    char *hover;
    char *pressed; /* the link under the button that went down */
};

/* ---- document.c ---- */
kp_status_t kp_load_begin_document(kp_engine_t *engine);
void kp_load_headers(kp_engine_t *engine, const char *headers, size_t size);
kp_status_t kp_load_bytes(kp_engine_t *engine, const uint8_t *bytes, size_t size);
kp_status_t kp_load_end(kp_engine_t *engine);
void kp_load_drop_document(kp_engine_t *engine);
kp_node_t *kp_load_root(kp_engine_t *engine); /* the html element or NULL */

/* ---- resources.c ---- */
/* Finds sheets in the document, starts fetches, drops sheets whose node is gone. */
void kp_load_scan_sheets(kp_engine_t *engine, bool whole_document);
bool kp_load_sheets_pending(const kp_engine_t *engine);
const kp_layout_image_t *kp_load_image(void *engine, const char *url);
/* An image whose bytes are there already. */
kp_status_t kp_load_adopt_image(kp_engine_t *engine, const char *url, const uint8_t *bytes,
                                size_t size);
/* image_size.c: the size of a GIF, WebP or SVG image, which engine/image does not decode yet. */
bool kp_image_size_other(const uint8_t *bytes, size_t size, kp_image_info_t *out);
kp_fetch_t *kp_load_fetch(kp_engine_t *engine, kp_fetch_kind_t kind, uint32_t destination,
                          const char *url, void *target);
void kp_load_fetch_done(kp_engine_t *engine, kp_fetch_t *fetch, kp_status_t status);
void kp_load_drop_resources(kp_engine_t *engine);
void kp_load_cancel_fetches(kp_engine_t *engine);
kp_status_t kp_load_add_sheets(kp_engine_t *engine, kp_css_cascade_t *cascade,
                               const kp_css_viewport_t *viewport);
kp_status_t kp_load_resource_create(kp_engine_t *engine, uint32_t format, uint32_t width,
                                    uint32_t height, uint32_t stride, uint8_t **pixels,
                                    uint32_t *id);

/* ---- render.c ---- */
kp_status_t kp_load_layout(kp_engine_t *engine);
void kp_load_scroll_to_fragment(kp_engine_t *engine);

/* ---- engine.c ---- */
void kp_load_fail(kp_engine_t *engine, kp_status_t status, const char *text);
void kp_load_settle(kp_engine_t *engine);
void kp_load_changed(kp_engine_t *engine);

char *kp_load_copy(const char *text, size_t size);

#endif
