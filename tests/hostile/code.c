/* Code made at run time: forged, written, mapped without end, kept when it was taken away; and a compiler
   service that is given no rest. The service's own connections are services/compiler/test/driver.c's. */
#include <string.h>

#include "services/compiler/client.h"
#include "tests/hostile/hostile.h"

#define PATIENCE (kp_now() + 600 * KP_NS_PER_S)

/* (module (func (export "f") (result i32) i32.const N)), N in the last byte but one */
static uint8_t module[] = {0, 'a', 's', 'm', 1, 0, 0,   0, 1, 5,  1, 0x60, 0, 1, 0x7f, 3, 2,
                           1, 0,   7,   5,   1, 1, 'f', 0, 0, 10, 6, 1,    4, 0, 0x41, 0, 0x0b};

static kp_status_t compile(kp_compiler_client_t *client, uint8_t number, kp_compiler_code_t *code)
{
    module[sizeof(module) - 2] = number & 63;
    return kp_compiler_compile(client, module, sizeof(module), 1, 0, PATIENCE, code, NULL);
}

int abuse_code_service_flood(void)
{
    uint8_t request[24];
    for (unsigned i = 0;; i++) {
        int64_t channel = kp_service_connect(hostile_service);
        if (channel < 0)
            continue;
        int64_t vmo = kp_vmo_create(1u << 20);
        kp_handle_t handle = vmo > 0 ? (kp_handle_t)vmo : KP_HANDLE_NONE;
        if (i % 3)
            (void)kp_vmo_write(handle, 0, module, sizeof(module));
        const kp_compiler_request_t asked = {i % 7 ? 1 : i, i % 16, i % 32,
                                             i % 5 ? sizeof(module) : hostile_random()};
        memcpy(request, &asked, sizeof(asked));
        kp_compiler_reply_t reply;
        kp_channel_call_t call = {
            .request = {.bytes = (uint32_t)kp_mem(request),
                        .byte_count = i % 11 ? sizeof(asked) : i % sizeof(request),
                        .handles = (uint32_t)kp_mem(&handle),
                        .handle_count = i % 13 != 0},
            .reply = {.bytes = (uint32_t)kp_mem(&reply), .byte_count = sizeof(reply)},
        };
        /* Whoever asks with this deadline is mostly gone when the answer comes, and has no room for the
           handle that comes with it otherwise. */
        (void)kp_channel_call((kp_handle_t)channel, &call, kp_now() + i % 4 * KP_NS_PER_MS);
        (void)kp_handle_close(handle);
        (void)kp_handle_close((kp_handle_t)channel);
    }
}

int abuse_code_forged(void)
{
    kp_compiler_client_t client;
    kp_compiler_code_t code;
    CHECK(kp_compiler_connect(&client, hostile_service) == KP_OK);
    CHECK(compile(&client, 1, &code) == KP_OK);
    kp_handle_t vmo = (kp_handle_t)kp_vmo_create(65536), event = (kp_handle_t)kp_event_create();
    const kp_handle_t mine[] = {vmo, event, hostile_service, hostile_control, code.code};
    for (unsigned i = 0; i < sizeof(mine) / sizeof(mine[0]); i++) {
        CHECK(RAW(code_create, mine[i], vmo) == KP_ERR_WRONG_TYPE);
        CHECK(mine[i] == code.code || RAW(code_map, mine[i]) == KP_ERR_WRONG_TYPE);
        CHECK(mine[i] == code.code || RAW(code_info, mine[i], kp_mem(module)) == KP_ERR_WRONG_TYPE);
    }
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t guess = hostile_random() ^ (uint64_t)i << 32;
        CHECK(RAW(code_create, guess, vmo) < 0 && RAW(code_create, (uint32_t)guess, vmo) < 0);
        CHECK(RAW(code_unmap, guess << (i % 40)) == KP_ERR_NOT_FOUND);
    }
    CHECK(RAW(code_unmap, code.address + 4096) == KP_ERR_NOT_FOUND);
    CHECK(RAW(code_unmap, code.address - 4096) == KP_ERR_NOT_FOUND);
    CHECK(RAW(vmo_unmap, code.address, 4096) < 0);
    /* The VMO that was to be code is as it was. */
    CHECK(kp_vmo_write(vmo, 0, module, sizeof(module)) == KP_OK);
    kp_compiler_code_release(&code);
    return 0;
}

int abuse_code_written(void)
{
    kp_compiler_client_t client;
    kp_compiler_code_t code, again;
    CHECK(kp_compiler_connect(&client, hostile_service) == KP_OK);
    CHECK(compile(&client, 2, &code) == KP_OK);
    CHECK(RAW(vmo_write, code.code, 0, kp_mem(module), 4) == KP_ERR_WRONG_TYPE);
    CHECK(RAW(vmo_read, code.code, 0, kp_mem(module), 4) == KP_ERR_WRONG_TYPE);
    CHECK(RAW(vmo_resize, code.code, 4096) == KP_ERR_WRONG_TYPE);
    CHECK(RAW(vmo_decommit, code.code, 0, 4096) == KP_ERR_WRONG_TYPE);
    CHECK(RAW(vmo_clone, code.code, 0, 4096) == KP_ERR_WRONG_TYPE);
    CHECK(RAW(vmo_map, code.code, 0, 65536, 4096, KP_VMO_MAP_WRITE) == KP_ERR_WRONG_TYPE);
    CHECK(RAW(handle_duplicate, code.code, KP_RIGHTS_SAME) == KP_ERR_ACCESS_DENIED);
    CHECK(RAW(handle_replace, code.code, KP_RIGHTS_ALL) < 0);
    /* The kernel reads and writes linear memory only. */
    CHECK(RAW(random_get, code.address, 64) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(debug_log, code.address, 64) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(clock_get, 0, code.address) == KP_ERR_BAD_ADDRESS);
    CHECK(RAW(vmo_map, (uint64_t)kp_vmo_create(4096), 0, code.address, 4096, KP_VMO_MAP_WRITE) < 0);
    /* What is done to the module's own bytes afterwards changes no code. */
    int64_t vmo = kp_vmo_create(sizeof(module));
    CHECK(vmo > 0 && kp_vmo_write((kp_handle_t)vmo, 0, module, sizeof(module)) == KP_OK);
    CHECK(kp_compiler_compile_vmo(&client, (kp_handle_t)vmo, sizeof(module), 1, 0, PATIENCE, &again,
                                  NULL) == KP_OK &&
          again.is_cached);
    kp_object_info_t first, second;
    CHECK(kp_object_info(code.code, &first) == KP_OK &&
          kp_object_info(again.code, &second) == KP_OK && first.koid == second.koid);
    CHECK(kp_vmo_write((kp_handle_t)vmo, 0, "changed", 7) == KP_OK);
    kp_compiler_code_release(&again);
    CHECK(kp_compiler_compile_vmo(&client, (kp_handle_t)vmo, sizeof(module), 1, 0, PATIENCE, &again,
                                  NULL) == KP_ERR_BAD_FORMAT);
    return 0; /* with the mapping */
}

int abuse_code_mapping_flood(void)
{
    static uint64_t addresses[KP_CODE_MAPPINGS_MAX];
    kp_compiler_client_t client;
    kp_compiler_code_t code;
    CHECK(kp_compiler_connect(&client, hostile_service) == KP_OK);
    CHECK(compile(&client, 3, &code) == KP_OK);
    for (int round = 0; round < 3; round++) {
        unsigned count = 0;
        int64_t address;
        while ((address = kp_code_map(code.code)) > 0) {
            CHECK(count < KP_CODE_MAPPINGS_MAX);
            addresses[count++] = (uint64_t)address;
        }
        CHECK(is_limit(address) && count > 0);
        kp_code_info_t info;
        CHECK(kp_code_info(code.code, &info) == KP_OK && info.mappings >= count);
        while (count > 10)
            CHECK(kp_code_unmap(addresses[--count]) == KP_OK);
        while (round < 2 && count > 0)
            CHECK(kp_code_unmap(addresses[--count]) == KP_OK);
    }
    return 0; /* with some of them */
}

int abuse_code_revoked(void)
{
    kp_compiler_client_t client;
    kp_compiler_code_t code;
    CHECK(kp_compiler_connect(&client, hostile_service) == KP_OK);
    CHECK(compile(&client, 4, &code) == KP_OK);
    kp_compiler_disconnect(&client); /* the service revokes what it gave */
    int64_t status = KP_OK;
    while (status >= 0) {
        status = kp_code_map(code.code);
        if (status > 0)
            CHECK(kp_code_unmap((uint64_t)status) == KP_OK);
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    }
    CHECK(status == KP_ERR_REVOKED);
    CHECK(kp_code_unmap(code.address) == KP_OK); /* the mapping was its own */
    CHECK(kp_code_unmap(code.address) == KP_ERR_NOT_FOUND);
    CHECK(kp_handle_close(code.code) == KP_OK);
    return 0;
}
