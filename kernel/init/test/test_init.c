#include "abi/startup.h"
#include "kernel/init/boot.h"
#include "kernel/init/bundle.h"
#include "kernel/init/command_line.h"
#include "kernel/init/files.h"
#include "kernel/init/supervisor.h"
#include "kernel/test/machine.h"
#include "tests/kp_test.h"

#include <stdlib.h>
#include <unistd.h>

/* ---- A boot archive in memory ---- */

#define BUNDLE_SIZE (64 * 4096u)
static _Alignas(4096) uint8_t archive[BUNDLE_SIZE];

typedef struct source {
    const char *name;
    const void *bytes;
    size_t size;
} source_t;

/* names in order; returns the size */
static size_t archive_build(const source_t *sources, uint32_t count)
{
    memset(archive, 0, sizeof(archive));
    size_t at = KP_ROUND_UP(sizeof(kp_bundle_header_t) + count * sizeof(kp_bundle_entry_t), 4096);
    for (uint32_t i = 0; i < count; i++) {
        kp_bundle_entry_t entry = {.offset = at, .size = sources[i].size};
        strcpy(entry.name, sources[i].name);
        memcpy(archive + sizeof(kp_bundle_header_t) + i * sizeof(entry), &entry, sizeof(entry));
        memcpy(archive + at, sources[i].bytes, sources[i].size);
        at = KP_ROUND_UP(at + sources[i].size, 4096);
    }
    kp_bundle_header_t header = {KP_BUNDLE_MAGIC, count, 0, at};
    memcpy(archive, &header, sizeof(header));
    return at;
}

static const source_t files[] = {{"a", "1", 1}, {"b/c", "four", 4}, {"b/d", "", 0}};

KP_TEST(bundles_are_found_by_name)
{
    size_t size = archive_build(files, 3);
    kp_bundle_t bundle;
    KP_REQUIRE(kp_bundle_open(&bundle, archive, size) == KP_OK);
    KP_EXPECT_INT(bundle.count, 3);
    const kp_bundle_entry_t *entry = kp_bundle_find(&bundle, "b/c");
    KP_REQUIRE(entry && entry->size == 4);
    KP_EXPECT(memcmp(kp_bundle_data(&bundle, entry), "four", 4) == 0);
    KP_EXPECT(kp_bundle_find(&bundle, "a") && kp_bundle_find(&bundle, "b/d"));
    KP_EXPECT(!kp_bundle_find(&bundle, "b") && !kp_bundle_find(&bundle, "z"));
}

typedef struct damage {
    const char *what;
    size_t at;
    unsigned width;
    uint64_t value;
} damage_t;

#define ENTRY(index, field) (24 + 128 * (index) + (field))
static const damage_t damages[] = {
    {"magic", 0, 1, 'k'},
    {"count", 8, 4, 4000000},
    {"total size", 16, 8, BUNDLE_SIZE * 2},
    {"total size tiny", 16, 8, 8},
    {"offset unaligned", ENTRY(1, 112), 8, 4097},
    {"offset in the table", ENTRY(1, 112), 8, 0},
    {"offset beyond", ENTRY(1, 112), 8, 1 << 24},
    {"offset wraps", ENTRY(1, 112), 8, UINT64_MAX - 4095},
    {"size beyond", ENTRY(2, 120), 8, 4097},
    {"size wraps", ENTRY(1, 120), 8, UINT64_MAX},
    {"empty name", ENTRY(0, 0), 1, 0},
    {"unsorted", ENTRY(0, 0), 1, 'z'},
    {"twice", ENTRY(2, 2), 1, 'c'},
    {"name without end", ENTRY(1, 103), 1, 'x'},
    {"packed size beyond", ENTRY(2, 104), 8, 4097},
    {"packed size wraps", ENTRY(1, 104), 8, UINT64_MAX},
    {"packed, without room for a table", ENTRY(1, 104), 8, 3},
    {"packed, of too many pages", ENTRY(2, 120), 8, UINT64_MAX},
};

KP_TEST(damaged_bundles_are_refused)
{
    kp_bundle_t bundle;
    for (size_t i = 0; i < KP_ARRAY_COUNT(damages); i++) {
        size_t size = archive_build(files, 3);
        for (unsigned k = 0; k < damages[i].width; k++)
            archive[damages[i].at + k] = (uint8_t)(damages[i].value >> (8 * k));
        kp_status_t status = kp_bundle_open(&bundle, archive, size);
        if (status != KP_ERR_BAD_FORMAT)
            KP_FAIL("%s: %s", damages[i].what, kp_status_name(status));
    }
    size_t size = archive_build(files, 3);
    KP_EXPECT_INT(kp_bundle_open(&bundle, archive, size - 1), KP_ERR_BAD_FORMAT);
    KP_EXPECT_INT(kp_bundle_open(&bundle, archive, 10), KP_ERR_BAD_FORMAT);
    KP_EXPECT_INT(kp_bundle_open(&bundle, NULL, 0), KP_ERR_BAD_FORMAT);
}

static const char *symbol_of(const char *program, uint64_t offset)
{
    static char name[12];
    kp_image_t image = {0};
    kp_snprintf(image.name, sizeof(image.name), "%s", program);
    kp_files_symbol(&image, offset, name, sizeof(name));
    return name;
}

/* A damaged table gives wrong names at worst. */
KP_TEST(functions_have_names)
{
    static const char table[] = "10 first\n1f0 second\n2000 a_long_name_that_is_cut\n";
    static const char damaged[] = "x\n\n5\n7 \nffffffffffffffffffff far";
    const source_t sources[] = {{"symbols/bad.sym", damaged, sizeof(damaged) - 1},
                                {"symbols/empty.sym", "", 0},
                                {"symbols/good.sym", table, sizeof(table) - 1}};
    size_t size = archive_build(sources, KP_ARRAY_COUNT(sources));
    KP_REQUIRE(kp_files_open(archive, size) == KP_OK);
    KP_EXPECT_STRING(symbol_of("good", 0xf), "");
    KP_EXPECT_STRING(symbol_of("good", 0x10), "first");
    KP_EXPECT_STRING(symbol_of("good", 0x1ef), "first");
    KP_EXPECT_STRING(symbol_of("good", 0x1f0), "second");
    KP_EXPECT_STRING(symbol_of("good", UINT64_MAX), "a_long_name");
    KP_EXPECT_STRING(symbol_of("empty", 5), "");
    KP_EXPECT_STRING(symbol_of("missing", 5), "");
    (void)symbol_of("bad", 6);
    (void)symbol_of("bad", UINT64_MAX);
    kp_files_close();
}

/* Packed as abi/bundle.h says: "a" and 39 times the same. */
static const uint8_t packed[] = {5, 0, 0, 0, 0x10, 'a', 0x01, 0xf0, 21};

static size_t packed_archive(const char *name, size_t size)
{
    const source_t sources[] = {{name, packed, size}};
    size_t total = archive_build(sources, 1);
    kp_bundle_entry_t *entry = (kp_bundle_entry_t *)(archive + sizeof(kp_bundle_header_t));
    entry->packed_size = size;
    entry->size = 40;
    return total;
}

KP_TEST(packed_files_are_unpacked)
{
    size_t total = packed_archive("fonts/a", sizeof(packed));
    KP_REQUIRE(kp_files_open(archive, total) == KP_OK);
    kp_vmo_t *vmo;
    uint64_t size;
    KP_REQUIRE(kp_files_vmo("fonts/a", &vmo, &size) == KP_OK);
    KP_EXPECT_INT(size, 40);
    KP_EXPECT_INT(kp_vmo_size(vmo), KP_PAGE_SIZE);
    uint8_t bytes[64];
    KP_EXPECT_INT(kp_vmo_read(vmo, 0, bytes, sizeof(bytes)), KP_OK);
    for (size_t i = 0; i < sizeof(bytes); i++)
        KP_EXPECT_INT(bytes[i], i < 40 ? 'a' : 0);
    KP_EXPECT_INT(kp_vmo_write(vmo, 0, bytes, 1), KP_ERR_ACCESS_DENIED);
    KP_EXPECT(kp_vmo_is_constant(vmo));
    kp_vmo_release(vmo);
    kp_files_close();
    /* Damaged: zeroes. A program: not at all. */
    total = packed_archive("fonts/a", sizeof(packed) - 1);
    KP_REQUIRE(kp_files_open(archive, total) == KP_OK);
    KP_REQUIRE(kp_files_vmo("fonts/a", &vmo, &size) == KP_OK);
    KP_EXPECT_INT(kp_vmo_read(vmo, 0, bytes, sizeof(bytes)), KP_OK);
    KP_EXPECT(bytes[0] == 0 && bytes[39] == 0);
    kp_vmo_release(vmo);
    kp_files_close();
    total = packed_archive("programs/tab.kpi", sizeof(packed));
    KP_REQUIRE(kp_files_open(archive, total) == KP_OK);
    const kp_image_t *image;
    KP_EXPECT_INT(kp_files_image("tab", &image), KP_ERR_NOT_SUPPORTED);
    kp_files_close();
    /* A packed table of functions. */
    total = packed_archive("symbols/a.sym", sizeof(packed));
    KP_REQUIRE(kp_files_open(archive, total) == KP_OK);
    KP_EXPECT_STRING(symbol_of("a", UINT64_MAX), "");
    kp_files_close();
}

KP_TEST(empty_files_are_files)
{
    const source_t sources[] = {{"fonts/none", "", 0}};
    KP_REQUIRE(kp_files_open(archive, archive_build(sources, 1)) == KP_OK);
    kp_vmo_t *vmo;
    uint64_t size = 1;
    KP_REQUIRE(kp_files_vmo("fonts/none", &vmo, &size) == KP_OK);
    KP_EXPECT_INT(size, 0);
    uint8_t byte = 1;
    KP_EXPECT_INT(kp_vmo_read(vmo, KP_PAGE_SIZE - 1, &byte, 1), KP_OK);
    KP_EXPECT_INT(byte, 0);
    KP_EXPECT(kp_vmo_is_constant(vmo));
    kp_vmo_release(vmo);
    KP_EXPECT_INT(kp_files_vmo("fonts/no", &vmo, &size), KP_ERR_NOT_FOUND);
    kp_files_close();
}

KP_TEST(command_lines_are_read)
{
    const char *line = "  url=http://x/?a=b  flag shell=off\tnote=\"two words\" shell=on ";
    char value[64], word[8];
    KP_EXPECT(kp_command_line_get(line, "url", value, sizeof(value)));
    KP_EXPECT_STRING(value, "http://x/?a=b");
    KP_EXPECT(kp_command_line_is(line, "shell", "on")); /* the last one */
    KP_EXPECT(!kp_command_line_is(line, "shell", "off"));
    KP_EXPECT(kp_command_line_get(line, "note", value, sizeof(value)));
    KP_EXPECT_STRING(value, "two words");
    KP_EXPECT(!kp_command_line_get(line, "flag", value, sizeof(value)));
    KP_EXPECT(!kp_command_line_get(line, "ur", value, sizeof(value)));
    KP_EXPECT_STRING(value, "");
    KP_EXPECT(kp_command_line_get(line, "url", value, 5));
    KP_EXPECT_STRING(value, "http");
    const char *position = line;
    KP_EXPECT(kp_command_line_next(&position, word, sizeof(word)));
    KP_EXPECT_STRING(word, "url=htt"); /* cut */
    unsigned words = 1;
    while (kp_command_line_next(&position, word, sizeof(word)))
        words++;
    KP_EXPECT_INT(words, 5);
}

KP_TEST(restarts_back_off)
{
    const kp_time_t ms = KP_NS_PER_MS;
    const kp_time_t expected[] = {0,        0,         100 * ms,  200 * ms,  400 * ms,
                                  800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms};
    for (uint32_t i = 0; i < KP_ARRAY_COUNT(expected); i++)
        KP_EXPECT_INT(kp_restart_delay(i), expected[i]);
    KP_EXPECT_INT(kp_restart_delay(UINT32_MAX), 5000 * ms);
}

/* ---- A whole boot: each program is a function of this test ---- */

#define NAMES_MAX 16

/* What a program finds in its startup message. */
typedef struct found {
    char arguments[NAMES_MAX][64];
    char names[NAMES_MAX][64];
    kp_handle_t handles[NAMES_MAX];
    uint32_t argument_count, handle_count;
} found_t;

static void startup_read(kp_process_t *process, found_t *found)
{
    memset(found, 0, sizeof(*found));
    int64_t channel = kp_test_call(process, startup_channel, 0);
    KP_REQUIRE(channel > 0);
    KP_REQUIRE(kp_test_call(process, channel_read, (uint64_t)channel, 0x1000, 16384, 0x6000, 64,
                            0x100) == KP_OK);
    kp_startup_header_t header;
    memcpy(&header, kp_test_memory(process, 0x1000), sizeof(header));
    KP_REQUIRE(header.magic == KP_STARTUP_MAGIC && header.argument_count <= NAMES_MAX &&
               header.handle_count <= NAMES_MAX);
    const char *text = kp_test_memory(process, 0x1000 + sizeof(header));
    for (uint32_t i = 0; i < header.argument_count; i++, text += strlen(text) + 1)
        snprintf(found->arguments[i], 64, "%s", text);
    for (uint32_t i = 0; i < header.handle_count; i++, text += strlen(text) + 1)
        snprintf(found->names[i], 64, "%s", text);
    memcpy(found->handles, kp_test_memory(process, 0x6000), header.handle_count * 4);
    found->argument_count = header.argument_count;
    found->handle_count = header.handle_count;
    kp_test_call(process, handle_close, (uint64_t)channel);
}

static kp_handle_t found_handle(const found_t *found, const char *name)
{
    for (uint32_t i = 0; i < found->handle_count; i++) {
        if (strcmp(found->names[i], name) == 0)
            return found->handles[i];
    }
    return KP_HANDLE_NONE;
}

static atomic_uint http_lives, tab_lives;
static atomic_bool shell_saw_file;

/* Serves until killed; in its first life it crashes at once. */
static void http_main(kp_process_t *process, const found_t *found)
{
    KP_EXPECT(found_handle(found, "svc:net") != 0);
    if (atomic_fetch_add(&http_lives, 1) == 0) {
        kp_test_call(process, process_trap, KP_TRAP_UNREACHABLE, 0);
        return;
    }
    int64_t requests = kp_test_call(process, service_register, found_handle(found, "svc:http"));
    KP_EXPECT(requests > 0);
    for (;;) {
        int64_t status =
            kp_test_call(process, object_wait_one, (uint64_t)requests,
                         KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, 0);
        if (status != KP_OK)
            return;
        if (kp_test_call(process, channel_read, (uint64_t)requests, 0x300, 8, 0x100, 1, 0x200) !=
            KP_OK)
            return;
        uint32_t connection;
        memcpy(&connection, kp_test_memory(process, 0x100), 4);
        kp_test_call(process, channel_write, connection, 0, 5, 0, 0);
    }
}

/* Asks http for a word, tells its owner, and ends. */
static void tab_main(kp_process_t *process, const found_t *found)
{
    atomic_fetch_add(&tab_lives, 1);
    KP_EXPECT(found_handle(found, "file:fonts/f.ttf=5000") != 0);
    KP_EXPECT(found_handle(found, "file:ui/page.html=6") != 0);
    int64_t http = kp_test_call(process, service_connect, found_handle(found, "svc:http"));
    KP_EXPECT(http > 0);
    int64_t status = kp_test_call(process, object_wait_one, (uint64_t)http, KP_SIGNAL_READABLE,
                                  KP_TIME_INFINITE, 0);
    if (status == KP_OK)
        kp_test_call(process, channel_write, found_handle(found, "control"), 0, 3, 0, 0);
    kp_test_call(process, process_exit, 7);
}

/* Makes a tab, waits for its word and its end, and ends the system. */
static void shell_main(kp_process_t *process, const found_t *found)
{
    KP_EXPECT_INT(found->argument_count, 3);
    KP_EXPECT_STRING(found->arguments[0], "shell");
    KP_EXPECT_STRING(found->arguments[2], "url=http://there/");
    kp_handle_t file = found_handle(found, "file:ui/page.html=6");
    KP_EXPECT(kp_test_call(process, vmo_read, file, 0, 0x300, 6) == KP_OK &&
              memcmp(kp_test_memory(process, 0x300), "<page>", 6) == 0);
    KP_EXPECT_INT(kp_test_call(process, vmo_write, file, 0, 0x300, 6), KP_ERR_ACCESS_DENIED);
    KP_EXPECT(found_handle(found, "dev:console0") != 0);
    atomic_store(&shell_saw_file, true);
    KP_EXPECT_INT(kp_test_call(process, tab_create, found_handle(found, "coordinator"), 0x100),
                  KP_OK);
    kp_tab_created_t created;
    memcpy(&created, kp_test_memory(process, 0x100), sizeof(created));
    KP_EXPECT_INT(kp_test_call(process, object_wait_one, created.channel, KP_SIGNAL_READABLE,
                               KP_TIME_INFINITE, 0),
                  KP_OK);
    KP_EXPECT_INT(kp_test_call(process, object_wait_one, created.process, KP_SIGNAL_TERMINATED,
                               KP_TIME_INFINITE, 0),
                  KP_OK);
    kp_test_call(process, process_info, created.process, 0x200);
    kp_process_info_t info;
    memcpy(&info, kp_test_memory(process, 0x200), sizeof(info));
    KP_EXPECT_INT(info.exit_code, 7);
    memcpy(kp_test_memory(process, 0x100), "first-paint", 11);
    KP_EXPECT_INT(kp_test_call(process, boot_mark, 0x100, 11), KP_OK);
    kp_test_call(process, process_exit, 3);
}

static void program(kp_process_t *process)
{
    found_t found;
    startup_read(process, &found);
    if (strcmp(process->name, "http") == 0)
        http_main(process, &found);
    else if (strcmp(process->name, "shell") == 0)
        shell_main(process, &found);
    else if (strncmp(process->name, "tab-", 4) == 0)
        tab_main(process, &found);
    else if (strcmp(process->name, "snapshot") == 0)
        kp_test_call(process, process_exit, 1); /* then tabs start on their own */
    else
        KP_FAIL("unexpected program %s", process->name);
}

/* Each program is in the band that the boot table says; the compositor with half of each frame. */
static atomic_uint in_their_bands;

static void program_in_its_band(kp_process_t *process)
{
    kp_job_policy_t policy;
    kp_job_policy(process->job, &policy);
    bool is_shell = strcmp(process->name, "shell") == 0;
    if (strcmp(process->name, "display") == 0) {
        KP_EXPECT_INT(policy.band, KP_BAND_DEADLINE);
        KP_EXPECT(policy.period_ns > 16 * KP_NS_PER_MS && policy.period_ns < 17 * KP_NS_PER_MS);
        KP_EXPECT_INT(policy.budget_ns, policy.period_ns / 2);
    } else {
        KP_EXPECT_INT(policy.band, is_shell ? KP_BAND_FOREGROUND : KP_BAND_SYSTEM);
    }
    atomic_fetch_add(&in_their_bands, 1);
    while (is_shell && atomic_load(&in_their_bands) < 3)
        kp_test_call(process, object_wait_many, 0, 0, (uint64_t)(kp_machine_now() + KP_NS_PER_MS));
    if (is_shell)
        kp_test_call(process, process_exit, 0);
    kp_test_call(process, object_wait_many, 0, 0, KP_TIME_INFINITE);
}

static kp_device_t console = {
    .kind = KP_DEVICE_CONSOLE, .name = "console0", .ops = &(kp_device_ops_t){0}};

static size_t boot_archive(void)
{
    static uint8_t image[KP_TEST_IMAGE_SIZE], font[5000];
    size_t size = kp_test_image_build(image, 2, 4);
    const source_t sources[] = {
        {"fonts/f.ttf", font, sizeof(font)}, {"programs/display.kpi", "damaged", 7},
        {"programs/http.kpi", image, size},  {"programs/shell.kpi", image, size},
        {"programs/tab.kpi", image, size},   {"ui/page.html", "<page>", 6},
    };
    return archive_build(sources, KP_ARRAY_COUNT(sources));
}

KP_TEST(a_system_boots_runs_and_stops)
{
    kp_test_attach("test");
    KP_REQUIRE(kp_device_register(&console) == KP_OK);
    kp_boot_t boot = {.bundle = archive,
                      .bundle_size = boot_archive(),
                      .command_line = "report=memory url=http://there/"};
    kp_test_program = program;
    uint64_t objects = 0, allocations = 0;
    for (int round = 0; round < 3; round++) {
        atomic_store(&http_lives, 0);
        KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
        kp_kernel_run();
        kp_test_join();
        KP_EXPECT_INT(kp_supervisor_exit_code(), 3);
        KP_EXPECT(atomic_load(&http_lives) >= 2);
        KP_EXPECT_INT(kp_test_log_count("boot-mark first-paint "), round + 1);
        KP_EXPECT(kp_test_log_count("memory: process shell ") > 0);
        KP_EXPECT_INT(kp_test_log_count("boot-mark services "), round + 1);
        KP_EXPECT_INT(kp_coordinator_counts().made, round + 1);
        KP_EXPECT_INT(kp_coordinator_counts().alive, 0);
        KP_EXPECT_INT(kp_coordinator_counts().failed, 0);
        /* What the first boot made and keeps (services, the coordinator) is all there ever is. */
        if (round == 0) {
            objects = kp_object_count(KP_TYPE_NONE);
            allocations = kp_test_allocations();
        }
        KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
        KP_EXPECT_INT(kp_test_allocations(), allocations);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), 0);
    }
    KP_EXPECT(kp_test_log_count("program display left out") > 0);
    KP_EXPECT(kp_test_log_count("program netstack left out") > 0);
    KP_EXPECT(atomic_load(&shell_saw_file));
    KP_EXPECT_INT(atomic_load(&tab_lives), 3);
    kp_test_program = NULL;
}

KP_TEST(programs_run_in_the_bands_of_the_boot_table)
{
    static uint8_t image[KP_TEST_IMAGE_SIZE];
    size_t size = kp_test_image_build(image, 2, 4);
    const source_t sources[] = {{"programs/display.kpi", image, size},
                                {"programs/http.kpi", image, size},
                                {"programs/shell.kpi", image, size}};
    kp_boot_t boot = {.bundle = archive,
                      .bundle_size = archive_build(sources, KP_ARRAY_COUNT(sources)),
                      .command_line = ""};
    kp_test_attach("test");
    atomic_store(&in_their_bands, 0);
    kp_test_program = program_in_its_band;
    KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
    kp_kernel_run();
    kp_test_join();
    KP_EXPECT_INT(atomic_load(&in_their_bands), 3);
    kp_test_program = NULL;
}

KP_TEST(a_headless_kernel_serves_its_own_code)
{
    kp_test_attach("test");
    kp_boot_t boot = {
        .bundle = archive, .bundle_size = boot_archive(), .command_line = "shell=off net=kernel"};
    kp_test_program = program;
    atomic_store(&http_lives, 1);
    KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
    kp_capability_t channel, process;
    KP_REQUIRE(kp_coordinator_tab_create(&channel, &process) == KP_OK);
    kp_message_t *message;
    KP_EXPECT_INT(kp_channel_receive(channel, KP_TIME_INFINITE, &message), KP_OK);
    KP_EXPECT_INT(message->byte_count, 3);
    kp_message_destroy(message);
    KP_EXPECT(!kp_coordinator_tab_find(0) && !kp_coordinator_tab_find(1));
    KP_EXPECT_INT(kp_channel_receive(channel, KP_TIME_INFINITE, &message), KP_ERR_PEER_CLOSED);
    kp_capability_close(&channel);
    kp_capability_close(&process);
    KP_EXPECT_INT(kp_kernel_stop(KP_TIME_INFINITE), KP_OK);
    kp_test_join();
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), 0);
    kp_test_program = NULL;
}

/* Tabs that live until their owner leaves. */
static void idle_program(kp_process_t *process)
{
    found_t found;
    startup_read(process, &found);
    kp_handle_t control = found_handle(&found, "control");
    kp_test_call(process, channel_write, control, 0, 3, 0, 0);
    kp_test_call(process, object_wait_one, control, KP_SIGNAL_PEER_CLOSED, KP_TIME_INFINITE, 0);
    kp_test_call(process, process_exit, 0);
}

static bool policy_is(const kp_capability_t *process, uint32_t band, uint32_t weight, uint32_t cap)
{
    kp_job_policy_t policy;
    kp_job_policy(kp_process_from_object(process->object)->job, &policy);
    return policy.band == band && policy.weight == weight && policy.cpu_cap == cap;
}

static kp_status_t set_role(const kp_capability_t *process, uint32_t role)
{
    return kp_coordinator_tab_set_role(kp_process_from_object(process->object), role);
}

KP_TEST(roles_of_tabs_are_policies_of_their_jobs)
{
    kp_test_attach("test");
    kp_boot_t boot = {
        .bundle = archive, .bundle_size = boot_archive(), .command_line = "shell=off http=off"};
    kp_test_program = idle_program;
    KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
    kp_capability_t channels[3], tabs[3];
    for (int i = 0; i < 3; i++) {
        KP_REQUIRE(kp_coordinator_tab_create(&channels[i], &tabs[i]) == KP_OK);
        KP_EXPECT(policy_is(&tabs[i], KP_BAND_NORMAL, 100, 0));
        kp_message_t *message; /* it has started */
        KP_REQUIRE(kp_channel_receive(channels[i], KP_TIME_INFINITE, &message) == KP_OK);
        kp_message_destroy(message);
    }
    KP_EXPECT_INT(set_role(&tabs[2], KP_TAB_ROLE_CHROME), KP_OK);
    KP_EXPECT_INT(set_role(&tabs[0], KP_TAB_ROLE_FRONT), KP_OK);
    KP_EXPECT(policy_is(&tabs[0], KP_BAND_FOREGROUND, 100, 0));
    KP_EXPECT(policy_is(&tabs[1], KP_BAND_NORMAL, 100, 0)); /* nobody has said what it is for */
    KP_EXPECT(policy_is(&tabs[2], KP_BAND_FOREGROUND, 300, 0));
    /* One is in front. */
    KP_EXPECT_INT(set_role(&tabs[1], KP_TAB_ROLE_FRONT), KP_OK);
    KP_EXPECT(policy_is(&tabs[0], KP_BAND_BACKGROUND, 100, 50));
    KP_EXPECT(policy_is(&tabs[1], KP_BAND_FOREGROUND, 100, 0));
    KP_EXPECT(policy_is(&tabs[2], KP_BAND_FOREGROUND, 300, 0));
    KP_EXPECT_INT(set_role(&tabs[1], KP_TAB_ROLE_FRONT), KP_OK);
    KP_EXPECT(policy_is(&tabs[1], KP_BAND_FOREGROUND, 100, 0));
    /* None is: then nobody is sent away by the next. */
    KP_EXPECT_INT(set_role(&tabs[1], KP_TAB_ROLE_BACKGROUND), KP_OK);
    KP_EXPECT_INT(set_role(&tabs[2], KP_TAB_ROLE_FRONT), KP_OK);
    KP_EXPECT_INT(set_role(&tabs[0], KP_TAB_ROLE_FRONT), KP_OK);
    KP_EXPECT(policy_is(&tabs[0], KP_BAND_FOREGROUND, 100, 0));
    KP_EXPECT(policy_is(&tabs[1], KP_BAND_BACKGROUND, 100, 50));
    KP_EXPECT(policy_is(&tabs[2], KP_BAND_BACKGROUND, 100, 50));
    KP_EXPECT_INT(set_role(&tabs[0], KP_TAB_ROLE_CHROME + 1), KP_ERR_INVALID_ARGUMENT);
    /* The one in front ends; its place is another tab's. */
    kp_capability_close(&channels[0]);
    KP_EXPECT_INT(kp_wait_one(tabs[0].object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL), KP_OK);
    KP_EXPECT_INT(set_role(&tabs[0], KP_TAB_ROLE_FRONT), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(set_role(&tabs[1], KP_TAB_ROLE_FRONT), KP_OK);
    KP_EXPECT(policy_is(&tabs[1], KP_BAND_FOREGROUND, 100, 0));
    for (int i = 0; i < 3; i++) {
        kp_capability_close(&channels[i]);
        kp_capability_close(&tabs[i]);
    }
    KP_EXPECT_INT(kp_kernel_stop(KP_TIME_INFINITE), KP_OK);
    kp_test_join();
    KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), 0);
    kp_test_program = NULL;
}

static void wait_for_log(const char *text, unsigned count)
{
    while (kp_test_log_count(text) < count) /* the runner's time limit ends it */
        usleep(1000);
}

KP_TEST(a_mark_ends_a_process_on_request)
{
    kp_test_attach("test");
    kp_boot_t boot = {.bundle = archive,
                      .bundle_size = boot_archive(),
                      .command_line = "shell=off net=kernel kill=http@there kill=tab-9@there "
                                      "kill=http kill=@there kill=http@ kill=http@never"};
    kp_test_program = program;
    atomic_store(&http_lives, 1);
    unsigned served = kp_test_log_count("boot-mark services ");
    unsigned ends = kp_test_log_count("http ended");
    KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
    KP_EXPECT_INT(kp_test_log_count("fault: left out: kill="), 3);
    wait_for_log("boot-mark services ", served + 1);
    KP_EXPECT_INT(kp_boot_mark("elsewhere"), KP_OK);
    KP_EXPECT_INT(kp_test_log_count("fault: http at "), 0);
    for (int i = 0; i < 2; i++) /* only the first one acts */
        KP_EXPECT_INT(kp_boot_mark("there"), KP_OK);
    KP_EXPECT_INT(kp_test_log_count("fault: http at there: killed"), 1);
    KP_EXPECT_INT(kp_test_log_count("fault: tab-9 at there: no such process"), 1);
    wait_for_log("http ended", ends + 1);
    while (atomic_load(&http_lives) < 3) /* it came back */
        usleep(1000);
    KP_EXPECT_INT(kp_kernel_stop(KP_TIME_INFINITE), KP_OK);
    kp_test_join();
    KP_EXPECT_INT(kp_test_log_count("http ended"), ends + 1);
    kp_test_program = NULL;
}

KP_TEST(boots_without_memory_or_archive)
{
    kp_test_attach("test");
    kp_boot_t boot = {.bundle = "not an archive, surely", .bundle_size = 22};
    KP_EXPECT_INT(kp_kernel_start(&boot), KP_ERR_BAD_FORMAT);
    boot = (kp_boot_t){0};
    KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
    kp_capability_t channel, process;
    KP_EXPECT_INT(kp_coordinator_tab_create(&channel, &process), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_kernel_stop(KP_TIME_INFINITE), KP_OK);
    kp_test_join();

    /* Every allocation of making a tab, in turn. */
    boot = (kp_boot_t){.bundle = archive,
                       .bundle_size = boot_archive(),
                       .command_line = "shell=off http=off net=off"};
    KP_REQUIRE(kp_kernel_start(&boot) == KP_OK);
    uint64_t objects = 0;
    unsigned n = 1;
    for (bool failed = true; failed; n++) {
        kp_test_fail_allocation(n);
        kp_status_t status = kp_coordinator_tab_create(&channel, &process);
        failed = kp_test_failed();
        kp_test_fail_allocation(0);
        KP_EXPECT_INT(status, failed ? KP_ERR_NO_MEMORY : KP_OK);
        if (status == KP_OK) {
            kp_process_t *found = kp_coordinator_tab_find(kp_coordinator_counts().made);
            KP_EXPECT(found && &found->object == process.object);
            kp_object_release(&found->object);
            KP_EXPECT_INT(kp_coordinator_counts().alive, 1);
            kp_process_end(kp_process_from_object(process.object), KP_EXIT_KILLED, 0, 0);
            kp_capability_close(&channel);
            kp_capability_close(&process);
        }
        KP_EXPECT_INT(kp_coordinator_counts().alive, 0);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_PROCESS), 0);
        KP_EXPECT_INT(kp_object_count(KP_TYPE_THREAD), 2); /* the test and the supervisor */
        objects = kp_object_count(KP_TYPE_CHANNEL);
    }
    KP_EXPECT(n > 10);
    /* Two ends for each service that was ever named: http, net. */
    KP_EXPECT_INT(objects, 2 * kp_object_count(KP_TYPE_SERVICE));
    KP_EXPECT_INT(kp_kernel_stop(KP_TIME_INFINITE), KP_OK);
    kp_test_join();
}

KP_TEST_MAIN()
