#include "tools/kpio/trace_json.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "abi/calls.h"

enum { CPU_MAX = 64, PID_CPUS = 1, PID_KERNEL = 2, PID_PROCESS = 16 /* plus the koid */ };

typedef struct thread_name {
    uint64_t thread;
    uint32_t process;
    char name[17];
} thread_name_t;

/* A message that was sent and not received yet. */
typedef struct flight {
    uint64_t end, id;
    struct flight *next;
} flight_t;

typedef struct converter {
    FILE *out;
    kp_trace_record_t *records;
    size_t count;
    thread_name_t *names; /* sorted by thread */
    size_t name_count;
    flight_t *first, **last;
    uint64_t next_flow;
    bool begun;
    kp_trace_summary_t *summary;
} converter_t;

static const char *call_name(uint64_t number)
{
    static const char *const names[KP_CALL_LIMIT] = {
#define KP_CALL(number, name, ...) [number] = #name,
#include "abi/calls.def"
#undef KP_CALL
    };
    return number < KP_CALL_LIMIT && names[number] ? names[number] : "unknown call";
}

static int record_compare(const void *left, const void *right)
{
    const kp_trace_record_t *a = left, *b = right;
    return a->time < b->time ? -1 : a->time > b->time;
}

static int name_compare(const void *left, const void *right)
{
    const thread_name_t *a = left, *b = right;
    return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static const thread_name_t *name_find(const converter_t *converter, uint64_t thread)
{
    static const thread_name_t idle = {0, 0, "idle"}, unknown = {0, 0, "unnamed"};
    if (thread == 0)
        return &idle;
    const thread_name_t key = {.thread = thread};
    const thread_name_t *found =
        converter->name_count
            ? bsearch(&key, converter->names, converter->name_count, sizeof(key), name_compare)
            : NULL;
    return found ? found : &unknown;
}

static uint64_t pid_of(const converter_t *converter, uint64_t thread)
{
    uint32_t process = name_find(converter, thread)->process;
    return process ? PID_PROCESS + (uint64_t)process : PID_KERNEL;
}

/* ---- writing ---- */

/* Opens an event; the caller adds members that begin with a comma, and the closing brace. */
static void event_begin(converter_t *converter, const char *phase, const char *name, double us,
                        uint64_t pid, uint64_t tid)
{
    FILE *out = converter->out;
    fputs(converter->begun ? ",\n" : "\n", out);
    converter->begun = true;
    fprintf(out, "{\"ph\":\"%s\",\"name\":\"", phase);
    for (const char *at = name; *at; at++) {
        unsigned char c = (unsigned char)*at;
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            fputc(c, out);
        else
            fputc('?', out);
    }
    fprintf(out, "\",\"ts\":%.3f,\"pid\":%" PRIu64 ",\"tid\":%" PRIu64, us, pid, tid);
}

static double us_of(kp_time_t ns)
{
    return (double)ns / 1000.0;
}

static void slice_write(converter_t *converter, const char *name, kp_time_t from, kp_time_t to,
                        uint64_t pid, uint64_t tid)
{
    event_begin(converter, "X", name, us_of(from), pid, tid);
    fprintf(converter->out, ",\"dur\":%.3f", us_of(to - from));
}

static void label_write(converter_t *converter, const char *what, uint64_t pid, uint64_t tid,
                        const char *name)
{
    event_begin(converter, "M", what, 0, pid, tid);
    fputs(",\"args\":{\"name\":\"", converter->out);
    for (const char *at = name; *at; at++)
        fputc(*at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\' ? *at : '?', converter->out);
    fputs("\"}}", converter->out);
}

static void labels_write(converter_t *converter)
{
    char text[32];
    label_write(converter, "process_name", PID_CPUS, 0, "processors");
    label_write(converter, "process_name", PID_KERNEL, 0, "kernel");
    for (uint64_t cpu = 0; cpu < converter->summary->processors; cpu++) {
        snprintf(text, sizeof(text), "CPU %" PRIu64, cpu);
        label_write(converter, "thread_name", PID_CPUS, cpu, text);
    }
    for (size_t i = 0; i < converter->name_count; i++) {
        const thread_name_t *name = &converter->names[i];
        uint64_t pid = name->process ? PID_PROCESS + (uint64_t)name->process : PID_KERNEL;
        if (name->process)
            label_write(converter, "process_name", pid, 0, name->name);
        label_write(converter, "thread_name", pid, name->thread, name->name);
    }
}

/* ---- messages ---- */

static void flow_send(converter_t *converter, const kp_trace_record_t *record)
{
    flight_t *flight = malloc(sizeof(*flight));
    if (!flight)
        return; /* one arrow less */
    *flight = (flight_t){.end = record->a, .id = ++converter->next_flow};
    *converter->last = flight;
    converter->last = &flight->next;
    event_begin(converter, "s", "message", us_of(record->time), pid_of(converter, record->thread),
                record->thread);
    fprintf(converter->out, ",\"cat\":\"message\",\"id\":%" PRIu64 "}", flight->id);
}

static void flow_receive(converter_t *converter, const kp_trace_record_t *record)
{
    for (flight_t **link = &converter->first; *link; link = &(*link)->next) {
        flight_t *flight = *link;
        if (flight->end != record->a)
            continue;
        event_begin(converter, "f", "message", us_of(record->time),
                    pid_of(converter, record->thread), record->thread);
        fprintf(converter->out, ",\"cat\":\"message\",\"bp\":\"e\",\"id\":%" PRIu64 "}",
                flight->id);
        *link = flight->next;
        if (converter->last == &flight->next)
            converter->last = link;
        free(flight);
        return;
    }
}

/* ---- one record after the other ---- */

typedef struct cpu_state {
    uint64_t thread; /* what runs; since: when it began, or a negative number */
    kp_time_t since, interrupt_since;
} cpu_state_t;

static void switch_write(converter_t *converter, cpu_state_t *cpu, uint32_t number,
                         const kp_trace_record_t *record)
{
    kp_time_t since = cpu->since >= 0 ? cpu->since : converter->summary->first;
    if (record->a) {
        slice_write(converter, name_find(converter, record->a)->name, since, record->time, PID_CPUS,
                    number);
        fprintf(converter->out, ",\"args\":{\"thread\":%" PRIu64 "}}", record->a);
    }
    cpu->thread = record->thread;
    cpu->since = record->time;
}

/* The end of the call that began with records[begin]: the next end of the same thread. */
static void call_write(converter_t *converter, size_t begin, const kp_trace_record_t *end)
{
    const kp_trace_record_t *record = &converter->records[begin];
    slice_write(converter, call_name(record->a), record->time,
                end ? end->time : converter->summary->last, pid_of(converter, record->thread),
                record->thread);
    fprintf(converter->out, ",\"args\":{\"argument\":%" PRIu64, record->b);
    if (end)
        fprintf(converter->out, ",\"result\":%" PRId64, (int64_t)end->b);
    fputs("}}", converter->out);
}

/* Its arguments and two braces are to follow. */
static void instant_begin(converter_t *converter, const kp_trace_record_t *record, const char *name,
                          char scope)
{
    event_begin(converter, "i", name, us_of(record->time), pid_of(converter, record->thread),
                record->thread);
    fprintf(converter->out, ",\"s\":\"%c\",\"args\":{", scope);
}

static void fault_write(converter_t *converter, const kp_trace_record_t *record)
{
    static const char *const accesses[] = {"read", "write", "execute"};
    instant_begin(converter, record, record->c ? "fatal fault" : "page fault", 't');
    fprintf(converter->out, "\"address\":\"0x%" PRIx64 "\",\"access\":\"%s\"}}", record->a,
            record->b < 3 ? accesses[record->b] : "?");
}

typedef struct open_call {
    uint64_t thread;
    size_t record; /* index + 1; 0: none open */
} open_call_t;

/* Calls in progress by thread: open addressing, twice as large as there are names. */
static open_call_t *open_find(open_call_t *open, size_t capacity, uint64_t thread)
{
    size_t at = (size_t)(thread * 0x9e3779b97f4a7c15u >> 20) % capacity;
    for (size_t tries = 0; tries < capacity; tries++, at = (at + 1) % capacity) {
        if (open[at].thread == thread || open[at].thread == 0) {
            open[at].thread = thread;
            return &open[at];
        }
    }
    return NULL;
}

/* On the tab's own line, for the thread that said it is the shell's. */
static void role_write(converter_t *converter, const kp_trace_record_t *record)
{
    static const char *const names[] = {[KP_TAB_ROLE_BACKGROUND] = "tab to the background",
                                        [KP_TAB_ROLE_FRONT] = "tab to the front",
                                        [KP_TAB_ROLE_CHROME] = "tab of the shell"};
    bool is_known = record->b < sizeof(names) / sizeof(names[0]);
    event_begin(converter, "i", is_known ? names[record->b] : "tab role", us_of(record->time),
                PID_PROCESS + record->a, 0);
    fputs(",\"s\":\"p\"}", converter->out);
}

static void record_write(converter_t *converter, size_t index, cpu_state_t *cpus, open_call_t *open,
                         size_t open_capacity)
{
    const kp_trace_record_t *record = &converter->records[index];
    kp_trace_summary_t *summary = converter->summary;
    cpu_state_t *cpu = &cpus[record->cpu];
    open_call_t *call;
    char text[40];
    switch (record->event) {
    case KP_TRACE_MARK:
        memcpy(text, record->name, sizeof(record->name));
        text[sizeof(record->name)] = 0;
        event_begin(converter, "i", text, us_of(record->time), PID_CPUS, record->cpu);
        fputs(",\"s\":\"g\"}", converter->out);
        summary->marks++;
        break;
    case KP_TRACE_SWITCH:
        switch_write(converter, cpu, record->cpu, record);
        summary->switches++;
        break;
    case KP_TRACE_WAKE:
        instant_begin(converter, record, "wake", 't');
        fprintf(converter->out, "\"thread\":%" PRIu64 "}}", record->a);
        break;
    case KP_TRACE_SEND:
        flow_send(converter, record);
        summary->messages++;
        break;
    case KP_TRACE_RECEIVE:
        flow_receive(converter, record);
        break;
    case KP_TRACE_CALL:
        call = open_find(open, open_capacity, record->thread);
        if (call)
            call->record = index + 1;
        summary->calls++;
        break;
    case KP_TRACE_CALL_END:
        call = open_find(open, open_capacity, record->thread);
        if (call && call->record)
            call_write(converter, call->record - 1, record);
        if (call)
            call->record = 0;
        break;
    case KP_TRACE_FAULT:
        fault_write(converter, record);
        summary->faults++;
        break;
    case KP_TRACE_INTERRUPT:
        cpu->interrupt_since = record->time;
        summary->interrupts++;
        break;
    case KP_TRACE_INTERRUPT_END:
        if (cpu->interrupt_since < 0)
            break;
        snprintf(text, sizeof(text), "interrupt 0x%" PRIx64, record->a);
        slice_write(converter, text, cpu->interrupt_since, record->time, PID_CPUS, record->cpu);
        fputs("}", converter->out);
        cpu->interrupt_since = -1;
        break;
    case KP_TRACE_PROCESS_END:
        instant_begin(converter, record, "process end", 'p');
        fprintf(converter->out,
                "\"process\":%" PRIu64 ",\"reason\":%" PRIu64 ",\"code\":%" PRId32 "}}", record->a,
                record->b, (int32_t)record->c);
        break;
    case KP_TRACE_TAB_ROLE:
        role_write(converter, record);
        break;
    default:
        break;
    }
}

static kp_status_t records_write(converter_t *converter)
{
    cpu_state_t cpus[CPU_MAX];
    size_t capacity = converter->count + 64;
    open_call_t *open = calloc(capacity, sizeof(*open));
    if (!open)
        return KP_ERR_NO_MEMORY;
    for (size_t i = 0; i < CPU_MAX; i++)
        cpus[i] = (cpu_state_t){.since = -1, .interrupt_since = -1};
    for (size_t i = 0; i < converter->count; i++)
        record_write(converter, i, cpus, open, capacity);
    /* What still goes on at the end. */
    for (size_t i = 0; i < capacity; i++) {
        if (open[i].record)
            call_write(converter, open[i].record - 1, NULL);
    }
    for (uint32_t i = 0; i < CPU_MAX; i++) {
        if (cpus[i].since < 0 || !cpus[i].thread)
            continue;
        slice_write(converter, name_find(converter, cpus[i].thread)->name, cpus[i].since,
                    converter->summary->last, PID_CPUS, i);
        fputs("}", converter->out);
    }
    free(open);
    return KP_OK;
}

/* ---- reading ---- */

static const char *header_check(const uint8_t *bytes, size_t size, kp_trace_header_t *header)
{
    if (size < sizeof(*header))
        return "it is shorter than its header";
    memcpy(header, bytes, sizeof(*header));
    if (memcmp(header->magic, KP_TRACE_MAGIC, sizeof(header->magic)) != 0)
        return "it does not begin with " KP_TRACE_MAGIC;
    if (header->record_size != sizeof(kp_trace_record_t))
        return "its records are of another size than this kpio knows";
    if (header->cpu_count == 0 || header->cpu_count > CPU_MAX)
        return "its number of processors makes no sense";
    if (header->record_count > (size - sizeof(*header)) / sizeof(kp_trace_record_t))
        return "it ends before its last record";
    return NULL;
}

/* Splits names from events and sorts both. */
static const char *records_read(converter_t *converter, const uint8_t *bytes,
                                const kp_trace_header_t *header)
{
    kp_trace_summary_t *summary = converter->summary;
    bool any = false;
    for (uint64_t i = 0; i < header->record_count; i++) {
        kp_trace_record_t record;
        memcpy(&record, bytes + sizeof(*header) + i * sizeof(record), sizeof(record));
        if (record.event == 0 || record.event >= KP_TRACE_EVENTS)
            return "a record has an unknown event";
        if (record.cpu >= CPU_MAX || record.time < 0)
            return "a record's processor or time makes no sense";
        if (record.event == KP_TRACE_THREAD) {
            thread_name_t *name = &converter->names[converter->name_count++];
            *name = (thread_name_t){.thread = record.thread, .process = record.c};
            memcpy(name->name, record.name, sizeof(record.name));
            continue;
        }
        converter->records[converter->count++] = record;
        summary->first = any && summary->first < record.time ? summary->first : record.time;
        summary->last = any && summary->last > record.time ? summary->last : record.time;
        any = true;
    }
    qsort(converter->records, converter->count, sizeof(*converter->records), record_compare);
    qsort(converter->names, converter->name_count, sizeof(*converter->names), name_compare);
    return NULL;
}

kp_status_t kp_trace_json(const uint8_t *bytes, size_t size, FILE *out, kp_trace_summary_t *summary,
                          const char **why)
{
    kp_trace_header_t header;
    memset(summary, 0, sizeof(*summary));
    *why = header_check(bytes, size, &header);
    if (*why)
        return KP_ERR_BAD_FORMAT;
    converter_t converter = {.out = out, .summary = summary};
    converter.last = &converter.first;
    converter.records = calloc(header.record_count + 1, sizeof(*converter.records));
    converter.names = calloc(header.record_count + 1, sizeof(*converter.names));
    kp_status_t status = converter.records && converter.names ? KP_OK : KP_ERR_NO_MEMORY;
    if (status == KP_OK) {
        *why = records_read(&converter, bytes, &header);
        status = *why ? KP_ERR_BAD_FORMAT : KP_OK;
    }
    if (status == KP_OK) {
        summary->records = header.record_count;
        summary->lost = header.lost;
        summary->processors = header.cpu_count;
        summary->threads = converter.name_count;
        fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out);
        labels_write(&converter);
        status = records_write(&converter);
        fputs("\n]}\n", out);
        if (status == KP_OK && (fflush(out) != 0 || ferror(out)))
            status = KP_ERR_IO;
    }
    while (converter.first) {
        flight_t *next = converter.first->next;
        free(converter.first);
        converter.first = next;
    }
    free(converter.records);
    free(converter.names);
    return status;
}
