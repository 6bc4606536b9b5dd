/* kpio run: the whole system in QEMU. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/kpio/accel.h"
#include "tools/kpio/child.h"
#include "tools/kpio/guest.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/options.h"
#include "tools/kpio/program.h"
#include "tools/kpio/target.h"
#include "tools/kpio/wasm_code.h"

static const char missing_qemu[] =
    "QEMU is missing: install the package qemu-system-x86 (apt-get install qemu-system-x86)";

/* The display that QEMU can open here; NULL: none, and why was said. */
static const char *display_choose(const char *qemu)
{
    /* SDL first: its window takes the size of the guest's screen. */
    static const char *const names[] = {"sdl", "gtk"};
    char text[4096] = "", *arguments[] = {(char *)qemu, "-display", "help", NULL};
    int out[2], status;
    if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY")) {
        kp_kpio_say("there is no graphical session here; use --headless");
        return NULL;
    }
    if (pipe(out) != 0)
        return NULL;
    pid_t child = kp_child_start(arguments, out[1], -1, -1);
    close(out[1]);
    size_t used = 0;
    ssize_t count;
    while ((count = read(out[0], text + used, sizeof text - 1 - used)) > 0)
        used += (size_t)count;
    close(out[0]);
    if (child > 0 && !kp_child_wait(child, kp_child_now() + 2000, &status))
        kp_child_kill(child);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char line[16];
        snprintf(line, sizeof line, "\n%s\n", names[i]);
        if (strstr(text, line))
            return names[i];
    }
    kp_kpio_say("this QEMU cannot open a window: install the package qemu-system-gui, or use "
                "--headless");
    return NULL;
}

/* Where the guest finds what the user named (the host is 10.0.2.2 in QEMU's user network). Returns an
   exit code; failures were said. */
static int page_url(const char *name, const char *root, kp_file_server_t *server, char *url,
                    size_t size)
{
    char error[4400];
    kp_status_t status =
        kp_target_url(name, root, "10.0.2.2", server, url, size, error, sizeof error);
    if (status == KP_OK)
        return KP_KPIO_OK;
    kp_kpio_say("%s: %s", name, error);
    return kp_target_exit(status);
}

/* The kernel's command line: the URL, then what the user appends. */
static bool command_line_make(const char *url, const char *append, char *line, size_t size)
{
    int used = snprintf(line, size, "%s%s%s%s", url[0] ? "url=" : "", url,
                        url[0] && append ? " " : "", append ? append : "");
    if (used >= 0 && used < 1000)
        return true;
    kp_kpio_say("the guest's command line is longer than 1000 bytes");
    return false;
}

static bool port_forward_valid(const char *text)
{
    unsigned host = 0, inside = 0;
    char rest;
    if (sscanf(text, "%5u:%5u%c", &host, &inside, &rest) == 2 && host > 0 && host < 65536 &&
        inside > 0 && inside < 65536)
        return true;
    kp_kpio_say("--port-forward takes HOSTPORT:GUESTPORT, not \"%s\"", text);
    return false;
}

static bool file_there(const char *path, const char *what)
{
    if (access(path, R_OK) == 0)
        return true;
    kp_kpio_say("%s: cannot read the %s: %s%s", path, what, strerror(errno),
                strcmp(what, "program") == 0 ? "" : " (make builds it)");
    return false;
}

/* --program: an archive of its own; then hosted here, or as the guest's. */
static int run_program(kp_user_program_t *program, kp_guest_t *guest, const char *machine,
                       const char *append)
{
    static char archive[KP_KPIO_PATH_MAX], line[1024], own[256];
    bool hosted = strcmp(machine, "hosted") == 0;
    if (!file_there(program->path, "program") || !file_there(guest->bundle, "boot archive"))
        return KP_KPIO_MISSING;
    program->hosted = hosted;
    int code = kp_user_program_archive(program, guest->bundle, archive, sizeof archive);
    if (code != KP_KPIO_OK)
        return code;
    if (hosted) {
        /* Named by its descriptor, so that nothing stays of it if a signal ends this process. */
        int file = open(archive, O_RDONLY | O_CLOEXEC);
        if (file >= 0 && unlink(archive) == 0)
            snprintf(archive, sizeof archive, "/proc/self/fd/%d", file);
        code = kp_user_program_hosted(program, archive, append, guest->timeout, guest->verbose);
        if (file >= 0)
            close(file);
    } else {
        kp_user_program_line(program, own, sizeof own);
        snprintf(line, sizeof line, "%s net=off%s%s", own, append ? " " : "", append ? append : "");
        guest->command_line = line;
        guest->bundle = archive;
        guest->program = program->path;
        code = kp_guest_run(guest);
    }
    unlink(archive);
    kp_guest_end_by_signal();
    return code;
}

int kp_kpio_run(int count, char **arguments)
{
    static kp_guest_t guest = {.memory = 256, .processors = 1, .size = {1280, 800}};
    static char kernel[KP_KPIO_PATH_MAX], bundle[KP_KPIO_PATH_MAX], qemu[KP_KPIO_PATH_MAX];
    static char cache_folder[KP_KPIO_PATH_MAX], command_line[2048], url[8192];
    kp_file_server_t server = {.child = -1};
    static kp_user_program_t program;
    const char *machine = "qemu";
    const char *accel = "auto", *append = NULL, *root = NULL, *qemu_name = "qemu-system-x86_64";
    const char *cache = NULL;
    uint32_t timeout = 0;
    bool headless = false, no_cache = false;
    const kp_option_t options[] = {
        {"--headless", 0, KP_OPTION_FLAG, NULL, "no window", &headless, 0, 0},
        {"--screenshot", 0, KP_OPTION_TEXT, "FILE",
         "waits until the page is painted, writes a PNG and ends", &guest.screenshot, 0, 0},
        {"--accel", 0, KP_OPTION_TEXT, "auto|kvm|tcg", "auto measures which is faster", &accel, 0,
         0},
        {"--memory", 0, KP_OPTION_NUMBER, "MIB", "of the guest (256)", &guest.memory, 32, 1 << 20},
        {"--smp", 0, KP_OPTION_NUMBER, "N", "processors of the guest (1)", &guest.processors, 1,
         255},
        {"--size", 0, KP_OPTION_SIZE, "WxH", "of the screen in pixels (1280x800)", guest.size, 320,
         8192},
        {"--serial", 0, KP_OPTION_TEXT, "FILE", "the guest's log; - for standard output",
         &guest.serial, 0, 0},
        {"--root", 0, KP_OPTION_TEXT, "FOLDER", "what a local page may load (its own folder)",
         &root, 0, 0},
        {"--append", 0, KP_OPTION_TEXT, "TEXT", "added to the kernel's command line", &append, 0,
         0},
        {"--port-forward", 0, KP_OPTION_TEXT, "HOST:GUEST",
         "a TCP port of 127.0.0.1 leads to one of the guest", &guest.port_forward, 0, 0},
        {"--pcap", 0, KP_OPTION_TEXT, "FILE", "records the guest's packets", &guest.pcap, 0, 0},
        {"--qmp", 0, KP_OPTION_TEXT, "SOCKET", "QEMU's control socket for other programs",
         &guest.qmp, 0, 0},
        {"--trace", 0, KP_OPTION_TEXT, "FILE",
         "the guest's recording of kernel events (kpio trace --from FILE)", &guest.trace, 0, 0},
        {"--timeout", 0, KP_OPTION_NUMBER, "SECONDS",
         "ends the guest after that (60 with --screenshot)", &timeout, 1, 86400},
        {"--wait", 0, KP_OPTION_TEXT, "MARK,MARK...",
         "boot marks to wait for before the screenshot (" KP_GUEST_MARKS ")", &guest.marks, 0, 0},
        {"--kernel", 0, KP_OPTION_TEXT, "FILE", "(x86_64/kpio.elf beside kpio)", &guest.kernel, 0,
         0},
        {"--bundle", 0, KP_OPTION_TEXT, "FILE", "(x86_64/kpio.bundle beside kpio)", &guest.bundle,
         0, 0},
        {"--qemu", 0, KP_OPTION_TEXT, "PROGRAM", "(qemu-system-x86_64)", &qemu_name, 0, 0},
        {"--program", 0, KP_OPTION_TEXT, "FILE.wasm",
         "runs this WASI program in KPIO instead of the browser; its arguments stand after --",
         &program.path, 0, 0},
        {"--machine", 0, KP_OPTION_TEXT, "qemu|hosted",
         "hosted: as Linux processes, for programs and systems without a screen", &machine, 0, 0},
        {"--env", 0, KP_OPTION_LIST, "NAME[=VALUE]",
         "for the program (without a value: as it is here); may be given many times",
         &program.environment, 0, 0},
        {"--dir", 0, KP_OPTION_LIST, "[HOST::]GUEST",
         "the program's GUEST is this directory (alone: an empty one in memory); in QEMU a copy, "
         "made "
         "at start: changes stay in the guest",
         &program.directories, 0, 0},
        {"--dir-ro", 0, KP_OPTION_LIST, "HOST::GUEST", "the same, to read only",
         &program.directories_read_only, 0, 0},
        {"--file", 0, KP_OPTION_LIST, "[NAME=]PATH",
         "the program finds it as /program/NAME, to read; may be given many times", &program.files,
         0, 0},
        {"--stdin", 0, KP_OPTION_TEXT, "FILE",
         "the program's standard input (hosted, without it: this command's, as it comes); - for "
         "all of this command's",
         &program.input, 0, 0},
        {"--fuel", 0, KP_OPTION_TEXT, "N", "function calls and loop turns of the program",
         &program.fuel, 0, 0},
        {"--max-memory", 0, KP_OPTION_TEXT, "BYTES", "of the program's linear memory (64M, 1G)",
         &program.memory_maximum, 0, 0},
        {"--tier", 0, KP_OPTION_TEXT, "compile|interpret",
         "of the program (compiled where there is a compiler)", &program.tier, 0, 0},
        {"--compile", 0, KP_OPTION_TEXT, "eager|lazy",
         "all at once, or functions at their first call (large programs lazily)", &program.compile,
         0, 0},
        {"--cache", 0, KP_OPTION_TEXT, "DIR",
         "hosted: compiled code is kept in DIR/system (DIR: ~/.cache/kpio/wasm)", &cache, 0, 0},
        {"--no-cache", 0, KP_OPTION_FLAG, NULL, "hosted: it is not kept", &no_cache, 0, 0},
        {"--verbose", 'v', KP_OPTION_FLAG, NULL,
         "says which accelerator was chosen and why; with --program, the system's log",
         &guest.verbose, 0, 0},
    };
    const kp_option_set_t set = {
        "kpio run [URL | --program FILE.wasm] [OPTION]... [-- ARGUMENT...]",
        "Boots the KPIO system in QEMU and opens the URL in it. Exit code "
        "0: the guest ended or\nthe picture was taken; 1: it failed. "
        "With --program: the program's own code, 4 fuel used up,\n5 a trap.",
        options, sizeof options / sizeof options[0]};
    bool help;
    int positional = kp_options_parse(&set, count, arguments, &help);
    if (help) {
        kp_options_help(&set);
        return KP_KPIO_OK;
    }
    if (positional < 0)
        return KP_KPIO_USAGE;
    bool hosted = strcmp(machine, "hosted") == 0;
    if ((positional > 1 && !program.path) || (!hosted && strcmp(machine, "qemu") != 0) ||
        (hosted && positional && !program.path)) {
        kp_kpio_say("usage: %s; --machine is qemu, or hosted without a URL", set.usage);
        return KP_KPIO_USAGE;
    }
    if (!program.path &&
        (program.tier || program.compile || program.fuel || program.input ||
         program.memory_maximum || program.environment.count || program.files.count ||
         program.directories.count || program.directories_read_only.count)) {
        kp_kpio_say("--env, --dir, --dir-ro, --file, --stdin, --fuel, --max-memory, --tier and "
                    "--compile are "
                    "for --program");
        return KP_KPIO_USAGE;
    }
    if ((cache && (!hosted || no_cache)) || (no_cache && !hosted)) {
        kp_kpio_say("--cache and --no-cache are for --machine hosted, one of them");
        return KP_KPIO_USAGE;
    }
    if (program.path && (guest.screenshot || guest.marks || root)) {
        kp_kpio_say("--screenshot, --wait and --root are for pages, not for --program");
        return KP_KPIO_USAGE;
    }
    if (program.path) {
        program.arguments = arguments;
        program.argument_count = (size_t)positional;
        positional = 0;
        headless = true;
        guest.memory = guest.memory == 256 ? 512 : guest.memory;
    }
    if (strcmp(accel, "auto") != 0 && strcmp(accel, "kvm") != 0 && strcmp(accel, "tcg") != 0) {
        kp_kpio_say("--accel takes auto, kvm or tcg, not \"%s\"", accel);
        return KP_KPIO_USAGE;
    }
    if (guest.port_forward && !port_forward_valid(guest.port_forward))
        return KP_KPIO_USAGE;
    if (!guest.kernel && kp_kpio_beside("x86_64/kpio.elf", kernel, sizeof kernel))
        guest.kernel = kernel;
    if (!guest.bundle &&
        kp_kpio_beside(hosted ? "kpio.bundle" : "x86_64/kpio.bundle", bundle, sizeof bundle))
        guest.bundle = bundle;
    guest.timeout = timeout;
    /* A system does without unless it is told where: what it keeps is its own business. */
    if (hosted && !no_cache && (program.path || cache) &&
        kp_wasm_code_system_folder(cache, cache_folder, sizeof cache_folder))
        program.cache = cache_folder;
    if (hosted && guest.bundle && program.path)
        return run_program(&program, &guest, machine, append);
    if (hosted && guest.bundle) {
        int result = 0, code = kp_user_system_hosted(guest.bundle, append, program.cache, timeout,
                                                     guest.verbose, &result);
        return code == KP_KPIO_OK ? result & 255 : code;
    }
    if (!guest.kernel || !guest.bundle || !file_there(guest.kernel, "kernel") ||
        !file_there(guest.bundle, "boot archive"))
        return KP_KPIO_MISSING;
    if (!kp_child_find(qemu_name, qemu, sizeof qemu)) {
        kp_kpio_say("%s", missing_qemu);
        return KP_KPIO_MISSING;
    }
    guest.qemu = qemu;
    guest.firmware = access("/usr/share/qemu/qboot.rom", R_OK) == 0 ? "qboot.rom" : NULL;
    guest.display = "none";
    if (!headless && !guest.screenshot && !(guest.display = display_choose(qemu)))
        return KP_KPIO_MISSING;
    /* Debian 12's qboot wipes the loaded kernel whenever QEMU has a user interface (measured
       with gtk, sdl, curses and dbus); SeaBIOS does not, and costs 50 ms. */
    if (strcmp(guest.display, "none") != 0)
        guest.firmware = NULL;
    if (!guest.serial && strcmp(guest.display, "none") == 0 && !guest.screenshot && !program.path)
        guest.serial = "-";
    guest.accel = accel;
    if (strcmp(accel, "auto") == 0) {
        kp_accel_t choice = kp_accel_choose(qemu, guest.firmware);
        guest.accel = choice.name;
        if (guest.verbose)
            kp_kpio_say("accelerator %s (probe: tcg %d ms, kvm %d ms; -1 failed, 0 not "
                        "measured%s)",
                        choice.name, choice.tcg_ms, choice.kvm_ms, choice.cached ? "; cached" : "");
    }
    guest.timeout = timeout ? timeout : guest.screenshot ? 60 : 0;
    if (program.path)
        return run_program(&program, &guest, machine, append);
    int code = KP_KPIO_OK;
    if (positional)
        code = page_url(arguments[0], root, &server, url, sizeof url);
    if (code == KP_KPIO_OK && !command_line_make(url, append, command_line, sizeof command_line))
        code = KP_KPIO_USAGE;
    guest.command_line = command_line;
    if (code == KP_KPIO_OK)
        code = kp_guest_run(&guest);
    kp_file_server_stop(&server);
    kp_guest_end_by_signal();
    return code;
}
