#include "engine/dom/dom.h"

#include <string.h>

const char *kp_dom_attribute_id(const kp_node_t *element, uintptr_t id, size_t *size)
{
    const lxb_dom_attr_t *attribute = ((const lxb_dom_element_t *)element)->first_attr;
    for (; attribute; attribute = attribute->next) {
        if (attribute->node.local_name != id)
            continue;
        if (!attribute->value || !attribute->value->data) {
            *size = 0;
            return "";
        }
        *size = attribute->value->length;
        return (const char *)attribute->value->data;
    }
    return NULL;
}

const char *kp_dom_attribute(const kp_node_t *element, const char *name, size_t *size)
{
    if (!((const lxb_dom_element_t *)element)->first_attr)
        return NULL;
    const lxb_dom_attr_data_t *data = lxb_dom_attr_data_by_local_name(
        element->owner_document->attrs, (const lxb_char_t *)name, strlen(name));
    return data ? kp_dom_attribute_id(element, data->attr_id, size) : NULL;
}

bool kp_dom_has_attribute(const kp_node_t *element, const char *name)
{
    size_t size;
    return kp_dom_attribute(element, name, &size) != NULL;
}

const char *kp_dom_name(const kp_node_t *element, size_t *size)
{
    const lxb_char_t *name = lxb_dom_element_local_name((lxb_dom_element_t *)element, size);
    if (!name)
        *size = 0;
    return name ? (const char *)name : "";
}

const char *kp_dom_text(const kp_node_t *node, size_t *size)
{
    const lexbor_str_t *data = &((const lxb_dom_character_data_t *)node)->data;
    *size = data->data ? data->length : 0;
    return data->data ? (const char *)data->data : "";
}

kp_node_t *kp_dom_next_skip(const kp_node_t *node, const kp_node_t *root)
{
    while (node != root) {
        if (node->next)
            return node->next;
        node = node->parent;
        if (!node)
            return NULL;
    }
    return NULL;
}

kp_node_t *kp_dom_next(const kp_node_t *node, const kp_node_t *root)
{
    return node->first_child ? node->first_child : kp_dom_next_skip(node, root);
}

void kp_dom_text_content(const kp_node_t *root, kp_buffer_t *out)
{
    for (const kp_node_t *node = root; node; node = kp_dom_next(node, root)) {
        if (node->type == LXB_DOM_NODE_TYPE_TEXT) {
            size_t size;
            const char *text = kp_dom_text(node, &size);
            kp_buffer_append(out, text, size);
        }
    }
}

kp_node_t *kp_dom_target(kp_node_t *root, const char *fragment, size_t size)
{
    for (int round = 0; round < 2; round++) {
        for (kp_node_t *node = root; node; node = kp_dom_next(node, root)) {
            size_t have = 0;
            const char *value = NULL;
            if (!kp_dom_is_element(node))
                continue;
            if (round == 0)
                value = kp_dom_attribute_id(node, LXB_DOM_ATTR_ID, &have);
            else if (kp_dom_is(node, LXB_TAG_A))
                value = kp_dom_attribute(node, "name", &have);
            if (value && have == size && memcmp(value, fragment, size) == 0)
                return node;
        }
    }
    return NULL;
}

static bool is_void(const kp_node_t *node)
{
    static const lxb_tag_id_t tags[] = {
        LXB_TAG_AREA,   LXB_TAG_BASE,   LXB_TAG_BASEFONT, LXB_TAG_BGSOUND, LXB_TAG_BR,
        LXB_TAG_COL,    LXB_TAG_EMBED,  LXB_TAG_FRAME,    LXB_TAG_HR,      LXB_TAG_IMG,
        LXB_TAG_INPUT,  LXB_TAG_KEYGEN, LXB_TAG_LINK,     LXB_TAG_META,    LXB_TAG_PARAM,
        LXB_TAG_SOURCE, LXB_TAG_TRACK,  LXB_TAG_WBR};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++) {
        if (kp_dom_is(node, tags[i]))
            return true;
    }
    return false;
}

static void escape(const char *text, size_t size, bool attribute, kp_buffer_t *out)
{
    size_t start = 0;
    for (size_t i = 0; i < size; i++) {
        const char *with = NULL;
        size_t width = 1;
        if (text[i] == '&')
            with = "&amp;";
        else if (text[i] == '"' && attribute)
            with = "&quot;";
        else if (text[i] == '<' && !attribute)
            with = "&lt;";
        else if (text[i] == '>' && !attribute)
            with = "&gt;";
        else if (i + 1 < size && (unsigned char)text[i] == 0xc2 &&
                 (unsigned char)text[i + 1] == 0xa0) {
            with = "&nbsp;";
            width = 2;
        }
        if (!with)
            continue;
        kp_buffer_append(out, text + start, i - start);
        kp_buffer_text(out, with);
        i += width - 1;
        start = i + 1;
    }
    kp_buffer_append(out, text + start, size - start);
}

static void open_tag(const kp_node_t *node, kp_buffer_t *out)
{
    size_t size;
    const lxb_char_t *name = lxb_dom_element_qualified_name((lxb_dom_element_t *)node, &size);
    kp_buffer_byte(out, '<');
    kp_buffer_append(out, name, name ? size : 0);
    const lxb_dom_attr_t *attribute = ((const lxb_dom_element_t *)node)->first_attr;
    for (; attribute; attribute = attribute->next) {
        name = lxb_dom_attr_qualified_name((lxb_dom_attr_t *)attribute, &size);
        kp_buffer_byte(out, ' ');
        kp_buffer_append(out, name, name ? size : 0);
        kp_buffer_text(out, "=\"");
        if (attribute->value && attribute->value->data)
            escape((const char *)attribute->value->data, attribute->value->length, true, out);
        kp_buffer_byte(out, '"');
    }
    kp_buffer_byte(out, '>');
}

static void close_tag(const kp_node_t *node, kp_buffer_t *out)
{
    size_t size;
    if (!kp_dom_is_element(node) || is_void(node))
        return;
    const lxb_char_t *name = lxb_dom_element_qualified_name((lxb_dom_element_t *)node, &size);
    kp_buffer_text(out, "</");
    kp_buffer_append(out, name, name ? size : 0);
    kp_buffer_byte(out, '>');
}

static bool raw_text(const kp_node_t *parent)
{
    return kp_dom_is(parent, LXB_TAG_STYLE) || kp_dom_is(parent, LXB_TAG_SCRIPT) ||
           kp_dom_is(parent, LXB_TAG_XMP) || kp_dom_is(parent, LXB_TAG_IFRAME) ||
           kp_dom_is(parent, LXB_TAG_NOEMBED) || kp_dom_is(parent, LXB_TAG_NOFRAMES) ||
           kp_dom_is(parent, LXB_TAG_PLAINTEXT);
}

void kp_dom_serialize(const kp_node_t *root, kp_buffer_t *out)
{
    const kp_node_t *node = root;
    while (node && !out->failed) {
        const char *text;
        size_t size;
        switch (node->type) {
        case LXB_DOM_NODE_TYPE_ELEMENT:
            open_tag(node, out);
            break;
        case LXB_DOM_NODE_TYPE_TEXT:
            text = kp_dom_text(node, &size);
            if (raw_text(node->parent))
                kp_buffer_append(out, text, size);
            else
                escape(text, size, false, out);
            break;
        case LXB_DOM_NODE_TYPE_COMMENT:
            text = kp_dom_text(node, &size);
            kp_buffer_text(out, "<!--");
            kp_buffer_append(out, text, size);
            kp_buffer_text(out, "-->");
            break;
        case LXB_DOM_NODE_TYPE_DOCUMENT_TYPE: {
            const lxb_char_t *name =
                lxb_dom_document_type_name((lxb_dom_document_type_t *)node, &size);
            kp_buffer_text(out, "<!DOCTYPE ");
            kp_buffer_append(out, name, name ? size : 0);
            kp_buffer_byte(out, '>');
            break;
        }
        default:
            break;
        }
        if (node->first_child) {
            node = node->first_child;
            continue;
        }
        for (;;) {
            close_tag(node, out);
            if (node == root)
                return;
            if (node->next) {
                node = node->next;
                break;
            }
            node = node->parent;
        }
    }
}

#define PATH_DEPTH_MAX 1024

void kp_dom_path(const kp_node_t *element, kp_buffer_t *out)
{
    const kp_node_t *chain[PATH_DEPTH_MAX];
    size_t depth = 0;
    for (const kp_node_t *node = element; kp_dom_is_element(node) && depth < PATH_DEPTH_MAX;
         node = node->parent)
        chain[depth++] = node;
    while (depth--) {
        size_t size, index = 1;
        const char *name = kp_dom_name(chain[depth], &size);
        kp_buffer_append(out, name, size);
        if (kp_dom_is(chain[depth], LXB_TAG_HTML))
            goto next;
        for (const kp_node_t *node = chain[depth]->prev; node; node = node->prev)
            index += kp_dom_is_element(node);
        kp_buffer_format(out, ":nth-child(%zu)", index);
    next:
        if (depth)
            kp_buffer_byte(out, '>');
    }
}
