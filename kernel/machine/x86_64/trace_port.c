/* The second serial port: where a recording of kernel events goes. */
#include "kernel/machine/machine.h"
#include "kernel/machine/x86_64/serial.h"

enum { PORT = 0x2f8, WAIT_MAX = 10000000 };

/* One writer: kp_trace_finish runs once. */
kp_status_t kp_machine_trace_write(void *context, const void *bytes, size_t count)
{
    static bool ready;
    (void)context;
    if (!ready)
        kp_x86_serial_init(PORT);
    ready = true;
    if (!kp_x86_serial_is_there(PORT))
        return KP_ERR_NOT_SUPPORTED;
    return kp_x86_serial_write(PORT, bytes, count, WAIT_MAX) ? KP_OK : KP_ERR_IO;
}
