/* The cache's directory over a server of files that the test plays: what is kept is found again, whole or not at all, whatever
   any request is answered with; the limit; what is left over. */
#include "services/compiler/test/disk_files.h"
#include "tests/kp_test.h"

static kp_compiler_disk_t disk;

static void start(uint64_t bytes_max)
{
    memset(&disk, 0, sizeof(disk));
    kp_compiler_disk_init(&disk, 1, bytes_max);
}

static kp_compiler_key_t key_of(uint32_t number)
{
    kp_compiler_key_t key = {.version = 3, .cpu = 1, .flags = 2, .count = UINT32_MAX};
    memcpy(key.module, &number, sizeof(number));
    return key;
}

static void store(uint32_t number, uint64_t size, uint32_t *pending)
{
    kp_compiler_key_t key = key_of(number);
    kp_handle_t vmo = host_vmo(size);
    if (vmo == KP_HANDLE_NONE)
        return;
    for (uint64_t i = 0; i < size; i++)
        host_vmo_bytes(vmo)[i] = (uint8_t)(i * 7 + (i >> 9) + number);
    kp_compiler_disk_store(&disk, &key, vmo, size, pending);
}

/* Until nothing is to be done; false: that is never. */
static bool settle(void)
{
    for (unsigned i = 0; i < 10000; i++)
        if (!kp_compiler_disk_step(&disk))
            return true;
    return false;
}

/* Loads it: the status; what came is what was stored. */
static kp_status_t load_key(const kp_compiler_key_t *key, uint32_t number, uint64_t size)
{
    kp_compiler_load_t load;
    kp_status_t status = kp_compiler_load_begin(&disk, key, &load);
    if (status != KP_OK)
        return status;
    do
        status = kp_compiler_load_step(&disk, &load);
    while (status == KP_ERR_SHOULD_WAIT);
    if (status == KP_OK) {
        KP_EXPECT(load.header.size == size);
        for (uint64_t i = 0; i < size; i++)
            if (host_vmo_bytes(load.vmo)[i] != (uint8_t)(i * 7 + (i >> 9) + number))
                KP_FAIL("byte %llu of %u", (unsigned long long)i, number);
    }
    kp_compiler_load_end(&disk, &load);
    return status;
}

static kp_status_t load(uint32_t number, uint64_t size)
{
    kp_compiler_key_t key = key_of(number);
    return load_key(&key, number, size);
}

static void finish(void)
{
    kp_compiler_disk_close(&disk);
    KP_EXPECT_INT(servers, 0);
    KP_EXPECT_INT(host_vmo_count, 0);
}

KP_TEST(what_is_kept_is_found)
{
    uint32_t pending = 0;
    files_clear();
    start(0);
    KP_EXPECT_INT(files_asked, 0); /* nothing at the start */
    KP_EXPECT_INT(load(1, 10), KP_ERR_NOT_FOUND);
    for (uint32_t i = 0; i < 5; i++)
        store(i, 1 + i * 31001, &pending);
    KP_EXPECT_INT(pending, 5);
    KP_EXPECT(settle());
    KP_EXPECT_INT(pending, 0);
    KP_EXPECT_INT(files_count(".code"), 5);
    KP_EXPECT_INT(files_count("new."), 0);
    finish();
    start(0); /* the next service */
    for (uint32_t i = 0; i < 5; i++)
        KP_EXPECT_INT(load(i, 1 + i * 31001), KP_OK);
    for (unsigned what = 0; what < 4; what++) {
        kp_compiler_key_t key = key_of(2);
        key.version += what == 0;
        key.cpu += what == 1;
        key.flags += what == 2;
        key.module[31] ^= what == 3;
        KP_EXPECT_INT(load_key(&key, 2, 62003), KP_ERR_NOT_FOUND);
    }
    KP_EXPECT_INT(disk.rejected, 0);
    KP_EXPECT_INT(files_ids_open(), 0);
    KP_EXPECT_INT(log_lines, 0);
    finish();
}

KP_TEST(no_directory_is_no_cache)
{
    files_clear();
    memset(&disk, 0, sizeof(disk));
    kp_compiler_disk_init(&disk, KP_HANDLE_NONE, 0);
    KP_EXPECT(!kp_compiler_disk_may_store(&disk, 1));
    KP_EXPECT_INT(load(1, 10), KP_ERR_NOT_FOUND);
    store(1, 10, NULL);
    KP_EXPECT(settle());
    KP_EXPECT_INT(files_asked, 0);
    finish();
}

KP_TEST(damage_is_rejected)
{
    files_clear();
    start(0);
    for (uint64_t at = 0; at < KP_CODE_ENTRY_AT + 70000; at += at < 80 ? 1 : 1009) {
        store(7, 70000, NULL);
        KP_EXPECT(settle());
        for (unsigned i = 0; i < FILES_MAX; i++)
            if (strstr(files[i].name, ".code"))
                files[i].bytes[at] ^= 4;
        KP_EXPECT_INT(load(7, 70000), KP_ERR_NOT_FOUND);
        KP_EXPECT_INT(files_count(".code"), 0);
    }
    for (uint64_t size = 0; size < KP_CODE_ENTRY_AT + 70010; size += size < 100 ? 1 : 2003) {
        store(7, 70000, NULL);
        KP_EXPECT(settle());
        for (unsigned i = 0; i < FILES_MAX; i++)
            if (strstr(files[i].name, ".code"))
                files[i].size = size;
        KP_EXPECT_INT(load(7, 70000), KP_ERR_NOT_FOUND);
        KP_EXPECT_INT(files_count(".code"), 0);
    }
    for (uint32_t type = KP_FILE_TYPE_OTHER; type <= KP_FILE_TYPE_DEVICE; type++) {
        store(7, 70000, NULL);
        KP_EXPECT(settle());
        for (unsigned i = 0; i < FILES_MAX; i++)
            if (strstr(files[i].name, ".code"))
                files[i].type = type;
        bool is_file = type == KP_FILE_TYPE_REGULAR;
        KP_EXPECT_INT(load(7, 70000), is_file ? KP_OK : KP_ERR_NOT_FOUND);
        KP_EXPECT_INT(files_count(".code"), is_file ? 1 : 0);
    }
    KP_EXPECT(log_lines <= 16); /* however much is damaged */
    KP_EXPECT_INT(files_ids_open(), 0);
    finish();
}

KP_TEST(another_secret_or_name)
{
    files_clear();
    start(0);
    store(1, 5000, NULL);
    store(2, 5000, NULL);
    KP_EXPECT(settle());
    file_t *one = NULL, *two = NULL;
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (strstr(files[i].name, ".code"))
            *(one ? &two : &one) = &files[i];
    KP_REQUIRE(one && two);
    memcpy(two->bytes, one->bytes, FILE_ROOM); /* a good entry under the other's name */
    KP_EXPECT((load(1, 5000) == KP_OK) != (load(2, 5000) == KP_OK));
    finish();
    for (unsigned i = 0; i < FILES_MAX; i++)
        if (strcmp(files[i].name, "secret") == 0)
            files[i].bytes[3] ^= 1;
    start(0);
    KP_EXPECT_INT(load(1, 5000), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(load(2, 5000), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(files_count(".code"), 0);
    finish();
    for (uint64_t size = 0; size < 40; size++) {
        for (unsigned i = 0; i < FILES_MAX; i++)
            if (strcmp(files[i].name, "secret") == 0)
                files[i].size = size;
        start(0);
        log_lines = 0;
        store(1, 5000, NULL);
        KP_EXPECT(settle());
        KP_EXPECT_INT(load(1, 5000), size == 32 ? KP_OK : KP_ERR_NOT_FOUND);
        KP_EXPECT_INT(log_lines, size != 32);
        finish();
    }
}

KP_TEST(the_oldest_go)
{
    const uint64_t each = 20000, limit = 300000;
    files_clear();
    start(limit);
    for (uint32_t i = 0; i < 40; i++) {
        host_now += 1000000;
        store(i, each, NULL);
        KP_EXPECT(settle());
        KP_EXPECT_INT(load(0, each), KP_OK); /* used all the time */
        KP_EXPECT(files_bytes() <= limit + 64);
    }
    KP_EXPECT_INT(load(39, each), KP_OK);
    KP_EXPECT_INT(load(20, each), KP_ERR_NOT_FOUND);
    KP_EXPECT(files_count(".code") >= 9 && disk.evicted == 40 - files_count(".code"));
    /* Too large for it: not even tried. */
    long before = files_asked;
    store(99, limit / 2 + 1, NULL);
    KP_EXPECT(settle() && files_asked == before);
    /* What another service put there counts too. */
    finish();
    start(limit / 2);
    store(50, each, NULL);
    KP_EXPECT(settle());
    KP_EXPECT(files_bytes() <= limit / 2 + 64);
    finish();
}

KP_TEST(a_full_disk_makes_room)
{
    files_clear();
    files_bytes_max = 100000;
    start(0);
    for (uint32_t i = 0; i < 12; i++) {
        host_now += 1000000;
        store(i, 20000, NULL);
        KP_EXPECT(settle());
        KP_EXPECT_INT(load(i, 20000), KP_OK);
    }
    KP_EXPECT_INT(log_lines, 0);
    store(20, 120000, NULL); /* can never fit */
    store(21, 120000, NULL);
    KP_EXPECT(settle());
    KP_EXPECT_INT(log_lines, 1);
    KP_EXPECT_INT(files_count("new."), 0);
    KP_EXPECT_INT(load(11, 20000), KP_OK); /* nothing went in vain */
    store(22, 20000, NULL);
    KP_EXPECT(settle());
    KP_EXPECT_INT(load(22, 20000), KP_OK);
    finish();
}

KP_TEST(what_is_left_over_goes)
{
    static const char *const names[] = {"new.1", "secret.1", "mine", "new."};
    files_clear();
    start(0);
    for (unsigned i = 0; i < 4; i++)
        (void)file_make(names[i], strlen(names[i]));
    store(1, 100, NULL);
    KP_EXPECT(settle());
    for (unsigned i = 0; i < 4; i++)
        KP_EXPECT(file_find(names[i], strlen(names[i])) != NULL);
    finish();
    host_now += 2 * KP_CODE_LEFT_OVER_SECONDS * (uint64_t)1000000000;
    start(0);
    store(2, 100, NULL);
    KP_EXPECT(settle());
    for (unsigned i = 0; i < 4; i++)
        KP_EXPECT((file_find(names[i], strlen(names[i])) != NULL) == (i >= 2));
    finish();
}

/* Each request in turn is answered with each error: no more than a cache is lost, and what is found is right. */
KP_TEST(any_request_may_fail)
{
    static const kp_status_t faults[] = {KP_ERR_NO_MEMORY,     KP_ERR_NO_SPACE, KP_ERR_READ_ONLY,
                                         KP_ERR_ACCESS_DENIED, KP_ERR_IO,       KP_ERR_PEER_CLOSED,
                                         KP_ERR_TIMED_OUT,     KP_ERR_PROTOCOL, KP_ERR_QUOTA,
                                         KP_ERR_NOT_FOUND,     KP_ERR_LOOP,     KP_ERR_IS_DIRECTORY,
                                         KP_ERR_ALREADY_EXISTS};
    for (unsigned fault = 0; fault < sizeof(faults) / sizeof(faults[0]); fault++) {
        for (long at = 0;; at++) {
            uint32_t pending = 0;
            files_clear();
            files_fault_at = at;
            files_fault = faults[fault];
            start(200000);
            for (uint32_t i = 0; i < 3; i++) {
                host_now += 1000;
                store(i, 70000, &pending);
                KP_EXPECT(settle());
                KP_EXPECT_INT(pending, 0);
                kp_status_t status = load(i, 70000);
                KP_EXPECT(status == KP_OK || status == KP_ERR_NOT_FOUND);
            }
            bool is_over = files_asked <= at;
            finish();
            KP_EXPECT(log_lines <= 4);
            /* The next service, without a fault, finds a directory that it can use. */
            files_fault_at = -1;
            start(200000);
            store(5, 70000, NULL);
            KP_EXPECT(settle());
            KP_EXPECT_INT(load(5, 70000), KP_OK);
            finish();
            if (is_over)
                break;
        }
    }
}

KP_TEST(memory_is_short)
{
    files_clear();
    start(0);
    store(1, 70000, NULL);
    KP_EXPECT(settle());
    host_memory_is_short = true;
    KP_EXPECT_INT(load(1, 70000), KP_ERR_NOT_FOUND);
    host_memory_is_short = false;
    KP_EXPECT_INT(load(1, 70000), KP_OK); /* it is still there */
    KP_EXPECT_INT(disk.rejected, 0);
    finish();
}

KP_TEST_MAIN()
