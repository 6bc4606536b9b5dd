/* Reads the boot archive (abi/bundle.h). Borrows its bytes. */
#ifndef KP_KERNEL_BUNDLE_H
#define KP_KERNEL_BUNDLE_H

#include "abi/bundle.h"
#include "kernel/base/base.h"

typedef struct kp_bundle {
    const uint8_t *bytes;
    const kp_bundle_entry_t *entries; /* checked and sorted */
    uint32_t count;
} kp_bundle_t;

/* Checks the header and every entry. ERR_BAD_FORMAT. bytes must be aligned to 8. */
kp_status_t kp_bundle_open(kp_bundle_t *bundle, const void *bytes, uint64_t size);
/* The entry of that name, or NULL. */
const kp_bundle_entry_t *kp_bundle_find(const kp_bundle_t *bundle, const char *name);

static inline const uint8_t *kp_bundle_data(const kp_bundle_t *bundle,
                                            const kp_bundle_entry_t *entry)
{
    return bundle->bytes + entry->offset;
}

#endif
