/* Unpacks files of the boot archive page by page (abi/bundle.h has the format). Reads nothing outside the
   packed bytes, writes nothing outside the page, whatever the bytes are. Any context. */
#ifndef KP_KERNEL_UNPACK_H
#define KP_KERNEL_UNPACK_H

#include "abi/bundle.h"
#include "kernel/base/base.h"

/* Writes page `index` of a file of `size` bytes, KP_PAGE_SIZE with zeroes after the file's end. False:
   the archive is damaged; then all of the page is zero. */
bool kp_bundle_unpack(const uint8_t *packed, uint64_t packed_size, uint64_t size, uint64_t index,
                      uint8_t *page);

#endif
