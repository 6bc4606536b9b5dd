/* Packs files into a boot archive (abi/bundle.h). Host code. */
#ifndef KP_TOOLS_BUNDLE_PACK_H
#define KP_TOOLS_BUNDLE_PACK_H

#include <stddef.h>

#include "abi/bundle.h"

typedef struct kp_bundle_input {
    const char *name; /* in the archive; borrowed */
    const char *path; /* of the file to read; borrowed */
    int is_packed;    /* wanted so, page by page */
} kp_bundle_input_t;

/* Splits "name=path" at the first '='; false when the name is empty, too long for an entry, has a
   leading or doubled '/', or the path is empty. Modifies text, whose bytes the input borrows. */
int kp_bundle_input_parse(char *text, kp_bundle_input_t *input);

/* Writes the archive to out_path: sorted, atomically (a temporary file beside it, then a rename).
   Sorts inputs. On failure out_path is as it was and error holds one line. */
kp_status_t kp_bundle_pack(const char *out_path, kp_bundle_input_t *inputs, size_t count,
                           char *error, size_t error_size);

#endif
