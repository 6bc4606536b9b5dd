/* Panic: the reason, the CPU, registers, a symbolised backtrace; then the machine stops. The symbol
   table is made by the build from the first link (symbols.awk) and linked in by the second. */
#include "kernel/machine/x86_64/console.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/io.h"
#include "kernel/machine/x86_64/memory.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/symbols.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"

enum { LINE_MAX = 320, FRAMES_MAX = 32, EXIT_PANIC = 0x7f };

extern char kp_x86_text_start[], kp_x86_text_end[], kp_x86_image_end[];

static void print(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void print(const char *format, ...)
{
    char line[LINE_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = kp_vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    kp_x86_console_write(line, KP_MIN((size_t)length, sizeof(line) - 1));
}

static bool is_text(uint64_t address)
{
    return address >= (uint64_t)kp_x86_text_start && address < (uint64_t)kp_x86_text_end;
}

const char *kp_x86_symbol_find(uint64_t address, uint64_t *offset)
{
    uint32_t low = 0, high = kp_x86_symbols.count;
    if (!is_text(address) || high == 0)
        return NULL;
    uint32_t wanted = (uint32_t)(address - KP_X86_KERNEL_OFFSET);
    const kp_x86_symbol_t *table = kp_x86_symbols.entries;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (table[middle].address <= wanted)
            low = middle;
        else
            high = middle;
    }
    if (table[low].address > wanted)
        return NULL;
    *offset = wanted - table[low].address;
    return (const char *)&table[kp_x86_symbols.count] + table[low].name;
}

static void print_frame(unsigned number, uint64_t address)
{
    uint64_t offset;
    const char *name = kp_x86_symbol_find(address, &offset);
    if (name)
        print("  #%u 0x%016llx %s+0x%llx\r\n", number, (unsigned long long)address, name,
              (unsigned long long)offset);
    else
        print("  #%u 0x%016llx ?\r\n", number, (unsigned long long)address);
}

/* A frame pointer is followed only where a stack can be: kernel stacks and the kernel image. */
static bool is_stack(uint64_t address)
{
    return address % 8 == 0 &&
           ((address >= KP_X86_STACK_BASE && address < KP_X86_STACK_BASE + (1ull << 40)) ||
            (address >= (uint64_t)kp_x86_text_end && address < (uint64_t)kp_x86_image_end));
}

static void backtrace(uint64_t frame, unsigned number)
{
    uint64_t page = 0;
    for (; number < FRAMES_MAX && is_stack(frame); number++) {
        /* Frames grow towards higher addresses; a leap over a slot's end would touch a guard. */
        if (page && (frame <= page || frame - page > 32768))
            break;
        page = frame;
        const uint64_t *at = (const uint64_t *)frame;
        if (!is_text(at[1]))
            break;
        print_frame(number, at[1] - 1);
        frame = at[0];
    }
}

static void print_registers(const kp_x86_frame_t *f)
{
    static const struct {
        const char *name;
        size_t offset;
    } names[] = {
        {"rip", offsetof(kp_x86_frame_t, rip)},   {"rsp", offsetof(kp_x86_frame_t, rsp)},
        {"flg", offsetof(kp_x86_frame_t, flags)}, {"rax", offsetof(kp_x86_frame_t, rax)},
        {"rbx", offsetof(kp_x86_frame_t, rbx)},   {"rcx", offsetof(kp_x86_frame_t, rcx)},
        {"rdx", offsetof(kp_x86_frame_t, rdx)},   {"rsi", offsetof(kp_x86_frame_t, rsi)},
        {"rdi", offsetof(kp_x86_frame_t, rdi)},   {"rbp", offsetof(kp_x86_frame_t, rbp)},
        {"r8 ", offsetof(kp_x86_frame_t, r8)},    {"r9 ", offsetof(kp_x86_frame_t, r9)},
        {"r10", offsetof(kp_x86_frame_t, r10)},   {"r11", offsetof(kp_x86_frame_t, r11)},
        {"r12", offsetof(kp_x86_frame_t, r12)},   {"r13", offsetof(kp_x86_frame_t, r13)},
        {"r14", offsetof(kp_x86_frame_t, r14)},   {"r15", offsetof(kp_x86_frame_t, r15)},
    };
    for (unsigned i = 0; i < KP_ARRAY_COUNT(names); i++)
        print("  %s %016llx%s", names[i].name,
              (unsigned long long)*(const uint64_t *)((const char *)f + names[i].offset),
              i % 3 == 2 ? "\r\n" : "");
}

/* The head of every panic. A panic within a panic stops at once. */
static void begin(const char *format, va_list arguments)
{
    static bool again;
    kp_x86_interrupts_off();
    if (!kp_x86_smp_stop_others())
        for (;;) /* another CPU panics already, and will stop this one */
            __asm__ volatile("hlt");
    kp_x86_console_panic();
    if (again)
        kp_machine_shutdown(EXIT_PANIC);
    again = true;
    char reason[LINE_MAX];
    kp_vsnprintf(reason, sizeof(reason), format, arguments);
    const kp_x86_cpu_t *cpu = kp_x86_cpu();
    print("\r\nKPIO panic: ");
    kp_x86_console_write(reason, strlen(reason));
    const kp_machine_thread_t *thread = cpu->scheduling ? cpu->current : NULL;
    print("\r\n  CPU %u, thread %s%s\r\n", cpu->number,
          !thread               ? "none (boot)"
          : thread == cpu->idle ? "idle"
                                : KP_CONTAINER_OF(thread, kp_thread_t, machine)->name,
          thread && thread->space ? " (user)" : "");
    print("  kernel slid by 0x%llx\r\n", (unsigned long long)kp_x86_slide);
}

static _Noreturn void end(void)
{
    print("KPIO has stopped.\r\n");
    kp_machine_shutdown(EXIT_PANIC);
}

void kp_x86_panic_frame(const kp_x86_frame_t *frame, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    begin(format, arguments);
    va_end(arguments);
    print_registers(frame);
    print("backtrace:\r\n");
    print_frame(0, frame->rip);
    backtrace(frame->rbp, 1);
    end();
}

void kp_panic(const char *format, ...)
{
    kp_x86_frame_t frame = {0};
    __asm__ volatile("movq %%rbx, %0\nmovq %%rbp, %1\nmovq %%r12, %2\nmovq %%r13, %3\n"
                     "movq %%r14, %4\nmovq %%r15, %5\nmovq %%rsp, %6\n"
                     : "=m"(frame.rbx), "=m"(frame.rbp), "=m"(frame.r12), "=m"(frame.r13),
                       "=m"(frame.r14), "=m"(frame.r15), "=m"(frame.rsp));
    frame.rip = (uint64_t)__builtin_return_address(0);
    frame.flags = kp_x86_flags();
    va_list arguments;
    va_start(arguments, format);
    begin(format, arguments);
    va_end(arguments);
    print_registers(&frame);
    print("backtrace:\r\n");
    backtrace((uint64_t)__builtin_frame_address(0), 0);
    end();
}

/* The compiler's: a function's canary was overwritten. */
_Noreturn void __stack_chk_fail(void);
void __stack_chk_fail(void)
{
    kp_panic("a kernel stack frame was overwritten");
}
