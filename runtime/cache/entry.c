#include "runtime/cache/entry.h"

#include <string.h>

#define MAGIC "KPCODE02"
#define SUFFIX ".code"

void kp_code_identity(const kp_code_key_t *key, uint8_t identity[KP_SHA256_SIZE])
{
    kp_sha256_t hash;
    kp_sha256_begin(&hash);
    kp_sha256_add(&hash, MAGIC, sizeof(MAGIC));
    kp_sha256_add(&hash, key->module, sizeof(key->module));
    kp_sha256_add(&hash, &key->compiler_version, sizeof(key->compiler_version));
    kp_sha256_add(&hash, &key->compile_flags, sizeof(key->compile_flags));
    kp_sha256_add(&hash, &key->features, sizeof(key->features));
    kp_sha256_add(&hash, &key->processor_features, sizeof(key->processor_features));
    kp_sha256_end(&hash, identity);
}

void kp_code_name(const uint8_t identity[KP_SHA256_SIZE], char name[KP_CODE_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < KP_SHA256_SIZE; i++) {
        name[2 * i] = digits[identity[i] >> 4];
        name[2 * i + 1] = digits[identity[i] & 15];
    }
    memcpy(name + (size_t)2 * KP_SHA256_SIZE, SUFFIX, sizeof(SUFFIX));
}

bool kp_code_name_is_entry(const char *name, size_t length)
{
    if (length != KP_CODE_NAME_SIZE - 1)
        return false;
    for (size_t i = 0; i < (size_t)2 * KP_SHA256_SIZE; i++) {
        char c = name[i];
        if ((c < '0' || c > '9') && (c < 'a' || c > 'f'))
            return false;
    }
    return memcmp(name + (size_t)2 * KP_SHA256_SIZE, SUFFIX, sizeof(SUFFIX) - 1) == 0;
}

bool kp_code_name_is_temporary(const char *name, size_t length)
{
    return (length > 4 && memcmp(name, "new.", 4) == 0) ||
           (length > 7 && memcmp(name, "secret.", 7) == 0);
}

kp_code_header_t kp_code_header_of(const uint8_t identity[KP_SHA256_SIZE], uint64_t size,
                                   const uint8_t nonce[KP_CODE_NONCE_SIZE])
{
    kp_code_header_t header = {.size = size};
    memcpy(header.magic, MAGIC, sizeof(header.magic));
    memcpy(header.identity, identity, sizeof(header.identity));
    memcpy(header.nonce, nonce, sizeof(header.nonce));
    return header;
}

bool kp_code_header_read(const void *bytes, size_t count, uint64_t file_size,
                         const uint8_t identity[KP_SHA256_SIZE], kp_code_header_t *header)
{
    const uint8_t *page = bytes;
    if (count < KP_CODE_ENTRY_AT || file_size <= KP_CODE_ENTRY_AT)
        return false;
    memcpy(header, page, sizeof(*header));
    for (size_t i = sizeof(*header); i < KP_CODE_ENTRY_AT; i++)
        if (page[i] != 0)
            return false;
    return memcmp(header->magic, MAGIC, sizeof(header->magic)) == 0 &&
           memcmp(header->identity, identity, KP_SHA256_SIZE) == 0 &&
           header->size == file_size - KP_CODE_ENTRY_AT;
}

void kp_code_tag_begin(kp_poly1305_t *sum, const uint8_t secret[KP_CODE_SECRET_SIZE],
                       const kp_code_header_t *header)
{
    uint8_t what[sizeof(header->nonce) + sizeof(header->identity) + sizeof(header->size)], key[32];
    memcpy(what, header->nonce, sizeof(header->nonce));
    memcpy(what + 16, header->identity, sizeof(header->identity));
    memcpy(what + 48, &header->size, sizeof(header->size));
    kp_hmac_sha256(secret, what, sizeof(what), key);
    kp_poly1305_begin(sum, key);
    explicit_bzero(key, sizeof(key));
}

bool kp_code_tag_fits(kp_poly1305_t *sum, const kp_code_header_t *header)
{
    uint8_t tag[KP_POLY1305_SIZE], different = 0;
    kp_poly1305_end(sum, tag);
    /* In the same time for each tag: what is wrong with one must not be told. */
    for (size_t i = 0; i < sizeof(tag); i++)
        different |= tag[i] ^ header->tag[i];
    return different == 0;
}
