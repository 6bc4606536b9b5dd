#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kp_test.h"
#include "tools/kpio/file.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/options.h"
#include "tools/kpio/target.h"

void kp_kpio_say(const char *format, ...)
{
    (void)format;
}

static kp_status_t read_target(const char *text, kp_target_t *target)
{
    char error[256] = "";
    kp_status_t status = kp_target_read(text, target, error, sizeof error);
    KP_EXPECT((status == KP_OK) == (error[0] == '\0'));
    return status;
}

KP_TEST(target_urls)
{
    kp_target_t target;
    static const char *const same[] = {"http://a/", "https://x.y/z?q#f", "about:blank",
                                       "data:text/html,hi", "kpio:back"};
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        KP_EXPECT_INT(read_target(same[i], &target), KP_OK);
        KP_EXPECT_STRING(target.url, same[i]);
        KP_EXPECT(target.file == NULL);
    }
    KP_EXPECT_INT(read_target("example.org", &target), KP_OK);
    KP_EXPECT_STRING(target.url, "http://example.org");
    KP_EXPECT_INT(read_target("localhost:8000/a", &target), KP_OK);
    KP_EXPECT_STRING(target.url, "http://localhost:8000/a");
    static const char *const hosts[] = {
        "localhost/a.html", "example.org/a.html", "a:80/b.html", "word", "a/b", "example.org"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        KP_EXPECT_INT(read_target(hosts[i], &target), KP_OK);
        KP_EXPECT(target.is_guess && strncmp(target.url, "http://", 7) == 0);
    }
    static const char *const files[] = {"no-such.html", "no-such/b.PNG", "no such.txt", "./x",
                                        "../no-such"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        KP_EXPECT_INT(read_target(files[i], &target), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(read_target("", &target), KP_ERR_INVALID_ARGUMENT);
    char *longest = malloc(10000);
    memset(longest, 'a', 9999);
    longest[9999] = '\0';
    KP_EXPECT_INT(read_target(longest, &target), KP_ERR_TOO_LARGE);
    free(longest);
}

KP_TEST(target_files)
{
    kp_target_t target;
    char folder[] = "/tmp/kp target-XXXXXX", path[64], url[128];
    KP_REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/a%%b.html", folder);
    FILE *file = fopen(path, "w");
    KP_REQUIRE(file != NULL);
    fputs("<p>hi", file);
    fclose(file);
    KP_EXPECT_INT(read_target(path, &target), KP_OK);
    KP_EXPECT_INT(target.file_size, 5);
    KP_EXPECT(target.file && memcmp(target.file, "<p>hi", 6) == 0);
    snprintf(url, sizeof url, "file:///tmp/kp%%20target-%s/a%%25b.html", folder + 15);
    KP_EXPECT_STRING(target.url, url);
    kp_target_clear(&target);
    snprintf(url + strlen(url), sizeof url - strlen(url), "#part");
    KP_EXPECT_INT(read_target(url, &target), KP_OK);
    KP_EXPECT_STRING(target.url, url);
    KP_EXPECT(target.file != NULL);
    kp_target_clear(&target);
    char error[256], start[128];
    kp_file_server_t server;
    KP_EXPECT_INT(read_target(url, &target), KP_OK);
    KP_EXPECT_INT(kp_target_serve(&target, "/usr", "h", &server, error, sizeof error),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_target_serve(&target, "/no/such", "h", &server, error, sizeof error),
                  KP_ERR_INVALID_ARGUMENT);
    KP_REQUIRE(kp_target_serve(&target, NULL, "h", &server, error, sizeof error) == KP_OK);
    snprintf(start, sizeof start, "http://h:%u/%s/a%%25b.html#part", server.port, server.secret);
    KP_EXPECT_STRING(target.url, start);
    kp_file_server_stop(&server);
    kp_target_clear(&target);
    KP_EXPECT_INT(read_target(url, &target), KP_OK);
    KP_REQUIRE(kp_target_serve(&target, "/tmp", "h", &server, error, sizeof error) == KP_OK);
    KP_EXPECT(strstr(target.url, "/kp%20target-") != NULL);
    kp_file_server_stop(&server);
    kp_target_clear(&target);
    server.child = -1;
    KP_EXPECT_INT(kp_target_url(path, NULL, "h", &server, url, sizeof url, error, sizeof error),
                  KP_OK);
    KP_EXPECT(server.child > 0 && strncmp(url, "http://h:", 9) == 0);
    kp_file_server_stop(&server);
    KP_EXPECT_INT(
        kp_target_url("http://a b/", NULL, "h", &server, url, sizeof url, error, sizeof error),
        KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_target_url("http://abcdef/", NULL, "h", &server, url, 10, error, sizeof error),
                  KP_ERR_TOO_LARGE);
    KP_EXPECT_INT(server.child, -1);
    KP_EXPECT_INT(read_target(folder, &target), KP_ERR_NOT_SUPPORTED);
    kp_target_clear(&target);
    KP_EXPECT_INT(read_target("/tmp/no/such/file.html", &target), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(read_target("file://other.host/x", &target), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(read_target("file:///a%00b", &target), KP_ERR_INVALID_ARGUMENT);
    unlink(path);
    rmdir(folder);
}

/* A pipe that nobody writes to would be waited for without end. */
KP_TEST(target_pipe)
{
    kp_target_t target;
    char folder[] = "/tmp/kp-target-XXXXXX", path[64];
    KP_REQUIRE(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/pipe", folder);
    KP_REQUIRE(mkfifo(path, 0600) == 0);
    KP_EXPECT_INT(read_target(path, &target), KP_ERR_NOT_SUPPORTED);
    kp_target_clear(&target);
    KP_EXPECT_STRING(kp_file_reason(KP_ERR_NOT_SUPPORTED), "not a file");
    unlink(path);
    rmdir(folder);
}

KP_TEST(options_parse)
{
    bool flag = false, help = false;
    const char *text = NULL;
    uint32_t number = 0, size[2] = {0};
    const kp_option_t options[] = {
        {"--flag", 0, KP_OPTION_FLAG, NULL, "", &flag, 0, 0},
        {"--out", 'o', KP_OPTION_TEXT, "FILE", "", &text, 0, 0},
        {"--number", 0, KP_OPTION_NUMBER, "N", "", &number, 1, 100},
        {"--size", 0, KP_OPTION_SIZE, "WxH", "", size, 1, 4096},
    };
    const kp_option_set_t set = {"kpio test", "", options, 4};
    char *good[] = {"one", "--flag", "-o", "x.png", "--number=7", "--size", "12x34", "--", "-two"};
    KP_EXPECT_INT(kp_options_parse(&set, 9, good, &help), 2);
    KP_EXPECT(flag && !help);
    KP_EXPECT_STRING(text, "x.png");
    KP_EXPECT_INT(number, 7);
    KP_EXPECT_INT(size[0], 12);
    KP_EXPECT_INT(size[1], 34);
    KP_EXPECT_STRING(good[0], "one");
    KP_EXPECT_STRING(good[1], "-two");
    char *bad[][2] = {{"--unknown", "x"},   {"--number", "0"},
                      {"--number", "101"},  {"--number", "7x"},
                      {"--number", ""},     {"--size", "12"},
                      {"--size", "12x"},    {"--size", "0x5"},
                      {"--flag=1", "x"},    {"x", "--out"},
                      {"--size", "5000x1"}, {"--number=", "x"},
                      {"--number", "-1"},   {"--flagx", "x"},
                      {"--size", "1x1x1"},  {"--number", "99999999999999999999"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        KP_EXPECT_INT(kp_options_parse(&set, 2, bad[i], &help), -1);
    char *asks[] = {"x", "-h", "--unknown"};
    kp_options_parse(&set, 3, asks, &help);
    KP_EXPECT(help);
}

KP_TEST_MAIN()
