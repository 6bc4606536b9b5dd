/* The boot archive: one file with every program image, font and style sheet. Made by
   tools/bundle, read by the kernel (which trusts it as it trusts itself, yet checks bounds).

   Layout: kp_bundle_header_t, entry_count kp_bundle_entry_t sorted by name (bytewise), then the
   data; every entry's data starts at a multiple of KP_PAGE_SIZE from the archive's start and is
   padded with zeroes to a page, so that pages can be mapped in place.

   A packed entry's data is, instead, one uint32_t for each page of the file, then the packed pages one
   after the other: number i says where page i ends, from the end of these numbers; page 0 begins there.
   A page that is as long packed as it is (KP_PAGE_SIZE, the last one what is left) is itself. Any other is
   a list of steps, each: a literal count (see below), so many bytes as they are, then, unless the page is
   complete, two bytes, little-endian: distance (low 12 bits, 1..4095 back in the page) and length - 3 of
   what is repeated from there; a length of 18 continues in one byte more, which is added. Literal counts
   are four bits, the first of two steps in the high half of a byte, that of the second in its low half,
   the byte stands where the first step begins. A count of 15 continues in bytes that are added, up to and
   with the first that is not 255; they follow at once. */
#ifndef KP_ABI_BUNDLE_H
#define KP_ABI_BUNDLE_H

#include "abi/types.h"

#define KP_BUNDLE_MAGIC 0x31304c444e42504bull /* "KPBNDL01" */
#define KP_BUNDLE_NAME_MAX 104u

typedef struct kp_bundle_header {
    uint64_t magic;
    uint32_t entry_count;
    uint32_t reserved;
    uint64_t total_size; /* bytes of the whole archive */
} kp_bundle_header_t;

typedef struct kp_bundle_entry {
    char name[KP_BUNDLE_NAME_MAX]; /* NUL-padded: "programs/tab.kpi", "fonts/DejaVuSans.ttf" */
    uint64_t packed_size;          /* bytes of its data when it is packed; 0: it is not */
    uint64_t offset;
    uint64_t size; /* bytes of the file */
} kp_bundle_entry_t;

KP_STATIC_ASSERT(sizeof(kp_bundle_header_t) == 24, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_bundle_entry_t) == 128, "ABI layout");

#endif
