/* The engine's life and its loads. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/http.h"
#include "engine/loader/internal.h"

static void font_metrics(void *context, const kp_style_t *style, float *x_height, float *zero)
{
    kp_engine_t *engine = context;
    kp_text_style_t text_style = kp_layout_text_style(style);
    kp_text_font_t *font;
    kp_text_metrics_t metrics;
    if (kp_text_select(engine->text, &text_style, &font) != KP_OK)
        return;
    kp_text_font_metrics(font, &metrics);
    if (metrics.x_height > 0)
        *x_height = metrics.x_height;
    if (metrics.zero_width > 0)
        *zero = metrics.zero_width;
}

static kp_status_t new_atlas(void *context, uint32_t width, uint32_t height, uint32_t stride,
                             uint8_t **pixels)
{
    kp_engine_t *engine = context;
    uint32_t *grown = realloc(engine->atlases, (engine->atlas_count + 1) * sizeof *grown);
    if (!grown)
        return KP_ERR_NO_MEMORY;
    engine->atlases = grown;
    kp_status_t status = kp_load_resource_create(engine, KP_DISPLAY_FORMAT_A8, width, height,
                                                 stride, pixels, &grown[engine->atlas_count]);
    if (status == KP_OK)
        engine->atlas_count++;
    return status;
}

kp_status_t kp_engine_create(const kp_engine_host_t *host, kp_engine_t **out)
{
    kp_engine_t *engine = calloc(1, sizeof *engine);
    if (!engine)
        return KP_ERR_NO_MEMORY;
    engine->host = *host;
    engine->width = 1280;
    engine->height = 800;
    engine->scale = 256;
    engine->font_host = (kp_css_font_host_t){.context = engine, .metrics = font_metrics};
    engine->layout_host = (kp_layout_host_t){.context = engine, .image = kp_load_image};
    kp_status_t status = kp_text_create(&engine->text);
    if (status == KP_OK) {
        kp_text_atlas_host_t atlas = {.context = engine, .new_atlas = new_atlas};
        kp_text_set_atlas_host(engine->text, &atlas);
        status = kp_css_sheet_parse(kp_css_ua_text, strlen(kp_css_ua_text), NULL, &engine->atoms,
                                    false, &engine->ua);
    }
    if (status == KP_OK)
        status = kp_css_sheet_parse(kp_css_ua_quirks_text, strlen(kp_css_ua_quirks_text), NULL,
                                    &engine->atoms, false, &engine->ua_quirks);
    if (status != KP_OK) {
        kp_engine_destroy(engine);
        return status;
    }
    *out = engine;
    return KP_OK;
}

static void drop_load(kp_engine_t *engine)
{
    kp_load_cancel_fetches(engine);
    kp_load_drop_document(engine);
    kp_load_drop_resources(engine);
    free(engine->url);
    free(engine->base);
    free(engine->fragment);
    free(engine->pressed);
    engine->url = engine->base = engine->fragment = engine->pressed = NULL;
    kp_buffer_clear(&engine->title);
    engine->committed = engine->document_ended = engine->loading = false;
    engine->document_bytes = 0;
    engine->content = KP_CONTENT_UNKNOWN;
    engine->type[0] = engine->charset[0] = engine->document_text[0] = 0;
    engine->http_status = 0;
    engine->document_status = KP_OK;
    engine->decoder = (kp_decoder_t){0};
    engine->last_layout_end = engine->last_layout_cost = 0;
    engine->scroll_x = engine->scroll_y = 0;
    engine->style_dirty = engine->paint_dirty = false;
}

void kp_engine_destroy(kp_engine_t *engine)
{
    if (!engine)
        return;
    drop_load(engine);
    free(engine->hover);
    free(engine->new_resources);
    free(engine->new_resource_ids);
    free(engine->dropped);
    kp_buffer_clear(&engine->commands);
    kp_buffer_clear(&engine->page_list);
    kp_css_sheet_destroy(engine->ua);
    kp_css_sheet_destroy(engine->ua_quirks);
    kp_css_atoms_clear(&engine->atoms);
    kp_text_destroy(engine->text);
    for (size_t i = 0; i < engine->atlas_count; i++)
        engine->host.resource_destroy(engine->host.context, engine->atlases[i]);
    free(engine->atlases);
    free(engine);
}

kp_status_t kp_engine_add_font(kp_engine_t *engine, const char *name, const uint8_t *bytes,
                               size_t size)
{
    (void)name; /* the font says its own name */
    return kp_text_add_face(engine->text, NULL, 0, -1, bytes, size);
}

kp_status_t kp_engine_configure(kp_engine_t *engine, uint32_t width, uint32_t height,
                                uint32_t scale)
{
    if (width == 0 || height == 0 || width > 32767 || height > 32767 || scale < 64 ||
        scale > 256 * 8)
        return KP_ERR_INVALID_ARGUMENT;
    if (engine->configured && width == engine->width && height == engine->height &&
        scale == engine->scale)
        return KP_OK;
    engine->width = width;
    engine->height = height;
    engine->scale = scale;
    engine->configured = true;
    engine->style_dirty = true;
    engine->host.frame_wanted(engine->host.context);
    return KP_OK;
}

/* ---- loads ---- */

static void state(kp_engine_t *engine, uint32_t what, kp_status_t status, const char *text)
{
    engine->host.load_state(engine->host.context, engine->load_id, what, status,
                            engine->http_status, engine->url ? engine->url : "", text ? text : "");
}

void kp_load_fail(kp_engine_t *engine, kp_status_t status, const char *text)
{
    if (!engine->loading)
        return;
    engine->loading = false;
    engine->document_ended = true;
    state(engine, KP_TAB_LOAD_FAILED, status, text && *text ? text : kp_status_text(status));
}

void kp_load_changed(kp_engine_t *engine)
{
    engine->style_dirty = true;
    engine->host.frame_wanted(engine->host.context);
}

/* Ends the load when nothing is missing any more. */
void kp_load_settle(kp_engine_t *engine)
{
    if (!engine->loading || !engine->document_ended)
        return;
    kp_load_scan_sheets(engine, true);
    if (kp_load_sheets_pending(engine))
        return;
    if (engine->style_dirty) {
        /* Finds the images, too, and asks for them. */
        kp_status_t status = kp_load_layout(engine);
        engine->host.frame_wanted(engine->host.context);
        if (status != KP_OK) {
            kp_load_fail(engine, status, "the page does not fit into memory");
            return;
        }
    }
    if (engine->fetches)
        return;
    kp_load_scroll_to_fragment(engine);
    engine->loading = false;
    if (engine->document_status != KP_OK)
        state(engine, KP_TAB_LOAD_FAILED, engine->document_status,
              engine->document_text[0] ? engine->document_text
                                       : kp_status_text(engine->document_status));
    else
        state(engine, KP_TAB_LOAD_DONE, KP_OK, "");
    engine->host.frame_wanted(engine->host.context);
}

static kp_status_t begin(kp_engine_t *engine, uint32_t load_id, const char *url)
{
    drop_load(engine);
    engine->load_id = load_id;
    engine->url = kp_url_resolve(NULL, url, strlen(url));
    if (!engine->url) {
        engine->url = kp_load_copy(url, strlen(url));
        if (!engine->url)
            return KP_ERR_NO_MEMORY;
        engine->loading = true;
        state(engine, KP_TAB_LOAD_STARTED, KP_OK, "");
        kp_load_fail(engine, KP_ERR_INVALID_ARGUMENT, "the address is not a valid URL");
        return KP_ERR_INVALID_ARGUMENT;
    }
    engine->base = kp_load_copy(engine->url, strlen(engine->url));
    const char *fragment = kp_url_fragment(engine->url);
    engine->fragment = fragment ? kp_load_copy(fragment, strlen(fragment)) : NULL;
    engine->loading = true;
    if (!engine->base)
        return KP_ERR_NO_MEMORY;
    state(engine, KP_TAB_LOAD_STARTED, KP_OK, "");
    return KP_OK;
}

static kp_status_t commit(kp_engine_t *engine)
{
    kp_status_t status = engine->document ? KP_OK : kp_load_begin_document(engine);
    if (status != KP_OK) {
        kp_load_fail(engine, status, NULL);
        return status;
    }
    engine->committed = true;
    state(engine, KP_TAB_LOAD_COMMITTED, KP_OK, "");
    return KP_OK;
}

/* The document's bytes have ended. */
static void document_end(kp_engine_t *engine, kp_status_t status, const char *text)
{
    engine->document_ended = true;
    if (!engine->document_bytes) {
        char line[96];
        if (status == KP_OK && engine->http_status >= 400) {
            snprintf(line, sizeof line, "the server answered %u without a page",
                     engine->http_status);
            kp_load_fail(engine, KP_ERR_PROTOCOL, line);
        } else if (status == KP_OK) {
            kp_load_fail(engine, KP_ERR_PROTOCOL, "the server sent an empty page");
        } else {
            kp_load_fail(engine, status, text);
        }
        return;
    }
    kp_status_t parsed = kp_load_end(engine);
    if (parsed == KP_ERR_NOT_SUPPORTED) {
        kp_load_fail(engine, parsed, "this kind of file cannot be shown");
        return;
    }
    if (status == KP_OK && parsed != KP_OK)
        status = parsed;
    engine->document_status = status;
    snprintf(engine->document_text, sizeof engine->document_text, "%s", text ? text : "");
    kp_load_changed(engine);
    kp_load_settle(engine);
}

kp_status_t kp_engine_navigate(kp_engine_t *engine, uint32_t load_id, const char *url)
{
    kp_status_t status = begin(engine, load_id, url);
    if (status != KP_OK) {
        kp_load_fail(engine, status, NULL);
        return KP_OK; /* reported */
    }
    if (kp_url_has_scheme(engine->url, "about")) {
        static const char blank[] = "<!DOCTYPE html><html><head></head><body></body></html>";
        engine->content = KP_CONTENT_HTML;
        if (commit(engine) == KP_OK) {
            kp_load_bytes(engine, (const uint8_t *)blank, sizeof blank - 1);
            document_end(engine, KP_OK, NULL);
        }
        return KP_OK;
    }
    if (kp_url_has_scheme(engine->url, "data")) {
        unsigned char *bytes;
        size_t size;
        char type[64];
        if (!kp_url_data(engine->url, &bytes, &size, type, sizeof type)) {
            kp_load_fail(engine, KP_ERR_BAD_FORMAT, "the data: address is damaged");
            return KP_OK;
        }
        char header[96];
        int length =
            snprintf(header, sizeof header, "Content-Type: %s\n", *type ? type : "text/plain");
        kp_load_headers(engine, header, (size_t)length);
        if (commit(engine) == KP_OK) {
            status = kp_load_bytes(engine, bytes, size);
            document_end(engine, status, NULL);
        }
        free(bytes);
        return KP_OK;
    }
    size_t size = kp_url_size_without_fragment(engine->url);
    char *plain = kp_load_copy(engine->url, size);
    kp_fetch_t *fetch =
        plain ? kp_load_fetch(engine, KP_FETCH_DOCUMENT, KP_HTTP_FOR_DOCUMENT, plain, NULL) : NULL;
    free(plain);
    if (!fetch)
        kp_load_fail(engine, KP_ERR_UNSUPPORTED_SCHEME, "this kind of address cannot be opened");
    return KP_OK;
}

kp_status_t kp_engine_load_html(kp_engine_t *engine, uint32_t load_id, const char *url,
                                const char *html, size_t size)
{
    kp_status_t status = begin(engine, load_id, url && *url ? url : "about:blank");
    if (status != KP_OK) {
        kp_load_fail(engine, status, NULL);
        return KP_OK; /* reported */
    }
    strcpy(engine->type, "text/html");
    strcpy(engine->charset, "utf-8");
    if (commit(engine) != KP_OK)
        return KP_OK; /* reported */
    status = size ? kp_load_bytes(engine, (const uint8_t *)html, size) : KP_OK;
    engine->document_bytes += !size; /* an empty page is what was asked for */
    document_end(engine, status, NULL);
    return KP_OK;
}

void kp_engine_stop(kp_engine_t *engine)
{
    if (!engine->loading)
        return;
    kp_load_cancel_fetches(engine);
    if (!engine->committed) {
        kp_load_fail(engine, KP_ERR_CANCELLED, "loading was stopped");
        return;
    }
    if (!engine->document_ended)
        document_end(engine, KP_OK, NULL);
    kp_load_cancel_fetches(engine); /* images that the last layout asked for */
    kp_load_settle(engine);
}

static kp_fetch_t *find_fetch(kp_engine_t *engine, uint32_t id)
{
    kp_fetch_t *fetch = engine->fetches;
    while (fetch && fetch->id != id)
        fetch = fetch->next;
    return fetch;
}

void kp_engine_fetch_response(kp_engine_t *engine, uint32_t fetch_id, uint32_t http_status,
                              const char *final_url, const char *headers, size_t headers_size)
{
    kp_fetch_t *fetch = find_fetch(engine, fetch_id);
    if (!fetch)
        return;
    fetch->http_status = http_status;
    if (fetch->kind == KP_FETCH_SHEET) {
        kp_sheet_entry_t *entry = fetch->target;
        char *url = *final_url ? kp_load_copy(final_url, strlen(final_url)) : NULL;
        if (url) {
            free(entry->url);
            entry->url = url;
        }
    }
    if (fetch->kind != KP_FETCH_DOCUMENT)
        return;
    engine->http_status = http_status;
    if (*final_url && !kp_url_same_document(final_url, engine->url)) {
        /* A redirect keeps the fragment that was asked for. */
        kp_buffer_t url = {0};
        kp_buffer_text(&url, final_url);
        const char *fragment = kp_url_fragment(engine->url);
        if (fragment && !kp_url_fragment(final_url)) {
            kp_buffer_byte(&url, '#');
            kp_buffer_text(&url, fragment);
        }
        kp_buffer_byte(&url, 0);
        char *base = kp_load_copy(final_url, strlen(final_url));
        if (!url.failed && base) {
            free(engine->url);
            free(engine->base);
            engine->url = url.bytes;
            engine->base = base;
        } else {
            kp_buffer_clear(&url);
            free(base);
        }
    }
    kp_load_headers(engine, headers, headers_size);
}

static void stop_document(kp_engine_t *engine, kp_fetch_t *fetch, kp_status_t status,
                          const char *text)
{
    engine->host.fetch_cancel(engine->host.context, fetch->id);
    kp_load_fetch_done(engine, fetch, status);
    if (status == KP_ERR_NOT_SUPPORTED) {
        kp_load_cancel_fetches(engine);
        kp_load_fail(engine, status, text);
    } else {
        document_end(engine, status, text);
    }
}

void kp_engine_fetch_data(kp_engine_t *engine, uint32_t fetch_id, const uint8_t *bytes, size_t size)
{
    kp_fetch_t *fetch = find_fetch(engine, fetch_id);
    if (!fetch || !size)
        return;
    if (fetch->kind != KP_FETCH_DOCUMENT) {
        kp_buffer_append(&fetch->body, bytes, size);
        return;
    }
    if (!engine->committed && commit(engine) != KP_OK)
        return;
    kp_status_t status = kp_load_bytes(engine, bytes, size);
    if (status == KP_ERR_NOT_SUPPORTED) {
        stop_document(engine, fetch, status, "this kind of file cannot be shown");
    } else if (status != KP_OK) {
        stop_document(engine, fetch, status,
                      status == KP_ERR_TOO_LARGE ? "the page is larger than 64 MiB" : NULL);
    } else {
        kp_load_scan_sheets(engine, false);
        kp_load_changed(engine);
    }
}

void kp_engine_fetch_end(kp_engine_t *engine, uint32_t fetch_id, kp_status_t status,
                         const char *text)
{
    kp_fetch_t *fetch = find_fetch(engine, fetch_id);
    if (!fetch)
        return;
    bool document = fetch->kind == KP_FETCH_DOCUMENT;
    kp_load_fetch_done(engine, fetch, status);
    if (document) {
        document_end(engine, status, text);
    } else {
        kp_load_settle(engine);
        if (engine->loading)
            engine->host.frame_wanted(engine->host.context);
    }
    if (!engine->loading && engine->style_dirty)
        engine->host.frame_wanted(engine->host.context);
}
