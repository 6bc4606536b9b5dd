#include "runtime/wasm/internal.h"

const char *kp_wasm_leb_read(const uint8_t **at, const uint8_t *end, unsigned bits, bool is_signed,
                             uint64_t *value)
{
    const uint8_t *p = *at;
    uint64_t result = 0;
    unsigned shift = 0;
    for (;;) {
        if (p >= end)
            return "unexpected end";
        uint8_t byte = *p++;
        result |= (uint64_t)(byte & 0x7f) << shift;
        if (shift + 7 >= bits) {
            /* The last byte that may be. Its bits beyond the number's repeat the sign (or are 0). */
            unsigned used = bits - shift;
            if (byte & 0x80)
                return "integer representation too long";
            uint8_t rest = (uint8_t)((byte & 0x7f) >> (is_signed ? used - 1 : used));
            uint8_t ones = (uint8_t)(0x7f >> (is_signed ? used - 1 : used));
            if (rest != 0 && !(is_signed && rest == ones))
                return "integer too large";
            if (is_signed && rest != 0 && bits < 64)
                result |= ~(uint64_t)0 << bits;
            break;
        }
        shift += 7;
        if (!(byte & 0x80)) {
            if (is_signed && (byte & 0x40))
                result |= ~(uint64_t)0 << shift;
            break;
        }
    }
    *at = p;
    *value = result;
    return NULL;
}

/* Unicode 16, table 3-7: well-formed byte sequences. */
bool kp_wasm_utf8_valid(const uint8_t *bytes, size_t size)
{
    size_t i = 0;
    while (i < size) {
        /* Nearly all names are ASCII. */
        const uint64_t high_bits = 0x8080808080808080;
        while (size - i >= 32 &&
               !((kp_wasm_load_u64(bytes + i) | kp_wasm_load_u64(bytes + i + 8) |
                  kp_wasm_load_u64(bytes + i + 16) | kp_wasm_load_u64(bytes + i + 24)) &
                 high_bits))
            i += 32;
        if (size - i >= 8 && !(kp_wasm_load_u64(bytes + i) & high_bits)) {
            i += 8;
            continue;
        }
        if (i == size)
            break;
        uint8_t first = bytes[i++];
        if (first < 0x80)
            continue;
        unsigned more;
        uint8_t low = 0x80, high = 0xbf;
        if (first >= 0xc2 && first <= 0xdf) {
            more = 1;
        } else if (first >= 0xe0 && first <= 0xef) {
            more = 2;
            if (first == 0xe0)
                low = 0xa0;
            else if (first == 0xed)
                high = 0x9f;
        } else if (first >= 0xf0 && first <= 0xf4) {
            more = 3;
            if (first == 0xf0)
                low = 0x90;
            else if (first == 0xf4)
                high = 0x8f;
        } else {
            return false;
        }
        for (; more > 0; more--) {
            if (i >= size || bytes[i] < low || bytes[i] > high)
                return false;
            i++;
            low = 0x80;
            high = 0xbf;
        }
    }
    return true;
}
