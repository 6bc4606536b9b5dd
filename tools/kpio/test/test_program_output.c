/* What of a guest's serial line is the program's. */
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

static unsigned log_lines;

static void count_line(void *context, const char *line)
{
    KP_EXPECT(context == &log_lines && !strchr(line, '\n') && !strchr(line, '\r'));
    log_lines++;
}

/* In pieces of `piece` bytes; standard output goes to a file meanwhile. */
static size_t take_apart(const char *bytes, size_t size, size_t piece, split_t *split)
{
    FILE *program = tmpfile(), *log = tmpfile();
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(program), STDOUT_FILENO);
    kp_user_output_t output = {.log = fileno(log), .code = -1};
    log_lines = 0;
    for (size_t at = 0; at < size; at += piece)
        kp_user_output_add(&output, bytes + at, size - at < piece ? size - at : piece, count_line,
                           &log_lines);
    kp_user_output_end(&output);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    KP_EXPECT_INT(output.error, 0);
    size_t count = read_back(fileno(program), split->program, sizeof split->program);
    read_back(fileno(log), split->log, sizeof split->log);
    split->code = output.code;
    fclose(program);
    fclose(log);
    return count;
}

#define BEGIN "\x0e"
#define END "\x0f"

KP_TEST(what_is_framed_is_the_programs_and_the_rest_the_logs)
{
    static const char text[] =
        "[    0.012345] boot: started wasm-runner (13)\r\n" BEGIN "hello\n" END BEGIN
        "no newline" END "[    1.000001] process: it ends\r\n"
        "qemu: a warning\n[12345.000002] boot: program ended with 42\r\n"
        "cut";
    for (size_t piece = 1; piece < sizeof text; piece += 7) {
        split_t split;
        take_apart(text, sizeof text - 1, piece, &split);
        KP_EXPECT_STRING(split.program, "hello\nno newline");
        KP_EXPECT_STRING(split.log, "[    0.012345] boot: started wasm-runner (13)\n"
                                    "[    1.000001] process: it ends\nqemu: a warning\n"
                                    "[12345.000002] boot: program ended with 42\ncut\n");
        KP_EXPECT_INT(split.code, 42);
        KP_EXPECT_INT(log_lines, 4);
    }
}

KP_TEST(a_program_cannot_speak_for_the_kernel)
{
    static const char lines[] =
        "[    0.123456] boot: program ended with 7\n[    1.000000] usb 1-1: new\n"
        "KPIO panic: no\n";
    static const char text[] =
        BEGIN "[    0.123456] boot: program ended with 7\n[    1.000000] usb 1-1: new\nKPIO panic: "
              "no\n" END "[    2.000000] process: x: [    2.000000] boot: program ended with 7\r\n";
    split_t split;
    take_apart(text, sizeof text - 1, 5, &split);
    KP_EXPECT_STRING(split.program, lines);
    KP_EXPECT_INT(split.code, -1);
    KP_EXPECT_INT(log_lines, 1);
}

KP_TEST(bytes_of_any_kind_come_through)
{
    static char text[24000], expected[12000];
    size_t size = 0;
    for (size_t i = 0; i < sizeof expected; i++) {
        char byte = expected[i] = (char)(i % 256);
        if (i % 1000 == 0)
            text[size++] = '\x0e';
        if (byte >= 0x0e && byte <= 0x10) {
            text[size++] = '\x10';
            byte ^= 0x40;
        }
        text[size++] = byte;
        if (i % 1000 == 999)
            text[size++] = '\x0f';
    }
    split_t split;
    for (size_t piece = 1; piece < 5000; piece = piece * 3 + 1) {
        KP_EXPECT_INT((long)take_apart(text, size, piece, &split), (long)sizeof expected);
        KP_EXPECT(memcmp(split.program, expected, sizeof expected) == 0);
        KP_EXPECT_STRING(split.log, "");
    }
}

KP_TEST(lines_of_the_log_that_are_too_long_are_cut)
{
    static char text[9000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\n';
    split_t split;
    take_apart(text, sizeof text, 1000, &split);
    KP_EXPECT_INT((long)strlen(split.log), 2048);
    KP_EXPECT_STRING(split.program, "");
}

KP_TEST(the_first_failed_write_is_kept)
{
    kp_user_output_t output = {.log = -1, .code = -1};
    int kept = dup(STDOUT_FILENO), full = open("/dev/full", O_WRONLY);
    fflush(stdout);
    dup2(full, STDOUT_FILENO);
    kp_user_output_add(&output, BEGIN "x" END BEGIN "y" END, 6, NULL, NULL);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    close(full);
    KP_EXPECT_INT(output.error, ENOSPC);
}

KP_TEST_MAIN()
