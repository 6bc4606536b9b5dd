/* Between the files of machine/hosted that know the core's objects (child.h: those that know
 * Linux). */
#ifndef KP_HOSTED_INTERNAL_H
#define KP_HOSTED_INTERNAL_H

#include "kernel/drivers/device.h"
#include "kernel/machine/hosted/hosted.h"

/* main.c: which file holds these bytes, and where: the boot archive's, when they lie in it.
 * Borrowed. */
bool kp_hosted_file_of(const void *bytes, uint64_t size, int *fd, uint64_t *offset);

/* vmo.c: the file to map in a process and where the VMO begins in it; without the right to write
   unless is_writable. Borrowed; -1: it cannot be mapped so. */
int kp_hosted_vmo_file(kp_machine_vmo_t *vmo, bool is_writable, uint64_t *offset);

/* vmo.c: the same of a VMO that can never change, to be executed; -1: it can. */
int kp_hosted_vmo_code_file(kp_machine_vmo_t *vmo, uint64_t *offset);

/* vmo.c: copies those pages of [offset, offset + length) of a memory file that have data to the start of
   another. False: no memory. write_all: pwrite of all. */
bool kp_hosted_copy_data(int from, uint64_t offset, uint64_t length, int to);
bool kp_hosted_write_all(int file, uint64_t offset, const uint8_t *bytes, uint64_t count);

/* space.c: linear memory of this size and the kernel's view of it. */
kp_status_t kp_hosted_space_make_memory(kp_machine_space_t *space, uint64_t size);
/* space.c: notes a mapping that a clone has from the start. */
kp_status_t kp_hosted_space_inherit(kp_machine_space_t *space, const kp_mapping_t *mapping);

/* clone.c: do processes that start now lend the kernel a file of their memory? */
bool kp_hosted_may_lend(void);
/* clone.c: by that file, what the window does not show. The process must have been started.
   ERR_PROCESS_DEAD; ERR_NO_MEMORY; write: ERR_BAD_ADDRESS, something there cannot be written. */
kp_status_t kp_hosted_lent_read(kp_machine_space_t *space, void *to, uint32_t address,
                                size_t count);
kp_status_t kp_hosted_lent_write(kp_machine_space_t *space, uint32_t address, const void *from,
                                 size_t count);
/* clone.c: does the range lie, in part, in what a clone shares with its snapshot, or did? */
bool kp_hosted_is_shared(const kp_machine_space_t *space, uint64_t address, size_t count);

/* base.c: a memory file that can be sealed and never be executed; -1: none left. */
int kp_hosted_memfd(const char *name);
/* base.c: errno is EMFILE or ENFILE: says so in the log, once. */
void kp_hosted_files_short(void);

/* thread.c: the calling host thread is this thread of the core from now on. */
void kp_hosted_thread_attach(kp_thread_t *thread);

/* symbols.c: "function+0x12" for an offset in the image, from the symbol table that hosted images
   keep; or the number. */
void kp_hosted_symbol(const kp_image_t *image, uint64_t offset, char *text, size_t size);

/* base.c */
void kp_hosted_base_start(int log_level);
/* Where kp_machine_trace_write writes; borrowed. NULL: nowhere. */
void kp_hosted_base_trace(const char *path);

/* Devices; each registers itself before the kernel starts. ERR_NOT_SUPPORTED: the host lacks what
   it needs (one line on stderr said what). */
kp_status_t kp_hosted_console_start(bool with_input);
kp_status_t kp_hosted_rng_start(void);
kp_status_t kp_hosted_screen_start(uint32_t width, uint32_t height);
kp_status_t kp_hosted_window_start(uint32_t width, uint32_t height);
kp_status_t kp_hosted_slirp_start(void);
/* The service `net` over the host's sockets: a kernel thread, after the kernel started. */
kp_status_t kp_hosted_net_service_start(void);

/* screen.c, for the window: called on a flush, with the lock of the screen held; rows of width * 4.
 */
typedef void (*kp_hosted_show_fn)(const uint8_t *pixels, uint32_t stride, uint32_t x, uint32_t y,
                                  uint32_t width, uint32_t height);
void kp_hosted_screen_set_show(kp_hosted_show_fn show);

#endif
