/* Lanes: how two processes exchange calls and replies over a channel without the kernel. A lane is
   memory that the client, the server and the kernel share, for one pair of channel ends. It carries
   one call at a time, and only while the server waits with nothing queued for it, so that whatever
   it carries is what the queue would have carried next. Everything else goes through the kernel.

   Who does what: lane_side.c both processes' half of the protocol below; sandbox_lane.c channel calls
   in a process; lane.c the kernel's half; kernel/ipc/channel.h (kp_channel_lane_t) the hooks.

   One word, `state`:

     OFF      nobody listens; a call goes through the kernel
     LISTEN   the server waits, or will look here before it waits anywhere else
     REQUEST  the client's request lies here; the server has not seen it
     TAKEN    the server has the request and owes the reply numbered so
     REPLY    the reply lies here, and the server does not listen
     KERNEL   the server will answer through the kernel: the client must ask there
     BOUNCE   the server could not take the request: the client must send it through the kernel

   Moves, each one compare-and-swap from exactly the state named:

     kernel   OFF|REPLY|BOUNCE -> LISTEN   it has the server's receive, the queue is empty (arm);
                                           under the channel's lock, as is every send to the queue
              LISTEN -> OFF                a message is queued, an end moves or closes (disarm)
     client   LISTEN -> REQUEST            after the request's bytes
              REQUEST -> OFF               it gives up: the request was never seen
              TAKEN -> OFF                 it gives up: it waits for the reply in the kernel
              KERNEL -> OFF                it has heard
     server   REQUEST -> TAKEN             then copies the request
              TAKEN -> LISTEN|REPLY|KERNEL after the reply's bytes and number
              REPLY -> LISTEN              it receives, and the kernel still stands by it
              LISTEN -> OFF                it does something else than receive
              REQUEST -> BOUNCE            the same, or the request does not fit its room

   Bit SLEEPS: the side that waits for the next move sleeps in the futex; who moves on clears it and
   wakes. Bits KICK: a count that the kernel changes, and wakes, to have the sleeper look around.

   The kernel's word to a process lies in that process's own call page (kp_lane_control_t), which its
   peer cannot reach: `attention`: the receive that the kernel stands by must be made again;
   `withdrawn`: these lanes are dead. What must reach a sleeper is set there, then the lane is kicked,
   and kicked again after a while until the process has left the lane (`waiting`).

   Why nothing is lost or doubled (client C, server S, kernel K; each alone with the others honest):
   - A request is seen once: only S moves REQUEST -> TAKEN, and C repeats it by the kernel only after
     it moved REQUEST -> OFF itself or finds neither REQUEST, TAKEN, KERNEL nor its reply's number:
     S passes through TAKEN and then leaves the number or KERNEL, and KERNEL stays until C moved it.
   - A reply is seen once: C takes it by its number, which S writes before it moves TAKEN away. When C
     moves TAKEN -> OFF, S's move fails and S replies through the kernel, where C waits under the same
     number (or gave up, and the kernel says so).
   - Order with queued messages: K arms with the queue empty, and a send disarms before it returns. If
     the send finds REQUEST, the request is the older. S takes REQUEST before it obeys `attention`:
     right, because S saw `attention` clear after the LISTEN that the request answered (S's own
     REPLY|TAKEN -> LISTEN: it looks afterwards, and bounces what came between; the kernel sets
     `attention` before it looks for LISTEN; both sequentially consistent, so one sees the other).
   - No sleep is missed: the sleeper sets `waiting`, then reads the word and the control, then sleeps
     on the value read; every move and kick changes the value.
   - Death at any instruction: the ends close, the kernel withdraws the lane, the survivor is kicked
     and asks the kernel, which says ERR_PEER_CLOSED. A half-written request or reply is not seen,
     because the move comes last.

   The peer may write anything here at any time. So: the state is read once per decision and moved by
   compare-and-swap; sizes are read once, checked, then used; bytes are copied out once; no index,
   address or handle is taken from here; no loop goes on without `attention`, `withdrawn` and the
   deadline, which the peer cannot hide for longer than one kick. A peer that lies makes its own calls
   fail, repeats them or reorders them, as it could by making them so.

   A process has a lane mapped until its slot is used again, and then shares it with one other that it had a
   channel to: no more than a VMO sent over that channel. A lane is never used for another pair. Its pages
   are charged to the client, whose calls made it, until neither has it. */
#ifndef KP_HOSTED_LANE_H
#define KP_HOSTED_LANE_H

#include "abi/ipc.h"
#include "kernel/machine/hosted/page.h"

enum {
    KP_LANE_OFF = 0,
    KP_LANE_LISTEN = 1,
    KP_LANE_REQUEST = 2,
    KP_LANE_TAKEN = 3,
    KP_LANE_REPLY = 4,
    KP_LANE_KERNEL = 5,
    KP_LANE_BOUNCE = 6,
};
#define KP_LANE_STATE 0xfu
#define KP_LANE_KICK 0x10u
#define KP_LANE_KICKS 0x7ffffff0u
#define KP_LANE_SLEEPS 0x80000000u

typedef struct kp_lane_message {
    uint32_t
        number; /* of the call, chosen by the client: as transaction with KP_LANE_TRANSACTION */
    uint32_t byte_count;
    _Atomic uint32_t processor; /* where its writer ran: worth spinning for? */
    uint32_t unused;
    uint8_t bytes[KP_CHANNEL_BYTES_MAX];
} kp_lane_message_t;

/* Pages are committed when they are touched: two for small messages. */
typedef struct kp_lane {
    _Alignas(64) _Atomic uint32_t state; /* futex */
    _Alignas(64) kp_lane_message_t request;
    _Alignas(64) kp_lane_message_t reply;
} kp_lane_t;
#define KP_LANE_SIZE ((sizeof(kp_lane_t) + 4095) / 4096 * 4096)

/* KP_CHANNEL_LANE_TRANSACTION: transactions of lanes have this bit, the kernel's have not. */
#define KP_LANE_TRANSACTION 0x80000000u

static inline kp_transaction_t kp_lane_transaction(uint32_t number)
{
    return number | KP_LANE_TRANSACTION;
}

static inline bool kp_lane_move(_Atomic uint32_t *state, uint32_t *seen, uint32_t to)
{
    return atomic_compare_exchange_strong(state, seen, (*seen & KP_LANE_KICKS) | to);
}

/* The kernel's: has whoever sleeps there look around. */
static inline void kp_lane_kick(_Atomic uint32_t *state)
{
    uint32_t seen = atomic_load(state);
    while (!atomic_compare_exchange_weak(
        state, &seen, (seen & ~KP_LANE_KICKS) | ((seen + KP_LANE_KICK) & KP_LANE_KICKS)))
        ;
    kp_futex_wake(state, INT32_MAX);
}

#endif
