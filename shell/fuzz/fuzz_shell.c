/* The whole shell against a fake kernel while tabs, display and user do what the input says: no
   crash, no endless work, no handle lost. Input: operations, one byte each with their operands. */
#include <stdlib.h>
#include <string.h>

#include "shell/shell.h"
#include "shell/test/fake_kernel.h"
#include "shell/test/stop_shell.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t left;

static uint8_t next(void)
{
    if (left == 0)
        return 0;
    left--;
    return *input++;
}

static void check(bool condition)
{
    if (!condition)
        abort();
}

/* What waits at an end is read and dropped; the display answers what it is asked. */
static void drain(fake_object_t **end, bool is_display, bool is_good)
{
    static uint32_t surfaces;
    fake_message_t *message;
    while (*end && (message = fake_receive(*end)) != NULL) {
        kp_message_header_t head;
        memcpy(&head, message->bytes, sizeof(head));
        kp_display_surface_t created = {{KP_DISPLAY_SURFACE_CREATED, head.txid}, ++surfaces};
        if (is_display && head.ordinal == KP_DISPLAY_SURFACE_CREATE)
            fake_send(*end, &created, sizeof(created), NULL, 0);
        if (is_display && head.ordinal == KP_DISPLAY_SURFACE_PRESENT) {
            kp_display_present_t present;
            memcpy(&present, message->bytes, sizeof(present));
            check(present.page_width <= KP_DISPLAY_COORDINATE_MAX);
            kp_display_presented_t presented = {{KP_DISPLAY_PRESENTED, 0},
                                                present.surface,
                                                present.sequence,
                                                is_good ? KP_OK : KP_ERR_BAD_FORMAT};
            fake_send(*end, &presented, sizeof(presented), NULL, 0);
        }
        fake_message_free(message);
    }
}

static void run(kp_shell_t *shell)
{
    int rounds = 0;
    while (kp_loop_step(&shell->loop, KP_TIME_POLL) == KP_OK)
        check(rounds++ < 1000);
}

/* The newest two tabs that live are the page's and the toolbar's. */
static size_t pick_tab(uint8_t which)
{
    size_t tab = fake.tab_count;
    for (uint8_t i = 0; tab > 0; tab--) {
        if (fake.tabs[tab - 1].channel && i++ == (which & 1))
            return tab - 1;
    }
    return FAKE_TABS_MAX;
}

static void send_raw(fake_object_t *end, uint32_t ordinal)
{
    uint8_t bytes[64] = {0};
    fake_object_t *objects[3];
    size_t count = next() % 4, size = 8 + next() % 56;
    memcpy(bytes, &ordinal, sizeof(ordinal));
    for (size_t i = 4; i < size; i++)
        bytes[i] = next();
    for (size_t i = 0; i < count; i++)
        objects[i] = fake_object(KP_TYPE_VMO);
    fake_send(end, bytes, size, objects, count);
}

static void send_load(kp_shell_t *shell, fake_object_t *end, uint8_t state)
{
    char bytes[sizeof(kp_tab_load_state_t) + 16];
    kp_tab_load_state_t head = {.header = {KP_TAB_LOAD_STATE, 0},
                                .load_id = state & 8 ? shell->page.view.load_id
                                                     : shell->toolbar.view.load_id,
                                .state = state % 4 + 1,
                                .status = state & 16 ? KP_ERR_CANCELLED : KP_ERR_IO,
                                .url_size = 9};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), "http://x/", 9);
    bytes[sizeof(head) + 7] = (char)next();
    fake_send(end, bytes, sizeof(head) + 9, NULL, 0);
}

static void send_frame(kp_shell_t *shell, fake_object_t *end, uint8_t height)
{
    kp_tab_frame_t frame = {.header = {KP_TAB_FRAME, 0},
                            .load_id = shell->page.view.load_id,
                            .sequence = next(),
                            .page_width = 1280,
                            .page_height = height * 100};
    fake_object_t *list = fake_object(KP_TYPE_VMO);
    fake_send(end, &frame, sizeof(frame), &list, 1);
}

static void send_navigate(fake_object_t *end)
{
    static const char *const urls[] = {"kpio:back",   "kpio:kill",   "http://a/b",
                                       "kpio:reload", "about:start", "KPIO:forward"};
    const char *url = urls[next() % 6];
    char bytes[64];
    kp_tab_text_t head = {{KP_TAB_NAVIGATE_REQUEST, 0}, (uint32_t)strlen(url)};
    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), url, strlen(url));
    fake_send(end, bytes, sizeof(head) + strlen(url), NULL, 0);
}

static void send_input(void)
{
    kp_display_input_t event = {.header = {KP_DISPLAY_INPUT, 0}, .kind = next() % 5};
    event.code = event.kind == KP_DISPLAY_INPUT_BUTTON ? BTN_LEFT + next() % 8u : next();
    event.value = (int8_t)next();
    event.x = (int32_t)next() * 5;
    event.y = (int32_t)next() * 3;
    fake_send(fake.display, &event, sizeof(event), NULL, 0);
}

static void operate(kp_shell_t *shell)
{
    uint8_t operation = next();
    size_t tab = pick_tab(next());
    fake_object_t *end = tab < FAKE_TABS_MAX ? fake.tabs[tab].channel : NULL;
    switch (operation % 10) {
    case 0:
        if (fake.display)
            send_input();
        break;
    case 1:
        if (end)
            send_raw(end, 32 + next() % 9u);
        break;
    case 2:
        if (fake.display)
            send_raw(fake.display, next() % 40u);
        break;
    case 3:
        if (end)
            send_load(shell, end, next());
        break;
    case 4:
        if (end)
            send_frame(shell, end, next());
        break;
    case 5:
        if (end)
            send_navigate(end);
        break;
    case 6:
        fake.now += (kp_time_t)next() * 20 * KP_NS_PER_MS;
        break;
    case 7:
        if (end && fake.tab_count < FAKE_TABS_MAX - 4)
            fake_end_tab(tab, next() % 6, next(), next());
        break;
    case 8:
        if (fake.display)
            fake_end_display();
        break;
    default:
        if (end)
            drain(&fake.tabs[tab].channel, false, true);
        break;
    }
    if (operation & 128)
        fake.tab_status = operation & 64 ? KP_ERR_NO_MEMORY : KP_OK;
    run(shell);
    drain(&fake.display, true, !(operation & 32));
    run(shell);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *argv[] = {"shell", "url=a", "dump=text", NULL};
    input = data;
    left = size;
    fake_reset();
    fake.is_quiet = true;
    kp_shell_t *shell = calloc(1, sizeof(*shell));
    check(shell && kp_shell_start(shell, 3, argv) == KP_OK);
    run(shell);
    drain(&fake.display, true, true);
    while (left > 0 && fake.tab_count < FAKE_TABS_MAX - 4)
        operate(shell);
    stop_shell(shell);
    check(fake_handle_count() == 3); /* coordinator, service, console */
    kp_loop_clear(&shell->loop);
    free(shell);
    fake_reset();
    return 0;
}
