/* URL resolution: RFC 3986 section 5.4 where the URL Standard agrees, and the Standard's own rules.
 */
#include <stdlib.h>

#include "engine/base/url.h"
#include "tests/kp_test.h"

static void expect(const char *base, const char *text, const char *want)
{
    char *url = kp_url_resolve(base, text, strlen(text));
    if (!url != !want || (url && strcmp(url, want) != 0))
        KP_FAIL("\"%s\" against \"%s\" is \"%s\", expected \"%s\"", text, base ? base : "(none)",
                url ? url : "(none)", want ? want : "(none)");
    kp_url_free(url);
}

KP_TEST(references)
{
    static const char base[] = "http://a/b/c/d;p?q";
    static const char *const cases[][2] = {
        {"g", "http://a/b/c/g"},      {"./g", "http://a/b/c/g"},
        {"g/", "http://a/b/c/g/"},    {"/g", "http://a/g"},
        {"//g", "http://g/"},         {"?y", "http://a/b/c/d;p?y"},
        {"g?y", "http://a/b/c/g?y"},  {"#s", "http://a/b/c/d;p?q#s"},
        {"g#s", "http://a/b/c/g#s"},  {";x", "http://a/b/c/;x"},
        {"", "http://a/b/c/d;p?q"},   {".", "http://a/b/c/"},
        {"..", "http://a/b/"},        {"../g", "http://a/b/g"},
        {"../..", "http://a/"},       {"../../../g", "http://a/g"},
        {"/./g", "http://a/g"},       {"/../g", "http://a/g"},
        {"g.", "http://a/b/c/g."},    {"..g", "http://a/b/c/..g"},
        {"./../g", "http://a/b/g"},   {"g;x=1/../y", "http://a/b/c/y"},
        {"http:g", "http://a/b/c/g"}, {"%2e%2E/x", "http://a/b/x"},
        {"\\x", "http://a/x"},        {" a b ", "http://a/b/c/a%20b"},
        {"a\tb\n", "http://a/b/c/ab"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(base, cases[i][0], cases[i][1]);
}

KP_TEST(absolute)
{
    expect(NULL, "HTTP://EXAMPLE.com:80/%7Ea?b c#d e", "http://example.com/%7Ea?b%20c#d%20e");
    expect(NULL, "http://h:8080", "http://h:8080/");
    expect(NULL, "https://u:p@h:443/", "https://u:p@h/");
    expect(NULL, "http://h:99999/", NULL);
    expect(NULL, "http://", NULL);
    expect(NULL, "http://a b/", NULL);
    expect(NULL, "relative", NULL);
    expect(NULL, "about:blank", "about:blank");
    expect(NULL, "data:text/html,<b>x", "data:text/html,<b>x");
    expect("http://a/", "mailto:x@y", "mailto:x@y");
    expect("about:blank", "x", NULL);
    expect(NULL, "file:///a/../b", "file:///b");
    expect("file:///a/b.html", "c d.png", "file:///a/c%20d.png");
    expect("http://a/", "http://\xc3\xa9/", "http://%c3%a9/");
}

KP_TEST(parts)
{
    KP_EXPECT(kp_url_same_document("http://a/b#c", "http://a/b"));
    KP_EXPECT(!kp_url_same_document("http://a/b?#c", "http://a/b"));
    KP_EXPECT_STRING(kp_url_fragment("x#y#z"), "y#z");
    KP_EXPECT(kp_url_fragment("x") == NULL);
}

KP_TEST(data_urls)
{
    unsigned char *bytes;
    size_t size;
    char type[32];
    KP_REQUIRE(kp_url_data("data:text/plain;base64,aGVsbG8=", &bytes, &size, type, sizeof type));
    KP_EXPECT_INT(size, 5);
    KP_EXPECT(memcmp(bytes, "hello", 5) == 0);
    KP_EXPECT_STRING(type, "text/plain");
    free(bytes);
    KP_REQUIRE(kp_url_data("data:,a%20b%", &bytes, &size, type, sizeof type));
    KP_EXPECT_INT(size, 4);
    free(bytes);
    KP_EXPECT(!kp_url_data("data:text/plain;base64,!!", &bytes, &size, type, sizeof type));
    KP_EXPECT(!kp_url_data("data:nothing", &bytes, &size, type, sizeof type));
}

KP_TEST_MAIN()
