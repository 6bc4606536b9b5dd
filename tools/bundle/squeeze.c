/* The cheapest list of steps for each page: from its end to its beginning, what the rest costs from each
   byte on, by the cheapest of one literal more or one match of any possible length. Costs are half bytes:
   a literal 2, a match 5 (a literal count and two bytes) or 7. That long runs of literals cost another
   byte now and then is left out. */
#include "tools/bundle/squeeze.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    MATCH_MIN = 3,
    MATCH_LONG = 18, /* from here on with another byte */
    MATCH_MAX = MATCH_LONG + 255,
    HASHES = 4096,
    NONE = -1,
};

typedef struct step {
    unsigned cost;                   /* of everything from here */
    unsigned short length, distance; /* of the match that begins here; length 0: a literal */
} step_t;

static unsigned hash(const uint8_t *at)
{
    unsigned word = at[0] | (unsigned)at[1] << 8 | (unsigned)at[2] << 16;
    return word * 2654435761u >> 20;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end)
{
    size_t length = 0;
    while (b + length < end && length < MATCH_MAX && a[length] == b[length])
        length++;
    return length;
}

/* The longest match at each byte, the nearest of those. */
static void matches_find(const uint8_t *page, size_t count, step_t *steps)
{
    short last[HASHES], before[KP_PAGE_SIZE];
    for (size_t i = 0; i < HASHES; i++)
        last[i] = NONE;
    for (size_t i = 0; i < count; i++) {
        steps[i].length = 0;
        if (count - i < MATCH_MIN)
            continue;
        unsigned bucket = hash(page + i);
        for (int from = last[bucket]; from != NONE; from = before[from]) {
            size_t best = steps[i].length;
            if (best > 0 && page[(size_t)from + best] != page[i + best])
                continue;
            size_t length = match_length(page + from, page + i, page + count);
            if (length < MATCH_MIN || length <= best)
                continue;
            steps[i].length = (unsigned short)length;
            steps[i].distance = (unsigned short)(i - (size_t)from);
            if (length == MATCH_MAX || length == count - i)
                break; /* none is longer */
        }
        before[i] = last[bucket];
        last[bucket] = (short)i;
    }
}

static void steps_choose(step_t *steps, size_t count)
{
    steps[count].cost = 0;
    for (size_t i = count; i-- > 0;) {
        size_t longest = steps[i].length, best = 0;
        unsigned cost = 2 + steps[i + 1].cost;
        for (size_t length = MATCH_MIN; length <= longest; length++) {
            unsigned other = (length < MATCH_LONG ? 5 : 7) + steps[i + length].cost;
            if (other <= cost) {
                cost = other;
                best = length;
            }
        }
        steps[i].cost = cost;
        steps[i].length = (unsigned short)best;
    }
}

typedef struct output {
    uint8_t *bytes;
    size_t count, room;
    size_t counts; /* place of the byte with two literal counts */
    bool is_second, is_full;
} output_t;

static void put(output_t *out, unsigned byte)
{
    if (out->count == out->room)
        out->is_full = true;
    else
        out->bytes[out->count++] = (uint8_t)byte;
}

static void put_literals(output_t *out, const uint8_t *bytes, size_t count)
{
    unsigned first = count < 15 ? (unsigned)count : 15;
    if (out->is_second) {
        out->bytes[out->counts] |= (uint8_t)first;
    } else {
        out->counts = out->count;
        put(out, first << 4);
    }
    out->is_second = !out->is_second;
    if (first == 15) {
        size_t more = count - 15;
        for (; more >= 255; more -= 255)
            put(out, 255);
        put(out, (unsigned)more);
    }
    for (size_t i = 0; i < count; i++)
        put(out, bytes[i]);
}

static void put_match(output_t *out, size_t length, size_t distance)
{
    size_t code = (length < MATCH_LONG ? length : MATCH_LONG) - MATCH_MIN;
    put(out, (unsigned)distance & 255);
    put(out, (unsigned)(distance >> 8 | code << 4));
    if (length >= MATCH_LONG)
        put(out, (unsigned)(length - MATCH_LONG));
}

size_t kp_bundle_squeeze_page(const uint8_t *page, size_t count, uint8_t out_bytes[KP_PAGE_SIZE])
{
    static _Thread_local step_t steps[KP_PAGE_SIZE + 1];
    matches_find(page, count, steps);
    steps_choose(steps, count);
    /* One byte less than the page, or it is no gain. */
    output_t out = {.bytes = out_bytes, .room = count ? count - 1 : 0};
    size_t literals = 0;
    for (size_t at = 0; at < count && !out.is_full;) {
        size_t length = steps[at].length;
        if (length == 0) {
            literals++;
            at++;
            continue;
        }
        put_literals(&out, page + at - literals, literals);
        put_match(&out, length, steps[at].distance);
        literals = 0;
        at += length;
    }
    if (literals > 0 && !out.is_full)
        put_literals(&out, page + count - literals, literals);
    if (!out.is_full && count > 0)
        return out.count;
    memcpy(out_bytes, page, count);
    return count;
}

uint8_t *kp_bundle_squeeze(const uint8_t *bytes, size_t size, size_t *out_size)
{
    size_t pages = (size + KP_PAGE_SIZE - 1) / KP_PAGE_SIZE, table = pages * sizeof(uint32_t);
    uint8_t *out = malloc(table + pages * KP_PAGE_SIZE + 1);
    if (!out)
        return NULL;
    uint32_t end = 0;
    for (size_t i = 0; i < pages; i++) {
        size_t count = size - i * KP_PAGE_SIZE;
        if (count > KP_PAGE_SIZE)
            count = KP_PAGE_SIZE;
        end += (uint32_t)kp_bundle_squeeze_page(bytes + i * KP_PAGE_SIZE, count, out + table + end);
        memcpy(out + i * sizeof(end), &end, sizeof(end));
    }
    *out_size = table + end;
    return out;
}
