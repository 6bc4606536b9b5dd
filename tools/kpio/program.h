/* kpio run --program: a user's WebAssembly program in KPIO instead of the browser, in QEMU or hosted.
   The kernel finds it in a boot archive of its own (kernel/init/program.h), made here. Host code. */
#ifndef KP_TOOLS_KPIO_PROGRAM_H
#define KP_TOOLS_KPIO_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/kpio/directory.h"
#include "tools/kpio/options.h"

typedef struct kp_user_program {
    const char *path;                                    /* of the module */
    const char *tier, *fuel;                             /* texts of the options; NULL: not given */
    const char *compile;                                 /* "eager", "lazy" */
    const char *input;                                   /* file, "-": standard input; NULL: none */
    const char *memory_maximum;                          /* "64M" */
    kp_option_list_t environment;                        /* NAME=VALUE; NAME: as it is here */
    kp_option_list_t directories, directories_read_only; /* [HOST::]GUEST */
    kp_option_list_t files; /* NAME=PATH: the program's /program/NAME */
    char **arguments;       /* of the program, without its name */
    size_t argument_count;
    const char *cache; /* the host's directory for compiled code, hosted; NULL: none */
    bool hosted;       /* directories of the host stay where they are; else they are packed */
    kp_directory_option_t
        *wanted; /* directories, parsed; kp_user_program_archive makes it, and it stays */
} kp_user_program_t;

/* Writes the archive, with the runner and the compiler of the archive `bundle`, to a new temporary file whose name
   is put in path; the caller unlinks it. Returns an exit code (kpio.h); failures are said. */
int kp_user_program_archive(kp_user_program_t *program, const char *bundle, char *path,
                            size_t size);
/* The kernel's command line for it. */
void kp_user_program_line(const kp_user_program_t *program, char *line, size_t size);
/* Runs it hosted to its end; added (may be NULL) stands behind the kernel's command line. Returns an exit code; failures
   are said. */
int kp_user_program_hosted(const kp_user_program_t *program, const char *archive, const char *added,
                           uint32_t timeout, bool verbose);

/* Runs the system of an archive hosted, without screen and network, until its shell exits: its code in *result. cache: as
   above. Returns an exit code. */
int kp_user_system_hosted(const char *archive, const char *line, const char *cache,
                          uint32_t timeout, bool verbose, int *result);

/* kpio's exit code for how the kernel says it ended (kernel/init/program.h). */
int kp_user_program_exit(const char *name, int code);

/* What a guest says. All zero but for log and code at first. */
typedef struct kp_user_output {
    char line[4096]; /* of the log; what is longer is cut */
    size_t used;
    int log;   /* where the kernel's log goes; -1: nowhere */
    int code;  /* of the program's end, from the log; -1: not yet */
    int error; /* why standard output takes no more (errno); 0: it does */
} kp_user_output_t;
/* The program's bytes, to standard output; false: it takes no more. */
bool kp_user_output_add(kp_user_output_t *output, const char *bytes, size_t count);
/* The kernel's log: whole lines. */
void kp_user_log_add(kp_user_output_t *output, const char *bytes, size_t count);
/* What is left of it when the guest has ended. */
void kp_user_log_end(kp_user_output_t *output);

#endif
