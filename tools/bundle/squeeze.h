/* Packs files page by page (abi/bundle.h has the format; kernel/init/unpack.c reads it). */
#ifndef KP_TOOLS_BUNDLE_SQUEEZE_H
#define KP_TOOLS_BUNDLE_SQUEEZE_H

#include <stddef.h>
#include <stdint.h>

#include "abi/bundle.h"

/* A page of count <= KP_PAGE_SIZE bytes as short as this can: how many bytes went to `out`, count at most;
   count itself: they are the page's own. */
size_t kp_bundle_squeeze_page(const uint8_t *page, size_t count, uint8_t out[KP_PAGE_SIZE]);

/* All of a file: the data of its entry, allocated; *out_size says how long. NULL: no memory. */
uint8_t *kp_bundle_squeeze(const uint8_t *bytes, size_t size, size_t *out_size);

#endif
