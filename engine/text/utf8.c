#include "engine/text/internal.h"

uint32_t kp_text_utf8_next(const char *bytes, size_t size, size_t *position)
{
    static const uint32_t smallest[4] = {0, 0x80, 0x800, 0x10000};
    const uint8_t *at = (const uint8_t *)bytes + *position;
    size_t left = size - *position;
    uint32_t first = at[0];
    size_t extra = first < 0x80   ? 0
                   : first < 0xc2 ? 4
                   : first < 0xe0 ? 1
                   : first < 0xf0 ? 2
                   : first < 0xf5 ? 3
                                  : 4;
    (*position)++;
    if (extra == 0)
        return first;
    if (extra == 4)
        return 0xfffd;
    uint32_t value = first & (0x3fu >> extra);
    for (size_t i = 1; i <= extra; i++) {
        if (i >= left || (at[i] & 0xc0) != 0x80)
            return 0xfffd;
        value = value << 6 | (at[i] & 0x3fu);
    }
    if (value < smallest[extra] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return 0xfffd;
    *position += extra;
    return value;
}
