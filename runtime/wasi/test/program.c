/* A program of KPIO (wasm2c) that is its own test of WASI: the cases of the host KPIO over the real kernel, and what
   libc makes of it. It finds a file greeting.txt below "/data" (hosted) or "/ui" (QEMU). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runtime/wasi/test/kpio_cases.h"

KP_TEST(libc_files)
{
    char line[64] = "";
    struct stat status;
    FILE *file = fopen("/tmp/notes", "w+");
    KP_REQUIRE(file);
    KP_EXPECT(fprintf(file, "%d lines\nsecond\n", 2) == 15);
    KP_EXPECT(fseek(file, 8, SEEK_SET) == 0 && fgets(line, sizeof(line), file));
    KP_EXPECT_STRING(line, "second\n");
    KP_EXPECT(ftruncate(fileno(file), 7) == 0 && fclose(file) == 0);
    KP_EXPECT(stat("/tmp/notes", &status) == 0 && status.st_size == 7 && S_ISREG(status.st_mode));
    KP_EXPECT(status.st_mtim.tv_sec > 1700000000);
    KP_EXPECT(mkdir("/tmp/box", 0777) == 0 && rename("/tmp/notes", "/tmp/box/kept") == 0);
    KP_EXPECT(symlink("box/kept", "/tmp/link") == 0);
    KP_EXPECT(readlink("/tmp/link", line, sizeof(line)) == 8);
    KP_EXPECT(open("/tmp/link", O_RDONLY) >= 0);
    DIR *directory = opendir("/tmp/box");
    unsigned found = 0;
    for (const struct dirent *entry; directory && (entry = readdir(directory));)
        found += strcmp(entry->d_name, "kept") == 0;
    KP_EXPECT(directory && closedir(directory) == 0 && found == 1);
    KP_EXPECT(rmdir("/tmp/box") != 0 && errno == ENOTEMPTY);
    KP_EXPECT(unlink("/tmp/box/kept") == 0 && rmdir("/tmp/box") == 0 && unlink("/tmp/link") == 0);
    KP_EXPECT(open("/tmp/../data", O_RDONLY) < 0);
    KP_EXPECT(open("/no-such", O_RDONLY) < 0 && errno == ENOENT);
}

KP_TEST(libc_startup_files)
{
    char text[64] = "";
    const char *path =
        access("/data/greeting.txt", F_OK) == 0 ? "/data/greeting.txt" : "/ui/greeting.txt";
    FILE *file = fopen(path, "r");
    KP_REQUIRE(file);
    KP_EXPECT(fgets(text, sizeof(text), file));
    KP_EXPECT(strncmp(text, "greet", 5) == 0);
    KP_EXPECT(fseek(file, 0, SEEK_END) == 0 && ftell(file) >= 5);
    KP_EXPECT(fclose(file) == 0);
    file = fopen(path, "w");
    KP_EXPECT(!file || fputc('x', file) == EOF || fflush(file) == EOF);
    if (file)
        fclose(file);
    KP_EXPECT(unlink(path) != 0);
    KP_EXPECT(rename("/tmp", "/data/tmp") != 0);
}

KP_TEST(libc_streams_and_clocks)
{
    struct timespec before, after, pause = {.tv_nsec = 3000000};
    struct pollfd output = {.fd = 1, .events = POLLOUT};
    unsigned char bytes[2][16] = {{0}};
    KP_EXPECT(getchar() == EOF);
    KP_EXPECT(isatty(0) && isatty(1) && isatty(2));
    KP_EXPECT(poll(&output, 1, 1000) == 1);
    KP_EXPECT(clock_gettime(CLOCK_MONOTONIC, &before) == 0 && nanosleep(&pause, NULL) == 0);
    KP_EXPECT(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    KP_EXPECT((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec >=
              pause.tv_nsec);
    KP_EXPECT(getentropy(bytes[0], 16) == 0 && memcmp(bytes[0], bytes[1], 16) != 0);
    KP_EXPECT(!getenv("PATH"));
    KP_EXPECT(read(7, bytes, 1) < 0 && errno == EBADF);
}

/* Before libc takes the directories that came. */
static kp_handle_t cases_directory;
__attribute__((constructor(49))) static void cases_take(void)
{
    cases_directory = kp_startup_take("dir:/cases=31");
}

/* Of a tree alone, or of libc's own files. */
static bool is_only_once(const char *name)
{
    return strcmp(name, "quota_of_a_tree") == 0 || strcmp(name, "contents_of_a_tree") == 0 ||
           strncmp(name, "libc_", 5) == 0;
}

/* All cases over a tree, then those of every host over a directory that the kernel serves. */
int main(void)
{
    int failed = cases_directory == KP_HANDLE_NONE;
    for (int pass = 0; pass < 2; pass++) {
        served = pass ? cases_directory : KP_HANDLE_NONE;
        for (kp_test_t *test = kp_test_first; test; test = test->next) {
            if (pass && is_only_once(test->name))
                continue;
            kp_test_failures = 0;
            test->run();
            failed += kp_test_failures != 0;
            printf("%s %s%s\n", kp_test_failures ? "not ok" : "ok", pass ? "served_" : "",
                   test->name);
            fflush(stdout);
        }
    }
    return failed != 0;
}
