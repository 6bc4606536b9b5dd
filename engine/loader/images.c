#include "engine/loader/internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    return hash;
}

static void decode(kp_document_t *document, kp_image_t *image, const uint8_t *bytes, size_t size)
{
    kp_engine_t *engine = document->engine;
    kp_image_info_t info;
    image->layout.failed = true;
    if (kp_image_probe(bytes, size, &info) != KP_OK || info.width == 0 || info.height == 0 ||
        (uint64_t)info.width * info.height > KP_IMAGE_PIXELS_MAX ||
        info.width > KP_DISPLAY_RESOURCE_SIDE_MAX || info.height > KP_DISPLAY_RESOURCE_SIDE_MAX)
        return;
    uint32_t stride = info.width * 4, id = engine->next_resource++;
    uint8_t *pixels = NULL;
    if (engine->host.resource_create(engine->host.context, id, KP_DISPLAY_FORMAT_BGRA8, info.width,
                                     info.height, stride, &pixels) != KP_OK)
        return;
    bool partial = false;
    if (kp_image_decode(bytes, size, pixels, stride, &partial) != KP_OK) {
        engine->host.resource_destroy(engine->host.context, id);
        return;
    }
    image->layout = (kp_layout_image_t){.resource = id, .width = info.width, .height = info.height};
}

static kp_image_t *add(kp_document_t *document, const char *url)
{
    size_t size = strlen(url) + 1;
    kp_image_t *image =
        document->image_count < KP_IMAGES_MAX ? calloc(1, sizeof *image + size) : NULL;
    if (!image)
        return NULL;
    memcpy(image->url, url, size);
    image->hash = hash_of(url);
    kp_image_t **bucket = &document->images[image->hash % KP_IMAGE_BUCKETS];
    image->next = *bucket;
    *bucket = image;
    document->image_count++;
    return image;
}

static kp_image_t *find(const kp_document_t *document, const char *url)
{
    uint32_t hash = hash_of(url);
    for (kp_image_t *image = document->images[hash % KP_IMAGE_BUCKETS]; image; image = image->next)
        if (image->hash == hash && strcmp(image->url, url) == 0)
            return image;
    return NULL;
}

const kp_layout_image_t *kp_images_find(void *context, const char *url)
{
    kp_engine_t *engine = context;
    kp_document_t *document = engine->document;
    kp_image_t *image = find(document, url);
    if (image)
        return &image->layout;
    image = add(document, url);
    if (!image)
        return NULL;
    if (kp_url_has_scheme(url, "data")) {
        unsigned char *bytes = NULL;
        size_t size = 0;
        char type[64];
        image->layout.failed = true;
        if (kp_url_data(url, &bytes, &size, type, sizeof type)) {
            decode(document, image, bytes, size);
            free(bytes);
        }
        return &image->layout;
    }
    if (kp_fetch_start(engine, KP_FETCH_IMAGE, image, KP_HTTP_FOR_IMAGE, url, NULL) == KP_OK) {
        image->pending = true;
        document->pending_images++;
    } else {
        image->layout.failed = true;
    }
    return &image->layout;
}

void kp_images_fetched(kp_document_t *document, kp_image_t *image, kp_status_t status,
                       uint32_t http_status, const kp_buffer_t *bytes)
{
    if (!image->pending)
        return;
    image->pending = false;
    document->pending_images--;
    (void)status; /* what arrived of a broken-off image is shown */
    if (http_status < 400 && !bytes->failed)
        decode(document, image, (const uint8_t *)bytes->bytes, bytes->size);
    else
        image->layout.failed = true;
    document->layout_dirty = true;
    kp_engine_frame_wanted(document->engine);
}

void kp_images_preset(kp_document_t *document, const char *url, const kp_buffer_t *bytes)
{
    kp_image_t *image = add(document, url);
    if (image)
        decode(document, image, (const uint8_t *)bytes->bytes, bytes->size);
}

void kp_images_destroy(kp_document_t *document)
{
    const kp_engine_host_t *host = &document->engine->host;
    for (size_t i = 0; i < KP_IMAGE_BUCKETS; i++) {
        while (document->images[i]) {
            kp_image_t *image = document->images[i];
            document->images[i] = image->next;
            if (image->layout.resource)
                host->resource_destroy(host->context, image->layout.resource);
            free(image);
        }
    }
}
