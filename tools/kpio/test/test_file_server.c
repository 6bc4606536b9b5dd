#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kp_test.h"
#include "tools/kpio/file_server.h"

static bool parse(const char *request, char *path)
{
    bool is_head;
    size_t size = strlen(request);
    char *copy = malloc(size ? size : 1); /* exact: ASan sees an overrun */
    memcpy(copy, request, size);
    bool good = kp_file_server_parse(copy, size, "s3", path, 64, &is_head);
    free(copy);
    return good;
}

KP_TEST(file_server_parse)
{
    char path[64];
    KP_EXPECT(parse("GET /s3/a/b%20c.css?x=1 HTTP/1.1\r\n", path));
    KP_EXPECT_STRING(path, "a/b c.css");
    KP_EXPECT(parse("HEAD /s3/ HTTP/1.1", path));
    KP_EXPECT_STRING(path, "");
    KP_EXPECT(parse("GET /s3/a..b/..c HTTP/1.1", path));
    char long_path[128];
    snprintf(long_path, sizeof long_path, "GET /s3/%070d HTTP/1.1", 7);
    const char *const bad[] = {"",
                               "GET ",
                               "POST /s3/a HTTP/1.1",
                               "GET /s4/a HTTP/1.1",
                               "GET /s3",
                               "GET /s3 HTTP/1.1",
                               "GET /s3/../a HTTP/1.1",
                               "GET /s3/a/%2e%2e/b HTTP/1.1",
                               "GET /s3/..%2fb HTTP/1.1",
                               "GET /s3/a%00b HTTP/1.1",
                               "GET /s3/cut-off",
                               "GET /s3/a%2",
                               long_path};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        KP_EXPECT(!parse(bad[i], path));
}

/* The whole answer to one request, as a string of at most `size` bytes. */
static void ask(const kp_file_server_t *server, const char *method, const char *path, char *text,
                size_t size)
{
    char request[256];
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons(server->port)};
    int connection = socket(AF_INET, SOCK_STREAM, 0);
    size_t used = 0;
    text[0] = '\0';
    if (connection >= 0 && connect(connection, (struct sockaddr *)&address, sizeof address) == 0) {
        int length =
            snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, path);
        KP_EXPECT(write(connection, request, (size_t)length) == length);
        ssize_t got;
        while (used + 1 < size && (got = read(connection, text + used, size - 1 - used)) > 0)
            used += (size_t)got;
        text[used] = '\0';
    }
    close(connection);
}

KP_TEST(file_server_serves_only_its_folder)
{
    char folder[] = "/tmp/kp-server-XXXXXX", path[128], text[4096], url[128];
    kp_file_server_t server;
    KP_REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/in", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/in/style.css", folder);
    FILE *file = fopen(path, "w");
    fputs("body{}", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/secret.txt", folder);
    file = fopen(path, "w");
    fputs("secret", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/in/link.txt", folder);
    KP_EXPECT_INT(symlink("../secret.txt", path), 0);
    snprintf(path, sizeof path, "%s/in", folder);
    KP_REQUIRE(kp_file_server_start(&server, path) == KP_OK);
    snprintf(url, sizeof url, "/%s/style.css", server.secret);
    ask(&server, "GET", url, text, sizeof text);
    KP_EXPECT(strstr(text, "200 OK") && strstr(text, "text/css"));
    KP_EXPECT(strstr(text, "\r\n\r\nbody{}") != NULL);
    ask(&server, "HEAD", url, text, sizeof text);
    KP_EXPECT(strstr(text, "Content-Length: 6") && !strstr(text, "body{}"));
    ask(&server, "GET", "/style.css", text, sizeof text);
    KP_EXPECT(strstr(text, "404") != NULL);
    static const char *const outside[] = {
        "link.txt", "../secret.txt", "%2e%2e/secret.txt", "nothing", "", ".", "style.css/"};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        snprintf(url, sizeof url, "/%s/%s", server.secret, outside[i]);
        ask(&server, "GET", url, text, sizeof text);
        KP_EXPECT(strstr(text, "404") != NULL);
        KP_EXPECT(!strstr(text, "\r\n\r\nsecret"));
    }
    kp_file_server_stop(&server);
    ask(&server, "GET", "/x", text, sizeof text);
    KP_EXPECT_STRING(text, "");
    snprintf(path, sizeof path, "rm -r '%s'", folder);
    KP_EXPECT_INT(system(path), 0);
}

KP_TEST_MAIN()
