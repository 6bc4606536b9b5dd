/* Modules for the tests: `count` functions () -> () that call each other in all directions, with loops, tail calls,
   br_tables and handlers, about 300 bytes each; the first is exported as "run" and as "_start". */
#ifndef KP_RUNTIME_COMPILER_PROCESS_TEST_GENERATE_H
#define KP_RUNTIME_COMPILER_PROCESS_TEST_GENERATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct kp_bytes {
    uint8_t *at;
    size_t size, capacity;
} kp_bytes_t;

static inline void kp_put(kp_bytes_t *bytes, const void *from, size_t size)
{
    if (bytes->size + size > bytes->capacity) {
        bytes->capacity = (bytes->size + size) * 2;
        bytes->at = realloc(bytes->at, bytes->capacity);
        if (!bytes->at)
            abort();
    }
    if (size)
        memcpy(bytes->at + bytes->size, from, size);
    bytes->size += size;
}

static inline void kp_put_byte(kp_bytes_t *bytes, unsigned byte)
{
    uint8_t one = (uint8_t)byte;
    kp_put(bytes, &one, 1);
}

static inline void kp_put_number(kp_bytes_t *bytes, uint32_t number)
{
    for (; number >= 0x80; number >>= 7)
        kp_put_byte(bytes, number | 0x80);
    kp_put_byte(bytes, number);
}

static inline void kp_put_section(kp_bytes_t *module, unsigned id, kp_bytes_t *content)
{
    kp_put_byte(module, id);
    kp_put_number(module, (uint32_t)content->size);
    kp_put(module, content->at, content->size);
    free(content->at);
    *content = (kp_bytes_t){0};
}

/* Each function goes on only while global 0, the budget of calls, lasts; global 1 counts them. */
static inline void kp_generate_body(kp_bytes_t *body, uint32_t index, uint32_t count)
{
    static const uint8_t head[] = {
        1,    2,    0x7f,                                              /* two locals i32 */
        0x23, 0,    0x45, 0x04, 0x40, 0x0f, 0x0b,                      /* global 0 is 0: return */
        0x23, 0,    0x41, 1,    0x6b, 0x24, 0,                         /* global 0 -= 1 */
        0x23, 1,    0x41, 1,    0x6a, 0x24, 1,                         /* global 1 += 1 */
        0x03, 0x40, 0x20, 0,    0x41, 1,    0x6a, 0x22, 0,    0x41, 5, /* loop: local 0 += 1, */
        0x49, 0x0d, 0,    0x0b,                                        /* while below 5 */
        0x02, 0x40, 0x02, 0x40, 0x02, 0x40, 0x20, 0,    0x0e, 2,    0, 1, 2, 0x0b, 0x0b, 0x0b,
    };
    kp_put(body, head, sizeof head);
    for (uint32_t i = 0; i < 20; i++) {
        static const uint8_t step[] = {0x20, 0, 0x41, 3, 0x6c, 0x20, 1, 0x6a, 0x21, 1};
        kp_put(body, step, sizeof step);
        if (i % 7 == 3) {
            kp_put_byte(body, 0x10);
            kp_put_number(body, (index * 31 + i * 17) % count);
        }
    }
    if (index % 5 == 1) { /* block (try_table (catch_all 0) call) */
        static const uint8_t attempt[] = {0x02, 0x40, 0x1f, 0x40, 1, 2, 0, 0x10};
        kp_put(body, attempt, sizeof attempt);
        kp_put_number(body, (index + count - 1) % count);
        kp_put_byte(body, 0x0b);
        kp_put_byte(body, 0x0b);
    }
    if (index % 3 == 1) { /* return_call */
        kp_put_byte(body, 0x12);
        kp_put_number(body, (index + 1) % count);
    }
    kp_put_byte(body, 0x0b);
}

/* The sections up to the functions': `count` of type () -> (). */
static inline void kp_generate_begin(kp_bytes_t *module, kp_bytes_t *part, uint32_t count)
{
    kp_put(module, "\0asm\1\0\0\0", 8);
    kp_put(part, "\1\x60\0\0", 4);
    kp_put_section(module, 1, part);
    kp_put_number(part, count);
    for (uint32_t i = 0; i < count; i++)
        kp_put_byte(part, 0);
    kp_put_section(module, 3, part);
}

static inline kp_bytes_t kp_generate(uint32_t count)
{
    kp_bytes_t module = {0}, part = {0}, body = {0};
    kp_generate_begin(&module, &part, count);
    kp_put(&part, "\1\0\1", 3);
    kp_put_section(&module, 5, &part);
    kp_put(&part, "\2\x7f\1\x41\xe8\7\x0b\x7f\1\x41\0\x0b", 12); /* 1000 calls */
    kp_put_section(&module, 6, &part);
    kp_put(&part, "\3\3run\0\0\6_start\0\0\5count\3\1", 24);
    kp_put_section(&module, 7, &part);
    kp_put_number(&part, count);
    for (uint32_t i = 0; i < count; i++) {
        kp_generate_body(&body, i, count);
        kp_put_number(&part, (uint32_t)body.size);
        kp_put(&part, body.at, body.size);
        body.size = 0;
    }
    free(body.at);
    kp_put_section(&module, 10, &part);
    return module;
}

#endif
