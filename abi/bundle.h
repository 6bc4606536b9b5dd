/* The boot archive: one file with every program image, font and style sheet. Made by
   tools/bundle, read by the kernel (which trusts it as it trusts itself, yet checks bounds).

   Layout: kp_bundle_header_t, entry_count kp_bundle_entry_t sorted by name (bytewise), then the
   data; every entry's data starts at a multiple of KP_PAGE_SIZE from the archive's start and is
   padded with zeroes to a page, so that pages can be mapped in place. */
#ifndef KP_ABI_BUNDLE_H
#define KP_ABI_BUNDLE_H

#include "abi/types.h"

#define KP_BUNDLE_MAGIC 0x31304c444e42504bull /* "KPBNDL01" */
#define KP_BUNDLE_NAME_MAX 112u

typedef struct kp_bundle_header {
    uint64_t magic;
    uint32_t entry_count;
    uint32_t reserved;
    uint64_t total_size; /* bytes of the whole archive */
} kp_bundle_header_t;

typedef struct kp_bundle_entry {
    char name[KP_BUNDLE_NAME_MAX]; /* NUL-padded: "programs/tab.kpi", "fonts/DejaVuSans.ttf" */
    uint64_t offset;
    uint64_t size;
} kp_bundle_entry_t;

KP_STATIC_ASSERT(sizeof(kp_bundle_header_t) == 24, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_bundle_entry_t) == 128, "ABI layout");

#endif
