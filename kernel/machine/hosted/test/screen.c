/* gpu0 and input0 of the machine hosted, in memory and (with SDL2's driver without a screen) as a
   window. */
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/device.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/runtime.bundle"
enum { WIDTH = 320, HEIGHT = 200, STRIDE = 1536 };

static kp_device_t *gpu, *input;

static int64_t control(uint32_t op, const void *in, size_t in_count, kp_vmo_t *vmo)
{
    return gpu->ops->control(gpu, op, in, in_count, NULL, 0, vmo);
}

static kp_vmo_t *make_picture(uint64_t size)
{
    kp_vmo_t *vmo = NULL;
    if (kp_vmo_create(size, NULL, &vmo) != KP_OK)
        return NULL;
    for (uint64_t at = 0; at < size; at += KP_PAGE_SIZE)
        memset(kp_vmo_page(vmo, at), (int)(at / KP_PAGE_SIZE) + 1, KP_PAGE_SIZE);
    return vmo;
}

KP_TEST(mode)
{
    kp_gpu_mode_t mode = {0};
    KP_EXPECT_INT(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_MODE, NULL, 0, &mode, sizeof(mode), NULL),
                  sizeof(mode));
    KP_EXPECT_INT(mode.width, WIDTH);
    KP_EXPECT_INT(mode.height, HEIGHT);
    KP_EXPECT_INT(gpu->ops->control(gpu, KP_DEVICE_OP_GPU_MODE, NULL, 0, &mode, 4, NULL),
                  KP_ERR_BUFFER_TOO_SMALL);
}

KP_TEST(bad_scanouts_are_refused)
{
    static const kp_gpu_scanout_t bad[] = {
        {0, 0, HEIGHT, STRIDE},
        {0, WIDTH, 0, STRIDE},
        {0, WIDTH, HEIGHT, WIDTH * 4 - 4},
        {0, WIDTH, HEIGHT, STRIDE + 2},
        {0, WIDTH, 1 << 20, STRIDE},
        {0, WIDTH, HEIGHT, 0xfffffffc},
        {0, WIDTH, HEIGHT + 60, STRIDE},
    };
    kp_vmo_t *vmo = make_picture((uint64_t)STRIDE * HEIGHT);
    KP_REQUIRE(vmo);
    for (size_t i = 0; i < KP_ARRAY_COUNT(bad); i++)
        KP_EXPECT_INT(control(KP_DEVICE_OP_GPU_SCANOUT, &bad[i], sizeof(bad[i]), vmo),
                      KP_ERR_INVALID_ARGUMENT);
    kp_gpu_rect_t all = {0, 0, WIDTH, HEIGHT};
    KP_EXPECT_INT(control(KP_DEVICE_OP_GPU_FLUSH, &all, sizeof(all), NULL),
                  KP_ERR_INVALID_ARGUMENT); /* nothing is shown */
    uint32_t width, height;
    KP_EXPECT(!kp_hosted_screen_copy(&width, &height));
    kp_vmo_release(vmo);
}

KP_TEST(scanout_flush_copy)
{
    kp_gpu_scanout_t scanout = {0, WIDTH, HEIGHT, STRIDE};
    kp_vmo_t *vmo = make_picture((uint64_t)STRIDE * HEIGHT);
    KP_REQUIRE(vmo);
    /* On success the reference is the device's. */
    KP_EXPECT_INT(control(KP_DEVICE_OP_GPU_SCANOUT, &scanout, sizeof(scanout), vmo), KP_OK);
    static const kp_gpu_rect_t good[] = {
        {0, 0, WIDTH, HEIGHT}, {WIDTH, HEIGHT, 0, 0}, {5, 6, 7, 8}};
    static const kp_gpu_rect_t bad[] = {
        {1, 0, WIDTH, 1}, {0, HEIGHT + 1, 1, 0}, {0xffffffff, 0, 2, 1}, {0, 1, 1, 0xffffffff}};
    for (size_t i = 0; i < KP_ARRAY_COUNT(good); i++)
        KP_EXPECT_INT(control(KP_DEVICE_OP_GPU_FLUSH, &good[i], sizeof(good[i]), NULL), KP_OK);
    for (size_t i = 0; i < KP_ARRAY_COUNT(bad); i++)
        KP_EXPECT_INT(control(KP_DEVICE_OP_GPU_FLUSH, &bad[i], sizeof(bad[i]), NULL),
                      KP_ERR_INVALID_ARGUMENT);
    uint32_t width = 0, height = 0;
    uint8_t *copy = kp_hosted_screen_copy(&width, &height);
    KP_REQUIRE(copy);
    KP_EXPECT_INT(width, WIDTH);
    KP_EXPECT_INT(height, HEIGHT);
    for (uint32_t y = 0; y < HEIGHT; y += 13) {
        uint8_t expected = (uint8_t)(y * STRIDE / KP_PAGE_SIZE + 1);
        KP_EXPECT_INT(copy[(size_t)y * WIDTH * 4], expected);
    }
    free(copy);
    /* Another one takes its place, and the first is freed. */
    uint64_t before = kp_object_count(KP_TYPE_VMO);
    vmo = make_picture((uint64_t)STRIDE * HEIGHT);
    KP_REQUIRE(vmo);
    KP_EXPECT_INT(control(KP_DEVICE_OP_GPU_SCANOUT, &scanout, sizeof(scanout), vmo), KP_OK);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_VMO), before);
}

KP_TEST(input_records)
{
    kp_input_event_t events[1024 + 1] = {{.type = KP_INPUT_KEY, .code = 30, .value = 1},
                                         {.type = KP_INPUT_SYNC}};
    kp_object_t *object = kp_device_object(input);
    kp_input_event_t got[4];
    KP_EXPECT_INT(input->ops->read(input, got, sizeof(got)), KP_ERR_SHOULD_WAIT);
    kp_hosted_input(events, 2);
    KP_EXPECT_INT(kp_wait_one(object, KP_SIGNAL_READABLE, KP_TIME_POLL, NULL), KP_OK);
    KP_EXPECT_INT(input->ops->read(input, got, sizeof(got[0]) - 1), KP_ERR_BUFFER_TOO_SMALL);
    KP_EXPECT_INT(input->ops->read(input, got, sizeof(got[0]) + 7), sizeof(got[0]));
    KP_EXPECT_INT(got[0].code, 30);
    KP_EXPECT_INT(input->ops->read(input, got, sizeof(got)), sizeof(got[0]));
    KP_EXPECT_INT(got[0].type, KP_INPUT_SYNC);
    KP_EXPECT_INT(kp_wait_one(object, KP_SIGNAL_READABLE, KP_TIME_POLL, NULL), KP_ERR_TIMED_OUT);
    kp_hosted_input(events, 1025); /* more than the queue: none of them */
    KP_EXPECT_INT(input->ops->read(input, got, sizeof(got)), KP_ERR_SHOULD_WAIT);
}

static int run_tests(void *context)
{
    gpu = kp_device_find("gpu0");
    input = kp_device_find("input0");
    if (!gpu || !input)
        return 1;
    return kp_test_all(NULL, context, NULL);
}

/* Each in a process of its own: the machine starts once in the life of one. Libraries that SDL2
   loads leak; _exit looks away, the memory display's run does not. */
static int run_display(int display, const char *name)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        kp_hosted_options_t options = {
            .bundle_path = BUNDLE,
            .command_line = "shell=off display=off http=off",
            .display = display,
            .width = WIDTH,
            .height = HEIGHT,
            .log_level = -1,
        };
        int failed = kp_test_hosted(&options, run_tests, (void *)name,
                                    display == KP_HOSTED_DISPLAY_WINDOW ? "SDL2" : NULL);
        if (display == KP_HOSTED_DISPLAY_WINDOW)
            _exit(failed);
        exit(failed);
    }
    int status = 1;
    waitpid(pid, &status, 0);
    if (status != 0)
        printf("# %s ended with status 0x%x\n", name, status);
    return status != 0;
}

int main(void)
{
    setenv("SDL_VIDEODRIVER", "dummy", 1);
    int failed = run_display(KP_HOSTED_DISPLAY_MEMORY, "in_memory");
    failed += run_display(KP_HOSTED_DISPLAY_WINDOW, "in_a_window");
    return failed != 0;
}
