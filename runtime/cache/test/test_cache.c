/* The hashes against published vectors, and the cache against damage, forgery, eviction and other processes. */
#include "runtime/cache/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/kp_test.h"

static bool is_hex(const uint8_t *bytes, size_t count, const char *hex)
{
    char text[200];
    for (size_t i = 0; i < count; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    return strcmp(text, hex) == 0;
}

KP_TEST(sha256_vectors)
{
    uint8_t digest[32];
    kp_sha256("", 0, digest);
    KP_EXPECT(
        is_hex(digest, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    kp_sha256("abc", 3, digest);
    KP_EXPECT(
        is_hex(digest, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    kp_sha256(two, strlen(two), digest);
    KP_EXPECT(
        is_hex(digest, 32, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"));
    kp_sha256_t hash;
    kp_sha256_begin(&hash);
    for (int i = 0; i < 1000000; i += 125) {
        char part[125];
        memset(part, 'a', sizeof(part));
        kp_sha256_add(&hash, part, 25);
        kp_sha256_add(&hash, part, 100);
    }
    kp_sha256_end(&hash, digest);
    KP_EXPECT(
        is_hex(digest, 32, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
}

KP_TEST(sha256_in_any_pieces)
{
    uint8_t bytes[300], whole[32], pieces[32];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 7);
    for (size_t size = 0; size < sizeof(bytes); size++) {
        kp_sha256(bytes, size, whole);
        kp_sha256_t hash;
        kp_sha256_begin(&hash);
        for (size_t at = 0, part = 1; at < size; at += part, part = part % 70 + 13)
            kp_sha256_add(&hash, bytes + at, part < size - at ? part : size - at);
        kp_sha256_end(&hash, pieces);
        KP_EXPECT(memcmp(whole, pieces, 32) == 0);
    }
}

KP_TEST(hmac_and_poly1305_vectors)
{
    /* RFC 4231, case 1, its key filled up with zeroes; RFC 8439, section 2.5.2 and appendix A.3. */
    uint8_t key[32] = {0}, digest[32], tag[16];
    memset(key, 0x0b, 20);
    kp_hmac_sha256(key, "Hi There", 8, digest);
    KP_EXPECT(
        is_hex(digest, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"));
    static const uint8_t one_time[32] = {0x85, 0xd6, 0xbe, 0x78, 0x57, 0x55, 0x6d, 0x33,
                                         0x7f, 0x44, 0x52, 0xfe, 0x42, 0xd5, 0x06, 0xa8,
                                         0x01, 0x03, 0x80, 0x8a, 0xfb, 0x0d, 0xb2, 0xfd,
                                         0x4a, 0xbf, 0xf6, 0xaf, 0x41, 0x49, 0xf5, 0x1b};
    kp_poly1305(one_time, "Cryptographic Forum Research Group", 34, tag);
    KP_EXPECT(is_hex(tag, 16, "a8061dc1305136c6c22b8baf0c0127a9"));
    /* A.3, 7 to 9: sums that pass 2^130 - 5. */
    uint8_t r[32] = {1}, ones[48];
    memset(ones, 0xff, sizeof(ones));
    ones[16] = 0xf0;
    memset(ones + 32, 0, 16);
    ones[32] = 0x11;
    kp_poly1305(r, ones, 48, tag);
    KP_EXPECT(is_hex(tag, 16, "05000000000000000000000000000000"));
    uint8_t fd[16];
    memset(fd, 0xff, 16);
    fd[0] = 0xfd;
    r[0] = 2;
    kp_poly1305(r, fd, 16, tag);
    KP_EXPECT(is_hex(tag, 16, "faffffffffffffffffffffffffffffff"));
}

/* RFC 8439's formula with one byte a limb, for messages of any length. */
static void poly1305_slow(const uint8_t key[32], const uint8_t *bytes, size_t count,
                          uint8_t tag[16])
{
    static const uint8_t clamp[16] = {255, 255, 255, 15, 252, 255, 255, 15,
                                      252, 255, 255, 15, 252, 255, 255, 15};
    uint32_t r[17] = {0}, h[17] = {0}, carry;
    for (unsigned i = 0; i < 16; i++)
        r[i] = key[i] & clamp[i];
    while (count > 0) {
        size_t part = count < 16 ? count : 16;
        carry = 0;
        for (unsigned i = 0; i < 17; i++) {
            carry += h[i] + (i < part ? bytes[i] : i == part);
            h[i] = carry & 255;
            carry >>= 8;
        }
        bytes += part;
        count -= part;
        uint32_t x[17];
        for (unsigned i = 0; i < 17; i++) {
            x[i] = 0;
            for (unsigned j = 0; j < 17; j++)
                x[i] += h[j] * (j <= i ? r[i - j] : 320 * r[i + 17 - j]);
        }
        for (unsigned turn = 0; turn < 2; turn++) {
            carry = 0;
            for (unsigned i = 0; i < 17; i++) {
                carry += x[i];
                x[i] = i < 16 ? carry & 255 : carry & 3;
                carry >>= i < 16 ? 8 : 2;
            }
            x[0] += 5 * carry;
        }
        memcpy(h, x, sizeof h);
    }
    /* h < 2^130 + a little: minus 2^130 - 5 when it is not below that. */
    uint32_t g[17];
    for (unsigned turn = 0; turn < 2; turn++) {
        carry = turn ? 0 : 5;
        for (unsigned i = 0; i < 17; i++) {
            carry += h[i];
            g[i] = i < 16 ? carry & 255 : carry;
            carry >>= 8;
        }
        if (!turn && g[16] >= 4) {
            g[16] -= 4;
            memcpy(h, g, sizeof h);
        }
    }
    carry = 0;
    for (unsigned i = 0; i < 16; i++) {
        carry += h[i] + key[16 + i];
        tag[i] = (uint8_t)carry;
        carry >>= 8;
    }
}

KP_TEST(poly1305_of_any_length)
{
    uint8_t key[32], bytes[700], tag[16], slow[16];
    uint32_t random = 1;
    for (size_t size = 0; size < sizeof(bytes); size++) {
        for (size_t i = 0; i < sizeof(key); i++)
            key[i] = (uint8_t)((random = random * 1664525 + 1013904223) >> 24);
        for (size_t i = 0; i < size; i++)
            bytes[i] = size % 3 ? (uint8_t)((random = random * 1664525 + 1013904223) >> 24) : 0xff;
        kp_poly1305(key, bytes, size, tag);
        poly1305_slow(key, bytes, size, slow);
        if (memcmp(tag, slow, 16) != 0)
            KP_FAIL("%zu bytes", size);
    }
}

KP_TEST(poly1305_in_any_pieces)
{
    static uint8_t bytes[70000];
    uint8_t key[32], whole[16], pieces[16];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 11 ^ i >> 7);
    memcpy(key, bytes + 3, sizeof(key));
    for (size_t size = 0; size <= sizeof(bytes); size += size < 300 ? 1 : 6971) {
        for (size_t first = 1; first <= 61440; first = first * 3 + 2) {
            kp_poly1305_t sum;
            kp_poly1305(key, bytes, size, whole);
            kp_poly1305_begin(&sum, key);
            for (size_t at = 0, part = first; at < size; at += part, part = part % 700 + 13)
                kp_poly1305_add(&sum, bytes + at, part < size - at ? part : size - at);
            kp_poly1305_end(&sum, pieces);
            if (memcmp(whole, pieces, 16) != 0)
                KP_FAIL("%zu bytes, first %zu", size, first);
        }
    }
}

KP_TEST(names)
{
    uint8_t identity[KP_SHA256_SIZE];
    char name[KP_CODE_NAME_SIZE];
    for (size_t i = 0; i < sizeof(identity); i++)
        identity[i] = (uint8_t)(i * 9);
    kp_code_name(identity, name);
    KP_EXPECT(strlen(name) == KP_CODE_NAME_SIZE - 1 && memcmp(name, "0009121b", 8) == 0);
    KP_EXPECT(kp_code_name_is_entry(name, strlen(name)));
    KP_EXPECT(!kp_code_name_is_entry(name, strlen(name) - 1));
    name[5] = 'G';
    KP_EXPECT(!kp_code_name_is_entry(name, strlen(name)));
    KP_EXPECT(kp_code_name_is_temporary("new.1", 5) && kp_code_name_is_temporary("secret.1", 8));
    KP_EXPECT(!kp_code_name_is_temporary("new.", 4) && !kp_code_name_is_temporary("secret", 6) &&
              !kp_code_name_is_temporary(name, strlen(name)));
}

/* ---- the cache ---- */

static char folder[64];

static void folder_make(void)
{
    strcpy(folder, "/tmp/kpio-cache-XXXXXX");
    KP_REQUIRE(mkdtemp(folder));
    strcat(folder, "/code");
}

static void folder_remove(void)
{
    char command[200];
    snprintf(command, sizeof(command), "rm -rf '%.*s'", (int)(strlen(folder) - 5), folder);
    KP_EXPECT_INT(system(command), 0);
}

static kp_code_key_t key_of(uint32_t number)
{
    kp_code_key_t key = {.compiler_version = 3, .processor_features = 5};
    memcpy(key.module, &number, sizeof(number));
    return key;
}

static unsigned entry_count(char *path, size_t size)
{
    unsigned count = 0;
    DIR *directory = opendir(folder);
    for (const struct dirent *item; directory && (item = readdir(directory));) {
        if (!strstr(item->d_name, ".code"))
            continue;
        count++;
        if (path)
            snprintf(path, size, "%s/%s", folder, item->d_name);
    }
    if (directory)
        closedir(directory);
    return count;
}

KP_TEST(store_and_find)
{
    kp_code_cache_t *cache, *again;
    kp_code_entry_t entry;
    static uint8_t code[100001];
    for (size_t i = 0; i < sizeof(code); i++)
        code[i] = (uint8_t)(i * i);
    folder_make();
    KP_REQUIRE(kp_code_cache_open(folder, 0, &cache) == KP_OK);
    kp_code_key_t key = key_of(1), other = key;
    KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_ERR_NOT_FOUND);
    for (size_t size = 1; size < sizeof(code); size = size * 3 + 1) {
        KP_EXPECT_INT(kp_code_cache_store(cache, &key, code, size), KP_OK);
        KP_REQUIRE(kp_code_cache_find(cache, &key, &entry) == KP_OK);
        KP_EXPECT(entry.size == size && memcmp(entry.bytes, code, size) == 0);
        KP_EXPECT((uintptr_t)entry.bytes % 4096 == 0);
        kp_code_entry_release(&entry);
    }
    other.compiler_version++;
    KP_EXPECT_INT(kp_code_cache_find(cache, &other, &entry), KP_ERR_NOT_FOUND);
    other = key, other.processor_features ^= 1ull << 63;
    KP_EXPECT_INT(kp_code_cache_find(cache, &other, &entry), KP_ERR_NOT_FOUND);
    other = key, other.compile_flags++;
    KP_EXPECT_INT(kp_code_cache_find(cache, &other, &entry), KP_ERR_NOT_FOUND);
    other = key, other.features++;
    KP_EXPECT_INT(kp_code_cache_find(cache, &other, &entry), KP_ERR_NOT_FOUND);
    other = key, other.module[31] ^= 1;
    KP_EXPECT_INT(kp_code_cache_find(cache, &other, &entry), KP_ERR_NOT_FOUND);
    /* Another user of the same folder finds it too. */
    KP_REQUIRE(kp_code_cache_open(folder, 0, &again) == KP_OK);
    KP_EXPECT_INT(kp_code_cache_find(again, &key, &entry), KP_OK);
    kp_code_entry_release(&entry);
    KP_EXPECT_INT(kp_code_cache_store(cache, &key, code, 0), KP_ERR_INVALID_ARGUMENT);
    kp_code_cache_close(again);
    /* And another of this one, which outlives it. */
    KP_REQUIRE(kp_code_cache_share(cache, &again) == KP_OK);
    kp_code_cache_close(cache);
    KP_EXPECT_INT(kp_code_cache_find(again, &key, &entry), KP_OK);
    kp_code_entry_release(&entry);
    KP_EXPECT_INT(kp_code_cache_counts(again).found, 1);
    kp_code_cache_close(again);
    folder_remove();
}

KP_TEST(damage_is_rejected_and_rebuilt)
{
    kp_code_cache_t *cache;
    kp_code_entry_t entry;
    uint8_t code[5000];
    char path[300];
    memset(code, 0x90, sizeof(code));
    folder_make();
    KP_REQUIRE(kp_code_cache_open(folder, 0, &cache) == KP_OK);
    kp_code_key_t key = key_of(2);
    unsigned rejected = 0;
    for (long at = 0; at < 4096 + (long)sizeof(code); at += at < 80 ? 1 : 131) {
        KP_REQUIRE(kp_code_cache_store(cache, &key, code, sizeof(code)) == KP_OK);
        KP_REQUIRE(entry_count(path, sizeof(path)) == 1);
        int file = open(path, O_RDWR);
        uint8_t byte;
        KP_REQUIRE(pread(file, &byte, 1, at) == 1);
        byte ^= 0x10;
        KP_REQUIRE(pwrite(file, &byte, 1, at) == 1);
        close(file);
        KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_ERR_NOT_FOUND);
        rejected++;
        KP_EXPECT_INT(entry_count(NULL, 0), 0);
    }
    KP_EXPECT_INT(kp_code_cache_counts(cache).rejected, rejected);
    for (long size = 0; size < 4096 + (long)sizeof(code); size += 997) {
        KP_REQUIRE(kp_code_cache_store(cache, &key, code, sizeof(code)) == KP_OK);
        KP_REQUIRE(entry_count(path, sizeof(path)) == 1 && truncate(path, size) == 0);
        KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_ERR_NOT_FOUND);
    }
    /* A pipe in its place, which nobody will ever write to. */
    KP_REQUIRE(kp_code_cache_store(cache, &key, code, sizeof(code)) == KP_OK);
    KP_REQUIRE(entry_count(path, sizeof(path)) == 1);
    KP_REQUIRE(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_ERR_NOT_FOUND);
    KP_EXPECT_INT(kp_code_cache_store(cache, &key, code, sizeof(code)), KP_OK);
    KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_OK);
    kp_code_entry_release(&entry);
    kp_code_cache_close(cache);
    folder_remove();
}

KP_TEST(forgeries_are_rejected)
{
    kp_code_cache_t *cache, *foreign;
    kp_code_entry_t entry;
    char path[300], there[64], command[700];
    folder_make();
    KP_REQUIRE(kp_code_cache_open(folder, 0, &cache) == KP_OK);
    strcpy(there, folder);
    /* A cache with another secret: its perfectly good entry is nothing here. */
    char mine[64];
    strcpy(mine, folder);
    folder_make();
    KP_REQUIRE(kp_code_cache_open(folder, 0, &foreign) == KP_OK);
    kp_code_key_t key = key_of(3), moved = key_of(4);
    KP_REQUIRE(kp_code_cache_store(foreign, &key, "evil code", 9) == KP_OK);
    KP_REQUIRE(entry_count(path, sizeof(path)) == 1);
    snprintf(command, sizeof(command), "cp '%s' '%s/'", path, mine);
    KP_EXPECT_INT(system(command), 0);
    KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_ERR_NOT_FOUND);
    kp_code_cache_close(foreign);
    folder_remove();
    strcpy(folder, mine);
    /* A good entry under the name of another module. */
    KP_REQUIRE(kp_code_cache_store(cache, &key, "mine", 4) == KP_OK);
    KP_REQUIRE(entry_count(path, sizeof(path)) == 1);
    KP_REQUIRE(kp_code_cache_store(cache, &moved, "other", 5) == KP_OK);
    snprintf(command, sizeof(command), "for f in %s/*.code; do cp '%s' $f 2>/dev/null; done; true",
             folder, path);
    KP_EXPECT_INT(system(command), 0);
    KP_EXPECT_INT(kp_code_cache_find(cache, &key, &entry), KP_OK);
    kp_code_entry_release(&entry);
    KP_EXPECT_INT(kp_code_cache_find(cache, &moved, &entry), KP_ERR_NOT_FOUND);
    kp_code_cache_close(cache);
    folder_remove();
}

KP_TEST(eviction_by_size_and_use)
{
    kp_code_cache_t *cache;
    kp_code_entry_t entry;
    static uint8_t code[60000];
    folder_make();
    KP_REQUIRE(kp_code_cache_open(folder, 1 << 20, &cache) == KP_OK);
    KP_EXPECT_INT(kp_code_cache_store(cache, &(kp_code_key_t){0}, code, (1 << 19) + 1),
                  KP_ERR_TOO_LARGE);
    for (uint32_t i = 0; i < 60; i++) {
        kp_code_key_t key = key_of(i), first = key_of(0);
        KP_EXPECT_INT(kp_code_cache_store(cache, &key, code, sizeof(code)), KP_OK);
        /* The first is used all the time, so it stays. */
        KP_REQUIRE(kp_code_cache_find(cache, &first, &entry) == KP_OK);
        kp_code_entry_release(&entry);
        usleep(2000); /* file times have a grain */
    }
    unsigned count = entry_count(NULL, 0);
    KP_EXPECT(count >= 12 && count * 64096 <= 1 << 20);
    KP_EXPECT_INT(kp_code_cache_counts(cache).evicted, 60 - count);
    kp_code_key_t last = key_of(59), early = key_of(1);
    KP_EXPECT_INT(kp_code_cache_find(cache, &last, &entry), KP_OK);
    kp_code_entry_release(&entry);
    KP_EXPECT_INT(kp_code_cache_find(cache, &early, &entry), KP_ERR_NOT_FOUND);
    kp_code_cache_close(cache);
    folder_remove();
}

KP_TEST(left_overs_are_removed)
{
    static const char *const names[] = {"new.0123456789abcdef", "secret.77", "mine"};
    kp_code_cache_t *cache;
    kp_code_key_t key = key_of(1);
    char path[200];
    folder_make();
    KP_REQUIRE(kp_code_cache_open(folder, 0, &cache) == KP_OK);
    for (unsigned old = 0; old < 2; old++) {
        for (unsigned i = 0; i < 3; i++) {
            struct timespec times[2] = {{time(NULL) - (old ? 7200 : 0), 0}};
            times[1] = times[0];
            snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
            int file = open(path, O_WRONLY | O_CREAT, 0600);
            KP_EXPECT(file >= 0 && futimens(file, times) == 0 && close(file) == 0);
        }
        KP_EXPECT_INT(kp_code_cache_store(cache, &key, "code", 4), KP_OK);
        for (unsigned i = 0; i < 3; i++) {
            snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
            KP_EXPECT_INT(access(path, F_OK) == 0, !old || i == 2);
        }
    }
    kp_code_cache_close(cache);
    folder_remove();
}

KP_TEST(foreign_folders_are_refused)
{
    kp_code_cache_t *cache;
    char path[100];
    folder_make();
    KP_EXPECT_INT(kp_code_cache_open("/no/such/folder", 0, &cache), KP_ERR_NOT_FOUND);
    KP_REQUIRE(mkdir(folder, 0700) == 0 && chmod(folder, 0777) == 0);
    KP_EXPECT_INT(kp_code_cache_open(folder, 0, &cache), KP_ERR_ACCESS_DENIED);
    KP_REQUIRE(chmod(folder, 0700) == 0);
    KP_REQUIRE(kp_code_cache_open(folder, 0, &cache) == KP_OK);
    kp_code_cache_close(cache);
    snprintf(path, sizeof(path), "%s/secret", folder);
    KP_REQUIRE(chmod(path, 0644) == 0);
    KP_EXPECT_INT(kp_code_cache_open(folder, 0, &cache), KP_ERR_ACCESS_DENIED);
    KP_REQUIRE(chmod(path, 0600) == 0 && truncate(path, 31) == 0);
    KP_EXPECT_INT(kp_code_cache_open(folder, 0, &cache), KP_ERR_ACCESS_DENIED);
    folder_remove();
}

KP_TEST(many_processes_at_once)
{
    folder_make();
    for (int child = 0; child < 6; child++) {
        if (fork() != 0)
            continue;
        kp_code_cache_t *cache;
        kp_code_entry_t entry;
        static uint8_t code[9000];
        int bad = kp_code_cache_open(folder, 100000, &cache) != KP_OK;
        for (uint32_t i = 0; i < 300 && !bad; i++) {
            kp_code_key_t key = key_of(i % 17);
            memset(code, (int)(i % 17), sizeof(code));
            bad |= kp_code_cache_store(cache, &key, code, sizeof(code)) != KP_OK;
            kp_status_t status = kp_code_cache_find(cache, &key, &entry);
            if (status != KP_OK)
                continue; /* evicted by another */
            bad |= entry.size != sizeof(code) || memcmp(entry.bytes, code, sizeof(code)) != 0;
            kp_code_entry_release(&entry);
        }
        if (!bad)
            bad = kp_code_cache_counts(cache).rejected != 0;
        _exit(bad);
    }
    for (int child = 0, status; child < 6; child++) {
        KP_REQUIRE(wait(&status) > 0);
        KP_EXPECT_INT(status, 0);
    }
    folder_remove();
}

KP_TEST_MAIN()
