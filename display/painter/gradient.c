/* Linear gradients: colours premultiplied, found in a table of steps along the gradient line. */
#include <math.h>

#include "display/painter/internal.h"

#define STEPS 1024

static uint32_t mix_channel(uint32_t a, uint32_t b, float t, unsigned shift)
{
    float from = (float)(a >> shift & 255), to = (float)(b >> shift & 255);
    return (uint32_t)(from + (to - from) * t + 0.5f) << shift;
}

static void fill_table(const kp_display_stop_t *stops, uint32_t count, uint32_t table[STEPS + 1])
{
    uint32_t i = 0, previous = 0;
    for (uint32_t step = 0; step <= STEPS; step++) {
        uint32_t at = (uint32_t)((uint64_t)step * 65536 / STEPS);
        /* A stop before its predecessor counts as lying at it (CSS Images 3, 3.4.3). */
        while (i < count && (stops[i].offset > previous ? stops[i].offset : previous) <= at) {
            previous = stops[i].offset > previous ? stops[i].offset : previous;
            i++;
        }
        if (i == 0 || i == count) {
            table[step] = kp_paint_premultiply(stops[i ? count - 1 : 0].color);
            continue;
        }
        uint32_t a = kp_paint_premultiply(stops[i - 1].color);
        uint32_t b = kp_paint_premultiply(stops[i].color);
        float t = (float)(at - previous) / (float)(stops[i].offset - previous);
        table[step] = mix_channel(a, b, t, 24) | mix_channel(a, b, t, 16) |
                      mix_channel(a, b, t, 8) | mix_channel(a, b, t, 0);
    }
}

kp_status_t kp_paint_gradient(kp_paint_job_t *job, const kp_display_linear_gradient_t *c)
{
    const kp_paint_rect_t *a = &job->area;
    uint32_t table[STEPS + 1];
    uint32_t *row = kp_paint_scratch(job->painter, KP_PAINT_SCRATCH_PIXELS,
                                     (size_t)(a->x1 - a->x0) * sizeof *row);
    if (!row)
        return KP_ERR_NO_MEMORY;
    job->painter->pixels += STEPS + c->stop_count;
    fill_table((const void *)(c + 1), c->stop_count, table);
    float angle = (float)(c->angle % (360 * 256)) / 256 * (float)(3.14159265358979 / 180);
    float sine = sinf(angle), cosine = cosf(angle);
    float length = fabsf((float)c->width * sine) + fabsf((float)c->height * cosine);
    float per_pixel = length > 0 ? STEPS / length : 0;
    float middle_x = (float)(c->x + job->dx) + (float)c->width / 2;
    float middle_y = (float)(c->y + job->dy) + (float)c->height / 2;
    for (int32_t y = a->y0; y < a->y1; y++) {
        float along =
            ((float)a->x0 + 0.5f - middle_x) * sine - ((float)y + 0.5f - middle_y) * cosine;
        float at = along * per_pixel + STEPS / 2.0f + 0.5f, step = sine * per_pixel;
        for (int32_t x = a->x0; x < a->x1; x++) {
            float here = at + step * (float)(x - a->x0);
            row[x - a->x0] = table[here <= 0 ? 0 : here >= STEPS ? STEPS : (int32_t)here];
        }
        kp_paint_job_pixels(job, y, a->x0, a->x1, row, 255);
    }
    return KP_OK;
}
