/* kpio view: the whole system with its shell in a window of this machine, without QEMU. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/machine/hosted/hosted.h"
#include "tools/kpio/kpio.h"
#include "tools/kpio/options.h"
#include "tools/kpio/target.h"

int kp_kpio_view(int count, char **arguments)
{
    static uint32_t size[2] = {1280, 800};
    static char beside[KP_KPIO_PATH_MAX], command_line[9000], url[8192];
    const char *net = "host", *bundle = NULL, *root = NULL;
    bool verbose = false, help = false;
    const kp_option_t options[] = {
        {"--size", 0, KP_OPTION_SIZE, "WxH", "of the window in pixels (1280x800)", size, 320, 8192},
        {"--net", 0, KP_OPTION_TEXT, "host|slirp|off",
         "host: this machine's sockets; slirp: KPIO's own stack", &net, 0, 0},
        {"--bundle", 0, KP_OPTION_TEXT, "FILE", "the boot archive (kpio.bundle beside kpio)",
         &bundle, 0, 0},
        {"--root", 0, KP_OPTION_TEXT, "FOLDER", "what a local page may load (its own folder)",
         &root, 0, 0},
        {"--verbose", 'v', KP_OPTION_FLAG, NULL, "the system's log on standard error", &verbose, 0,
         0},
    };
    const kp_option_set_t set = {"kpio view [URL] [OPTION]...",
                                 "Opens the URL in a window of this machine: kernel, services and "
                                 "tabs are Linux processes\nunder seccomp. Ends when the window is "
                                 "closed.",
                                 options, sizeof options / sizeof options[0]};
    int positional = kp_options_parse(&set, count, arguments, &help);
    if (help) {
        kp_options_help(&set);
        return KP_KPIO_OK;
    }
    if (positional < 0)
        return KP_KPIO_USAGE;
    bool is_slirp = strcmp(net, "slirp") == 0, is_off = strcmp(net, "off") == 0;
    if (positional > 1 || (!is_slirp && !is_off && strcmp(net, "host") != 0)) {
        kp_kpio_say("usage: %s; --net takes host, slirp or off", set.usage);
        return KP_KPIO_USAGE;
    }
    if (!getenv("DISPLAY") && !getenv("WAYLAND_DISPLAY") && !getenv("SDL_VIDEODRIVER")) {
        kp_kpio_say("there is no graphical session here");
        return KP_KPIO_MISSING;
    }
    if (!bundle) {
        if (!kp_kpio_beside("kpio.bundle", beside, sizeof beside)) {
            kp_kpio_say("cannot tell where kpio.bundle is; use --bundle");
            return KP_KPIO_MISSING;
        }
        bundle = beside;
    }
    kp_file_server_t server = {.child = -1};
    if (positional) {
        char error[4400];
        kp_status_t status = kp_target_url(arguments[0], root, is_slirp ? "10.0.2.2" : "127.0.0.1",
                                           &server, url, sizeof url, error, sizeof error);
        if (status != KP_OK) {
            kp_kpio_say("%s: %s", arguments[0], error);
            kp_file_server_stop(&server);
            return kp_target_exit(status);
        }
        snprintf(command_line, sizeof command_line, "url=%s", url);
    }
    kp_hosted_options_t hosted = {
        .bundle_path = bundle,
        .command_line = command_line,
        .net = is_slirp ? KP_HOSTED_NET_SLIRP
               : is_off ? KP_HOSTED_NET_OFF
                        : KP_HOSTED_NET_HOST,
        .display = KP_HOSTED_DISPLAY_WINDOW,
        .width = size[0],
        .height = size[1],
        .log_level = verbose ? KP_LOG_DEBUG : -1,
    };
    int result = 0;
    kp_status_t status = kp_hosted_run(&hosted, NULL, NULL, &result);
    kp_file_server_stop(&server);
    if (status != KP_OK) {
        kp_kpio_say("the system does not start from %s: %s", bundle, kp_status_text(status));
        return KP_KPIO_MISSING;
    }
    return result == 0 ? KP_KPIO_OK : KP_KPIO_FAILED;
}
