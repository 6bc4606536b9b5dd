/* Subresources of a load: fetches, style sheets, images, pixel memory. A subresource that fails is
   left out; it never fails the load. */
#include <stdlib.h>
#include <string.h>

#include "abi/http.h"
#include "engine/loader/internal.h"

/* ---- fetches ---- */

static void unlink_fetch(kp_engine_t *engine, kp_fetch_t *fetch)
{
    kp_fetch_t **link = &engine->fetches;
    while (*link && *link != fetch)
        link = &(*link)->next;
    if (*link)
        *link = fetch->next;
}

kp_fetch_t *kp_load_fetch(kp_engine_t *engine, kp_fetch_kind_t kind, uint32_t destination,
                          const char *url, void *target)
{
    kp_fetch_t *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return NULL;
    fetch->id = ++engine->next_fetch;
    fetch->kind = kind;
    fetch->target = target;
    fetch->next = engine->fetches;
    engine->fetches = fetch;
    if (engine->host.fetch(engine->host.context, fetch->id, destination, url) != KP_OK) {
        unlink_fetch(engine, fetch);
        free(fetch);
        return NULL;
    }
    return fetch;
}

void kp_load_cancel_fetches(kp_engine_t *engine)
{
    while (engine->fetches) {
        kp_fetch_t *fetch = engine->fetches;
        engine->fetches = fetch->next;
        engine->host.fetch_cancel(engine->host.context, fetch->id);
        if (fetch->kind == KP_FETCH_SHEET)
            ((kp_sheet_entry_t *)fetch->target)->pending = false;
        else if (fetch->kind == KP_FETCH_IMAGE)
            ((kp_image_entry_t *)fetch->target)->pending = false;
        kp_buffer_clear(&fetch->body);
        free(fetch);
    }
}

/* ---- pixel memory ---- */

kp_status_t kp_load_resource_create(kp_engine_t *engine, uint32_t format, uint32_t width,
                                    uint32_t height, uint32_t stride, uint8_t **pixels,
                                    uint32_t *id)
{
    if (width == 0 || height == 0 || width > KP_DISPLAY_RESOURCE_SIDE_MAX ||
        height > KP_DISPLAY_RESOURCE_SIDE_MAX)
        return KP_ERR_TOO_LARGE;
    if (engine->new_resource_count == engine->new_resource_capacity) {
        size_t more = engine->new_resource_capacity ? engine->new_resource_capacity * 2 : 16;
        kp_resource_t *grown = realloc(engine->new_resources, more * sizeof *grown);
        if (!grown)
            return KP_ERR_NO_MEMORY;
        engine->new_resources = grown;
        engine->new_resource_capacity = more;
    }
    uint32_t number = engine->next_resource + 1;
    kp_status_t status = engine->host.resource_create(engine->host.context, number, format, width,
                                                      height, stride, pixels);
    if (status != KP_OK)
        return status;
    engine->next_resource = number;
    engine->new_resources[engine->new_resource_count++] =
        (kp_resource_t){number, format, width, height, stride};
    *id = number;
    return KP_OK;
}

/* The display forgets it with the next frame; one that it never saw just goes. */
static void drop_resource(kp_engine_t *engine, uint32_t id)
{
    bool unseen = false;
    for (size_t i = 0; i < engine->new_resource_count && !unseen; i++) {
        if (engine->new_resources[i].id != id)
            continue;
        memmove(&engine->new_resources[i], &engine->new_resources[i + 1],
                (engine->new_resource_count - i - 1) * sizeof *engine->new_resources);
        engine->new_resource_count--;
        unseen = true;
    }
    if (!unseen) {
        if (engine->dropped_count == engine->dropped_capacity) {
            size_t more = engine->dropped_capacity ? engine->dropped_capacity * 2 : 16;
            uint32_t *grown = realloc(engine->dropped, more * sizeof *grown);
            if (grown) {
                engine->dropped = grown;
                engine->dropped_capacity = more;
            }
        }
        if (engine->dropped_count < engine->dropped_capacity)
            engine->dropped[engine->dropped_count++] = id;
    }
    engine->host.resource_destroy(engine->host.context, id);
}

/* ---- images ---- */

static void decode_image(kp_engine_t *engine, kp_image_entry_t *entry, const uint8_t *bytes,
                         size_t size)
{
    kp_image_info_t info;
    uint8_t *pixels;
    uint32_t id;
    bool partial;
    entry->image.failed = true;
    if (kp_image_size_other(bytes, size, &info)) {
        /* A format that is not decoded yet keeps its place on the page. */
        entry->image = (kp_layout_image_t){.width = info.width, .height = info.height};
        return;
    }
    if (kp_image_probe(bytes, size, &info) != KP_OK ||
        (uint64_t)info.width * info.height > KP_IMAGE_PIXELS_MAX ||
        kp_load_resource_create(engine, KP_DISPLAY_FORMAT_BGRA8, info.width, info.height,
                                info.width * 4, &pixels, &id) != KP_OK)
        return;
    if (kp_image_decode(bytes, size, pixels, (size_t)info.width * 4, &partial) != KP_OK) {
        drop_resource(engine, id);
        return;
    }
    entry->image = (kp_layout_image_t){.resource = id, .width = info.width, .height = info.height};
}

static kp_image_entry_t *new_image(kp_engine_t *engine, const char *url)
{
    kp_image_entry_t *entry = engine->image_count < KP_IMAGES_MAX ? calloc(1, sizeof *entry) : NULL;
    if (!entry)
        return NULL;
    entry->url = kp_load_copy(url, strlen(url));
    if (!entry->url) {
        free(entry);
        return NULL;
    }
    entry->next = engine->images;
    engine->images = entry;
    engine->image_count++;
    return entry;
}

kp_status_t kp_load_adopt_image(kp_engine_t *engine, const char *url, const uint8_t *bytes,
                                size_t size)
{
    kp_image_entry_t *entry = new_image(engine, url);
    if (!entry)
        return KP_ERR_NO_MEMORY;
    decode_image(engine, entry, bytes, size);
    return entry->image.failed ? KP_ERR_BAD_FORMAT : KP_OK;
}

const kp_layout_image_t *kp_load_image(void *context, const char *url)
{
    kp_engine_t *engine = context;
    size_t size = kp_url_size_without_fragment(url);
    for (kp_image_entry_t *entry = engine->images; entry; entry = entry->next) {
        if (strncmp(entry->url, url, size) == 0 && kp_url_size_without_fragment(entry->url) == size)
            return &entry->image;
    }
    kp_image_entry_t *entry = new_image(engine, url);
    if (!entry)
        return NULL;
    unsigned char *bytes;
    char type[64];
    if (kp_url_has_scheme(url, "data")) {
        if (kp_url_data(url, &bytes, &size, type, sizeof type)) {
            decode_image(engine, entry, bytes, size);
            free(bytes);
        } else {
            entry->image.failed = true;
        }
    } else if (kp_load_fetch(engine, KP_FETCH_IMAGE, KP_HTTP_FOR_IMAGE, url, entry)) {
        entry->pending = true;
    } else {
        entry->image.failed = true;
    }
    return &entry->image;
}

/* ---- style sheets ---- */

static void free_entries(kp_sheet_entry_t *entry)
{
    while (entry) {
        kp_sheet_entry_t *next = entry->next;
        free_entries(entry->imports); /* nesting is bounded by KP_SHEET_NESTING_MAX */
        kp_css_sheet_destroy(entry->sheet);
        free(entry->url);
        free(entry->media);
        free(entry);
        entry = next;
    }
}

/* NULL: out of memory or more sheets than a page needs. */
static kp_sheet_entry_t *new_sheet(kp_engine_t *engine)
{
    kp_sheet_entry_t *entry = engine->sheet_count < KP_SHEETS_MAX ? calloc(1, sizeof *entry) : NULL;
    engine->sheet_count += entry != NULL;
    return entry;
}

static bool is_quirks(const kp_engine_t *engine)
{
    return engine->document && lxb_dom_interface_document(engine->document)->compat_mode ==
                                   LXB_DOM_DOCUMENT_CMODE_QUIRKS;
}

static void start_sheet(kp_engine_t *engine, kp_sheet_entry_t *entry);

static void parse_sheet(kp_engine_t *engine, kp_sheet_entry_t *entry, const char *text, size_t size)
{
    kp_css_sheet_destroy(entry->sheet);
    entry->sheet = NULL;
    free_entries(entry->imports);
    entry->imports = NULL;
    if (kp_css_sheet_parse(text, size, entry->url, &engine->atoms, is_quirks(engine),
                           &entry->sheet) != KP_OK)
        return;
    engine->style_dirty = true;
    if (entry->nesting >= KP_SHEET_NESTING_MAX)
        return;
    kp_sheet_entry_t **last = &entry->imports;
    for (size_t i = 0; i < entry->sheet->import_count; i++) {
        const kp_css_import_t *import = &entry->sheet->imports[i];
        kp_sheet_entry_t *child = new_sheet(engine);
        if (!child)
            return;
        child->nesting = entry->nesting + 1;
        child->url = kp_load_copy(import->url, strlen(import->url));
        if (import->media)
            child->media = kp_load_copy(entry->sheet->media[import->media].text,
                                        entry->sheet->media[import->media].size);
        *last = child;
        last = &child->next;
        if (child->url)
            start_sheet(engine, child);
    }
}

static void start_sheet(kp_engine_t *engine, kp_sheet_entry_t *entry)
{
    unsigned char *bytes;
    size_t size;
    char type[64];
    if (kp_url_has_scheme(entry->url, "data")) {
        if (kp_url_data(entry->url, &bytes, &size, type, sizeof type)) {
            parse_sheet(engine, entry, (const char *)bytes, size);
            free(bytes);
        }
        return;
    }
    entry->pending =
        kp_load_fetch(engine, KP_FETCH_SHEET, KP_HTTP_FOR_STYLE, entry->url, entry) != NULL;
}

static uint32_t hash_bytes(const char *text, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash;
}

static bool is_stylesheet_link(const kp_node_t *node)
{
    size_t size;
    const char *rel = kp_dom_attribute(node, "rel", &size);
    bool sheet = false, alternate = false;
    for (size_t i = 0; rel && i < size;) {
        size_t end = i;
        while (end < size && !strchr(" \t\n\f\r", rel[end]))
            end++;
        sheet = sheet || kp_css_text_is(rel + i, end - i, "stylesheet");
        alternate = alternate || kp_css_text_is(rel + i, end - i, "alternate");
        i = end + 1;
    }
    return sheet && !alternate && !kp_dom_has_attribute(node, "disabled");
}

static kp_sheet_entry_t *entry_of(kp_engine_t *engine, const kp_node_t *node)
{
    kp_sheet_entry_t **link = &engine->sheets;
    while (*link && (*link)->node != node)
        link = &(*link)->next;
    return *link;
}

static void see_sheet(kp_engine_t *engine, const kp_node_t *node)
{
    kp_sheet_entry_t *entry = entry_of(engine, node);
    bool is_style = kp_dom_is(node, LXB_TAG_STYLE);
    size_t size;
    if (!entry) {
        const char *media = kp_dom_attribute(node, "media", &size);
        entry = new_sheet(engine);
        if (!entry)
            return;
        entry->node = node;
        entry->media = media && size ? kp_load_copy(media, size) : NULL;
        kp_sheet_entry_t **last = &engine->sheets;
        while (*last)
            last = &(*last)->next;
        *last = entry;
        if (!is_style) {
            const char *href = kp_dom_attribute_id(node, LXB_DOM_ATTR_HREF, &size);
            entry->url = href && size ? kp_url_resolve(engine->base, href, size) : NULL;
            kp_css_viewport_t viewport = {(float)engine->width, (float)engine->height, 1};
            /* A sheet for print only is not fetched. */
            bool wanted = !entry->media ||
                          kp_css_media_matches(entry->media, strlen(entry->media), &viewport);
            if (entry->url && wanted)
                start_sheet(engine, entry);
        }
    }
    if (!is_style)
        return;
    kp_buffer_t text = {0};
    kp_dom_text_content(node, &text);
    uint32_t hash = hash_bytes(text.bytes, text.size) | 1;
    if (hash != entry->text_hash) {
        entry->text_hash = hash;
        if (!entry->url)
            entry->url = kp_load_copy(engine->base, strlen(engine->base));
        parse_sheet(engine, entry, text.bytes ? text.bytes : "", text.size);
    }
    kp_buffer_clear(&text);
}

static void see_base(kp_engine_t *engine, const kp_node_t *node)
{
    size_t size;
    const char *href = kp_dom_attribute_id(node, LXB_DOM_ATTR_HREF, &size);
    char *base = href ? kp_url_resolve(engine->url, href, size) : NULL;
    if (base && !kp_url_has_scheme(base, "data")) {
        free(engine->base);
        engine->base = base;
    } else {
        kp_url_free(base);
    }
}

void kp_load_scan_sheets(kp_engine_t *engine, bool whole_document)
{
    kp_node_t *root = kp_load_root(engine);
    if (!root)
        return;
    if (!whole_document)
        root = root->first_child; /* the head: the rest is looked at before layout */
    bool based = false;
    for (kp_node_t *node = root; node; node = kp_dom_next(node, root)) {
        if (!kp_dom_is_html(node))
            continue;
        if (node->local_name == LXB_TAG_BASE && !based) {
            see_base(engine, node);
            based = true;
        } else if (node->local_name == LXB_TAG_STYLE) {
            see_sheet(engine, node);
        } else if (node->local_name == LXB_TAG_LINK && is_stylesheet_link(node)) {
            see_sheet(engine, node);
        }
    }
}

static bool any_pending(const kp_sheet_entry_t *entry)
{
    for (; entry; entry = entry->next) {
        if (entry->pending || any_pending(entry->imports))
            return true;
    }
    return false;
}

bool kp_load_sheets_pending(const kp_engine_t *engine)
{
    return any_pending(engine->sheets);
}

static kp_status_t add_entries(const kp_sheet_entry_t *entry, kp_css_cascade_t *cascade,
                               const kp_css_viewport_t *viewport)
{
    kp_status_t status = KP_OK;
    for (; entry && status == KP_OK; entry = entry->next) {
        if (!entry->sheet ||
            (entry->media && !kp_css_media_matches(entry->media, strlen(entry->media), viewport)))
            continue;
        status = add_entries(entry->imports, cascade, viewport);
        if (status == KP_OK)
            status = kp_css_cascade_add_sheet(cascade, entry->sheet, KP_CSS_ORIGIN_AUTHOR);
    }
    return status;
}

kp_status_t kp_load_add_sheets(kp_engine_t *engine, kp_css_cascade_t *cascade,
                               const kp_css_viewport_t *viewport)
{
    kp_status_t status = kp_css_cascade_add_sheet(cascade, engine->ua, KP_CSS_ORIGIN_UA);
    if (status == KP_OK && is_quirks(engine))
        status = kp_css_cascade_add_sheet(cascade, engine->ua_quirks, KP_CSS_ORIGIN_UA);
    return status == KP_OK ? add_entries(engine->sheets, cascade, viewport) : status;
}

void kp_load_fetch_done(kp_engine_t *engine, kp_fetch_t *fetch, kp_status_t status)
{
    bool ok =
        (status == KP_OK || fetch->body.size) && fetch->http_status < 400 && !fetch->body.failed;
    if (fetch->kind == KP_FETCH_SHEET) {
        kp_sheet_entry_t *entry = fetch->target;
        entry->pending = false;
        if (ok)
            parse_sheet(engine, entry, fetch->body.bytes ? fetch->body.bytes : "",
                        fetch->body.size);
        engine->style_dirty = true;
    } else if (fetch->kind == KP_FETCH_IMAGE) {
        kp_image_entry_t *entry = fetch->target;
        entry->pending = false;
        if (fetch->body.size && !fetch->body.failed)
            decode_image(engine, entry, (const uint8_t *)fetch->body.bytes, fetch->body.size);
        else
            entry->image.failed = true;
        engine->style_dirty = true; /* its size is known now */
    }
    unlink_fetch(engine, fetch);
    kp_buffer_clear(&fetch->body);
    free(fetch);
}

void kp_load_drop_resources(kp_engine_t *engine)
{
    free_entries(engine->sheets);
    engine->sheets = NULL;
    engine->sheet_count = 0;
    while (engine->images) {
        kp_image_entry_t *entry = engine->images;
        engine->images = entry->next;
        if (entry->image.resource)
            drop_resource(engine, entry->image.resource);
        free(entry->url);
        free(entry);
    }
    engine->image_count = 0;
}
