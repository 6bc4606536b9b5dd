/* A process as a file, and back: what process_freeze saves of a Linux process beside its linear memory.
   The file holds a page with the registers, then the writable segments of the image in order, then the
   stack; a clone maps the latter two privately, so that it copies only what it changes.

   The frozen process writes the file itself, under its filter, so nothing in it is trusted: only
   another process of the same program, under the same filter, ever uses it. Addresses and sizes come
   from the kernel. */
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "kernel/machine/hosted/child.h"
#include "runtime/image/image.h"

/* int kp_sandbox_context_save(kp_sandbox_context_t *context); resume returns from it a second time. */
__asm__(".text\n"
        ".globl kp_sandbox_context_save\n"
        ".type kp_sandbox_context_save, @function\n"
        "kp_sandbox_context_save:\n"
        "    movq %rbx, 0(%rdi)\n"
        "    movq %rbp, 8(%rdi)\n"
        "    movq %r12, 16(%rdi)\n"
        "    movq %r13, 24(%rdi)\n"
        "    movq %r14, 32(%rdi)\n"
        "    movq %r15, 40(%rdi)\n"
        "    leaq 8(%rsp), %rax\n"
        "    movq %rax, 48(%rdi)\n"
        "    movq (%rsp), %rax\n"
        "    movq %rax, 56(%rdi)\n"
        "    stmxcsr 64(%rdi)\n"
        "    fnstcw 68(%rdi)\n"
        "    xorl %eax, %eax\n"
        "    ret\n"
        ".globl kp_sandbox_context_resume\n"
        ".type kp_sandbox_context_resume, @function\n"
        "kp_sandbox_context_resume:\n"
        "    movq 0(%rdi), %rbx\n"
        "    movq 8(%rdi), %rbp\n"
        "    movq 16(%rdi), %r12\n"
        "    movq 24(%rdi), %r13\n"
        "    movq 32(%rdi), %r14\n"
        "    movq 40(%rdi), %r15\n"
        "    movq 48(%rdi), %rsp\n"
        "    ldmxcsr 64(%rdi)\n"
        "    fldcw 68(%rdi)\n"
        "    cld\n"
        "    movl $1, %eax\n"
        "    jmpq *56(%rdi)\n");
_Static_assert(offsetof(kp_sandbox_context_t, rip) == 56 &&
                   offsetof(kp_sandbox_context_t, mxcsr) == 64 &&
                   offsetof(kp_sandbox_context_t, x87_control) == 68,
               "the code above");

uint64_t kp_sandbox_state_size(const kp_image_segment_t *segments, uint32_t count)
{
    uint64_t size = KP_PAGE_SIZE + KP_IMAGE_STACK_SIZE;
    for (uint32_t i = 0; i < count; i++)
        size += segments[i].flags & KP_IMAGE_SEGMENT_WRITE ? segments[i].size : 0;
    return size;
}

/* Pages of zeroes stay holes. By hand: the stack has frames of this program too, whose red zones a
   sanitised memcpy would trip over. */
__attribute__((no_sanitize("address", "undefined"))) static void
copy_pages(uint8_t *to, const uint8_t *from, uint64_t size)
{
    for (; size > 0; size -= KP_PAGE_SIZE, to += KP_PAGE_SIZE, from += KP_PAGE_SIZE) {
        const volatile uint64_t *words = (const volatile uint64_t *)from;
        uint64_t any = 0;
        for (size_t i = 0; i < KP_PAGE_SIZE / sizeof(*words) && !any; i++)
            any = words[i];
        uint64_t count = KP_PAGE_SIZE / sizeof(*words);
        uint8_t *at = to;
        const uint8_t *source = from;
        if (any)
            __asm__ volatile("rep movsq" : "+D"(at), "+S"(source), "+c"(count) : : "memory");
    }
}

bool kp_sandbox_state_write(uint8_t *scratch, const kp_zygote_request_t *request,
                            const kp_sandbox_context_t *context)
{
    memcpy(scratch, context, sizeof(*context));
    scratch += KP_PAGE_SIZE;
    for (uint32_t i = 0; i < request->segment_count; i++) {
        const kp_image_segment_t *segment = &request->segments[i];
        if (!(segment->flags & KP_IMAGE_SEGMENT_WRITE))
            continue;
        copy_pages(scratch, (const uint8_t *)request->layout.image + segment->address,
                   segment->size);
        scratch += segment->size;
    }
    /* Below the context's frame nothing is needed any more. */
    uint64_t stack = request->layout.stack + KP_IMAGE_STACK_GUARD;
    uint64_t used = context->rsp - stack;
    if (used >= KP_IMAGE_STACK_SIZE)
        return false;
    used -= used % KP_PAGE_SIZE;
    copy_pages(scratch + used, (const uint8_t *)stack + used, KP_IMAGE_STACK_SIZE - used);
    return true;
}

static bool map_private(uint64_t address, uint64_t size, int file, uint64_t offset)
{
    void *at = (void *)address;
    return mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, file,
                (off_t)offset) == at;
}

bool kp_sandbox_state_map(int file, const kp_zygote_request_t *request,
                          kp_sandbox_context_t *context)
{
    const kp_sandbox_context_t *saved = mmap(NULL, KP_PAGE_SIZE, PROT_READ, MAP_PRIVATE, file, 0);
    if (saved == MAP_FAILED)
        return false;
    *context = *saved;
    munmap((void *)saved, KP_PAGE_SIZE);
    uint64_t offset = KP_PAGE_SIZE;
    for (uint32_t i = 0; i < request->segment_count && i < KP_ZYGOTE_SEGMENTS; i++) {
        const kp_image_segment_t *segment = &request->segments[i];
        if (!(segment->flags & KP_IMAGE_SEGMENT_WRITE))
            continue;
        if (!map_private(request->layout.image + segment->address, segment->size, file, offset))
            return false;
        offset += segment->size;
    }
    return map_private(request->layout.stack + KP_IMAGE_STACK_GUARD, KP_IMAGE_STACK_SIZE, file,
                       offset);
}
