#include "kernel/drivers/test/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/x86_64/interrupt.h"
#include "kernel/machine/x86_64/memory.h"

fake_t fake;

/* What drivers allocate stays theirs for ever; the next world frees it. */
static void *kept[4096];
static size_t kept_count;

struct kp_vmo {
    uint64_t size;
    uint8_t *bytes;
};

void fake_reset(void)
{
    for (size_t i = 0; i < kept_count; i++)
        free(kept[i]);
    kept_count = 0;
    memset(&fake, 0, sizeof fake);
    fake.offered = ~0ull;
}

static void *keep(void *memory)
{
    if (kept_count == sizeof kept / sizeof kept[0])
        abort();
    return kept[kept_count++] = memory;
}

static void unkeep(void *memory)
{
    for (size_t i = 0; i < kept_count; i++) {
        if (kept[i] == memory) {
            kept[i] = kept[--kept_count];
            free(memory);
            return;
        }
    }
    abort(); /* freed twice, or never lent */
}

/* ---- the machine ---- */

void *kp_kalloc(size_t size)
{
    return keep(calloc(1, size));
}

void *kp_kalloc_dirty(size_t size)
{
    return kp_kalloc(size);
}

void kp_kfree(void *memory)
{
    if (memory)
        unkeep(memory);
}

void *kp_x86_page_allocate(void)
{
    if (fake.fail_page_at > 0 && --fake.fail_page_at == 0)
        return NULL;
    fake.pages++;
    void *page = keep(aligned_alloc(KP_PAGE_SIZE, KP_PAGE_SIZE));
    memset(page, 0xa5, KP_PAGE_SIZE);
    return page;
}

void *kp_x86_page_allocate_zeroed(void)
{
    void *page = kp_x86_page_allocate();
    return page ? memset(page, 0, KP_PAGE_SIZE) : NULL;
}

void kp_x86_page_free(void *page)
{
    fake.pages--;
    unkeep(page);
}

void *kp_x86_pages_allocate(size_t count)
{
    if (fake.fail_page_at > 0 && --fake.fail_page_at == 0)
        return NULL;
    fake.pages += (uint32_t)count;
    return keep(aligned_alloc(KP_PAGE_SIZE, count * KP_PAGE_SIZE));
}

void kp_x86_pages_free(void *pages, size_t count)
{
    fake.pages -= (uint32_t)count;
    unkeep(pages);
}

uint64_t kp_x86_physical(const void *memory)
{
    return (uint64_t)(uintptr_t)memory;
}

void kp_x86_entropy_add(const void *bytes, size_t count)
{
    fake.entropy_size = KP_MIN(count, sizeof fake.entropy);
    memcpy(fake.entropy, bytes, fake.entropy_size);
}

kp_time_t kp_machine_now(void)
{
    return fake.now;
}

kp_status_t kp_machine_random(void *bytes, size_t count)
{
    memset(bytes, 0x5a, count);
    return KP_OK;
}

kp_thread_t *kp_machine_thread_current(void)
{
    return (kp_thread_t *)(void *)&fake;
}

bool kp_machine_thread_park(kp_time_t deadline)
{
    if (fake.on_park)
        fake.on_park();
    else
        fake.now = deadline; /* nobody comes */
    return fake.now < deadline;
}

void kp_machine_thread_unpark(kp_thread_t *thread)
{
    (void)thread;
}

/* A lock taken twice or given back twice is a bug of the driver. */
void kp_spin_init(kp_spinlock_t *lock)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&lock->mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

void kp_spin_lock(kp_spinlock_t *lock)
{
    if (pthread_mutex_lock(&lock->mutex) != 0)
        abort();
}

void kp_spin_unlock(kp_spinlock_t *lock)
{
    if (pthread_mutex_unlock(&lock->mutex) != 0)
        abort();
}

void kp_log(const char *area, int level, const char *format, ...)
{
    (void)area, (void)level, (void)format;
}

void kp_panic(const char *format, ...)
{
    puts(format);
    abort();
}

/* ---- the core ---- */

kp_status_t kp_device_register(kp_device_t *device)
{
    fake.device = device;
    return KP_OK;
}

void kp_device_signal(kp_device_t *device, kp_signals_t clear, kp_signals_t set)
{
    (void)device;
    fake.signals = (fake.signals & ~clear) | set;
}

kp_vmo_t *fake_vmo_create(uint64_t size)
{
    kp_vmo_t *vmo = kp_kalloc(sizeof *vmo);
    vmo->size = size;
    vmo->bytes = keep(aligned_alloc(KP_PAGE_SIZE, size));
    memset(vmo->bytes, 0, size);
    return vmo;
}

uint8_t *fake_vmo_bytes(kp_vmo_t *vmo)
{
    return vmo->bytes;
}

uint64_t kp_vmo_size(const kp_vmo_t *vmo)
{
    return vmo->size;
}

void *kp_vmo_page(kp_vmo_t *vmo, uint64_t offset)
{
    if (offset % KP_PAGE_SIZE != 0 || offset >= vmo->size)
        abort();
    return vmo->bytes + offset;
}

void kp_vmo_release(kp_vmo_t *vmo)
{
    (void)vmo;
    fake.vmos_released++;
}

/* ---- the transport ---- */

kp_status_t kp_virtio_open(kp_virtio_t *device, const kp_pci_function_t *function, const char *name)
{
    *device = (kp_virtio_t){.pci = *function, .name = name};
    return KP_OK;
}

kp_status_t kp_virtio_negotiate(kp_virtio_t *device, uint64_t wanted)
{
    device->features = (wanted | KP_VIRTIO_F_VERSION_1) & fake.offered;
    return KP_OK;
}

kp_status_t kp_virtio_queue_start(kp_virtio_t *device, kp_virtqueue_t *queue, uint16_t index,
                                  uint16_t max_size, void (*handler)(void *), void *argument)
{
    if (index >= FAKE_QUEUES)
        return KP_ERR_NOT_SUPPORTED;
    void *page = kp_x86_page_allocate_zeroed();
    if (!page)
        return KP_ERR_NO_MEMORY;
    fake.queues[index] = (fake_queue_t){.queue = queue, .handler = handler, .argument = argument};
    return kp_virtqueue_init(queue, page, max_size, index,
                             device->features & KP_VIRTIO_F_EVENT_INDEX);
}

void kp_virtio_ready(kp_virtio_t *device)
{
    (void)device;
}

void kp_virtio_fail(kp_virtio_t *device)
{
    (void)device;
    fake.failed = true;
}

uint8_t kp_virtio_config_read8(const kp_virtio_t *device, uint32_t offset)
{
    (void)device;
    return offset < sizeof fake.config ? fake.config[offset] : 0;
}

uint16_t kp_virtio_config_read16(const kp_virtio_t *device, uint32_t offset)
{
    return (uint16_t)(kp_virtio_config_read8(device, offset) |
                      kp_virtio_config_read8(device, offset + 1) << 8);
}

uint32_t kp_virtio_config_read32(const kp_virtio_t *device, uint32_t offset)
{
    return kp_virtio_config_read16(device, offset) |
           (uint32_t)kp_virtio_config_read16(device, offset + 2) << 16;
}

void kp_virtio_config_write8(const kp_virtio_t *device, uint32_t offset, uint8_t value)
{
    (void)device;
    if (offset < sizeof fake.config)
        fake.config[offset] = value;
}

/* ---- the device's side, by the layout of virtio 1.x ---- */

bool fake_next(uint32_t number, fake_chain_t *chain)
{
    fake_queue_t *queue = &fake.queues[number];
    if (!queue->queue)
        return false;
    const uint8_t *page = queue->queue->page;
    uint16_t size = queue->queue->size, index, at;
    const uint8_t *available = page + (size_t)16 * size;
    memcpy(&index, available + 2, 2);
    if (index == queue->seen)
        return false;
    memcpy(&at, available + 4 + (size_t)2 * (queue->seen++ % size), 2);
    *chain = (fake_chain_t){.head = at};
    for (uint16_t flags = 1; flags & 1; chain->count++) {
        struct {
            uint64_t address;
            uint32_t length;
            uint16_t flags, next;
        } descriptor;
        if (at >= size || chain->count >= KP_VIRTQUEUE_CHAIN_MAX)
            abort(); /* the driver's fault */
        memcpy(&descriptor, page + (size_t)16 * at, 16);
        chain->parts[chain->count].bytes = (uint8_t *)(uintptr_t)descriptor.address;
        chain->parts[chain->count].length = descriptor.length;
        chain->parts[chain->count].writable = descriptor.flags & 2;
        flags = descriptor.flags;
        at = descriptor.next;
    }
    return true;
}

void fake_finish(uint32_t number, uint32_t id, uint32_t length)
{
    fake_queue_t *queue = &fake.queues[number];
    if (!queue->queue)
        return;
    uint8_t *used = queue->queue->page + queue->queue->used_offset;
    uint8_t *entry = used + 4 + (size_t)8 * (queue->used++ % queue->queue->size);
    memcpy(entry, &id, 4);
    memcpy(entry + 4, &length, 4);
    memcpy(used + 2, &queue->used, 2);
}

void fake_answer(uint32_t number, const fake_chain_t *chain, const void *bytes, uint32_t size)
{
    const uint8_t *from = bytes;
    uint32_t left = size;
    for (uint32_t i = 0; i < chain->count && left > 0; i++) {
        if (!chain->parts[i].writable)
            continue;
        uint32_t part = KP_MIN(left, chain->parts[i].length);
        memcpy(chain->parts[i].bytes, from, part);
        from += part;
        left -= part;
    }
    fake_finish(number, chain->head, size);
}

void fake_interrupt(uint32_t number)
{
    if (fake.queues[number].handler)
        fake.queues[number].handler(fake.queues[number].argument);
}
