/* Plays the user of a QEMU guest, for tests:
     qmp SOCKET click X Y WIDTH HEIGHT   moves the tablet to a pixel of the screen and clicks
     qmp SOCKET wheel N                  turns the wheel N notches (positive: away from the user)
     qmp SOCKET key QCODE...             presses the keys together ("ctrl l"), releases in reverse
     qmp SOCKET type TEXT                types lower-case letters, digits and - . / : (US layout)
     qmp SOCKET screenshot FILE.png
     qmp SOCKET run COMMAND [JSON]       any command, "quit"
   Exit: 0 done, 1 QEMU refused, 2 usage. */
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

static kp_qmp_t qmp;

static bool execute(const char *command, const char *arguments)
{
    char error[256] = "";
    if (kp_qmp_execute(&qmp, command, arguments, kp_child_now() + 10000, error, sizeof error))
        return true;
    fprintf(stderr, "qmp: %s: %s\n", command, error);
    return false;
}

/* A pause between presses, so that the guest sees them one by one as it would a person's. */
static bool send_events(const char *events)
{
    char arguments[4096];
    snprintf(arguments, sizeof arguments, "{\"events\": [%s]}", events);
    usleep(5000);
    return execute("input-send-event", arguments);
}

static bool send_key(const char *code, bool down)
{
    char event[256];
    snprintf(event, sizeof event,
             "{\"type\": \"key\", \"data\": {\"down\": %s, \"key\": {\"type\": \"qcode\", "
             "\"data\": \"%s\"}}}",
             down ? "true" : "false", code);
    return send_events(event);
}

static bool send_button(const char *button)
{
    char event[256];
    bool good = true;
    for (int down = 1; down >= 0; down--) {
        snprintf(event, sizeof event,
                 "{\"type\": \"btn\", \"data\": {\"down\": %s, \"button\": \"%s\"}}",
                 down ? "true" : "false", button);
        good = send_events(event) && good;
    }
    return good;
}

static bool click(char **arguments)
{
    char events[256];
    int x = atoi(arguments[0]), y = atoi(arguments[1]);
    int width = atoi(arguments[2]), height = atoi(arguments[3]);
    if (width <= 0 || height <= 0)
        return false;
    snprintf(events, sizeof events,
             "{\"type\": \"abs\", \"data\": {\"axis\": \"x\", \"value\": %d}},"
             "{\"type\": \"abs\", \"data\": {\"axis\": \"y\", \"value\": %d}}",
             (x * 2 + 1) * 32767 / (width * 2), (y * 2 + 1) * 32767 / (height * 2));
    return send_events(events) && send_button("left");
}

static bool wheel(int notches)
{
    bool good = true;
    for (int i = 0; i < abs(notches); i++)
        good = send_button(notches > 0 ? "wheel-up" : "wheel-down") && good;
    return good;
}

static bool keys(char **codes, int count)
{
    bool good = true;
    for (int i = 0; i < count; i++)
        good = send_key(codes[i], true) && good;
    for (int i = count; i-- > 0;)
        good = send_key(codes[i], false) && good;
    return good;
}

static bool type(const char *text)
{
    for (; *text; text++) {
        char letter[2] = {*text, 0}, *codes[2] = {(char *)"shift", letter};
        char **from = codes + 1;
        switch (*text) {
        case '-':
            codes[1] = (char *)"minus";
            break;
        case '.':
            codes[1] = (char *)"dot";
            break;
        case '/':
            codes[1] = (char *)"slash";
            break;
        case ':':
            codes[1] = (char *)"semicolon";
            from = codes;
            break;
        default:
            break;
        }
        if (!keys(from, (int)(codes + 2 - from)))
            return false;
    }
    return true;
}

static bool screenshot(const char *path)
{
    char dump[] = "/tmp/kp-qmp-XXXXXX", arguments[128];
    uint8_t *bytes = NULL, *pixels = NULL;
    uint32_t width, height;
    size_t size;
    int file = mkstemp(dump);
    if (file < 0)
        return false;
    close(file);
    snprintf(arguments, sizeof arguments, "{\"filename\": \"%s\"}", dump);
    bool good = execute("screendump", arguments) &&
                kp_file_read(dump, 1 << 28, &bytes, &size) == KP_OK &&
                kp_ppm_decode(bytes, size, &pixels, &width, &height) == KP_OK &&
                kp_png_write(path, pixels, width, height, (size_t)width * 4) == KP_OK;
    unlink(dump);
    free(bytes);
    free(pixels);
    return good;
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int connection = socket(AF_UNIX, SOCK_STREAM, 0), left = argc - 3;
    if (argc < 4 || strlen(argv[1]) >= sizeof address.sun_path) {
        fprintf(stderr, "usage: qmp SOCKET click|wheel|key|type|screenshot|run ...\n");
        return 2;
    }
    strcpy(address.sun_path, argv[1]);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) != 0 ||
        !kp_qmp_start(&qmp, connection, kp_child_now() + 10000)) {
        fprintf(stderr, "qmp: %s: no QEMU there\n", argv[1]);
        return 1;
    }
    const char *what = argv[2];
    if (strcmp(what, "click") == 0 && left == 4)
        return !click(argv + 3);
    if (strcmp(what, "wheel") == 0)
        return !wheel(atoi(argv[3]));
    if (strcmp(what, "key") == 0)
        return !keys(argv + 3, left);
    if (strcmp(what, "type") == 0)
        return !type(argv[3]);
    if (strcmp(what, "screenshot") == 0)
        return !screenshot(argv[3]);
    if (strcmp(what, "run") == 0)
        return !execute(argv[3], left > 1 ? argv[4] : NULL);
    return 2;
}
