#include "kernel/drivers/virtio.h"

#include "kernel/machine/x86_64/cpu.h"
#include "kernel/machine/x86_64/memory.h"

enum {
    CAPABILITY_VENDOR = 0x09,
    CAPABILITY_COMMON = 1,
    CAPABILITY_NOTIFY = 2,
    CAPABILITY_DEVICE = 4,
    /* Offsets in the common configuration, 4.1.4.3. */
    COMMON_FEATURE_SELECT = 0,
    COMMON_FEATURE = 4,
    COMMON_GUEST_FEATURE_SELECT = 8,
    COMMON_GUEST_FEATURE = 12,
    COMMON_MSIX_CONFIG = 16,
    COMMON_QUEUE_COUNT = 18,
    COMMON_STATUS = 20,
    COMMON_QUEUE_SELECT = 22,
    COMMON_QUEUE_SIZE = 24,
    COMMON_QUEUE_MSIX = 26,
    COMMON_QUEUE_ENABLE = 28,
    COMMON_QUEUE_NOTIFY_OFFSET = 30,
    COMMON_QUEUE_TABLE = 32,
    COMMON_QUEUE_AVAILABLE = 40,
    COMMON_QUEUE_USED = 48,
    COMMON_SIZE = 56,
    STATUS_ACKNOWLEDGE = 1,
    STATUS_DRIVER = 2,
    STATUS_DRIVER_OK = 4,
    STATUS_FEATURES_OK = 8,
    STATUS_FAILED = 128,
    NO_VECTOR = 0xffff,
    RESET_READS = 1000, /* QEMU's reset is done by the write; others may take a few reads */
};

static uint16_t read16(volatile uint8_t *at)
{
    return *(volatile uint16_t *)(volatile void *)at;
}

static uint32_t read32(volatile uint8_t *at)
{
    return *(volatile uint32_t *)(volatile void *)at;
}

static void write16(volatile uint8_t *at, uint16_t value)
{
    *(volatile uint16_t *)(volatile void *)at = value;
}

static void write32(volatile uint8_t *at, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)at = value;
}

static void write64(volatile uint8_t *at, uint64_t value)
{
    write32(at, (uint32_t)value);
    write32(at + 4, (uint32_t)(value >> 32));
}

uint32_t kp_virtio_type(const kp_pci_function_t *function)
{
    if (function->vendor != KP_VIRTIO_VENDOR)
        return 0;
    if (function->device >= KP_VIRTIO_DEVICE_BASE && function->device < KP_VIRTIO_DEVICE_BASE + 64)
        return function->device - KP_VIRTIO_DEVICE_BASE;
    /* Transitional devices have the modern registers too; their type is the subsystem id. */
    if (function->device >= 0x1000 && function->device < KP_VIRTIO_DEVICE_BASE)
        return function->subsystem;
    return 0;
}

/* Maps the registers that one vendor capability describes; checks them against their BAR. */
static kp_status_t registers_map(kp_virtio_t *device, uint8_t at)
{
    kp_pci_function_t *pci = &device->pci;
    uint8_t size = kp_pci_read8(pci, (uint8_t)(at + 2)),
            kind = kp_pci_read8(pci, (uint8_t)(at + 3));
    uint8_t bar = kp_pci_read8(pci, (uint8_t)(at + 4));
    uint32_t offset = kp_pci_read32(pci, (uint8_t)(at + 8));
    uint32_t length = kp_pci_read32(pci, (uint8_t)(at + 12));
    if (kind != CAPABILITY_COMMON && kind != CAPABILITY_NOTIFY && kind != CAPABILITY_DEVICE)
        return KP_OK;
    if (size < (kind == CAPABILITY_NOTIFY ? 20 : 16) || bar >= KP_PCI_BAR_COUNT)
        return KP_ERR_BAD_FORMAT;
    volatile uint8_t *mapped = kp_pci_bar_map(pci, bar);
    if (!mapped || offset > pci->bars[bar].size || length > pci->bars[bar].size - offset ||
        offset % 4 != 0)
        return KP_ERR_BAD_FORMAT;
    mapped += offset;
    if (kind == CAPABILITY_COMMON && !device->common) {
        if (length < COMMON_SIZE)
            return KP_ERR_BAD_FORMAT;
        device->common = mapped;
    } else if (kind == CAPABILITY_NOTIFY && !device->notify) {
        device->notify = mapped;
        device->notify_size = length;
        device->notify_multiplier = kp_pci_read32(pci, (uint8_t)(at + 16));
    } else if (kind == CAPABILITY_DEVICE && !device->config) {
        device->config = mapped;
        device->config_size = length;
    }
    return KP_OK;
}

static void status_add(kp_virtio_t *device, uint8_t bits)
{
    device->common[COMMON_STATUS] = device->common[COMMON_STATUS] | bits;
}

kp_status_t kp_virtio_open(kp_virtio_t *device, const kp_pci_function_t *function, const char *name)
{
    *device = (kp_virtio_t){.pci = *function, .name = name};
    kp_pci_enable(&device->pci);
    for (uint8_t at = 0; (at = kp_pci_capability(&device->pci, CAPABILITY_VENDOR, at)) != 0;) {
        kp_status_t status = registers_map(device, at);
        if (status != KP_OK)
            return status;
    }
    if (!device->common || !device->notify)
        return KP_ERR_NOT_SUPPORTED;
    device->common[COMMON_STATUS] = 0;
    for (uint32_t i = 0; device->common[COMMON_STATUS] != 0; i++) {
        if (i == RESET_READS)
            return KP_ERR_IO;
    }
    status_add(device, STATUS_ACKNOWLEDGE);
    status_add(device, STATUS_DRIVER);
    kp_status_t status = kp_pci_msix_enable(&device->pci);
    if (status == KP_OK)
        write16(device->common + COMMON_MSIX_CONFIG, NO_VECTOR);
    return status;
}

kp_status_t kp_virtio_negotiate(kp_virtio_t *device, uint64_t wanted)
{
    uint64_t offered;
    write32(device->common + COMMON_FEATURE_SELECT, 0);
    offered = read32(device->common + COMMON_FEATURE);
    write32(device->common + COMMON_FEATURE_SELECT, 1);
    offered |= (uint64_t)read32(device->common + COMMON_FEATURE) << 32;
    if (!(offered & KP_VIRTIO_F_VERSION_1))
        return KP_ERR_NOT_SUPPORTED;
    device->features = offered & (wanted | KP_VIRTIO_F_VERSION_1);
    write32(device->common + COMMON_GUEST_FEATURE_SELECT, 0);
    write32(device->common + COMMON_GUEST_FEATURE, (uint32_t)device->features);
    write32(device->common + COMMON_GUEST_FEATURE_SELECT, 1);
    write32(device->common + COMMON_GUEST_FEATURE, (uint32_t)(device->features >> 32));
    status_add(device, STATUS_FEATURES_OK);
    return device->common[COMMON_STATUS] & STATUS_FEATURES_OK ? KP_OK : KP_ERR_NOT_SUPPORTED;
}

/* Connects MSI-X entry `entry` and tells the device through the register at `at`. */
static kp_status_t vector_set(kp_virtio_t *device, uint32_t at, uint16_t entry,
                              void (*handler)(void *), void *argument)
{
    kp_status_t status = kp_pci_msix_connect(&device->pci, entry, handler, argument);
    if (status != KP_OK)
        return status;
    write16(device->common + at, entry);
    return read16(device->common + at) == entry ? KP_OK : KP_ERR_NO_MEMORY;
}

kp_status_t kp_virtio_queue_start(kp_virtio_t *device, kp_virtqueue_t *queue, uint16_t index,
                                  uint16_t max_size, void (*handler)(void *), void *argument)
{
    volatile uint8_t *common = device->common;
    if (index >= read16(common + COMMON_QUEUE_COUNT))
        return KP_ERR_NOT_SUPPORTED;
    write16(common + COMMON_QUEUE_SELECT, index);
    uint16_t size = read16(common + COMMON_QUEUE_SIZE);
    uint64_t doorbell =
        (uint64_t)read16(common + COMMON_QUEUE_NOTIFY_OFFSET) * device->notify_multiplier;
    if (size == 0)
        return KP_ERR_NOT_SUPPORTED;
    if (doorbell + 2 > device->notify_size)
        return KP_ERR_BAD_FORMAT;
    if (size > max_size) {
        size = max_size;
        write16(common + COMMON_QUEUE_SIZE, size);
    }
    void *page = kp_x86_page_allocate_zeroed();
    if (!page)
        return KP_ERR_NO_MEMORY;
    kp_status_t status =
        kp_virtqueue_init(queue, page, size, index, device->features & KP_VIRTIO_F_EVENT_INDEX);
    if (status == KP_OK && handler)
        status = vector_set(device, COMMON_QUEUE_MSIX, (uint16_t)(index + 1), handler, argument);
    else if (status == KP_OK)
        write16(common + COMMON_QUEUE_MSIX, NO_VECTOR);
    if (status != KP_OK) {
        kp_x86_page_free(page); /* the device has not been told of it yet */
        return status;
    }
    /* QEMU's emulator with one processor (TCG, -smp 1) leaves the guest's fences out, locked
       instructions' and before its version 8.1 mfence's too, as if no other thread shared the
       memory; but its devices run on one. A register access takes the lock that the devices hold
       while they work on a queue, so it orders what the fence does not. It is a trip out of the
       guest: only where no real processor executes the fence. */
    if (!kp_x86_features.real_fences)
        queue->fence_register = common + COMMON_STATUS;
    queue->doorbell = (volatile uint16_t *)(volatile void *)(device->notify + doorbell);
    uint64_t physical = kp_x86_physical(page);
    write64(common + COMMON_QUEUE_TABLE, physical);
    write64(common + COMMON_QUEUE_AVAILABLE, physical + queue->available_offset);
    write64(common + COMMON_QUEUE_USED, physical + queue->used_offset);
    write16(common + COMMON_QUEUE_ENABLE, 1);
    if (!handler)
        kp_virtqueue_disarm(queue);
    return KP_OK;
}

kp_status_t kp_virtio_config_watch(kp_virtio_t *device, void (*handler)(void *), void *argument)
{
    return vector_set(device, COMMON_MSIX_CONFIG, 0, handler, argument);
}

void kp_virtio_ready(kp_virtio_t *device)
{
    status_add(device, STATUS_DRIVER_OK);
}

void kp_virtio_fail(kp_virtio_t *device)
{
    if (!device->common)
        return;
    device->common[COMMON_STATUS] = 0;
    status_add(device, STATUS_FAILED);
}

uint8_t kp_virtio_config_read8(const kp_virtio_t *device, uint32_t offset)
{
    return device->config && offset < device->config_size ? device->config[offset] : 0;
}

uint16_t kp_virtio_config_read16(const kp_virtio_t *device, uint32_t offset)
{
    if (!device->config || offset + 2 > device->config_size || offset % 2 != 0)
        return 0;
    return read16(device->config + offset);
}

uint32_t kp_virtio_config_read32(const kp_virtio_t *device, uint32_t offset)
{
    if (!device->config || offset + 4 > device->config_size || offset % 4 != 0)
        return 0;
    return read32(device->config + offset);
}

void kp_virtio_config_write8(const kp_virtio_t *device, uint32_t offset, uint8_t value)
{
    if (device->config && offset < device->config_size)
        device->config[offset] = value;
}
