/* The tab program: engine/engine.h bound to KPIO. Internal to engine/tab.

   main.c       start-up, the control channel, engine callbacks
   outbox.c     messages that a full channel made wait
   fetches.c    engine fetches over svc:http
   resources.c  pixel memory shared with the display: VMOs, which of them the display knows
   frames.c     display lists to the owner, one in flight, paced by what layout costs

   One process is one tab: its state is one kp_tab_t, single-threaded. */
#ifndef KP_ENGINE_TAB_H
#define KP_ENGINE_TAB_H

#include "abi/reader.h"
#include "engine/engine.h"
#include "runtime/program/kp.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"
#include "runtime/program/ring.h"
#include "runtime/program/startup.h"
#include "runtime/program/vmo.h"

/* The next size bytes as a NUL-terminated string, malloc'ed; NULL: the message is too short
   (reader->failed) or memory is. */
char *kp_tab_take_string(kp_reader_t *reader, size_t size);

/* ---- outbox ---- */

/* Sends in order; what does not fit the channel now waits in memory, at most KP_OUTBOX_BYTES_MAX.
 */
#define KP_OUTBOX_BYTES_MAX (4u << 20)

typedef struct kp_outbox_entry {
    struct kp_outbox_entry *next;
    size_t size;
    size_t handle_count;
    kp_handle_t handles[KP_CHANNEL_HANDLES_MAX];
    uint8_t bytes[];
} kp_outbox_entry_t;

typedef struct kp_outbox {
    kp_handle_t channel; /* borrowed */
    kp_outbox_entry_t *first;
    kp_outbox_entry_t **last;
    size_t waiting_bytes;
} kp_outbox_t;

void kp_outbox_init(kp_outbox_t *outbox, kp_handle_t channel);
/* The parts as one message. Takes the handles in every case. ERR_PEER_CLOSED, ERR_NO_MEMORY,
   ERR_QUOTA (too much is waiting): the message is lost and its handles are closed. */
kp_status_t kp_outbox_send(kp_outbox_t *outbox, const kp_message_part_t *parts, size_t part_count,
                           const kp_handle_t *handles, size_t handle_count);
/* Sends what waits, as far as the channel takes it. */
kp_status_t kp_outbox_flush(kp_outbox_t *outbox);
bool kp_outbox_is_empty(const kp_outbox_t *outbox);
/* Drops what waits. */
void kp_outbox_clear(kp_outbox_t *outbox);

/* ---- fetches ---- */

typedef struct kp_tab_fetches {
    kp_loop_t *loop;
    kp_engine_t *engine;
    kp_handle_t service; /* svc:http */
    kp_handle_t channel; /* NONE: not connected */
    kp_outbox_t outbox;
    uint32_t *running; /* fetch ids */
    size_t running_count;
    size_t running_capacity;
    uint32_t document_id;  /* of the last fetch for a document */
    size_t document_bytes; /* of its body, so far */
    /* The ring that long bodies come through; without memory for it they come in messages. */
    bool has_ring, is_ring_used;
    kp_ring_t ring;
    kp_vmo_buffer_t ring_memory;
    kp_handle_t ring_event;
    kp_message_t message;
} kp_tab_fetches_t;

void kp_tab_fetches_init(kp_tab_fetches_t *fetches, kp_loop_t *loop, kp_handle_t service);
/* As kp_engine_host_t.fetch and fetch_cancel. */
kp_status_t kp_tab_fetches_start(kp_tab_fetches_t *fetches, uint32_t fetch_id, uint32_t destination,
                                 const char *url);
void kp_tab_fetches_cancel(kp_tab_fetches_t *fetches, uint32_t fetch_id);

/* ---- resources ---- */

typedef struct kp_tab_resource {
    uint32_t id;
    uint32_t format, width, height, stride;
    bool is_announced;
    kp_vmo_buffer_t buffer;
} kp_tab_resource_t;

typedef struct kp_tab_resources {
    kp_tab_resource_t *items;
    size_t count, capacity;
    uint32_t *dropped; /* ids to forget, announced before */
    size_t dropped_count, dropped_capacity;
} kp_tab_resources_t;

/* As kp_engine_host_t.resource_create and resource_destroy. */
kp_status_t kp_tab_resources_create(kp_tab_resources_t *resources, uint32_t id, uint32_t format,
                                    uint32_t width, uint32_t height, uint32_t stride,
                                    uint8_t **pixels);
void kp_tab_resources_destroy(kp_tab_resources_t *resources, uint32_t id);
/* The display lost everything: announce all of them again. */
void kp_tab_resources_forget_announced(kp_tab_resources_t *resources);
bool kp_tab_resources_has_news(const kp_tab_resources_t *resources);
/* Bytes that kp_tab_resources_announce will write for at most `limit` resources. */
size_t kp_tab_resources_news_size(const kp_tab_resources_t *resources, size_t limit);
/* Writes RESOURCE_DROP and RESOURCE commands to `to` and a shared handle per RESOURCE to `handles`.
   Returns how many handles; on error nothing is marked as announced and no handle stays open. */
kp_status_t kp_tab_resources_announce(kp_tab_resources_t *resources, size_t limit, uint8_t *to,
                                      uint32_t *command_count, kp_handle_t *handles,
                                      size_t *handle_count);

/* ---- frames ---- */

typedef struct kp_tab_frames {
    kp_loop_t *loop;
    kp_engine_t *engine;
    kp_outbox_t *outbox;
    kp_tab_resources_t *resources;
    const uint32_t *load_id;
    kp_loop_timer_t timer;
    kp_vmo_buffer_t lists[2]; /* used in turn: the owner may still hold the last one */
    unsigned next_list;
    uint8_t *commands; /* of the last frame, without resource commands */
    size_t command_bytes, command_capacity;
    uint32_t command_count;
    kp_tab_frame_t last; /* of the last frame */
    uint32_t sequence;
    bool has_frame;
    bool is_configured;
    bool is_in_flight;
    bool is_wanted;
    bool is_owed;   /* the owner may have lost the last frame: send even when nothing changed */
    bool is_urgent; /* the load has ended: no pacing */
    kp_time_t earliest;
    /* Called when the newest state of the page has been sent (or cannot be). */
    void (*settled)(void *context);
    void *settled_context;
} kp_tab_frames_t;

void kp_tab_frames_init(kp_tab_frames_t *frames, kp_loop_t *loop, kp_outbox_t *outbox,
                        kp_tab_resources_t *resources, const uint32_t *load_id);
/* A new frame as soon as back-pressure and pacing allow. */
void kp_tab_frames_want(kp_tab_frames_t *frames);
/* As want, without pacing; settled is called afterwards. */
void kp_tab_frames_want_now(kp_tab_frames_t *frames);
/* The owner showed the frame: the next may go. */
void kp_tab_frames_done(kp_tab_frames_t *frames, uint32_t sequence);

#endif
