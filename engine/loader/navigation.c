#include "engine/loader/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void fetch_free(kp_fetch_t *fetch)
{
    kp_buffer_clear(&fetch->bytes);
    free(fetch);
}

kp_status_t kp_fetch_start(kp_engine_t *engine, kp_fetch_kind_t kind, void *owner,
                           uint32_t destination, const char *url, uint32_t *id)
{
    kp_fetch_t *fetch = calloc(1, sizeof *fetch);
    if (!fetch)
        return KP_ERR_NO_MEMORY;
    size_t size = kp_url_size_without_fragment(url);
    char *bare = malloc(size + 1);
    if (!bare) {
        free(fetch);
        return KP_ERR_NO_MEMORY;
    }
    memcpy(bare, url, size);
    bare[size] = 0;
    if (++engine->next_fetch == 0)
        engine->next_fetch = 1;
    *fetch = (kp_fetch_t){.id = engine->next_fetch, .kind = kind, .owner = owner};
    kp_status_t status = engine->host.fetch(engine->host.context, fetch->id, destination, bare);
    free(bare);
    if (status != KP_OK) {
        free(fetch);
        return status;
    }
    fetch->next = engine->fetches;
    engine->fetches = fetch;
    if (id)
        *id = fetch->id;
    return KP_OK;
}

static kp_fetch_t *fetch_find(kp_engine_t *engine, uint32_t id)
{
    kp_fetch_t *fetch = engine->fetches;
    while (fetch && fetch->id != id)
        fetch = fetch->next;
    return fetch;
}

static void fetch_unlink(kp_engine_t *engine, const kp_fetch_t *fetch)
{
    kp_fetch_t **at = &engine->fetches;
    while (*at && *at != fetch)
        at = &(*at)->next;
    if (*at)
        *at = fetch->next;
}

/* Cancels the fetches of the shown document or, with navigation, that of the one under way. */
static void cancel(kp_engine_t *engine, bool navigation)
{
    kp_fetch_t **at = &engine->fetches;
    while (*at) {
        kp_fetch_t *fetch = *at;
        bool loading = engine->loading_fetch != 0 && fetch->id == engine->loading_fetch;
        if (loading != navigation) {
            at = &fetch->next;
            continue;
        }
        *at = fetch->next;
        engine->host.fetch_cancel(engine->host.context, fetch->id);
        fetch_free(fetch);
    }
    if (navigation)
        engine->loading_fetch = 0;
}

void kp_fetch_cancel_document(kp_engine_t *engine)
{
    cancel(engine, false);
}

static void report(kp_engine_t *engine, uint32_t load_id, uint32_t state, kp_status_t status,
                   const char *url, const char *text)
{
    engine->host.load_state(engine->host.context, load_id, state, status, 0, url, text);
}

/* A new document takes the place of the shown one. */
static kp_document_t *commit(kp_engine_t *engine, uint32_t load_id, const char *url,
                             uint32_t http_status)
{
    kp_document_t *document = kp_document_create(engine, load_id, url, http_status);
    if (!document) {
        report(engine, load_id, KP_TAB_LOAD_FAILED, KP_ERR_NO_MEMORY, url,
               kp_status_text(KP_ERR_NO_MEMORY));
        return NULL;
    }
    kp_fetch_cancel_document(engine);
    kp_document_destroy(engine->document);
    engine->document = document;
    engine->pressed_link = NULL;
    engine->scroll_x = engine->scroll_y = 0;
    engine->host.load_state(engine->host.context, load_id, KP_TAB_LOAD_COMMITTED, KP_OK,
                            http_status, url, "");
    return document;
}

/* ---- content types ---- */

/* The value of a header, without the white space around it; NULL when there is none. */
static const char *header(const char *headers, size_t size, const char *name, size_t *value_size)
{
    size_t name_size = strlen(name);
    const char *at = headers, *end = headers + size, *found = NULL;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        if ((size_t)(line_end - at) > name_size && at[name_size] == ':' &&
            strncasecmp(at, name, name_size) == 0) {
            const char *value = at + name_size + 1, *stop = line_end;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            while (stop > value && strchr(" \t\r", stop[-1]))
                stop--;
            found = value;
            *value_size = (size_t)(stop - value);
        }
        at = line_end + 1;
    }
    return found;
}

typedef enum kp_content { CONTENT_HTML, CONTENT_TEXT, CONTENT_IMAGE, CONTENT_OTHER } kp_content_t;

static bool begins(const char *text, size_t size, const char *with)
{
    size_t length = strlen(with);
    return size >= length && strncasecmp(text, with, length) == 0;
}

static kp_content_t content_of(const char *type, size_t size)
{
    size_t length = 0;
    while (length < size && type[length] != ';' && type[length] != ' ')
        length++;
    if (length == 0 || begins(type, length, "text/html") ||
        begins(type, length, "application/xhtml+xml"))
        return CONTENT_HTML;
    if (begins(type, length, "image/svg"))
        return CONTENT_TEXT;
    if (begins(type, length, "image/"))
        return CONTENT_IMAGE;
    if (begins(type, length, "text/") || begins(type, length, "application/json") ||
        begins(type, length, "application/javascript") || begins(type, length, "application/xml") ||
        (length > 4 && (strncasecmp(type + length - 4, "+xml", 4) == 0)) ||
        (length > 5 && (strncasecmp(type + length - 5, "+json", 5) == 0)))
        return CONTENT_TEXT;
    return CONTENT_OTHER;
}

/* charset=NAME of a Content-Type. */
static void charset_parameter(const char *type, size_t size, char *to, size_t to_size)
{
    to[0] = 0;
    for (size_t i = 0; i + 8 <= size; i++) {
        if (strncasecmp(type + i, "charset=", 8) != 0)
            continue;
        size_t at = i + 8, used = 0;
        while (at < size && (type[at] == '"' || type[at] == '\''))
            at++;
        while (at < size && used + 1 < to_size && !strchr("\"'; \t", type[at]))
            to[used++] = type[at++];
        to[used] = 0;
        return;
    }
}

/* ---- the document's fetch ---- */

kp_status_t kp_engine_load_html(kp_engine_t *engine, uint32_t load_id, const char *url,
                                const char *html, size_t size)
{
    cancel(engine, true);
    report(engine, load_id, KP_TAB_LOAD_STARTED, KP_OK, url, "");
    kp_document_t *document = commit(engine, load_id, url, 0);
    if (!document)
        return KP_OK; /* reported */
    kp_document_feed(document, (const uint8_t *)html, size);
    kp_document_close(document, KP_OK, "");
    return KP_OK;
}

static kp_status_t load_data(kp_engine_t *engine, uint32_t load_id, const char *url)
{
    unsigned char *bytes = NULL;
    size_t size = 0;
    char type[128];
    if (!kp_url_data(url, &bytes, &size, type, sizeof type))
        return KP_ERR_BAD_FORMAT;
    kp_document_t *document = commit(engine, load_id, url, 0);
    if (document) {
        document->plain_text = content_of(type, strlen(type)) != CONTENT_HTML;
        charset_parameter(type, strlen(type), document->header_charset,
                          sizeof document->header_charset);
        kp_document_feed(document, bytes, size);
        kp_document_close(document, KP_OK, "");
    }
    free(bytes);
    return KP_OK;
}

kp_status_t kp_engine_navigate(kp_engine_t *engine, uint32_t load_id, const char *text)
{
    char *url = kp_url_resolve(NULL, text, strlen(text));
    cancel(engine, true);
    free(engine->loading_url);
    engine->loading_url = NULL;
    if (!url) {
        report(engine, load_id, KP_TAB_LOAD_FAILED, KP_ERR_INVALID_ARGUMENT, text,
               "this is not an address");
        return KP_OK;
    }
    report(engine, load_id, KP_TAB_LOAD_STARTED, KP_OK, url, "");
    if (strncmp(url, "about:blank", 11) == 0) {
        kp_status_t status = kp_engine_load_html(engine, load_id, url, "", 0);
        kp_url_free(url);
        return status;
    }
    kp_status_t status = KP_OK;
    if (kp_url_has_scheme(url, "data")) {
        status = load_data(engine, load_id, url);
    } else {
        engine->loading_id = load_id;
        status = kp_fetch_start(engine, KP_FETCH_DOCUMENT, NULL, KP_HTTP_FOR_DOCUMENT, url,
                                &engine->loading_fetch);
        engine->loading_url = status == KP_OK ? strdup(url) : NULL;
    }
    if (status != KP_OK)
        report(engine, load_id, KP_TAB_LOAD_FAILED, status, url, kp_status_text(status));
    kp_url_free(url);
    return KP_OK;
}

/* The final URL, with the fragment that was asked for when it has none of its own. */
static char *with_fragment(const char *final_url, const char *asked)
{
    const char *fragment = asked ? kp_url_fragment(asked) : NULL;
    if (!fragment || kp_url_fragment(final_url))
        return strdup(final_url);
    size_t size = strlen(final_url) + strlen(fragment) + 2;
    char *url = malloc(size);
    if (url) {
        strcpy(url, final_url);
        strcat(url, "#");
        strcat(url, fragment);
    }
    return url;
}

static void document_response(kp_engine_t *engine, kp_fetch_t *fetch, const char *final_url,
                              const char *headers, size_t headers_size)
{
    size_t size = 0;
    const char *type = header(headers, headers_size, "content-type", &size);
    kp_content_t content = content_of(type ? type : "", type ? size : 0);
    if (content == CONTENT_OTHER) {
        char text[160];
        size_t shown = size < 60 ? size : 60;
        memcpy(text, "this type of content cannot be shown: ", 38);
        memcpy(text + 38, type, shown);
        text[38 + shown] = 0;
        cancel(engine, true);
        report(engine, engine->loading_id, KP_TAB_LOAD_FAILED, KP_ERR_NOT_SUPPORTED, final_url,
               text);
        return;
    }
    char *url = with_fragment(final_url, engine->loading_url);
    kp_document_t *document =
        commit(engine, engine->loading_id, url ? url : final_url, fetch->http_status);
    if (!document) {
        cancel(engine, true);
        free(url);
        return;
    }
    engine->loading_fetch = 0; /* the fetch is the shown document's now */
    document->plain_text = content == CONTENT_TEXT;
    if (type)
        charset_parameter(type, size, document->header_charset, sizeof document->header_charset);
    fetch->owner = content == CONTENT_IMAGE ? document : NULL;
    free(url);
}

/* An image by itself: a page with the image in it. */
static void finish_image_document(kp_document_t *document, const kp_fetch_t *fetch)
{
    static const char html[] = "<!doctype html><html><head></head><body style=\"margin: 0\">"
                               "<img src=\"";
    kp_images_preset(document, document->url, &fetch->bytes);
    kp_document_feed(document, (const uint8_t *)html, sizeof html - 1);
    for (const char *at = document->url; *at; at++) {
        const char *safe = *at == '"' ? "%22" : *at == '&' ? "&amp;" : NULL;
        kp_document_feed(document, (const uint8_t *)(safe ? safe : at), safe ? strlen(safe) : 1);
    }
    kp_document_feed(document, (const uint8_t *)"\">", 2);
}

void kp_engine_fetch_response(kp_engine_t *engine, uint32_t fetch_id, uint32_t http_status,
                              const char *final_url, const char *headers, size_t headers_size)
{
    kp_fetch_t *fetch = fetch_find(engine, fetch_id);
    if (!fetch)
        return;
    fetch->http_status = http_status;
    if (fetch->kind == KP_FETCH_DOCUMENT) {
        document_response(engine, fetch, final_url, headers, headers_size);
    } else if (fetch->kind == KP_FETCH_SHEET) {
        kp_sheet_t *sheet = fetch->owner;
        char *url = strdup(final_url);
        if (url) {
            free(sheet->url);
            sheet->url = url;
        }
    }
}

void kp_engine_fetch_data(kp_engine_t *engine, uint32_t fetch_id, const uint8_t *bytes, size_t size)
{
    kp_fetch_t *fetch = fetch_find(engine, fetch_id);
    if (!fetch)
        return;
    if (fetch->kind == KP_FETCH_DOCUMENT && !fetch->owner) {
        if (engine->loading_fetch != fetch_id && engine->document)
            kp_document_feed(engine->document, bytes, size);
        return;
    }
    size_t limit = fetch->kind == KP_FETCH_SHEET ? KP_SHEET_BYTES_MAX : KP_IMAGE_BYTES_MAX;
    if (fetch->bytes.size + size <= limit)
        kp_buffer_append(&fetch->bytes, bytes, size);
    else
        fetch->bytes.failed = true;
}

void kp_engine_fetch_end(kp_engine_t *engine, uint32_t fetch_id, kp_status_t status,
                         const char *text)
{
    kp_fetch_t *fetch = fetch_find(engine, fetch_id);
    if (!fetch)
        return;
    fetch_unlink(engine, fetch);
    kp_document_t *document = engine->document;
    if (fetch->kind == KP_FETCH_SHEET) {
        kp_sheets_fetched(document, fetch->owner, status, fetch->http_status, &fetch->bytes);
        kp_document_settle(document);
    } else if (fetch->kind == KP_FETCH_IMAGE) {
        kp_images_fetched(document, fetch->owner, status, fetch->http_status, &fetch->bytes);
        kp_document_settle(document);
    } else if (engine->loading_fetch == fetch_id) {
        /* It ended before it began. */
        engine->loading_fetch = 0;
        kp_status_t cause = status == KP_OK ? KP_ERR_PROTOCOL : status;
        report(engine, engine->loading_id, KP_TAB_LOAD_FAILED, cause,
               engine->loading_url ? engine->loading_url : "",
               text && text[0] ? text : kp_status_text(cause));
    } else if (document) {
        if (fetch->owner)
            finish_image_document(document, fetch);
        kp_document_close(document, status, text);
    }
    fetch_free(fetch);
}

void kp_engine_stop(kp_engine_t *engine)
{
    if (engine->loading_fetch != 0) {
        cancel(engine, true);
        report(engine, engine->loading_id, KP_TAB_LOAD_FAILED, KP_ERR_CANCELLED,
               engine->loading_url ? engine->loading_url : "", "stopped");
    }
    kp_document_t *document = engine->document;
    if (!document || document->ended)
        return;
    kp_fetch_cancel_document(engine);
    for (kp_sheet_t *sheet = document->sheets; sheet; sheet = sheet->next)
        sheet->pending = false;
    document->pending_sheets = 0;
    document->pending_images = 0;
    if (document->parsing)
        kp_document_close(document, KP_ERR_CANCELLED, "stopped");
    else
        kp_document_settle(document);
}
