#include "engine/loader/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static kp_sheet_t *new_sheet(kp_document_t *document, const kp_node_t *node, const char *url,
                             unsigned depth)
{
    if (document->sheet_count >= KP_SHEETS_MAX)
        return NULL;
    kp_sheet_t *sheet = calloc(1, sizeof *sheet);
    char *copy = strdup(url);
    if (!sheet || !copy) {
        free(sheet);
        free(copy);
        return NULL;
    }
    sheet->node = node;
    sheet->url = copy;
    sheet->depth = depth;
    document->sheet_count++;
    return sheet;
}

static void fetch(kp_document_t *document, kp_sheet_t *sheet);

/* Parses the text and starts what it imports. */
static void fill(kp_document_t *document, kp_sheet_t *sheet, const char *text, size_t size)
{
    kp_engine_t *engine = document->engine;
    bool quirks = document->html->dom_document.compat_mode == LXB_DOM_DOCUMENT_CMODE_QUIRKS;
    if (kp_css_sheet_parse(text, size, sheet->url, &engine->atoms, quirks, &sheet->parsed) != KP_OK)
        return;
    kp_sheet_t **last = &sheet->imports;
    for (size_t i = 0; i < sheet->parsed->import_count && sheet->depth < KP_IMPORT_DEPTH_MAX; i++) {
        const kp_css_import_t *import = &sheet->parsed->imports[i];
        kp_sheet_t *imported = new_sheet(document, NULL, import->url, sheet->depth + 1);
        if (!imported)
            break;
        imported->importer = sheet->parsed;
        imported->importer_media = import->media;
        *last = imported;
        last = &imported->next;
        fetch(document, imported);
    }
    document->style_dirty = true;
}

static void fetch(kp_document_t *document, kp_sheet_t *sheet)
{
    if (kp_url_has_scheme(sheet->url, "data")) {
        unsigned char *bytes = NULL;
        size_t size = 0;
        char type[64];
        if (kp_url_data(sheet->url, &bytes, &size, type, sizeof type)) {
            fill(document, sheet, (const char *)bytes, size);
            free(bytes);
        }
        return;
    }
    if (kp_fetch_start(document->engine, KP_FETCH_SHEET, sheet, KP_HTTP_FOR_STYLE, sheet->url,
                       NULL) == KP_OK) {
        sheet->pending = true;
        document->pending_sheets++;
    }
}

static void append(kp_document_t *document, kp_sheet_t *sheet, const kp_node_t *node)
{
    size_t size = 0;
    const char *media = kp_dom_attribute(node, "media", &size);
    if (media && size > 0)
        sheet->media = strdup(media);
    *document->last_sheet = sheet;
    document->last_sheet = &sheet->next;
}

void kp_sheets_add_style(kp_document_t *document, const kp_node_t *node)
{
    size_t size = 0;
    const char *type = kp_dom_attribute(node, "type", &size);
    if (type && size > 0 && strcasecmp(type, "text/css") != 0)
        return;
    kp_sheet_t *sheet = new_sheet(document, node, document->base_url, 0);
    kp_buffer_t text = {0};
    if (!sheet)
        return;
    append(document, sheet, node);
    kp_dom_text_content(node, &text);
    if (!text.failed)
        fill(document, sheet, text.bytes, text.size);
    kp_buffer_clear(&text);
}

/* Whether a space-separated list has the word, in any case. */
static bool has_word(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t\r\n\f");
        size_t length = strcspn(at, " \t\r\n\f");
        if (length == size && strncasecmp(at, word, size) == 0)
            return true;
        at += length;
    }
    return false;
}

void kp_sheets_add_link(kp_document_t *document, const kp_node_t *node)
{
    size_t size = 0;
    const char *rel = kp_dom_attribute(node, "rel", &size);
    if (!rel || !has_word(rel, "stylesheet") || has_word(rel, "alternate") ||
        kp_dom_has_attribute(node, "disabled"))
        return;
    const char *href = kp_dom_attribute(node, "href", &size);
    char *url = href && size > 0 ? kp_url_resolve(document->base_url, href, size) : NULL;
    if (!url)
        return;
    kp_sheet_t *sheet = new_sheet(document, node, url, 0);
    kp_url_free(url);
    if (!sheet)
        return;
    append(document, sheet, node);
    fetch(document, sheet);
}

void kp_sheets_fetched(kp_document_t *document, kp_sheet_t *sheet, kp_status_t status,
                       uint32_t http_status, const kp_buffer_t *bytes)
{
    if (!sheet->pending)
        return;
    sheet->pending = false;
    document->pending_sheets--;
    /* A sheet that broke off is not applied: half a sheet may hide what the rest shows. */
    if (status == KP_OK && http_status < 400 && !bytes->failed) {
        kp_charset_t *charset = malloc(sizeof *charset);
        kp_buffer_t text = {0};
        if (charset) {
            kp_charset_detect(charset, "", 0, (const uint8_t *)bytes->bytes, bytes->size);
            kp_charset_decode(charset, (const uint8_t *)bytes->bytes, bytes->size, true, &text);
            if (!text.failed)
                fill(document, sheet, text.bytes ? text.bytes : "", text.size);
        }
        free(charset);
        kp_buffer_clear(&text);
    }
    kp_engine_frame_wanted(document->engine);
}

static kp_status_t add_to_cascade(kp_sheet_t *sheet, kp_css_cascade_t *cascade,
                                  const kp_css_viewport_t *viewport)
{
    if (!sheet->parsed ||
        (sheet->media && !kp_css_media_matches(sheet->media, strlen(sheet->media), viewport)) ||
        (sheet->importer &&
         !kp_css_sheet_media_matches(sheet->importer, sheet->importer_media, viewport)))
        return KP_OK;
    for (kp_sheet_t *imported = sheet->imports; imported; imported = imported->next) {
        kp_status_t status = add_to_cascade(imported, cascade, viewport);
        if (status != KP_OK)
            return status;
    }
    return kp_css_cascade_add_sheet(cascade, sheet->parsed, KP_CSS_ORIGIN_AUTHOR);
}

kp_status_t kp_sheets_fill(kp_document_t *document, kp_css_cascade_t *cascade,
                           const kp_css_viewport_t *viewport)
{
    for (kp_sheet_t *sheet = document->sheets; sheet; sheet = sheet->next) {
        kp_status_t status = add_to_cascade(sheet, cascade, viewport);
        if (status != KP_OK)
            return status;
    }
    return KP_OK;
}

void kp_sheets_destroy(kp_sheet_t *sheets)
{
    while (sheets) {
        kp_sheet_t *next = sheets->next;
        kp_sheets_destroy(sheets->imports); /* at most KP_IMPORT_DEPTH_MAX deep */
        kp_css_sheet_destroy(sheets->parsed);
        free(sheets->media);
        free(sheets->url);
        free(sheets);
        sheets = next;
    }
}
