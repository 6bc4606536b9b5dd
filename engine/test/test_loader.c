/* Loads: states, errors, types, encodings, style sheets, fragments, links. */
#include "engine/test/page.h"

/* A host whose fetches the test answers by hand. */
typedef struct remote {
    kp_engine_t *engine;
    uint32_t ids[16];
    char urls[16][128];
    size_t count, cancelled;
    uint32_t state;
    kp_status_t status;
    char text[128], url[256], navigate[256];
    int32_t scroll_y;
} remote_t;

static remote_t remote;

static kp_status_t on_fetch(void *context, uint32_t id, uint32_t destination, const char *url)
{
    (void)context;
    (void)destination;
    if (remote.count == 16)
        return KP_ERR_NO_MEMORY;
    remote.ids[remote.count] = id;
    snprintf(remote.urls[remote.count++], 128, "%s", url);
    return KP_OK;
}

static void on_cancel(void *context, uint32_t id)
{
    (void)context;
    (void)id;
    remote.cancelled++;
}

static kp_status_t on_create(void *c, uint32_t id, uint32_t f, uint32_t w, uint32_t h, uint32_t s,
                             uint8_t **p)
{
    (void)c, (void)id, (void)f, (void)w, (void)h, (void)s, (void)p;
    return KP_ERR_NO_MEMORY;
}

static void on_destroy(void *c, uint32_t id)
{
    (void)c, (void)id;
}

static void on_state(void *c, uint32_t load_id, uint32_t state, kp_status_t status, uint32_t http,
                     const char *url, const char *text)
{
    (void)c, (void)load_id, (void)http;
    remote.state = state;
    remote.status = status;
    snprintf(remote.url, sizeof remote.url, "%s", url);
    snprintf(remote.text, sizeof remote.text, "%s", text);
}

static void on_text(void *c, const char *text)
{
    (void)c, (void)text;
}

static void on_navigate(void *c, const char *url)
{
    (void)c;
    snprintf(remote.navigate, sizeof remote.navigate, "%s", url);
}

static void on_scroll(void *c, int32_t x, int32_t y)
{
    (void)c, (void)x;
    remote.scroll_y = y;
}

static void on_wanted(void *c)
{
    (void)c;
}

static int64_t on_now(void *c)
{
    (void)c;
    static int64_t now;
    return now += 1000000000;
}

static void start(const char *url)
{
    kp_engine_destroy(remote.engine);
    memset(&remote, 0, sizeof remote);
    kp_engine_host_t host = {.fetch = on_fetch,
                             .fetch_cancel = on_cancel,
                             .resource_create = on_create,
                             .resource_destroy = on_destroy,
                             .load_state = on_state,
                             .title = on_text,
                             .navigate_request = on_navigate,
                             .hover = on_text,
                             .scroll_request = on_scroll,
                             .frame_wanted = on_wanted,
                             .now = on_now};
    if (kp_engine_create(&host, &remote.engine) != KP_OK ||
        kp_engine_configure(remote.engine, 400, 300, 256) != KP_OK)
        abort();
    kp_engine_navigate(remote.engine, 7, url);
}

static void respond(size_t index, uint32_t status, const char *type, const void *body, size_t size)
{
    char headers[128];
    snprintf(headers, sizeof headers, "Content-Type: %s\r\n", type);
    kp_engine_fetch_response(remote.engine, remote.ids[index], status, remote.urls[index], headers,
                             strlen(headers));
    if (size)
        kp_engine_fetch_data(remote.engine, remote.ids[index], body, size);
}

static void finish(size_t index, kp_status_t status, const char *text)
{
    kp_engine_fetch_end(remote.engine, remote.ids[index], status, text);
}

static char *dump(void)
{
    char *bytes = NULL;
    size_t size = 0;
    if (kp_engine_dump(remote.engine, KP_TAB_DUMP_TEXT, &bytes, &size) != KP_OK)
        return strdup("(no dump)");
    bytes = realloc(bytes, size + 1);
    bytes[size] = 0;
    return bytes;
}

static void expect_text(const char *want)
{
    char *text = dump();
    KP_EXPECT_STRING(text, want);
    free(text);
}

KP_TEST(a_page_loads)
{
    start("http://h/p");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_STARTED);
    respond(0, 200, "text/html", "<p>hello", 8);
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_COMMITTED);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_DONE);
    expect_text("hello\n");
}

KP_TEST(failures_say_why)
{
    start("http://h/p");
    finish(0, KP_ERR_CONNECTION_REFUSED, "no one there");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_FAILED);
    KP_EXPECT_INT(remote.status, KP_ERR_CONNECTION_REFUSED);
    KP_EXPECT_STRING(remote.text, "no one there");
    start("http://h/p");
    respond(0, 200, "text/html", "", 0);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_FAILED);
    KP_EXPECT_STRING(remote.text, "the server sent an empty page");
    start("http://h/p");
    respond(0, 200, "application/zip", "PK\3\4xxxxxxx", 11);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.status, KP_ERR_NOT_SUPPORTED);
    start("not a url");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_FAILED);
}

KP_TEST(a_cut_page_shows_what_came)
{
    start("http://h/p");
    respond(0, 200, "text/html", "<p>half", 7);
    finish(0, KP_ERR_CONNECTION_RESET, "cut");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_FAILED);
    KP_EXPECT_INT(remote.status, KP_ERR_CONNECTION_RESET);
    expect_text("half\n");
}

KP_TEST(an_error_page_is_shown)
{
    start("http://h/p");
    respond(0, 404, "text/html", "<p>gone", 7);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_DONE);
    expect_text("gone\n");
}

KP_TEST(binary_as_html_does_no_harm)
{
    uint8_t bytes[4096];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 167 + i / 3);
    start("http://h/p");
    respond(0, 200, "text/html", bytes, sizeof bytes);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_DONE);
}

KP_TEST(plain_text_is_not_markup)
{
    start("http://h/p");
    respond(0, 200, "text/plain", "<b>a\n b", 7);
    finish(0, KP_OK, "");
    expect_text("<b>a\n b\n");
}

KP_TEST(encodings)
{
    start("http://h/p");
    respond(0, 200, "text/html; charset=ISO-8859-1", "<p>\xe9", 4);
    finish(0, KP_OK, "");
    expect_text("\u00e9\n");
    start("http://h/p");
    respond(0, 200, "text/html", "<meta charset=windows-1251><p>\xe9", 31);
    finish(0, KP_OK, "");
    expect_text("\u0439\n");
    start("http://h/p");
    respond(0, 200, "text/html", "\xff\xfe<\0p\0>\0x\0", 10);
    finish(0, KP_OK, "");
    expect_text("x\n");
    /* UTF-8 that is cut between chunks, and damaged. */
    start("http://h/p");
    respond(0, 200, "text/html; charset=utf-8", NULL, 0);
    static const char text[] = "<p>\xe2\x82\xac \xff \xf0\x9f\x98";
    for (size_t i = 0; i < sizeof text - 1; i++)
        kp_engine_fetch_data(remote.engine, remote.ids[0], (const uint8_t *)text + i, 1);
    finish(0, KP_OK, "");
    expect_text("\u20ac \ufffd \ufffd\n");
}

KP_TEST(style_sheets_are_waited_for)
{
    static const char html[] = "<link rel=stylesheet href=a.css><p>x<p class=h>y";
    start("http://h/d/p");
    respond(0, 200, "text/html", html, sizeof html - 1);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_COMMITTED);
    KP_EXPECT_INT(remote.count, 2);
    KP_EXPECT_STRING(remote.urls[1], "http://h/d/a.css");
    respond(1, 200, "text/css", "@import 'sub/b.css';", 20);
    finish(1, KP_OK, "");
    KP_EXPECT_INT(remote.count, 3);
    KP_EXPECT_STRING(remote.urls[2], "http://h/d/sub/b.css");
    respond(2, 200, "text/css", ".h{display:none}", 16);
    finish(2, KP_OK, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_DONE);
    expect_text("x\n");
}

KP_TEST(missing_parts_do_not_fail_the_page)
{
    static const char html[] =
        "<base href='/b/'><link rel=stylesheet href=a.css><p>x<img src=i.png alt=pic>";
    start("http://h/d/p");
    respond(0, 200, "text/html", html, sizeof html - 1);
    finish(0, KP_OK, "");
    KP_EXPECT_STRING(remote.urls[1], "http://h/b/a.css");
    respond(1, 404, "text/css", "p{display:none}", 15);
    finish(1, KP_OK, "");
    KP_EXPECT_STRING(remote.urls[2], "http://h/b/i.png");
    finish(2, KP_ERR_CONNECTION_RESET, "");
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_DONE);
    expect_text("x\n");
}

KP_TEST(stop_keeps_what_came)
{
    start("http://h/p");
    respond(0, 200, "text/html", "<p>half<img src=x>", 18);
    kp_engine_stop(remote.engine);
    KP_EXPECT_INT(remote.state, KP_TAB_LOAD_DONE);
    KP_EXPECT(remote.cancelled > 0);
    expect_text("half\n");
}

KP_TEST(fragments_scroll_and_links_navigate)
{
    static const char html[] =
        "<!DOCTYPE html><body style='margin:0'><a href='/other' style='display:block;"
        "height:20px'>o</a><a href='#far' style='display:block;height:20px'>f</a>"
        "<p style='height:2000px'></p><h2 id=far>far</h2>";
    start("http://h/p#far");
    KP_EXPECT_STRING(remote.urls[0], "http://h/p");
    respond(0, 200, "text/html", html, sizeof html - 1);
    finish(0, KP_OK, "");
    KP_EXPECT(remote.scroll_y > 2000);
    kp_tab_pointer_t event = {.kind = KP_TAB_POINTER_DOWN, .x = 5, .y = 5};
    kp_engine_pointer(remote.engine, &event);
    event.kind = KP_TAB_POINTER_UP;
    kp_engine_pointer(remote.engine, &event);
    KP_EXPECT_STRING(remote.navigate, "http://h/other");
    remote.scroll_y = 0;
    event = (kp_tab_pointer_t){.kind = KP_TAB_POINTER_DOWN, .x = 5, .y = 25};
    kp_engine_pointer(remote.engine, &event);
    event.kind = KP_TAB_POINTER_UP;
    kp_engine_pointer(remote.engine, &event);
    KP_EXPECT(remote.scroll_y > 2000);
}

KP_TEST(targets_above_the_page_scroll_to_its_top)
{
    static const char html[] = "<div id=d style='position:absolute;left:-70px;top:-50px'>x</div>";
    start("http://h/p#d");
    remote.scroll_y = -1;
    respond(0, 200, "text/html", html, sizeof html - 1);
    finish(0, KP_OK, "");
    KP_EXPECT_INT(remote.scroll_y, 0);
}

KP_TEST(redirects_move_the_base)
{
    start("http://h/p#x");
    static const char html[] = "<link rel=stylesheet href=s.css>";
    kp_engine_fetch_response(remote.engine, remote.ids[0], 200, "http://g/dir/q", "", 0);
    kp_engine_fetch_data(remote.engine, remote.ids[0], (const uint8_t *)html, sizeof html - 1);
    KP_EXPECT_STRING(remote.url, "http://g/dir/q#x");
    finish(0, KP_OK, "");
    KP_EXPECT_STRING(remote.urls[1], "http://g/dir/s.css");
    kp_engine_destroy(remote.engine);
    remote.engine = NULL;
}

KP_TEST_MAIN()
