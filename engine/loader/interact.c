/* Pointer, keys, dumps. */
#include <stdlib.h>
#include <string.h>

#include "engine/loader/internal.h"

/* The absolute URL of the link around a node; malloc'ed, NULL when there is none. */
static char *link_of(kp_engine_t *engine, kp_node_t *node)
{
    for (; kp_dom_is_element(node); node = node->parent) {
        size_t size;
        if (!kp_dom_is(node, LXB_TAG_A) && !kp_dom_is(node, LXB_TAG_AREA))
            continue;
        const char *href = kp_dom_attribute_id(node, LXB_DOM_ATTR_HREF, &size);
        if (href)
            return kp_url_resolve(engine->base, href, size);
    }
    return NULL;
}

static char *link_at(kp_engine_t *engine, const kp_tab_pointer_t *event)
{
    if (!engine->layout.root || event->kind == KP_TAB_POINTER_LEAVE)
        return NULL;
    kp_node_t *node = kp_layout_hit(&engine->layout, (float)(event->x + engine->scroll_x),
                                    (float)(event->y + engine->scroll_y));
    return node ? link_of(engine, node) : NULL;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void follow(kp_engine_t *engine, const char *url)
{
    const char *fragment = kp_url_fragment(url);
    if (fragment && engine->url && kp_url_same_document(url, engine->url)) {
        /* A place in this page: no load, but the owner's history wants to know. */
        free(engine->fragment);
        engine->fragment = kp_load_copy(fragment, strlen(fragment));
        kp_load_scroll_to_fragment(engine);
        return;
    }
    engine->host.navigate_request(engine->host.context, url);
}

void kp_engine_pointer(kp_engine_t *engine, const kp_tab_pointer_t *event)
{
    char *url = link_at(engine, event);
    if (event->kind == KP_TAB_POINTER_MOVE || event->kind == KP_TAB_POINTER_LEAVE) {
        if (!same(url, engine->hover)) {
            engine->host.hover(engine->host.context, url ? url : "");
            free(engine->hover);
            engine->hover = url;
            url = NULL;
        }
    } else if (event->kind == KP_TAB_POINTER_DOWN && event->button == 0) {
        free(engine->pressed);
        engine->pressed = url;
        url = NULL;
    } else if (event->kind == KP_TAB_POINTER_UP && event->button == 0) {
        if (url && same(url, engine->pressed))
            follow(engine, url);
        free(engine->pressed);
        engine->pressed = NULL;
    }
    kp_url_free(url);
}

/* No element takes keys yet; scrolling keys are the owner's. */
void kp_engine_key(kp_engine_t *engine, const kp_tab_key_t *event)
{
    (void)engine;
    (void)event;
}

kp_status_t kp_engine_dump(kp_engine_t *engine, uint32_t format, char **out, size_t *size)
{
    kp_buffer_t text = {0};
    kp_node_t *root = kp_load_root(engine);
    *out = NULL;
    *size = 0;
    if (!root)
        return KP_ERR_BAD_STATE;
    if (format == KP_TAB_DUMP_HTML) {
        kp_node_t *node = lxb_dom_interface_node(engine->document)->first_child;
        for (; node; node = node->next)
            kp_dom_serialize(node, &text);
        kp_buffer_byte(&text, '\n');
    } else if (format == KP_TAB_DUMP_TEXT || format == KP_TAB_DUMP_BOXES) {
        if (engine->style_dirty) {
            kp_status_t status = kp_load_layout(engine);
            if (status != KP_OK)
                return status;
        }
        if (format == KP_TAB_DUMP_TEXT)
            kp_layout_dump_text(&engine->layout, &text);
        else
            kp_layout_dump_boxes(&engine->layout, &text);
    } else {
        return KP_ERR_INVALID_ARGUMENT;
    }
    if (text.failed) {
        kp_buffer_clear(&text);
        return KP_ERR_NO_MEMORY;
    }
    *out = text.bytes;
    *size = text.size;
    return KP_OK;
}
