/* The kpio command: what its parts share. Exit codes and options are documented in docs/kpio.md. */
#ifndef KP_TOOLS_KPIO_KPIO_H
#define KP_TOOLS_KPIO_KPIO_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#define KP_KPIO_VERSION "0.1.0"
#define KP_KPIO_PATH_MAX PATH_MAX

enum {
    KP_KPIO_OK = 0,
    KP_KPIO_FAILED = 1,  /* the page or the guest failed; what arrived was written */
    KP_KPIO_USAGE = 2,   /* the command line is wrong */
    KP_KPIO_MISSING = 3, /* something this machine lacks: QEMU, kernel, archive, sandbox */
    KP_KPIO_TIMEOUT = 4, /* --timeout passed */
    KP_KPIO_CRASHED = 5, /* a process of the system crashed */
};

/* One line on standard error, "kpio: " before it. */
void kp_kpio_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The path of `name` in the folder of this executable; false when it does not fit. */
bool kp_kpio_beside(const char *name, char *path, size_t size);

/* The subcommands. arguments: after the subcommand's name. They return an exit code. */
int kp_kpio_render(int count, char **arguments);
int kp_kpio_dump(int count, char **arguments);
int kp_kpio_view(int count, char **arguments);
int kp_kpio_run(int count, char **arguments);
int kp_kpio_trace(int count, char **arguments);
int kp_kpio_wasm(int count, char **arguments);

#endif
