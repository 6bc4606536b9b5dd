/* The document of a load: type, encoding, parsing as the bytes come. */
#include <stdlib.h>
#include <string.h>

#include "engine/loader/internal.h"

#define SNIFF_BYTES 1024u

char *kp_load_copy(const char *text, size_t size)
{
    char *copy = malloc(size + 1);
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    return copy;
}

kp_node_t *kp_load_root(kp_engine_t *engine)
{
    if (!engine->document)
        return NULL;
    kp_node_t *node = lxb_dom_interface_node(engine->document)->first_child;
    while (node && !kp_dom_is(node, LXB_TAG_HTML))
        node = node->next;
    return node;
}

void kp_load_drop_document(kp_engine_t *engine)
{
    kp_layout_clear(&engine->layout);
    kp_css_cascade_destroy(engine->cascade);
    engine->cascade = NULL;
    if (engine->document)
        lxb_html_document_destroy(engine->document);
    engine->document = NULL;
    kp_arena_clear(&engine->data_arena);
    kp_buffer_clear(&engine->head);
}

kp_status_t kp_load_begin_document(kp_engine_t *engine)
{
    engine->document = lxb_html_document_create();
    if (!engine->document || lxb_html_document_parse_chunk_begin(engine->document) != LXB_STATUS_OK)
        return KP_ERR_NO_MEMORY;
    return KP_OK;
}

/* ---- headers ---- */

static bool is_name(const char *line, size_t size, const char *name)
{
    return kp_css_text_is(line, size, name);
}

static void copy_lower(char *out, size_t out_size, const char *text, size_t size)
{
    size_t i = 0;
    for (; i < size && i + 1 < out_size; i++)
        out[i] = (char)(text[i] >= 'A' && text[i] <= 'Z' ? text[i] + 32 : text[i]);
    out[i] = 0;
}

static void content_type(kp_engine_t *engine, const char *value, size_t size)
{
    size_t end = 0;
    while (end < size && value[end] != ';')
        end++;
    size_t type_end = end;
    while (type_end && value[type_end - 1] == ' ')
        type_end--;
    copy_lower(engine->type, sizeof engine->type, value, type_end);
    engine->charset[0] = 0;
    for (size_t i = end; i + 8 <= size; i++) {
        if (!kp_css_text_is(value + i, 8, "charset="))
            continue;
        size_t start = i + 8;
        if (start < size && value[start] == '"')
            start++;
        size_t stop = start;
        while (stop < size && value[stop] != '"' && value[stop] != ';' && value[stop] != ' ')
            stop++;
        copy_lower(engine->charset, sizeof engine->charset, value + start, stop - start);
        break;
    }
}

void kp_load_headers(kp_engine_t *engine, const char *headers, size_t size)
{
    engine->type[0] = engine->charset[0] = 0;
    for (size_t i = 0; i < size;) {
        size_t end = i;
        while (end < size && headers[end] != '\n')
            end++;
        size_t colon = i, stop = end;
        while (colon < end && headers[colon] != ':')
            colon++;
        while (stop > colon && (headers[stop - 1] == '\r' || headers[stop - 1] == ' '))
            stop--;
        if (colon < end && is_name(headers + i, colon - i, "content-type")) {
            size_t value = colon + 1;
            while (value < stop && headers[value] == ' ')
                value++;
            content_type(engine, headers + value, stop > value ? stop - value : 0);
        }
        i = end + 1;
    }
}

/* ---- decoding ---- */

/* lexbor looks through all open elements for many tags, which costs quadratic time in pages that
   nest without end. Beyond DEPTH_MAX open elements we close all but the outer DEPTH_KEPT (browsers
   cap the depth of the tree at 512, too). */
#define DEPTH_MAX 1024
#define DEPTH_KEPT 512
#define SLICE 4096

static void limit_depth(lxb_html_document_t *document)
{
    const lxb_html_parser_t *parser = lxb_dom_interface_document(document)->parser;
    lxb_html_tree_t *tree = parser ? parser->tree : NULL;
    if (!tree || lexbor_array_length(tree->open_elements) <= DEPTH_MAX ||
        lexbor_array_obj_length(tree->template_insertion_modes) != 0)
        return;
    tree->open_elements->length = DEPTH_KEPT;
    lxb_html_tree_reset_insertion_mode_appropriately(tree);
}

static kp_status_t feed(kp_engine_t *engine, const char *text, size_t size)
{
    for (size_t at = 0; at < size; at += SLICE) {
        size_t slice = size - at < SLICE ? size - at : SLICE;
        lxb_status_t status =
            lxb_html_document_parse_chunk(engine->document, (const lxb_char_t *)text + at, slice);
        if (status != LXB_STATUS_OK)
            return KP_ERR_NO_MEMORY;
        limit_depth(engine->document);
    }
    return KP_OK;
}

/* Length of the valid UTF-8 sequence at text; 0: damaged; -1: cut off by the end. */
static int sequence(const uint8_t *text, size_t size)
{
    uint8_t c = text[0];
    int need = c < 0x80                ? 1
               : c >= 0xc2 && c < 0xe0 ? 2
               : c >= 0xe0 && c < 0xf0 ? 3
               : c >= 0xf0 && c < 0xf5 ? 4
                                       : 0;
    for (int i = 1; i < need; i++) {
        if ((size_t)i >= size)
            return -1;
        uint8_t low = 0x80, high = 0xbf;
        if (i == 1) {
            low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : low;
            high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : high;
        }
        if (text[i] < low || text[i] > high)
            return 0;
    }
    return need;
}

static kp_status_t decode_utf8(kp_engine_t *engine, const uint8_t *bytes, size_t size)
{
    kp_decoder_t *decoder = &engine->decoder;
    kp_status_t status = KP_OK;
    while (decoder->carry_size && size && status == KP_OK) {
        decoder->carry[decoder->carry_size++] = *bytes++;
        size--;
        int length = sequence(decoder->carry, decoder->carry_size);
        if (length < 0)
            continue;
        if (length > 0) {
            status = feed(engine, (const char *)decoder->carry, (size_t)length);
        } else {
            /* Damaged: the byte just taken begins anew. */
            status = feed(engine, "\xef\xbf\xbd", 3);
            bytes--;
            size++;
        }
        decoder->carry_size = 0;
    }
    size_t start = 0, i = 0;
    while (i < size && status == KP_OK) {
        if (bytes[i] < 0x80) {
            i++;
            continue;
        }
        int length = sequence(bytes + i, size - i);
        if (length > 0) {
            i += (size_t)length;
            continue;
        }
        status = feed(engine, (const char *)bytes + start, i - start);
        if (length < 0) {
            decoder->carry_size = size - i;
            memcpy(decoder->carry, bytes + i, size - i);
            return status;
        }
        if (status == KP_OK)
            status = feed(engine, "\xef\xbf\xbd", 3);
        start = ++i;
    }
    return status == KP_OK ? feed(engine, (const char *)bytes + start, size - start) : status;
}

static kp_status_t decode_other(kp_engine_t *engine, const uint8_t *bytes, size_t size)
{
    kp_decoder_t *decoder = &engine->decoder;
    lxb_codepoint_t points[1024];
    const lxb_char_t *at = bytes, *end = bytes + size;
    kp_buffer_t text = {0};
    kp_status_t status = KP_OK;
    lxb_encoding_decode_buf_set(&decoder->state, points, 1024);
    lxb_status_t result;
    do {
        result = decoder->encoding->decode(&decoder->state, &at, end);
        size_t used = lxb_encoding_decode_buf_used(&decoder->state);
        text.size = 0;
        for (size_t i = 0; i < used; i++)
            kp_buffer_codepoint(&text, points[i]);
        lxb_encoding_decode_buf_used_set(&decoder->state, 0);
        status = text.failed ? KP_ERR_NO_MEMORY : feed(engine, text.bytes, text.size);
    } while (result == LXB_STATUS_SMALL_BUFFER && status == KP_OK);
    kp_buffer_clear(&text);
    return status;
}

static kp_status_t decode(kp_engine_t *engine, const uint8_t *bytes, size_t size)
{
    if (engine->decoder.encoding)
        return decode_other(engine, bytes, size);
    return decode_utf8(engine, bytes, size);
}

static const lxb_encoding_data_t *by_name(const char *name, size_t size)
{
    return size ? lxb_encoding_data_by_pre_name((const lxb_char_t *)name, size) : NULL;
}

/* The encoding: BOM, Content-Type, <meta>, and else UTF-8 when the first bytes are that, or
   windows-1252 (HTML Standard, section 13.2.3.2). */
static void choose_encoding(kp_engine_t *engine)
{
    const uint8_t *bytes = (const uint8_t *)engine->head.bytes;
    size_t size = engine->head.size;
    const lxb_encoding_data_t *found = NULL;
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        found = lxb_encoding_data(LXB_ENCODING_UTF_8);
    else if (size >= 2 && bytes[0] == 0xfe && bytes[1] == 0xff)
        found = lxb_encoding_data(LXB_ENCODING_UTF_16BE);
    else if (size >= 2 && bytes[0] == 0xff && bytes[1] == 0xfe)
        found = lxb_encoding_data(LXB_ENCODING_UTF_16LE);
    if (!found)
        found = by_name(engine->charset, strlen(engine->charset));
    lxb_html_encoding_t scan;
    if (!found && engine->content == KP_CONTENT_HTML && size &&
        lxb_html_encoding_init(&scan) == LXB_STATUS_OK) {
        if (lxb_html_encoding_determine(&scan, bytes, bytes + size) == LXB_STATUS_OK) {
            lxb_html_encoding_entry_t *entry = lxb_html_encoding_meta_entry(&scan, 0);
            if (entry)
                found = by_name((const char *)entry->name, (size_t)(entry->end - entry->name));
            if (found && (found->encoding == LXB_ENCODING_UTF_16LE ||
                          found->encoding == LXB_ENCODING_UTF_16BE))
                found = lxb_encoding_data(LXB_ENCODING_UTF_8);
        }
        lxb_html_encoding_destroy(&scan, false);
    }
    if (!found) {
        bool valid = true, ascii = true;
        for (size_t i = 0; i < size && valid;) {
            int length = sequence(bytes + i, size - i);
            ascii = ascii && bytes[i] < 0x80;
            valid = length != 0;
            i += length > 0 ? (size_t)length : size;
        }
        if (!valid || ascii)
            found = lxb_encoding_data(LXB_ENCODING_WINDOWS_1252);
    }
    if (found && found->encoding == LXB_ENCODING_UTF_8)
        found = NULL;
    engine->decoder.encoding = found;
    if (found) {
        static const lxb_codepoint_t replacement = 0xfffd;
        engine->decoder.state = (lxb_encoding_decode_t){
            .encoding_data = found, .replace_to = &replacement, .replace_len = 1};
    }
}

/* ---- type ---- */

static bool looks_binary(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t c = bytes[i];
        if (c <= 8 || c == 11 || (c >= 14 && c <= 26) || (c >= 28 && c <= 31))
            return true;
    }
    return false;
}

static bool starts_like_html(const uint8_t *bytes, size_t size)
{
    size_t i = 0;
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        i = 3;
    while (i < size && (bytes[i] == ' ' || (bytes[i] >= 9 && bytes[i] <= 13)))
        i++;
    return i < size && bytes[i] == '<';
}

static bool has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static kp_status_t choose_type(kp_engine_t *engine)
{
    const uint8_t *bytes = (const uint8_t *)engine->head.bytes;
    size_t size = engine->head.size;
    const char *type = engine->type;
    kp_image_info_t info;
    if (strcmp(type, "text/html") == 0 || strcmp(type, "application/xhtml+xml") == 0) {
        engine->content = KP_CONTENT_HTML;
    } else if (has_prefix(type, "image/") && strcmp(type, "image/svg+xml") != 0) {
        engine->content = KP_CONTENT_IMAGE;
    } else if (has_prefix(type, "text/") || strcmp(type, "application/json") == 0 ||
               strcmp(type, "application/javascript") == 0 ||
               strcmp(type, "application/xml") == 0 || strcmp(type, "image/svg+xml") == 0) {
        engine->content = KP_CONTENT_TEXT;
        /* Binary files are often sent as text/plain (MIME Sniffing, section 7.2). */
        if (strcmp(type, "text/plain") == 0 && looks_binary(bytes, size) &&
            !(size >= 2 && (bytes[0] == 0xff || bytes[0] == 0xfe)))
            return KP_ERR_NOT_SUPPORTED;
    } else if (!type[0] || strcmp(type, "application/octet-stream") == 0) {
        if (size && kp_image_probe(bytes, size, &info) == KP_OK)
            engine->content = KP_CONTENT_IMAGE;
        else if (looks_binary(bytes, size))
            return KP_ERR_NOT_SUPPORTED;
        else
            engine->content = starts_like_html(bytes, size) ? KP_CONTENT_HTML : KP_CONTENT_TEXT;
    } else {
        return KP_ERR_NOT_SUPPORTED;
    }
    return KP_OK;
}

static kp_status_t start_content(kp_engine_t *engine)
{
    kp_status_t status = choose_type(engine);
    if (status != KP_OK)
        return status;
    kp_buffer_t head = engine->head;
    engine->head = (kp_buffer_t){0};
    if (engine->content == KP_CONTENT_IMAGE) {
        engine->head = head; /* collected whole; shown at the end */
        return KP_OK;
    }
    engine->head = head;
    choose_encoding(engine);
    engine->head = (kp_buffer_t){0};
    if (engine->content == KP_CONTENT_TEXT) {
        static const char plain[] = "<plaintext style=\"white-space:pre-wrap;margin:0;"
                                    "overflow-wrap:break-word\">";
        status = feed(engine, "<!DOCTYPE html><html><body>", 27);
        if (status == KP_OK)
            status = feed(engine, plain, sizeof plain - 1);
    }
    size_t skip = 0;
    if (head.size >= 3 && memcmp(head.bytes, "\xef\xbb\xbf", 3) == 0)
        skip = 3;
    else if (engine->decoder.encoding && head.size >= 2 &&
             (memcmp(head.bytes, "\xff\xfe", 2) == 0 || memcmp(head.bytes, "\xfe\xff", 2) == 0))
        skip = 2;
    if (status == KP_OK)
        status = decode(engine, (const uint8_t *)head.bytes + skip, head.size - skip);
    kp_buffer_clear(&head);
    return status;
}

kp_status_t kp_load_bytes(kp_engine_t *engine, const uint8_t *bytes, size_t size)
{
    engine->document_bytes += size;
    if (engine->document_bytes > KP_DOCUMENT_BYTES_MAX)
        return KP_ERR_TOO_LARGE;
    if (engine->content == KP_CONTENT_UNKNOWN || engine->content == KP_CONTENT_IMAGE) {
        kp_buffer_append(&engine->head, bytes, size);
        if (engine->head.failed)
            return KP_ERR_NO_MEMORY;
        if (engine->content == KP_CONTENT_IMAGE || engine->head.size < SNIFF_BYTES)
            return KP_OK;
        return start_content(engine);
    }
    return decode(engine, bytes, size);
}

static kp_status_t show_image(kp_engine_t *engine)
{
    /* The bytes become an entry under the document's own URL, and the page refers to that. */
    static const char page[] =
        "<!DOCTYPE html><html><head><style>body{margin:0;background:#0e0e0e;text-align:center}"
        "img{max-width:100%}</style></head><body><img src=\"";
    kp_image_info_t info;
    if (kp_image_probe((const uint8_t *)engine->head.bytes, engine->head.size, &info) != KP_OK)
        return KP_ERR_BAD_FORMAT;
    kp_status_t status = kp_load_adopt_image(
        engine, engine->url, (const uint8_t *)engine->head.bytes, engine->head.size);
    if (status == KP_OK)
        status = feed(engine, page, sizeof page - 1);
    if (status == KP_OK)
        status = feed(engine, engine->url, strlen(engine->url));
    if (status == KP_OK)
        status = feed(engine, "\"></body></html>", 16);
    return status;
}

kp_status_t kp_load_end(kp_engine_t *engine)
{
    kp_status_t status = KP_OK;
    if (engine->content == KP_CONTENT_UNKNOWN && engine->head.size)
        status = start_content(engine);
    if (status == KP_OK && engine->content == KP_CONTENT_IMAGE)
        status = show_image(engine);
    if (status == KP_OK && engine->decoder.carry_size) {
        engine->decoder.carry_size = 0;
        status = feed(engine, "\xef\xbf\xbd", 3);
    }
    if (lxb_html_document_parse_chunk_end(engine->document) != LXB_STATUS_OK && status == KP_OK)
        status = KP_ERR_NO_MEMORY;
    return status;
}
