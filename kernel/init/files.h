/* What the boot archive holds, as the kernel uses it: program images (parsed once, shared by all
   processes that run them) and files as read-only VMOs (made once, kept). */
#ifndef KP_KERNEL_FILES_H
#define KP_KERNEL_FILES_H

#include "kernel/init/bundle.h"
#include "kernel/init/startup.h"
#include "kernel/object/image.h"

/* Opens the archive; NULL bytes: an empty one. Once, before anything else here. */
kp_status_t kp_files_open(const void *bytes, uint64_t size);
/* Forgets everything (tests); no process may run. */
void kp_files_close(void);

/* The image programs/NAME.kpi. ERR_NOT_FOUND, ERR_BAD_FORMAT, ERR_NO_MEMORY; ERR_NOT_SUPPORTED: a packed
   one, on a machine that cannot run it from the heap (hosted). Any thread. */
kp_status_t kp_files_image(const char *name, const kp_image_t **out);
/* Is there such an image, whether it is good or not? Costs nothing, where _image may have to unpack it. */
bool kp_files_has_image(const char *name);
/* Grants every file whose name starts with prefix ("fonts/") as "file:NAME=SIZE". Any thread. */
void kp_files_grant(kp_startup_t *startup, const char *prefix);
/* Grants the program programs/NAME.kpi as a code object "code:NAME". */
void kp_files_grant_code(kp_startup_t *startup, const char *name);
/* The function at an offset of the image, by symbols/NAME.sym of the archive (lines "offset name", offsets
   in hexadecimal and ascending; runtime/image/symbols.sed); "" when that does not tell. Any thread. */
void kp_files_symbol(const kp_image_t *image, uint64_t offset, char *name, size_t size);
/* A reference to one file's VMO, and its size in bytes. ERR_NOT_FOUND. */
kp_status_t kp_files_vmo(const char *name, kp_vmo_t **vmo, uint64_t *size);

#endif
