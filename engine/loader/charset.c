#include "engine/loader/internal.h"

#include <string.h>
#include <strings.h>


/* Length of the character that starts here when it is valid UTF-8 and whole; 0: invalid; -1: valid
   so far but cut off. (Unicode 15, table 3-7.) */
static int utf8_length(const uint8_t *at, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    int length;
    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf) {
        length = 2;
    } else if (at[0] >= 0xe0 && at[0] <= 0xef) {
        length = 3;
        low = at[0] == 0xe0 ? 0xa0 : 0x80;
        high = at[0] == 0xed ? 0x9f : 0xbf;
    } else if (at[0] >= 0xf0 && at[0] <= 0xf4) {
        length = 4;
        low = at[0] == 0xf0 ? 0x90 : 0x80;
        high = at[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= left)
            return -1;
        if (at[i] < low || at[i] > high)
            return 0;
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

static bool is_utf8(const uint8_t *bytes, size_t size)
{
    size_t at = 0;
    while (at < size) {
        int length = utf8_length(bytes + at, size - at);
        if (length == 0)
            return false;
        if (length < 0)
            return true;
        at += (size_t)length;
    }
    return true;
}

static const lxb_encoding_data_t *by_name(const char *name, size_t size)
{
    return lxb_encoding_data_by_pre_name((const lxb_char_t *)name, size);
}

/* The charset of a <meta> in the first bytes: `charset=NAME`, quoted or not, inside a meta tag. */
static const lxb_encoding_data_t *prescan(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes;
    size_t tag_end = 0;
    for (size_t i = 0; i + 8 < size; i++) {
        if (text[i] == '<' && strncasecmp(text + i, "<meta", 5) == 0) {
            const char *end = memchr(text + i, '>', size - i);
            tag_end = end ? (size_t)(end - text) : size;
        }
        if (i >= tag_end || strncasecmp(text + i, "charset", 7) != 0)
            continue;
        size_t at = i + 7;
        while (at < tag_end && strchr(" \t\r\n\f", text[at]))
            at++;
        if (at >= tag_end || text[at] != '=')
            continue;
        at++;
        while (at < tag_end && strchr(" \t\r\n\f\"'", text[at]))
            at++;
        size_t start = at;
        while (at < tag_end && !strchr(" \t\r\n\f\"';>/", text[at]))
            at++;
        const lxb_encoding_data_t *found = by_name(text + start, at - start);
        if (found)
            return found;
    }
    return NULL;
}

void kp_charset_detect(kp_charset_t *charset, const char *headers_charset, size_t name_size,
                       const uint8_t *bytes, size_t size)
{
    const lxb_encoding_data_t *found = NULL;
    memset(charset, 0, sizeof *charset);
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0)
        return;
    if (size >= 2 && (memcmp(bytes, "\xff\xfe", 2) == 0 || memcmp(bytes, "\xfe\xff", 2) == 0))
        found = lxb_encoding_data(bytes[0] == 0xff ? LXB_ENCODING_UTF_16LE : LXB_ENCODING_UTF_16BE);
    if (!found && name_size > 0)
        found = by_name(headers_charset, name_size);
    if (!found) {
        found = prescan(bytes, size);
        /* A <meta> that could be read is not in UTF-16. */
        if (found &&
            (found->encoding == LXB_ENCODING_UTF_16LE || found->encoding == LXB_ENCODING_UTF_16BE))
            return;
    }
    if (!found && !is_utf8(bytes, size))
        found = lxb_encoding_data(LXB_ENCODING_WINDOWS_1252);
    if (!found || found->encoding == LXB_ENCODING_UTF_8)
        return;
    charset->encoding = found;
    lxb_encoding_decode_init(&charset->decode, found, charset->points,
                             sizeof charset->points / sizeof charset->points[0]);
    static const lxb_codepoint_t replacement[] = {0xfffd};
    lxb_encoding_decode_replace_set(&charset->decode, replacement, 1);
}

static void drain(kp_charset_t *charset, kp_buffer_t *out)
{
    size_t count = lxb_encoding_decode_buf_used(&charset->decode);
    for (size_t i = 0; i < count; i++) {
        if (charset->started || charset->points[i] != 0xfeff)
            kp_buffer_codepoint(out, charset->points[i]);
        charset->started = true;
    }
    lxb_encoding_decode_buf_used_set(&charset->decode, 0);
}

static void decode_legacy(kp_charset_t *charset, const uint8_t *bytes, size_t size, bool last,
                          kp_buffer_t *out)
{
    const lxb_char_t *at = bytes, *end = bytes + size;
    while (at < end) {
        const lxb_char_t *before = at;
        lxb_status_t status = charset->encoding->decode(&charset->decode, &at, end);
        bool progress = at > before || lxb_encoding_decode_buf_used(&charset->decode) > 0;
        drain(charset, out);
        if (status != LXB_STATUS_SMALL_BUFFER || !progress)
            break;
    }
    if (last) {
        lxb_encoding_decode_finish(&charset->decode);
        drain(charset, out);
    }
}

static void decode_utf8(kp_charset_t *charset, const uint8_t *bytes, size_t size, bool last,
                        kp_buffer_t *out)
{
    size_t at = 0;
    /* Complete the character that the last bytes began. */
    while (charset->held_size > 0 && at < size) {
        charset->held[charset->held_size] = bytes[at];
        int length = utf8_length(charset->held, charset->held_size + 1);
        if (length == 0) {
            kp_buffer_codepoint(out, 0xfffd);
            charset->held_size = 0;
            break; /* the new byte starts afresh */
        }
        at++;
        charset->held_size++;
        if (length > 0) {
            kp_buffer_append(out, charset->held, (size_t)length);
            charset->held_size = 0;
        }
    }
    while (at < size) {
        size_t run = at;
        int length = 1;
        while (run < size && (length = utf8_length(bytes + run, size - run)) > 0)
            run += (size_t)length;
        kp_buffer_append(out, bytes + at, run - at);
        at = run;
        if (at >= size)
            break;
        if (length < 0) {
            charset->held_size = size - at;
            memcpy(charset->held, bytes + at, charset->held_size);
            break;
        }
        kp_buffer_codepoint(out, 0xfffd);
        at++;
        /* The rest of a broken sequence is part of the same error. */
        while (at < size && (bytes[at] & 0xc0) == 0x80)
            at++;
    }
    if (last && charset->held_size > 0) {
        kp_buffer_codepoint(out, 0xfffd);
        charset->held_size = 0;
    }
}

void kp_charset_decode(kp_charset_t *charset, const uint8_t *bytes, size_t size, bool last,
                       kp_buffer_t *out)
{
    if (charset->encoding) {
        decode_legacy(charset, bytes, size, last, out);
        return;
    }
    if (!charset->started && size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        bytes += 3;
        size -= 3;
    }
    charset->started = charset->started || size > 0;
    decode_utf8(charset, bytes, size, last, out);
}
