#include "tools/kpio/deflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    HASH_BITS = 15,
    WINDOW = 32768,
    MATCH_MIN = 4, /* shorter ones rarely pay and cost a hash of their own */
    MATCH_MAX = 258,
    TOKENS_MAX = 32768, /* per block */
    LITERALS = 286,
    DISTANCES = 30,
    CODE_LENGTHS = 19,
    END_OF_BLOCK = 256,
    STORED_MAX = 65535,
};

typedef struct writer {
    uint8_t *bytes;
    size_t used, capacity;
    uint64_t bits;
    uint32_t bit_count;
    bool failed;
} writer_t;

/* A literal: the byte. A match: TOKEN_MATCH | length << 16 | (distance - 1). */
#define TOKEN_MATCH 0x80000000u

typedef struct state {
    uint32_t heads[1 << HASH_BITS]; /* position + 1 of the last place with this hash */
    uint32_t tokens[TOKENS_MAX];
    uint32_t token_count;
    uint32_t literal_counts[LITERALS], distance_counts[DISTANCES];
    uint8_t length_symbols[MATCH_MAX + 1]; /* minus 257 */
    uint8_t distance_symbols[512];         /* distance - 1 below 256, then by 128 steps */
} state_t;

static const uint16_t length_bases[29] = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                          15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                          67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t length_extras[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                          2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
static const uint16_t distance_bases[DISTANCES] = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
    193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
static const uint8_t distance_extras[DISTANCES] = {0, 0, 0,  0,  1,  1,  2,  2,  3,  3,
                                                   4, 4, 5,  5,  6,  6,  7,  7,  8,  8,
                                                   9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

/* ---- output ---- */

static bool reserve(writer_t *out, size_t more)
{
    if (out->failed)
        return false;
    if (out->capacity - out->used >= more)
        return true;
    size_t capacity = out->capacity * 2 + more;
    uint8_t *bytes = realloc(out->bytes, capacity);
    out->failed = bytes == NULL;
    if (!bytes)
        return false;
    out->bytes = bytes;
    out->capacity = capacity;
    return true;
}

/* The caller has reserved the room. count <= 32. */
static inline void put_bits(writer_t *out, uint32_t value, uint32_t count)
{
    out->bits |= (uint64_t)value << out->bit_count;
    out->bit_count += count;
    if (out->bit_count >= 32) {
        uint32_t word = (uint32_t)out->bits;
        memcpy(out->bytes + out->used, &word, 4); /* little-endian hosts only, as all of KPIO */
        out->used += 4;
        out->bits >>= 32;
        out->bit_count -= 32;
    }
}

static void align_byte(writer_t *out)
{
    if (!reserve(out, 8))
        return;
    while (out->bit_count > 0) {
        out->bytes[out->used++] = (uint8_t)out->bits;
        out->bits >>= 8;
        out->bit_count = out->bit_count > 8 ? out->bit_count - 8 : 0;
    }
}

/* ---- Huffman codes ---- */

typedef struct code {
    uint16_t bits[LITERALS]; /* as they are written, low bit first */
    uint8_t lengths[LITERALS];
} code_t;

typedef struct leaf {
    uint32_t count;
    uint16_t symbol;
} leaf_t;

static int compare_leaves(const void *a, const void *b)
{
    const leaf_t *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? -1 : 1;
    return x->symbol < y->symbol ? -1 : 1;
}

/* How many codes of each length an optimal tree for the sorted leaves has, cut to `limit`. */
static void tree_shape(const leaf_t *leaves, uint32_t count, uint32_t limit, uint32_t *per_length)
{
    uint32_t weights[LITERALS], parents[2 * LITERALS] = {0}, depths[2 * LITERALS];
    uint32_t leaf = 0, node = 0, nodes = 0;
    /* Two queues: leaves and inner nodes both come in ascending order. Inner node i has number
       count + i. */
    while (nodes + 1 < count) {
        uint32_t sum = 0;
        for (int child = 0; child < 2; child++) {
            if (leaf < count && (node >= nodes || leaves[leaf].count <= weights[node])) {
                sum += leaves[leaf].count;
                parents[leaf++] = count + nodes;
            } else {
                sum += weights[node];
                parents[count + node++] = count + nodes;
            }
        }
        weights[nodes++] = sum;
    }
    depths[count + nodes - 1] = 0;
    for (uint32_t i = count + nodes - 1; i-- > 0;)
        depths[i] = depths[parents[i]] + 1;
    memset(per_length, 0, (limit + 1) * sizeof *per_length);
    for (uint32_t i = 0; i < count; i++)
        per_length[depths[i] < limit ? depths[i] : limit]++;
    /* Cutting broke the Kraft sum: lengthen shorter codes until it holds again. */
    uint32_t total = 0;
    for (uint32_t length = 1; length <= limit; length++)
        total += per_length[length] << (limit - length);
    while (total > 1u << limit) {
        uint32_t length = limit - 1;
        while (per_length[length] == 0)
            length--;
        per_length[length]--;
        per_length[length + 1] += 2;
        per_length[limit]--;
        total--;
    }
}

static void code_build(code_t *code, const uint32_t *counts, uint32_t symbols, uint32_t limit)
{
    leaf_t leaves[LITERALS];
    uint32_t used = 0, per_length[16] = {0}, next[16] = {0};
    memset(code, 0, sizeof *code);
    for (uint32_t i = 0; i < symbols; i++) {
        if (counts[i])
            leaves[used++] = (leaf_t){counts[i], (uint16_t)i};
    }
    /* A decoder wants a complete code: at least two symbols of one bit. */
    for (uint32_t i = 0; used < 2; i++) {
        if (!counts[i])
            leaves[used++] = (leaf_t){0, (uint16_t)i};
    }
    qsort(leaves, used, sizeof leaves[0], compare_leaves);
    tree_shape(leaves, used, limit, per_length);
    uint32_t at = used;
    for (uint32_t length = 1; length <= limit; length++) {
        for (uint32_t i = 0; i < per_length[length]; i++)
            code->lengths[leaves[--at].symbol] = (uint8_t)length;
    }
    for (uint32_t length = 1, value = 0; length <= limit; length++) {
        next[length] = value;
        value = (value + per_length[length]) << 1;
    }
    for (uint32_t i = 0; i < symbols; i++) {
        uint32_t length = code->lengths[i], value = length ? next[length]++ : 0, reversed = 0;
        for (uint32_t bit = 0; bit < length; bit++)
            reversed |= (value >> bit & 1) << (length - 1 - bit);
        code->bits[i] = (uint16_t)reversed;
    }
}

/* ---- one block ---- */

static inline uint32_t distance_symbol(const state_t *state, uint32_t less_one)
{
    return state->distance_symbols[less_one < 256 ? less_one : 256 + (less_one >> 7)];
}

/* The run-length form of all code lengths, RFC 1951 3.2.7: symbols with their extra bits. */
static uint32_t lengths_encode(const uint8_t *lengths, uint32_t count, uint8_t *symbols,
                               uint8_t *extras, uint32_t *counts)
{
    uint32_t used = 0;
    for (uint32_t i = 0; i < count;) {
        uint32_t run = 1;
        while (i + run < count && lengths[i + run] == lengths[i])
            run++;
        if (lengths[i] == 0 && run >= 3) {
            run = run < 138 ? run : 138;
            symbols[used] = run < 11 ? 17 : 18;
            extras[used] = (uint8_t)(run - (run < 11 ? 3 : 11));
        } else if (i > 0 && lengths[i] == lengths[i - 1] && run >= 3) {
            run = run < 6 ? run : 6;
            symbols[used] = 16;
            extras[used] = (uint8_t)(run - 3);
        } else {
            run = 1;
            symbols[used] = lengths[i];
            extras[used] = 0;
        }
        counts[symbols[used++]]++;
        i += run;
    }
    return used;
}

static void header_write(writer_t *out, const code_t *literals, const code_t *distances)
{
    static const uint8_t order[CODE_LENGTHS] = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                11, 4,  12, 3, 13, 2, 14, 1, 15};
    uint8_t lengths[LITERALS + DISTANCES], symbols[LITERALS + DISTANCES];
    uint8_t extras[LITERALS + DISTANCES];
    uint32_t counts[CODE_LENGTHS] = {0}, literal_count = LITERALS, distance_count = DISTANCES;
    while (literal_count > 257 && literals->lengths[literal_count - 1] == 0)
        literal_count--;
    while (distance_count > 1 && distances->lengths[distance_count - 1] == 0)
        distance_count--;
    memcpy(lengths, literals->lengths, literal_count);
    memcpy(lengths + literal_count, distances->lengths, distance_count);
    uint32_t used =
        lengths_encode(lengths, literal_count + distance_count, symbols, extras, counts);
    code_t code;
    code_build(&code, counts, CODE_LENGTHS, 7);
    uint32_t written = CODE_LENGTHS;
    while (written > 4 && code.lengths[order[written - 1]] == 0)
        written--;
    put_bits(out, literal_count - 257, 5);
    put_bits(out, distance_count - 1, 5);
    put_bits(out, written - 4, 4);
    for (uint32_t i = 0; i < written; i++)
        put_bits(out, code.lengths[order[i]], 3);
    for (uint32_t i = 0; i < used; i++) {
        put_bits(out, code.bits[symbols[i]], code.lengths[symbols[i]]);
        if (symbols[i] >= 16)
            put_bits(out, extras[i], symbols[i] == 16 ? 2 : symbols[i] == 17 ? 3 : 7);
    }
}

static void tokens_write(const state_t *state, writer_t *out, const code_t *literals,
                         const code_t *distances)
{
    for (uint32_t i = 0; i < state->token_count; i++) {
        uint32_t token = state->tokens[i];
        if (!(token & TOKEN_MATCH)) {
            put_bits(out, literals->bits[token], literals->lengths[token]);
            continue;
        }
        uint32_t length = token >> 16 & 0x1ff, less_one = token & 0xffff;
        uint32_t symbol = state->length_symbols[length];
        put_bits(out, literals->bits[257 + symbol], literals->lengths[257 + symbol]);
        put_bits(out, length - length_bases[symbol], length_extras[symbol]);
        symbol = distance_symbol(state, less_one);
        put_bits(out, distances->bits[symbol], distances->lengths[symbol]);
        put_bits(out, less_one + 1 - distance_bases[symbol], distance_extras[symbol]);
    }
    put_bits(out, literals->bits[END_OF_BLOCK], literals->lengths[END_OF_BLOCK]);
}

static void stored_write(writer_t *out, const uint8_t *bytes, size_t size, bool last)
{
    do {
        size_t part = size < STORED_MAX ? size : STORED_MAX;
        if (!reserve(out, part + 16))
            return;
        put_bits(out, last && part == size, 1);
        put_bits(out, 0, 2);
        align_byte(out);
        uint8_t head[4] = {(uint8_t)part, (uint8_t)(part >> 8), (uint8_t)~part,
                           (uint8_t)(~part >> 8)};
        memcpy(out->bytes + out->used, head, 4);
        memcpy(out->bytes + out->used + 4, bytes, part);
        out->used += part + 4;
        bytes += part;
        size -= part;
    } while (size > 0);
}

/* bytes, size: what the tokens stand for, in case storing is shorter. */
static void block_write(state_t *state, writer_t *out, const uint8_t *bytes, size_t size, bool last)
{
    code_t literals, distances;
    state->literal_counts[END_OF_BLOCK] = 1;
    code_build(&literals, state->literal_counts, LITERALS, 15);
    code_build(&distances, state->distance_counts, DISTANCES, 15);
    uint64_t cost = 300ull * 8; /* bound of the header */
    for (uint32_t i = 0; i < LITERALS; i++)
        cost += (uint64_t)state->literal_counts[i] *
                (literals.lengths[i] + (i > 256 ? length_extras[i - 257] : 0u));
    for (uint32_t i = 0; i < DISTANCES; i++)
        cost += (uint64_t)state->distance_counts[i] * (distances.lengths[i] + distance_extras[i]);
    if (cost / 8 > size + size / STORED_MAX * 5 + 310) {
        stored_write(out, bytes, size, last);
    } else if (reserve(out, cost / 8 + 64)) {
        put_bits(out, last, 1);
        put_bits(out, 2, 2);
        header_write(out, &literals, &distances);
        tokens_write(state, out, &literals, &distances);
    }
    state->token_count = 0;
    memset(state->literal_counts, 0, sizeof state->literal_counts);
    memset(state->distance_counts, 0, sizeof state->distance_counts);
}

/* ---- matching ---- */

static inline uint32_t hash4(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, 4);
    return word * 2654435761u >> (32 - HASH_BITS);
}

static inline uint32_t match_length(const uint8_t *a, const uint8_t *b, size_t limit)
{
    size_t length = 0;
    while (length + 8 <= limit) {
        uint64_t x, y;
        memcpy(&x, a + length, 8);
        memcpy(&y, b + length, 8);
        if (x != y)
            return (uint32_t)(length + (size_t)__builtin_ctzll(x ^ y) / 8);
        length += 8;
    }
    while (length < limit && a[length] == b[length])
        length++;
    return (uint32_t)length;
}

static void compress(state_t *state, writer_t *out, const uint8_t *bytes, size_t size)
{
    size_t at = 0, block = 0, misses = 0;
    while (at < size) {
        if (state->token_count == TOKENS_MAX) {
            block_write(state, out, bytes + block, at - block, false);
            block = at;
        }
        uint32_t length = 0;
        size_t from = 0;
        if (size - at >= MATCH_MIN + 4) {
            uint32_t *head = &state->heads[hash4(bytes + at)];
            from = *head; /* of the place after */
            *head = (uint32_t)at + 1;
            if (from && at + 1 - from <= WINDOW) {
                size_t limit = size - at < MATCH_MAX ? size - at : MATCH_MAX;
                length = match_length(bytes + from - 1, bytes + at, limit);
            }
        }
        if (length >= MATCH_MIN) {
            uint32_t less_one = (uint32_t)(at - from);
            state->tokens[state->token_count++] = TOKEN_MATCH | length << 16 | less_one;
            state->literal_counts[257 + state->length_symbols[length]]++;
            state->distance_counts[distance_symbol(state, less_one)]++;
            /* One more entry near the end of the match helps the next row; all would be slow. */
            if (size - at >= length + 4)
                state->heads[hash4(bytes + at + length - 1)] = (uint32_t)(at + length);
            at += length;
            misses = 0;
            continue;
        }
        /* In data that does not match, look ever more rarely. */
        size_t run = 1 + (misses++ >> 6);
        for (size_t i = 0; i < run && at < size && state->token_count < TOKENS_MAX; i++, at++) {
            state->tokens[state->token_count++] = bytes[at];
            state->literal_counts[bytes[at]]++;
        }
    }
    block_write(state, out, bytes + block, size - block, true);
}

static uint32_t adler32(const uint8_t *bytes, size_t size)
{
    uint32_t a = 1, b = 0;
    while (size > 0) {
        size_t part = size < 5552 ? size : 5552; /* the most that cannot overflow 32 bits */
        size -= part;
        for (; part >= 16; part -= 16, bytes += 16) {
            uint32_t sum = 0, weighted = 0;
            for (uint32_t i = 0; i < 16; i++) {
                sum += bytes[i];
                weighted += bytes[i] * (16 - i);
            }
            b += a * 16 + weighted;
            a += sum;
        }
        for (; part > 0; part--) {
            a += *bytes++;
            b += a;
        }
        a %= 65521;
        b %= 65521;
    }
    return b << 16 | a;
}

uint8_t *kp_deflate_zlib(const uint8_t *bytes, size_t size, size_t *out_size)
{
    writer_t out = {.capacity = size / 8 + 4096};
    state_t *state = size < 1u << 31 ? calloc(1, sizeof *state) : NULL;
    out.bytes = state ? malloc(out.capacity) : NULL;
    if (!out.bytes) {
        free(state);
        return NULL;
    }
    for (uint32_t symbol = 0, length = 3; length <= MATCH_MAX; length++) {
        while (symbol < 28 && length_bases[symbol + 1] <= length)
            symbol++;
        state->length_symbols[length] = (uint8_t)symbol;
    }
    for (uint32_t symbol = 0, less_one = 0; less_one < WINDOW; less_one++) {
        while (symbol + 1 < DISTANCES && distance_bases[symbol + 1] <= less_one + 1)
            symbol++;
        state->distance_symbols[less_one < 256 ? less_one : 256 + (less_one >> 7)] =
            (uint8_t)symbol;
    }
    out.bytes[0] = 0x78; /* deflate, 32 KiB window */
    out.bytes[1] = 0x01;
    out.used = 2;
    compress(state, &out, bytes, size);
    align_byte(&out);
    free(state);
    if (!reserve(&out, 4)) {
        free(out.bytes);
        return NULL;
    }
    uint32_t check = adler32(bytes, size);
    for (int shift = 24; shift >= 0; shift -= 8)
        out.bytes[out.used++] = (uint8_t)(check >> shift);
    *out_size = out.used;
    return out.bytes;
}
