#include "engine/fuzz/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/http.h"

typedef struct kp_fuzz_pixels {
    struct kp_fuzz_pixels *next;
    uint32_t id, format, width, height, stride;
    uint8_t *bytes;
} kp_fuzz_pixels_t;

static void fail(const char *what, kp_status_t status)
{
    fprintf(stderr, "engine: %s: %s\n", what, kp_status_name(status));
    abort();
}

static kp_status_t on_fetch(void *context, uint32_t id, uint32_t destination, const char *url)
{
    kp_fuzz_host_t *host = context;
    if (!url[0] || host->fetch_count == KP_FUZZ_FETCHES_MAX)
        return KP_ERR_QUOTA;
    host->fetches[host->fetch_count++] = (kp_fuzz_fetch_t){id, destination};
    host->fetch_total++;
    return KP_OK;
}

static void on_cancel(void *context, uint32_t id)
{
    kp_fuzz_host_t *host = context;
    for (size_t i = 0; i < host->fetch_count; i++) {
        if (host->fetches[i].id == id) {
            host->fetches[i] = host->fetches[--host->fetch_count];
            return;
        }
    }
}

static kp_status_t on_resource(void *context, uint32_t id, uint32_t format, uint32_t width,
                               uint32_t height, uint32_t stride, uint8_t **pixels)
{
    kp_fuzz_host_t *host = context;
    kp_fuzz_pixels_t *item = malloc(sizeof *item);
    uint8_t *bytes = calloc(height, stride);
    if (!item || !bytes) {
        free(item);
        free(bytes);
        return KP_ERR_NO_MEMORY;
    }
    for (kp_fuzz_pixels_t *other = host->pixels; other; other = other->next) {
        if (other->id == id)
            fail("uses a resource id twice", KP_ERR_BAD_STATE);
    }
    *item = (kp_fuzz_pixels_t){host->pixels, id, format, width, height, stride, bytes};
    host->pixels = item;
    *pixels = bytes;
    return KP_OK;
}

static void on_resource_destroy(void *context, uint32_t id)
{
    kp_fuzz_host_t *host = context;
    kp_fuzz_pixels_t **link = &host->pixels;
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    kp_fuzz_pixels_t *item = *link;
    if (!item)
        fail("destroys a resource twice", KP_ERR_BAD_STATE);
    *link = item->next;
    free(item->bytes);
    free(item);
}

static void on_state(void *context, uint32_t load_id, uint32_t state, kp_status_t status,
                     uint32_t http_status, const char *url, const char *text)
{
    kp_fuzz_host_t *host = context;
    (void)load_id;
    (void)http_status;
    host->state = state;
    host->status = status;
    if (strlen(url) + strlen(text) == SIZE_MAX)
        abort(); /* reads both */
}

static void on_title(void *context, const char *text)
{
    kp_fuzz_host_t *host = context;
    snprintf(host->title, sizeof host->title, "%s", text);
}

static void on_text(void *context, const char *text)
{
    (void)context;
    if (strlen(text) == SIZE_MAX)
        abort();
}

static void on_scroll(void *context, int32_t x, int32_t y)
{
    (void)context;
    if (x < 0 || y < 0)
        fail("scrolls out of the page", KP_ERR_OUT_OF_RANGE);
}

static void on_frame_wanted(void *context)
{
    (void)context;
}

static int64_t on_now(void *context)
{
    static int64_t now;
    (void)context;
    return now += 1000000; /* a clock that gives the same every time */
}

static kp_status_t on_open(void *context, const kp_display_resource_t *wanted,
                           const uint8_t **pixels, void **owner)
{
    kp_fuzz_host_t *host = context;
    for (kp_fuzz_pixels_t *item = host->pixels; item; item = item->next) {
        if (item->id == wanted->id) {
            if (item->format != wanted->format || item->width != wanted->width ||
                item->height != wanted->height || item->stride != wanted->stride)
                fail("announces a resource unlike itself", KP_ERR_BAD_FORMAT);
            *pixels = item->bytes;
            *owner = NULL;
            return KP_OK;
        }
    }
    return KP_ERR_NOT_FOUND;
}

static void on_close(void *context, void *owner)
{
    (void)context;
    (void)owner;
}

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    *size = 0;
    if (!file)
        return NULL;
    if (fseek(file, 0, SEEK_END) == 0 && ftell(file) > 0) {
        *size = (size_t)ftell(file);
        rewind(file);
        bytes = malloc(*size);
        if (bytes && fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    fclose(file);
    return bytes;
}

kp_status_t kp_fuzz_host_create(kp_fuzz_host_t *host, const char *font)
{
    memset(host, 0, sizeof *host);
    kp_engine_host_t calls = {.context = host,
                              .fetch = on_fetch,
                              .fetch_cancel = on_cancel,
                              .resource_create = on_resource,
                              .resource_destroy = on_resource_destroy,
                              .load_state = on_state,
                              .title = on_title,
                              .navigate_request = on_text,
                              .hover = on_text,
                              .scroll_request = on_scroll,
                              .frame_wanted = on_frame_wanted,
                              .now = on_now};
    kp_status_t status = kp_engine_create(&calls, &host->engine);
    if (status != KP_OK || !font)
        return status;
    size_t size;
    host->font = read_file(font, &size);
    if (!host->font)
        return KP_ERR_NOT_FOUND;
    return kp_engine_add_font(host->engine, "font.ttf", host->font, size);
}

void kp_fuzz_host_destroy(kp_fuzz_host_t *host)
{
    kp_paint_host_t display = {host, on_open, on_close};
    kp_paint_scene_clear(&host->scene, &display);
    kp_engine_destroy(host->engine);
    if (host->pixels || host->fetch_count)
        fail("leaves resources or fetches behind", KP_ERR_BAD_STATE);
    free(host->font);
    memset(host, 0, sizeof *host);
}

void kp_fuzz_host_answer(kp_fuzz_host_t *host, unsigned rounds)
{
    static const char sheet[] = "content-type: text/css\r\n",
                      image[] = "content-type: image/png\r\n";
    for (; host->fetch_count && rounds; rounds--) {
        kp_fuzz_fetch_t fetch = host->fetches[0];
        memmove(host->fetches, host->fetches + 1, --host->fetch_count * sizeof *host->fetches);
        bool styles = fetch.destination == KP_HTTP_FOR_STYLE;
        const char *headers = styles ? sheet : image;
        if (fetch.id % 8 == 7) {
            kp_engine_fetch_end(host->engine, fetch.id, KP_ERR_NOT_FOUND, "not there");
            continue;
        }
        kp_engine_fetch_response(host->engine, fetch.id, 200, "http://other.test/d/e?f", headers,
                                 strlen(headers));
        size_t first = fetch.id % 2 ? host->body_size / 2 : host->body_size;
        kp_engine_fetch_data(host->engine, fetch.id, host->body, first);
        kp_engine_fetch_data(host->engine, fetch.id, host->body + first, host->body_size - first);
        kp_engine_fetch_end(host->engine, fetch.id, KP_OK, "");
    }
}

kp_status_t kp_fuzz_host_frame(kp_fuzz_host_t *host, kp_engine_frame_t *frame)
{
    kp_status_t status = kp_engine_frame(host->engine, frame);
    if (status != KP_OK)
        return status;
    uint8_t *copy = malloc(frame->list_size);
    kp_paint_host_t display = {host, on_open, on_close};
    kp_paint_rect_t changed;
    if (!copy)
        return KP_ERR_NO_MEMORY;
    memcpy(copy, frame->list, frame->list_size);
    status = kp_paint_scene_update(&host->scene, &display, copy, frame->list_size, &changed);
    if (status != KP_OK && status != KP_ERR_NO_MEMORY)
        fail("the display refuses the list", status);
    if (frame->page_width < 0 || frame->page_height < 0)
        fail("a page of negative size", KP_ERR_OUT_OF_RANGE);
    return status;
}
