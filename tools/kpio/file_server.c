#include "tools/kpio/file_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "tools/kpio/child.h"

enum {
    REQUEST_MAX = 16384,
    PATH_SIZE = 4096,
    BACKLOG = 64,
    PATIENCE_S = 5, /* for one read or write: a stuck client must not stop the others for long */
};

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Whether a part of the path is "..": it may never lead out. */
static bool has_parent(const char *path)
{
    for (const char *at = strstr(path, ".."); at; at = strstr(at + 1, "..")) {
        if ((at == path || at[-1] == '/') && (at[2] == '\0' || at[2] == '/'))
            return true;
    }
    return false;
}

bool kp_file_server_parse(const char *request, size_t size, const char *secret, char *path,
                          size_t path_size, bool *is_head)
{
    const char *at = request, *end = request + size;
    size_t method = size > 5 && memcmp(at, "HEAD ", 5) == 0  ? 5
                    : size > 4 && memcmp(at, "GET ", 4) == 0 ? 4
                                                             : 0;
    size_t prefix = strlen(secret), used = 0;
    *is_head = method == 5;
    at += method;
    if (method == 0 || (size_t)(end - at) < prefix + 2 || at[0] != '/' ||
        memcmp(at + 1, secret, prefix) != 0 || at[prefix + 1] != '/')
        return false;
    for (at += prefix + 2; at < end && *at != ' ' && *at != '?' && *at != '#'; at++) {
        char byte = *at;
        if (byte == '%' && end - at > 2 && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
            byte = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
            at += 2;
        }
        if ((unsigned char)byte < ' ' || used + 1 >= path_size)
            return false;
        path[used++] = byte;
    }
    if (at == end) /* the line goes on in what was not read */
        return false;
    path[used] = '\0';
    return !has_parent(path);
}

static const char *type_of(const char *path)
{
    static const struct {
        const char *suffix, *type;
    } types[] = {{".html", "text/html"},       {".htm", "text/html"},
                 {".css", "text/css"},         {".js", "text/javascript"},
                 {".mjs", "text/javascript"},  {".json", "application/json"},
                 {".png", "image/png"},        {".jpg", "image/jpeg"},
                 {".jpeg", "image/jpeg"},      {".gif", "image/gif"},
                 {".webp", "image/webp"},      {".svg", "image/svg+xml"},
                 {".ico", "image/x-icon"},     {".woff", "font/woff"},
                 {".woff2", "font/woff2"},     {".ttf", "font/ttf"},
                 {".otf", "font/otf"},         {".xhtml", "application/xhtml+xml"},
                 {".xml", "application/xml"},  {".txt", "text/plain"},
                 {".wasm", "application/wasm"}};
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        size_t suffix = strlen(types[i].suffix);
        if (length > suffix && strcasecmp(path + length - suffix, types[i].suffix) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

static bool send_all(int connection, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(connection, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

/* Opens root/path if it is a regular file that really lies below root; -1: no. */
static int open_below(const char *root, const char *path)
{
    char joined[PATH_SIZE * 2];
    size_t length = strlen(path);
    bool is_folder = length == 0 || path[length - 1] == '/';
    snprintf(joined, sizeof joined, "%s/%s%s", root, path, is_folder ? "index.html" : "");
    char *real = realpath(joined, NULL);
    size_t root_size = strlen(root);
    int file = -1;
    struct stat info;
    /* Symbolic links must not lead out. "/" as root has its slash already. */
    bool below = real && strncmp(real, root, root_size) == 0 &&
                 (real[root_size] == '/' || root[root_size - 1] == '/');
    if (below)
        file = open(real, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    free(real);
    if (file >= 0 && (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))) {
        close(file);
        file = -1;
    }
    return file;
}

static void answer(int connection, const char *root, const char *secret)
{
    static char request[REQUEST_MAX], buffer[65536];
    char path[PATH_SIZE];
    struct stat info = {0};
    size_t used = 0;
    bool is_head = false;
    ssize_t got;
    while (used + 1 < sizeof request && !memmem(request, used, "\r\n\r\n", 4)) {
        got = recv(connection, request + used, sizeof request - used, 0);
        if (got <= 0)
            break;
        used += (size_t)got;
    }
    int file = -1;
    if (kp_file_server_parse(request, used, secret, path, sizeof path, &is_head))
        file = open_below(root, path);
    if (file < 0 || fstat(file, &info) != 0) {
        static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n"
                                      "Content-Length: 16\r\nConnection: close\r\n\r\n"
                                      "<p>no such file\n";
        (void)send_all(connection, missing, sizeof missing - 1);
        return;
    }
    size_t length = strlen(path);
    const char *type = length == 0 || path[length - 1] == '/' ? "text/html" : type_of(path);
    int head = snprintf(buffer, sizeof buffer,
                        "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %lld\r\n"
                        "Cache-Control: no-store\r\nConnection: close\r\n\r\n",
                        type, (long long)info.st_size);
    bool good = send_all(connection, buffer, (size_t)head);
    for (off_t left = is_head ? 0 : info.st_size; good && left > 0; left -= got) {
        got = read(file, buffer, sizeof buffer);
        if (got > left) /* it grew meanwhile */
            got = (ssize_t)left;
        good = got > 0 && send_all(connection, buffer, (size_t)got);
    }
    close(file);
}

_Noreturn static void serve(int listener, const char *root, const char *secret)
{
    struct timeval patience = {.tv_sec = PATIENCE_S};
    for (;;) {
        int connection = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0) {
            if (errno != EINTR && errno != ECONNABORTED)
                usleep(10000); /* out of descriptors: some come back */
            continue;
        }
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        answer(connection, root, secret);
        shutdown(connection, SHUT_WR);
        close(connection);
    }
}

kp_status_t kp_file_server_start(kp_file_server_t *server, const char *root)
{
    uint8_t random[16];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->child = -1;
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return KP_ERR_IO;
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(server->secret + 2 * i, 3, "%02x", random[i]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0)
        return KP_ERR_IO;
    if (bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, BACKLOG) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0) {
        close(listener);
        return KP_ERR_IO;
    }
    server->port = ntohs(address.sin_port);
    pid_t parent = getpid();
    server->child = fork();
    if (server->child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(0);
        signal(SIGINT, SIG_IGN); /* the parent decides when it ends */
        serve(listener, root, server->secret);
    }
    close(listener);
    return server->child > 0 ? KP_OK : KP_ERR_IO;
}

void kp_file_server_stop(kp_file_server_t *server)
{
    if (server->child > 0)
        kp_child_kill(server->child);
    server->child = -1;
}
