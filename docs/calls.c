/* Writes docs/calls.md, the reference of all system calls, from abi/calls.def: build/tools/calls_page. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "abi/call_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *result_type(kp_call_result_t result)
{
    static const char *const types[] = {"kp_status_t", "int64_t", "int64_t", "void"};
    return types[result];
}

static const char *result_text(kp_call_result_t result)
{
    static const char *const texts[] = {
        "`KP_OK` or an error",
        "a new handle (> 0), or an error",
        "a value (>= 0), or an error",
        "does not return",
    };
    return texts[result];
}

static void print_parameter(const kp_argument_t *argument)
{
    switch (argument->kind) {
    case KP_ARGUMENT_IN_BYTES:
    case KP_ARGUMENT_IN:
    case KP_ARGUMENT_IN_HANDLES:
    case KP_ARGUMENT_WORD:
        printf("const %s *%s", argument->c_type, argument->name);
        break;
    case KP_ARGUMENT_OUT_BYTES:
    case KP_ARGUMENT_OUT:
    case KP_ARGUMENT_INOUT:
    case KP_ARGUMENT_OUT_OR_NONE:
    case KP_ARGUMENT_OUT_HANDLES:
    case KP_ARGUMENT_PAGE_ADDRESS:
        printf("%s *%s", argument->c_type, argument->name);
        break;
    default:
        printf("%s %s", argument->c_type, argument->name);
        break;
    }
}

/* "KP_RIGHT_READ | KP_RIGHT_MAP" as "READ, MAP". */
static void print_bits(const char *expression, const char *prefix)
{
    size_t skip = strlen(prefix);
    for (const char *at = expression; *at;) {
        if (skip && strncmp(at, prefix, skip) == 0) {
            at += skip;
        } else if (strncmp(at, " | ", 3) == 0) {
            printf(", ");
            at += 3;
        } else {
            putchar(*at++);
        }
    }
}

static void print_handle(const kp_argument_t *argument)
{
    if (strcmp(argument->type_name, "ANY") == 0) {
        printf("handle of any type");
    } else {
        for (const char *at = argument->type_name; *at; at++)
            putchar(tolower((unsigned char)*at));
        printf(" handle");
    }
    if (argument->rights) {
        printf(" with ");
        print_bits(argument->rights_name, "KP_RIGHT_");
    }
}

static void print_count(const kp_argument_t *argument, const char *what)
{
    if (isdigit((unsigned char)argument->count[0]))
        printf("%s %s", argument->count, what);
    else
        printf("`%s` %s", argument->count, what);
}

static void print_argument_text(const kp_argument_t *argument)
{
    switch (argument->kind) {
    case KP_ARGUMENT_HANDLE:
        print_handle(argument);
        break;
    case KP_ARGUMENT_HANDLE_OR_NONE:
        print_handle(argument);
        printf(", or 0");
        break;
    case KP_ARGUMENT_HANDLE_TO_CLOSE:
        printf("any handle, also a revoked one");
        break;
    case KP_ARGUMENT_IN_BYTES:
        printf("reads ");
        print_count(argument, "bytes");
        break;
    case KP_ARGUMENT_OUT_BYTES:
        printf("writes up to ");
        print_count(argument, "bytes");
        break;
    case KP_ARGUMENT_IN:
        printf("reads ");
        print_count(argument, "of it");
        break;
    case KP_ARGUMENT_OUT:
        printf("writes up to ");
        print_count(argument, "of it");
        break;
    case KP_ARGUMENT_INOUT:
        printf("reads and writes ");
        print_count(argument, "of it");
        break;
    case KP_ARGUMENT_OUT_OR_NONE:
        printf("writes one, or 0: not wanted");
        break;
    case KP_ARGUMENT_IN_HANDLES:
        printf("reads ");
        print_count(argument, "handles, each a ");
        print_handle(argument);
        break;
    case KP_ARGUMENT_OUT_HANDLES:
        printf("writes up to ");
        print_count(argument, "new handles");
        break;
    case KP_ARGUMENT_COUNT:
        printf("at most %s", argument->limit_name);
        break;
    case KP_ARGUMENT_NUMBER:
        if ((int64_t)argument->minimum < 0)
            printf("any");
        else if (argument->maximum >= INT64_MAX)
            printf("at least %llu", (unsigned long long)argument->minimum);
        else
            printf("%llu to %llu", (unsigned long long)argument->minimum,
                   (unsigned long long)argument->maximum);
        break;
    case KP_ARGUMENT_FLAGS:
        printf("bits of ");
        print_bits(argument->limit_name, "");
        break;
    case KP_ARGUMENT_PAGE_OFFSET:
    case KP_ARGUMENT_PAGE_LENGTH:
        printf("multiple of the page size");
        break;
    case KP_ARGUMENT_PAGE_ADDRESS:
        printf("page-aligned place in linear memory");
        break;
    case KP_ARGUMENT_WORD:
        printf("place of the word in linear memory");
        break;
    case KP_ARGUMENT_TEXT:
        printf("text with its 0, %llu bytes", (unsigned long long)argument->maximum);
        break;
    case KP_ARGUMENT_DEADLINE:
        printf("absolute ns, KP_TIME_INFINITE or KP_TIME_POLL");
        break;
    default:
        break;
    }
}

static void print_call(const kp_call_entry_t *call)
{
    printf("\n## %s\n\n`%s kp_%s(", call->name, result_type(call->result), call->name);
    for (const kp_argument_t *argument = call->arguments; argument->kind; argument++) {
        if (argument != call->arguments)
            printf(", ");
        print_parameter(argument);
    }
    if (!call->arguments[0].kind)
        printf("void");
    printf(")`: call %u; %s.\n\n%s\n", (unsigned)call->number, result_text(call->result),
           call->documentation);
    if (!call->arguments[0].kind)
        return;
    printf("\n| argument | |\n| --- | --- |\n");
    for (const kp_argument_t *argument = call->arguments; argument->kind; argument++) {
        printf("| `%s` | ", argument->name);
        print_argument_text(argument);
        printf(" |\n");
        for (size_t i = 0; i < COUNT(kp_call_fields); i++) {
            const kp_call_field_t *field = &kp_call_fields[i];
            if (field->call != call->number || strcmp(field->argument, argument->name) != 0)
                continue;
            printf("| `%s->%s` | ", argument->name, field->field.name);
            print_argument_text(&field->field);
            printf(" |\n");
        }
    }
}

int main(void)
{
    printf("# System calls\n\n"
           "Written by `make docs/calls.md` from `abi/calls.def`: edit that. Programs include\n"
           "`runtime/program/kp.h`. Errors that any call may give are in `abi/calls.h`, all of "
           "them in\n"
           "`abi/status.def`.\n");
    for (size_t i = 0; i < COUNT(kp_call_table); i++)
        print_call(&kp_call_table[i]);
    return 0;
}
