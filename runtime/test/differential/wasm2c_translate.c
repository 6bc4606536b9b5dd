#include "runtime/test/differential/wasm2c_translate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- the process ---- */

static _Noreturn void become_server(const kp_wasm2c_server_t *server, int in, int out)
{
    char loader[4096], libraries[4096], program[4096];
    snprintf(loader, sizeof loader, "%s/lib/ld-linux-x86-64.so.2", server->tool);
    snprintf(libraries, sizeof libraries, "%s/lib", server->tool);
    snprintf(program, sizeof program, "%s/libexec/wasm2c", server->tool);
    int nothing = open("/dev/null", O_WRONLY);
    dup2(in, 0);
    dup2(out, 1);
    dup2(nothing, 2);
    closefrom(3);
    execl(loader, loader, "--library-path", libraries, "--preload", server->preload, program,
          (char *)NULL);
    _exit(127);
}

static bool start(kp_wasm2c_server_t *server)
{
    int to[2], from[2];
    if (server->process)
        return true;
    if (pipe2(to, O_CLOEXEC) != 0)
        return false;
    if (pipe2(from, O_CLOEXEC) != 0) {
        close(to[0]);
        close(to[1]);
        return false;
    }
    pid_t process = fork();
    if (process == 0)
        become_server(server, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    server->to = fdopen(to[1], "w");
    server->from = fdopen(from[0], "r");
    server->process = process > 0 ? process : 0;
    if (server->process && server->to && server->from)
        return true;
    kp_wasm2c_server_stop(server);
    return false;
}

void kp_wasm2c_server_stop(kp_wasm2c_server_t *server)
{
    if (server->to)
        fclose(server->to);
    if (server->from)
        fclose(server->from);
    if (server->process)
        waitpid(server->process, NULL, 0);
    server->process = 0;
    server->to = server->from = NULL;
}

/* ---- its output ---- */

/* The bytes and a NUL, to free(). */
static char *read_file(const char *path, size_t *size)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    *size = 0;
    if (file >= 0 && fstat(file, &status) == 0)
        text = malloc((size_t)status.st_size + 1);
    while (text && *size < (size_t)status.st_size) {
        ssize_t got = read(file, text + *size, (size_t)status.st_size - *size);
        if (got <= 0)
            break;
        *size += (size_t)got;
    }
    if (text)
        text[*size] = '\0';
    if (file >= 0)
        close(file);
    return text;
}

static bool begins(const char *line, const char *with)
{
    return strncmp(line, with, strlen(with)) == 0;
}

/* Drops lines that the unit of all modules has once: #include, and the header's guard, which is of the file's name. */
static bool is_dropped(const char *line)
{
    if (*line != '#')
        return *line == '\n' || begins(line, "  (void)");
    return begins(line, "#include ") || begins(line, "#ifndef MODULE_H_") ||
           begins(line, "#define MODULE_H_") || begins(line, "#endif  /* MODULE_H_");
}

/* In place. */
char *kp_wasm2c_drop_includes(char *text)
{
    char *to = text;
    for (char *line = text, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        next = next ? next + 1 : line + strlen(line);
        if (is_dropped(line))
            continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    if (text)
        *to = '\0';
    return text;
}

char *kp_wasm2c_read(const char *path)
{
    size_t size;
    return kp_wasm2c_drop_includes(read_file(path, &size));
}

typedef struct output {
    char *text;
    size_t size, room;
} output_t;

static void put(output_t *out, const char *text, size_t size)
{
    memcpy(out->text + out->size, text, size);
    out->size += size;
}

/* wasm2c 1.0.42 puts the label of a try_table into its handler: a branch out of it would look at an exception that
   there was not. The label goes behind the block: "goto var_T7;" becomes "goto var_T7_end;", and behind the "}" of the
   block that declares var_T7_outer_target stands "var_T7_end:;". */
typedef struct block_end {
    size_t indent; /* of its "}" */
    int label;
} block_end_t;

/* A line of code gets longer by less than this. */
#define MOST_ADDED 32

static void put_line(output_t *out, const char *line, size_t size)
{
    /* f32.neg and f64.neg: tcc subtracts from zero, which leaves the sign of a NaN. */
    static const char negated[] = " = -(var_";
    const char *dash = memchr(line, '-', size);
    const char *minus = dash ? memmem(line, size, negated, sizeof negated - 1) : NULL;
    if (minus) {
        size_t before = (size_t)(minus - line) + 3;
        put(out, line, before);
        put(out, "KP_NEGATE_", 10);
        put(out, line + before + 6, 1);
        put(out, line + before + 1, size - before - 1);
        return;
    }
    const char *jump = begins(line, "var_") ? NULL : memmem(line, size, "goto var_T", 10);
    size_t at = jump ? (size_t)(jump - line) + 10 : 0;
    while (jump && at < size && line[at] >= '0' && line[at] <= '9')
        at++;
    if (!jump || at == size || line[at] != ';') {
        put(out, line, size);
        return;
    }
    put(out, line, at);
    put(out, "_end", 4);
    put(out, line + at, size - at);
}

/* The module's own code, without what is for other processors (segment registers) or for nobody. */
static char *rewrite(const char *text, size_t size)
{
    static const char target[] = "WASM_RT_UNWIND_TARGET *var_T";
    block_end_t ends[256];
    unsigned depth = 0, skipped = 0;
    bool unused = false; /* in wasm2c_mNUMBER_get_func_type, which nobody calls */
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    output_t out = {.room = size + lines * MOST_ADDED + 64};
    out.text = malloc(out.room);
    for (const char *line = text, *next; out.text && *line; line = next) {
        const char *end = strchr(line, '\n');
        next = end ? end + 1 : line + strlen(line);
        if (*line == '#') {
            if (skipped)
                skipped = begins(line, "#if")      ? skipped + 1
                          : begins(line, "#endif") ? skipped - 1
                                                   : skipped;
            else if (begins(line, "#if WASM_RT_USE_SEGUE_FOR_THIS_MODULE"))
                skipped = 1;
            else if (!is_dropped(line))
                put(&out, line, (size_t)(next - line));
            continue;
        }
        if (begins(line, "wasm_rt_func_type_t "))
            unused = true;
        if (skipped || unused || is_dropped(line)) {
            unused = unused && !begins(line, "}\n");
            continue;
        }
        size_t indent = strspn(line, " ");
        put_line(&out, line + indent, (size_t)(next - line) - indent);
        if (begins(line + indent, target)) {
            if (depth == sizeof ends / sizeof *ends || indent < 2) {
                free(out.text);
                return NULL;
            }
            ends[depth++] = (block_end_t){indent - 2, atoi(line + indent + sizeof target - 1)};
        }
        if (depth && ends[depth - 1].indent == indent && begins(line + indent, "}\n"))
            out.size +=
                (size_t)sprintf(out.text + out.size, "var_T%d_end:;\n", ends[--depth].label);
    }
    if (out.text && depth == 0) {
        out.text[out.size] = '\0';
        return out.text;
    }
    free(out.text);
    return NULL;
}

/* Where the module's own part begins: the line with its first name, or the structure of results before it. */
static char *find_own(char *text, size_t size, uint64_t number)
{
    char name[40];
    size_t length = (size_t)snprintf(name, sizeof name, "w2c_m%" PRIu64, number);
    char *at = memmem(text, size, name, length);
    while (at && at > text && at[-1] != '\n')
        at--;
    char *many = at ? memmem(text, (size_t)(at - text), "\n#ifndef wasm_multi_", 20) : NULL;
    return many ? many + 1 : at;
}

static bool read_text(const kp_wasm2c_server_t *server, uint64_t number, kp_wasm2c_text_t *text)
{
    char path[4096];
    size_t size;
    snprintf(path, sizeof path, "%s/module.h", server->directory);
    text->header = kp_wasm2c_read(path);
    snprintf(path, sizeof path, "%s/module.c", server->directory);
    text->head = read_file(path, &size);
    char *own = text->header && text->head ? find_own(text->head, size, number) : NULL;
    if (!own)
        return false;
    text->own = rewrite(own, size - (size_t)(own - text->head));
    *own = '\0';
    return text->own != NULL;
}

bool kp_wasm2c_translate(kp_wasm2c_server_t *server, uint64_t number, const uint8_t *bytes,
                         size_t size, kp_wasm2c_text_t *text)
{
    char path[4096], line[64];
    *text = (kp_wasm2c_text_t){0};
    snprintf(path, sizeof path, "%s/module.wasm", server->directory);
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(bytes, 1, size, file) == size;
    if (file && fclose(file) != 0)
        good = false;
    if (!good || !start(server))
        return false;
    fprintf(server->to, "--enable-threads --disable-tail-call -n m%" PRIu64 " %s -o %s/module.c\n",
            number, path, server->directory);
    fflush(server->to);
    if (!fgets(line, sizeof line, server->from)) {
        kp_wasm2c_server_stop(server);
        return false;
    }
    if (strcmp(line, "0\n") == 0 && read_text(server, number, text))
        return true;
    kp_wasm2c_text_free(text);
    return false;
}

void kp_wasm2c_text_free(kp_wasm2c_text_t *text)
{
    free(text->header);
    free(text->head);
    free(text->own);
    *text = (kp_wasm2c_text_t){0};
}
