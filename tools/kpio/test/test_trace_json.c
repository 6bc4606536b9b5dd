/* Recordings to JSON: slices, arrows and labels come out as they went in; damaged ones are refused. */
#include "tools/kpio/trace_json.h"

#include <stdlib.h>

#include "tests/kp_test.h"

enum { RECORDS_MAX = 32 };

static struct {
    kp_trace_header_t header;
    kp_trace_record_t records[RECORDS_MAX];
} recording;

static void begin(void)
{
    memset(&recording, 0, sizeof(recording));
    memcpy(recording.header.magic, KP_TRACE_MAGIC, 8);
    recording.header.record_size = sizeof(kp_trace_record_t);
    recording.header.cpu_count = 2;
}

static void add(uint16_t event, kp_time_t time, uint64_t thread, uint64_t a, uint64_t b)
{
    kp_trace_record_t *record = &recording.records[recording.header.record_count++];
    *record = (kp_trace_record_t){.time = time, .thread = thread, .event = event, .cpu = 1};
    record->a = a;
    record->b = b;
}

static void add_name(uint64_t thread, uint32_t process, const char *name)
{
    kp_trace_record_t *record = &recording.records[recording.header.record_count++];
    *record = (kp_trace_record_t){.thread = thread, .event = KP_TRACE_THREAD, .c = process};
    memcpy(record->name, name, strlen(name));
}

static kp_status_t convert(char **text, kp_trace_summary_t *summary, const char **why)
{
    size_t length = 0;
    FILE *out = open_memstream(text, &length);
    size_t size = sizeof(recording.header) +
                  (size_t)recording.header.record_count * sizeof(recording.records[0]);
    kp_status_t status = kp_trace_json((const uint8_t *)&recording, size, out, summary, why);
    fclose(out);
    return status;
}

KP_TEST(a_small_recording)
{
    kp_trace_summary_t summary;
    const char *why;
    char *text;
    begin();
    add(KP_TRACE_CALL_END, 5000, 7, 11, 0); /* out of order on purpose */
    add(KP_TRACE_CALL, 2000, 7, 11, 99);
    add_name(7, 3, "sender");
    add_name(8, 4, "bad\"name");
    add(KP_TRACE_SWITCH, 1000, 7, 0, 0);
    add(KP_TRACE_SEND, 3000, 7, 42, 64);
    add(KP_TRACE_SWITCH, 6000, 8, 7, 0);
    add(KP_TRACE_RECEIVE, 7000, 8, 42, 64);
    add(KP_TRACE_INTERRUPT, 7500, 8, 0x30, 0);
    add(KP_TRACE_INTERRUPT_END, 7700, 8, 0x30, 0);
    add(KP_TRACE_WAKE, 7600, 8, 7, 0);
    add(KP_TRACE_FAULT, 7650, 8, UINT64_MAX, 1);
    add(KP_TRACE_PROCESS_END, 7660, 8, 4, 2);
    recording.records[recording.header.record_count - 1].c = (uint32_t)-9;
    KP_EXPECT_INT(convert(&text, &summary, &why), KP_OK);
    KP_EXPECT(strstr(text, "\"name\":\"wake\",\"ts\":7.600,\"pid\":20,\"tid\":8,\"s\":\"t\","
                           "\"args\":{\"thread\":7}}"));
    KP_EXPECT(strstr(text, "\"name\":\"page fault\",\"ts\":7.650,\"pid\":20,\"tid\":8,\"s\":\"t\","
                           "\"args\":{\"address\":\"0xffffffffffffffff\",\"access\":\"write\"}}"));
    KP_EXPECT(strstr(text, "\"args\":{\"process\":4,\"reason\":2,\"code\":-9}}"));
    KP_EXPECT(strstr(text,
                     "{\"ph\":\"X\",\"name\":\"channel_write\",\"ts\":2.000,\"pid\":19,\"tid\":7,"
                     "\"dur\":3.000,\"args\":{\"argument\":99,\"result\":0}}"));
    KP_EXPECT(strstr(text, "{\"ph\":\"X\",\"name\":\"sender\",\"ts\":1.000,\"pid\":1,\"tid\":1,"
                           "\"dur\":5.000,\"args\":{\"thread\":7}}"));
    KP_EXPECT(strstr(text, "{\"ph\":\"s\",\"name\":\"message\",\"ts\":3.000,\"pid\":19,\"tid\":7,"
                           "\"cat\":\"message\",\"id\":1}"));
    KP_EXPECT(strstr(text, "{\"ph\":\"f\",\"name\":\"message\",\"ts\":7.000,\"pid\":20,\"tid\":8,"
                           "\"cat\":\"message\",\"bp\":\"e\",\"id\":1}"));
    KP_EXPECT(strstr(text, "interrupt 0x30"));
    KP_EXPECT(strstr(text, "bad?name"));
    KP_EXPECT_INT(summary.switches, 2);
    KP_EXPECT_INT(summary.messages, 1);
    KP_EXPECT_INT(summary.threads, 2);
    KP_EXPECT_INT(summary.last - summary.first, 6700);
    free(text);
}

KP_TEST(damaged_recordings)
{
    kp_trace_summary_t summary;
    const char *why;
    char *text;
    begin();
    add(KP_TRACE_EVENTS, 1, 1, 1, 1);
    KP_EXPECT_INT(convert(&text, &summary, &why), KP_ERR_BAD_FORMAT);
    KP_EXPECT_STRING(why, "a record has an unknown event");
    free(text);
    begin();
    add(KP_TRACE_CALL, -1, 1, 1, 1);
    KP_EXPECT_INT(convert(&text, &summary, &why), KP_ERR_BAD_FORMAT);
    free(text);
    begin();
    recording.header.cpu_count = 65;
    KP_EXPECT_INT(convert(&text, &summary, &why), KP_ERR_BAD_FORMAT);
    free(text);
    begin();
    FILE *out = fopen("/dev/null", "w");
    recording.header.record_count = UINT64_MAX;
    KP_EXPECT_INT(
        kp_trace_json((const uint8_t *)&recording, sizeof(recording), out, &summary, &why),
        KP_ERR_BAD_FORMAT);
    KP_EXPECT_STRING(why, "it ends before its last record");
    for (size_t size = 0; size < sizeof(recording.header); size++)
        KP_EXPECT_INT(kp_trace_json((const uint8_t *)&recording, size, out, &summary, &why),
                      KP_ERR_BAD_FORMAT);
    fclose(out);
}

KP_TEST_MAIN()
