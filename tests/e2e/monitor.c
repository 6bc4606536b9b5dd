/* A person at a QEMU guest, for tests: talks to the control socket of `kpio run --qmp SOCKET`.
     monitor SOCKET ACTION...   with the actions, in order:
       key CHORD          QEMU key names joined by '-': ctrl-l, ret, alt-left
       type TEXT          a-z 0-9 space . / : - ? = & _ and upper case
       click X Y          moves there (of a 1280x800 screen; --screen WxH before changes that),
   clicks move X Y wheel N            notches; positive: away from the user picture FILE       the
   screen as PNG wait MS quit */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/kpio/child.h"
#include "tools/kpio/file.h"
#include "tools/kpio/png.h"
#include "tools/kpio/ppm.h"
#include "tools/kpio/qmp.h"

enum { ANSWER_MS = 300000 }; /* a guard */

static kp_qmp_t qmp;
static unsigned screen_width = 1280, screen_height = 800;

static void execute(const char *command, const char *arguments)
{
    char error[256] = "no answer";
    if (!kp_qmp_execute(&qmp, command, arguments, kp_child_now() + ANSWER_MS, error,
                        sizeof error)) {
        fprintf(stderr, "monitor: %s: %s\n", command, error);
        exit(1);
    }
}

static void send_event(const char *event)
{
    char arguments[512];
    snprintf(arguments, sizeof arguments, "{\"events\": [%s]}", event);
    execute("input-send-event", arguments);
}

static void key(const char *name, bool is_down)
{
    char event[200];
    snprintf(event, sizeof event,
             "{\"type\": \"key\", \"data\": {\"down\": %s, \"key\": {\"type\": \"qcode\", "
             "\"data\": \"%s\"}}}",
             is_down ? "true" : "false", name);
    send_event(event);
}

/* Presses the chord's keys in order and releases them in the opposite order. */
static void chord(char *names)
{
    char *parts[8];
    size_t count = 0;
    for (char *part = strtok(names, "-"); part && count < 8; part = strtok(NULL, "-"))
        parts[count++] = part;
    for (size_t i = 0; i < count; i++)
        key(parts[i], true);
    while (count > 0)
        key(parts[--count], false);
}

static void type_text(const char *text)
{
    static const struct {
        char character;
        const char *chord;
    } table[] = {
        {' ', "spc"},    {'.', "dot"},         {'/', "slash"},       {':', "shift-semicolon"},
        {'-', "minus"},  {'_', "shift-minus"}, {'?', "shift-slash"}, {'=', "equal"},
        {'&', "shift-7"}};
    for (; *text; text++) {
        char names[32] = "";
        if (*text >= 'A' && *text <= 'Z')
            snprintf(names, sizeof names, "shift-%c", *text - 'A' + 'a');
        else
            snprintf(names, sizeof names, "%c", *text);
        for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
            if (table[i].character == *text)
                snprintf(names, sizeof names, "%s", table[i].chord);
        chord(names);
        usleep(10000); /* the guest's keyboard holds 16 key strokes: nobody types faster */
    }
}

static void move(unsigned long x, unsigned long y)
{
    char event[300];
    snprintf(event, sizeof event,
             "{\"type\": \"abs\", \"data\": {\"axis\": \"x\", \"value\": %lu}}, "
             "{\"type\": \"abs\", \"data\": {\"axis\": \"y\", \"value\": %lu}}",
             x * 32767 / (screen_width - 1), y * 32767 / (screen_height - 1));
    send_event(event);
}

static void button(const char *name)
{
    for (int is_down = 1; is_down >= 0; is_down--) {
        char event[200];
        snprintf(event, sizeof event,
                 "{\"type\": \"btn\", \"data\": {\"down\": %s, \"button\": \"%s\"}}",
                 is_down ? "true" : "false", name);
        send_event(event);
    }
}

static void picture(const char *path)
{
    char dump[240], quoted[256], arguments[512];
    uint8_t *bytes = NULL, *pixels = NULL;
    uint32_t width = 0, height = 0;
    size_t size = 0;
    int file = kp_file_temporary("monitor", dump, sizeof dump);
    if (file < 0 || !kp_qmp_quote(dump, quoted, sizeof quoted))
        exit(1);
    close(file);
    snprintf(arguments, sizeof arguments, "{\"filename\": %s}", quoted);
    execute("screendump", arguments);
    bool good = kp_file_read(dump, 1 << 28, &bytes, &size) == KP_OK &&
                kp_ppm_decode(bytes, size, &pixels, &width, &height) == KP_OK &&
                kp_png_write(path, pixels, width, height, (size_t)width * 4) == KP_OK;
    unlink(dump);
    free(bytes);
    free(pixels);
    if (!good) {
        fprintf(stderr, "monitor: no picture in %s\n", path);
        exit(1);
    }
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: monitor SOCKET ACTION...\n");
        return 2;
    }
    if (!kp_qmp_start(&qmp, connect_to(argv[1]), kp_child_now() + ANSWER_MS)) {
        fprintf(stderr, "monitor: QEMU does not greet\n");
        return 1;
    }
    for (int i = 2; i < argc; i++) {
        const char *action = argv[i];
        int left = argc - 1 - i;
        if (!strcmp(action, "quit")) {
            execute("quit", NULL);
        } else if (!strcmp(action, "key") && left >= 1) {
            chord(argv[++i]);
        } else if (!strcmp(action, "type") && left >= 1) {
            type_text(argv[++i]);
        } else if (!strcmp(action, "picture") && left >= 1) {
            picture(argv[++i]);
        } else if (!strcmp(action, "wait") && left >= 1) {
            usleep((useconds_t)strtoul(argv[++i], NULL, 10) * 1000);
        } else if (!strcmp(action, "wheel") && left >= 1) {
            long notches = strtol(argv[++i], NULL, 10);
            for (long n = labs(notches); n > 0; n--)
                button(notches > 0 ? "wheel-up" : "wheel-down");
        } else if (!strcmp(action, "--screen") && left >= 1 &&
                   sscanf(argv[i + 1], "%ux%u", &screen_width, &screen_height) == 2) {
            i++;
        } else if ((!strcmp(action, "click") || !strcmp(action, "move")) && left >= 2) {
            move(strtoul(argv[i + 1], NULL, 10), strtoul(argv[i + 2], NULL, 10));
            if (action[0] == 'c') {
                usleep(50000);
                button("left");
            }
            i += 2;
        } else {
            fprintf(stderr, "monitor: unknown action '%s'\n", action);
            return 2;
        }
    }
    return 0;
}
