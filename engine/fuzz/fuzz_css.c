/* A style sheet: parsing, the cascade over a fixed tree, media queries and style attributes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/css/cascade.h"
#include "engine/dom/dom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char page[] =
    "<!DOCTYPE html><html lang=en-GB><head><title>t</title></head><body id=top class='a b' "
    "bgcolor=red><div id=x class='c d a' title='one two'>text <b>bold</b><p class=a>p</p><p "
    "class='b c'></p><a href=/x name=n>link</a></div><ul type=a><li>1<li class=c>2<li "
    "value=7>3</ul><table border=1 cellpadding=3 width='50%'><tr><td align=center "
    "bgcolor=#abc>x<th nowrap>y</table><input type=CHECKBOX checked disabled><font size=+2 "
    "color=blue face=a,b>f</font><svg><g id=g></g></svg><p lang=fr style='--v:1px;color:var(--w)'>"
    "<span><i><u></u></i></span></body></html>";

static lxb_html_document_t *document;

static void must(kp_status_t status)
{
    if (status == KP_OK)
        return;
    fprintf(stderr, "engine_css: %s\n", kp_status_name(status));
    abort();
}

static void setup(void)
{
    document = lxb_html_document_create();
    if (!document || lxb_html_document_parse(document, (const lxb_char_t *)page, sizeof page - 1) !=
                         LXB_STATUS_OK)
        abort();
}

static void run(const char *text, size_t size, bool quirks)
{
    kp_css_atoms_t atoms = {0};
    kp_arena_t data = {0};
    kp_css_sheet_t *sheet = NULL;
    kp_css_cascade_t *cascade = NULL;
    kp_css_viewport_t viewport = {800, 600, 1.5f};
    kp_node_t *root = lxb_dom_document_root(lxb_dom_interface_document(document));
    must(kp_css_sheet_parse(text, size, "http://kpio.test/a/b", &atoms, quirks, &sheet));
    must(kp_css_cascade_create(&atoms, &viewport, NULL, quirks, &cascade));
    must(kp_css_cascade_add_sheet(cascade, sheet, KP_CSS_ORIGIN_UA));
    must(kp_css_cascade_add_sheet(cascade, sheet, KP_CSS_ORIGIN_AUTHOR));
    kp_node_t *body = lxb_dom_interface_node(lxb_html_document_body_element(document));
    /* The whole input as a style attribute too. */
    lxb_dom_element_set_attribute(lxb_dom_interface_element(body), (const lxb_char_t *)"style", 5,
                                  (const lxb_char_t *)text, size);
    must(kp_css_cascade_apply(cascade, root, body, &data, "http://kpio.test/"));
    must(kp_css_cascade_apply(cascade, root, NULL, &data, NULL));
    for (kp_node_t *node = root; node; node = kp_dom_next(node, root))
        node->user = NULL;
    (void)kp_css_media_matches(text, size, &viewport);
    kp_css_cascade_destroy(cascade);
    kp_css_sheet_destroy(sheet);
    kp_arena_clear(&data);
    kp_css_atoms_clear(&atoms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!document)
        setup();
    /* A copy of exactly this size: reading behind it is found. */
    char *copy = malloc(size ? size : 1);
    if (!copy)
        return 0;
    memcpy(copy, data, size);
    run(copy, size, false);
    run(copy, size, true);
    free(copy);
    return 0;
}
