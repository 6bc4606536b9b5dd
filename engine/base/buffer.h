/* A growing byte buffer (malloc). After a failed growth `failed` stays set and appends do nothing:
   check once at the end. Always usable from zero. */
#ifndef KP_ENGINE_BUFFER_H
#define KP_ENGINE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct kp_buffer {
    char *bytes;
    size_t size;
    size_t capacity;
    bool failed;
} kp_buffer_t;

/* Room for size more bytes at the end, uninitialised and counted in; NULL when memory is short. */
void *kp_buffer_extend(kp_buffer_t *buffer, size_t size);
void kp_buffer_append(kp_buffer_t *buffer, const void *bytes, size_t size);
void kp_buffer_text(kp_buffer_t *buffer, const char *text);
void kp_buffer_byte(kp_buffer_t *buffer, char byte);
void kp_buffer_format(kp_buffer_t *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* One character as UTF-8; surrogates and numbers beyond Unicode give U+FFFD. */
void kp_buffer_codepoint(kp_buffer_t *buffer, uint32_t codepoint);
void kp_buffer_clear(kp_buffer_t *buffer);

#endif
