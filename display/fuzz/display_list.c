/* A display list from a hostile tab through validation and the painter. The first byte says how the
   damage lies; the rest is the list. */
#include "display/test/list_builder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint32_t pixels[160 * 120];
    if (size < 1)
        return 0;
    kp_test_resources_t resources = {0};
    kp_paint_scene_t scene = {0};
    kp_painter_t painter = {0};
    kp_paint_target_t target = {pixels, 160, 160, 120};
    kp_paint_rect_t changed;
    int32_t shift = (int32_t)data[0] - 128;
    /* Twice: the second time the resources of the first are there already. */
    for (int round = 0; round < 2; round++) {
        uint8_t *copy = malloc(size);
        memcpy(copy, data + 1, size - 1);
        if (kp_paint_scene_update(&scene, TEST_HOST(&resources), copy, size - 1, &changed) == KP_OK)
            kp_paint_scene_paint(&scene, &painter, &target,
                                 (kp_paint_rect_t){data[0] % 16, 0, 160, 120}, shift, shift / 2);
    }
    kp_paint_scene_clear(&scene, TEST_HOST(&resources));
    kp_painter_clear(&painter);
    if (resources.open_count != resources.close_count)
        abort();
    return 0;
}
