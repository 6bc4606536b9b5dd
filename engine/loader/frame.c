#include "engine/loader/internal.h"

#include <string.h>

/* How long a page may wait for its style sheets before it is shown without them. */
#define SHEET_PATIENCE_NS ((int64_t)2000000000)

void kp_document_drop_layout(kp_document_t *document)
{
    if (document->laid_out)
        kp_layout_clear(&document->layout);
    document->laid_out = false;
}

static kp_node_t *document_element(const kp_document_t *document)
{
    kp_node_t *node = lxb_dom_interface_node(document->html)->first_child;
    while (node && !kp_dom_is_element(node))
        node = node->next;
    return node;
}

static kp_status_t restyle(kp_document_t *document, kp_node_t *root)
{
    kp_engine_t *engine = document->engine;
    bool quirks = document->html->dom_document.compat_mode == LXB_DOM_DOCUMENT_CMODE_QUIRKS;
    kp_css_viewport_t viewport = {(float)engine->width, (float)engine->height,
                                  (float)engine->scale / 256};
    kp_css_cascade_destroy(document->cascade);
    document->cascade = NULL;
    kp_status_t status = kp_css_cascade_create(&engine->atoms, &viewport, &engine->font_host,
                                               quirks, &document->cascade);
    if (status == KP_OK)
        status = kp_css_cascade_add_sheet(document->cascade, engine->ua, KP_CSS_ORIGIN_UA);
    if (status == KP_OK && quirks)
        status = kp_css_cascade_add_sheet(document->cascade, engine->ua_quirks, KP_CSS_ORIGIN_UA);
    if (status == KP_OK)
        status = kp_sheets_fill(document, document->cascade, &viewport);
    const char *fragment = kp_url_fragment(document->url);
    document->target = fragment ? kp_dom_target(root, fragment, strlen(fragment)) : NULL;
    if (status == KP_OK)
        status = kp_css_cascade_apply(document->cascade, root, document->target,
                                      &document->data_arena, document->base_url);
    return status;
}

kp_status_t kp_document_layout(kp_document_t *document)
{
    kp_engine_t *engine = document->engine;
    kp_node_t *root = document_element(document);
    if (!root || engine->width == 0)
        return KP_OK;
    if (!document->style_dirty && !document->layout_dirty && document->laid_out)
        return KP_OK;
    kp_document_drop_layout(document);
    kp_status_t status = KP_OK;
    if (document->style_dirty || !document->cascade)
        status = restyle(document, root);
    if (status != KP_OK)
        return status;
    document->style_dirty = document->layout_dirty = false;
    document->layout = (kp_layout_t){
        .cascade = document->cascade,
        .text = engine->text,
        .host = &engine->layout_host,
        .base_url = document->base_url,
        .document_element = root,
        .viewport_width = (kp_lu_t)engine->width * KP_LU_ONE,
        .viewport_height = (kp_lu_t)engine->height * KP_LU_ONE,
        .quirks = document->html->dom_document.compat_mode == LXB_DOM_DOCUMENT_CMODE_QUIRKS,
    };
    document->laid_out = true;
    document->paint_dirty = true;
    return kp_layout_run(&document->layout);
}

bool kp_document_must_wait(const kp_document_t *document)
{
    const kp_engine_host_t *host = &document->engine->host;
    return document->pending_sheets > 0 && !document->laid_out &&
           host->now(host->context) - document->committed_at < SHEET_PATIENCE_NS;
}

kp_status_t kp_engine_frame(kp_engine_t *engine, kp_engine_frame_t *out)
{
    kp_document_t *document = engine->document;
    if (!document || engine->width == 0 || kp_document_must_wait(document))
        return KP_ERR_SHOULD_WAIT;
    kp_status_t status = kp_document_layout(document);
    if (status != KP_OK)
        return status;
    if (!document->laid_out || !document->paint_dirty)
        return KP_ERR_SHOULD_WAIT;
    kp_paint_input_t input = {
        .layout = &document->layout,
        .scale = (float)engine->scale / 256,
        .atlas_resources = (const uint32_t *const *)&engine->atlases,
    };
    uint32_t background = 0xffffffff;
    status = kp_paint_page(&input, &engine->list, &background);
    if (status != KP_OK)
        return status;
    document->paint_dirty = false;
    *out = (kp_engine_frame_t){
        .list = (const uint8_t *)engine->list.bytes,
        .list_size = engine->list.size,
        .page_width = document->layout.page_width / KP_LU_ONE,
        .page_height = (document->layout.page_height + KP_LU_ONE - 1) / KP_LU_ONE,
        .background = background,
    };
    return KP_OK;
}
