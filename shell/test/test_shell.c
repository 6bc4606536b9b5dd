/* The whole shell against a fake kernel: the test is the tabs, the display and the user. */
#include <stdlib.h>

#include "shell/shell.h"
#include "shell/test/fake_kernel.h"
#include "tests/kp_test.h"
#include "shell/test/stop_shell.h"

static kp_shell_t *shell;

/* What the display has been told. Surface ids: counted up. */
static struct {
    uint32_t next_surface;
    uint32_t surfaces; /* created - destroyed */
    bool is_silent;    /* does not answer presents */
    bool is_short;     /* cannot make surfaces */
    uint32_t scale;    /* 0: 256 */
    kp_status_t status;
    size_t presents, objects;
    kp_display_present_t present;
    kp_display_place_t place[2]; /* by order */
    size_t places;
} display;

static void answer(const void *bytes, size_t size)
{
    fake_send(fake.display, bytes, size, NULL, 0);
}

static void display_message(const fake_message_t *message)
{
    kp_message_header_t head;
    memcpy(&head, message->bytes, sizeof(head));
    if (head.ordinal == KP_DISPLAY_SCREEN_INFO) {
        kp_display_screen_t screen = {
            {KP_DISPLAY_SCREEN_INFO, head.txid}, 1280, 800, display.scale ? display.scale : 256};
        answer(&screen, sizeof(screen));
    } else if (head.ordinal == KP_DISPLAY_SURFACE_CREATE) {
        uint32_t id = display.is_short ? 0 : ++display.next_surface;
        display.surfaces += id != 0;
        kp_display_surface_t created = {{KP_DISPLAY_SURFACE_CREATED, head.txid}, id};
        answer(&created, sizeof(created));
    } else if (head.ordinal == KP_DISPLAY_SURFACE_DESTROY) {
        display.surfaces--;
    } else if (head.ordinal == KP_DISPLAY_SURFACE_PLACE) {
        kp_display_place_t place;
        memcpy(&place, message->bytes, sizeof(place));
        display.place[place.order & 1] = place;
        display.places++;
    } else if (head.ordinal == KP_DISPLAY_SURFACE_PRESENT) {
        memcpy(&display.present, message->bytes, sizeof(display.present));
        display.presents++;
        display.objects += message->object_count;
        kp_display_presented_t presented = {{KP_DISPLAY_PRESENTED, 0},
                                            display.present.surface,
                                            display.present.sequence,
                                            display.status};
        if (!display.is_silent)
            answer(&presented, sizeof(presented));
    }
}

static bool run_display(void)
{
    bool is_any = false;
    fake_message_t *message;
    while (fake.display && (message = fake_receive(fake.display)) != NULL) {
        display_message(message);
        fake_message_free(message);
        is_any = true;
    }
    return is_any;
}

/* Until nobody has anything to do. */
static void run(void)
{
    for (int rounds = 0; rounds < 10000; rounds++) {
        bool is_any = kp_loop_step(&shell->loop, KP_TIME_POLL) == KP_OK;
        if (!(run_display() || is_any))
            return;
    }
    KP_FAIL("the shell does not come to rest");
}

static void pass_time(kp_time_t ns)
{
    fake.now += ns;
    run();
}

/* The newest message of this ordinal that a tab got; drops the others. NULL: none. */
static fake_message_t *heard(size_t tab, uint32_t ordinal)
{
    fake_message_t *message, *found = NULL;
    while (fake.tabs[tab].channel && (message = fake_receive(fake.tabs[tab].channel)) != NULL) {
        kp_message_header_t head;
        memcpy(&head, message->bytes, sizeof(head));
        if (head.ordinal == ordinal) {
            if (found)
                fake_message_free(found);
            found = message;
        } else {
            fake_message_free(message);
        }
    }
    return found;
}

static bool hears(size_t tab, uint32_t ordinal)
{
    fake_message_t *message = heard(tab, ordinal);
    if (message)
        fake_message_free(message);
    return message != NULL;
}

/* The URL of the newest NAVIGATE; "" when there is none. */
static const char *navigated(size_t tab)
{
    static char url[KP_SHELL_URL_MAX];
    url[0] = 0;
    fake_message_t *message = heard(tab, KP_TAB_NAVIGATE);
    if (message) {
        size_t size = message->size - sizeof(kp_tab_navigate_t);
        memcpy(url, message->bytes + sizeof(kp_tab_navigate_t), size);
        url[size] = 0;
        fake_message_free(message);
    }
    return url;
}

/* The newest LOAD_HTML, as text (URL and HTML); "" when there is none. */
static const char *loaded(size_t tab)
{
    static char html[KP_CHANNEL_BYTES_MAX + 1];
    html[0] = 0;
    fake_message_t *message = heard(tab, KP_TAB_LOAD_HTML);
    if (message) {
        size_t size = message->size - sizeof(kp_tab_load_html_t);
        memcpy(html, message->bytes + sizeof(kp_tab_load_html_t), size);
        html[size] = 0;
        fake_message_free(message);
    }
    return html;
}

static void say_load(size_t tab, uint32_t state, kp_status_t status, const char *url,
                     const char *text)
{
    uint8_t bytes[512];
    const kp_shell_view_t *view = tab == 1 ? &shell->toolbar.view : &shell->page.view;
    kp_tab_load_state_t head = {.header = {KP_TAB_LOAD_STATE, 0},
                                .load_id = view->load_id,
                                .state = state,
                                .status = status,
                                .http_status = state == KP_TAB_LOAD_DONE ? 200 : 0,
                                .url_size = (uint32_t)strlen(url),
                                .text_size = (uint32_t)strlen(text)};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), url, head.url_size);
    memcpy(bytes + sizeof(head) + head.url_size, text, head.text_size);
    fake_send(fake.tabs[tab].channel, bytes, sizeof(head) + head.url_size + head.text_size, NULL,
              0);
    run();
}

static void say_text(size_t tab, uint32_t ordinal, const char *text)
{
    uint8_t bytes[512];
    kp_tab_text_t head = {{ordinal, 0}, (uint32_t)strlen(text)};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), text, strlen(text));
    fake_send(fake.tabs[tab].channel, bytes, sizeof(head) + strlen(text), NULL, 0);
    run();
}

static void say_frame(size_t tab, uint32_t sequence, int32_t height, size_t resources)
{
    fake_object_t *objects[8];
    for (size_t i = 0; i <= resources; i++)
        objects[i] = fake_object(KP_TYPE_VMO);
    kp_tab_frame_t frame = {.header = {KP_TAB_FRAME, 0},
                            .load_id =
                                tab == 1 ? shell->toolbar.view.load_id : shell->page.view.load_id,
                            .sequence = sequence,
                            .list_size = 64,
                            .resource_count = (uint32_t)resources,
                            .page_width = 1280,
                            .page_height = height,
                            .background = 0xffffffff};
    fake_send(fake.tabs[tab].channel, &frame, sizeof(frame), objects, resources + 1);
    run();
}

/* A page arrives: committed, shown, done. */
static void arrive(size_t tab, const char *url, int32_t height)
{
    static uint32_t sequence = 1000;
    say_load(tab, KP_TAB_LOAD_STARTED, KP_OK, url, "");
    say_load(tab, KP_TAB_LOAD_COMMITTED, KP_OK, url, "");
    say_frame(tab, ++sequence, height, 0);
    say_load(tab, KP_TAB_LOAD_DONE, KP_OK, url, "");
}

static void input(uint32_t kind, uint32_t code, int32_t value, int32_t x, int32_t y)
{
    kp_display_input_t event = {{KP_DISPLAY_INPUT, 0}, kind, code, value, x, y};
    answer(&event, sizeof(event));
    run();
}

static void press(uint32_t code)
{
    input(KP_DISPLAY_INPUT_KEY, code, 1, 0, 0);
    input(KP_DISPLAY_INPUT_KEY, code, 0, 0, 0);
}

static void chord(uint32_t modifier, uint32_t code)
{
    input(KP_DISPLAY_INPUT_KEY, modifier, 1, 0, 0);
    press(code);
    input(KP_DISPLAY_INPUT_KEY, modifier, 0, 0, 0);
}

static void type(const char *text) /* lower case letters and '/' */
{
    static const char rows[] = "qwertyuiop\0\0\0\0asdfghjkl\0\0\0\0\0zxcvbnm,./";
    for (; *text; text++) {
        const char *at = memchr(rows, *text, sizeof(rows));
        if (at)
            press(KEY_Q + (uint32_t)(at - rows));
    }
}

static void begin(const char *argument, const char *second)
{
    char *argv[] = {"shell", (char *)argument, (char *)second, NULL};
    fake_reset();
    memset(&display, 0, sizeof(display));
    shell = calloc(1, sizeof(*shell));
    KP_EXPECT_INT(kp_shell_start(shell, argument ? second ? 3 : 2 : 1, argv), KP_OK);
    run();
    KP_EXPECT_INT(fake.tab_count, 1); /* the page's comes first */
    pass_time(KP_NS_PER_S);
    KP_EXPECT_INT(fake.tab_count, 2);
}

static void end(void)
{
    stop_shell(shell);
    size_t own = fake.has_display + fake.has_console + fake.has_coordinator;
    KP_EXPECT_INT(fake_handle_count(), own); /* everything else was closed or moved on */
    kp_loop_clear(&shell->loop);
    free(shell);
    fake_reset();
}

KP_TEST(start_with_url)
{
    begin("url=example.org/x", NULL);
    KP_EXPECT_INT(fake.tab_count, 2);
    fake_message_t *message = fake_receive(fake.tabs[0].channel); /* configured before navigated */
    KP_REQUIRE(message);
    kp_tab_configure_t configure;
    memcpy(&configure, message->bytes, sizeof(configure));
    KP_EXPECT_INT(configure.header.ordinal, KP_TAB_CONFIGURE);
    KP_EXPECT_INT(configure.width, 1280);
    KP_EXPECT_INT(configure.height, 760);
    fake_message_free(message);
    KP_EXPECT_STRING(navigated(0), "http://example.org/x");
    KP_EXPECT(strstr(loaded(1), "http://example.org/x") != NULL);
    KP_EXPECT_INT(display.surfaces, 2);
    KP_EXPECT_INT(display.place[0].y, 40);
    KP_EXPECT_INT(display.place[0].height, 760);
    KP_EXPECT_INT(display.place[1].height, 40);
    arrive(0, "http://example.org/moved", 100);
    KP_EXPECT_INT(fake.load_done_marks, 1);
    KP_EXPECT_STRING(kp_shell_page_address(&shell->page), "http://example.org/moved");
    KP_EXPECT_INT(fake.tabs[0].role, KP_TAB_ROLE_FRONT);
    KP_EXPECT_INT(fake.tabs[1].role, KP_TAB_ROLE_CHROME);
    KP_EXPECT(fake.tabs[0].roles_told == 1 && fake.tabs[1].roles_told == 1);
    end();
}

KP_TEST(toolbar_comes_after_the_page)
{
    fake_reset();
    memset(&display, 0, sizeof(display));
    char *argv[] = {"shell", "url=a", NULL};
    shell = calloc(1, sizeof(*shell));
    KP_EXPECT_INT(kp_shell_start(shell, 2, argv), KP_OK);
    run();
    KP_EXPECT_INT(fake.tab_count, 1);
    say_frame(0, 1, 100, 0);
    KP_REQUIRE(fake.tab_count == 2);
    KP_EXPECT(strstr(loaded(1), "kpio:stop") != NULL);
    end();
}

KP_TEST(start_page_without_url)
{
    begin(NULL, NULL);
    KP_EXPECT(strstr(loaded(0), "Type an address") != NULL);
    KP_EXPECT(shell->toolbar.model.is_focused);
    say_load(0, KP_TAB_LOAD_DONE, KP_OK, "about:start", "");
    type("host/a");
    KP_EXPECT_STRING(shell->toolbar.model.edit.text, "host/a");
    press(KEY_ENTER);
    KP_EXPECT_STRING(navigated(0), "http://host/a");
    KP_EXPECT(!shell->toolbar.model.is_focused);
    end();
}

KP_TEST(frames_are_relayed_with_back_pressure)
{
    begin("url=a", NULL);
    display.is_silent = true;
    say_frame(0, 1, 100, 3);
    KP_EXPECT_INT(display.presents, 1);
    KP_EXPECT_INT(display.objects, 4);
    KP_EXPECT(!hears(0, KP_TAB_FRAME_DONE));
    say_frame(0, 2, 100, 0);
    say_frame(0, 3, 100, 0);
    KP_EXPECT_INT(display.presents, 1); /* a tab that does not wait is not read */
    display.is_silent = false;
    kp_display_presented_t presented = {{KP_DISPLAY_PRESENTED, 0}, display.present.surface, 1, 0};
    answer(&presented, sizeof(presented));
    run();
    KP_EXPECT_INT(display.presents, 3);
    fake_message_t *message = heard(0, KP_TAB_FRAME_DONE);
    KP_REQUIRE(message);
    kp_tab_frame_done_t done;
    memcpy(&done, message->bytes, sizeof(done));
    KP_EXPECT_INT(done.sequence, 3);
    fake_message_free(message);
    end();
}

KP_TEST(scrolling)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 3000);
    fake_message_t *message = heard(0, KP_TAB_CONFIGURE); /* narrower for the scroll bar */
    KP_REQUIRE(message);
    kp_tab_configure_t configure;
    memcpy(&configure, message->bytes, sizeof(configure));
    KP_EXPECT_INT(configure.width, 1265);
    fake_message_free(message);
    KP_EXPECT_INT(display.place[0].scroll_bar, 1);
    size_t presents = display.presents;
    input(KP_DISPLAY_INPUT_WHEEL, 0, -2, 600, 400);
    KP_EXPECT_INT(display.place[0].scroll_y, 200);
    KP_EXPECT_INT(display.presents, presents);
    KP_EXPECT(hears(0, KP_TAB_SCROLL_TO));
    input(KP_DISPLAY_INPUT_WHEEL, 0, INT32_MIN, 600, 400);
    KP_EXPECT_INT(display.place[0].scroll_y, 3000 - 760);
    size_t places = display.places;
    input(KP_DISPLAY_INPUT_WHEEL, 0, -1, 600, 400); /* at the end already */
    KP_EXPECT_INT(display.places, places);
    press(KEY_HOME);
    KP_EXPECT_INT(display.place[0].scroll_y, 0);
    press(KEY_SPACE);
    KP_EXPECT_INT(display.place[0].scroll_y, 720);
    chord(KEY_LEFTSHIFT, KEY_SPACE);
    KP_EXPECT_INT(display.place[0].scroll_y, 0);
    press(KEY_DOWN);
    KP_EXPECT_INT(display.place[0].scroll_y, 40);
    press(KEY_END);
    KP_EXPECT_INT(display.place[0].scroll_y, 2240);
    say_frame(0, 7, 1000, 0); /* the page got shorter */
    KP_EXPECT_INT(display.place[0].scroll_y, 240);
    end();
}

KP_TEST(scroll_bar_goes_with_the_page)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 3000);
    KP_EXPECT_INT(display.place[0].scroll_bar, 1);
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "http://a/short");
    say_frame(0, 1, 3000, 0); /* the old page once more, with the new load's id */
    say_load(0, KP_TAB_LOAD_COMMITTED, KP_OK, "http://a/short", "");
    (void)hears(0, KP_TAB_CONFIGURE);
    say_frame(0, 2, 100, 0);
    KP_EXPECT_INT(display.place[0].scroll_bar, 0);
    KP_EXPECT(hears(0, KP_TAB_CONFIGURE));
    say_frame(0, 3, 3000, 0); /* and a tall frame that belongs to the old page comes even later */
    say_frame(0, 4, 100, 0);
    KP_EXPECT_INT(display.place[0].scroll_bar, 1);
    say_load(0, KP_TAB_LOAD_DONE, KP_OK, "http://a/short", "");
    KP_EXPECT_INT(display.place[0].scroll_bar, 0);
    end();
}

KP_TEST(scroll_bar_mouse)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 3000);
    kp_display_thumb_t thumb = kp_display_thumb(760, 3000, 0);
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 1272, 45);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 1, 1272, 45);
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 100, 45 + 100); /* leaves the bar: still drags */
    KP_EXPECT_INT(display.place[0].scroll_y, kp_shell_scroll_from_thumb(760, 3000, 100));
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 100, 5000);
    KP_EXPECT_INT(display.place[0].scroll_y, 2240);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 0, 100, 5000);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 1, 1272, 45); /* the track above: a screenful */
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 0, 1272, 45);
    KP_EXPECT_INT(display.place[0].scroll_y, 2240 - 720);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 1, 1272, 799);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 0, 1272, 799);
    KP_EXPECT_INT(display.place[0].scroll_y, 2240);
    KP_EXPECT(!hears(0, KP_TAB_POINTER)); /* nothing of it was the page's */
    KP_EXPECT(thumb.length > 0);
    end();
}

KP_TEST(links_history_and_titles)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 3000);
    say_text(0, KP_TAB_TITLE, "First <b>");
    input(KP_DISPLAY_INPUT_WHEEL, 0, -5, 600, 400);
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "http://a/second");
    KP_EXPECT_STRING(navigated(0), "http://a/second");
    KP_EXPECT_INT(display.place[0].scroll_y, 500); /* the old page stays until the new one comes */
    arrive(0, "http://a/second", 2000);
    KP_EXPECT_INT(display.place[0].scroll_y, 0);
    chord(KEY_LEFTALT, KEY_LEFT);
    KP_EXPECT_STRING(navigated(0), "http://a/");
    arrive(0, "http://a/", 3000);
    KP_EXPECT_INT(display.place[0].scroll_y, 500); /* where it was left */
    KP_EXPECT(shell->toolbar.model.can_forward && !shell->toolbar.model.can_back);
    KP_EXPECT_STRING(kp_shell_page_title(&shell->page), "First <b>");
    input(KP_DISPLAY_INPUT_BUTTON, BTN_EXTRA, 1, 600, 400);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_EXTRA, 0, 600, 400);
    KP_EXPECT_STRING(navigated(0), "http://a/second");
    arrive(0, "http://a/second", 2000);
    chord(KEY_LEFTCTRL, KEY_R);
    KP_EXPECT_STRING(navigated(0), "http://a/second");
    arrive(0, "http://a/second", 2000);
    KP_EXPECT_INT(shell->page.history.count, 2);
    say_text(1, KP_TAB_NAVIGATE_REQUEST, "kpio:back");
    KP_EXPECT_STRING(navigated(0), "http://a/");
    say_text(0, KP_TAB_SCROLL_REQUEST + 100, ""); /* nonsense ends the tab, see below */
    end();
}

KP_TEST(errors_and_stop)
{
    begin("url=a", "dump=text");
    say_load(0, KP_TAB_LOAD_FAILED, KP_ERR_CONNECTION_REFUSED, "http://a", "refused <by> a");
    KP_EXPECT(strstr(loaded(0), "refused &lt;by&gt; a") != NULL);
    KP_EXPECT(!hears(0, KP_TAB_DUMP));
    say_load(0, KP_TAB_LOAD_DONE, KP_OK, "about:error", "");
    KP_EXPECT(hears(0, KP_TAB_DUMP)); /* the error page is what the user sees */
    KP_EXPECT_STRING(kp_shell_page_address(&shell->page), "http://a");
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "kpio:reload");
    KP_EXPECT_STRING(navigated(0), "http://a");
    arrive(0, "http://a/", 100);
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "kpio:reload"); /* a page of the web may not */
    KP_EXPECT_STRING(navigated(0), "");
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "http://b/");
    press(KEY_ESC);
    KP_EXPECT(hears(0, KP_TAB_STOP));
    say_load(0, KP_TAB_LOAD_FAILED, KP_ERR_CANCELLED, "http://b/", "");
    KP_EXPECT_STRING(kp_shell_page_address(&shell->page), "http://a/");
    KP_EXPECT_STRING(shell->toolbar.model.edit.text, "http://a/");
    KP_EXPECT_INT(shell->page.history.count, 1);
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "http://c/");
    say_load(0, KP_TAB_LOAD_COMMITTED, KP_OK, "http://c/", "");
    say_load(0, KP_TAB_LOAD_FAILED, KP_ERR_CONNECTION_RESET, "http://c/", "cut"); /* a part came */
    KP_EXPECT_STRING(loaded(0), "");
    KP_EXPECT_INT(shell->page.history.count, 2);
    end();
}

KP_TEST(dump_goes_to_the_console)
{
    begin("url=a", "dump=boxes");
    arrive(0, "http://a/", 100);
    fake_message_t *message = heard(0, KP_TAB_DUMP);
    KP_REQUIRE(message);
    kp_tab_dump_t dump;
    memcpy(&dump, message->bytes, sizeof(dump));
    KP_EXPECT_INT(dump.format, KP_TAB_DUMP_BOXES);
    fake_message_free(message);
    fake_object_t *vmo = fake_object(KP_TYPE_VMO);
    vmo->size = 4096;
    vmo->bytes = calloc(1, 4096);
    memset(vmo->bytes, 'x', 300);
    kp_tab_dumped_t dumped = {{KP_TAB_DUMPED, 1}, KP_OK, 300};
    fake_send(fake.tabs[0].channel, &dumped, sizeof(dumped), &vmo, 1);
    run();
    const char *text = (const char *)fake.console->bytes;
    KP_REQUIRE(text);
    KP_EXPECT(strncmp(text, "kpio-dump-begin boxes 300\nxxx", 29) == 0);
    KP_EXPECT_STRING(text + strlen(text) - 16, "xx\nkpio-dump-end\n" + 1);
    vmo = fake_object(KP_TYPE_VMO); /* ends with a newline of its own */
    vmo->size = 4096;
    vmo->bytes = calloc(1, 4096);
    memcpy(vmo->bytes, "ab\n", 3);
    dumped.size = 3;
    fake_send(fake.tabs[0].channel, &dumped, sizeof(dumped), &vmo, 1);
    run();
    text = (const char *)fake.console->bytes;
    KP_EXPECT(strstr(text, "boxes 3\nab\nkpio-dump-end\n") != NULL);
    vmo = fake_object(KP_TYPE_VMO); /* claims more than there is */
    dumped.size = UINT32_MAX;
    fake_send(fake.tabs[0].channel, &dumped, sizeof(dumped), &vmo, 1);
    run();
    KP_EXPECT(strstr(text = (const char *)fake.console->bytes, "boxes 0\n\nkpio-dump-end") != NULL);
    end();
}

KP_TEST(page_crash)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 3000);
    input(KP_DISPLAY_INPUT_WHEEL, 0, -5, 600, 400);
    fake_end_tab(0, KP_EXIT_TRAP, KP_TRAP_OUT_OF_BOUNDS, 0xbeef);
    run();
    KP_REQUIRE(fake.tab_count == 3);
    KP_EXPECT(fake.tabs[2].roles_told == 1 && fake.tabs[2].role == KP_TAB_ROLE_FRONT);
    const char *html = loaded(2);
    KP_EXPECT(strstr(html, "out of bounds") && strstr(html, "0xbeef") && strstr(html, "http://a/"));
    KP_EXPECT_INT(display.surfaces, 2); /* the old tab's surface went with it */
    arrive(2, "about:error", 300);
    say_text(2, KP_TAB_NAVIGATE_REQUEST, "kpio:reload");
    KP_EXPECT_STRING(navigated(2), "http://a/");
    arrive(2, "http://a/", 3000);
    KP_EXPECT_INT(display.place[0].scroll_y, 500);
    KP_EXPECT_INT(shell->page.history.count, 1);
    end();
}

KP_TEST(user_ends_the_page)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    say_text(0, KP_TAB_NAVIGATE_REQUEST, "kpio:kill"); /* not for pages of the web */
    KP_EXPECT_INT(fake.tab_count, 2);
    chord(KEY_LEFTCTRL, KEY_L);
    type("kpio");
    chord(KEY_LEFTSHIFT, 39);
    type("kill");
    press(KEY_ENTER);
    KP_REQUIRE(fake.tab_count == 3);
    KP_EXPECT(fake.tabs[0].process->is_terminated);
    KP_EXPECT(strstr(loaded(2), "ended from outside") != NULL);
    KP_EXPECT_STRING(shell->toolbar.model.edit.text, "http://a/");
    end();
}

KP_TEST(page_that_always_crashes)
{
    begin("url=a", NULL);
    for (size_t i = 0; i < 3; i++) {
        fake_end_tab(i == 0 ? 0 : 1 + i, KP_EXIT_FAULT, 0, 0);
        run();
        KP_EXPECT_INT(fake.tab_count, 3 + i);
    }
    fake_end_tab(4, KP_EXIT_FAULT, 0, 0);
    run();
    KP_EXPECT_INT(fake.tab_count, 5); /* now it waits */
    pass_time(10 * KP_NS_PER_S);
    KP_EXPECT_INT(fake.tab_count, 6);
    chord(KEY_LEFTCTRL, KEY_R); /* and the user can go on */
    KP_EXPECT_STRING(navigated(5), "http://a");
    end();
}

KP_TEST(toolbar_crash)
{
    begin("url=a", NULL);
    (void)hears(1, KP_TAB_LOAD_HTML);
    fake_end_tab(1, KP_EXIT_TRAP, KP_TRAP_ABORT, 0);
    run();
    pass_time(KP_NS_PER_S);
    KP_REQUIRE(fake.tab_count == 3);
    KP_EXPECT(fake.tabs[2].roles_told == 1 && fake.tabs[2].role == KP_TAB_ROLE_CHROME);
    KP_EXPECT(strstr(loaded(2), "kpio:stop") != NULL);
    KP_EXPECT_INT(display.surfaces, 2);
    end();
}

KP_TEST(hostile_tab)
{
    begin("url=a", NULL);
    static const uint8_t zeros[200];
    fake_object_t *strays[3] = {fake_object(KP_TYPE_VMO), fake_object(KP_TYPE_EVENT),
                                fake_object(KP_TYPE_VMO)};
    size_t handles = fake_handle_count();
    fake_send(fake.tabs[0].channel, zeros, sizeof(zeros), strays, 3);
    run();
    KP_REQUIRE(fake.tab_count == 3); /* ended, and a crash page in a fresh one */
    KP_EXPECT(fake.tabs[0].process->is_terminated);
    KP_EXPECT_INT(fake_handle_count(), handles);
    KP_EXPECT(strstr(loaded(2), "protocol") != NULL);
    /* addresses that a tab must not be able to show or follow */
    arrive(2, "about:error", 100);
    say_text(2, KP_TAB_NAVIGATE_REQUEST, "javascript:x\ny");
    KP_EXPECT_STRING(navigated(2), "");
    press(KEY_F5);
    (void)navigated(2);
    say_load(2, KP_TAB_LOAD_COMMITTED, KP_OK, "file:///etc/passwd", "");
    KP_EXPECT_STRING(kp_shell_page_address(&shell->page), "http://a");
    end();
}

KP_TEST(refused_frames)
{
    begin("url=a", NULL);
    display.status = KP_ERR_BAD_FORMAT;
    for (uint32_t i = 1; i <= 3; i++)
        say_frame(0, i, 100, 0);
    KP_EXPECT_INT(fake.tab_count, 2);
    say_frame(0, 4, 100, 0);
    KP_EXPECT_INT(fake.tab_count, 3); /* enough: a crash page */
    end();
}

KP_TEST(display_restart)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    say_frame(1, 1, 40, 0);
    display.is_silent = true;
    say_frame(0, 50, 100, 1); /* in flight when it happens */
    (void)hears(0, KP_TAB_FRAME_DONE);
    fake_end_display();
    memset(&display, 0, sizeof(display));
    run();
    KP_EXPECT(hears(0, KP_TAB_FRAME_DONE));
    pass_time(100 * KP_NS_PER_MS);
    KP_EXPECT_INT(fake.connections, 2);
    KP_EXPECT_INT(display.surfaces, 2);
    KP_EXPECT_INT(display.place[0].height, 760);
    KP_EXPECT(hears(0, KP_TAB_CONFIGURE));
    say_frame(0, 51, 100, 1); /* this tab shows itself again */
    KP_EXPECT_INT(display.presents, 1);
    pass_time(2 * KP_NS_PER_S); /* the toolbar's did not */
    KP_EXPECT_INT(fake.tab_count, 3);
    KP_EXPECT(strstr(loaded(2), "http://a/") != NULL);
    KP_EXPECT(!fake.tabs[0].process->is_terminated && fake.tabs[1].process->is_terminated);
    end();
}

KP_TEST(display_restart_refused)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    fake_end_display();
    memset(&display, 0, sizeof(display));
    pass_time(KP_NS_PER_MS);
    display.status = KP_ERR_BAD_FORMAT;
    pass_time(100 * KP_NS_PER_MS);
    say_frame(0, 51, 100, 0);
    KP_REQUIRE(fake.tab_count == 3); /* a fresh tab with the same page */
    KP_EXPECT_STRING(navigated(2), "http://a/");
    end();
}

KP_TEST(display_short_of_memory)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    fake_end_display();
    memset(&display, 0, sizeof(display));
    display.is_short = true;
    pass_time(100 * KP_NS_PER_MS);
    pass_time(100 * KP_NS_PER_MS);
    size_t connections = fake.connections;
    KP_EXPECT(connections >= 2 && connections <= 4); /* less and less often */
    display.is_short = false;
    pass_time(5 * KP_NS_PER_S);
    KP_EXPECT_INT(fake.connections, connections + 1);
    KP_EXPECT_INT(display.surfaces, 2);
    end();
}

KP_TEST(dense_screen)
{
    fake_reset();
    memset(&display, 0, sizeof(display));
    display.scale = 512;
    char *argv[] = {"shell", "url=a", NULL};
    shell = calloc(1, sizeof(*shell));
    KP_EXPECT_INT(kp_shell_start(shell, 2, argv), KP_OK);
    run();
    KP_EXPECT_INT(display.place[0].y, 80);
    KP_EXPECT_INT(display.place[0].height, 720);
    arrive(0, "http://a/", KP_DISPLAY_COORDINATE_MAX);
    fake_message_t *message = heard(0, KP_TAB_CONFIGURE);
    KP_REQUIRE(message);
    kp_tab_configure_t configure;
    memcpy(&configure, message->bytes, sizeof(configure));
    KP_EXPECT_INT(configure.width, 640 - 15);
    KP_EXPECT_INT(configure.height, 360);
    KP_EXPECT_INT(configure.scale, 512);
    fake_message_free(message);
    press(KEY_END); /* what the display cannot address is not scrolled to */
    KP_EXPECT_INT(display.place[0].scroll_y, KP_DISPLAY_COORDINATE_MAX - 720);
    KP_EXPECT(display.present.page_height <= KP_DISPLAY_COORDINATE_MAX);
    end();
}

KP_TEST(no_tabs_at_first)
{
    fake_reset();
    memset(&display, 0, sizeof(display));
    fake.tab_status = KP_ERR_NO_MEMORY;
    char *argv[] = {"shell", "url=a", NULL};
    shell = calloc(1, sizeof(*shell));
    KP_EXPECT_INT(kp_shell_start(shell, 2, argv), KP_OK);
    run();
    for (int i = 0; i < 5; i++)
        pass_time(KP_NS_PER_S);
    KP_EXPECT_INT(fake.tab_count, 0);
    fake.tab_status = KP_OK;
    pass_time(10 * KP_NS_PER_S);
    KP_REQUIRE(fake.tab_count == 2);
    bool is_first = strcmp(navigated(0), "http://a") == 0;
    KP_EXPECT(is_first || strcmp(navigated(1), "http://a") == 0);
    end();
}

KP_TEST(tab_that_does_not_listen)
{
    begin("url=a", NULL);
    fake.tabs[0].channel->limit = 4;
    for (int i = 0; i < 200; i++)
        input(KP_DISPLAY_INPUT_KEY, KEY_TAB, 1, 0, 0); /* unhandled: to the page */
    KP_EXPECT_INT(fake.tab_count, 2);
    chord(KEY_LEFTCTRL, KEY_R);
    KP_REQUIRE(fake.tab_count == 3);
    KP_EXPECT(fake.tabs[0].process->is_terminated);
    KP_EXPECT_STRING(navigated(2), "http://a");
    end();
}

KP_TEST(without_display)
{
    fake_reset();
    memset(&display, 0, sizeof(display));
    fake.has_display = false;
    char *argv[] = {"shell", "url=a", NULL};
    shell = calloc(1, sizeof(*shell));
    KP_EXPECT_INT(kp_shell_start(shell, 2, argv), KP_OK);
    run();
    say_frame(0, 1, 100, 2);
    KP_EXPECT(hears(0, KP_TAB_FRAME_DONE)); /* the tab goes on */
    end();
}

KP_TEST(keys_and_pointer_reach_the_page)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    (void)hears(0, KP_TAB_KEY);
    press(KEY_A);
    KP_EXPECT(hears(0, KP_TAB_KEY));
    press(KEY_PAGEDOWN); /* the shell's, its release too */
    KP_EXPECT(!hears(0, KP_TAB_KEY));
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 300, 140);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_RIGHT, 1, 300, 140);
    fake_message_t *message = heard(0, KP_TAB_POINTER);
    KP_REQUIRE(message);
    kp_tab_pointer_t pointer;
    memcpy(&pointer, message->bytes, sizeof(pointer));
    KP_EXPECT_INT(pointer.kind, KP_TAB_POINTER_DOWN);
    KP_EXPECT_INT(pointer.button, 2);
    KP_EXPECT_INT(pointer.x, 300);
    KP_EXPECT_INT(pointer.y, 100);
    fake_message_free(message);
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 20, 20); /* grabbed: still the page's */
    KP_EXPECT(hears(0, KP_TAB_POINTER));
    input(KP_DISPLAY_INPUT_BUTTON, BTN_RIGHT, 0, 20, 20);
    message = heard(0, KP_TAB_POINTER);
    KP_REQUIRE(message);
    memcpy(&pointer, message->bytes, sizeof(pointer));
    KP_EXPECT_INT(pointer.kind, KP_TAB_POINTER_LEAVE);
    fake_message_free(message);
    KP_EXPECT(hears(1, KP_TAB_POINTER)); /* now over the toolbar */
    end();
}

KP_TEST(address_field_by_mouse_and_keys)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 1, 300, 20);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 0, 300, 20);
    kp_shell_line_edit_t *edit = &shell->toolbar.model.edit;
    KP_EXPECT(shell->toolbar.model.is_focused);
    KP_EXPECT_INT(kp_shell_line_edit_to(edit) - kp_shell_line_edit_from(edit), 9);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 1, 129 + 4 * 8, 20); /* the second puts the caret */
    KP_EXPECT_INT(edit->caret, 4);
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 129 + 7 * 8 + 2, 20);
    KP_EXPECT_INT(edit->caret, 7);
    KP_EXPECT_INT(edit->anchor, 4);
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 0, 200, 20);
    type("x");
    KP_EXPECT_STRING(edit->text, "httpxa/");
    press(KEY_ESC);
    KP_EXPECT_STRING(edit->text, "http://a/");
    KP_EXPECT(!shell->toolbar.model.is_focused);
    chord(KEY_LEFTCTRL, KEY_L);
    type("b");
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 1, 300, 300); /* a click into the page */
    input(KP_DISPLAY_INPUT_BUTTON, BTN_LEFT, 0, 300, 300);
    KP_EXPECT(!shell->toolbar.model.is_focused);
    (void)navigated(0);
    press(KEY_F6);
    press(KEY_BACKSPACE);
    KP_EXPECT_STRING(edit->text, "");
    press(KEY_ENTER); /* nothing to go to */
    KP_EXPECT_STRING(navigated(0), "");
    KP_EXPECT(shell->toolbar.model.is_focused);
    end();
}

KP_TEST(hovering)
{
    begin("url=a", NULL);
    arrive(0, "http://a/", 100);
    (void)loaded(1);
    say_load(1, KP_TAB_LOAD_DONE, KP_OK, "about:toolbar", "");
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 92, 20);
    say_load(1, KP_TAB_LOAD_DONE, KP_OK, "about:toolbar", "");
    KP_EXPECT(strstr(loaded(1), "class=\"b over\" href=\"kpio:reload\"") != NULL);
    input(KP_DISPLAY_INPUT_POINTER_MOVE, 0, 0, 92, 200);
    say_load(1, KP_TAB_LOAD_DONE, KP_OK, "about:toolbar", "");
    KP_EXPECT(strstr(loaded(1), "b over") == NULL);
    say_load(1, KP_TAB_LOAD_DONE, KP_OK, "about:toolbar", "");
    say_text(0, KP_TAB_HOVER, "http://b/<x>");
    KP_EXPECT(strstr(loaded(1), "class=\"t l\">b/&lt;x&gt;<") != NULL);
    say_load(1, KP_TAB_LOAD_DONE, KP_OK, "about:toolbar", "");
    say_text(0, KP_TAB_HOVER, "");
    KP_EXPECT(strstr(loaded(1), "t l") == NULL);
    end();
}

KP_TEST(toolbar_loads_one_at_a_time)
{
    begin("url=a", NULL);
    (void)hears(1, KP_TAB_LOAD_HTML);
    chord(KEY_LEFTCTRL, KEY_L);
    type("abc");
    KP_EXPECT(!hears(1, KP_TAB_LOAD_HTML)); /* the first is not shown yet */
    say_load(1, KP_TAB_LOAD_DONE, KP_OK, "about:toolbar", "");
    KP_EXPECT(strstr(loaded(1), "abc<span class=\"c\">") != NULL);
    type("d");
    pass_time(2 * KP_NS_PER_S); /* a load that never ends does not stop the toolbar */
    KP_EXPECT(strstr(loaded(1), "abcd<span") != NULL);
    end();
}

KP_TEST_MAIN()
