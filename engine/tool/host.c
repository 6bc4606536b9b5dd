#include "engine/tool/host.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct kp_tool_fetch {
    struct kp_tool_fetch *next;
    uint32_t id;
    char url[];
} kp_tool_fetch_t;

typedef struct kp_tool_pixels {
    struct kp_tool_pixels *next;
    uint32_t id;
    uint8_t *bytes;
} kp_tool_pixels_t;

uint8_t *kp_tool_read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    long length = -1;
    uint8_t *bytes = NULL;
    if (file && fseek(file, 0, SEEK_END) == 0)
        length = ftell(file);
    if (length >= 0 && fseek(file, 0, SEEK_SET) == 0)
        bytes = malloc((size_t)length + 1);
    if (bytes && fread(bytes, 1, (size_t)length, file) != (size_t)length) {
        free(bytes);
        bytes = NULL;
    }
    if (file)
        fclose(file);
    *size = length > 0 ? (size_t)length : 0;
    return bytes;
}

static void copy(char *to, size_t size, const char *text)
{
    snprintf(to, size, "%s", text);
}

static kp_status_t on_fetch(void *context, uint32_t id, uint32_t destination, const char *url)
{
    kp_tool_host_t *host = context;
    (void)destination;
    if (strncmp(url, "file:///", 8) != 0)
        return KP_ERR_UNSUPPORTED_SCHEME;
    kp_tool_fetch_t *fetch = malloc(sizeof *fetch + strlen(url) + 1);
    if (!fetch)
        return KP_ERR_NO_MEMORY;
    fetch->id = id;
    fetch->next = NULL;
    memcpy(fetch->url, url, strlen(url) + 1);
    kp_tool_fetch_t **last = &host->fetches;
    while (*last)
        last = &(*last)->next;
    *last = fetch;
    return KP_OK;
}

static void on_cancel(void *context, uint32_t id)
{
    kp_tool_host_t *host = context;
    kp_tool_fetch_t **link = &host->fetches;
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    kp_tool_fetch_t *fetch = *link;
    if (fetch) {
        *link = fetch->next;
        free(fetch);
    }
}

static kp_status_t on_resource(void *context, uint32_t id, uint32_t format, uint32_t width,
                               uint32_t height, uint32_t stride, uint8_t **pixels)
{
    kp_tool_host_t *host = context;
    (void)format;
    (void)width;
    kp_tool_pixels_t *item = malloc(sizeof *item);
    if (!item)
        return KP_ERR_NO_MEMORY;
    item->bytes = calloc(height, stride);
    if (!item->bytes) {
        free(item);
        return KP_ERR_NO_MEMORY;
    }
    item->id = id;
    item->next = host->pixels;
    host->pixels = item;
    *pixels = item->bytes;
    return KP_OK;
}

static void on_resource_destroy(void *context, uint32_t id)
{
    kp_tool_host_t *host = context;
    kp_tool_pixels_t **link = &host->pixels;
    while (*link && (*link)->id != id)
        link = &(*link)->next;
    kp_tool_pixels_t *item = *link;
    if (item) {
        *link = item->next;
        free(item->bytes);
        free(item);
    }
}

static void on_state(void *context, uint32_t load_id, uint32_t state, kp_status_t status,
                     uint32_t http_status, const char *url, const char *text)
{
    kp_tool_host_t *host = context;
    (void)load_id;
    (void)http_status;
    host->state = state;
    host->status = status;
    copy(host->url, sizeof host->url, url);
    copy(host->text, sizeof host->text, text);
}

static void on_title(void *context, const char *text)
{
    copy(((kp_tool_host_t *)context)->title, sizeof((kp_tool_host_t *)0)->title, text);
}

static void on_navigate(void *context, const char *url)
{
    copy(((kp_tool_host_t *)context)->navigate, sizeof((kp_tool_host_t *)0)->navigate, url);
}

static void on_hover(void *context, const char *url)
{
    copy(((kp_tool_host_t *)context)->hover, sizeof((kp_tool_host_t *)0)->hover, url);
}

static void on_scroll(void *context, int32_t x, int32_t y)
{
    (void)x;
    ((kp_tool_host_t *)context)->scroll_y = y;
}

static void on_frame_wanted(void *context)
{
    ((kp_tool_host_t *)context)->frames_wanted++;
}

static int64_t on_now(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void add_fonts(kp_tool_host_t *host, const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;
    char path[1024];
    while (dir && (entry = readdir(dir)) && host->font_count < 64) {
        size_t length = strlen(entry->d_name), size;
        if (length < 4 || strcmp(entry->d_name + length - 4, ".ttf") != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        uint8_t *bytes = kp_tool_read_file(path, &size);
        if (bytes && kp_engine_add_font(host->engine, entry->d_name, bytes, size) == KP_OK)
            host->fonts[host->font_count++] = bytes;
        else
            free(bytes);
    }
    if (dir)
        closedir(dir);
}

kp_status_t kp_tool_host_create(kp_tool_host_t *host, const char *font_dir, uint32_t width,
                                uint32_t height)
{
    memset(host, 0, sizeof *host);
    kp_engine_host_t calls = {.context = host,
                              .fetch = on_fetch,
                              .fetch_cancel = on_cancel,
                              .resource_create = on_resource,
                              .resource_destroy = on_resource_destroy,
                              .load_state = on_state,
                              .title = on_title,
                              .navigate_request = on_navigate,
                              .hover = on_hover,
                              .scroll_request = on_scroll,
                              .frame_wanted = on_frame_wanted,
                              .now = on_now};
    kp_status_t status = kp_engine_create(&calls, &host->engine);
    if (status != KP_OK)
        return status;
    if (font_dir)
        add_fonts(host, font_dir);
    return kp_engine_configure(host->engine, width, height, 256);
}

void kp_tool_host_destroy(kp_tool_host_t *host)
{
    kp_engine_destroy(host->engine);
    while (host->fetches)
        on_cancel(host, host->fetches->id);
    while (host->pixels)
        on_resource_destroy(host, host->pixels->id);
    for (size_t i = 0; i < host->font_count; i++)
        free(host->fonts[i]);
    memset(host, 0, sizeof *host);
}

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static void path_of(const char *url, char *path, size_t size)
{
    size_t used = 0;
    for (const char *at = url + 7; *at && *at != '?' && *at != '#' && used + 1 < size; at++) {
        if (*at == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
            path[used++] = (char)(hex(at[1]) * 16 + hex(at[2]));
            at += 2;
        } else {
            path[used++] = *at;
        }
    }
    path[used] = 0;
}

static const char *type_of(const char *path)
{
    static const struct {
        const char *suffix, *header;
    } types[] = {
        {".html", "Content-Type: text/html\r\n"}, {".htm", "Content-Type: text/html\r\n"},
        {".css", "Content-Type: text/css\r\n"},   {".txt", "Content-Type: text/plain\r\n"},
        {".png", "Content-Type: image/png\r\n"},  {".jpg", "Content-Type: image/jpeg\r\n"}};
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof *types; i++) {
        if (strcmp(dot, types[i].suffix) == 0)
            return types[i].header;
    }
    return "";
}

static void answer(kp_tool_host_t *host, uint32_t id, const char *url)
{
    char path[2048];
    size_t size;
    path_of(url, path, sizeof path);
    uint8_t *bytes = kp_tool_read_file(path, &size);
    if (!bytes) {
        kp_engine_fetch_end(host->engine, id, KP_ERR_NOT_FOUND, "the file cannot be read");
        return;
    }
    const char *headers = type_of(path);
    kp_engine_fetch_response(host->engine, id, 200, url, headers, strlen(headers));
    size_t step = host->chunk ? host->chunk : size;
    for (size_t at = 0; at < size; at += step) {
        kp_engine_frame_t frame;
        kp_engine_fetch_data(host->engine, id, bytes + at, size - at < step ? size - at : step);
        if (host->chunk)
            kp_engine_frame(host->engine, &frame);
    }
    kp_engine_fetch_end(host->engine, id, KP_OK, "");
    free(bytes);
}

void kp_tool_host_run(kp_tool_host_t *host)
{
    while (host->fetches) {
        kp_tool_fetch_t *fetch = host->fetches;
        host->fetches = fetch->next;
        answer(host, fetch->id, fetch->url);
        free(fetch);
    }
}
