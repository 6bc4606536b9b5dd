#include "kernel/machine/x86_64/speculation.h"

#include "kernel/machine/x86_64/boot.h"

enum {
    MSR_SPEC_CTRL = 0x48,
    MSR_PRED_CMD = 0x49,
    MSR_ARCH_CAPABILITIES = 0x10a,
    SPEC_IBRS = 1,
    SPEC_STIBP = 2,
    SPEC_SSBD = 4,
    PRED_IBPB = 1,
    CAPABILITY_RDCL_NO = 1 << 0,
    CAPABILITY_IBRS_ALL = 1 << 1,
    CAPABILITY_SSB_NO = 1 << 4,
    CAPABILITY_MDS_NO = 1 << 5,
    THUNKS = 15,
    THUNK_SIZE = 32,
    SWAPGS_SIZE = 3,
    JUMP_SIZE = 5,
    JUMP = 0xe9,
    IRETQ_FIRST = 0x48,
    IRETQ_SECOND = 0xcf,
};

bool kp_x86_speculation_at_switch;

static struct {
    bool retpoline, barrier, stuff, verw, meltdown;
    uint64_t control; /* MSR_SPEC_CTRL; 0: not there or nothing to set */
} chosen;

/* entry.S: one after the other, for rax rbx rcx rdx rsi rdi rbp r8 .. r15. */
extern uint8_t kp_x86_thunks[THUNKS * THUNK_SIZE];
/* Where `swapgs` and the return to ring 3 stand; ends with NULL. */
extern uint8_t *const kp_x86_verw_sites[];
extern uint8_t kp_x86_exit_sysret[], kp_x86_exit_iret[];
void kp_x86_rsb_fill(void);

static bool option_is(const char *value)
{
    char word[8];
    return kp_x86_boot_option("speculation=", word, sizeof(word)) && strcmp(word, value) == 0;
}

static bool is_amd(void)
{
    uint32_t vendor = kp_x86_cpuid(0, 0).b;
    return vendor == 0x68747541 || vendor == 0x6f677948; /* "Auth"enticAMD, "Hygo"nGenuine */
}

/* Nothing to be retrained: each thunk becomes `jmp *register`. */
static void thunks_plain(void)
{
    static const uint8_t registers[THUNKS] = {0, 3, 1, 2, 6, 7, 5, 8, 9, 10, 11, 12, 13, 14, 15};
    for (unsigned i = 0; i < THUNKS; i++) {
        uint8_t *at = kp_x86_thunks + (size_t)i * THUNK_SIZE;
        if (registers[i] >= 8)
            *at++ = 0x41;
        *at++ = 0xff;
        *at++ = (uint8_t)(0xe0 | (registers[i] & 7));
    }
}

static void verw_patch(void)
{
    for (unsigned i = 0; kp_x86_verw_sites[i]; i++) {
        uint8_t *site = kp_x86_verw_sites[i];
        const uint8_t *after = site + SWAPGS_SIZE;
        const uint8_t *to = after[0] == IRETQ_FIRST && after[1] == IRETQ_SECOND
                                ? kp_x86_exit_iret
                                : kp_x86_exit_sysret;
        int32_t distance = (int32_t)(to - (site + JUMP_SIZE));
        site[0] = JUMP;
        memcpy(site + 1, &distance, sizeof(distance));
    }
}

void kp_x86_speculation_init(void)
{
    kp_x86_cpuid_t seven = {0}, extended = {0};
    if (kp_x86_cpuid(0, 0).a >= 7)
        seven = kp_x86_cpuid(7, 0);
    if (kp_x86_cpuid(0x80000000, 0).a >= 0x80000008)
        extended = kp_x86_cpuid(0x80000008, 0);
    bool amd = is_amd(), has_control = seven.d >> 26 & 1 || extended.b >> 14 & 1;
    bool has_barrier = seven.d >> 26 & 1 || extended.b >> 12 & 1;
    bool has_stibp = seven.d >> 27 & 1 || extended.b >> 15 & 1;
    bool has_ssbd = seven.d >> 31 & 1 || extended.b >> 24 & 1;
    uint64_t known = seven.d >> 29 & 1 ? kp_x86_msr_read(MSR_ARCH_CAPABILITIES) : 0;
    bool enhanced = known & CAPABILITY_IBRS_ALL;
    bool wanted = option_is("on") || (!kp_x86_features.emulated && !option_is("off"));
    if (wanted) {
        chosen.retpoline = !enhanced;
        chosen.barrier = has_barrier;
        chosen.stuff = true;
        chosen.verw =
            (seven.d >> 10 & 1 && !(known & CAPABILITY_MDS_NO) && !amd) || option_is("on");
        chosen.meltdown = !amd && !(known & CAPABILITY_RDCL_NO);
        chosen.control = (has_control && enhanced ? SPEC_IBRS : 0) | (has_stibp ? SPEC_STIBP : 0) |
                         (has_ssbd && !(known & CAPABILITY_SSB_NO) ? SPEC_SSBD : 0);
    }
    if (!chosen.retpoline)
        thunks_plain();
    if (chosen.verw)
        verw_patch();
    kp_x86_speculation_at_switch = chosen.barrier || chosen.stuff;
}

void kp_x86_speculation_cpu(void)
{
    if (chosen.control)
        kp_x86_msr_write(MSR_SPEC_CTRL, chosen.control);
}

void kp_x86_speculation_switch(void)
{
    if (chosen.barrier)
        kp_x86_msr_write(MSR_PRED_CMD, PRED_IBPB);
    if (chosen.stuff)
        kp_x86_rsb_fill();
}

void kp_x86_speculation_log(void)
{
    kp_log("boot", KP_LOG_DEBUG, "speculation: retpolines %s, at switches:%s%s, on return:%s%s",
           chosen.retpoline ? "on" : "off", chosen.barrier ? " IBPB" : "",
           chosen.stuff ? " RSB" : "", chosen.verw ? " VERW" : "",
           chosen.control & SPEC_IBRS ? ", IBRS" : "");
    if (chosen.meltdown)
        kp_log("boot", KP_LOG_WARN,
               "this CPU may let programs read kernel memory (Meltdown); KPIO does not prevent it");
}
