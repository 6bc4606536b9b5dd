/* An entry of a code cache, as a file: what it is called and what stands in it. The same on Linux (cache.h) and on KPIO
   (services/compiler/disk.h); nothing here opens files.

   A page: kp_code_header_t, then zeroes; then the code. Whoever writes an entry makes the file under
   another name and renames it. Whoever reads one believes nothing of it before the tag is right: that needs the
   cache's secret, so the entry is what somebody who had the secret wrote for this key, whole and unchanged.

   A cache's folder: NAME.code for each entry, "secret", and while they are written "new.*" and "secret.*". */
#ifndef KP_RUNTIME_CACHE_ENTRY_H
#define KP_RUNTIME_CACHE_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/cache/hash.h"

enum {
    KP_CODE_ENTRY_AT = 4096, /* of the code in the file */
    KP_CODE_NAME_SIZE = 2 * KP_SHA256_SIZE + 6,
    KP_CODE_SECRET_SIZE = 32,
    KP_CODE_NONCE_SIZE = 16,
    KP_CODE_LEFT_OVER_SECONDS = 3600, /* unchanged for so long: who wrote it has died */
};

/* All that code depends on. */
typedef struct kp_code_key {
    uint8_t module[KP_SHA256_SIZE];
    uint32_t compiler_version;
    uint32_t compile_flags;
    uint32_t features; /* that were allowed when the module was validated */
    uint64_t processor_features;
} kp_code_key_t;

typedef struct kp_code_header {
    char magic[8];
    uint8_t identity[KP_SHA256_SIZE]; /* of the key */
    uint64_t size;                    /* of the code */
    uint8_t nonce[KP_CODE_NONCE_SIZE];
    uint8_t tag
        [KP_POLY1305_SIZE]; /* of the code, under a key made from secret, nonce, identity and size */
} kp_code_header_t;
_Static_assert(sizeof(kp_code_header_t) == 80, "file layout");

void kp_code_identity(const kp_code_key_t *key, uint8_t identity[KP_SHA256_SIZE]);
void kp_code_name(const uint8_t identity[KP_SHA256_SIZE], char name[KP_CODE_NAME_SIZE]);
/* A name in a cache's folder, of that length. */
bool kp_code_name_is_entry(const char *name, size_t length);
/* Of what is being written, or was when its writer died. */
bool kp_code_name_is_temporary(const char *name, size_t length);

/* The header of an entry to be written; the tag is made later. nonce: random. */
kp_code_header_t kp_code_header_of(const uint8_t identity[KP_SHA256_SIZE], uint64_t size,
                                   const uint8_t nonce[KP_CODE_NONCE_SIZE]);
/* The first page of a file of that size: is it a whole entry of this identity? What is in *header is not believed
   before kp_code_tag_fits, but for its size, which is the file's. */
bool kp_code_header_read(const void *bytes, size_t count, uint64_t file_size,
                         const uint8_t identity[KP_SHA256_SIZE], kp_code_header_t *header);

/* Then kp_poly1305_add of the code, header->size bytes in all. */
void kp_code_tag_begin(kp_poly1305_t *sum, const uint8_t secret[KP_CODE_SECRET_SIZE],
                       const kp_code_header_t *header);
/* Ends the sum. */
bool kp_code_tag_fits(kp_poly1305_t *sum, const kp_code_header_t *header);

#endif
