/* The drivers against real (QEMU) devices, on the command line "selftest=drivers". The far ends are
   outside the guest: slirp answers ARP and DHCP, the harness (test/run.sh) looks at the screen and
   types a key when it reads "selftest: shown". */
#include "kernel/drivers/device.h"
#include "kernel/drivers/drivers.h"
#include "kernel/object/device.h"
#include "kernel/object/vmo.h"
#include "kernel/object/wait.h"

enum {
    FRAME_SIZE = 1514,
    KEY_A = 30,
    BTN_LEFT = 0x110,
};
#define REPLY_TIMEOUT (5 * KP_NS_PER_S)
#define HARNESS_TIMEOUT (30 * KP_NS_PER_S)

static int failures;

static bool report(bool good, const char *name)
{
    kp_log("selftest", KP_LOG_INFO, "%s %s", good ? "ok" : "not ok", name);
    failures += good ? 0 : 1;
    return good;
}

static bool wait_readable(kp_device_t *device, kp_time_t deadline)
{
    kp_signals_t observed = 0;
    return kp_wait_one(kp_device_object(device), KP_SIGNAL_READABLE, deadline, &observed) == KP_OK;
}

/* Reads frames until `wanted` accepts one; false at the deadline. */
static bool frame_expect(kp_device_t *net,
                         bool (*wanted)(const uint8_t *frame, size_t size, const uint8_t *mac),
                         const uint8_t *mac)
{
    uint8_t frame[FRAME_SIZE];
    kp_time_t deadline = kp_machine_now() + REPLY_TIMEOUT;
    for (;;) {
        int64_t size = net->ops->read(net, frame, sizeof frame);
        if (size > 0 && wanted(frame, (size_t)size, mac))
            return true;
        if (size == KP_ERR_SHOULD_WAIT && !wait_readable(net, deadline))
            return false;
        if (size < 0 && size != KP_ERR_SHOULD_WAIT)
            return false;
    }
}

static const uint8_t guest_address[4] = {10, 0, 2, 15}, gateway_address[4] = {10, 0, 2, 2};

static bool is_arp_reply(const uint8_t *frame, size_t size, const uint8_t *mac)
{
    return size >= 42 && memcmp(frame, mac, 6) == 0 && frame[12] == 8 && frame[13] == 6 &&
           frame[21] == 2 && memcmp(frame + 28, gateway_address, 4) == 0;
}

static size_t arp_request(uint8_t *frame, const uint8_t *mac)
{
    static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1}; /* Ethernet, IPv4, request */
    memset(frame, 0, 60);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    frame[12] = 8, frame[13] = 6;
    memcpy(frame + 14, head, sizeof head);
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 28, guest_address, 4);
    memcpy(frame + 38, gateway_address, 4);
    return 60;
}

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* A DHCP DISCOVER in UDP (without checksum) in IPv4. */
static size_t dhcp_discover(uint8_t *frame, const uint8_t *mac)
{
    static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255};
    size_t size = 14 + 20 + 8 + 300;
    memset(frame, 0, size);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    frame[12] = 8;
    uint8_t *ip = frame + 14, *udp = ip + 20, *dhcp = udp + 8;
    ip[0] = 0x45;
    put16(ip + 2, 20 + 8 + 300);
    ip[8] = 64, ip[9] = 17;
    memset(ip + 16, 0xff, 4);
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)ip[i] << 8 | ip[i + 1];
    put16(ip + 10, ~(sum + (sum >> 16)));
    put16(udp, 68);
    put16(udp + 2, 67);
    put16(udp + 4, 8 + 300);
    dhcp[0] = 1, dhcp[1] = 1, dhcp[2] = 6;
    memcpy(dhcp + 4, "KPIO", 4);
    memcpy(dhcp + 28, mac, 6);
    memcpy(dhcp + 236, options, sizeof options);
    return size;
}

static bool is_dhcp_offer(const uint8_t *frame, size_t size, const uint8_t *mac)
{
    const uint8_t *dhcp = frame + 14 + 20 + 8;
    return size >= 14 + 20 + 8 + 240 && frame[12] == 8 && frame[13] == 0 && frame[23] == 17 &&
           dhcp[0] == 2 && memcmp(dhcp + 4, "KPIO", 4) == 0 && memcmp(dhcp + 28, mac, 6) == 0 &&
           memcmp(dhcp + 16, guest_address, 4) == 0;
}

static void net_test(void)
{
    uint8_t frame[FRAME_SIZE];
    kp_net_info_t info = {0};
    kp_device_t *net = kp_device_find("net0");
    if (!report(net != NULL, "net0 is there"))
        return;
    int64_t result =
        net->ops->control(net, KP_DEVICE_OP_NET_INFO, NULL, 0, &info, sizeof info, NULL);
    report(result == sizeof info && info.link_up == 1 && info.mtu == 1500, "net0 has a link");
    report(memcmp(info.mac, "\x52\x54\x00", 3) == 0, "net0 has the MAC that QEMU gave");
    report(net->ops->write(net, frame, 5) == KP_ERR_OUT_OF_RANGE, "net0 refuses a short frame");
    size_t size = arp_request(frame, info.mac);
    report(net->ops->write(net, frame, size) == (int64_t)size, "ARP request sent");
    report(frame_expect(net, is_arp_reply, info.mac), "ARP reply received");
    size = dhcp_discover(frame, info.mac);
    report(net->ops->write(net, frame, size) == (int64_t)size, "DHCP DISCOVER sent");
    report(frame_expect(net, is_dhcp_offer, info.mac), "DHCP OFFER received");
    /* Three times the rings' lengths: buffers come back, indices wrap. */
    bool all = true;
    for (uint32_t i = 0; i < 400 && all; i++) {
        size = arp_request(frame, info.mac);
        all = net->ops->write(net, frame, size) == (int64_t)size &&
              frame_expect(net, is_arp_reply, info.mac);
    }
    report(all, "400 ARP exchanges");
    /* Without reading: more frames than there are buffers; the device must not be stuck after. */
    kp_signals_t observed;
    for (uint32_t i = 0; i < 600 && all; i++) {
        size = arp_request(frame, info.mac);
        int64_t sent = net->ops->write(net, frame, size);
        if (sent == KP_ERR_SHOULD_WAIT)
            all = kp_wait_one(kp_device_object(net), KP_SIGNAL_WRITABLE,
                              kp_machine_now() + REPLY_TIMEOUT, &observed) == KP_OK;
        else
            all = sent == (int64_t)size;
    }
    report(all, "600 frames sent without reading");
    while (net->ops->read(net, frame, sizeof frame) > 0)
        continue;
    size = dhcp_discover(frame, info.mac);
    net->ops->write(net, frame, size);
    report(frame_expect(net, is_dhcp_offer, info.mac), "DHCP OFFER after the flood");
}

/* Four quarters: red, green, blue, white; what test/run.sh looks for. */
static void pattern_paint(kp_vmo_t *vmo, uint32_t width, uint32_t height)
{
    static const uint32_t colors[4] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff};
    for (uint64_t pixel = 0; pixel < (uint64_t)width * height;) {
        uint32_t *page = kp_vmo_page(vmo, pixel * 4);
        for (uint32_t i = 0; page && i < KP_PAGE_SIZE / 4; i++, pixel++) {
            uint32_t x = (uint32_t)(pixel % width), y = (uint32_t)(pixel / width);
            page[i] = colors[(y >= height / 2 ? 2 : 0) + (x >= width / 2 ? 1 : 0)];
        }
        if (!page)
            return;
    }
}

static void gpu_test(void)
{
    kp_gpu_mode_t mode = {0};
    kp_vmo_t *vmo = NULL;
    kp_device_t *gpu = kp_device_find("gpu0");
    if (!report(gpu != NULL, "gpu0 is there"))
        return;
    int64_t result =
        gpu->ops->control(gpu, KP_DEVICE_OP_GPU_MODE, NULL, 0, &mode, sizeof mode, NULL);
    if (!report(result == sizeof mode && mode.width >= 640 && mode.height >= 400, "gpu0 mode"))
        return;
    kp_gpu_rect_t all = {0, 0, mode.width, mode.height};
    report(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_FLUSH, &all, sizeof all, NULL, 0, NULL) ==
               KP_ERR_BAD_STATE,
           "gpu0 refuses a flush without a scan-out");
    if (!report(kp_vmo_create((uint64_t)mode.width * mode.height * 4, NULL, &vmo) == KP_OK,
                "scan-out memory"))
        return;
    kp_gpu_scanout_t scanout = {
        .width = mode.width, .height = mode.height, .stride = mode.width * 4};
    kp_gpu_scanout_t too_big = scanout;
    too_big.height *= 2;
    report(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_SCANOUT, &too_big, sizeof too_big, NULL, 0,
                             vmo) == KP_ERR_OUT_OF_RANGE,
           "gpu0 refuses a scan-out larger than its memory");
    result =
        gpu->ops->control(gpu, KP_DEVICE_OP_GPU_SCANOUT, &scanout, sizeof scanout, NULL, 0, vmo);
    if (!report(result == 0, "gpu0 scan-out"))
        return;
    pattern_paint(vmo, mode.width, mode.height);
    kp_time_t begin = kp_machine_now();
    result = gpu->ops->control(gpu, KP_DEVICE_OP_GPU_FLUSH, &all, sizeof all, NULL, 0, NULL);
    report(result == 0, "gpu0 flush");
    kp_log("selftest", KP_LOG_INFO, "a flush of %ux%u takes %u us", mode.width, mode.height,
           (unsigned)((kp_machine_now() - begin) / 1000));
    kp_gpu_cursor_t cursor = {.x = 100, .y = 100, .visible = 1};
    result = gpu->ops->control(gpu, KP_DEVICE_OP_GPU_CURSOR, &cursor, sizeof cursor, NULL, 0, NULL);
    report(result == 0 || result == KP_ERR_NOT_SUPPORTED, "gpu0 cursor");
}

/* Waits for events on every input device until all of the wanted ones came. */
static void input_test(void)
{
    bool key = false, absolute = false, button = false;
    kp_input_event_t events[16];
    kp_time_t deadline = kp_machine_now() + HARNESS_TIMEOUT;
    if (!report(kp_device_find("input0") != NULL, "input0 is there"))
        return;
    kp_log("selftest", KP_LOG_INFO, "shown");
    while (!(key && absolute && button) && kp_machine_now() < deadline) {
        bool any = false;
        kp_device_t *device, *first = kp_device_find("input0");
        for (uint32_t i = 0; (device = kp_device_at(i)) != NULL; i++) {
            if (device->kind != KP_DEVICE_INPUT)
                continue;
            int64_t size = device->ops->read(device, events, sizeof events);
            for (int64_t e = 0; e < size / (int64_t)sizeof events[0]; e++) {
                const kp_input_event_t *event = &events[e];
                any = true;
                key = key || (event->type == KP_INPUT_KEY && event->code == KEY_A);
                button = button || (event->type == KP_INPUT_KEY && event->code == BTN_LEFT);
                absolute = absolute || (event->type == KP_INPUT_ABSOLUTE && event->code == 0 &&
                                        event->value == 16000);
            }
        }
        if (!any)
            wait_readable(first, KP_MIN(deadline, kp_machine_now() + 20 * KP_NS_PER_MS));
    }
    report(key, "key event arrived");
    report(button, "button event arrived");
    report(absolute, "tablet position arrived");
}

static void rng_test(void)
{
    uint8_t first[32] = {0}, second[32] = {0};
    kp_device_t *rng = kp_device_find("rng0");
    if (!report(rng != NULL, "rng0 is there"))
        return;
    int64_t result = KP_ERR_SHOULD_WAIT;
    for (uint32_t i = 0; i < 2; i++) {
        do {
            result = rng->ops->read(rng, i ? second : first, 32);
        } while (result == KP_ERR_SHOULD_WAIT &&
                 wait_readable(rng, kp_machine_now() + REPLY_TIMEOUT));
    }
    report(result == 32 && memcmp(first, second, 32) != 0, "rng0 gives different bytes");
}

static void console_test(void)
{
    kp_device_t *console = kp_device_find("console0");
    static const char text[] = "console0 speaks\n";
    if (report(console != NULL, "console0 is there"))
        report(console->ops->write(console, text, sizeof text - 1) == sizeof text - 1,
               "console0 write");
}

_Noreturn void kp_drivers_selftest(void)
{
    console_test();
    rng_test();
    net_test();
    gpu_test();
    input_test();
    kp_log("selftest", KP_LOG_INFO, "done, %d failures", failures);
    kp_machine_shutdown(failures);
}
