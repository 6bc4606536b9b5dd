#include "engine/base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *kp_buffer_extend(kp_buffer_t *buffer, size_t size)
{
    if (buffer->failed || size > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4) {
        buffer->failed = true;
        return NULL;
    }
    if (!buffer->bytes || size > buffer->capacity - buffer->size) {
        size_t capacity = buffer->capacity ? buffer->capacity * 2 : 256;
        if (capacity < buffer->size + size)
            capacity = buffer->size + size;
        char *bytes = realloc(buffer->bytes, capacity);
        if (!bytes) {
            buffer->failed = true;
            return NULL;
        }
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    void *at = buffer->bytes + buffer->size;
    buffer->size += size;
    return at;
}

void kp_buffer_append(kp_buffer_t *buffer, const void *bytes, size_t size)
{
    void *at = kp_buffer_extend(buffer, size);
    if (at && size)
        memcpy(at, bytes, size);
}

void kp_buffer_text(kp_buffer_t *buffer, const char *text)
{
    kp_buffer_append(buffer, text, strlen(text));
}

void kp_buffer_byte(kp_buffer_t *buffer, char byte)
{
    kp_buffer_append(buffer, &byte, 1);
}

void kp_buffer_format(kp_buffer_t *buffer, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= sizeof text) {
        buffer->failed = true;
        return;
    }
    kp_buffer_append(buffer, text, (size_t)size);
}

void kp_buffer_codepoint(kp_buffer_t *buffer, uint32_t c)
{
    char out[4];
    size_t size;
    if (c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        c = 0xfffd;
    if (c < 0x80) {
        out[0] = (char)c;
        size = 1;
    } else if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        size = 2;
    } else if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        size = 3;
    } else {
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 0x3f));
        out[2] = (char)(0x80 | (c >> 6 & 0x3f));
        out[3] = (char)(0x80 | (c & 0x3f));
        size = 4;
    }
    kp_buffer_append(buffer, out, size);
}

void kp_buffer_clear(kp_buffer_t *buffer)
{
    free(buffer->bytes);
    *buffer = (kp_buffer_t){0};
}
