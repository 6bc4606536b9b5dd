/* An engine host over files: for the command-line tool, unit tests and fuzzing. Fetches are queued
   and answered by kp_tool_host_run; pixel memory is malloc'ed. */
#ifndef KP_ENGINE_TOOL_HOST_H
#define KP_ENGINE_TOOL_HOST_H

#include "engine/engine.h"

typedef struct kp_tool_host {
    kp_engine_t *engine;
    struct kp_tool_fetch *fetches;
    struct kp_tool_pixels *pixels;
    void *fonts[64]; /* malloc'ed files */
    size_t font_count;
    /* What the engine reported last. */
    uint32_t state;
    kp_status_t status;
    char text[256], url[1024], title[256], hover[1024], navigate[1024];
    int32_t scroll_y;
    unsigned frames_wanted;
    size_t chunk; /* bytes handed over at a time; 0: all at once */
} kp_tool_host_t;

/* Makes the engine. font_dir: every *.ttf in it; NULL: none. */
kp_status_t kp_tool_host_create(kp_tool_host_t *host, const char *font_dir, uint32_t width,
                                uint32_t height);
void kp_tool_host_destroy(kp_tool_host_t *host);
/* Answers fetches until the load has ended. */
void kp_tool_host_run(kp_tool_host_t *host);
/* A whole file, malloc'ed; NULL when it cannot be read. */
uint8_t *kp_tool_read_file(const char *path, size_t *size);

#endif
