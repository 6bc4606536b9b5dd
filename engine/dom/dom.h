/* The document: lexbor's tree with what the engine keeps beside each element. Nodes belong to the
   document; a document belongs to one load. */
#ifndef KP_ENGINE_DOM_H
#define KP_ENGINE_DOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lexbor/dom/dom.h>
#include <lexbor/html/html.h>

#include "abi/status.h"
#include "engine/base/buffer.h"
#include "engine/css/atom.h"
#include "engine/css/style.h"

struct kp_box;

/* What hangs on an element (lxb_dom_node_t.user), made on the first styling. */
typedef struct kp_dom_data {
    const kp_css_atom_t *id; /* only when a style sheet or link names it */
    const kp_css_atom_t **classes;
    uint16_t class_count;
    bool hidden_subtree;      /* display: none here or above */
    uint32_t number[2];       /* among its siblings, from 1, from the front and from the back; */
    uint32_t type_number[2];  /* among those of its type. 0: not counted yet (css/match.c) */
    const kp_style_t *style;  /* NULL: not styled yet */
    const kp_style_t *before; /* ::before, NULL when it generates nothing */
    const kp_style_t *after;
    const kp_style_t *marker;
    struct kp_box *box;     /* of the last layout; NULL: none */
    struct kp_box *content; /* while boxes are made: where the children's boxes go */
} kp_dom_data_t;

typedef lxb_dom_node_t kp_node_t;

static inline bool kp_dom_is_element(const kp_node_t *node)
{
    return node && node->type == LXB_DOM_NODE_TYPE_ELEMENT;
}

static inline bool kp_dom_is_html(const kp_node_t *node)
{
    return kp_dom_is_element(node) && node->ns == LXB_NS_HTML;
}

/* An HTML element with this tag (LXB_TAG_*). */
static inline bool kp_dom_is(const kp_node_t *node, lxb_tag_id_t tag)
{
    return kp_dom_is_html(node) && node->local_name == tag;
}

static inline kp_dom_data_t *kp_dom_data(const kp_node_t *node)
{
    return (kp_dom_data_t *)node->user;
}

/* The attribute's value or NULL; *size without the NUL that also ends it. name: lower case. */
const char *kp_dom_attribute(const kp_node_t *element, const char *name, size_t *size);
bool kp_dom_has_attribute(const kp_node_t *element, const char *name);
/* By lexbor's number (LXB_DOM_ATTR_*): faster. */
const char *kp_dom_attribute_id(const kp_node_t *element, uintptr_t id, size_t *size);

/* The tag's name in lower case. */
const char *kp_dom_name(const kp_node_t *element, size_t *size);
/* Text of a text node. */
const char *kp_dom_text(const kp_node_t *node, size_t *size);

/* Depth-first successor within root, without or with the children of node. */
kp_node_t *kp_dom_next(const kp_node_t *node, const kp_node_t *root);
kp_node_t *kp_dom_next_skip(const kp_node_t *node, const kp_node_t *root);

/* All text inside (textContent), appended. */
void kp_dom_text_content(const kp_node_t *node, kp_buffer_t *out);

/* The element that a fragment means: by id, then <a name>. NULL when there is none. */
kp_node_t *kp_dom_target(kp_node_t *root, const char *fragment, size_t size);

/* The tree as HTML (the fragment serialisation of the HTML Standard), without recursion. */
void kp_dom_serialize(const kp_node_t *root, kp_buffer_t *out);

/* "html>body:nth-child(2)>p:nth-child(1)". */
void kp_dom_path(const kp_node_t *element, kp_buffer_t *out);

#endif
