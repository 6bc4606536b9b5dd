/* System calls: what each does. Programs include runtime/program/kp.h, which declares one function
   `kp_NAME` per call with these parameters. Numbers, handle types and rights: abi/calls.def.

   Common errors, not repeated below: ERR_BAD_HANDLE, ERR_WRONG_TYPE, ERR_ACCESS_DENIED (argument 0),
   ERR_BAD_ADDRESS (a buffer outside the caller's memory), ERR_INVALID_ARGUMENT, ERR_NO_MEMORY,
   ERR_QUOTA. A call that fails has had no effect, unless said. "mem" marks an offset into the
   caller's linear memory. Calls that create something return the new handle (> 0) or an error.

   handle_close(handle)
   handle_duplicate(handle, rights) -> handle    rights: a subset of the handle's, or KP_RIGHTS_SAME.
   handle_replace(handle, rights) -> handle      The old handle is gone on success, kept on error.
   object_info(handle, mem kp_object_info_t *)   type, rights, koid.
   object_signal(handle, clear, set)             Event: KP_SIGNAL_SIGNALED and user bits. Others: user bits.
   object_wait_one(handle, signals, deadline, mem kp_signals_t *observed)
       Waits until one of signals is set. ERR_TIMED_OUT at the deadline (observed is written then
       too). ERR_CANCELLED when the handle is closed meanwhile. observed may be 0 (not wanted).
   object_wait_many(mem kp_wait_item_t *items, count, deadline)
       Waits until an item has one of its signals; fills every observed. count <= KP_WAIT_MANY_MAX;
       0 items is a sleep. Each handle needs KP_RIGHT_WAIT.
   channel_create(mem kp_handle_t out[2])
   channel_write(channel, mem bytes, byte_count, mem kp_handle_t *handles, handle_count)
       Queues one message on the other end and moves the handles (each needs KP_RIGHT_TRANSFER).
       Never blocks: ERR_SHOULD_WAIT when the receiver's queue is full (signal WRITABLE tells),
       ERR_PEER_CLOSED. On any error all handles stay with the caller.
   channel_read(channel, mem bytes, byte_capacity, mem kp_handle_t *handles, handle_capacity,
                mem uint32_t actual[2])
       Takes the oldest message; actual = {bytes, handles}. ERR_SHOULD_WAIT when none,
       ERR_PEER_CLOSED when none and the peer is gone, ERR_BUFFER_TOO_SMALL (actual written, message
       kept).
   vmo_create(byte_size) -> handle               Zeroed, committed on demand; size rounded up to pages.
   vmo_size(vmo) -> bytes
   vmo_read(vmo, offset, mem bytes, count), vmo_write(vmo, offset, mem bytes, count)
       ERR_OUT_OF_RANGE unless offset + count <= size.
   vmo_map(vmo, offset, mem address, length, flags)
       Replaces the caller's pages [address, address + length) by the VMO's pages from offset. All
       three page-aligned; needs KP_RIGHT_MAP and KP_RIGHT_READ, with KP_VMO_MAP_WRITE also
       KP_RIGHT_WRITE. The range must lie in the caller's current linear memory. The mapping holds a
       reference to the VMO.
   vmo_unmap(mem address, length)                The range becomes private zero memory again.
   event_create() -> handle
   memory_grow(delta) -> old size                Both in 64 KiB pages; ERR_NO_MEMORY past the maximum.
   clock_get(clock, mem uint64_t *ns)
   random_get(mem bytes, count)                  Cryptographic. count <= 64 KiB.
   debug_log(mem bytes, count)                   One line to the kernel's log, prefixed with the process's
                                                 name; count <= 1024.
   startup_channel() -> handle                   Once per process; later calls: ERR_NOT_FOUND.
   process_exit(code), process_trap(trap, address)   Do not return.
   process_info(process, mem kp_process_info_t *)
   process_kill(process)
   service_register(service) -> channel          The caller becomes the server: each message on the
       channel carries one handle, the server's end of a new connection. ERR_ALREADY_EXISTS.
   service_connect(service) -> channel           Never blocks: when there is no server yet, requests
       queue in the channel until one registers (it reads them then).
   device_read(device, mem bytes, capacity) -> bytes read     One record (packet) or as many whole
       records as fit (input) or bytes (console). ERR_SHOULD_WAIT.
   device_write(device, mem bytes, count) -> bytes written    ERR_SHOULD_WAIT.
   device_control(device, op, mem in, in_count, mem out, out_capacity) -> bytes written to out
       abi/device.h says what each op takes; a handle within `in` (gpu SET_SCANOUT) stays the
       caller's: the kernel takes its own reference.
   tab_create(coordinator, mem kp_tab_created_t *out)
       A new tab process. out: channel (abi/tab.h) and process handle (inspect, wait, manage).
   boot_mark(mem name, count)                    Stamps a boot phase for the benchmark; count <= 32.
   ---- Calls and replies (abi/ipc.h) ----
   null()                                        Does nothing; what a call itself costs.
   channel_call(channel, mem kp_channel_call_t *call, deadline)
       Sends call->request and waits for the reply to it: the kernel makes the transaction id. Other
       messages that arrive meanwhile stay queued. ERR_TIMED_OUT: the reply, if it comes, is dropped.
       ERR_PEER_CLOSED. ERR_CANCELLED: the handle was closed or moved meanwhile. ERR_SHOULD_WAIT:
       the receiver's queue is full. ERR_BUFFER_TOO_SMALL: the reply did not fit and is lost, with its
       handles (its sizes are written): the caller knows its protocol's largest reply. So is a reply
       that the caller's memory or handle table cannot take. On any error before the request was
       queued the handles stay with the caller.
   channel_receive(channel, mem kp_channel_message_t *message, deadline)
       channel_read that waits; message->transaction is not 0 when the sender waits for a reply.
       KP_TIME_POLL: ERR_TIMED_OUT when there is none. On any error the message stays.
   channel_reply(channel, mem const kp_channel_message_t *message)
       Answers message->transaction. ERR_NOT_FOUND: nobody waits for it any more (the handles stay
       with the caller). Never blocks and is never refused for a full queue: the caller waits.
   channel_reply_receive(channel, mem const kp_channel_message_t *reply,
                         mem kp_channel_message_t *message, deadline)
       channel_reply, then channel_receive: what a server does all day. The reply's error is returned
       without receiving, but ERR_NOT_FOUND is not an error here (the handles are closed), so a
       server may begin with transaction 0. An error of the receiving: the reply was sent.
   ---- Handles ----
   handle_revoke(handle)
       Closes every handle that was derived from this one by duplicate (and from those, and so on)
       wherever they are now: in other processes, in queued messages. The handle itself stays. Waits
       by them end with ERR_REVOKED, later use says ERR_REVOKED until they are closed.
   ---- Memory ----
   vmo_clone(vmo, offset, length) -> handle      A copy-on-write copy of a page-aligned range; clones of
       clones are fine. Later writes on either side are not seen by the other.
   vmo_resize(vmo, byte_size)                    ERR_BAD_STATE when sealed or (to shrink) mapped.
   vmo_seal(vmo, seals)                          KP_VMO_SEAL_*: for ever. SEAL_WRITE: ERR_BAD_STATE while a
       writable mapping exists.
   vmo_decommit(vmo, offset, length)             The pages are zero again and cost nothing.
   ---- Waiting (abi/port.h) ----
   timer_create() -> handle; timer_set(timer, deadline, slack)   SIGNALED from the deadline on (at most
       slack ns late, so that timers can share a wake-up), until set again or cancelled.
   timer_cancel(timer)
   port_create() -> handle
   port_bind(port, handle, signals, key, flags)  From now on port_wait reports the object's signals under
       key (unique in the port: ERR_ALREADY_EXISTS). flags: KP_PORT_EDGE: once at each rise;
       KP_PORT_LEVEL: at each port_wait while set; KP_PORT_ONCE: unbinds itself after one report.
       Needs KP_RIGHT_WAIT on handle; closing that handle or revoking it unbinds (a packet with
       KP_PORT_CLOSED says so).
   port_unbind(port, key); port_post(port, mem const kp_port_packet_t *)   A packet of the user's own.
   port_wait(port, mem kp_port_packet_t *packets, capacity, deadline) -> count >= 1
   futex_wait(mem address, expected, size, owner, deadline)
       Sleeps if the 4- or 8-byte word equals expected: KP_OK when woken, ERR_BAD_STATE when it differs,
       ERR_TIMED_OUT. owner: a thread's handle, or 0; while the caller waits that thread runs in at
       least its band. Words are found by process and address.
   futex_wake(mem address, count, owner) -> woken
   futex_requeue(mem address, expected, wake_count, mem other, requeue_count, owner) -> woken
   ---- Processes and jobs (abi/job.h) ----
   process_create(job, mem const kp_process_create_t *) -> handle   Not running yet.
   process_start(process)
   process_suspend(process), process_resume(process)   A suspended process runs no instruction of its own;
       ERR_BAD_STATE. Waits go on in time but return after resume. Nested: each needs its resume.
   process_freeze()  The caller becomes a snapshot and never runs again itself; in each clone the call
       returns 0. It may hold no handle then (ERR_BAD_STATE); its mappings stay, and must be read-only.
   process_clone(process, mem const kp_process_create_t *) -> handle   A new process, not started, from
       a frozen one: its memory is shared copy-on-write. The `code` field is not used.
   job_create(job, mem const kp_job_limits_t *) -> handle   A child; its limits cannot exceed the parent's,
       and what it uses is charged to all above.
   job_set_policy(job, mem const kp_job_policy_t *), job_kill(job) (every process of the subtree),
   job_info(job, mem kp_job_info_t *)
   thread_create(entry, argument) -> handle      Another thread of the process, at its image's thread
       entry. ERR_NOT_SUPPORTED when the program was not built for it.
   thread_exit() */
#ifndef KP_ABI_CALLS_H
#define KP_ABI_CALLS_H

#include "abi/types.h"

enum {
#define KP_CALL(number, name, argc, type, rights) KP_CALL_##name = (number),
#include "abi/calls.def"
#undef KP_CALL
    KP_CALL_LIMIT = 128 /* numbers are below this */
};

typedef struct kp_object_info {
    uint64_t koid; /* unique for the life of the system */
    uint32_t type; /* KP_TYPE_* */
    kp_rights_t rights;
} kp_object_info_t;

typedef struct kp_tab_created {
    kp_handle_t channel;
    kp_handle_t process;
} kp_tab_created_t;

#endif
