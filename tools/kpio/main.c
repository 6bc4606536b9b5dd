/* kpio: render and dump pages with the hosted system, run the whole system in QEMU. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/kpio/kpio.h"

static const char help[] =
    "usage: kpio COMMAND ...\n"
    "\n"
    "  kpio render URL -o page.png [--size 1280x800] [--full-page]\n"
    "                           a picture of a web page or HTML file\n"
    "  kpio dump URL --format text|html|boxes [--size 1280x800]\n"
    "                           its text, its document, or where its elements are (JSON)\n"
    "  kpio view [URL]          the browser in a window of this machine\n"
    "  kpio run [URL]           boots the KPIO system in QEMU\n"
    "  kpio run --program FILE.wasm [-- ARGUMENT...]\n"
    "                           runs a WebAssembly program on KPIO, in QEMU or hosted\n"
    "  kpio trace URL -o trace.json\n"
    "                           what the kernel did while it loaded a page, for a timeline viewer\n"
    "  kpio wasm run FILE.wasm [ARGUMENT]...\n"
    "                           runs a WebAssembly program; also: validate, compile\n"
    "\n"
    "  kpio COMMAND --help      the options of a command\n"
    "  kpio --version\n"
    "\n"
    "Exit codes: 0 done; 1 the page or the system failed; 2 wrong usage; 3 something is missing "
    "on\n"
    "this machine; 4 time limit; 5 a process crashed. A failure prints one line that says why.\n";

typedef struct command {
    const char *name;
    int (*run)(int count, char **arguments);
} command_t;

static const command_t commands[] = {
    {"render", kp_kpio_render}, {"dump", kp_kpio_dump},   {"view", kp_kpio_view},
    {"run", kp_kpio_run},       {"trace", kp_kpio_trace}, {"wasm", kp_kpio_wasm},
};

void kp_kpio_say(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    fprintf(stderr, "kpio: %s\n", line);
}

bool kp_kpio_beside(const char *name, char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size);
    if (length <= 0 || (size_t)length >= size)
        return false;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash + 1 - path) : 0;
    return (size_t)snprintf(path + folder, size - folder, "%s", name) < size - folder;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(help, stderr);
        return KP_KPIO_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        fputs(help, stdout);
        return KP_KPIO_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("kpio " KP_KPIO_VERSION);
        return KP_KPIO_OK;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 2, argv + 2);
    }
    kp_kpio_say("unknown command \"%s\"; see kpio --help", argv[1]);
    return KP_KPIO_USAGE;
}
