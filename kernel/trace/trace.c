#include "kernel/trace/trace.h"

#include "kernel/object/thread.h"

typedef struct ring {
    kp_trace_record_t *records;
    _Atomic uint64_t
        next; /* records ever begun; an interrupt may take one in the middle of another */
} ring_t;

atomic_bool kp_trace_is_on;

static ring_t rings[KP_TRACE_CPUS_MAX];
static uint32_t ring_count;
static uint32_t ring_mask;
static kp_trace_record_t *names;
static _Atomic uint32_t name_count; /* may pass KP_TRACE_NAMES_MAX */
static atomic_uint state;
enum { STATE_NEW = 0, STATE_ON = 1, STATE_FINISHED = 2 };

static void rings_free(void)
{
    for (uint32_t i = 0; i < KP_TRACE_CPUS_MAX; i++) {
        kp_kfree(rings[i].records);
        rings[i].records = NULL;
        atomic_store(&rings[i].next, 0);
    }
    kp_kfree(names);
    names = NULL;
    atomic_store(&name_count, 0);
}

kp_status_t kp_trace_start(uint32_t cpu_count, uint32_t records)
{
    unsigned expected = STATE_NEW;
    if (cpu_count == 0)
        return KP_ERR_INVALID_ARGUMENT;
    if (!atomic_compare_exchange_strong(&state, &expected, STATE_ON))
        return KP_ERR_BAD_STATE;
    uint32_t size = 64;
    while (size < records && size < 1u << 24)
        size *= 2;
    ring_mask = size - 1;
    ring_count = KP_MIN(cpu_count, KP_TRACE_CPUS_MAX);
    names = kp_kalloc(KP_TRACE_NAMES_MAX * sizeof(*names));
    bool complete = names != NULL;
    for (uint32_t i = 0; i < ring_count && complete; i++) {
        rings[i].records = kp_kalloc(size * sizeof(kp_trace_record_t));
        complete = rings[i].records != NULL;
    }
    if (!complete) {
        rings_free();
        atomic_store(&state, STATE_NEW);
        return KP_ERR_NO_MEMORY;
    }
    atomic_store_explicit(&kp_trace_is_on, true, memory_order_release);
    return KP_OK;
}

static uint64_t current_thread(void)
{
    const kp_thread_t *thread = kp_machine_thread_current();
    return thread ? thread->object.koid : 0;
}

/* The event is written last: what has none is not a record yet. */
static void record_write(const kp_trace_record_t *record)
{
    uint32_t cpu = kp_machine_cpu_current() % ring_count;
    ring_t *ring = &rings[cpu];
    uint64_t index = atomic_fetch_add_explicit(&ring->next, 1, memory_order_relaxed);
    kp_trace_record_t *slot = &ring->records[index & ring_mask];
    __atomic_store_n(&slot->event, 0, __ATOMIC_RELAXED);
    atomic_signal_fence(memory_order_seq_cst);
    slot->time = kp_machine_now();
    slot->thread = record->thread;
    memcpy(slot->name, record->name, sizeof(slot->name));
    slot->cpu = (uint16_t)cpu;
    slot->c = record->c;
    __atomic_store_n(&slot->event, record->event, __ATOMIC_RELEASE);
}

void kp_trace_record(uint16_t event, uint64_t a, uint64_t b, uint32_t c)
{
    kp_trace_record_t record = {.thread = current_thread(), .event = event, .c = c};
    record.a = a;
    record.b = b;
    record_write(&record);
}

void kp_trace_switch_record(uint64_t from, uint64_t to)
{
    kp_trace_record_t record = {.thread = to, .event = KP_TRACE_SWITCH};
    record.a = from;
    record_write(&record);
}

static void name_set(kp_trace_record_t *record, const char *name)
{
    memset(record->name, 0, sizeof(record->name));
    memcpy(record->name, name, KP_MIN(strlen(name), sizeof(record->name)));
}

void kp_trace_mark(const char *name)
{
    if (!atomic_load_explicit(&kp_trace_is_on, memory_order_acquire))
        return;
    kp_trace_record_t record = {.thread = current_thread(), .event = KP_TRACE_MARK};
    name_set(&record, name);
    record_write(&record);
}

void kp_trace_thread(uint64_t thread, uint64_t process, const char *name)
{
    if (!atomic_load_explicit(&kp_trace_is_on, memory_order_acquire))
        return;
    uint32_t index = atomic_fetch_add(&name_count, 1);
    if (index >= KP_TRACE_NAMES_MAX)
        return;
    kp_trace_record_t *record = &names[index];
    record->time = kp_machine_now();
    record->thread = thread;
    record->c = (uint32_t)process;
    name_set(record, name);
    __atomic_store_n(&record->event, KP_TRACE_THREAD, __ATOMIC_RELEASE);
}

/* Hands over what is complete in [0, count) of an array in runs without a gap. */
static kp_status_t array_write(const kp_trace_record_t *records, uint64_t count,
                               kp_status_t (*write)(void *, const void *, size_t), void *context)
{
    kp_status_t status = KP_OK;
    for (uint64_t i = 0; i < count && status == KP_OK; i++) {
        if (__atomic_load_n(&records[i].event, __ATOMIC_ACQUIRE))
            status = write(context, &records[i], sizeof(records[i]));
    }
    return status;
}

static uint64_t array_count(const kp_trace_record_t *records, uint64_t count)
{
    uint64_t complete = 0;
    for (uint64_t i = 0; i < count; i++)
        complete += __atomic_load_n(&records[i].event, __ATOMIC_ACQUIRE) != 0;
    return complete;
}

kp_status_t kp_trace_finish(kp_status_t (*write)(void *context, const void *bytes, size_t count),
                            void *context)
{
    unsigned expected = STATE_ON;
    if (!atomic_compare_exchange_strong(&state, &expected, STATE_FINISHED))
        return KP_ERR_BAD_STATE;
    /* The rings stay: a trace point on another processor may be inside one. It is at most a few
       instructions from its end, and a record that changes meanwhile costs one line of the picture. */
    atomic_store(&kp_trace_is_on, false);
    uint32_t named = KP_MIN(atomic_load(&name_count), KP_TRACE_NAMES_MAX);
    kp_trace_header_t header = {
        .record_size = sizeof(kp_trace_record_t),
        .cpu_count = ring_count,
        .record_count = array_count(names, named),
    };
    memcpy(header.magic, KP_TRACE_MAGIC, sizeof(header.magic));
    uint64_t filled[KP_TRACE_CPUS_MAX] = {0};
    for (uint32_t i = 0; i < ring_count; i++) {
        uint64_t written = atomic_load(&rings[i].next), size = (uint64_t)ring_mask + 1;
        filled[i] = KP_MIN(written, size);
        header.lost += written - filled[i];
        header.record_count += array_count(rings[i].records, filled[i]);
    }
    kp_status_t status = write(context, &header, sizeof(header));
    if (status == KP_OK)
        status = array_write(names, named, write, context);
    for (uint32_t i = 0; i < ring_count && status == KP_OK; i++)
        status = array_write(rings[i].records, filled[i], write, context);
    return status;
}
