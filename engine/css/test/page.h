/* A small page with its styles, for tests. */
#ifndef KP_ENGINE_CSS_TEST_PAGE_H
#define KP_ENGINE_CSS_TEST_PAGE_H

#include <stdlib.h>

#include "engine/css/cascade.h"
#include "engine/dom/dom.h"
#include "tests/kp_test.h"

#define PAGE_BASE "http://kpio.test/dir/page"

typedef struct page {
    lxb_html_document_t *document;
    kp_css_atoms_t atoms;
    kp_css_sheet_t *ua, *author;
    kp_css_cascade_t *cascade;
    kp_arena_t data;
    kp_node_t *root;
    kp_status_t status; /* of styling */
} page_t;

__attribute__((unused)) static void page_clear(page_t *page)
{
    kp_css_cascade_destroy(page->cascade);
    kp_css_sheet_destroy(page->ua);
    kp_css_sheet_destroy(page->author);
    kp_css_atoms_clear(&page->atoms);
    kp_arena_clear(&page->data);
    if (page->document)
        lxb_html_document_destroy(page->document);
    memset(page, 0, sizeof *page);
}

/* Viewport 800x600. ua: the user-agent sheet, NULL: the engine's own. */
__attribute__((unused)) static void page_make(page_t *page, const char *html, size_t html_size,
                                              const char *ua, const char *css, size_t css_size,
                                              bool quirks)
{
    kp_css_viewport_t viewport = {800, 600, 1};
    memset(page, 0, sizeof *page);
    page->status = KP_ERR_NO_MEMORY;
    page->document = lxb_html_document_create();
    if (!page->document || lxb_html_document_parse(page->document, (const lxb_char_t *)html,
                                                   html_size) != LXB_STATUS_OK)
        return;
    page->root = lxb_dom_document_root(lxb_dom_interface_document(page->document));
    ua = ua ? ua : kp_css_ua_text;
    kp_status_t status = kp_css_sheet_parse(ua, strlen(ua), NULL, &page->atoms, quirks, &page->ua);
    if (status == KP_OK)
        status = kp_css_sheet_parse(css, css_size, PAGE_BASE, &page->atoms, quirks, &page->author);
    if (status == KP_OK)
        status = kp_css_cascade_create(&page->atoms, &viewport, NULL, quirks, &page->cascade);
    if (status == KP_OK)
        status = kp_css_cascade_add_sheet(page->cascade, page->ua, KP_CSS_ORIGIN_UA);
    if (status == KP_OK)
        status = kp_css_cascade_add_sheet(page->cascade, page->author, KP_CSS_ORIGIN_AUTHOR);
    if (status == KP_OK)
        status =
            kp_css_cascade_apply(page->cascade, page->root, kp_dom_target(page->root, "target", 6),
                                 &page->data, PAGE_BASE);
    page->status = status;
}

__attribute__((unused)) static void page_open(page_t *page, const char *html, const char *css)
{
    page_make(page, html, strlen(html), NULL, css, strlen(css), false);
}

/* A style with every property initial when there is no such element or it has none. */
__attribute__((unused)) static const kp_style_t *page_style(page_t *page, const char *id)
{
    static kp_style_t none;
    kp_node_t *node = page->root ? kp_dom_target(page->root, id, strlen(id)) : NULL;
    if (node && kp_dom_data(node) && kp_dom_data(node)->style)
        return kp_dom_data(node)->style;
    KP_FAIL("nothing styled has the id %s", id);
    kp_style_initial(&none);
    return &none;
}

#endif
