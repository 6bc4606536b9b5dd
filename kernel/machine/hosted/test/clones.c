/* Snapshots and clones on the machine hosted (clones_program.c): what the program sees, what the kernel
   sees, and what it all costs. Run twice: with pages shared until somebody writes, and copied at the
   start. Sanitised. */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "kernel/init/files.h"
#include "kernel/ipc/channel.h"
#include "kernel/machine/hosted/child.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/hosted/test/clones.h"
#include "kernel/object/snapshot.h"
#include "kernel/object/wait.h"
#include "tests/kp_test_hosted.h"

#define BUNDLE "build/test/clones.bundle"
#define PAGE ((uint32_t)KP_PAGE_SIZE)

static bool is_copied;

typedef struct subject {
    kp_process_t *process;
    kp_capability_t end;
} subject_t;

static subject_t make(kp_snapshot_t *snapshot)
{
    subject_t subject = {0};
    const kp_image_t *image;
    kp_capability_t ends[2];
    if (kp_files_image("clones", &image) != KP_OK || kp_channel_create(ends) != KP_OK)
        return subject;
    kp_process_options_t options = {.name = "clones",
                                    .image = snapshot ? NULL : image,
                                    .snapshot = snapshot,
                                    .job = kp_job_root(),
                                    .startup = ends[1]};
    if (kp_process_make(&options, &subject.process) != KP_OK) {
        KP_FAIL("a process could not be made");
        subject.process = NULL;
        kp_capability_close(&ends[1]);
    }
    subject.end = ends[0];
    return subject;
}

static subject_t start(kp_snapshot_t *snapshot)
{
    subject_t subject = make(snapshot);
    if (subject.process)
        KP_EXPECT_INT(kp_process_start(subject.process), KP_OK);
    return subject;
}

static void order(subject_t *subject, uint32_t what, uint32_t address, uint32_t length,
                  uint32_t value)
{
    const clones_order_t order = {what, address, length, value};
    KP_EXPECT_INT(kp_channel_send(subject->end, &order, sizeof(order), NULL, 0), KP_OK);
}

static int64_t ask(subject_t *subject, uint32_t what, uint32_t address, uint32_t length,
                   uint32_t value)
{
    kp_message_t *message;
    int64_t answer = INT64_MIN;
    order(subject, what, address, length, value);
    if (kp_channel_receive(subject->end, kp_machine_now() + KP_TEST_PATIENCE, &message) != KP_OK)
        return answer;
    if (message->byte_count == sizeof(answer))
        memcpy(&answer, message->bytes, sizeof(answer));
    kp_message_destroy(message);
    return answer;
}

static void end(subject_t *subject)
{
    kp_capability_close(&subject->end);
    if (subject->process)
        KP_EXPECT_INT(kp_test_process_end(subject->process).exit_reason, KP_EXIT_NORMAL);
}

/* The subject is a frozen process afterwards, for drop. */
static kp_snapshot_t *freeze(subject_t *subject)
{
    order(subject, CLONES_FREEZE, 0, 0, 0);
    kp_status_t status =
        kp_wait_one(&subject->process->object, KP_SIGNAL_FROZEN | KP_SIGNAL_TERMINATED,
                    kp_machine_now() + KP_TEST_PATIENCE, NULL);
    KP_EXPECT_INT(status, KP_OK);
    kp_capability_close(&subject->end);
    kp_snapshot_t *snapshot = kp_process_snapshot(subject->process);
    KP_EXPECT(snapshot != NULL);
    return snapshot;
}

static void drop(subject_t *subject, kp_snapshot_t *snapshot)
{
    kp_process_end(subject->process, KP_EXIT_KILLED, 0, 0);
    (void)kp_test_process_end(subject->process);
    kp_snapshot_release(snapshot);
}

/* ---- both views of a range: the program's and the kernel's ---- */

static bool kernel_sees(subject_t *subject, uint32_t address, uint32_t length, uint8_t value)
{
    static uint8_t bytes[CLONES_MEMORY];
    memset(bytes, ~value, length);
    if (kp_machine_space_copy_in(&subject->process->space, bytes, address, length) != KP_OK)
        return false;
    for (uint32_t i = 0; i < length; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

static bool sees(subject_t *subject, uint32_t address, uint32_t length, uint8_t value)
{
    return kernel_sees(subject, address, length, value) &&
           ask(subject, CLONES_CHECK, address, length, value) == 0;
}

static void put(subject_t *subject, uint32_t address, uint32_t length, uint8_t value)
{
    static uint8_t bytes[CLONES_MEMORY];
    memset(bytes, value, length);
    KP_EXPECT_INT(kp_machine_space_copy_out(&subject->process->space, address, bytes, length),
                  KP_OK);
}

/* What the original has: 0x11, with a hole. */
#define DATA CLONES_FREE
#define HOLE (DATA + 64 * PAGE)
#define HOLE_END (HOLE + 64 * PAGE)
#define DATA_END (HOLE_END + 64 * PAGE)

static kp_snapshot_t *make_snapshot(subject_t *original)
{
    *original = start(NULL);
    if (!original->process)
        return NULL;
    KP_EXPECT_INT(ask(original, CLONES_FILL, DATA, HOLE - DATA, 0x11), 0);
    KP_EXPECT_INT(ask(original, CLONES_FILL, HOLE_END, DATA_END - HOLE_END, 0x11), 0);
    return freeze(original);
}

static bool is_pristine(subject_t *clone)
{
    return sees(clone, DATA, HOLE - DATA, 0x11) && sees(clone, HOLE, HOLE_END - HOLE, 0) &&
           sees(clone, HOLE_END, DATA_END - HOLE_END, 0x11) &&
           sees(clone, DATA_END, CLONES_MEMORY - DATA_END, 0);
}

static uint64_t file_bytes(int file)
{
    struct stat info;
    return fstat(file, &info) == 0 ? (uint64_t)info.st_blocks * 512 : UINT64_MAX;
}

/* So many bytes from DATA on, by calls. */
static void randomise(subject_t *subject, uint32_t length)
{
    for (uint32_t at = 0; at < length; at += KP_MIN(length - at, 60000))
        KP_EXPECT_INT(ask(subject, CLONES_RANDOM, DATA + at, KP_MIN(length - at, 60000), 0), KP_OK);
}

KP_TEST(clones_and_their_snapshot_part_where_either_side_writes)
{
    subject_t original;
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    KP_EXPECT_INT(snapshot->machine.extent_count > 0, !is_copied);
    uint64_t before = file_bytes(snapshot->machine.memory_fd);
    subject_t a = start(snapshot), b = start(snapshot);
    KP_REQUIRE(a.process && b.process);
    KP_EXPECT(is_pristine(&a) && is_pristine(&b));
    /* The program writes a page, the kernel parts of two, both in the hole and beyond the data. */
    KP_EXPECT_INT(ask(&a, CLONES_FILL, DATA + 3 * PAGE, PAGE, 0x22), 0);
    put(&a, DATA + 7 * PAGE + 4000, 200, 0x33);
    KP_EXPECT_INT(ask(&a, CLONES_FILL, HOLE + PAGE, PAGE, 0x44), 0);
    put(&a, HOLE - 100, 200, 0x55);
    put(&a, DATA_END - 1, 2, 0x66);
    KP_EXPECT(sees(&a, DATA, 3 * PAGE, 0x11) && sees(&a, DATA + 3 * PAGE, PAGE, 0x22));
    KP_EXPECT(sees(&a, DATA + 4 * PAGE, 3 * PAGE + 4000, 0x11));
    KP_EXPECT(sees(&a, DATA + 7 * PAGE + 4000, 200, 0x33));
    KP_EXPECT(sees(&a, DATA + 8 * PAGE + 104, PAGE, 0x11));
    KP_EXPECT(sees(&a, HOLE - 100, 200, 0x55) && sees(&a, HOLE + 100, PAGE - 100, 0));
    KP_EXPECT(sees(&a, HOLE + PAGE, PAGE, 0x44) && sees(&a, DATA_END - 1, 2, 0x66));
    /* By a call; all of it, over everything. */
    KP_EXPECT_INT(ask(&a, CLONES_RANDOM, DATA + 20 * PAGE + 5, 30000, 0), KP_OK);
    KP_EXPECT(!kernel_sees(&a, DATA + 20 * PAGE + 5, 30000, 0x11));
    KP_EXPECT(sees(&a, DATA + 20 * PAGE, 5, 0x11));
    randomise(&a, DATA_END - DATA);
    KP_EXPECT(is_pristine(&b));
    subject_t c = start(snapshot); /* later, and from the same */
    KP_REQUIRE(c.process);
    KP_EXPECT_INT(ask(&c, CLONES_FILL, DATA, PAGE, 0x11), 0);
    KP_EXPECT(sees(&c, DATA, HOLE - DATA, 0x11));
    if (!is_copied)
        KP_EXPECT_INT(file_bytes(c.process->space.memory_fd), 0);
    KP_EXPECT(is_pristine(&c));
    KP_EXPECT_INT(file_bytes(snapshot->machine.memory_fd), before);
    end(&a);
    end(&b);
    end(&c);
    drop(&original, snapshot);
}

KP_TEST(a_clone_grows_beyond_what_it_shares)
{
    subject_t original;
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    subject_t clone = start(snapshot), witness = start(snapshot);
    KP_REQUIRE(clone.process && witness.process);
    KP_EXPECT_INT(ask(&clone, CLONES_GROW, 0, 0, 4), CLONES_MEMORY / KP_WASM_PAGE_SIZE);
    KP_EXPECT(sees(&clone, CLONES_MEMORY, 4 * KP_WASM_PAGE_SIZE, 0));
    put(&clone, DATA_END - 10, CLONES_MEMORY + 20 - DATA_END, 0x77);
    KP_EXPECT(sees(&clone, DATA_END - 10, CLONES_MEMORY + 20 - DATA_END, 0x77));
    KP_EXPECT_INT(ask(&clone, CLONES_FILL, CLONES_MEMORY - PAGE, 2 * PAGE, 0x78), 0);
    KP_EXPECT(sees(&clone, CLONES_MEMORY - PAGE, 2 * PAGE, 0x78));
    KP_EXPECT_INT(ask(&witness, CLONES_CHECK, CLONES_MEMORY - PAGE, PAGE, 0), 0);
    end(&clone);
    end(&witness);
    drop(&original, snapshot);
}

KP_TEST(mappings_over_what_is_shared)
{
    subject_t original;
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    subject_t clone = start(snapshot), witness = start(snapshot);
    KP_REQUIRE(clone.process && witness.process);
    uint32_t at = DATA + 10 * PAGE;
    KP_EXPECT_INT(ask(&clone, CLONES_MAP, at, 2 * PAGE, 0), KP_OK);
    KP_EXPECT(sees(&clone, at, 2 * PAGE, 0) && sees(&clone, at - PAGE, PAGE, 0x11));
    /* Nothing is written when a part cannot be, whoever asks. */
    uint8_t bytes[64] = {1};
    kp_machine_space_t *space = &clone.process->space;
    KP_EXPECT_INT(kp_machine_space_copy_out(space, at - 32, bytes, 64), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(kp_machine_space_copy_out(space, at + 2 * PAGE - 32, bytes, 64),
                  KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(ask(&clone, CLONES_RANDOM, at + PAGE, 16, 0), KP_ERR_BAD_ADDRESS);
    KP_EXPECT(sees(&clone, at - PAGE, PAGE, 0x11) && sees(&clone, at, 2 * PAGE, 0));
    /* Nor by way of Linux, should the list not know of it yet. */
    if (!is_copied)
        KP_EXPECT_INT(kp_hosted_lent_write(space, at, bytes, 64), KP_ERR_BAD_ADDRESS);
    KP_EXPECT_INT(ask(&clone, CLONES_MAP, at + PAGE, 2 * PAGE, 1), KP_OK);
    put(&clone, at + PAGE, 2 * PAGE, 0x21);
    KP_EXPECT(sees(&clone, at, PAGE, 0) && sees(&clone, at + PAGE, 2 * PAGE, 0x21));
    KP_EXPECT(sees(&clone, at + 3 * PAGE, PAGE, 0x11));
    /* Unmapped it is zero, and the process's own. */
    KP_EXPECT_INT(ask(&clone, CLONES_UNMAP, at + PAGE, PAGE, 0), KP_OK);
    KP_EXPECT(sees(&clone, at + PAGE, PAGE, 0) && sees(&clone, at + 2 * PAGE, PAGE, 0x21));
    put(&clone, at + PAGE + 8, 8, 0x31);
    KP_EXPECT_INT(ask(&clone, CLONES_FILL, at + PAGE + 16, 8, 0x31), 0);
    KP_EXPECT(sees(&clone, at + PAGE + 8, 16, 0x31) && sees(&clone, at + PAGE + 24, 100, 0));
    /* Shared memory that goes without having been mapped over. */
    KP_EXPECT_INT(ask(&clone, CLONES_UNMAP, at + 8 * PAGE, 2 * PAGE, 0), KP_OK);
    KP_EXPECT(sees(&clone, at + 8 * PAGE, 2 * PAGE, 0) && sees(&clone, at + 10 * PAGE, PAGE, 0x11));
    KP_EXPECT(is_pristine(&witness));
    /* A snapshot of all that: the mappings must go first, for what they show may change. */
    KP_EXPECT_INT(ask(&clone, CLONES_UNMAP, at, PAGE, 0), KP_OK);
    KP_EXPECT_INT(ask(&clone, CLONES_UNMAP, at + 2 * PAGE, PAGE, 0), KP_OK);
    put(&clone, at + 2 * PAGE, PAGE, 0x41);
    kp_snapshot_t *second = freeze(&clone);
    KP_REQUIRE(second);
    subject_t grandchild = start(second);
    KP_REQUIRE(grandchild.process);
    KP_EXPECT(sees(&grandchild, at - PAGE, PAGE, 0x11) && sees(&grandchild, at, PAGE, 0));
    KP_EXPECT(sees(&grandchild, at + PAGE, 8, 0) && sees(&grandchild, at + PAGE + 8, 16, 0x31));
    KP_EXPECT(sees(&grandchild, at + 2 * PAGE, PAGE, 0x41));
    KP_EXPECT(sees(&grandchild, at + 3 * PAGE, 5 * PAGE, 0x11));
    KP_EXPECT(sees(&grandchild, at + 8 * PAGE, 2 * PAGE, 0));
    end(&grandchild);
    drop(&clone, second);
    end(&witness);
    drop(&original, snapshot);
}

/* Each generation writes a page, gives one back and grows; those before it have gone. */
KP_TEST(clones_of_clones_whose_parents_have_gone)
{
    enum { GENERATIONS = 6 };
    subject_t parent, child;
    kp_snapshot_t *snapshot = make_snapshot(&parent);
    KP_REQUIRE(snapshot);
    for (uint32_t i = 0; i < GENERATIONS; i++) {
        child = start(snapshot);
        drop(&parent, snapshot);
        KP_REQUIRE(child.process);
        for (uint32_t k = 0; k < GENERATIONS; k++) {
            KP_EXPECT(sees(&child, DATA + 2 * k * PAGE, PAGE, k < i ? (uint8_t)(0x80 + k) : 0x11));
            KP_EXPECT(sees(&child, HOLE_END + 2 * k * PAGE, PAGE, k < i ? 0 : 0x11));
        }
        for (uint32_t k = 0; k < i; k++)
            KP_EXPECT(sees(&child, CLONES_MEMORY + k * KP_WASM_PAGE_SIZE, KP_WASM_PAGE_SIZE,
                           (uint8_t)(0x90 + k)));
        if (i % 2)
            put(&child, DATA + 2 * i * PAGE, PAGE, (uint8_t)(0x80 + i));
        else
            KP_EXPECT_INT(ask(&child, CLONES_FILL, DATA + 2 * i * PAGE, PAGE, 0x80 + i), 0);
        KP_EXPECT_INT(ask(&child, CLONES_UNMAP, HOLE_END + 2 * i * PAGE, PAGE, 0), KP_OK);
        KP_EXPECT(ask(&child, CLONES_GROW, 0, 0, 1) > 0);
        KP_EXPECT_INT(ask(&child, CLONES_FILL, CLONES_MEMORY + i * KP_WASM_PAGE_SIZE,
                          KP_WASM_PAGE_SIZE, 0x90 + i),
                      0);
        snapshot = freeze(&child);
        KP_REQUIRE(snapshot);
        parent = child;
    }
    drop(&parent, snapshot);
}

/* Linux copies the page for one while the others, and the kernel, write into it. */
KP_TEST(threads_and_the_kernel_write_into_the_same_pages_at_once)
{
    for (int i = 0; i < 5; i++) {
        subject_t original = start(NULL);
        KP_REQUIRE(original.process);
        KP_EXPECT_INT(ask(&original, CLONES_FILL, DATA, 32 * PAGE, 0x5a), 0);
        kp_snapshot_t *snapshot = freeze(&original);
        KP_REQUIRE(snapshot);
        subject_t clone = start(snapshot), witness = start(snapshot);
        KP_REQUIRE(clone.process && witness.process);
        KP_EXPECT_INT(ask(&clone, CLONES_RACE, DATA, 32 * PAGE, 0), 0);
        KP_EXPECT(sees(&witness, DATA, 32 * PAGE, 0x5a));
        end(&clone);
        end(&witness);
        drop(&original, snapshot);
    }
}

static uint32_t random_below(uint32_t limit)
{
    static uint32_t state = 1;
    state = state * 1664525 + 1013904223;
    return (uint32_t)(((uint64_t)state * limit) >> 32);
}

/* As messages between two processes go: of both kinds of memory, against a model. */
KP_TEST(copies_from_one_process_to_another)
{
    enum { SUBJECTS = 3, SIZE = 0x180000 };
    static uint8_t model[SUBJECTS][SIZE], bytes[SIZE];
    subject_t original, subjects[SUBJECTS];
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    for (uint32_t i = 0; i < SUBJECTS; i++) {
        subjects[i] = start(i == 0 ? NULL : snapshot);
        KP_REQUIRE(subjects[i].process);
        randomise(&subjects[i], SIZE / 2);
        KP_EXPECT_INT(kp_machine_space_copy_in(&subjects[i].process->space, model[i] + DATA, DATA,
                                               SIZE - DATA),
                      KP_OK);
    }
    for (int round = 0; round < 2000; round++) {
        uint32_t from = random_below(SUBJECTS), to = (from + 1 + random_below(2)) % SUBJECTS;
        uint32_t count = random_below(round % 4 ? 600 : 65536);
        uint32_t from_at = DATA + random_below(SIZE - DATA - count);
        uint32_t to_at = DATA + random_below(SIZE - DATA - count);
        KP_EXPECT_INT(kp_machine_space_copy_across(&subjects[from].process->space, from_at,
                                                   &subjects[to].process->space, to_at, count),
                      KP_OK);
        memcpy(model[to] + to_at, model[from] + from_at, count);
    }
    for (uint32_t i = 0; i < SUBJECTS; i++) {
        KP_EXPECT_INT(
            kp_machine_space_copy_in(&subjects[i].process->space, bytes + DATA, DATA, SIZE - DATA),
            KP_OK);
        KP_EXPECT(memcmp(bytes + DATA, model[i] + DATA, SIZE - DATA) == 0);
        end(&subjects[i]);
    }
    drop(&original, snapshot);
}

KP_TEST(killed_while_the_kernel_copies)
{
    subject_t original;
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    for (int i = 0; i < 60; i++) {
        subject_t clone = start(snapshot);
        KP_REQUIRE(clone.process);
        for (int k = 0; k < 3; k++)
            order(&clone, CLONES_RANDOM, DATA + 100, 60000, 0);
        kp_hosted_child_t *child = clone.process->space.child;
        kp_hosted_child_acquire(child); /* it goes when it has died */
        usleep(random_below(i % 2 ? 2000 : 12000));
        if (i % 3)
            kp_process_end(clone.process, KP_EXIT_KILLED, 0, 0);
        else
            kp_hosted_child_kill(child); /* as the host might */
        kp_hosted_child_release(child);
        kp_capability_close(&clone.end);
        KP_EXPECT_INT(kp_test_process_end(clone.process).exit_reason, KP_EXIT_KILLED);
    }
    drop(&original, snapshot);
}

/* ---- VMOs ---- */

static bool vmo_has(kp_vmo_t *vmo, uint64_t offset, uint8_t value)
{
    uint8_t bytes[PAGE];
    if (kp_vmo_read(vmo, offset, bytes, PAGE) != KP_OK)
        return false;
    for (uint32_t i = 0; i < PAGE; i++) {
        if (bytes[i] != value)
            return false;
    }
    return true;
}

/* Page i is all 0x10 + i, and sealed. */
static kp_vmo_t *sealed_vmo(uint32_t pages)
{
    kp_vmo_t *vmo = NULL;
    if (kp_vmo_create(pages * PAGE, NULL, &vmo) != KP_OK)
        return NULL;
    for (uint32_t i = 0; i < pages; i++) {
        uint8_t bytes[PAGE];
        memset(bytes, 0x10 + (int)i, PAGE);
        KP_EXPECT_INT(kp_vmo_write(vmo, i * PAGE, bytes, PAGE), KP_OK);
    }
    KP_EXPECT_INT(kp_vmo_seal(vmo, KP_VMO_SEAL_WRITE), KP_OK);
    return vmo;
}

static kp_vmo_t *cloned(kp_vmo_t *vmo, uint32_t first_page, uint32_t pages)
{
    kp_vmo_t *clone = NULL;
    KP_EXPECT_INT(kp_vmo_clone(vmo, first_page * PAGE, pages * PAGE, NULL, &clone), KP_OK);
    return clone;
}

KP_TEST(clones_of_a_sealed_vmo_share_it_until_they_are_written)
{
    enum { PAGES = 8 };
    kp_vmo_t *source = sealed_vmo(PAGES);
    KP_REQUIRE(source);
    kp_vmo_t *written = cloned(source, 1, 4), *shrunk = cloned(source, 0, PAGES),
             *punched = cloned(source, 2, 3), *sealed = cloned(source, 3, 5);
    KP_REQUIRE(written && shrunk && punched && sealed);
    KP_EXPECT_INT(kp_vmo_seal(sealed, KP_VMO_SEAL_WRITE), KP_OK);
    kp_vmo_t *second = cloned(sealed, 2, 2), *third = cloned(second, 1, 1);
    KP_REQUIRE(second && third);
    kp_object_release(&source->object); /* its bytes stay */
    kp_vmo_t *const all[] = {written, shrunk, punched, sealed, second, third};
    for (size_t i = 0; i < KP_ARRAY_COUNT(all); i++) {
        kp_vmo_info_t info;
        kp_vmo_info(all[i], &info);
        KP_EXPECT_INT(info.private_bytes, 0);
        KP_EXPECT_INT(info.shared_bytes, info.size);
    }
    KP_EXPECT(vmo_has(second, 0, 0x15) && vmo_has(second, PAGE, 0x16) && vmo_has(third, 0, 0x16));
    KP_EXPECT_INT(kp_vmo_write(sealed, 0, "x", 1), KP_ERR_ACCESS_DENIED);
    uint8_t bytes[PAGE];
    memset(bytes, 0x77, PAGE);
    KP_EXPECT_INT(kp_vmo_write(written, PAGE, bytes, PAGE), KP_OK);
    KP_EXPECT(vmo_has(written, 0, 0x11) && vmo_has(written, PAGE, 0x77) &&
              vmo_has(written, 3 * PAGE, 0x14));
    KP_EXPECT_INT(kp_vmo_resize(shrunk, 2 * PAGE), KP_OK);
    KP_EXPECT_INT(kp_vmo_resize(shrunk, 3 * PAGE), KP_OK);
    KP_EXPECT(vmo_has(shrunk, PAGE, 0x11) && vmo_has(shrunk, 2 * PAGE, 0));
    KP_EXPECT_INT(kp_vmo_decommit(punched, PAGE, PAGE), KP_OK);
    KP_EXPECT(vmo_has(punched, 0, 0x12) && vmo_has(punched, PAGE, 0) &&
              vmo_has(punched, 2 * PAGE, 0x14));
    /* To be mapped: the sealed one as it is, what may still be written never the shared file. */
    uint64_t start;
    int file = kp_hosted_vmo_file(&sealed->machine, false, &start);
    KP_EXPECT(file >= 0 && pread(file, bytes, 1, (off_t)start) == 1 && bytes[0] == 0x13);
    KP_EXPECT_INT(fcntl(file, F_GETFL) & O_ACCMODE, O_RDONLY);
    file = kp_hosted_vmo_file(&third->machine, false, &start);
    bytes[0] = 0x78;
    KP_EXPECT_INT(kp_vmo_write(third, 5, bytes, 1), KP_OK);
    bytes[0] = 0;
    KP_EXPECT(file >= 0 && pread(file, bytes, 1, (off_t)start + 5) == 1 && bytes[0] == 0x78);
    KP_EXPECT(vmo_has(second, PAGE, 0x16) && vmo_has(sealed, 3 * PAGE, 0x16));
    const uint8_t *page = kp_vmo_page(second, PAGE);
    KP_EXPECT(page && page[0] == 0x16);
    page = kp_vmo_page(sealed, PAGE);
    KP_EXPECT(page && page[0] == 0x14);
    for (size_t i = 0; i < KP_ARRAY_COUNT(all); i++)
        kp_object_release(&all[i]->object);
}

/* ---- when the host has no more ---- */

static size_t kernel_mappings(void)
{
    size_t count = 0;
    FILE *file = fopen("/proc/self/maps", "re");
    for (int c; file && (c = fgetc(file)) != EOF;)
        count += c == '\n';
    if (file)
        fclose(file);
    return count;
}

/* Linux lets the kernel have 65,530 mappings in all; what processes map, and VMOs that they write, take none
   of them. */
KP_TEST(what_processes_map_costs_the_kernel_no_mappings)
{
    enum { PROCESSES = 2, MAPPINGS = 1500, VMOS = 300 };
    if (is_copied) /* there it does */
        return;
    size_t before = kernel_mappings();
    subject_t subjects[PROCESSES];
    for (uint32_t i = 0; i < PROCESSES; i++) {
        subjects[i] = start(NULL);
        KP_REQUIRE(subjects[i].process);
        KP_EXPECT(ask(&subjects[i], CLONES_GROW, 0, 0, 1024) > 0);
        KP_EXPECT_INT(ask(&subjects[i], CLONES_SCATTER, CLONES_MEMORY, 0, MAPPINGS), MAPPINGS);
        /* And the kernel finds its way among them. */
        uint32_t at = CLONES_MEMORY + (MAPPINGS - 2) * PAGE;
        put(&subjects[i], at - 8, 2 * PAGE, 0x61);
        KP_EXPECT(sees(&subjects[i], at - 8, 2 * PAGE, 0x61));
        KP_EXPECT(sees(&subjects[i], CLONES_MEMORY, PAGE - 8, 0x61)); /* the same page of the VMO */
        KP_EXPECT(sees(&subjects[i], CLONES_MEMORY + PAGE, PAGE, 0));
    }
    kp_vmo_t *vmos[VMOS];
    for (uint32_t i = 0; i < VMOS; i++) {
        KP_REQUIRE(kp_vmo_create(PAGE, NULL, &vmos[i]) == KP_OK);
        KP_EXPECT_INT(kp_vmo_write(vmos[i], 0, &i, sizeof(i)), KP_OK);
    }
    KP_EXPECT(kernel_mappings() < before + 200);
    for (uint32_t i = 0; i < VMOS; i++)
        kp_object_release(&vmos[i]->object);
    for (uint32_t i = 0; i < PROCESSES; i++)
        end(&subjects[i]);
}

static rlim_t allowed;

/* Leaves so many descriptors. */
static void leave_files(rlim_t count)
{
    struct rlimit limit;
    int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
    KP_REQUIRE(file >= 0 && getrlimit(RLIMIT_NOFILE, &limit) == 0);
    close(file);
    allowed = limit.rlim_cur;
    /* The lowest free one is `file`; that nothing above it is in use is what the census before says. */
    limit.rlim_cur = (rlim_t)file + count;
    KP_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

static void give_files_back(void)
{
    struct rlimit limit;
    KP_REQUIRE(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = allowed;
    KP_REQUIRE(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

/* The file of its memory waits until there is a descriptor for it. */
KP_TEST(no_descriptor_for_a_clones_memory)
{
    subject_t original;
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    subject_t clone = make(snapshot);
    KP_REQUIRE(clone.process);
    kp_machine_space_t *space = &clone.process->space;
    KP_EXPECT_INT(kp_hosted_space_start(space), KP_OK); /* nobody serves it yet */
    for (int i = 0; i < 60000 && kp_hosted_child_pid(space->child) == 0; i++)
        usleep(1000);
    uint8_t byte = 0;
    leave_files(0);
    kp_status_t expected = is_copied ? KP_OK : KP_ERR_NO_MEMORY;
    for (int i = 0; i < 3; i++) {
        KP_EXPECT_INT(kp_machine_space_copy_in(space, &byte, DATA, 1), expected);
        KP_EXPECT_INT(kp_machine_space_copy_out(space, DATA, &byte, 1), expected);
    }
    give_files_back();
    byte = 0x11;
    KP_EXPECT_INT(kp_machine_space_copy_out(space, DATA, &byte, 1), KP_OK);
    KP_EXPECT_INT(kp_process_start(clone.process), KP_OK);
    KP_EXPECT(is_pristine(&clone));
    end(&clone);
    drop(&original, snapshot);
}

KP_TEST(no_file_for_a_vmo_that_is_written)
{
    kp_vmo_t *source = sealed_vmo(2);
    KP_REQUIRE(source);
    kp_vmo_t *clone = cloned(source, 0, 2), *none = NULL;
    KP_REQUIRE(clone);
    leave_files(0);
    KP_EXPECT_INT(kp_vmo_write(clone, 0, "x", 1), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_vmo_resize(clone, PAGE), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_vmo_decommit(clone, 0, PAGE), KP_ERR_NO_MEMORY);
    KP_EXPECT_INT(kp_vmo_clone(clone, 0, PAGE, NULL, &none), KP_ERR_NO_MEMORY);
    KP_EXPECT(vmo_has(clone, 0, 0x10) && vmo_has(clone, PAGE, 0x11));
    give_files_back();
    KP_EXPECT_INT(kp_vmo_write(clone, 0, "x", 1), KP_OK);
    KP_EXPECT(vmo_has(clone, PAGE, 0x11) && vmo_has(source, 0, 0x10));
    kp_object_release(&clone->object);
    kp_object_release(&source->object);
}

KP_TEST(no_memory_file_for_a_clones_snapshot)
{
    subject_t original;
    kp_snapshot_t *snapshot = make_snapshot(&original);
    KP_REQUIRE(snapshot);
    subject_t clone = start(snapshot);
    KP_REQUIRE(clone.process);
    KP_EXPECT_INT(ask(&clone, CLONES_CHECK, DATA, PAGE, 0x11), 0);
    leave_files(1); /* for its state */
    order(&clone, CLONES_FREEZE, 0, 0, 0);
    KP_EXPECT_INT(kp_wait_one(&clone.process->object, KP_SIGNAL_FROZEN | KP_SIGNAL_TERMINATED,
                              kp_machine_now() + KP_TEST_PATIENCE, NULL),
                  KP_OK);
    give_files_back();
    kp_capability_close(&clone.end);
    kp_process_info_t info;
    kp_process_info(clone.process, &info);
    if (is_copied) {
        KP_EXPECT_INT(info.state, KP_PROCESS_FROZEN);
        drop(&clone, NULL);
    } else { /* it was told so, and ended by itself */
        KP_EXPECT_INT(info.exit_reason, KP_EXIT_NORMAL);
        KP_EXPECT_INT(info.exit_code, KP_ERR_NO_MEMORY);
        (void)kp_test_process_end(clone.process);
    }
    drop(&original, snapshot);
}

/* ---- all tests ---- */

static kp_test_census_t before;

static void expect_nothing_left(void)
{
    kp_test_census_expect(before);
}

static int run_tests(void *context)
{
    subject_t first = start(NULL);
    end(&first);
    before = kp_test_census_take();
    int failed = kp_test_all(context, "shared", expect_nothing_left);
    kp_hosted_sharing_set(false);
    is_copied = true;
    return failed + kp_test_all(context, "copied", expect_nothing_left);
}

/* usage: hosted_clones [TEST] */
int main(int argc, char **argv)
{
    kp_hosted_options_t options = {
        .bundle_path = BUNDLE,
        .command_line = "shell=off display=off http=off",
        .log_level = KP_TEST_LOG_LEVEL,
    };
    return kp_test_hosted(&options, run_tests, argc > 1 ? argv[1] : NULL, NULL);
}
