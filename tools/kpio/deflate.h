/* A zlib stream (RFC 1950, 1951) written from memory: LZ77 with one hash probe and per-block
   dynamic Huffman codes. Made for pixels of pages: fast first, then small. Host code. */
#ifndef KP_TOOLS_KPIO_DEFLATE_H
#define KP_TOOLS_KPIO_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

/* Compresses size bytes (< 2^31). Returns malloc'ed memory, which the caller frees, and its length;
   NULL: no memory, or too large. */
uint8_t *kp_deflate_zlib(const uint8_t *bytes, size_t size, size_t *out_size);

#endif
