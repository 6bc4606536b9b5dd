/* What the lying worker does: liar.c; what comes of it: driver.c. */
#ifndef KP_SERVICES_COMPILER_TEST_LIAR_H
#define KP_SERVICES_COMPILER_TEST_LIAR_H

typedef enum kp_liar_mode {
    KP_LIAR_HONEST,
    KP_LIAR_SPIN,      /* uses processor time without end */
    KP_LIAR_SLEEP,     /* uses none, and never answers */
    KP_LIAR_EAT,       /* all memory it can get */
    KP_LIAR_EAT_PAGES, /* all its job may have, and keeps it */
    KP_LIAR_TRAP,
    KP_LIAR_LEAVE,
    KP_LIAR_SHORT,  /* no reply */
    KP_LIAR_STATUS, /* no status */
    KP_LIAR_NO_CODE,
    KP_LIAR_NO_VMO,
    KP_LIAR_SIZE,
    KP_LIAR_MAGIC,
    KP_LIAR_OTHER_MODULE,
    KP_LIAR_OTHER_FUNCTIONS, /* or, for the whole, not all */
    KP_LIAR_WRITABLE,        /* it keeps what it gives mapped */
    KP_LIAR_MODES,
} kp_liar_mode_t;

#endif
