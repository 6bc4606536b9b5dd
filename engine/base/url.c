#include "engine/base/url.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/buffer.h"

typedef struct slice {
    const char *at;
    size_t size;
} slice_t;

/* The parts of an absolute URL; parts that are absent have at == NULL. */
typedef struct parts {
    slice_t scheme, authority, path, query, fragment;
} parts_t;

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool slice_is(slice_t slice, const char *text)
{
    size_t i = 0;
    for (; i < slice.size && text[i]; i++) {
        if (lower(slice.at[i]) != text[i])
            return false;
    }
    return i == slice.size && !text[i];
}

static slice_t take_scheme(slice_t *text)
{
    slice_t none = {NULL, 0};
    if (!text->size || !is_alpha(text->at[0]))
        return none;
    for (size_t i = 1; i < text->size; i++) {
        char c = text->at[i];
        if (c == ':') {
            slice_t scheme = {text->at, i};
            text->at += i + 1;
            text->size -= i + 1;
            return scheme;
        }
        if (!is_alpha(c) && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.')
            return none;
    }
    return none;
}

static bool special(slice_t scheme)
{
    return slice_is(scheme, "http") || slice_is(scheme, "https") || slice_is(scheme, "file");
}

static bool is_slash(char c, bool backslash)
{
    return c == '/' || (backslash && c == '\\');
}

/* authority, path, query, fragment of what follows a scheme (or of a relative reference). */
static parts_t split(slice_t text, bool backslash)
{
    parts_t parts = {{0}, {0}, {0}, {0}, {0}};
    const char *hash = text.size ? memchr(text.at, '#', text.size) : NULL;
    if (hash) {
        parts.fragment.at = hash + 1;
        parts.fragment.size = (size_t)(text.at + text.size - hash - 1);
        text.size = (size_t)(hash - text.at);
    }
    const char *question = text.size ? memchr(text.at, '?', text.size) : NULL;
    if (question) {
        parts.query.at = question + 1;
        parts.query.size = (size_t)(text.at + text.size - question - 1);
        text.size = (size_t)(question - text.at);
    }
    if (text.size >= 2 && is_slash(text.at[0], backslash) && is_slash(text.at[1], backslash)) {
        size_t end = 2;
        while (end < text.size && !is_slash(text.at[end], backslash))
            end++;
        parts.authority = (slice_t){text.at + 2, end - 2};
        text.at += end;
        text.size -= end;
    }
    parts.path = text;
    return parts;
}

static const char hex_digits[] = "0123456789ABCDEF";

static void encode(kp_buffer_t *out, slice_t text, const char *also)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c <= 0x20 || c >= 0x7f || strchr(also, c)) {
            kp_buffer_byte(out, '%');
            kp_buffer_byte(out, hex_digits[c >> 4]);
            kp_buffer_byte(out, hex_digits[c & 15]);
        } else {
            kp_buffer_byte(out, (char)c);
        }
    }
}

/* One or two dots, also spelled %2e. */
static int dots(slice_t segment)
{
    int count = 0;
    for (size_t i = 0; i < segment.size; count++) {
        if (segment.at[i] == '.')
            i++;
        else if (segment.size - i >= 3 && segment.at[i] == '%' && segment.at[i + 1] == '2' &&
                 lower(segment.at[i + 2]) == 'e')
            i += 3;
        else
            return 0;
    }
    return count <= 2 ? count : 0;
}

/* Appends path to out (which ends where the path begins, at offset start), segment by segment. */
static void append_path(kp_buffer_t *out, size_t start, slice_t path, bool backslash)
{
    size_t i = 0;
    while (i < path.size && !out->failed) {
        if (is_slash(path.at[i], backslash))
            i++;
        size_t end = i;
        while (end < path.size && !is_slash(path.at[end], backslash))
            end++;
        slice_t segment = {path.at + i, end - i};
        bool last = end == path.size;
        switch (dots(segment)) {
        case 2:
            while (out->size > start && out->bytes[--out->size] != '/')
                continue;
            if (last)
                kp_buffer_byte(out, '/');
            break;
        case 1:
            if (last)
                kp_buffer_byte(out, '/');
            break;
        default:
            kp_buffer_byte(out, '/');
            encode(out, segment, "\"<>`{}^");
        }
        i = end;
    }
    if (out->size == start)
        kp_buffer_byte(out, '/');
}

/* port: ":" and digits, or nothing. The scheme's own port is left out. */
static bool append_port(kp_buffer_t *out, slice_t scheme, slice_t port)
{
    unsigned number = 0;
    for (size_t i = 1; i < port.size; i++) {
        number = number * 10 + (unsigned)(port.at[i] - '0');
        if (number > 65535)
            return false;
    }
    bool standard = port.size < 2 || (slice_is(scheme, "http") && number == 80) ||
                    (slice_is(scheme, "https") && number == 443);
    if (!standard)
        kp_buffer_format(out, ":%u", number);
    return true;
}

static bool append_authority(kp_buffer_t *out, slice_t scheme, slice_t authority)
{
    const char *at = NULL;
    if (!authority.at)
        authority = (slice_t){"", 0};
    for (size_t i = 0; i < authority.size; i++)
        at = authority.at[i] == '@' ? authority.at + i : at;
    if (at) {
        encode(out, (slice_t){authority.at, (size_t)(at - authority.at)}, "\"<>`{}|^[]/;=");
        kp_buffer_byte(out, '@');
        authority.size -= (size_t)(at + 1 - authority.at);
        authority.at = at + 1;
    }
    size_t host = authority.size;
    for (size_t i = authority.size; i > 0; i--) {
        char c = authority.at[i - 1];
        if (c == ':') {
            host = i - 1;
            break;
        }
        if (c < '0' || c > '9')
            break;
    }
    slice_t port = {authority.at + host, authority.size - host};
    if (host == 0 && (port.size || !slice_is(scheme, "file")))
        return false;
    bool literal = host && authority.at[0] == '['; /* an IPv6 address */
    if (literal && authority.at[host - 1] != ']')
        return false;
    if (host && authority.at[0] == '[' && authority.at[host - 1] != ']')
        return false;
    for (size_t i = 0; i < host; i++) {
        unsigned char c = (unsigned char)authority.at[i];
        /* Names beyond ASCII need IDNA, which is not here: percent-encoding keeps the URL whole and
           the name unresolvable rather than another one. */
        if (c >= 0x80 && !literal)
            kp_buffer_format(out, "%%%02x", c); /* in lower case, like the rest of the host */
        else if (c <= 0x20 || c >= 0x7f || strchr("<>^|\\#?/@", c))
            return false;
        else if (literal ? i && i < host - 1 && hex(authority.at[i]) < 0 && c != ':' && c != '.'
                         : strchr("[]:", c) != NULL)
            return false;
        else
            kp_buffer_byte(out, lower((char)c));
    }
    return append_port(out, scheme, port);
}

static bool build(const char *base, slice_t text, kp_buffer_t *out)
{
    slice_t scheme = take_scheme(&text);
    slice_t base_text = {base, base ? strlen(base) : 0};
    parts_t against = {{0}, {0}, {0}, {0}, {0}};
    if (base) {
        slice_t base_scheme = take_scheme(&base_text);
        against = split(base_text, false);
        against.scheme = base_scheme;
    }
    bool relative = !scheme.at;
    if (scheme.at && special(scheme) && against.scheme.size == scheme.size && base &&
        strncmp(base, scheme.at, scheme.size) == 0 && (!text.size || !is_slash(text.at[0], true)))
        relative = true; /* "http:foo" is a relative reference when the base is http */
    if (relative && !against.scheme.at)
        return false;
    if (relative)
        scheme = against.scheme;
    for (size_t i = 0; i < scheme.size; i++)
        kp_buffer_byte(out, lower(scheme.at[i]));
    kp_buffer_byte(out, ':');
    bool is_special = special(scheme);
    parts_t parts = split(text, is_special);
    if (!is_special && !parts.authority.at && !relative) {
        /* data:, about:, mailto: ...: opaque paths, only encoded where they must be. */
        for (size_t i = 0; i < text.size; i++) {
            unsigned char c = (unsigned char)text.at[i];
            if (c < 0x20 || c >= 0x7f)
                encode(out, (slice_t){text.at + i, 1}, "");
            else
                kp_buffer_byte(out, (char)c);
        }
        return true;
    }
    if (relative && !against.authority.at && !is_special) {
        /* Against an opaque base only a fragment makes sense. */
        if (parts.path.size || parts.query.at || !parts.fragment.at)
            return false;
        kp_buffer_append(out, base_text.at, against.path.size);
        if (against.query.at) {
            kp_buffer_byte(out, '?');
            kp_buffer_append(out, against.query.at, against.query.size);
        }
    } else {
        bool own_authority = !relative || parts.authority.at;
        slice_t authority = own_authority ? parts.authority : against.authority;
        if (!relative && is_special && !parts.authority.at && !slice_is(scheme, "file")) {
            /* "http:/host" and "http:host": slashes are forgiven. */
            size_t skip = 0, end;
            while (skip < parts.path.size && is_slash(parts.path.at[skip], true))
                skip++;
            for (end = skip; end < parts.path.size && !is_slash(parts.path.at[end], true); end++)
                continue;
            authority = (slice_t){parts.path.at + skip, end - skip};
            parts.path.at += end;
            parts.path.size -= end;
        }
        kp_buffer_text(out, "//");
        if (!append_authority(out, scheme, authority))
            return false;
        size_t start = out->size;
        bool keeps_query = false;
        if (own_authority || (parts.path.size && is_slash(parts.path.at[0], is_special))) {
            append_path(out, start, parts.path, is_special);
        } else if (!parts.path.size) {
            append_path(out, start, against.path, is_special);
            keeps_query = !parts.query.at;
        } else {
            size_t directory = against.path.size;
            while (directory && against.path.at[directory - 1] != '/')
                directory--;
            kp_buffer_t joined = {0};
            kp_buffer_append(&joined, against.path.at, directory);
            if (!directory)
                kp_buffer_byte(&joined, '/');
            kp_buffer_append(&joined, parts.path.at, parts.path.size);
            append_path(out, start, (slice_t){joined.bytes, joined.size}, is_special);
            out->failed |= joined.failed;
            kp_buffer_clear(&joined);
        }
        slice_t query = keeps_query ? against.query : parts.query;
        if (query.at) {
            kp_buffer_byte(out, '?');
            encode(out, query, "\"<>'");
        }
    }
    if (parts.fragment.at) {
        kp_buffer_byte(out, '#');
        encode(out, parts.fragment, "\"<>`");
    }
    return true;
}

char *kp_url_resolve(const char *base, const char *text, size_t size)
{
    kp_buffer_t clean = {0}, out = {0};
    if (size > KP_URL_SIZE_MAX)
        return NULL;
    while (size && (unsigned char)text[0] <= 0x20)
        text++, size--;
    while (size && (unsigned char)text[size - 1] <= 0x20)
        size--;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\t' && text[i] != '\n' && text[i] != '\r')
            kp_buffer_byte(&clean, text[i]);
    }
    bool ok = build(base, (slice_t){clean.bytes ? clean.bytes : "", clean.size}, &out);
    kp_buffer_byte(&out, 0);
    ok = ok && !clean.failed && !out.failed;
    kp_buffer_clear(&clean);
    if (!ok)
        kp_buffer_clear(&out);
    return out.bytes;
}

void kp_url_free(char *url)
{
    free(url);
}

size_t kp_url_size_without_fragment(const char *url)
{
    return strcspn(url, "#");
}

const char *kp_url_fragment(const char *url)
{
    const char *hash = strchr(url, '#');
    return hash ? hash + 1 : NULL;
}

bool kp_url_same_document(const char *a, const char *b)
{
    size_t size = kp_url_size_without_fragment(a);
    return size == kp_url_size_without_fragment(b) && memcmp(a, b, size) == 0;
}

bool kp_url_has_scheme(const char *url, const char *scheme)
{
    size_t size = strlen(scheme);
    return strncmp(url, scheme, size) == 0 && url[size] == ':';
}

static int base64(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool kp_url_data(const char *url, unsigned char **out, size_t *size, char *type, size_t type_size)
{
    kp_buffer_t body = {0};
    if (!kp_url_has_scheme(url, "data"))
        return false;
    const char *head = url + 5, *comma = strchr(head, ',');
    if (!comma)
        return false;
    size_t head_size = (size_t)(comma - head);
    bool coded = head_size >= 7 && memcmp(comma - 7, ";base64", 7) == 0;
    size_t copy = head_size - (coded ? 7 : 0);
    if (copy >= type_size)
        copy = type_size - 1;
    memcpy(type, head, copy);
    type[copy] = 0;
    uint32_t bits = 0;
    int bit_count = 0;
    for (const char *at = comma + 1; *at && *at != '#'; at++) {
        char c = *at;
        if (c == '%' && hex(at[1]) >= 0 && hex(at[2]) >= 0) {
            c = (char)(hex(at[1]) * 16 + hex(at[2]));
            at += 2;
        }
        if (!coded) {
            kp_buffer_byte(&body, c);
        } else if (base64(c) >= 0) {
            bits = bits << 6 | (uint32_t)base64(c);
            bit_count += 6;
            if (bit_count >= 8) {
                bit_count -= 8;
                kp_buffer_byte(&body, (char)(bits >> bit_count));
            }
        } else if (c != '=' && (unsigned char)c > 0x20) {
            kp_buffer_clear(&body);
            return false;
        }
    }
    kp_buffer_byte(&body, 0); /* never an empty allocation */
    if (body.failed) {
        kp_buffer_clear(&body);
        return false;
    }
    *out = (unsigned char *)body.bytes;
    *size = body.size - 1;
    return true;
}
