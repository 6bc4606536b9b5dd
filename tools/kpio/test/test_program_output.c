/* A guest's log and its program's output. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/kp_test.h"
#include "tools/kpio/program.h"

typedef struct split {
    char program[16384], log[16384];
    int code;
} split_t;

static size_t read_back(int file, char *to, size_t size)
{
    lseek(file, 0, SEEK_SET);
    ssize_t count = read(file, to, size - 1);
    to[count > 0 ? count : 0] = '\0';
    return count > 0 ? (size_t)count : 0;
}

/* The log in pieces of `piece` bytes. */
static void read_log(const char *bytes, size_t size, size_t piece, split_t *split)
{
    FILE *log = tmpfile();
    kp_user_output_t output = {.log = fileno(log), .code = -1};
    for (size_t at = 0; at < size; at += piece)
        kp_user_log_add(&output, bytes + at, size - at < piece ? size - at : piece);
    kp_user_log_end(&output);
    read_back(fileno(log), split->log, sizeof split->log);
    split->code = output.code;
    fclose(log);
}

KP_TEST(the_end_is_in_the_log)
{
    static const char text[] = "[    0.012345] boot: started wasm-runner (13)\r\n"
                               "[    1.000001] process: it ends\r\n"
                               "[12345.000002] boot: program ended with 42";
    for (size_t piece = 1; piece < sizeof text; piece += 7) {
        split_t split;
        read_log(text, sizeof text - 1, piece, &split);
        KP_EXPECT(strstr(split.log, "started wasm-runner") && strstr(split.log, "it ends"));
        KP_EXPECT_INT(split.code, 42);
    }
}

KP_TEST(what_only_looks_like_the_end_is_none)
{
    static const char text[] =
        "boot: program ended with 1\n[    1.12345] boot: program ended with 2\n"
        "[    1.123456]boot: program ended with 3\n[] boot: program ended with 4\n"
        "[    1.123456] process: x: [    1.123456] boot: program ended with 5\n[[[\n[\n\n";
    split_t split;
    read_log(text, sizeof text - 1, 5, &split);
    KP_EXPECT_INT(split.code, -1);
}

KP_TEST(long_lines_of_the_log_are_cut)
{
    static char text[12000];
    memset(text, 'x', sizeof text);
    memcpy(text + 11000, "\n[    1.123456] boot: program ended with 6\n", 42);
    split_t split;
    read_log(text, 11042, 1000, &split);
    KP_EXPECT_INT(split.code, 6);
    KP_EXPECT(strlen(split.log) < 5000);
}

KP_TEST(the_programs_bytes_come_through_or_it_is_told)
{
    static char text[12000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    split_t split;
    FILE *program = tmpfile();
    int kept = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    kp_user_output_t output = {.log = -1, .code = -1};
    fflush(stdout);
    dup2(fileno(program), STDOUT_FILENO);
    bool good = kp_user_output_add(&output, text, 4096) &&
                kp_user_output_add(&output, text + 4096, sizeof text - 4096);
    dup2(full, STDOUT_FILENO);
    bool told = !kp_user_output_add(&output, text, 10) && !kp_user_output_add(&output, text, 10);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(full);
    size_t count = read_back(fileno(program), split.program, sizeof split.program);
    fclose(program);
    KP_EXPECT(good && count == sizeof text && memcmp(split.program, text, sizeof text) == 0);
    KP_EXPECT(told && output.error == ENOSPC);
}

KP_TEST_MAIN()
