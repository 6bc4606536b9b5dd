/* What of a guest's serial line is the program's. */
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

/* In pieces of `piece` bytes; standard output goes to a file meanwhile. */
static size_t take_apart(const char *bytes, size_t size, size_t piece, split_t *split)
{
    FILE *program = tmpfile(), *log = tmpfile();
    int kept = dup(STDOUT_FILENO);
    fflush(stdout);
    dup2(fileno(program), STDOUT_FILENO);
    kp_user_output_t output = {.log = fileno(log), .code = -1};
    for (size_t at = 0; at < size; at += piece)
        kp_user_output_add(&output, bytes + at, size - at < piece ? size - at : piece);
    kp_user_output_end(&output);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    size_t count = read_back(fileno(program), split->program, sizeof split->program);
    read_back(fileno(log), split->log, sizeof split->log);
    split->code = output.code;
    fclose(program);
    fclose(log);
    return count;
}

KP_TEST(lines_of_the_kernel_go_to_the_log)
{
    static const char text[] = "[    0.012345] boot: started wasm-runner (13)\r\n"
                               "hello\n"
                               "no newline[    1.000001] process: it ends\r\n"
                               "[12345.000002] boot: program ended with 42\r\n";
    for (size_t piece = 1; piece < sizeof text; piece += 7) {
        split_t split;
        take_apart(text, sizeof text - 1, piece, &split);
        KP_EXPECT_STRING(split.program, "hello\nno newline");
        KP_EXPECT(strstr(split.log, "started wasm-runner") && strstr(split.log, "it ends"));
        KP_EXPECT_INT(split.code, 42);
    }
}

KP_TEST(what_only_looks_like_a_stamp_is_the_programs)
{
    static const char text[] = "[    0.01234] five digits\n[x] [1.123456] short\n"
                               "[    0.123456]no blank\nprogram ended with 7\n[[[\n";
    split_t split;
    take_apart(text, sizeof text - 1, 5, &split);
    KP_EXPECT_STRING(split.program, text);
    KP_EXPECT_STRING(split.log, "");
    KP_EXPECT_INT(split.code, -1);
}

KP_TEST(bytes_of_any_kind_and_long_lines_come_through)
{
    static char text[12000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i % 251 == '\n' ? 0 : i % 251);
    split_t split;
    KP_EXPECT_INT((long)take_apart(text, sizeof text, 4096, &split), (long)sizeof text);
    KP_EXPECT(memcmp(split.program, text, sizeof text) == 0);
}

KP_TEST_MAIN()
