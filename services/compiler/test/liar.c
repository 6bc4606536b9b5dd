/* A worker that is up to no good, in the compiler's place: the module's byte 8 says what it does. With it the service has
   short limits (module.mk). */
#include <stdlib.h>
#include <string.h>

#include "runtime/compile/code.h"
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"
#include "services/compiler/test/liar.h"
#include "services/compiler/worker.h"

enum { SIZE = KP_WASM_CODE_PAGE + 64 };

static _Noreturn void spin(void)
{
    for (volatile unsigned i = 0;; i++)
        ;
}

static kp_status_t eat_memory(void)
{
    for (;;) {
        volatile uint8_t *more = malloc(1 << 20);
        if (!more)
            return KP_ERR_NO_MEMORY;
        for (unsigned i = 0; i < 1 << 20; i += KP_PAGE_SIZE)
            more[i] = 1;
    }
}

/* What the job may have, and no more. */
static kp_status_t eat_pages(void)
{
    for (;;) {
        int64_t vmo = kp_vmo_create(16 << 20);
        if (vmo < 0)
            return (kp_status_t)vmo;
    }
}

static void header_fill(kp_wasm_code_header_t *header, const kp_compiler_request_t *request,
                        const kp_compiler_functions_t *functions)
{
    *header = (kp_wasm_code_header_t){
        .version = (uint32_t)KP_WASM_CODE_VERSION << 16 | KP_WASM_LAYOUT_VERSION,
        .flags = request->flags | (functions ? KP_WASM_COMPILE_LAZY : 0),
        .code = KP_WASM_CODE_PAGE,
        .code_size = 16,
        .tables = KP_WASM_CODE_PAGE + 16,
        .size = SIZE,
        .module_size = request->module_size,
        .first_function = functions ? functions->first : 0,
        .function_count = functions ? functions->count : 1,
    };
    memcpy(header->magic, KP_WASM_CODE_MAGIC, sizeof(header->magic));
}

static kp_handle_t artefact_make(const kp_wasm_code_header_t *header, uint64_t size)
{
    int64_t vmo = kp_vmo_create(size);
    if (vmo > 0)
        (void)kp_vmo_write((kp_handle_t)vmo, 0, header, sizeof(*header));
    return vmo > 0 ? (kp_handle_t)vmo : KP_HANDLE_NONE;
}

/* Answers one order as the mode wants it. */
static void misbehave(kp_handle_t control, kp_liar_mode_t mode,
                      const kp_compiler_request_t *request,
                      const kp_compiler_functions_t *functions)
{
    kp_compiler_reply_t reply = {.function = UINT32_MAX, .artefact_size = SIZE};
    kp_wasm_code_header_t header;
    kp_handle_t code = KP_HANDLE_NONE;
    header_fill(&header, request, functions);
    switch (mode) {
    case KP_LIAR_SPIN:
        spin();
    case KP_LIAR_SLEEP:
        (void)kp_object_wait_many(NULL, 0, KP_TIME_INFINITE);
        return;
    case KP_LIAR_EAT:
        reply.status = eat_memory();
        break;
    case KP_LIAR_EAT_PAGES:
        if (eat_pages() == KP_ERR_QUOTA)
            spin();
        return;
    case KP_LIAR_TRAP:
        abort();
    case KP_LIAR_LEAVE:
        exit(0);
    case KP_LIAR_SHORT:
        (void)kp_message_send(control, &reply, 8);
        return;
    case KP_LIAR_STATUS:
        reply.status = 1234;
        break;
    case KP_LIAR_NO_CODE:
        break;
    case KP_LIAR_NO_VMO: {
        int64_t event = kp_event_create();
        code = event > 0 ? (kp_handle_t)event : KP_HANDLE_NONE;
        break;
    }
    case KP_LIAR_SIZE:
        code = artefact_make(&header, 4 * KP_WASM_CODE_PAGE);
        break;
    case KP_LIAR_MAGIC:
        header.magic[0] ^= 1;
        code = artefact_make(&header, SIZE);
        break;
    case KP_LIAR_OTHER_MODULE:
        header.module_size++;
        code = artefact_make(&header, SIZE);
        break;
    case KP_LIAR_OTHER_FUNCTIONS:
        header.first_function++;
        code = artefact_make(&header, SIZE);
        break;
    case KP_LIAR_WRITABLE: {
        void *at = aligned_alloc(KP_PAGE_SIZE, KP_PAGE_SIZE);
        code = artefact_make(&header, SIZE);
        if (!at || kp_vmo_map(code, 0, at, KP_PAGE_SIZE, KP_VMO_MAP_WRITE) != KP_OK)
            return;
        break;
    }
    default:
        code = artefact_make(&header, SIZE);
    }
    (void)kp_message_send_with(control, &reply, sizeof(reply), NULL, 0, &code,
                               code != KP_HANDLE_NONE);
    if (mode == KP_LIAR_WRITABLE && !functions) /* it stays mapped */
        (void)kp_object_wait_many(NULL, 0, KP_TIME_INFINITE);
}

int kp_compiler_worker_run(void)
{
    static kp_message_t message;
    kp_handle_t control = kp_startup_take("control");
    uint8_t mode = 0;
    if (kp_message_receive_wait(control, &message, KP_TIME_INFINITE) != KP_OK)
        return 1;
    const kp_compiler_request_t request = *(const kp_compiler_request_t *)message.bytes;
    (void)kp_vmo_read(kp_message_take(&message, 0), 8, &mode, 1);
    if (request.ordinal == KP_COMPILER_COMPILE) {
        misbehave(control, mode, &request, NULL);
        return 0;
    }
    while (kp_message_receive_wait(control, &message, KP_TIME_INFINITE) == KP_OK) {
        const kp_compiler_functions_t functions = *(const kp_compiler_functions_t *)message.bytes;
        misbehave(control, mode, &request, &functions);
    }
    return 0;
}
