#include "tools/kpio/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/kpio/kpio.h"

/* Decimal digits only, whole text up to `end`. */
static bool parse_number(const char *text, const char *end, const kp_option_t *option,
                         uint32_t *value)
{
    uint64_t number = 0;
    if (text == end)
        return false;
    for (; text != end; text++) {
        if (*text < '0' || *text > '9' || number > UINT32_MAX)
            return false;
        number = number * 10 + (uint64_t)(*text - '0');
    }
    *value = (uint32_t)number;
    return number >= option->minimum && number <= option->maximum;
}

static bool store(const kp_option_t *option, const char *value)
{
    const char *end = value + strlen(value);
    if (option->kind == KP_OPTION_TEXT) {
        *(const char **)option->target = value;
        return true;
    }
    if (option->kind == KP_OPTION_LIST) {
        kp_option_list_t *list = option->target;
        if (list->count < KP_OPTION_LIST_MAX) {
            list->items[list->count++] = value;
            return true;
        }
        kp_kpio_say("%s may be given %d times", option->name, KP_OPTION_LIST_MAX);
        return false;
    }
    if (option->kind == KP_OPTION_NUMBER) {
        if (parse_number(value, end, option, option->target))
            return true;
        kp_kpio_say("%s takes a number from %u to %u, not \"%s\"", option->name, option->minimum,
                    option->maximum, value);
        return false;
    }
    uint32_t *size = option->target;
    const char *cross = strchr(value, 'x');
    if (cross && parse_number(value, cross, option, &size[0]) &&
        parse_number(cross + 1, end, option, &size[1]))
        return true;
    kp_kpio_say("%s takes WIDTHxHEIGHT, each from %u to %u, not \"%s\"", option->name,
                option->minimum, option->maximum, value);
    return false;
}

static const kp_option_t *find(const kp_option_set_t *set, const char *argument, const char **value)
{
    *value = NULL;
    for (size_t i = 0; i < set->count; i++) {
        const kp_option_t *option = &set->options[i];
        size_t length = strlen(option->name);
        if (strncmp(argument, option->name, length) == 0 &&
            (argument[length] == '\0' || argument[length] == '=')) {
            *value = argument[length] == '=' ? argument + length + 1 : NULL;
            return option;
        }
        if (option->letter && argument[0] == '-' && argument[1] == option->letter &&
            argument[2] == '\0')
            return option;
    }
    return NULL;
}

int kp_options_parse(const kp_option_set_t *set, int count, char **arguments, bool *help)
{
    int positional = 0;
    bool ended = false;
    *help = false;
    for (int i = 0; i < count; i++) {
        char *argument = arguments[i];
        if (ended || argument[0] != '-' || argument[1] == '\0') {
            arguments[positional++] = argument;
            continue;
        }
        if (strcmp(argument, "--") == 0) {
            ended = true;
            continue;
        }
        if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            *help = true;
            return positional;
        }
        const char *value;
        const kp_option_t *option = find(set, argument, &value);
        if (!option) {
            kp_kpio_say("unknown option %s; see %.*s --help", argument,
                        (int)strcspn(set->usage + 5, " ") + 5, set->usage);
            return -1;
        }
        if (option->kind == KP_OPTION_FLAG) {
            if (value) {
                kp_kpio_say("%s takes no value", option->name);
                return -1;
            }
            *(bool *)option->target = true;
            continue;
        }
        if (!value && i + 1 < count)
            value = arguments[++i];
        if (!value) {
            kp_kpio_say("%s needs a value (%s)", option->name, option->value);
            return -1;
        }
        if (!store(option, value))
            return -1;
    }
    return positional;
}

void kp_options_help(const kp_option_set_t *set)
{
    printf("usage: %s\n\n%s\n\n", set->usage, set->about);
    for (size_t i = 0; i < set->count; i++) {
        const kp_option_t *option = &set->options[i];
        char left[64], letter[8] = "";
        if (option->letter)
            snprintf(letter, sizeof letter, "-%c, ", option->letter);
        snprintf(left, sizeof left, "%s%s%s%s", letter, option->name, option->value ? " " : "",
                 option->value ? option->value : "");
        printf("  %-26s %s\n", left, option->help);
    }
    printf("  %-26s %s\n", "-h, --help", "this text");
}
