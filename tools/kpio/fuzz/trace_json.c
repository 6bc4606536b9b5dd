/* A damaged recording must be refused or converted, never read out of bounds. */
#include "tools/kpio/trace_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_trace_summary_t summary;
    const char *why;
    FILE *out = fopen("/dev/null", "w");
    if (!out)
        return 0;
    kp_status_t status = kp_trace_json(data, size, out, &summary, &why);
    if ((status == KP_ERR_BAD_FORMAT) != (why != NULL))
        __builtin_trap();
    fclose(out);
    return 0;
}
