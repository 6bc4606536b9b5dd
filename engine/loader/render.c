/* Restyle, layout and frames. */
#include <stdlib.h>
#include <string.h>

#include "engine/loader/internal.h"

/* Pages higher than this are painted in part, around what is shown. CSS px. */
#define WHOLE_PAGE_MAX 100000
#define PART_MARGIN 20000

static kp_node_t *find_target(kp_engine_t *engine, kp_node_t *root)
{
    const char *fragment = engine->url ? kp_url_fragment(engine->url) : NULL;
    return fragment && *fragment ? kp_dom_target(root, fragment, strlen(fragment)) : NULL;
}

static void update_title(kp_engine_t *engine, kp_node_t *root)
{
    for (kp_node_t *node = root; node; node = kp_dom_next(node, root)) {
        if (!kp_dom_is(node, LXB_TAG_TITLE))
            continue;
        kp_buffer_t raw = {0}, title = {0};
        kp_dom_text_content(node, &raw);
        for (size_t i = 0; i < raw.size; i++) {
            bool space = strchr(" \t\n\f\r", raw.bytes[i]) != NULL;
            if (!space)
                kp_buffer_byte(&title, raw.bytes[i]);
            else if (title.size && title.bytes[title.size - 1] != ' ')
                kp_buffer_byte(&title, ' ');
        }
        if (title.size && title.bytes[title.size - 1] == ' ')
            title.size--;
        kp_buffer_byte(&title, 0);
        bool changed = !title.failed && (title.size != engine->title.size ||
                                         memcmp(title.bytes, engine->title.bytes, title.size) != 0);
        kp_buffer_clear(&raw);
        if (!changed) {
            kp_buffer_clear(&title);
            return;
        }
        kp_buffer_clear(&engine->title);
        engine->title = title;
        engine->host.title(engine->host.context, title.bytes);
        return;
    }
}

kp_status_t kp_load_layout(kp_engine_t *engine)
{
    kp_load_scan_sheets(engine, true);
    kp_node_t *root = kp_load_root(engine);
    kp_layout_clear(&engine->layout);
    kp_css_cascade_destroy(engine->cascade);
    engine->cascade = NULL;
    engine->style_dirty = false;
    engine->paint_dirty = true;
    if (!root)
        return KP_OK;
    update_title(engine, root);
    int64_t begin = engine->host.now(engine->host.context);
    kp_css_viewport_t viewport = {(float)engine->width, (float)engine->height,
                                  (float)engine->scale / 256};
    lxb_dom_document_cmode_t mode = lxb_dom_interface_document(engine->document)->compat_mode;
    bool quirks = mode == LXB_DOM_DOCUMENT_CMODE_QUIRKS;
    kp_status_t status = kp_css_cascade_create(&engine->atoms, &viewport, &engine->font_host,
                                               quirks, &engine->cascade);
    if (status == KP_OK)
        status = kp_load_add_sheets(engine, engine->cascade, &viewport);
    if (status == KP_OK)
        status = kp_css_cascade_apply(engine->cascade, root, find_target(engine, root),
                                      &engine->data_arena, engine->base);
    if (status == KP_OK) {
        engine->layout.cascade = engine->cascade;
        engine->layout.text = engine->text;
        engine->layout.host = &engine->layout_host;
        engine->layout.base_url = engine->base;
        engine->layout.document_element = root;
        engine->layout.viewport_width = kp_lu((float)engine->width);
        engine->layout.viewport_height = kp_lu((float)engine->height);
        engine->layout.quirks = quirks;
        engine->layout.line_quirk = mode != LXB_DOM_DOCUMENT_CMODE_NO_QUIRKS;
        status = kp_layout_run(&engine->layout);
    }
    /* Half a layout is none: neither painted nor dumped. */
    if (status != KP_OK)
        engine->style_dirty = true;
    engine->last_layout_end = engine->host.now(engine->host.context);
    engine->last_layout_cost = engine->last_layout_end - begin;
    return status;
}

void kp_load_scroll_to_fragment(kp_engine_t *engine)
{
    kp_node_t *root = kp_load_root(engine);
    if (!engine->fragment || !root)
        return;
    kp_node_t *target = kp_dom_target(root, engine->fragment, strlen(engine->fragment));
    kp_lu_t r[4];
    bool top = !*engine->fragment || strcmp(engine->fragment, "top") == 0;
    if (target && kp_dom_data(target) && kp_dom_data(target)->box &&
        kp_layout_rectangle(kp_dom_data(target)->box, r))
        engine->host.scroll_request(engine->host.context, 0, r[1] > 0 ? r[1] / KP_LU_ONE : 0);
    else if (top)
        engine->host.scroll_request(engine->host.context, 0, 0);
    else if (!engine->document_ended)
        return; /* it may come yet */
    free(engine->fragment);
    engine->fragment = NULL;
}

/* The page's commands behind those about resources. */
static kp_status_t write_list(kp_engine_t *engine, const kp_buffer_t *page, kp_buffer_t *list)
{
    kp_display_list_t head;
    memcpy(&head, page->bytes, sizeof head);
    list->size = 0;
    kp_buffer_append(list, &head, sizeof head);
    for (size_t i = 0; i < engine->dropped_count; i++) {
        kp_display_resource_drop_t drop = {.command = {KP_DISPLAY_RESOURCE_DROP, sizeof drop},
                                           .id = engine->dropped[i]};
        kp_buffer_append(list, &drop, sizeof drop);
    }
    for (size_t i = 0; i < engine->new_resource_count; i++) {
        const kp_resource_t *r = &engine->new_resources[i];
        kp_display_resource_t command = {.command = {KP_DISPLAY_RESOURCE, sizeof command},
                                         .id = r->id,
                                         .format = r->format,
                                         .width = r->width,
                                         .height = r->height,
                                         .stride = r->stride};
        kp_buffer_append(list, &command, sizeof command);
    }
    kp_buffer_append(list, page->bytes + sizeof head, page->size - sizeof head);
    if (list->failed)
        return KP_ERR_NO_MEMORY;
    if (list->size > KP_DISPLAY_LIST_MAX)
        return KP_ERR_TOO_LARGE;
    head.command_bytes = (uint32_t)(list->size - sizeof head);
    head.command_count += (uint32_t)(engine->dropped_count + engine->new_resource_count);
    memcpy(list->bytes, &head, sizeof head);
    return KP_OK;
}

static kp_status_t report_resources(kp_engine_t *engine, kp_engine_frame_t *out)
{
    if (engine->new_resource_count > engine->new_resource_id_capacity) {
        uint32_t *ids = realloc(engine->new_resource_ids, engine->new_resource_count * sizeof *ids);
        if (!ids)
            return KP_ERR_NO_MEMORY;
        engine->new_resource_ids = ids;
        engine->new_resource_id_capacity = engine->new_resource_count;
    }
    for (size_t i = 0; i < engine->new_resource_count; i++)
        engine->new_resource_ids[i] = engine->new_resources[i].id;
    out->new_resources = engine->new_resource_ids;
    out->new_resource_count = engine->new_resource_count;
    return KP_OK;
}

kp_status_t kp_engine_frame(kp_engine_t *engine, kp_engine_frame_t *out)
{
    static const int64_t interval = 100 * (int64_t)1000000;
    memset(out, 0, sizeof *out);
    if (!engine->configured || !engine->document || !engine->committed)
        return KP_ERR_SHOULD_WAIT;
    if (engine->style_dirty) {
        /* While the page loads: not before its sheets are here, and not too often. */
        if (engine->loading && engine->fetches) {
            int64_t now = engine->host.now(engine->host.context);
            int64_t wait =
                engine->last_layout_cost * 3 > interval ? engine->last_layout_cost * 3 : interval;
            bool soon = engine->last_layout_end && now - engine->last_layout_end < wait;
            if (kp_load_sheets_pending(engine) || soon)
                return KP_ERR_SHOULD_WAIT;
        }
        kp_status_t status = kp_load_layout(engine);
        if (status != KP_OK)
            return status;
    }
    if (!engine->paint_dirty)
        return KP_ERR_SHOULD_WAIT;
    kp_paint_input_t input = {.layout = &engine->layout,
                              .scale = (float)engine->scale / 256,
                              .atlas_resources = (const uint32_t *const *)&engine->atlases,
                              .top = -1e9f,
                              .bottom = 1e9f};
    if (kp_lu_px(engine->layout.page_height) > WHOLE_PAGE_MAX) {
        input.top = (float)engine->scroll_y - PART_MARGIN;
        input.bottom = (float)engine->scroll_y + (float)engine->height + PART_MARGIN;
    }
    engine->painted_top = input.top;
    engine->painted_bottom = input.bottom;
    engine->commands.failed = engine->page_list.failed = false;
    kp_status_t status = kp_paint_page(&input, &engine->commands, &out->background);
    if (status == KP_OK)
        status = write_list(engine, &engine->commands, &engine->page_list);
    if (status == KP_OK)
        status = report_resources(engine, out);
    if (status != KP_OK)
        return status;
    out->list = (const uint8_t *)engine->page_list.bytes;
    out->list_size = engine->page_list.size;
    out->page_width = engine->layout.page_width / KP_LU_ONE;
    out->page_height = (engine->layout.page_height + KP_LU_ONE - 1) / KP_LU_ONE;
    engine->new_resource_count = engine->dropped_count = 0;
    engine->paint_dirty = false;
    return KP_OK;
}

void kp_engine_scrolled(kp_engine_t *engine, int32_t x, int32_t y)
{
    engine->scroll_x = x;
    engine->scroll_y = y;
    bool near_edge =
        (float)y < engine->painted_top + (float)engine->height ||
        (float)(y + (int32_t)engine->height) > engine->painted_bottom - (float)engine->height;
    if (kp_lu_px(engine->layout.page_height) > WHOLE_PAGE_MAX && near_edge) {
        engine->paint_dirty = true;
        engine->host.frame_wanted(engine->host.context);
    }
}
