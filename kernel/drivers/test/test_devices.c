/* Each virtio driver against a device that behaves, and one that does not. */
#include "kernel/drivers/gpu_protocol.h"
#include "kernel/drivers/test/fake.h"
#include "tests/kp_test.h"

static const kp_pci_function_t function;

/* ---- net ---- */

static kp_device_t *net_start(void)
{
    fake_reset();
    memcpy(fake.config, "\x52\x54\x00\x12\x34\x56\x01\x00", 8);
    KP_EXPECT_INT(kp_virtio_net_start(&function, 0), KP_OK);
    return fake.device;
}

static void net_deliver(uint32_t size)
{
    static uint8_t frame[4096];
    fake_chain_t chain;
    for (size_t i = 0; i < sizeof frame; i++)
        frame[i] = (uint8_t)(i - 12);
    if (fake_next(0, &chain))
        fake_answer(0, &chain, frame, size);
    else
        KP_FAIL("no receive buffer");
    fake_interrupt(0);
}

KP_TEST(net_receives)
{
    kp_device_t *net = net_start();
    uint8_t frame[1514];
    kp_net_info_t info;
    KP_EXPECT_INT(net->ops->control(net, KP_DEVICE_OP_NET_INFO, NULL, 0, &info, sizeof info, NULL),
                  sizeof info);
    KP_EXPECT(memcmp(info.mac, "\x52\x54\x00\x12\x34\x56", 6) == 0);
    KP_EXPECT_INT(info.link_up, 1);
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_SHOULD_WAIT);
    KP_EXPECT(!(fake.signals & KP_SIGNAL_READABLE));
    for (uint32_t i = 0; i < 1000; i++) { /* many times round the ring */
        net_deliver(12 + 60 + i % 1455);
        KP_EXPECT(fake.signals & KP_SIGNAL_READABLE);
        KP_REQUIRE(net->ops->read(net, frame, sizeof frame) == (int64_t)(60 + i % 1455));
        KP_EXPECT_INT(frame[59], 59);
        KP_REQUIRE(net->ops->read(net, frame, sizeof frame) == KP_ERR_SHOULD_WAIT);
        KP_EXPECT(!(fake.signals & KP_SIGNAL_READABLE));
    }
}

/* Frames that come between a reader's look and the interrupt, and buffers that come back so. */
KP_TEST(net_signals_stay_level)
{
    kp_device_t *net = net_start();
    uint8_t frame[1514] = {0};
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_SHOULD_WAIT);
    fake_chain_t chain;
    for (uint32_t i = 0; i < 2; i++) {
        KP_REQUIRE(fake_next(0, &chain));
        fake_finish(0, chain.head, 12 + 60); /* without an interrupt, as yet */
    }
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), 60);
    KP_EXPECT(fake.signals & KP_SIGNAL_READABLE); /* the second frame is there */
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), 60);
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_SHOULD_WAIT);
    KP_EXPECT(!(fake.signals & KP_SIGNAL_READABLE));

    while (net->ops->write(net, frame, 60) == 60)
        continue;
    KP_EXPECT(!(fake.signals & KP_SIGNAL_WRITABLE));
    KP_REQUIRE(fake_next(1, &chain));
    fake_finish(1, chain.head, 0);
    KP_EXPECT_INT(net->ops->write(net, frame, 60), 60); /* sees it before the interrupt does */
    fake_interrupt(1);
    KP_EXPECT(!(fake.signals & KP_SIGNAL_WRITABLE)); /* no room again */
    kp_virtqueue_t *transmit = fake.queues[1].queue;
    const uint16_t *event =
        (uint16_t *)(void *)(transmit->page + transmit->available_offset) + 2 + transmit->size;
    KP_EXPECT_INT(*event, transmit->used); /* the next one to finish interrupts */
    KP_REQUIRE(fake_next(1, &chain));
    fake_finish(1, chain.head, 0);
    fake_interrupt(1);
    KP_EXPECT(fake.signals & KP_SIGNAL_WRITABLE);
}

KP_TEST(net_drops_bad_lengths)
{
    kp_device_t *net = net_start();
    uint8_t frame[1514];
    net_deliver(0);
    net_deliver(11);
    net_deliver(12 + 13);
    net_deliver(12 + 1515);
    net_deliver(2048);
    net_deliver(12 + 14);
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), 14);
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_SHOULD_WAIT);
    net_deliver(12 + 100);
    KP_EXPECT_INT(net->ops->read(net, frame, 99), KP_ERR_BUFFER_TOO_SMALL);
    net_deliver(12 + 100);
    KP_EXPECT_INT(net->ops->read(net, frame, 100), 100);
}

KP_TEST(net_survives_lies)
{
    uint8_t frame[1514];
    kp_device_t *net = net_start();
    fake_finish(0, 5, 2049); /* more than the buffer */
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_IO);
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_IO);
    net = net_start();
    fake_finish(0, 128, 100); /* no such descriptor */
    KP_EXPECT_INT(net->ops->read(net, frame, sizeof frame), KP_ERR_IO);
    net = net_start();
    fake_finish(1, 0, 0); /* finished a frame that was never sent */
    KP_EXPECT_INT(net->ops->write(net, frame, 60), KP_ERR_IO);
}

KP_TEST(net_transmits)
{
    kp_device_t *net = net_start();
    uint8_t frame[1514] = {0};
    fake_chain_t chain;
    KP_EXPECT(fake.signals & KP_SIGNAL_WRITABLE);
    KP_EXPECT_INT(net->ops->write(net, frame, 13), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(net->ops->write(net, frame, 1515), KP_ERR_OUT_OF_RANGE);
    frame[0] = 0x77;
    KP_EXPECT_INT(net->ops->write(net, frame, 1514), 1514);
    KP_REQUIRE(fake_next(1, &chain));
    KP_EXPECT_INT(chain.count, 1);
    KP_EXPECT_INT(chain.parts[0].length, 12 + 1514);
    KP_EXPECT(!chain.parts[0].writable);
    KP_EXPECT_INT(chain.parts[0].bytes[0], 0);
    KP_EXPECT_INT(chain.parts[0].bytes[12], 0x77);
    uint32_t sent = 1;
    int64_t result;
    while ((result = net->ops->write(net, frame, 60)) == 60)
        sent++;
    KP_EXPECT_INT(result, KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(sent, 64);
    KP_EXPECT(!(fake.signals & KP_SIGNAL_WRITABLE));
    fake_finish(1, chain.head, 0);
    fake_interrupt(1);
    KP_EXPECT(fake.signals & KP_SIGNAL_WRITABLE);
    KP_EXPECT_INT(net->ops->write(net, frame, 60), 60);
    KP_EXPECT_INT(net->ops->write(net, frame, 60), KP_ERR_SHOULD_WAIT);
}

KP_TEST(drivers_out_of_memory)
{
    static kp_status_t (*const starts[])(const kp_pci_function_t *, uint32_t) = {
        kp_virtio_net_start, kp_virtio_gpu_start, kp_virtio_input_start, kp_virtio_rng_start};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        uint32_t n = 1;
        for (;; n++) {
            fake_reset();
            fake.fail_page_at = n;
            kp_status_t status = starts[i](&function, 0);
            if (fake.fail_page_at > 0) {
                KP_EXPECT_INT(status, KP_OK);
                break;
            }
            KP_EXPECT_INT(status, KP_ERR_NO_MEMORY);
            KP_EXPECT(fake.failed);
            KP_EXPECT(fake.pages <= FAKE_QUEUES); /* rings stay: the device may know them */
        }
        KP_EXPECT(n > 2);
    }
}

/* ---- input ---- */

static void input_event(uint16_t type, uint16_t code, int32_t value, uint32_t size)
{
    uint8_t wire[8];
    fake_chain_t chain;
    memcpy(wire, &type, 2);
    memcpy(wire + 2, &code, 2);
    memcpy(wire + 4, &value, 4);
    KP_REQUIRE(fake_next(0, &chain));
    fake_answer(0, &chain, wire, size);
}

KP_TEST(input_translates)
{
    fake_reset();
    KP_EXPECT_INT(kp_virtio_input_start(&function, 0), KP_OK);
    kp_input_event_t events[40];
    kp_device_t *input = fake.device;
    KP_EXPECT_INT(input->ops->read(input, events, sizeof events), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(input->ops->read(input, events, 15), KP_ERR_BUFFER_TOO_SMALL);
    input_event(1, 30, 1, 8);    /* KEY_A down */
    input_event(3, 0, 16384, 8); /* x */
    input_event(3, 2, 5, 8);     /* an axis nobody knows: dropped */
    input_event(1, 30, 0, 4);    /* half an event: dropped */
    input_event(2, 8, -1, 8);    /* wheel */
    input_event(1, 0x151, 1, 8); /* the wheel as a button */
    input_event(1, 0x151, 0, 8); /* its release: dropped */
    input_event(3, 1, 70000, 8); /* y beyond the edge */
    input_event(99, 1, 1, 8);    /* dropped */
    input_event(0, 0, 0, 8);     /* sync */
    fake_interrupt(0);
    KP_EXPECT(fake.signals & KP_SIGNAL_READABLE);
    int64_t size = input->ops->read(input, events, sizeof events);
    KP_REQUIRE(size == 6 * (int64_t)sizeof events[0]);
    static const struct {
        int type, code, value;
    } expected[6] = {{KP_INPUT_KEY, 30, 1},         {KP_INPUT_ABSOLUTE, 0, 16384},
                     {KP_INPUT_RELATIVE, 8, -1},    {KP_INPUT_RELATIVE, 8, 1},
                     {KP_INPUT_ABSOLUTE, 1, 32767}, {KP_INPUT_SYNC, 0, 0}};
    for (size_t i = 0; i < 6; i++) {
        KP_EXPECT_INT(events[i].type, expected[i].type);
        KP_EXPECT_INT(events[i].code, expected[i].code);
        KP_EXPECT_INT(events[i].value, expected[i].value);
    }
    KP_EXPECT_INT(input->ops->read(input, events, sizeof events), KP_ERR_SHOULD_WAIT);
    fake_finish(0, 64, 8);
    KP_EXPECT_INT(input->ops->read(input, events, sizeof events), KP_ERR_IO);
}

/* ---- rng ---- */

static void rng_fill(void)
{
    uint8_t bytes[256];
    fake_chain_t chain;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i + 1);
    if (fake_next(0, &chain))
        fake_answer(0, &chain, bytes, sizeof bytes);
}

KP_TEST(rng_seeds_and_reads)
{
    uint8_t bytes[300];
    fake_reset();
    KP_EXPECT_INT(kp_virtio_rng_start(&function, 0), KP_OK);
    kp_device_t *rng = fake.device;
    KP_EXPECT_INT(rng->ops->read(rng, bytes, sizeof bytes), KP_ERR_SHOULD_WAIT);
    fake.on_park = rng_fill;
    kp_virtio_rng_seed();
    KP_EXPECT_INT(fake.entropy_size, 64);
    KP_EXPECT_INT(rng->ops->read(rng, bytes, sizeof bytes), 256 - 64 - 1);
    KP_EXPECT(memcmp(bytes, fake.entropy, 64) != 0);
    KP_EXPECT_INT(rng->ops->read(rng, bytes, sizeof bytes), KP_ERR_SHOULD_WAIT);
    rng_fill();
    KP_EXPECT_INT(rng->ops->read(rng, bytes, 10), 10);
    fake_finish(0, 1, 256);
    KP_EXPECT_INT(rng->ops->read(rng, bytes, sizeof bytes), 246);
    KP_EXPECT_INT(rng->ops->read(rng, bytes, sizeof bytes), KP_ERR_IO);
}

/* ---- gpu ---- */

static uint32_t gpu_kinds[64], gpu_kind_count, gpu_fail_at, gpu_backing;
static gpu_transfer_t gpu_transfer;

/* Answers every command; the gpu_fail_at-th with an error. */
static void gpu_serve(void)
{
    fake_chain_t chain;
    while (fake_next(0, &chain)) {
        gpu_display_info_t answer = {.header.kind = GPU_ANSWER_OK};
        uint32_t kind;
        memcpy(&kind, chain.parts[0].bytes, 4);
        if (gpu_kind_count < 64)
            gpu_kinds[gpu_kind_count] = kind;
        gpu_kind_count++;
        if (kind == GPU_GET_DISPLAY_INFO) {
            answer.header.kind = GPU_ANSWER_DISPLAY_INFO;
            answer.rect = (gpu_rect_t){0, 0, 1024, 768};
            answer.enabled = 1;
        }
        if (kind == GPU_RESOURCE_ATTACH) {
            gpu_backing = 0;
            for (uint32_t i = 1; i + 1 < chain.count; i++) {
                for (uint32_t at = 0; at < chain.parts[i].length; at += sizeof(gpu_piece_t)) {
                    gpu_piece_t piece;
                    memcpy(&piece, chain.parts[i].bytes + at, sizeof piece);
                    gpu_backing += piece.length;
                }
            }
        }
        if (kind == GPU_TRANSFER_TO_HOST)
            memcpy(&gpu_transfer, chain.parts[0].bytes, sizeof gpu_transfer);
        if (gpu_fail_at > 0 && --gpu_fail_at == 0)
            answer.header.kind = 0x1200;
        fake_answer(0, &chain, &answer, sizeof answer);
    }
    fake_interrupt(0);
}

static kp_device_t *gpu_start(void)
{
    fake_reset();
    gpu_kind_count = gpu_fail_at = 0;
    KP_EXPECT_INT(kp_virtio_gpu_start(&function, 0), KP_OK);
    fake.on_park = gpu_serve;
    return fake.device;
}

static int64_t gpu_scanout(kp_device_t *gpu, uint32_t width, uint32_t height, uint32_t stride,
                           kp_vmo_t *vmo)
{
    kp_gpu_scanout_t scanout = {.width = width, .height = height, .stride = stride};
    return gpu->ops->control(gpu, KP_DEVICE_OP_GPU_SCANOUT, &scanout, sizeof scanout, NULL, 0, vmo);
}

static int64_t gpu_flush(kp_device_t *gpu, uint32_t x, uint32_t y, uint32_t width, uint32_t height)
{
    kp_gpu_rect_t rect = {x, y, width, height};
    return gpu->ops->control(gpu, KP_DEVICE_OP_GPU_FLUSH, &rect, sizeof rect, NULL, 0, NULL);
}

KP_TEST(gpu_shows_and_flushes)
{
    kp_device_t *gpu = gpu_start();
    kp_gpu_mode_t mode;
    KP_EXPECT_INT(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_MODE, NULL, 0, &mode, sizeof mode, NULL),
                  sizeof mode);
    KP_EXPECT_INT(mode.width, 1024);
    KP_EXPECT_INT(gpu_flush(gpu, 0, 0, 1, 1), KP_ERR_BAD_STATE);
    kp_vmo_t *vmo = fake_vmo_create(128ull * 4 * 64);
    KP_EXPECT_INT(gpu_scanout(gpu, 100, 64, 512, vmo), 0);
    static const uint32_t order[] = {GPU_GET_DISPLAY_INFO, GPU_RESOURCE_CREATE_2D,
                                     GPU_RESOURCE_ATTACH,  GPU_SET_SCANOUT,
                                     GPU_TRANSFER_TO_HOST, GPU_RESOURCE_FLUSH};
    KP_EXPECT_INT(gpu_kind_count, 6);
    KP_EXPECT(memcmp(gpu_kinds, order, sizeof order) == 0);
    KP_EXPECT_INT(gpu_backing, 128 * 4 * 64);
    KP_EXPECT_INT(gpu_flush(gpu, 10, 3, 1000, 1000), 0);
    KP_EXPECT_INT(gpu_transfer.offset, (3 * 128 + 10) * 4);
    KP_EXPECT_INT(gpu_transfer.rect.width, 90);
    KP_EXPECT_INT(gpu_transfer.rect.height, 61);
    gpu_kind_count = 0;
    KP_EXPECT_INT(gpu_flush(gpu, 100, 0, 1, 1), 0); /* outside: nothing to do */
    KP_EXPECT_INT(gpu_flush(gpu, 0, 0, 0, 5), 0);
    KP_EXPECT_INT(gpu_kind_count, 0);
    /* A second scan-out lets the first one's memory go. */
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 64, 256, fake_vmo_create(256ull * 64)), 0);
    KP_EXPECT_INT(fake.vmos_released, 1);
    KP_EXPECT_INT(fake.pages, 4); /* two rings, two command pages: the lists were freed */
}

KP_TEST(gpu_refuses)
{
    kp_device_t *gpu = gpu_start();
    kp_vmo_t *vmo = fake_vmo_create(4096ull * 4);
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 65, 256, vmo), KP_ERR_OUT_OF_RANGE);
    KP_EXPECT_INT(gpu_scanout(gpu, 0, 64, 256, vmo), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(gpu_scanout(gpu, 65, 64, 256, vmo), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 64, 255, vmo), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 64, 256, NULL), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 0xffffffff, 256, vmo), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(gpu->ops->control(gpu, 99, NULL, 0, NULL, 0, NULL), KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_FLUSH, NULL, 3, NULL, 0, NULL),
                  KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(gpu_kind_count, 0);
}

KP_TEST(gpu_errors_keep_the_old_screen)
{
    kp_device_t *gpu = gpu_start();
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 64, 256, fake_vmo_create(256ull * 64)), 0);
    for (uint32_t step = 1; step <= 3; step++) { /* create, attach, set */
        gpu_fail_at = step;
        KP_EXPECT_INT(gpu_scanout(gpu, 32, 32, 128, fake_vmo_create(4096)), KP_ERR_IO);
        KP_EXPECT_INT(fake.vmos_released, 0);
        KP_EXPECT_INT(gpu_flush(gpu, 0, 0, 64, 64), 0);
        KP_EXPECT_INT(gpu_transfer.rect.width, 64);
    }
    fake.fail_page_at = 1;
    KP_EXPECT_INT(gpu_scanout(gpu, 32, 32, 128, fake_vmo_create(4096)), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(fake.pages, 4);
}

static void gpu_lie(void)
{
    fake_finish(0, 63, 24);
}

KP_TEST(gpu_silent_or_lying_device_is_given_up)
{
    kp_device_t *gpu = gpu_start();
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 64, 256, fake_vmo_create(256ull * 64)), 0);
    fake.on_park = NULL; /* the clock goes to the deadline */
    KP_EXPECT_INT(gpu_flush(gpu, 0, 0, 64, 64), KP_ERR_IO);
    fake.on_park = gpu_serve;
    KP_EXPECT_INT(gpu_flush(gpu, 0, 0, 64, 64), KP_ERR_IO); /* for good */
    gpu = gpu_start();
    fake.on_park = gpu_lie;
    KP_EXPECT_INT(gpu_scanout(gpu, 64, 64, 256, fake_vmo_create(256ull * 64)), KP_ERR_IO);
    KP_EXPECT_INT(fake.vmos_released, 0); /* the device may still know its pages */
}

KP_TEST(gpu_cursor_refused_once_is_not_tried_again)
{
    kp_device_t *gpu = gpu_start();
    kp_gpu_cursor_t cursor = {.visible = 1};
    gpu_fail_at = 2;
    KP_EXPECT_INT(
        gpu->ops->control(gpu, KP_DEVICE_OP_GPU_CURSOR, &cursor, sizeof cursor, NULL, 0, NULL),
        KP_ERR_IO);
    uint32_t pages = fake.pages;
    for (uint32_t i = 0; i < 10; i++)
        KP_EXPECT_INT(
            gpu->ops->control(gpu, KP_DEVICE_OP_GPU_CURSOR, &cursor, sizeof cursor, NULL, 0, NULL),
            KP_ERR_NOT_SUPPORTED);
    KP_EXPECT_INT(fake.pages, pages);
}

KP_TEST(gpu_cursor)
{
    kp_device_t *gpu = gpu_start();
    kp_gpu_cursor_t cursor = {.x = 5, .y = -3, .visible = 1};
    fake_chain_t chain;
    gpu_cursor_t command;
    for (uint32_t i = 0; i < 100; i++) {
        KP_REQUIRE(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_CURSOR, &cursor, sizeof cursor, NULL, 0,
                                     NULL) == KP_OK);
        KP_REQUIRE(fake_next(1, &chain));
        memcpy(&command, chain.parts[0].bytes, sizeof command);
        KP_EXPECT_INT(command.header.kind, i ? GPU_MOVE_CURSOR : GPU_UPDATE_CURSOR);
        KP_EXPECT_INT(command.x, 5);
        KP_EXPECT_INT(command.y, 0);
        fake_finish(1, chain.head, 0);
    }
    for (uint32_t i = 0; i < 20; i++) { /* a device that never takes them */
        int64_t result =
            gpu->ops->control(gpu, KP_DEVICE_OP_GPU_CURSOR, &cursor, sizeof cursor, NULL, 0, NULL);
        KP_EXPECT_INT(result, i < 16 ? KP_OK : KP_ERR_SHOULD_WAIT);
    }
}

KP_TEST_MAIN()
