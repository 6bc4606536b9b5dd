#include "shell/url_fixup.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Length of the scheme before the colon, 0 when there is none. */
static size_t scheme_length(const char *text, size_t size)
{
    if (size == 0 || !is_letter(text[0]))
        return 0;
    for (size_t i = 1; i < size; i++) {
        if (text[i] == ':')
            return i;
        if (!is_letter(text[i]) && !is_digit(text[i]) && !strchr("+-.", text[i]))
            return 0;
    }
    return 0;
}

/* "host:8080", "host:8080/x": what follows the colon is a port, so what precedes is no scheme. */
static bool is_port(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size && is_digit(text[i]))
        i++;
    return i > 0 && i <= 5 && (i == size || strchr("/?#", text[i]));
}

static bool is_control(char c)
{
    return (uint8_t)c < 0x20 || c == 0x7f;
}

/* Appends without control characters, spaces as %20. */
static bool append(char *out, size_t *used, const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char *piece = text[i] == ' ' ? "%20" : text + i;
        size_t length = text[i] == ' ' ? 3 : 1;
        if (is_control(text[i]))
            continue;
        if (*used + length >= KP_SHELL_URL_MAX)
            return false;
        memcpy(out + *used, piece, length);
        *used += length;
    }
    out[*used] = 0;
    return true;
}

static void trim(const char **text, size_t *size)
{
    while (*size > 0 && ((*text)[0] == ' ' || is_control((*text)[0]))) {
        (*text)++;
        (*size)--;
    }
    while (*size > 0 && ((*text)[*size - 1] == ' ' || is_control((*text)[*size - 1])))
        (*size)--;
}

kp_status_t kp_shell_url_fix(const char *typed, size_t size, char out[KP_SHELL_URL_MAX])
{
    size_t used = 0;
    out[0] = 0;
    trim(&typed, &size);
    if (size == 0)
        return KP_ERR_INVALID_ARGUMENT;
    size_t scheme = scheme_length(typed, size);
    bool has_scheme = scheme > 0 && !is_port(typed + scheme + 1, size - scheme - 1);
    const char *prefix = "";
    if (!has_scheme)
        prefix = size >= 2 && typed[0] == '/' && typed[1] == '/' ? "http:" : "http://";
    if (!append(out, &used, prefix, strlen(prefix)) || !append(out, &used, typed, size)) {
        out[0] = 0;
        return KP_ERR_TOO_LARGE;
    }
    return KP_OK;
}

kp_status_t kp_shell_url_take(const char *text, size_t size, char out[KP_SHELL_URL_MAX])
{
    out[0] = 0;
    if (size >= KP_SHELL_URL_MAX)
        return KP_ERR_TOO_LARGE;
    if (scheme_length(text, size) == 0)
        return KP_ERR_INVALID_ARGUMENT;
    for (size_t i = 0; i < size; i++) {
        if (is_control(text[i]))
            return KP_ERR_INVALID_ARGUMENT;
    }
    memcpy(out, text, size);
    out[size] = 0;
    return KP_OK;
}

bool kp_shell_url_has_scheme(const char *url, const char *scheme)
{
    size_t length = scheme_length(url, strlen(url));
    return length == strlen(scheme) && strncasecmp(url, scheme, length) == 0;
}
