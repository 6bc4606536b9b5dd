/* Files of the served folder. */
#include "tests/server/server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *type_of(const char *path)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".htm", "text/html; charset=utf-8"},
        {".xhtml", "application/xhtml+xml"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".json", "application/json"},
        {".txt", "text/plain; charset=utf-8"},
        {".png", "image/png"},
        {".jpg", "image/jpeg"},
        {".jpeg", "image/jpeg"},
        {".gif", "image/gif"},
        {".webp", "image/webp"},
        {".svg", "image/svg+xml"},
        {".ico", "image/x-icon"},
        {".woff", "font/woff"},
        {".woff2", "font/woff2"},
        {".ttf", "font/ttf"},
        {".wasm", "application/wasm"},
    };
    const char *dot = strrchr(path, '.');
    for (size_t i = 0; dot && i < sizeof types / sizeof types[0]; i++) {
        if (strcasecmp(dot, types[i][0]) == 0)
            return types[i][1];
    }
    return "application/octet-stream";
}

/* Sends an open file. `named` decides the type. */
static void send_file(request_t *request, int fd, const char *named, const char *extra)
{
    struct stat info;
    char block[65536];
    if (fstat(fd, &info) != 0) {
        reply_page(request, 500, strerror(errno));
        return;
    }
    int64_t left = info.st_size;
    if (!reply_head(request, 200, type_of(named), left, extra) || request->headers_only)
        return;
    while (left > 0) {
        ssize_t got = read(fd, block, sizeof block);
        if (got <= 0) { /* the file shrank: the length that was promised is wrong now */
            request->keep_alive = false;
            return;
        }
        if (got > left)
            got = (ssize_t)left;
        if (!reply_body(request, block, (size_t)got))
            return;
        left -= got;
    }
}

static void send_listing(request_t *request, const char *path)
{
    DIR *folder = opendir(path);
    if (!folder) {
        reply_page(request, 404, strerror(errno));
        return;
    }
    bytes_t page = {0};
    static const char head[] = "<!DOCTYPE html><meta charset=utf-8><title>Files</title>\n<ul>\n";
    bytes_add(&page, head, sizeof head - 1);
    for (struct dirent *entry; (entry = readdir(folder));) {
        char line[2 * NAME_MAX + 64];
        if (entry->d_name[0] == '.' || strpbrk(entry->d_name, "<>&\"%?#"))
            continue;
        int length = snprintf(line, sizeof line, "<li><a href=\"%s\">%s</a>\n", entry->d_name,
                              entry->d_name);
        bytes_add(&page, line, (size_t)length);
    }
    closedir(folder);
    reply_bytes(request, 200, "text/html; charset=utf-8", "", page.at, page.size);
    bytes_free(&page);
}

void files_answer(request_t *request)
{
    char path[PATH_MAX];
    struct stat info;
    /* Nothing above the folder: no ".." segment (links inside the folder are the owner's choice).
     */
    for (const char *at = request->path; (at = strstr(at, "/..")); at += 3) {
        if (at[3] == '/' || at[3] == 0) {
            reply_page(request, 403, "outside of the folder");
            return;
        }
    }
    int length = snprintf(path, sizeof path, "%s%s", request->root, request->path);
    if (length < 0 || (size_t)length + sizeof "index.html.gz" > sizeof path) {
        reply_page(request, 414, "the path is too long");
        return;
    }
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (path[length - 1] != '/') {
            char extra[PATH_MAX + 32];
            snprintf(extra, sizeof extra, "Location: %s/\r\n", request->path);
            reply_bytes(request, 301, "text/html", extra, "", 0);
            return;
        }
        memcpy(path + length, "index.html", sizeof "index.html");
        if (access(path, R_OK) != 0) {
            path[length] = 0;
            send_listing(request, path);
            return;
        }
    }
    /* FILE.gz beside FILE is sent instead to who accepts gzip. */
    char packed[PATH_MAX + 4];
    snprintf(packed, sizeof packed, "%s.gz", path);
    if (strstr(header_value(request, "Accept-Encoding"), "gzip")) {
        int fd = open(packed, O_RDONLY | O_CLOEXEC);
        if (fd >= 0) {
            send_file(request, fd, path, "Content-Encoding: gzip\r\n");
            close(fd);
            return;
        }
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        reply_page(request, errno == EACCES ? 403 : 404, strerror(errno));
        return;
    }
    send_file(request, fd, path, "");
    close(fd);
}
