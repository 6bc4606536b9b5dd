/* The recorder: order, overwriting, names, what comes out, and writers on several threads at once. */
#include "kernel/trace/trace.h"

#include <pthread.h>
#include <stdlib.h>

#include "kernel/test/machine.h"
#include "tests/kp_test.h"

typedef struct output {
    uint8_t bytes[4 << 20];
    size_t count;
    size_t limit; /* of bytes; more is refused */
} output_t;

static output_t *output;

static kp_status_t output_write(void *context, const void *bytes, size_t count)
{
    output_t *to = context;
    if (count > to->limit - to->count)
        return KP_ERR_IO;
    memcpy(to->bytes + to->count, bytes, count);
    to->count += count;
    return KP_OK;
}

static void *flood(void *argument)
{
    for (uint64_t i = 0; i < 20000; i++)
        kp_trace(KP_TRACE_CALL, (uint64_t)(uintptr_t)argument, i, 0);
    return NULL;
}

KP_TEST(off_records_nothing_and_cannot_finish)
{
    kp_test_attach("test");
    kp_trace(KP_TRACE_CALL, 1, 2, 3);
    kp_trace_mark("early");
    kp_trace_thread(1, 2, "early");
    KP_EXPECT_INT(kp_trace_finish(output_write, NULL), KP_ERR_BAD_STATE);
}

KP_TEST(memory_runs_out)
{
    for (unsigned n = 1; n <= 3; n++) {
        kp_test_fail_allocation(n);
        KP_EXPECT_INT(kp_trace_start(2, 64), KP_ERR_NO_MEMORY);
        kp_test_fail_allocation(0);
    }
    KP_EXPECT_INT(kp_trace_start(0, 64), KP_ERR_INVALID_ARGUMENT);
}

KP_TEST(records_newest_and_names)
{
    output = calloc(1, sizeof(*output));
    output->limit = sizeof(output->bytes);
    KP_EXPECT_INT(kp_trace_start(1, 1000), KP_OK); /* rounded up to 1024 */
    KP_EXPECT_INT(kp_trace_start(1, 1000), KP_ERR_BAD_STATE);
    kp_trace_thread(7, 3, "a-name-that-is-longer-than-the-field");
    pthread_t threads[3];
    for (uintptr_t i = 0; i < 3; i++)
        pthread_create(&threads[i], NULL, flood, (void *)i);
    for (unsigned i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    for (uint64_t i = 0; i < 100; i++)
        kp_trace(KP_TRACE_SEND, i, i * 2, (uint32_t)i);
    kp_trace_switch(5, 6);
    kp_trace_mark("the-end");
    KP_EXPECT_INT(kp_trace_finish(output_write, output), KP_OK);
    KP_EXPECT_INT(kp_trace_finish(output_write, output), KP_ERR_BAD_STATE);
    kp_trace(KP_TRACE_CALL, 1, 2, 3); /* after the end: ignored */

    kp_trace_header_t header;
    memcpy(&header, output->bytes, sizeof(header));
    KP_EXPECT(memcmp(header.magic, KP_TRACE_MAGIC, 8) == 0);
    KP_EXPECT_INT(header.record_size, 40);
    KP_EXPECT_INT(header.record_count, 1024 + 1);
    KP_EXPECT_INT(header.lost, 60000 + 102 - 1024);
    KP_EXPECT_INT(output->count, sizeof(header) + header.record_count * 40);
    unsigned sends = 0, names = 0, marks = 0, switches = 0;
    for (uint64_t i = 0; i < header.record_count; i++) {
        kp_trace_record_t record;
        memcpy(&record, output->bytes + sizeof(header) + i * sizeof(record), sizeof(record));
        KP_EXPECT(record.event > 0 && record.event < KP_TRACE_EVENTS);
        if (record.event == KP_TRACE_SEND) {
            KP_EXPECT(record.b == record.a * 2 && record.c == record.a);
            sends++;
        }
        names += record.event == KP_TRACE_THREAD && record.thread == 7 && record.c == 3 &&
                 memcmp(record.name, "a-name-that-is-l", 16) == 0;
        marks += record.event == KP_TRACE_MARK && strcmp(record.name, "the-end") == 0;
        switches += record.event == KP_TRACE_SWITCH && record.a == 5 && record.thread == 6;
    }
    KP_EXPECT_INT(sends, 100);
    KP_EXPECT_INT(names, 1);
    KP_EXPECT_INT(marks, 1);
    KP_EXPECT_INT(switches, 1);
    free(output);
}

KP_TEST_MAIN()
