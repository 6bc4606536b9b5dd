/* The service from a client's side, on both machines: plays the shell's part in a boot archive of its own.
   Results are lines of the log: "compiler: ok NAME" or "compiler: not ok NAME: why". The command line has
   kill=compiler@kill-kept, kill=compiler@kill-service and kill=compiler-worker@kill-worker. With the word measure: only how fast it
   compiles. With the word liar: the service has workers that lie (liar.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cache/hash.h"
#include "runtime/compile/compile.h"
#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "services/compiler/client.h"
#include "services/compiler/parallel.h"
#include "services/compiler/test/liar.h"
#include "runtime/wasm/heap.h"

#define PATIENCE (kp_now() + 600 * KP_NS_PER_S)
#define GUARDED KP_WASM_COMPILE_GUARDED

static kp_handle_t service;
static unsigned failures;
static const char *name;
static bool good;

static void begin(const char *text)
{
    name = text;
    good = true;
}

static void end(void)
{
    if (good)
        kp_log("compiler: ok %s", name);
    failures += !good;
}

#define CHECK(condition)                                                            \
    do {                                                                            \
        if (!(condition) && good) {                                                 \
            good = false;                                                           \
            kp_log("compiler: not ok %s: line %d: %s", name, __LINE__, #condition); \
        }                                                                           \
    } while (0)

/* ---- modules ---- */

/* (module (func (export "f") (result i32) i32.const N)): the number is in its last byte but one. */
static const uint8_t small_template[] = {0, 'a', 's',  'm', 1, 0, 0, 0,    1, 5,   1, 0x60,
                                         0, 1,   0x7f, 3,   2, 1, 0, 7,    5, 1,   1, 'f',
                                         0, 0,   10,   6,   1, 4, 0, 0x41, 0, 0x0b};

typedef struct module {
    uint8_t bytes[sizeof(small_template)];
} module_t;

static module_t small(uint8_t number)
{
    module_t module;
    memcpy(module.bytes, small_template, sizeof(module.bytes));
    module.bytes[sizeof(module.bytes) - 2] = number & 63;
    return module;
}

static uint64_t koid_of(kp_handle_t handle)
{
    kp_object_info_t info = {0};
    CHECK(kp_object_info(handle, &info) == KP_OK && info.type == KP_TYPE_CODE);
    return info.koid;
}

static kp_status_t compile(kp_compiler_client_t *client, const void *bytes, size_t size,
                           kp_compiler_code_t *code, kp_compiler_reply_t *reply)
{
    return kp_compiler_compile(client, bytes, (uint32_t)size, GUARDED, 0, PATIENCE, code, reply);
}

/* ---- tests ---- */

static void test_same(void)
{
    begin("the same module is the same code");
    kp_compiler_client_t one, two;
    kp_compiler_code_t first, second, other;
    kp_compiler_reply_t reply;
    module_t module = small(1), changed = small(2);
    CHECK(kp_compiler_connect(&one, service) == KP_OK);
    CHECK(kp_compiler_connect(&two, service) == KP_OK);
    CHECK(compile(&one, &module, sizeof(module), &first, &reply) == KP_OK);
    CHECK(!first.is_cached && first.address && first.size > KP_WASM_CODE_PAGE &&
          first.compile_ns > 0);
    CHECK(compile(&two, &module, sizeof(module), &second, NULL) == KP_OK);
    CHECK(second.is_cached && second.size == first.size && second.address != first.address);
    uint64_t koid = koid_of(first.code);
    CHECK(koid == koid_of(second.code));
    CHECK(compile(&one, &changed, sizeof(changed), &other, NULL) == KP_OK);
    CHECK(!other.is_cached && koid_of(other.code) != koid);
    kp_compiler_code_t checked;
    CHECK(kp_compiler_compile(&one, &module, sizeof(module), 0, 0, PATIENCE, &checked, NULL) ==
              KP_OK &&
          !checked.is_cached);
    kp_code_info_t info;
    CHECK(kp_code_info(first.code, &info) == KP_OK && info.kind == KP_CODE_MADE &&
          info.mappings == 2);
    kp_compiler_info_t counts;
    CHECK(kp_compiler_ask_info(&one, PATIENCE, &counts) == KP_OK && counts.compiled == 3 &&
          counts.found == 0 && counts.held > 0);
    CHECK(kp_compiler_ask_info(&two, PATIENCE, &counts) == KP_OK && counts.compiled == 0 &&
          counts.found == 1);
    kp_compiler_code_release(&first);
    kp_compiler_code_release(&other);
    kp_compiler_code_release(&checked);
    CHECK(kp_compiler_ask_info(&one, PATIENCE, &counts) == KP_OK);
    /* What was closed and unmapped is held only as far as the other connection has it. */
    CHECK(kp_compiler_ask_info(&two, PATIENCE, &counts) == KP_OK && counts.held > 0);
    kp_handle_t code = second.code;
    kp_compiler_disconnect(&two);
    /* With the connection go the handles, not the mappings. */
    int64_t again = 0;
    for (int i = 0; i < 60000 && again != KP_ERR_REVOKED; i++) {
        again = kp_code_map(code);
        if (again > 0)
            (void)kp_code_unmap((uint64_t)again);
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    }
    CHECK(again == KP_ERR_REVOKED);
    CHECK(kp_code_unmap(second.address) == KP_OK);
    CHECK(kp_handle_close(code) == KP_OK);
    kp_compiler_disconnect(&one);
    end();
}

static void test_code_is_code(void)
{
    begin("code cannot be turned into anything else");
    kp_compiler_client_t client;
    kp_compiler_code_t code;
    module_t module = small(3);
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    CHECK(compile(&client, &module, sizeof(module), &code, NULL) == KP_OK);
    kp_object_info_t info;
    CHECK(kp_object_info(code.code, &info) == KP_OK &&
          info.rights == (KP_RIGHT_EXECUTE | KP_RIGHT_MAP | KP_RIGHT_INSPECT | KP_RIGHT_TRANSFER));
    uint8_t byte = 0;
    CHECK(kp_vmo_write(code.code, 0, &byte, 1) == KP_ERR_WRONG_TYPE);
    CHECK(kp_vmo_read(code.code, 0, &byte, 1) == KP_ERR_WRONG_TYPE);
    CHECK(kp_handle_duplicate(code.code, KP_RIGHTS_SAME) == KP_ERR_ACCESS_DENIED);
    int64_t vmo = kp_vmo_create(4096);
    CHECK(vmo > 0 && kp_code_create(code.code, (kp_handle_t)vmo) == KP_ERR_WRONG_TYPE &&
          kp_code_create((kp_handle_t)vmo, (kp_handle_t)vmo) == KP_ERR_WRONG_TYPE &&
          kp_code_map((kp_handle_t)vmo) == KP_ERR_WRONG_TYPE);
    (void)kp_handle_close((kp_handle_t)vmo);
    kp_compiler_code_release(&code);
    kp_compiler_disconnect(&client);
    end();
}

static void test_damaged(void)
{
    static const struct {
        uint32_t at;   /* which byte */
        uint8_t value; /* becomes what */
        uint32_t size;
        kp_status_t status;
        uint32_t offset;
    } damages[] = {
        {0, 1, sizeof(module_t), KP_ERR_BAD_FORMAT, 0},
        {0, 0, 3, KP_ERR_BAD_FORMAT, 0},
        {0, 0, 0, KP_ERR_BAD_FORMAT, 0},
        {4, 9, sizeof(module_t), KP_ERR_BAD_FORMAT, 4},
        {18, 9, sizeof(module_t), KP_ERR_BAD_FORMAT, 18},    /* no such type */
        {31, 0x42, sizeof(module_t), KP_ERR_BAD_FORMAT, 33}, /* i64.const for an i32 */
        {31, 0xff, sizeof(module_t), KP_ERR_BAD_FORMAT, 32}, /* no instruction */
    };
    begin("damaged modules");
    kp_compiler_client_t client;
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
        module_t module = small(4);
        module.bytes[damages[i].at] = damages[i].value;
        kp_compiler_code_t code;
        kp_compiler_reply_t reply;
        kp_status_t status = compile(&client, &module, damages[i].size, &code, &reply);
        if (status != damages[i].status || reply.offset != damages[i].offset ||
            reply.text_size == 0) {
            good = false;
            kp_log("compiler: not ok %s: %u: %d at %u: %s", name, (unsigned)i, (int)status,
                   (unsigned)reply.offset, reply.text);
        }
        CHECK(code.code == KP_HANDLE_NONE && code.address == 0);
    }
    kp_compiler_info_t counts;
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.refused == 7 &&
          counts.held == 0);
    kp_compiler_disconnect(&client);
    end();
}

/* One call with these bytes and handle; the reply's status, or the call's. */
static kp_status_t raw(kp_handle_t channel, const void *bytes, size_t size, kp_handle_t handle,
                       kp_time_t deadline)
{
    kp_compiler_reply_t reply = {0};
    kp_handle_t result = KP_HANDLE_NONE;
    kp_channel_call_t call = {
        .request = {.bytes = (uint32_t)kp_mem(bytes),
                    .byte_count = (uint32_t)size,
                    .handles = (uint32_t)kp_mem(&handle),
                    .handle_count = handle != KP_HANDLE_NONE},
        .reply = {.bytes = (uint32_t)kp_mem(&reply),
                  .byte_count = sizeof(reply),
                  .handles = (uint32_t)kp_mem(&result),
                  .handle_count = 1},
    };
    kp_status_t status = kp_channel_call(channel, &call, deadline);
    if (status != KP_OK && handle != KP_HANDLE_NONE)
        (void)kp_handle_close(handle);
    if (result != KP_HANDLE_NONE)
        (void)kp_handle_close(result);
    return status == KP_OK ? reply.status : status;
}

static kp_handle_t vmo_of(uint64_t size, kp_rights_t rights)
{
    int64_t vmo = kp_vmo_create(size);
    module_t module = small(5);
    CHECK(vmo > 0 && kp_vmo_write((kp_handle_t)vmo, 0, &module, sizeof(module)) == KP_OK);
    int64_t weak = kp_handle_replace((kp_handle_t)vmo, rights);
    CHECK(weak > 0);
    return (kp_handle_t)weak;
}

static void test_requests(void)
{
    const kp_rights_t usual = KP_RIGHT_READ | KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER;
    const struct {
        kp_compiler_request_t request;
        uint32_t size;
        kp_rights_t rights; /* of the VMO; 0: no handle; 1: an event */
        kp_status_t status;
    } requests[] = {
        {{KP_COMPILER_COMPILE, GUARDED, 0, sizeof(module_t)}, 16, usual, KP_OK},
        {{KP_COMPILER_COMPILE, 1u << 3, 0, sizeof(module_t)}, 16, usual, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_COMPILE, 0x80000000, 0, 34}, 16, usual, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_COMPILE, 0, 1u << 30, 34}, 16, usual, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_COMPILE, 0, 0, 4097}, 16, usual, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_COMPILE, 0, 0, UINT32_MAX}, 16, usual, KP_ERR_TOO_LARGE},
        {{KP_COMPILER_COMPILE, 0, 0, 34},
         16,
         KP_RIGHT_READ | KP_RIGHT_TRANSFER,
         KP_ERR_ACCESS_DENIED},
        {{KP_COMPILER_COMPILE, 0, 0, 34},
         16,
         KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER,
         KP_ERR_ACCESS_DENIED},
        {{KP_COMPILER_COMPILE, 0, 0, 34}, 16, 1, KP_ERR_WRONG_TYPE},
        {{KP_COMPILER_COMPILE, 0, 0, 34}, 16, 0, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_COMPILE, 0, 0, 34}, 15, usual, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_COMPILE, 0, 0, 34}, 0, usual, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_COMPILE, 0, 0, 34}, 17, usual, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_INFO, 0, 0, 0}, 16, usual, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_OPEN, 0, 0, sizeof(module_t)}, 16, usual, KP_OK},
        {{KP_COMPILER_OPEN, 1u << 3, 0, 34}, 16, usual, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_OPEN, 0, 0, 34}, 16, 0, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_FUNCTIONS, 1, 0, 1}, 16, 0, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_FUNCTIONS, 1, 0, 1}, 16, usual, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_SETTLE, 0, 0, 0}, 16, usual, KP_ERR_PEER_CLOSED},
        {{KP_COMPILER_WAIT, 0, 0, 0}, 16, 0, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_WAIT, 1, 0, 0}, 16, 0, KP_ERR_INVALID_ARGUMENT},
        {{KP_COMPILER_WAIT, 1, 0, 0}, 16, usual, KP_ERR_PEER_CLOSED},
        {{7, 0, 0, 34}, 16, usual, KP_ERR_PEER_CLOSED},
        {{0, 0, 0, 0}, 16, 0, KP_ERR_PEER_CLOSED},
    };
    begin("hostile requests");
    uint8_t bytes[32] = {0};
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        int64_t channel = kp_service_connect(service);
        kp_handle_t handle = KP_HANDLE_NONE;
        if (requests[i].rights == 1) {
            int64_t event = kp_event_create();
            handle = event > 0 ? (kp_handle_t)event : KP_HANDLE_NONE;
        } else if (requests[i].rights) {
            handle = vmo_of(4096, requests[i].rights);
        }
        memcpy(bytes, &requests[i].request, sizeof(requests[i].request));
        kp_status_t status = raw((kp_handle_t)channel, bytes, requests[i].size, handle, PATIENCE);
        if (status != requests[i].status) {
            good = false;
            kp_log("compiler: not ok %s: %u: %d", name, (unsigned)i, (int)status);
        }
        (void)kp_handle_close((kp_handle_t)channel);
    }
    /* A message that wants no reply. */
    int64_t channel = kp_service_connect(service);
    kp_handle_t module = vmo_of(4096, usual);
    CHECK(kp_channel_write((kp_handle_t)channel, &requests[0].request, 16, &module, 1) == KP_OK);
    CHECK(kp_object_wait_one((kp_handle_t)channel, KP_SIGNAL_PEER_CLOSED, PATIENCE, NULL) == KP_OK);
    (void)kp_handle_close((kp_handle_t)channel);
    end();
}

static void test_flood(const uint8_t *large, size_t large_size)
{
    begin("a flood of connections and requests beside a patient client");
    kp_compiler_client_t client;
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    const kp_rights_t usual = KP_RIGHT_READ | KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER;
    for (unsigned round = 0; round < 3; round++) {
        kp_handle_t channels[40];
        unsigned count = 0;
        for (; count < 40; count++) {
            int64_t channel = kp_service_connect(service);
            if (channel < 0)
                break;
            channels[count] = (kp_handle_t)channel;
            if (count % 2)
                continue;
            /* A large module each, and nobody waits for the answer. */
            int64_t vmo = kp_vmo_create(large_size);
            if (vmo > 0 && kp_vmo_write((kp_handle_t)vmo, 0, large, large_size) == KP_OK &&
                (vmo = kp_handle_replace((kp_handle_t)vmo, usual)) > 0) {
                const kp_compiler_request_t request = {KP_COMPILER_COMPILE, count % 8, count / 8,
                                                       (uint32_t)large_size};
                (void)raw((kp_handle_t)channels[count], &request, sizeof(request), (kp_handle_t)vmo,
                          kp_now() + KP_NS_PER_MS);
            }
        }
        CHECK(count > 0);
        module_t module = small((uint8_t)(10 + round));
        kp_compiler_code_t code;
        CHECK(compile(&client, &module, sizeof(module), &code, NULL) == KP_OK);
        kp_compiler_code_release(&code);
        while (count > 0)
            (void)kp_handle_close(channels[--count]);
    }
    kp_compiler_disconnect(&client);
    end();
}

/* All our connections are one job's: beyond its share they are closed, and room comes back. */
static void test_share(void)
{
    begin("a job has its share of connections");
    enum { CONNECTIONS = 80, SHARE = 64 };
    kp_handle_t channels[CONNECTIONS];
    unsigned open = 0;
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        int64_t channel = kp_service_connect(service);
        CHECK(channel > 0);
        channels[i] = (kp_handle_t)channel;
    }
    for (unsigned i = 0; i < CONNECTIONS; i++) {
        const kp_compiler_request_t request = {.ordinal = KP_COMPILER_INFO};
        kp_compiler_info_t info;
        kp_channel_call_t call = {
            .request = {.bytes = (uint32_t)kp_mem(&request), .byte_count = sizeof(request)},
            .reply = {.bytes = (uint32_t)kp_mem(&info), .byte_count = sizeof(info)},
        };
        kp_status_t status = kp_channel_call(channels[i], &call, PATIENCE);
        CHECK(status == KP_OK || status == KP_ERR_PEER_CLOSED);
        open += status == KP_OK;
    }
    CHECK(open <= SHARE && open > SHARE - 8); /* it may not have seen earlier ones go */
    for (unsigned i = 0; i < CONNECTIONS; i++)
        (void)kp_handle_close(channels[i]);
    kp_compiler_client_t client;
    kp_compiler_info_t counts;
    kp_status_t status = KP_ERR_PEER_CLOSED;
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    while (good && status == KP_ERR_PEER_CLOSED) /* it has seen the others go soon */
        status = kp_compiler_ask_info(&client, PATIENCE, &counts);
    CHECK(status == KP_OK);
    kp_compiler_disconnect(&client);
    end();
}

static void test_held(void)
{
    begin("many codes, mapped and given back");
    enum { CODES = 60 };
    static kp_compiler_code_t codes[CODES];
    kp_compiler_client_t client;
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < CODES; i++) {
            module_t module = small((uint8_t)i);
            CHECK(compile(&client, &module, sizeof(module), &codes[i], NULL) == KP_OK);
            CHECK(!round || codes[i].is_cached);
        }
        for (unsigned i = 0; i < CODES; i++)
            kp_compiler_code_release(&codes[i]);
    }
    kp_compiler_info_t counts;
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.held == 0);
    kp_compiler_disconnect(&client);
    end();
}

/* Whoever comes again still holds what he maps. */
static void test_left(void)
{
    begin("mapped code counts after its connection");
    static const uint8_t module[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 0, 3, 1, 'l', 0};
    kp_compiler_client_t client, other;
    kp_compiler_code_t code, again;
    kp_compiler_info_t counts;
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    CHECK(compile(&client, module, sizeof(module), &code, NULL) == KP_OK && !code.is_cached);
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK);
    const uint64_t bytes = counts.held;
    kp_compiler_disconnect(&client);
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    do /* it has seen the other connection go soon */
        CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK);
    while (good && counts.held == 0);
    CHECK(bytes > 0 && counts.held == bytes);
    /* Given again it counts once, and once it is when that connection goes too. */
    CHECK(kp_compiler_connect(&other, service) == KP_OK);
    CHECK(compile(&other, module, sizeof(module), &again, NULL) == KP_OK && again.is_cached);
    CHECK(kp_compiler_ask_info(&other, PATIENCE, &counts) == KP_OK && counts.held == bytes);
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.held == 0);
    kp_compiler_disconnect(&other);
    do
        CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK);
    while (good && counts.held == 0);
    CHECK(counts.held == bytes);
    kp_compiler_code_release(&again);
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.held == bytes);
    kp_compiler_code_release(&code);
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.held == 0);
    kp_compiler_disconnect(&client);
    end();
}

/* ---- function by function ---- */

/* FUNCTIONS functions without results, (i32.const N, drop) each; the last body is wrong when asked for. */
enum { FUNCTIONS = 12 };

static size_t module_of_functions(uint8_t *to, uint8_t number, bool is_wrong)
{
    static const uint8_t head[] = {0, 'a', 's', 'm',  1, 0, 0, 0,
                                   1, 4,   1,   0x60, 0, 0, 3, FUNCTIONS + 1};
    uint8_t *at = to;
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    *at++ = FUNCTIONS;
    memset(at, 0, FUNCTIONS);
    at += FUNCTIONS;
    *at++ = 10;
    *at++ = 1 + FUNCTIONS * 6;
    *at++ = FUNCTIONS;
    for (unsigned i = 0; i < FUNCTIONS; i++) {
        const uint8_t body[] = {5, 0, 0x41, number & 63, 0x1a, 0x0b};
        memcpy(at, body, sizeof(body));
        at += sizeof(body);
    }
    if (is_wrong)
        at[-3] = 0xff; /* no instruction */
    return (size_t)(at - to);
}

static kp_handle_t vmo_with(const void *bytes, size_t size)
{
    int64_t vmo = kp_vmo_create(size ? size : 1);
    CHECK(vmo > 0 && kp_vmo_write((kp_handle_t)vmo, 0, bytes, size) == KP_OK);
    return (kp_handle_t)vmo;
}

static kp_status_t open_module(kp_compiler_client_t *client, const void *bytes, size_t size,
                               uint32_t *number, kp_compiler_code_t *code)
{
    kp_handle_t vmo = vmo_with(bytes, size);
    kp_status_t status =
        kp_compiler_open_vmo(client, vmo, (uint32_t)size, GUARDED, 0, PATIENCE, number, code, NULL);
    (void)kp_handle_close(vmo);
    return status;
}

static kp_status_t functions(kp_compiler_client_t *client, uint32_t *number, uint32_t first,
                             uint32_t count, kp_compiler_code_t *code)
{
    return kp_compiler_functions(client, number, first, count, PATIENCE, code, NULL);
}

static void test_functions(void)
{
    begin("functions of an open module");
    static uint8_t bytes[256];
    size_t size = module_of_functions(bytes, 1, false);
    kp_compiler_client_t one, two;
    kp_compiler_code_t code, same, other;
    kp_compiler_info_t counts;
    uint32_t number = 0, number_two = 0, wrong;
    CHECK(kp_compiler_connect(&one, service) == KP_OK &&
          kp_compiler_connect(&two, service) == KP_OK);
    CHECK(open_module(&one, bytes, size, &number, &code) == KP_OK && number > 0 && !code.address);
    CHECK(open_module(&two, bytes, size, &number_two, &code) == KP_OK && number_two > 0);
    CHECK(functions(&one, &number, 3, 2, &code) == KP_OK && number > 0 && !code.is_cached &&
          code.address && code.size > KP_WASM_CODE_PAGE);
    /* The same functions are the same code, for whoever asks; others are not. */
    CHECK(functions(&two, &number_two, 3, 2, &same) == KP_OK && same.is_cached &&
          koid_of(same.code) == koid_of(code.code));
    CHECK(functions(&two, &number_two, 3, 1, &other) == KP_OK && !other.is_cached &&
          koid_of(other.code) != koid_of(code.code));
    CHECK(kp_compiler_ask_info(&one, PATIENCE, &counts) == KP_OK && counts.modules == 2 &&
          counts.held > 0 && counts.compiled == 1);
    kp_compiler_code_release(&code);
    kp_compiler_code_release(&same);
    kp_compiler_code_release(&other);
    CHECK(functions(&one, &number, FUNCTIONS, 1, &code) == KP_ERR_INVALID_ARGUMENT);
    CHECK(functions(&one, &number, 0, FUNCTIONS + 1, &code) == KP_ERR_INVALID_ARGUMENT);
    CHECK(functions(&one, &number, 0, 0, &code) == KP_ERR_INVALID_ARGUMENT);
    CHECK(functions(&one, &number, 2, UINT32_MAX, &code) == KP_ERR_INVALID_ARGUMENT);
    wrong = number + 100;
    CHECK(functions(&one, &wrong, 0, 1, &code) == KP_ERR_INVALID_ARGUMENT);
    /* Whoever sends rubbish loses his connection, not his neighbours. */
    const kp_compiler_functions_t request = {KP_COMPILER_FUNCTIONS, number, 0, 1};
    int64_t event = kp_event_create();
    CHECK(raw(one.channel, &request, sizeof(request), (kp_handle_t)event, PATIENCE) ==
          KP_ERR_PEER_CLOSED);
    CHECK(functions(&two, &number_two, 1, 1, &code) == KP_OK);
    kp_compiler_code_release(&code);
    kp_compiler_disconnect(&one);
    kp_compiler_disconnect(&two);
    end();

    begin("bad modules that were opened");
    CHECK(kp_compiler_connect(&one, service) == KP_OK);
    size = module_of_functions(bytes, 2, true);
    CHECK(open_module(&one, bytes, size, &number, &code) == KP_OK && number > 0);
    CHECK(functions(&one, &number, 0, 2, &code) == KP_OK);
    kp_compiler_code_release(&code);
    CHECK(functions(&one, &number, FUNCTIONS - 1, 1, &code) == KP_ERR_BAD_FORMAT && number > 0);
    CHECK(functions(&one, &number, 1, 1, &code) == KP_OK);
    kp_compiler_code_release(&code);
    size = module_of_functions(bytes, 2, false);
    bytes[4] = 9;
    CHECK(open_module(&one, bytes, size, &number, &code) == KP_OK && number > 0);
    for (unsigned i = 0; i < 3; i++)
        CHECK(functions(&one, &number, i, 1, &code) == KP_ERR_BAD_FORMAT);
    kp_compiler_disconnect(&one);
    end();
}

static uint32_t completed(kp_compiler_client_t *client)
{
    kp_compiler_info_t counts = {0};
    CHECK(kp_compiler_ask_info(client, PATIENCE, &counts) == KP_OK);
    return counts.completed;
}

/* What was opened is whole in the cache later: when its client has gone, and when he is quiet. */
static void test_completed(void)
{
    begin("a second start finds what the first compiled lazily");
    static uint8_t bytes[256];
    kp_compiler_client_t first, second;
    kp_compiler_code_t code, whole;
    uint32_t number = 0;
    CHECK(kp_compiler_connect(&second, service) == KP_OK);
    for (uint8_t quiet = 0; quiet < 2; quiet++) {
        size_t size = module_of_functions(bytes, (uint8_t)(10 + quiet), false);
        uint32_t before = completed(&second);
        CHECK(kp_compiler_connect(&first, service) == KP_OK);
        CHECK(open_module(&first, bytes, size, &number, &code) == KP_OK && number > 0);
        CHECK(functions(&first, &number, 1, 1, &code) == KP_OK && number > 0 && !code.is_cached);
        if (!quiet) {
            kp_compiler_code_release(&code);
            kp_compiler_disconnect(&first);
        }
        for (number = 1; good && number > 0;) { /* what the other tests opened completes, too */
            uint32_t now = completed(&second);
            (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
            if (now == before)
                continue;
            before = now;
            CHECK(open_module(&second, bytes, size, &number, &whole) == KP_OK);
            if (number == 0)
                break;
            kp_compiler_disconnect(&second);
            CHECK(kp_compiler_connect(&second, service) == KP_OK);
        }
        CHECK(number == 0 && whole.is_cached && whole.address);
        kp_compiler_code_release(&whole);
        if (!quiet)
            continue;
        /* Who has it open still gets all of it with the next question, and has it no longer open. */
        number = 1;
        kp_compiler_code_release(&code);
        CHECK(functions(&first, &number, 2, 1, &code) == KP_OK && number == 0 && code.is_cached);
        kp_compiler_code_release(&code);
        number = 1;
        CHECK(functions(&first, &number, 2, 1, &code) == KP_ERR_INVALID_ARGUMENT);
        kp_compiler_disconnect(&first);
    }
    kp_compiler_disconnect(&second);
    end();
}

/* More modules than workers, each asked for something again and again. */
static void test_many_open(void)
{
    begin("many open modules");
    enum { OPEN = KP_COMPILER_MODULES_MAX };
    static uint8_t bytes[256];
    static uint32_t numbers[OPEN];
    kp_compiler_client_t client;
    kp_compiler_code_t code;
    kp_compiler_info_t counts = {0};
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    do /* the other connections' are gone soon */
        CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK);
    while (good && counts.modules > 0);
    for (unsigned i = 0; good && i < OPEN; i++) {
        size_t size = module_of_functions(bytes, (uint8_t)i, false);
        memcpy(bytes + size, "\0\2\1m", 4); /* a custom section: not those of the other tests */
        CHECK(open_module(&client, bytes, size + 4, &numbers[i], &code) == KP_OK && numbers[i] > 0);
    }
    /* Beyond, a module is compiled whole. */
    size_t size = module_of_functions(bytes, 0, false);
    memcpy(bytes + size, "\0\2\1n", 4);
    uint32_t number;
    CHECK(open_module(&client, bytes, size + 4, &number, &code) == KP_OK && number == 0 &&
          code.address && !code.is_cached);
    kp_compiler_code_release(&code);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; good && i < OPEN; i += 7) {
            if (numbers[i] == 0) /* whole by now */
                continue;
            CHECK(functions(&client, &numbers[i], round, 1, &code) == KP_OK);
            kp_compiler_code_release(&code);
        }
    }
    kp_compiler_disconnect(&client);
    end();
}

/* A module whose compilation takes long: many functions of many instructions that become much code. */
enum { LONG_FUNCTIONS = 32, LONG_BODY = 65530 };

static size_t leb(uint8_t *to, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) /* always five bytes */
        to[i] = (uint8_t)(0x80 | (value >> (7 * i) & 0x7f));
    to[4] = (uint8_t)(value >> 28);
    return 5;
}

static uint8_t *long_module(size_t *size)
{
    static const uint8_t head[] = {0, 'a', 's', 'm', 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3};
    uint8_t *bytes = malloc((size_t)LONG_FUNCTIONS * (LONG_BODY + 16) + 1024), *at = bytes;
    if (!bytes)
        return NULL;
    memcpy(at, head, sizeof(head));
    at += sizeof(head);
    at += leb(at, 5 + LONG_FUNCTIONS);
    at += leb(at, LONG_FUNCTIONS);
    memset(at, 0, LONG_FUNCTIONS);
    at += LONG_FUNCTIONS;
    *at++ = 10;
    at += leb(at, 5 + LONG_FUNCTIONS * (5 + LONG_BODY));
    at += leb(at, LONG_FUNCTIONS);
    for (unsigned f = 0; f < LONG_FUNCTIONS; f++) {
        at += leb(at, LONG_BODY);
        uint8_t *end = at + LONG_BODY;
        memcpy(at, "\1\1\x7c", 3); /* a local, f64 */
        at += 3;
        while (end - at > 4) {
            memcpy(at, "\x20\0\xb1\x1a", 4); /* local.get 0, i64.trunc_f64_u, drop */
            at += 4;
        }
        while (end - at > 1)
            *at++ = 0x01; /* nop */
        *at++ = 0x0b;
    }
    *size = (size_t)(at - bytes);
    return bytes;
}

/* Sends a request whose answer nobody waits for. */
static void start(kp_compiler_client_t *client, kp_handle_t module, size_t size, uint32_t flags)
{
    int64_t copy =
        kp_handle_duplicate(module, KP_RIGHT_READ | KP_RIGHT_DUPLICATE | KP_RIGHT_TRANSFER);
    const kp_compiler_request_t request = {KP_COMPILER_COMPILE, flags, 0xf, (uint32_t)size};
    CHECK(copy > 0 && raw(client->channel, &request, sizeof(request), (kp_handle_t)copy,
                          kp_now() + 10 * KP_NS_PER_MS) == KP_ERR_TIMED_OUT);
}

static void wait_for_worker(kp_compiler_client_t *client)
{
    kp_compiler_info_t counts = {0};
    do {
        CHECK(kp_compiler_ask_info(client, PATIENCE, &counts) == KP_OK);
        (void)kp_object_wait_many(NULL, 0, kp_now() + KP_NS_PER_MS);
    } while (good && counts.requests > 0 && counts.workers == 0);
    CHECK(counts.workers == 1);
}

static void test_deaths(void)
{
    begin("a worker is killed at its work");
    kp_compiler_client_t client;
    kp_compiler_info_t counts = {0};
    size_t size = 0;
    uint8_t *bytes = long_module(&size);
    int64_t vmo = kp_vmo_create(size ? size : 1);
    CHECK(bytes && vmo > 0 && kp_vmo_write((kp_handle_t)vmo, 0, bytes, size) == KP_OK);
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    start(&client, (kp_handle_t)vmo, size, GUARDED);
    wait_for_worker(&client);
    CHECK(kp_boot_mark_text("kill-worker") == KP_OK);
    do
        CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK);
    while (good && counts.requests > 0);
    CHECK(counts.refused == 1 && counts.compiled == 0);
    /* Its death was its own. */
    kp_compiler_code_t before, code;
    module_t module = small(60);
    CHECK(compile(&client, &module, sizeof(module), &before, NULL) == KP_OK);
    end();

    begin("the service is killed at its work");
    static uint8_t lazy[256];
    size_t lazy_size = module_of_functions(lazy, 20, false);
    kp_compiler_client_t opener;
    kp_compiler_code_t part;
    uint32_t number = 0;
    CHECK(kp_compiler_connect(&opener, service) == KP_OK);
    CHECK(open_module(&opener, lazy, lazy_size, &number, &part) == KP_OK && number > 0);
    CHECK(functions(&opener, &number, 0, 1, &part) == KP_OK);
    start(&client, (kp_handle_t)vmo, size, KP_WASM_COMPILE_FUEL);
    wait_for_worker(&client);
    CHECK(kp_boot_mark_text("kill-service") == KP_OK);
    CHECK(compile(&client, &module, sizeof(module), &code, NULL) == KP_ERR_PEER_CLOSED);
    CHECK(compile(&client, &module, sizeof(module), &code, NULL) == KP_OK); /* a new one */
    CHECK(koid_of(code.code) != koid_of(before.code));
    /* What was open has to be opened again; what was mapped stays. */
    kp_compiler_code_t none;
    CHECK(functions(&opener, &number, 1, 1, &none) == KP_ERR_PEER_CLOSED);
    CHECK(functions(&opener, &number, 1, 1, &none) == KP_ERR_PEER_CLOSED);
    CHECK(kp_code_unmap(part.address) == KP_OK);
    part.address = 0;
    kp_compiler_code_release(&part);
    CHECK(open_module(&opener, lazy, lazy_size, &number, &part) == KP_OK);
    if (number > 0) /* else it was compiled whole meanwhile, and kept */
        CHECK(functions(&opener, &number, 1, 1, &part) == KP_OK && !part.is_cached);
    kp_compiler_code_release(&part);
    kp_compiler_disconnect(&opener);
    CHECK(kp_code_unmap(before.address) == KP_OK); /* it was there all the time */
    before.address = 0;
    kp_compiler_code_release(&before);
    kp_compiler_code_release(&code);
    (void)kp_handle_close((kp_handle_t)vmo);
    free(bytes);
    kp_compiler_disconnect(&client);
    end();
}

/* ---- the cache's directory ---- */

static void test_kept(const void *large, size_t large_size)
{
    static uint8_t lazy[256];
    kp_compiler_client_t client, other;
    kp_compiler_info_t counts = {0};
    kp_compiler_code_t before[2], code, part;
    module_t module = small(61);
    uint8_t *bytes = malloc(large_size);
    size_t lazy_size = module_of_functions(lazy, 21, false);
    uint32_t number = 0;
    begin("what was compiled outlives the service");
    CHECK(bytes != NULL);
    if (bytes)
        memcpy(bytes, large, large_size); /* as a client has it: in its own memory */
    CHECK(kp_compiler_connect(&client, service) == KP_OK);
    CHECK(compile(&client, &module, sizeof(module), &before[0], NULL) == KP_OK);
    CHECK(compile(&client, bytes, large_size, &before[1], NULL) == KP_OK);
    CHECK(open_module(&client, lazy, lazy_size, &number, &part) == KP_OK && number > 0);
    CHECK(functions(&client, &number, 0, 1, &part) == KP_OK);
    kp_compiler_code_release(&part);
    CHECK(kp_compiler_settle(&client, PATIENCE) == KP_OK);
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.completed > 0 &&
          counts.loaded == 0);
    CHECK(kp_boot_mark_text("kill-kept") == KP_OK);
    kp_status_t status = compile(&client, &module, sizeof(module), &code, NULL);
    CHECK(status == KP_ERR_PEER_CLOSED);
    CHECK(compile(&client, &module, sizeof(module), &code, NULL) == KP_OK && code.is_cached &&
          code.size == before[0].size && koid_of(code.code) != koid_of(before[0].code));
    kp_compiler_code_release(&code);
    CHECK(compile(&client, bytes, large_size, &code, NULL) == KP_OK && code.is_cached &&
          code.size == before[1].size);
    /* From then on it is in memory, and everybody's. */
    CHECK(kp_compiler_connect(&other, service) == KP_OK);
    CHECK(compile(&other, bytes, large_size, &part, NULL) == KP_OK && part.is_cached &&
          koid_of(part.code) == koid_of(code.code));
    kp_compiler_code_release(&part);
    kp_compiler_code_release(&code);
    CHECK(kp_compiler_ask_info(&other, PATIENCE, &counts) == KP_OK && counts.loaded == 0);
    CHECK(open_module(&client, lazy, lazy_size, &number, &part) == KP_OK && number == 0 &&
          part.is_cached);
    CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK && counts.loaded == 3 &&
          counts.compiled == 0);
    /* Other flags are another key. */
    CHECK(kp_compiler_compile(&client, &module, sizeof(module), GUARDED | KP_WASM_COMPILE_FUEL, 0,
                              PATIENCE, &code, NULL) == KP_OK &&
          !code.is_cached);
    kp_compiler_code_release(&code);
    kp_compiler_code_release(&part);
    for (int i = 0; i < 2; i++)
        kp_compiler_code_release(&before[i]);
    free(bytes);
    kp_compiler_disconnect(&other);
    kp_compiler_disconnect(&client);
    end();
}

/* ---- workers that do not end, or lie ---- */

static const struct {
    const char *name;
    kp_status_t status;
} lies[KP_LIAR_MODES] = {
    [KP_LIAR_HONEST] = {"an honest worker", KP_OK},
    [KP_LIAR_SPIN] = {"a worker that computes without end", KP_ERR_TIMED_OUT},
    [KP_LIAR_SLEEP] = {"a worker that never answers", KP_ERR_TIMED_OUT},
    [KP_LIAR_EAT] = {"a worker out of memory", KP_ERR_NO_MEMORY},
    [KP_LIAR_EAT_PAGES] = {"a worker with all pages of its job", KP_ERR_TIMED_OUT},
    [KP_LIAR_TRAP] = {"a worker that traps", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_LEAVE] = {"a worker that leaves", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_SHORT] = {"no reply", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_STATUS] = {"no status", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_NO_CODE] = {"success without code", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_NO_VMO] = {"code that is no VMO", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_SIZE] = {"code of another size", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_MAGIC] = {"no artefact", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_OTHER_MODULE] = {"another module's artefact", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_OTHER_FUNCTIONS] = {"other functions' artefact", KP_ERR_PROCESS_DEAD},
    [KP_LIAR_WRITABLE] = {"an artefact that is still written", KP_ERR_PROCESS_DEAD},
};

static kp_status_t wait_raw(kp_handle_t channel, uint32_t number)
{
    const kp_compiler_functions_t wait = {.ordinal = KP_COMPILER_WAIT, .module = number};
    return raw(channel, &wait, sizeof(wait), KP_HANDLE_NONE, PATIENCE);
}

/* A service that is at it for long says so, whoever asks again or does not. */
static void test_waiting(void)
{
    begin("who waits for long is told to ask again");
    const kp_compiler_request_t request = {KP_COMPILER_COMPILE, GUARDED, 0, 16};
    for (unsigned round = 0; round < 2; round++) {
        const uint8_t bytes[16] = {0, 'a', 's', 'm', 1, 0, 0, 0, KP_LIAR_SLEEP, 0, 200};
        kp_compiler_client_t client;
        kp_compiler_info_t counts = {0};
        CHECK(kp_compiler_connect(&client, service) == KP_OK);
        CHECK(raw(client.channel, &request, sizeof(request), vmo_with(bytes, sizeof(bytes)),
                  PATIENCE) == KP_ERR_SHOULD_WAIT);
        CHECK(wait_raw(client.channel, 77) == KP_ERR_INVALID_ARGUMENT);
        kp_status_t status = KP_ERR_SHOULD_WAIT;
        unsigned times = 0;
        for (; round == 0 && status == KP_ERR_SHOULD_WAIT; times++)
            status = wait_raw(client.channel, 1);
        do { /* or looks away until it is done */
            CHECK(kp_compiler_ask_info(&client, PATIENCE, &counts) == KP_OK);
            (void)kp_object_wait_many(NULL, 0, kp_now() + 10 * KP_NS_PER_MS);
        } while (good && counts.workers > 0);
        if (round == 1)
            status = wait_raw(client.channel, 1);
        CHECK(status == KP_ERR_TIMED_OUT && (round == 1 || times > 1));
        CHECK(wait_raw(client.channel, 1) == KP_ERR_INVALID_ARGUMENT); /* that was the answer */
        kp_compiler_disconnect(&client);
    }
    /* Honest work, some of it met by the beat, and now and then by a connection's end. */
    for (unsigned i = 0; i < 60; i++) {
        const uint8_t bytes[16] = {0, 'a', 's',       'm', 1, 0, 0, 0, KP_LIAR_HONEST,
                                   0, 201, (uint8_t)i};
        kp_compiler_client_t client;
        kp_compiler_code_t code;
        CHECK(kp_compiler_connect(&client, service) == KP_OK);
        if (i % 4 == 0)
            (void)raw(client.channel, &request, sizeof(request), vmo_with(bytes, sizeof(bytes)),
                      PATIENCE);
        else
            CHECK(compile(&client, bytes, sizeof(bytes), &code, NULL) == KP_OK && code.address);
        if (i % 4 > 0)
            kp_compiler_code_release(&code);
        kp_compiler_disconnect(&client);
    }
    end();
}

/* Each lie is its client's alone: whole modules and functions, and somebody honest meanwhile. */
static void test_lies(void)
{
    static uint8_t honest = 0;
    for (unsigned mode = 0; mode < KP_LIAR_MODES; mode++) {
        begin(lies[mode].name);
        uint8_t bytes[16] = {0, 'a', 's', 'm', 1, 0, 0, 0, (uint8_t)mode, 0};
        kp_compiler_client_t client, other;
        kp_compiler_code_t code;
        uint32_t number = 0;
        CHECK(kp_compiler_connect(&client, service) == KP_OK);
        CHECK(kp_compiler_connect(&other, service) == KP_OK);
        /* Asked for by one, and then by two who wait for it. */
        kp_status_t status = compile(&client, bytes, sizeof(bytes), &code, NULL);
        CHECK(status == lies[mode].status);
        kp_compiler_code_release(&code);
        const uint8_t fine[16] = {0, 'a', 's', 'm', 1, 0, 0, 0, KP_LIAR_HONEST, 0, ++honest};
        CHECK(compile(&other, fine, sizeof(fine), &code, NULL) == KP_OK && !code.is_cached);
        kp_compiler_code_release(&code);
        bytes[9] = 1;
        CHECK(open_module(&client, bytes, sizeof(bytes), &number, &code) == KP_OK && number > 0);
        for (unsigned twice = 0; twice < 2; twice++) {
            status = functions(&client, &number, twice, 1, &code);
            CHECK(status == lies[mode].status);
            kp_compiler_code_release(&code);
        }
        CHECK(compile(&other, fine, sizeof(fine), &code, NULL) == KP_OK && code.is_cached);
        kp_compiler_code_release(&code);
        kp_compiler_disconnect(&client);
        kp_compiler_disconnect(&other);
        end();
    }
}

/* ---- how fast, and is it what the compiler makes elsewhere ---- */

uint32_t kp_wasm_cpu_features(void)
{
    return 0;
}

/* Compiles here, by several threads, what the service compiles: its digest for run.sh, which has the host's. */
static void digest(const uint8_t *large, size_t size)
{
    kp_wasm_options_t decode = kp_wasm_options_init(kp_wasm_heap);
    kp_wasm_module_t *module;
    kp_wasm_artefact_t artefact;
    const kp_wasm_compile_options_t options = {
        .allocator = kp_wasm_heap, .flags = GUARDED, .cpu = 0xf, .code_maximum = 256 << 20};
    uint8_t digest[KP_SHA256_SIZE];
    char text[2 * KP_SHA256_SIZE + 1];
    if (kp_wasm_module_decode(large, size, &decode, &module, NULL) != KP_OK ||
        kp_compiler_parallel(module, &options, &artefact, NULL) != KP_OK) {
        kp_log("compiler: not ok digest: it does not compile");
        return;
    }
    kp_sha256(artefact.bytes, artefact.size, digest);
    for (unsigned i = 0; i < KP_SHA256_SIZE; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    kp_log("compiler: digest %s", text);
    kp_wasm_artefact_free(&artefact);
    kp_wasm_module_destroy(module);
}

static void measure(uint8_t *large, size_t size, unsigned rounds)
{
    kp_compiler_client_t client;
    if (kp_compiler_connect(&client, service) != KP_OK)
        return;
    uint8_t *copy = malloc(size + 8);
    for (unsigned i = 0; copy && i < rounds; i++) {
        /* A custom section makes it another module. */
        memcpy(copy, large, size);
        const uint8_t custom[] = {0, 3, 1, 'n', (uint8_t)i};
        memcpy(copy + size, custom, sizeof(custom));
        kp_compiler_code_t code;
        kp_time_t start = kp_now();
        kp_status_t status = kp_compiler_compile(&client, copy, (uint32_t)(size + sizeof(custom)),
                                                 GUARDED, 0xf, PATIENCE, &code, NULL);
        kp_time_t middle = kp_now();
        uint64_t compile_ns = code.compile_ns;
        uint32_t code_size = code.size;
        kp_compiler_code_release(&code);
        if (status == KP_OK)
            status = kp_compiler_compile(&client, copy, (uint32_t)(size + sizeof(custom)), GUARDED,
                                         0xf, PATIENCE, &code, NULL);
        kp_time_t last = kp_now();
        kp_compiler_code_release(&code);
        kp_log("compiler: measure %s bytes %u code %u compile_ns %llu first_ns %llu again_ns %llu",
               kp_status_name(status), (unsigned)size, (unsigned)code_size,
               (unsigned long long)compile_ns, (unsigned long long)(middle - start),
               (unsigned long long)(last - middle));
    }
    free(copy);
    kp_compiler_disconnect(&client);
}

int main(int argc, char **argv)
{
    bool only_measure = false, is_liar = false;
    for (int i = 1; i < argc; i++) {
        only_measure |= strcmp(argv[i], "measure") == 0;
        is_liar |= strcmp(argv[i], "liar") == 0;
    }
    service = kp_startup_take("svc:compiler");
    size_t size = 0;
    const void *large = kp_startup_file("ui/large.wasm", &size);
    if (service == KP_HANDLE_NONE || !large) {
        kp_log("compiler: not ok start: no service or no module was given");
        return 1;
    }
    if (only_measure) {
        uint8_t *bytes = malloc(size);
        if (bytes) {
            memcpy(bytes, large, size);
            module_t tiny = small(1);
            measure(tiny.bytes, sizeof(tiny), 5);
            measure(bytes, size, 3);
        }
        kp_log("compiler: finished");
        return 0;
    }
    if (is_liar) {
        test_lies();
        test_waiting();
        kp_log("compiler: finished: %u failed", failures);
        return failures != 0;
    }
    test_same();
    test_code_is_code();
    test_damaged();
    test_requests();
    test_share();
    test_held();
    test_left();
    test_functions();
    test_completed();
    test_many_open();
    test_flood(large, size);
    test_kept(large, size);
    test_deaths();
    digest(large, size);
    kp_log("compiler: finished: %u failed", failures);
    return failures != 0;
}
