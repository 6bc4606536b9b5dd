/* From the first C function to kp_kernel_main. */
#include "kernel/drivers/drivers.h"
#include "kernel/machine/x86_64/boot.h"
#include "kernel/machine/x86_64/console.h"
#include "kernel/machine/x86_64/entropy.h"
#include "kernel/machine/x86_64/lapic.h"
#include "kernel/machine/x86_64/pages.h"
#include "kernel/machine/x86_64/paging.h"
#include "kernel/machine/x86_64/smp.h"
#include "kernel/machine/x86_64/speculation.h"
#include "kernel/machine/x86_64/thread.h"
#include "kernel/machine/x86_64/trap.h"

void kp_x86_start(uint32_t kind, uint64_t information);
#pragma weak kp_drivers_init

static void provoke_panic(void);

static void log_boot(void)
{
    uint64_t total, free_bytes;
    const kp_x86_boot_t *boot = &kp_x86_boot;
    const kp_x86_features_t *f = &kp_x86_features;
    kp_x86_memory_usage(&total, &free_bytes);
    kp_log("boot", KP_LOG_INFO,
           "KPIO on x86_64 through %s, %llu MiB free, bundle %llu KiB, "
           "TSC %llu MHz (%s), %s, %s, protections:%s%s%s NX WP",
           boot->multiboot ? "multiboot2" : "PVH", (unsigned long long)(free_bytes >> 20),
           (unsigned long long)((boot->bundle.end - boot->bundle.start) >> 10),
           (unsigned long long)(kp_x86_tsc_frequency() / 1000000), kp_x86_clock_source(),
           f->x2apic ? "x2APIC" : "xAPIC", f->tsc_deadline ? "TSC deadline" : "one-shot timer",
           f->smep ? " SMEP" : "", f->smap ? " SMAP" : "", f->umip ? " UMIP" : "");
}

/* The first kernel thread. */
static void start_kernel(void *argument)
{
    static kp_boot_t boot;
    const kp_x86_boot_t *read = &kp_x86_boot;
    char word[8];
    (void)argument;
    if (kp_x86_boot_option("panic=", word, sizeof(word)) && strcmp(word, "test") == 0)
        provoke_panic();
    if (kp_thread_create("clock", kp_x86_clock_refine, NULL, NULL) != KP_OK ||
        (kp_x86_boot.cpu_count > 1 &&
         kp_thread_create("smp", kp_x86_smp_start, NULL, NULL) != KP_OK))
        kp_panic("no memory for the first threads");
    boot.command_line = read->command_line;
    if (read->bundle.end) {
        boot.bundle = kp_x86_direct(read->bundle.start);
        boot.bundle_size = read->bundle.end - read->bundle.start;
    }
    if (read->bundle.start % KP_PAGE_SIZE) {
        kp_log("boot", KP_LOG_ERROR, "the boot loader put the archive at 0x%llx, not on a page",
               (unsigned long long)read->bundle.start);
        boot.bundle = NULL;
    }
    static kp_drivers_boot_t drivers;
    drivers.command_line = read->command_line;
    const kp_x86_framebuffer_t *frame = &read->framebuffer;
    /* The driver paints 32 bits a pixel, B G R X; any other kind of screen stays dark. */
    if (frame->bits == 32 && frame->red_shift == 16 && frame->green_shift == 8 &&
        frame->blue_shift == 0)
        drivers.framebuffer = (kp_boot_framebuffer_t){
            .physical_address = frame->physical,
            .width = frame->width,
            .height = frame->height,
            .stride = frame->pitch,
            .bits_per_pixel = frame->bits,
        };
    if (kp_drivers_init)
        kp_drivers_init(&drivers);
    kp_kernel_main(&boot);
    kp_machine_shutdown(0);
}

__attribute__((no_stack_protector)) void kp_x86_start(uint32_t kind, uint64_t information)
{
    kp_x86_cpu_init_boot();
    kp_x86_clock_begin();
    kp_x86_trap_init();
    kp_x86_console_init();
    kp_x86_cpu_features();
    if (kp_x86_boot_read(&kp_x86_boot, kind, information) != KP_OK)
        kp_x86_console_stop("the boot loader's information is damaged", "", "");
    char word[8];
    if (kp_x86_boot_option("log=", word, sizeof(word)) && strcmp(word, "debug") == 0)
        kp_x86_log_level(KP_LOG_DEBUG);
    kp_x86_pages_init(&kp_x86_boot);
    kp_x86_trap_patch();
    kp_x86_speculation_init();
    kp_x86_paging_init(&kp_x86_boot);
    kp_x86_cpu_protect();
    kp_x86_lapic_init();
    kp_x86_entropy_init();
    kp_x86_clock_calibrate();
    kp_x86_cpu_guard_stacks();
    kp_x86_thread_init();
    kp_x86_thread_start_reaper();
    log_boot();
    kp_x86_speculation_log();
    kp_status_t status = kp_thread_create("main", start_kernel, NULL, NULL);
    if (status != KP_OK)
        kp_panic("cannot start the first thread: %s", kp_status_name(status));
    kp_x86_interrupts_on();
    kp_x86_thread_idle();
}

/* panic=test: three calls deep, so that a test sees real names in the backtrace. */
__attribute__((noinline)) static void provoke_panic_inner(volatile uint64_t *address)
{
    *address = 1;
    __asm__ volatile(""); /* keeps the calls from becoming jumps */
}

__attribute__((noinline)) static void provoke_panic(void)
{
    volatile uint64_t *nowhere = (volatile uint64_t *)16;
    __asm__ volatile("" : "+r"(nowhere)); /* the compiler must not know that this is bad */
    provoke_panic_inner(nowhere);
    __asm__ volatile("");
}
