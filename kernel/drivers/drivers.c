#include "kernel/drivers/drivers.h"

#include "kernel/drivers/device.h"
#include "kernel/drivers/framebuffer.h"
#include "kernel/drivers/serial_console.h"
#include "kernel/drivers/virtio.h"
#include "kernel/machine/x86_64/console.h"

typedef struct driver {
    uint32_t type; /* of virtio */
    const char *name;
    kp_status_t (*start)(const kp_pci_function_t *function, uint32_t index);
} driver_t;

static const driver_t drivers[] = {
    {KP_VIRTIO_TYPE_NET, "net", kp_virtio_net_start},
    {KP_VIRTIO_TYPE_RNG, "rng", kp_virtio_rng_start},
    {KP_VIRTIO_TYPE_GPU, "gpu", kp_virtio_gpu_start},
    {KP_VIRTIO_TYPE_INPUT, "input", kp_virtio_input_start},
};

typedef struct started {
    uint32_t counts[KP_ARRAY_COUNT(drivers)];
} started_t;

static void function_found(const kp_pci_function_t *function, void *context)
{
    started_t *started = context;
    uint32_t type = kp_virtio_type(function);
    for (size_t i = 0; type && i < KP_ARRAY_COUNT(drivers); i++) {
        if (drivers[i].type != type)
            continue;
        kp_status_t status = drivers[i].start(function, started->counts[i]);
        if (status == KP_OK)
            started->counts[i]++;
        else
            kp_log("pci", KP_LOG_WARN, "%02x:%02x.%x: virtio %s does not start: %s",
                   function->address >> 8, function->address >> 3 & 31, function->address & 7,
                   drivers[i].name, kp_status_name(status));
    }
}

static int64_t console_write(kp_device_t *device, const void *from, size_t count)
{
    (void)device;
    kp_x86_console_write(from, count);
    return (int64_t)count;
}

static const kp_device_ops_t console_ops = {.write = console_write};
static kp_device_t console = {.kind = KP_DEVICE_CONSOLE, .name = "console0", .ops = &console_ops};

/* Whether the command line has this word, exactly. */
static bool has_word(const char *line, const char *word)
{
    size_t length = strlen(word);
    while (line && *line) {
        while (*line == ' ')
            line++;
        size_t at = 0;
        while (line[at] && line[at] != ' ')
            at++;
        if (at == length && strncmp(line, word, length) == 0)
            return true;
        line += at;
    }
    return false;
}

void kp_drivers_init(const kp_drivers_boot_t *boot)
{
    started_t started = {0};
    kp_time_t begin = kp_machine_now();
    kp_status_t status = kp_device_register(&console);
    if (status != KP_OK)
        kp_log("console", KP_LOG_WARN, "console0: %s", kp_status_name(status));
    else
        kp_device_signal(&console, 0, KP_SIGNAL_WRITABLE);
    if (has_word(boot->command_line, "program-port=3"))
        kp_serial_console_start();
    size_t functions = kp_pci_scan(function_found, &started);
    bool has_gpu = false;
    for (size_t i = 0; i < KP_ARRAY_COUNT(drivers); i++)
        has_gpu = has_gpu || (drivers[i].type == KP_VIRTIO_TYPE_GPU && started.counts[i] > 0);
    if (!has_gpu) {
        status = kp_framebuffer_start(&boot->framebuffer);
        if (status != KP_OK)
            kp_log("gpu", KP_LOG_INFO, "no screen: %s", kp_status_name(status));
    }
    kp_virtio_rng_seed();
    kp_log("pci", KP_LOG_INFO, "%u functions, drivers up in %u us", (unsigned)functions,
           (unsigned)((kp_machine_now() - begin) / 1000));
    if (has_word(boot->command_line, "selftest=drivers"))
        kp_drivers_selftest();
}
