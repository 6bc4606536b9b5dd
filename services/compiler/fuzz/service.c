/* Bytes of untrusted clients and of workers, and the cache under any sequence of operations: a request, a
   worker's answer and header, then operations of two bytes each. */
#include <stdlib.h>
#include <string.h>

#include "services/compiler/cache.h"
#include "services/compiler/request.h"

#define MUST(condition) ((condition) ? (void)0 : abort())

enum { ACCOUNTS = 4 };

static uint64_t held; /* bit: entry's code modulo 64 */

static bool is_held(void *context, kp_compiler_entry_t *entry)
{
    (void)context;
    return held >> (entry->code % 64) & 1;
}

static void drop(void *context, kp_compiler_entry_t *entry)
{
    (void)context;
    MUST(entry->bytes > 0);
}

static void check(const kp_compiler_cache_t *cache, const kp_compiler_account_t accounts[ACCOUNTS])
{
    uint64_t bytes = cache->common.bytes, sum = 0, count = 0;
    for (unsigned i = 0; i < ACCOUNTS; i++)
        bytes += accounts[i].bytes;
    for (const kp_compiler_entry_t *entry = cache->oldest; entry; entry = entry->newer) {
        sum += entry->bytes;
        count++;
    }
    MUST(bytes == cache->bytes && sum == bytes && count == cache->count &&
         bytes <= cache->bytes_max && count <= cache->count_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    kp_compiler_request_t request;
    size_t part = size < sizeof(request) ? size : sizeof(request);
    kp_status_t status = kp_compiler_request_parse(bytes, part, size % 3, &request);
    MUST(status == KP_ERR_PROTOCOL || part == sizeof(request));
    bool has_module = request.ordinal == KP_COMPILER_COMPILE || request.ordinal == KP_COMPILER_OPEN;
    MUST(status != KP_OK || !has_module || request.module_size <= KP_COMPILER_MODULE_BYTES_MAX);
    MUST(status == KP_ERR_PROTOCOL || request.ordinal <= KP_COMPILER_WAIT);
    bytes += part;
    size -= part;
    kp_compiler_reply_t reply = {0};
    part = size < sizeof(reply) ? size : sizeof(reply);
    memcpy(&reply, bytes, part);
    kp_wasm_code_header_t header = {0};
    memcpy(&header, bytes, size < sizeof(header) ? size : sizeof(header));
    if (kp_compiler_artefact_check(&header, reply.artefact_size, &request, NULL))
        MUST((uint64_t)header.code + header.code_size <= reply.artefact_size);
    kp_compiler_reply_clean(&reply);
    MUST(reply.status <= KP_OK && reply.text_size < sizeof(reply.text) &&
         strlen(reply.text) <= reply.text_size);
    bytes += part;
    size -= part;

    kp_compiler_cache_t cache = {
        .bytes_max = 1000, .count_max = 20, .is_held = is_held, .drop = drop};
    kp_compiler_account_t accounts[ACCOUNTS] = {0};
    held = 0;
    for (; size >= 2; bytes += 2, size -= 2) {
        kp_compiler_key_t key = {.version = 1};
        key.module[0] = bytes[1] % 64;
        kp_compiler_account_t *account = &accounts[bytes[0] >> 6];
        switch (bytes[0] & 3) {
        case 0:
            held ^= 1ull << (bytes[1] % 64);
            break;
        case 1:
            kp_compiler_cache_leave(&cache, account);
            break;
        default:
            if (!kp_compiler_cache_find(&cache, &key) &&
                kp_compiler_cache_reserve(&cache, 1 + bytes[1]) == KP_OK)
                MUST(kp_compiler_cache_add(&cache, &key, key.module[0], 1, 1 + bytes[1], account));
            break;
        }
        check(&cache, accounts);
    }
    kp_compiler_cache_clear(&cache);
    check(&cache, accounts);
    return 0;
}
