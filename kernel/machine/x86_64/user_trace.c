/* Where a process was when it died: one line with offsets in its image, for
   build/image/x86_64/NAME.sym
   (`explain` puts the names in). The process's stack is untrusted: it is read by walking its
   tables. */
#include "kernel/machine/x86_64/user_trace.h"

#include "kernel/init/files.h"
#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/space.h"
#include "kernel/object/process.h"

enum { FRAMES_MAX = 24, PLACES_MAX = 6, LINE_MAX = 400 };

static int add_place(char *line, int used, const kp_machine_space_t *space, uint64_t address)
{
    uint64_t offset = address - space->base;
    if (used >= LINE_MAX)
        return used;
    return used + kp_snprintf(line + used, (size_t)(LINE_MAX - used),
                              offset < space->image->span ? " +0x%llx" : " 0x%llx",
                              (unsigned long long)(offset < space->image->span ? offset : address));
}

void kp_x86_user_trace(const kp_x86_frame_t *frame, const char *what, int32_t code,
                       uint64_t address)
{
    char line[LINE_MAX];
    kp_process_t *process = kp_x86_current()->process;
    kp_machine_space_t *space = &process->space;
    uint64_t words[2], at = frame->rbp;
    uint64_t places[PLACES_MAX];
    size_t count = 0;
    int used = add_place(line, 0, space, frame->rip);
    if (frame->rip - space->base < space->image->span)
        places[count++] = frame->rip - space->base;
    for (unsigned i = 0; i < FRAMES_MAX && kp_x86_space_read(space, at, words, sizeof(words));
         i++) {
        /* Callers' frames lie above; anything else is not a chain. */
        if (words[1] - space->base >= space->image->span)
            break;
        used = add_place(line, used, space, words[1] - 1);
        if (count < PLACES_MAX)
            places[count++] = words[1] - 1 - space->base;
        if (words[0] <= at)
            break;
        at = words[0];
    }
    kp_log("process", KP_LOG_WARN, "%s: %s %d at address 0x%llx, trace:%s", process->name, what,
           code, (unsigned long long)address, line);
    kp_process_fault_place(process, places, count, kp_files_symbol);
}
