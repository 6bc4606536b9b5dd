/* The narrow layer under the kernel core. Two machines implement it: machine/x86_64 and
   machine/hosted. The core never includes anything else of a machine but machine/<m>/state.h through
   this header (sizes of embedded state; found by -Ikernel/machine/<m>).

   Lock order: object locks are leaves; nothing that may block (park, kalloc is fine) is called
   with a spin lock held. */
#ifndef KP_KERNEL_MACHINE_H
#define KP_KERNEL_MACHINE_H

#include "abi/job.h"
#include "kernel/base/base.h"
#include "kernel/sched/cap.h"
#include "state.h" /* kp_spinlock_t, kp_machine_thread_t, kp_machine_space_t, kp_machine_vmo_t */

/* ---- Locks: x86_64 disables interrupts while held; hosted uses an adaptive futex lock. ---- */
void kp_spin_init(kp_spinlock_t *lock);
void kp_spin_lock(kp_spinlock_t *lock);
void kp_spin_unlock(kp_spinlock_t *lock);

/* ---- Processors ---- Numbered from 0; hosted counts the host's. Any context; a thread that may move
   gets an answer that may be old. */
uint32_t kp_machine_cpu_count(void);
uint32_t kp_machine_cpu_current(void);

/* ---- Time and entropy ---- */
kp_time_t kp_machine_now(void);     /* ns since boot (hosted: since the kernel process started) */
uint64_t kp_machine_realtime(void); /* ns since 1970 */
kp_status_t kp_machine_random(void *bytes, size_t count);

/* ---- Threads ----
   A thread of the kernel core: the kernel half of a process's thread, or a kernel worker. Each has
   one wake token: unpark sets it (from any context, also interrupts), park consumes it. */
typedef struct kp_thread kp_thread_t;   /* kernel/object/thread.h; embeds kp_machine_thread_t */
typedef struct kp_process kp_process_t; /* kernel/object/process.h; embeds kp_machine_space_t */
typedef struct kp_vmo kp_vmo_t;         /* kernel/object/vmo.h; embeds kp_machine_vmo_t */
typedef struct kp_job kp_job_t;         /* kernel/object/job.h */

kp_thread_t *kp_machine_thread_current(void);
/* Returns when the token was set (and clears it) or at the deadline; false: the deadline passed.
   May also return early (true) when the thread is being killed: callers loop over conditions and
   check kp_thread_is_dying(). */
bool kp_machine_thread_park(kp_time_t deadline);
void kp_machine_thread_unpark(kp_thread_t *thread);
/* Unparks `to` and parks the caller until deadline, as one step: on one processor `to` runs at once in
   the caller's place, on the caller's time and in at least its band (donation), until it parks. The
   result is park's. No locks held. */
bool kp_machine_thread_handoff(kp_thread_t *to, kp_time_t deadline);
/* How the thread competes for processors from now on (abi/job.h says what the fields mean). Also before
   it starts. Any context that may take a lock; hosted leaves it to the host. */
void kp_machine_thread_set_policy(kp_thread_t *thread, const kp_job_policy_t *policy);
/* As unpark, by who is about to park until it is answered: lends its band as a hand-off does. */
void kp_machine_thread_unpark_lent(kp_thread_t *thread);
/* The band (KP_BAND_*) that a thread lent the calling one when it handed the CPU over to it, to be answered; 0: none. And
   whether that stays with it while it parks, because it parks only to go on with the answer. */
uint32_t kp_machine_thread_lent(void);
void kp_machine_thread_lent_keep(bool keep);
/* Charges the thread's time to a cap from now on (NULL: none), which outlives the thread's last run.
   Hosted: only remembers it. */
void kp_machine_thread_set_cap(kp_thread_t *thread, kp_sched_cap_t *cap);
/* Starts fn(argument) as a kernel thread; when fn returns the thread ends and the machine calls
   kp_thread_ended(thread) (core). */
kp_status_t kp_machine_thread_start(kp_thread_t *thread, void (*fn)(void *), void *argument);
/* Starts the process's first user thread at the image's entry. System calls of that thread
   arrive in kp_syscall_dispatch (below) on the same kp_thread_t. */
kp_status_t kp_machine_thread_start_user(kp_thread_t *thread, kp_process_t *process);
/* Starts a further user thread at the image's entry with these two words (runtime/image/image.h), on a
   stack of its own: the machine has one for each thread->slot, which no two living threads of a process
   share, and gives its memory back before it calls kp_thread_ended, or with the space. Slot 0 is the first
   thread's alone. kill, suspend and resume of this thread may come before and during this; a killed one
   then ends before its first instruction, and a suspended one waits there. ERR_NO_MEMORY: nothing
   of it has run, and kp_thread_ended is not called. */
kp_status_t kp_machine_thread_start_further(kp_thread_t *thread, kp_process_t *process,
                                            uint64_t entry, uint64_t argument);
/* Makes the thread leave as soon as it can: out of user mode at the next opportunity, out of park
   at once. The machine calls kp_thread_ended(thread) when it has gone. */
void kp_machine_thread_kill(kp_thread_t *thread);

/* Processor time that the thread has used, ns; a run that goes on is counted. */
uint64_t kp_machine_thread_cpu_time(kp_thread_t *thread);
/* From the return on the thread executes no instruction of its program until it is resumed; a call that
   it is in goes on, parked or not, and stops before it returns. Suspending the current thread takes
   effect when its call returns. One level: a second suspend changes nothing. kill ends it also while
   it is suspended. No locks held; may wait for another processor, not for the thread. */
void kp_machine_thread_suspend(kp_thread_t *thread);
void kp_machine_thread_resume(kp_thread_t *thread);

/* ---- Address spaces: image + stack + linear memory of a process ---- */
typedef struct kp_image kp_image_t; /* kernel/object/image.h: parsed program image */

/* Builds the space; its program does not run before kp_machine_thread_start_user: image mapped (text shared, data private), stack with guard, linear memory of
   initial_pages (64 KiB each), zeroed on demand, reservation for 2^32 bytes plus guard. */
kp_status_t kp_machine_space_create(kp_machine_space_t *space, const kp_image_t *image,
                                    uint32_t initial_pages, uint32_t maximum_pages);
/* Only after the process's threads have ended. */
void kp_machine_space_destroy(kp_machine_space_t *space);
/* grow, map and unmap change a space one at a time, while other threads of the process run in it and copies
   go on. old_pages and new_pages in 64 KiB; the core has checked maximum and quota. grow: ERR_NO_MEMORY
   besides when the machine has less memory left that it has not promised so before; for what is mapped or
   unmapped later it keeps none. */
kp_status_t kp_machine_space_grow(kp_machine_space_t *space, uint32_t old_pages,
                                  uint32_t new_pages);
/* [address, address + length) is inside linear memory, page-aligned, checked by the core. */
kp_status_t kp_machine_space_map(kp_machine_space_t *space, uint32_t address, kp_vmo_t *vmo,
                                 uint64_t offset, uint32_t length, bool writable);
kp_status_t kp_machine_space_unmap(kp_machine_space_t *space, uint32_t address, uint32_t length);
/* Maps the whole of a VMO that nobody can write any more (the core has sealed it) to be read and executed,
   outside linear memory, at an address that the machine chooses: *address, as the program's code sees it.
   The core holds the VMO until the unmapping; unmap: no thread runs there, or what it does is its own
   harm. ERR_NO_MEMORY. */
kp_status_t kp_machine_space_map_code(kp_machine_space_t *space, kp_vmo_t *vmo, uint64_t length,
                                      uint64_t *address);
kp_status_t kp_machine_space_unmap_code(kp_machine_space_t *space, uint64_t address,
                                        uint64_t length);
/* Guest memories (kernel/object/guest.h): address space outside linear memory in KP_GUESTS_MAX slots, each of
   KP_GUEST_RESERVE_MAX bytes with nothing behind them. Of one space one call at a time, while other threads
   of the process run in it.
   create: a reservation in an empty slot, of which nothing can be touched; *address as the program's code
   sees it. ERR_NO_MEMORY.
   grow: [old_size, size) becomes zeroed memory on demand; multiples of 64 KiB. ERR_NO_MEMORY as of
   kp_machine_space_grow.
   destroy: pages and reservation go. It may fail (ERR_NO_MEMORY) and then nothing has happened.
   handler: where a thread goes on that touched a reservation beyond its size with its instruction in code
   that kp_machine_space_map_code mapped (how: abi/calls.def, guest_handler); 0: nowhere. ERR_BAD_ADDRESS:
   not in an executable segment of the image. */
kp_status_t kp_machine_space_guest_create(kp_machine_space_t *space, uint32_t slot,
                                          uint64_t reserve, uint64_t *address);
kp_status_t kp_machine_space_guest_grow(kp_machine_space_t *space, uint32_t slot, uint64_t old_size,
                                        uint64_t size);
kp_status_t kp_machine_space_guest_destroy(kp_machine_space_t *space, uint32_t slot);
kp_status_t kp_machine_space_guest_handler(kp_machine_space_t *space, uint64_t entry);
/* Copies between kernel memory and linear memory; the core has checked the range against the
   memory's size. ERR_NO_MEMORY when a page cannot be committed, ERR_BAD_ADDRESS when the range has a
   read-only mapping (copy_out). Never faults the kernel. */
kp_status_t kp_machine_space_copy_in(kp_machine_space_t *space, void *to, uint32_t address,
                                     size_t count);
kp_status_t kp_machine_space_copy_out(kp_machine_space_t *space, uint32_t address, const void *from,
                                      size_t count);
/* From the memory of the running thread's process to that of another, with one copy. Both ranges are
   checked. KP_ERR_NOT_SUPPORTED: not at once, copy by way of the kernel (some bytes may have been
   written). Other errors are copy_out's. Also under locks, for at most KP_CHANNEL_BYTES_MAX. */
kp_status_t kp_machine_space_copy_across(kp_machine_space_t *from, uint32_t from_address,
                                         kp_machine_space_t *to, uint32_t address, size_t count);
/* Committed bytes that only this space holds, and resident shared bytes. */
void kp_machine_space_usage(kp_machine_space_t *space, uint64_t *private_bytes,
                            uint64_t *shared_bytes);
/* Page faults that brought memory so far; stays after the space was destroyed. */
uint64_t kp_machine_space_faults(const kp_machine_space_t *space);

/* ---- Snapshots: a process at one point of its life, from which others continue ----
   kp_machine_snapshot_t is in state.h; the core keeps it while spaces are made from it and live. */
/* On the process's first thread, which is its only one, in its call process_freeze: everything of the program goes to the snapshot,
   and the space is good for kp_machine_space_destroy only, after the thread has gone (the core kills it
   before the call returns). ERR_NO_MEMORY, ERR_QUOTA (hosted: too many mappings): it is as before. */
kp_status_t kp_machine_space_freeze(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot);
void kp_machine_snapshot_destroy(kp_machine_snapshot_t *snapshot);
/* A space like that of the snapshot, with the mappings that it had, of VMOs that never change (the list
   is kernel/object/mapping.h's; the core has the references). Its thread, started by
   kp_machine_thread_start_user, returns 0 from process_freeze. */
typedef struct kp_mapping kp_mapping_t;
kp_status_t kp_machine_space_clone(kp_machine_space_t *space, kp_machine_snapshot_t *snapshot,
                                   const kp_image_t *image, const kp_mapping_t *mappings);
void kp_machine_snapshot_usage(kp_machine_snapshot_t *snapshot, uint64_t *private_bytes,
                               uint64_t *shared_bytes);

/* ---- VMO backing ---- Sizes and offsets are page-aligned unless said. Several threads may call these
   for one VMO at once; they then see some order, and a range that a resize took away meanwhile is
   ERR_OUT_OF_RANGE. */
/* Pages are zero and committed on demand. */
kp_status_t kp_machine_vmo_init(kp_machine_vmo_t *vmo, uint64_t size);
/* A read-only VMO over memory that stays (a page-aligned file of the boot archive); size is
   rounded up to pages by the caller. */
kp_status_t kp_machine_vmo_init_static(kp_machine_vmo_t *vmo, const void *bytes, uint64_t size);
/* A read-only VMO whose pages are what fill writes, always the same, when they are first looked at. Called
   under locks; context stays. A machine may fill all of it at once. */
typedef void (*kp_vmo_fill_fn)(const void *context, uint64_t offset, void *page);
kp_status_t kp_machine_vmo_init_filled(kp_machine_vmo_t *vmo, uint64_t size, kp_vmo_fill_fn fill,
                                       const void *context);
/* All pages at once, physically contiguous (hosted: as far as that means anything), pinned. */
kp_status_t kp_machine_vmo_init_contiguous(kp_machine_vmo_t *vmo, uint64_t size);
void kp_machine_vmo_destroy(kp_machine_vmo_t *vmo);
/* Any offset and count. */
kp_status_t kp_machine_vmo_read(kp_machine_vmo_t *vmo, uint64_t offset, void *to, size_t count);
kp_status_t kp_machine_vmo_write(kp_machine_vmo_t *vmo, uint64_t offset, const void *from,
                                 size_t count);
/* Makes `clone` (uninitialised) a copy of [offset, offset + length): x86_64 shares pages until one side
   writes, hosted those of sealed VMOs, and copies others that have data. ERR_BAD_STATE: pinned. */
kp_status_t kp_machine_vmo_clone(kp_machine_vmo_t *source, uint64_t offset, uint64_t length,
                                 kp_machine_vmo_t *clone);
/* The pages are zero and cost nothing again. ERR_BAD_STATE: pinned. */
kp_status_t kp_machine_vmo_decommit(kp_machine_vmo_t *vmo, uint64_t offset, uint64_t length);
/* size > 0. The core calls it one at a time, and to shrink only when nothing maps the VMO.
   ERR_BAD_STATE: pinned. */
kp_status_t kp_machine_vmo_resize(kp_machine_vmo_t *vmo, uint64_t size);
/* Nobody writes into the VMO any more; the core has seen that nobody does now. From now on its pages stay
   what and where they are. ERR_BAD_STATE: pinned, or the machine knows better. */
kp_status_t kp_machine_vmo_seal_write(kp_machine_vmo_t *vmo);
/* Commits and lends the kernel address of the page at offset and pins the VMO: it stays valid until
   the VMO is destroyed. Drivers use it (x86_64: with kp_x86_physical()). NULL: no memory. */
void *kp_machine_vmo_page(kp_machine_vmo_t *vmo, uint64_t offset);
/* Committed bytes: shared with clones or not; and how much of either. A static VMO has none, a filled one
   those that were looked at. */
uint64_t kp_machine_vmo_committed(const kp_machine_vmo_t *vmo);
void kp_machine_vmo_usage(kp_machine_vmo_t *vmo, uint64_t *private_bytes, uint64_t *shared_bytes);

/* ---- The core's functions that machines call ---- */
/* A system call of the current thread. number and arguments as the program passed them. Never called
   with locks held. When the call ended the process it does not return on x86_64; hosted checks
   kp_thread_is_dying() after it. */
int64_t kp_syscall_dispatch(uint32_t number, const uint64_t arguments[6]);
/* The current thread, one of the process's, faulted: ends its process with the reason. address: linear-memory offset if inside
   the reservation, else the raw address. */
void kp_process_fault(kp_process_t *process, uint32_t exit_reason, int32_t code, uint64_t address);
void kp_thread_ended(kp_thread_t *thread);
bool kp_thread_is_dying(const kp_thread_t *thread);
/* Called once by the machine on its first kernel thread, when memory, time and threads work and all
   devices have been registered (kernel/drivers/device.h). arguments: the kernel command line
   ("url=http://10.0.2.2/ dump=text"). Returns when the system should shut down (hosted) or never. */
typedef struct kp_boot {
    const void *bundle; /* the boot archive, page-aligned, stays mapped; NULL: none */
    uint64_t bundle_size;
    const char *command_line;
} kp_boot_t;
void kp_kernel_main(const kp_boot_t *boot);

/* Takes a part of a recording of kernel events (abi/trace.h), for kp_trace_finish: x86_64 writes it to
   the second serial port, hosted to the file that it was given. ERR_NOT_SUPPORTED: there is none. */
kp_status_t kp_machine_trace_write(void *context, const void *bytes, size_t count);

/* Ends the machine: power off (x86_64: QEMU exit code through isa-debug-exit when present, else
   ACPI/port), hosted: exit the kernel process. */
_Noreturn void kp_machine_shutdown(int code);

#endif
