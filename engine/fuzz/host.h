/* An engine host for tests and fuzzing that touches nothing outside: every fetch is answered by the
   same bytes, and every frame must pass the display's own validator. */
#ifndef KP_ENGINE_FUZZ_HOST_H
#define KP_ENGINE_FUZZ_HOST_H

#include "display/painter/painter.h"
#include "engine/engine.h"

#define KP_FUZZ_FETCHES_MAX 64

typedef struct kp_fuzz_fetch {
    uint32_t id, destination;
} kp_fuzz_fetch_t;

typedef struct kp_fuzz_host {
    kp_engine_t *engine;
    struct kp_fuzz_pixels *pixels;
    kp_fuzz_fetch_t fetches[KP_FUZZ_FETCHES_MAX]; /* not answered yet; more are refused */
    size_t fetch_count;
    unsigned fetch_total; /* since the caller set it to 0 */
    const uint8_t *body;  /* of every answer; borrowed */
    size_t body_size;
    kp_paint_scene_t scene; /* what the display would hold */
    uint8_t *font;
    uint32_t state; /* of the last load */
    kp_status_t status;
    char title[256];
} kp_fuzz_host_t;

/* font: path of one font file, or NULL. */
kp_status_t kp_fuzz_host_create(kp_fuzz_host_t *host, const char *font);
void kp_fuzz_host_destroy(kp_fuzz_host_t *host);
/* Answers what is pending and what that asks for in turn, at most rounds answers: sheets and
   images whose number is odd arrive in two pieces, every eighth one fails. */
void kp_fuzz_host_answer(kp_fuzz_host_t *host, unsigned rounds);
/* Makes a frame. A list that the display would refuse ends the process (abort). */
kp_status_t kp_fuzz_host_frame(kp_fuzz_host_t *host, kp_engine_frame_t *frame);

#endif
