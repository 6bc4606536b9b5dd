/* Images and processes for tests. */
#include <assert.h>
#include <stdlib.h>

#include "kernel/test/machine.h"

static void put(uint8_t *at, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

static void put_segment(uint8_t *at, uint32_t type, uint32_t flags, uint64_t offset,
                        uint64_t address, uint64_t file_size, uint64_t memory_size)
{
    put(at, type, 4);
    put(at + 4, flags, 4);
    put(at + 8, offset, 8);
    put(at + 16, address, 8);
    put(at + 24, address, 8);
    put(at + 32, file_size, 8);
    put(at + 40, memory_size, 8);
    put(at + 48, type == 1 ? 4096 : 4, 8);
}

size_t kp_test_image_build(uint8_t *bytes, uint32_t initial_pages, uint32_t maximum_pages)
{
    static const uint8_t ident[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
    const kp_image_note_t note =
        KP_IMAGE_NOTE(KP_IMAGE_MACHINE_HOSTED, initial_pages, maximum_pages);
    memset(bytes, 0, KP_TEST_IMAGE_SIZE);
    memcpy(bytes, ident, sizeof(ident));
    put(bytes + 16, 3, 2);      /* ET_DYN */
    put(bytes + 18, 62, 2);     /* x86-64 */
    put(bytes + 20, 1, 4);      /* version */
    put(bytes + 24, 0x1010, 8); /* entry */
    put(bytes + 32, 64, 8);     /* program headers */
    put(bytes + 52, 64, 2);
    put(bytes + 54, 56, 2);
    put(bytes + 56, 4, 2);
    uint8_t *header = bytes + 64;
    put_segment(header, 1, 4, 0, 0, 0x200, 0x200);                  /* headers, note */
    put_segment(header + 56, 1, 5, 0x1000, 0x1000, 0x100, 0x100);   /* code */
    put_segment(header + 112, 1, 6, 0x2010, 0x3010, 0x100, 0x2000); /* data, bss */
    put_segment(header + 168, 4, 4, 0x180, 0x180, sizeof(note), sizeof(note));
    memcpy(bytes + 0x180, &note, sizeof(note));
    return 0x3000;
}

kp_process_t *kp_test_process_in(kp_job_t *job, uint32_t initial_pages, uint32_t maximum_pages,
                                 kp_capability_t *startup)
{
    kp_image_t *image = calloc(1, sizeof(*image)); /* threads of a test create at once */
    assert(image);
    image->info.initial_pages = initial_pages;
    image->info.maximum_pages = maximum_pages;
    image->info.flags = KP_IMAGE_THREADS;
    kp_process_options_t options = {.name = "test", .image = image, .job = job};
    if (startup)
        options.startup = kp_capability_take(startup);
    kp_process_t *process;
    kp_status_t status = kp_process_create(&options, &process);
    if (startup)
        *startup = options.startup;
    free(image); /* the test machine does not look at it again */
    if (status == KP_OK)
        kp_handle_table_share(&process->handles);
    return status == KP_OK ? process : NULL;
}

static kp_process_t *process_in_new_job(uint32_t initial_pages, uint32_t maximum_pages,
                                        const kp_job_limits_t *limits, kp_capability_t *startup)
{
    kp_job_t *job;
    if (kp_job_create(kp_job_root(), limits, &job) != KP_OK)
        return NULL;
    kp_process_t *process = kp_test_process_in(job, initial_pages, maximum_pages, startup);
    kp_object_release(&job->object);
    return process;
}

kp_process_t *kp_test_process_limited(uint32_t initial_pages, uint32_t maximum_pages,
                                      const kp_job_limits_t *limits)
{
    return process_in_new_job(initial_pages, maximum_pages, limits, NULL);
}

kp_process_t *kp_test_process(uint32_t initial_pages, uint32_t maximum_pages,
                              kp_capability_t *startup)
{
    const kp_job_limits_t wide = {.handles = 50000,
                                  .queued_bytes = 64u << 20,
                                  .pages = 1u << 20,
                                  .processes = 2000,
                                  .objects = 50000};
    return process_in_new_job(initial_pages, maximum_pages, &wide, startup);
}

void kp_test_process_alone(kp_process_t *process)
{
    process->handles.shared = false;
}

void kp_test_process_end(kp_process_t *process)
{
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
    kp_status_t status =
        kp_wait_one(&process->object, KP_SIGNAL_TERMINATED, KP_TIME_INFINITE, NULL);
    assert(status == KP_OK);
    (void)status;
    kp_object_release(&process->object);
}
