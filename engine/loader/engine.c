#include "engine/loader/internal.h"

#include <stdlib.h>
#include <string.h>

static kp_status_t new_atlas(void *context, uint32_t width, uint32_t height, uint32_t stride,
                             uint8_t **pixels)
{
    kp_engine_t *engine = context;
    uint32_t *grown = realloc(engine->atlases, (engine->atlas_count + 1) * sizeof *grown);
    if (!grown)
        return KP_ERR_NO_MEMORY;
    engine->atlases = grown;
    uint32_t id = engine->next_resource;
    kp_status_t status = engine->host.resource_create(
        engine->host.context, id, KP_DISPLAY_FORMAT_A8, width, height, stride, pixels);
    if (status != KP_OK)
        return status;
    engine->next_resource++;
    engine->atlases[engine->atlas_count++] = id;
    return KP_OK;
}

static void font_metrics(void *context, const kp_style_t *style, float *x_height, float *zero_width)
{
    kp_engine_t *engine = context;
    kp_text_style_t wanted = kp_layout_text_style(style);
    kp_text_font_t *font = NULL;
    kp_text_metrics_t metrics;
    *x_height = *zero_width = style->font_size / 2;
    if (kp_text_select(engine->text, &wanted, &font) != KP_OK)
        return;
    kp_text_font_metrics(font, &metrics);
    *x_height = metrics.x_height;
    *zero_width = metrics.zero_width;
}

kp_status_t kp_engine_create(const kp_engine_host_t *host, kp_engine_t **out)
{
    kp_engine_t *engine = calloc(1, sizeof *engine);
    if (!engine)
        return KP_ERR_NO_MEMORY;
    engine->host = *host;
    engine->next_resource = 1;
    engine->scale = 256;
    engine->layout_host = (kp_layout_host_t){engine, kp_images_find};
    engine->font_host = (kp_css_font_host_t){engine, font_metrics};
    kp_status_t status = kp_text_create(&engine->text);
    if (status == KP_OK) {
        kp_text_atlas_host_t atlas_host = {engine, new_atlas};
        kp_text_set_atlas_host(engine->text, &atlas_host);
        status = kp_css_sheet_parse(kp_css_ua_text, strlen(kp_css_ua_text), "", &engine->atoms,
                                    false, &engine->ua);
    }
    if (status == KP_OK)
        status = kp_css_sheet_parse(kp_css_ua_quirks_text, strlen(kp_css_ua_quirks_text), "",
                                    &engine->atoms, true, &engine->ua_quirks);
    if (status != KP_OK) {
        kp_engine_destroy(engine);
        return status;
    }
    *out = engine;
    return KP_OK;
}

void kp_engine_destroy(kp_engine_t *engine)
{
    if (!engine)
        return;
    kp_engine_host_t *host = &engine->host;
    while (engine->fetches) {
        kp_fetch_t *fetch = engine->fetches;
        engine->fetches = fetch->next;
        host->fetch_cancel(host->context, fetch->id);
        kp_buffer_clear(&fetch->bytes);
        free(fetch);
    }
    kp_document_destroy(engine->document);
    kp_css_sheet_destroy(engine->ua);
    kp_css_sheet_destroy(engine->ua_quirks);
    kp_css_atoms_clear(&engine->atoms);
    kp_text_destroy(engine->text);
    for (size_t i = 0; i < engine->atlas_count; i++)
        host->resource_destroy(host->context, engine->atlases[i]);
    free(engine->atlases);
    free(engine->loading_url);
    free(engine->hover_url);
    kp_buffer_clear(&engine->list);
    free(engine);
}

kp_status_t kp_engine_add_font(kp_engine_t *engine, const char *name, const uint8_t *bytes,
                               size_t size)
{
    (void)name; /* the font says itself what it is */
    return kp_text_add_face(engine->text, NULL, 0, -1, bytes, size);
}

void kp_engine_frame_wanted(kp_engine_t *engine)
{
    engine->host.frame_wanted(engine->host.context);
}

kp_status_t kp_engine_configure(kp_engine_t *engine, uint32_t width, uint32_t height,
                                uint32_t scale)
{
    engine->width = width;
    engine->height = height;
    engine->scale = scale;
    if (engine->document) {
        /* Media queries and viewport units may depend on any of them. */
        engine->document->style_dirty = true;
        kp_document_settle(engine->document);
    }
    kp_engine_frame_wanted(engine);
    return KP_OK;
}

/* ---- input ---- */

/* The link around a node: its href, or NULL. */
static const kp_node_t *link_of(const kp_node_t *node)
{
    for (; node; node = node->parent)
        if ((kp_dom_is(node, LXB_TAG_A) || kp_dom_is(node, LXB_TAG_AREA)) &&
            kp_dom_has_attribute(node, "href"))
            return node;
    return NULL;
}

static const kp_node_t *summary_of(const kp_node_t *node)
{
    for (; node; node = node->parent)
        if (kp_dom_is(node, LXB_TAG_SUMMARY) && kp_dom_is(node->parent, LXB_TAG_DETAILS))
            return node;
    return NULL;
}

static char *link_url(const kp_document_t *document, const kp_node_t *link)
{
    size_t size = 0;
    const char *href = link ? kp_dom_attribute(link, "href", &size) : NULL;
    return href ? kp_url_resolve(document->base_url, href, size) : NULL;
}

static void hover(kp_engine_t *engine, const kp_node_t *link)
{
    char *url = link_url(engine->document, link);
    const char *before = engine->hover_url ? engine->hover_url : "";
    if (strcmp(before, url ? url : "") != 0) {
        engine->host.hover(engine->host.context, url ? url : "");
        free(engine->hover_url);
        engine->hover_url = url ? strdup(url) : NULL;
    }
    kp_url_free(url);
}

/* Within the document: the fragment becomes the target, the page scrolls there. */
static void go_to_fragment(kp_document_t *document, const char *url)
{
    char *copy = strdup(url);
    if (!copy)
        return;
    free(document->url);
    document->url = copy;
    document->style_dirty = true;
    if (kp_document_layout(document) != KP_OK)
        return;
    kp_engine_t *engine = document->engine;
    const char *fragment = kp_url_fragment(url);
    kp_lu_t rectangle[4];
    const kp_dom_data_t *data =
        kp_dom_is_element(document->target) ? kp_dom_data(document->target) : NULL;
    if (data && data->box && kp_layout_rectangle(data->box, rectangle))
        engine->host.scroll_request(engine->host.context, 0, (int32_t)kp_lu_px(rectangle[1]));
    else if (fragment && (fragment[0] == 0 || strcmp(fragment, "top") == 0))
        engine->host.scroll_request(engine->host.context, 0, 0);
    kp_engine_frame_wanted(engine);
}

static void activate(kp_engine_t *engine, const kp_node_t *link)
{
    kp_document_t *document = engine->document;
    char *url = link_url(document, link);
    if (!url)
        return;
    if (kp_url_fragment(url) && kp_url_same_document(url, document->url))
        go_to_fragment(document, url);
    else
        engine->host.navigate_request(engine->host.context, url);
    kp_url_free(url);
}

static void toggle_details(kp_document_t *document, const kp_node_t *summary)
{
    lxb_dom_element_t *details = lxb_dom_interface_element(summary->parent);
    if (kp_dom_has_attribute(summary->parent, "open"))
        lxb_dom_element_remove_attribute(details, (const lxb_char_t *)"open", 4);
    else
        lxb_dom_element_set_attribute(details, (const lxb_char_t *)"open", 4,
                                      (const lxb_char_t *)"", 0);
    document->style_dirty = true;
    kp_engine_frame_wanted(document->engine);
}

void kp_engine_pointer(kp_engine_t *engine, const kp_tab_pointer_t *event)
{
    kp_document_t *document = engine->document;
    if (!document || !document->laid_out)
        return;
    if (event->kind == KP_TAB_POINTER_LEAVE) {
        hover(engine, NULL);
        return;
    }
    const kp_node_t *node =
        kp_layout_hit(&document->layout, (float)event->x + (float)engine->scroll_x,
                      (float)event->y + (float)engine->scroll_y);
    const kp_node_t *link = link_of(node);
    const kp_node_t *pressed = link ? link : summary_of(node);
    if (event->kind == KP_TAB_POINTER_MOVE)
        hover(engine, link);
    if (event->button != 0)
        return;
    if (event->kind == KP_TAB_POINTER_DOWN) {
        engine->pressed_link = pressed;
    } else if (event->kind == KP_TAB_POINTER_UP) {
        bool same = pressed && pressed == engine->pressed_link;
        engine->pressed_link = NULL;
        if (same && link)
            activate(engine, link);
        else if (same)
            toggle_details(document, pressed);
    }
}

void kp_engine_key(kp_engine_t *engine, const kp_tab_key_t *event)
{
    /* Nothing in a page can have the focus yet. */
    (void)engine;
    (void)event;
}

void kp_engine_scrolled(kp_engine_t *engine, int32_t x, int32_t y)
{
    engine->scroll_x = x;
    engine->scroll_y = y;
}

/* ---- dumps ---- */

kp_status_t kp_engine_dump(kp_engine_t *engine, uint32_t format, char **out, size_t *size)
{
    kp_document_t *document = engine->document;
    kp_buffer_t buffer = {0};
    if (!document)
        return KP_ERR_BAD_STATE;
    kp_status_t status = KP_OK;
    if (format != KP_TAB_DUMP_HTML)
        status = kp_document_layout(document);
    if (status != KP_OK)
        return status;
    if (format == KP_TAB_DUMP_HTML)
        kp_dom_serialize(lxb_dom_interface_node(document->html), &buffer);
    else if (format == KP_TAB_DUMP_TEXT && document->laid_out)
        kp_layout_dump_text(&document->layout, &buffer);
    else if (format == KP_TAB_DUMP_BOXES && document->laid_out)
        kp_layout_dump_boxes(&document->layout, &buffer);
    else if (document->laid_out)
        return KP_ERR_INVALID_ARGUMENT;
    if (buffer.failed) {
        kp_buffer_clear(&buffer);
        return KP_ERR_NO_MEMORY;
    }
    *size = buffer.size;
    kp_buffer_byte(&buffer, 0);
    *out = buffer.bytes;
    return buffer.failed ? KP_ERR_NO_MEMORY : KP_OK;
}
