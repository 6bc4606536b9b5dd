#include "kernel/init/unpack.h"

enum { COUNT_MORE = 15, LENGTH_MIN = 3, LENGTH_MORE = LENGTH_MIN + 15 };

typedef struct input {
    const uint8_t *at, *end;
} input_t;

/* A count of literals whose first four bits were read; what runs past the end is refused by its user. */
static size_t count_read(input_t *in, unsigned first)
{
    size_t count = first;
    uint8_t more = first == COUNT_MORE ? 255 : 0;
    while (more == 255 && in->at < in->end) {
        more = *in->at++;
        count += more;
    }
    return count;
}

/* Copies what may overlap what it writes, as repetitions do. */
static void repeat(uint8_t *to, size_t distance, size_t length)
{
    const uint8_t *from = to - distance;
    for (size_t i = 0; i < length; i++)
        to[i] = from[i];
}

static bool page_unpack(input_t in, uint8_t *page, size_t size)
{
    size_t done = 0;
    uint8_t counts = 0;
    for (bool is_second = false;; is_second = !is_second) {
        if (!is_second) {
            if (in.at == in.end)
                return false;
            counts = *in.at++;
        }
        size_t count = count_read(&in, is_second ? counts & 15 : counts >> 4);
        if (count > size - done || count > (size_t)(in.end - in.at))
            return false;
        memcpy(page + done, in.at, count);
        in.at += count;
        done += count;
        if (done == size)
            return in.at == in.end;
        if (in.end - in.at < 2)
            return false;
        unsigned word = in.at[0] | (unsigned)in.at[1] << 8;
        in.at += 2;
        size_t distance = word & 0xfff, length = LENGTH_MIN + (word >> 12);
        if (length == LENGTH_MORE) {
            if (in.at == in.end)
                return false;
            length += *in.at++;
        }
        if (distance == 0 || distance > done || length > size - done)
            return false;
        repeat(page + done, distance, length);
        done += length;
        if (done == size)
            return in.at == in.end;
    }
}

/* Where page `index` ends, from the end of the table. */
static uint32_t page_end(const uint8_t *packed, uint64_t index)
{
    uint32_t end;
    memcpy(&end, packed + index * sizeof(end), sizeof(end));
    return end;
}

bool kp_bundle_unpack(const uint8_t *packed, uint64_t packed_size, uint64_t size, uint64_t index,
                      uint8_t *page)
{
    uint64_t pages = size / KP_PAGE_SIZE + (size % KP_PAGE_SIZE != 0);
    if (index < pages && pages <= packed_size / sizeof(uint32_t)) {
        uint64_t room = packed_size - pages * sizeof(uint32_t);
        uint64_t start = index ? page_end(packed, index - 1) : 0, end = page_end(packed, index);
        size_t length = (size_t)KP_MIN(size - index * KP_PAGE_SIZE, (uint64_t)KP_PAGE_SIZE);
        if (start <= end && end <= room) {
            const uint8_t *bytes = packed + pages * sizeof(uint32_t);
            bool good = true;
            if (end - start == length)
                memcpy(page, bytes + start, length);
            else
                good = page_unpack((input_t){bytes + start, bytes + end}, page, length);
            if (good) {
                memset(page + length, 0, KP_PAGE_SIZE - length);
                return true;
            }
        }
    }
    memset(page, 0, KP_PAGE_SIZE);
    return false;
}
