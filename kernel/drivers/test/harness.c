/* Boots the kernel with selftest=drivers under QEMU and plays the world outside: relays the guest's
   "selftest: ok ..." lines, looks at the screen when the guest has drawn its pattern, then types,
   clicks and moves. usage: drivers-harness KERNEL BUNDLE. Exit: 0 all good. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/kpio/child.h"
#include "tools/kpio/file.h"
#include "tools/kpio/ppm.h"
#include "tools/kpio/qmp.h"

enum { LIMIT_MS = 900000 }; /* a guard */

static int failures;
static kp_qmp_t qmp;

static void report(bool good, const char *name, const char *why)
{
    printf("%s %s%s%s\n", good ? "ok" : "not ok", name, good ? "" : ": ", good ? "" : why);
    failures += !good;
}

/* The middles of the four quarters: red, green, blue, white (selftest.c). */
static void screen_check(int64_t deadline)
{
    static const uint32_t colors[4] = {0xff0000, 0x00ff00, 0x0000ff, 0xffffff};
    char path[256], arguments[320], error[256] = "", why[128] = "";
    uint8_t *bytes = NULL, *pixels = NULL;
    uint32_t width = 0, height = 0, right = 0;
    size_t size = 0;
    int file = kp_file_temporary("drivers", path, sizeof path);
    snprintf(arguments, sizeof arguments, "{\"filename\": \"%s\"}", path);
    bool dumped =
        file >= 0 && kp_qmp_execute(&qmp, "screendump", arguments, deadline, error, sizeof error);
    report(dumped, "screen dump", error);
    if (dumped && kp_file_read(path, 1 << 28, &bytes, &size) == KP_OK &&
        kp_ppm_decode(bytes, size, &pixels, &width, &height) == KP_OK) {
        for (uint32_t i = 0; i < 4; i++) {
            uint32_t x = width / 4 + (i & 1) * (width / 2);
            uint32_t y = height / 4 + (i >> 1) * (height / 2), pixel;
            memcpy(&pixel, pixels + ((size_t)y * width + x) * 4, 4);
            right += (pixel & 0xffffff) == colors[i];
        }
    }
    snprintf(why, sizeof why, "%u of 4 colours right on %ux%u", right, width, height);
    report(right == 4, "the pattern is on the screen", why);
    report(width == 1280 && height == 800, "the screen has the size asked for", why);
    free(bytes);
    free(pixels);
    if (file >= 0) {
        close(file);
        unlink(path);
    }
}

static void input_send(int64_t deadline)
{
    char error[256] = "";
    /* Whether they arrived the guest says; it may be gone before QEMU has answered here. */
    (void)kp_qmp_execute(
        &qmp, "input-send-event",
        "{\"events\": ["
        "{\"type\": \"key\", \"data\": {\"down\": true, \"key\": {\"type\": \"qcode\", "
        "\"data\": \"a\"}}},"
        "{\"type\": \"abs\", \"data\": {\"axis\": \"x\", \"value\": 16000}},"
        "{\"type\": \"abs\", \"data\": {\"axis\": \"y\", \"value\": 8000}},"
        "{\"type\": \"btn\", \"data\": {\"down\": true, \"button\": \"left\"}}]}",
        deadline, error, sizeof error);
}

/* Handles one line of the guest's log; true when the self-test is over. */
static bool line_handle(const char *line, int64_t deadline)
{
    const char *text = strstr(line, "selftest: ");
    if (!text)
        return false;
    text += 10;
    if (strncmp(text, "ok ", 3) == 0 || strncmp(text, "not ok ", 7) == 0) {
        puts(text);
        failures += text[0] == 'n';
    } else if (strcmp(text, "shown") == 0) {
        screen_check(deadline);
        input_send(deadline);
    }
    return strncmp(text, "done", 4) == 0;
}

/* Reads the guest's log to its end; whether the self-test came to its end. */
static bool log_follow(int log, int64_t deadline)
{
    char line[1024];
    size_t used = 0;
    bool done = false;
    for (;;) {
        struct pollfd wait = {.fd = log, .events = POLLIN};
        char byte;
        int64_t left = deadline - kp_child_now();
        if (left <= 0 || poll(&wait, 1, (int)left) <= 0 || read(log, &byte, 1) != 1)
            return done;
        if (byte == '\n') {
            line[used] = '\0';
            used = 0;
            done = line_handle(line, deadline) || done;
        } else if (byte != '\r' && used + 1 < sizeof line) {
            line[used++] = byte;
        }
    }
}

int main(int argc, char **argv)
{
    char qemu[512], chardev[64];
    int log[2], control[2], status = 0;
    bool qboot = access("/usr/share/qemu/qboot.rom", R_OK) == 0;
    if (argc != 3 || !kp_child_find("qemu-system-x86_64", qemu, sizeof qemu)) {
        puts("not ok harness: usage: drivers-harness KERNEL BUNDLE, with QEMU installed");
        return 2;
    }
    if (pipe(log) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, control) != 0)
        return 2;
    snprintf(chardev, sizeof chardev, "socket,id=control,fd=%d", control[1]);
    char *arguments[] = {
        qemu, "-machine", "q35,accel=tcg", "-cpu", "max", "-m", "256", "-nodefaults",
        "-no-user-config", "-no-reboot", "-vga", "none", "-display", "none",
        /* The user network and all devices of kpio run. */
        "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=", "-device",
        "virtio-gpu-pci,xres=1280,yres=800", "-device", "virtio-keyboard-pci", "-device",
        "virtio-tablet-pci", "-device", "virtio-rng-pci", "-device",
        "isa-debug-exit,iobase=0xf4,iosize=4", "-chardev", "stdio,id=log,signal=off", "-serial",
        "chardev:log", "-chardev", chardev, "-mon", "chardev=control,mode=control", "-kernel",
        argv[1], "-initrd", argv[2], "-append", "selftest=drivers", qboot ? "-bios" : NULL,
        "qboot.rom", NULL};
    int64_t deadline = kp_child_now() + LIMIT_MS;
    pid_t child = kp_child_start(arguments, log[1], 2, control[1]);
    close(log[1]);
    close(control[1]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    report(kp_qmp_start(&qmp, control[0], deadline), "QEMU starts", "no greeting");
    report(log_follow(log[0], deadline), "the self-test ends", "it did not, see above");
    if (!kp_child_wait(child, kp_child_now() + 60000, &status)) {
        kp_child_kill(child);
        report(false, "the guest ends by itself", "killed");
    }
    return failures != 0;
}
