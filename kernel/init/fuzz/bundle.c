/* Boot archives of any content. */
#include <stdlib.h>
#include <string.h>

#include "kernel/init/bundle.h"
#include "kernel/init/command_line.h"
#include "kernel/init/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* aligned as archives are, and ended for the command line */
    memcpy(copy, data, size);
    copy[size] = 0;
    kp_bundle_t bundle;
    if (kp_bundle_open(&bundle, copy, size) == KP_OK) {
        volatile uint8_t sum = 0;
        for (uint32_t i = 0; i < bundle.count; i++) {
            const kp_bundle_entry_t *entry = kp_bundle_find(&bundle, bundle.entries[i].name);
            if (entry != &bundle.entries[i])
                abort();
            for (uint64_t k = 0; k < entry->size && !entry->packed_size; k++)
                sum += kp_bundle_data(&bundle, entry)[k];
            uint8_t page[KP_PAGE_SIZE];
            for (uint64_t k = 0; k * KP_PAGE_SIZE < entry->size && entry->packed_size; k++)
                (void)kp_bundle_unpack(kp_bundle_data(&bundle, entry), entry->packed_size,
                                       entry->size, k, page);
        }
    }
    char value[16];
    (void)kp_command_line_get((const char *)copy, "url", value, sizeof(value));
    if (strlen(value) >= sizeof(value))
        abort();
    free(copy);
    return 0;
}
