#include "kernel/init/command_line.h"

#define WORD_MAX 256u /* the kernel's own options are short; longer words are cut */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool kp_command_line_next(const char **position, char *word, size_t size)
{
    const char *at = *position;
    while (is_blank(*at))
        at++;
    if (!*at) {
        *position = at;
        return false;
    }
    bool quoted = false;
    size_t length = 0;
    for (; *at && (quoted || !is_blank(*at)); at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (length + 1 < size)
            word[length++] = *at;
    }
    word[length] = 0;
    *position = at;
    return true;
}

bool kp_command_line_get(const char *line, const char *key, char *value, size_t size)
{
    char word[WORD_MAX];
    size_t key_length = strlen(key);
    bool found = false;
    value[0] = 0;
    while (kp_command_line_next(&line, word, sizeof(word))) {
        if (strncmp(word, key, key_length) != 0 || word[key_length] != '=')
            continue;
        const char *text = word + key_length + 1;
        size_t length = KP_MIN(strlen(text), size - 1);
        memcpy(value, text, length);
        value[length] = 0;
        found = true;
    }
    return found;
}

bool kp_command_line_is(const char *line, const char *key, const char *value)
{
    char actual[64];
    return kp_command_line_get(line, key, actual, sizeof(actual)) && strcmp(actual, value) == 0;
}
