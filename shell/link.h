/* One end of a channel in the event loop: messages in by callback, messages out in order, queued
   while the other side's queue is full. Single-threaded, as the loop. */
#ifndef KP_SHELL_LINK_H
#define KP_SHELL_LINK_H

#include "runtime/program/kp.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"

#define KP_SHELL_LINK_BACKLOG \
    64u /* messages queued here; beyond that the other side counts as hung */

typedef struct kp_shell_link_packet kp_shell_link_packet_t;

typedef struct kp_shell_link_ops {
    /* A message; its handles may be taken, the rest is closed afterwards. May close the link. */
    void (*message)(void *context, kp_message_t *message);
    /* The other side is gone (or the channel failed); the link is closed already. */
    void (*closed)(void *context);
} kp_shell_link_ops_t;

/* Zero-initialise. */
typedef struct kp_shell_link {
    kp_loop_t *loop;
    kp_message_t *message; /* borrowed scratch, shared by all links of a shell */
    const kp_shell_link_ops_t *ops;
    void *context;
    kp_handle_t channel; /* owned; NONE while closed */
    uint32_t generation; /* of the channel: a handler may have reopened the link */
    bool is_paused;      /* not reading */
    kp_shell_link_packet_t *first, *last;
    size_t backlog;
} kp_shell_link_t;

/* Takes the channel on success. The link must be closed. ERR_NO_MEMORY, ERR_QUOTA from the loop. */
kp_status_t kp_shell_link_open(kp_shell_link_t *link, kp_handle_t channel);
/* Closes the channel, drops what is queued with its handles; no callback. Harmless when closed. */
void kp_shell_link_close(kp_shell_link_t *link);
/* Stops and resumes reading. PEER_CLOSED is not noticed while paused with messages unread. */
void kp_shell_link_pause(kp_shell_link_t *link, bool is_paused);

/* Sends head and tail as one message, now or when there is room. Takes the handles in every case.
   ERR_BAD_STATE when closed; ERR_SHOULD_WAIT when the backlog is full; ERR_PEER_CLOSED (closed()
   follows from the loop); ERR_NO_MEMORY; ERR_TOO_LARGE. */
kp_status_t kp_shell_link_send(kp_shell_link_t *link, const void *head, size_t head_size,
                               const void *tail, size_t tail_size, const kp_handle_t *handles,
                               size_t handle_count);
/* For states (position, scroll): replaces a queued message of the same ordinal and size instead of
   queueing behind it. head begins with a kp_message_header_t. */
kp_status_t kp_shell_link_send_latest(kp_shell_link_t *link, const void *head, size_t head_size);

static inline bool kp_shell_link_is_open(const kp_shell_link_t *link)
{
    return link->channel != KP_HANDLE_NONE;
}

#endif
