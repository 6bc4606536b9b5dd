#include "tools/kpio/target.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"

/* The length of "scheme" in "scheme:", 0: there is none. "localhost:8000" has none: what follows
   the colon is a port. */
static size_t scheme_length(const char *text)
{
    size_t length = 0;
    while ((text[length] >= 'a' && text[length] <= 'z') ||
           (text[length] >= 'A' && text[length] <= 'Z') ||
           (length > 0 && ((text[length] >= '0' && text[length] <= '9') ||
                           (text[length] && strchr("+-.", text[length])))))
        length++;
    if (length == 0 || text[length] != ':')
        return 0;
    const char *after = text + length + 1;
    size_t digits = strspn(after, "0123456789");
    if (digits > 0 && (after[digits] == '\0' || after[digits] == '/'))
        return 0;
    return length;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* file:///path or file:/path with %XX to a path; false: too long, another host, or a NUL. */
static bool file_url_path(const char *url, char *path, size_t size)
{
    const char *at = url + 5;
    if (strncmp(at, "//", 2) == 0)
        at += 2;
    if (strncmp(at, "localhost/", 10) == 0)
        at += 9;
    if (*at != '/')
        return false;
    size_t used = 0;
    for (; *at && *at != '?' && *at != '#'; at++) {
        char byte = *at;
        if (byte == '%' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
            byte = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
            at += 2;
        }
        if (byte == '\0' || used + 1 >= size)
            return false;
        path[used++] = byte;
    }
    path[used] = '\0';
    return true;
}

/* start, then the path with %XX, then what follows the path (query, fragment). */
static bool url_make(const char *start, const char *path, const char *suffix, char *url,
                     size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/-_.~!$&'()*+,;=:@";
    size_t used = (size_t)snprintf(url, size, "%s", start);
    for (; *path; path++) {
        if (used + 4 > size)
            return false;
        if (strchr(plain, *path))
            url[used++] = *path;
        else
            used += (size_t)snprintf(url + used, size - used, "%%%02X", (unsigned char)*path);
    }
    return (size_t)snprintf(url + used, size - used, "%s", suffix) < size - used;
}

/* Whether the word, which has no scheme and names nothing that is there, must have meant a file: it
   ends like one, and does not begin with what can be a host with its path behind it. */
static bool looks_like_file(const char *text)
{
    static const char *const endings[] = {"html", "htm", "xhtml", "svg",  "txt",  "xml",
                                          "png",  "jpg", "jpeg",  "webp", "gif",  "css",
                                          "js",   "pdf", "json",  "wasm", "avif", "ico"};
    size_t first = strcspn(text, "/");
    const char *dot = strrchr(text, '.');
    if (!dot || strchr(dot, '/') || strchr(text, ':'))
        return false;
    if (text[first] && (memchr(text, '.', first) || strncmp(text, "localhost/", 10) == 0))
        return false;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    }
    return false;
}

static kp_status_t read_file(const char *path, const char *suffix, kp_target_t *target, char *error,
                             size_t error_size)
{
    char *absolute = realpath(path, NULL);
    if (!absolute || strlen(absolute) >= sizeof target->path) {
        snprintf(error, error_size, "%s", absolute ? "the path is too long" : strerror(errno));
        free(absolute);
        return KP_ERR_NOT_FOUND;
    }
    kp_status_t status = KP_OK;
    if (!url_make("file://", absolute, suffix, target->url, sizeof target->url)) {
        snprintf(error, error_size, "the path is too long");
        status = KP_ERR_TOO_LARGE;
    } else {
        status = kp_file_read(absolute, KP_TARGET_FILE_MAX, &target->file, &target->file_size);
        if (status == KP_ERR_TOO_LARGE)
            snprintf(error, error_size, "the file is larger than %zu MiB",
                     KP_TARGET_FILE_MAX >> 20);
        else if (status != KP_OK)
            snprintf(error, error_size, "%s", kp_file_reason(status));
        else
            snprintf(target->path, sizeof target->path, "%s", absolute);
    }
    free(absolute);
    return status;
}

kp_status_t kp_target_read(const char *text, kp_target_t *target, char *error, size_t error_size)
{
    char path[4096];
    *target = (kp_target_t){.file = NULL};
    snprintf(target->url, sizeof target->url, "%s", text);
    if (strlen(text) >= sizeof target->url) {
        snprintf(error, error_size, "the URL is longer than %zu bytes", sizeof target->url - 1);
        return KP_ERR_TOO_LARGE;
    }
    if (text[0] == '\0') {
        snprintf(error, error_size, "the URL is empty");
        return KP_ERR_INVALID_ARGUMENT;
    }
    if (strncmp(text, "file:", 5) == 0) {
        if (file_url_path(text, path, sizeof path))
            return read_file(path, text + strcspn(text, "?#"), target, error, error_size);
        snprintf(error, error_size, "not a URL of a local file");
        return KP_ERR_INVALID_ARGUMENT;
    }
    if (scheme_length(text) > 0)
        return KP_OK;
    if (access(text, F_OK) == 0 || text[0] == '/' || text[0] == '.' || looks_like_file(text))
        return read_file(text, "", target, error, error_size);
    target->is_guess = true;
    if ((size_t)snprintf(target->url, sizeof target->url, "http://%s", text) >=
        sizeof target->url) {
        snprintf(error, error_size, "the URL is too long");
        return KP_ERR_TOO_LARGE;
    }
    return KP_OK;
}

kp_status_t kp_target_serve(kp_target_t *target, const char *root, const char *host,
                            kp_file_server_t *server, char *error, size_t error_size)
{
    char start[160], suffix[sizeof target->url];
    char *folder = root ? realpath(root, NULL) : strdup(target->path);
    if (folder && !root)
        *strrchr(folder, '/') = '\0'; /* "" for files in the root folder */
    size_t length = folder ? strlen(folder) : 0;
    if (length == 1)
        length = 0; /* "/" given as root */
    kp_status_t status = KP_OK;
    if (!folder || strncmp(target->path, folder, length) != 0 || target->path[length] != '/') {
        snprintf(error, error_size, "%s: %s", root ? root : target->path,
                 folder ? "the file is not in this folder" : strerror(errno));
        status = KP_ERR_INVALID_ARGUMENT;
    }
    if (status == KP_OK && kp_file_server_start(server, length ? folder : "/") != KP_OK) {
        snprintf(error, error_size, "no server for local files: %s", strerror(errno));
        status = KP_ERR_IO;
    }
    if (status == KP_OK) {
        snprintf(suffix, sizeof suffix, "%s", target->url + strcspn(target->url, "?#"));
        snprintf(start, sizeof start, "http://%s:%u/%s", host, server->port, server->secret);
        if (!url_make(start, target->path + length, suffix, target->url, sizeof target->url)) {
            snprintf(error, error_size, "the path is too long");
            status = KP_ERR_TOO_LARGE;
            kp_file_server_stop(server);
        }
    }
    free(folder);
    return status;
}

kp_status_t kp_target_url(const char *text, const char *root, const char *host,
                          kp_file_server_t *server, char *url, size_t size, char *error,
                          size_t error_size)
{
    kp_target_t *target = malloc(sizeof *target);
    if (!target) {
        snprintf(error, error_size, "%s", kp_status_text(KP_ERR_NO_MEMORY));
        return KP_ERR_NO_MEMORY;
    }
    kp_status_t status = kp_target_read(text, target, error, error_size);
    if (status == KP_OK && target->file)
        status = kp_target_serve(target, root, host, server, error, error_size);
    if (status == KP_OK && strpbrk(target->url, " \t\r\n")) {
        snprintf(error, error_size, "a URL has no spaces");
        status = KP_ERR_INVALID_ARGUMENT;
    }
    if (status == KP_OK && (size_t)snprintf(url, size, "%s", target->url) >= size) {
        snprintf(error, error_size, "the URL is longer than %zu bytes", size - 1);
        status = KP_ERR_TOO_LARGE;
    }
    kp_target_clear(target);
    free(target);
    return status;
}

int kp_target_exit(kp_status_t status)
{
    bool wrong = status == KP_ERR_INVALID_ARGUMENT || status == KP_ERR_TOO_LARGE;
    return wrong ? KP_KPIO_USAGE : KP_KPIO_FAILED;
}

void kp_target_clear(kp_target_t *target)
{
    free(target->file);
    target->file = NULL;
}
