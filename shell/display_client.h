/* The shell's connection to the display service: surfaces, frames, placement, input. Outlives the
   service: when it dies the connection is made again and every surface is created and placed again;
   owners then have to send their pictures once more (lost). */
#ifndef KP_SHELL_DISPLAY_CLIENT_H
#define KP_SHELL_DISPLAY_CLIENT_H

#include "abi/display.h"
#include "shell/link.h"

typedef struct kp_shell_display kp_shell_display_t;

typedef struct kp_shell_surface_ops {
    void (*created)(void *context); /* also after lost() */
    /* One for each present, in order, unless lost() comes first. */
    void (*presented)(void *context, uint32_t sequence, kp_status_t status);
    void (*lost)(void *context); /* the service died: nothing is shown, presents are forgotten */
} kp_shell_surface_ops_t;

/* Zero-initialise, then kp_shell_display_add. */
typedef struct kp_shell_surface {
    kp_shell_display_t *display;
    const kp_shell_surface_ops_t *ops;
    void *context;
    uint32_t id; /* the service's; 0: not created yet */
    uint32_t create_txid;
    kp_display_place_t place; /* as wanted and sent */
    bool is_stale;            /* it could not be sent */
} kp_shell_surface_t;

typedef struct kp_shell_display_ops {
    void (*screen)(void *context, uint32_t width, uint32_t height, uint32_t scale);
    void (*input)(void *context, const kp_display_input_t *input);
} kp_shell_display_ops_t;

#define KP_SHELL_SURFACES_MAX 4u

/* Zero-initialise, then kp_shell_display_init. */
struct kp_shell_display {
    kp_shell_link_t link;
    kp_handle_t service; /* NONE: there is no display in this system */
    const kp_shell_display_ops_t *ops;
    void *context;
    kp_shell_surface_t *surfaces[KP_SHELL_SURFACES_MAX];
    size_t surface_count;
    uint32_t last_txid;
    uint32_t screen_txid;
    kp_loop_timer_t reconnect;
    kp_time_t delay; /* before the next connection; grows while they fail */
};

/* Takes the service's handle, connects (never blocks). Without a service (NONE) every call below
   does nothing and returns ERR_NOT_FOUND. */
void kp_shell_display_init(kp_shell_display_t *display, kp_loop_t *loop, kp_message_t *scratch,
                           kp_handle_t service, const kp_shell_display_ops_t *ops, void *context);
/* Registers a surface: it must live as long as the display. ERR_QUOTA. */
kp_status_t kp_shell_display_add(kp_shell_display_t *display, kp_shell_surface_t *surface,
                                 const kp_shell_surface_ops_t *ops, void *context);
/* Shows a frame; takes the handles in every case. present's header and surface are filled in here.
   ERR_BAD_STATE before created(). */
kp_status_t kp_shell_surface_present(kp_shell_surface_t *surface,
                                     const kp_display_present_t *present,
                                     const kp_handle_t *handles, size_t handle_count);
/* Remembers the placement and sends it when it changed. header and surface are filled in here. */
void kp_shell_surface_place(kp_shell_surface_t *surface, const kp_display_place_t *place);
/* Gives up the surface and makes a new one: for another tab, whose resources are its own. created()
   follows. */
void kp_shell_surface_renew(kp_shell_surface_t *surface);

static inline bool kp_shell_surface_is_ready(const kp_shell_surface_t *surface)
{
    return surface->id != 0;
}

#endif
