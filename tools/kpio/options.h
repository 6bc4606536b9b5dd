/* Command-line options by a table: one entry gives parsing and help. */
#ifndef KP_TOOLS_KPIO_OPTIONS_H
#define KP_TOOLS_KPIO_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KP_OPTION_FLAG,   /* target: bool */
    KP_OPTION_TEXT,   /* target: const char *, borrowed from the arguments */
    KP_OPTION_NUMBER, /* target: uint32_t, minimum..maximum */
    KP_OPTION_LIST,   /* target: kp_option_list_t; may be given many times */
    KP_OPTION_SIZE,   /* target: uint32_t[2], "WIDTHxHEIGHT", both minimum..maximum */
};

enum { KP_OPTION_LIST_MAX = 32 };
typedef struct kp_option_list {
    const char *items[KP_OPTION_LIST_MAX]; /* borrowed from the arguments */
    size_t count;
} kp_option_list_t;

typedef struct kp_option {
    const char *name; /* "--size" */
    char letter;      /* 'o' for -o; 0: none */
    int kind;
    const char *value; /* how help names the value; NULL for flags */
    const char *help;
    void *target;
    uint32_t minimum, maximum;
} kp_option_t;

typedef struct kp_option_set {
    const char *usage; /* "kpio render URL [OPTION]..." */
    const char *about; /* one paragraph */
    const kp_option_t *options;
    size_t count;
} kp_option_set_t;

/* Parses arguments: options ("--name value", "--name=value", "-o value") anywhere, "--" ends them.
   Positional arguments are moved to the front; their number is returned. -1: wrong, said on
   standard error. *help is set (and nothing else checked) when --help or -h is there. */
int kp_options_parse(const kp_option_set_t *set, int count, char **arguments, bool *help);

/* Prints usage and every option to standard output. */
void kp_options_help(const kp_option_set_t *set);

#endif
