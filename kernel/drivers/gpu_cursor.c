#include "kernel/drivers/gpu_protocol.h"

/* '#' black outline, '.' white. */
static const char *const arrow[] = {
    "#           ", "##          ", "#.#         ", "#..#        ", "#...#       ",
    "#....#      ", "#.....#     ", "#......#    ", "#.......#   ", "#........#  ",
    "#.........# ", "#......#####", "#...#..#    ", "#..##..#    ", "#.#  #..#   ",
    "##   #..#   ", "#     #..#  ", "      #..#  ", "       ##   ",
};

void kp_gpu_cursor_draw(uint32_t *pixels)
{
    memset(pixels, 0, sizeof *pixels * GPU_CURSOR_SIDE * GPU_CURSOR_SIDE);
    for (size_t y = 0; y < KP_ARRAY_COUNT(arrow); y++) {
        for (size_t x = 0; arrow[y][x]; x++) {
            if (arrow[y][x] != ' ')
                pixels[y * GPU_CURSOR_SIDE + x] = arrow[y][x] == '#' ? 0xff000000 : 0xffffffff;
        }
    }
}
