/* printf's d i u x X p s c %, flags 0 - + and space, width, precision (strings and numbers),
   lengths hh h l ll z. No floating point. */
#include "kernel/base/base.h"

typedef struct output {
    char *to;
    size_t size, length; /* length: what it would have been */
} output_t;

typedef struct spec {
    bool left, zero, plus, space, upper;
    size_t width;
    size_t precision;
    bool has_precision;
} spec_t;

static void put(output_t *out, char c)
{
    if (out->length + 1 < out->size)
        out->to[out->length] = c;
    out->length++;
}

static void put_repeated(output_t *out, char c, size_t count)
{
    while (count-- > 0)
        put(out, c);
}

static void put_text(output_t *out, const spec_t *spec, const char *text)
{
    size_t length = 0;
    if (!text)
        text = "(null)";
    while ((!spec->has_precision || length < spec->precision) && text[length])
        length++;
    size_t pad = spec->width > length ? spec->width - length : 0;
    if (!spec->left)
        put_repeated(out, ' ', pad);
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
    if (spec->left)
        put_repeated(out, ' ', pad);
}

static void put_number(output_t *out, const spec_t *spec, uint64_t value, unsigned base,
                       const char *sign)
{
    char digits[24];
    size_t count = 0;
    const char *symbols = spec->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    for (; value > 0; value /= base)
        digits[count++] = symbols[value % base];
    size_t least = spec->has_precision ? spec->precision : 1;
    size_t zeroes = least > count ? least - count : 0;
    size_t length = strlen(sign) + zeroes + count;
    size_t pad = spec->width > length ? spec->width - length : 0;
    if (spec->zero && !spec->left && !spec->has_precision) {
        zeroes += pad;
        pad = 0;
    }
    if (!spec->left)
        put_repeated(out, ' ', pad);
    while (*sign)
        put(out, *sign++);
    put_repeated(out, '0', zeroes);
    while (count > 0)
        put(out, digits[--count]);
    if (spec->left)
        put_repeated(out, ' ', pad);
}

static const char *read_count(const char *format, size_t *count, va_list *arguments, bool *negative)
{
    *count = 0;
    if (*format == '*') {
        int value = va_arg(*arguments, int);
        *negative = value < 0;
        *count = value < 0 ? 0u - (unsigned)value : (unsigned)value;
        return format + 1;
    }
    for (; *format >= '0' && *format <= '9'; format++)
        if (*count < 100000)
            *count = *count * 10 + (size_t)(*format - '0');
    return format;
}

static const char *read_spec(const char *format, spec_t *spec, va_list *arguments)
{
    for (;; format++) {
        if (*format == '-')
            spec->left = true;
        else if (*format == '0')
            spec->zero = true;
        else if (*format == '+')
            spec->plus = true;
        else if (*format == ' ')
            spec->space = true;
        else if (*format != '#')
            break;
    }
    bool negative = false;
    format = read_count(format, &spec->width, arguments, &negative);
    spec->left |= negative;
    if (*format == '.') {
        negative = false;
        format = read_count(format + 1, &spec->precision, arguments, &negative);
        spec->has_precision = !negative;
    }
    return format;
}

static int64_t take_signed(va_list *arguments, unsigned longs)
{
    if (longs >= 2)
        return va_arg(*arguments, long long);
    return longs ? va_arg(*arguments, long) : va_arg(*arguments, int);
}

static uint64_t take_unsigned(va_list *arguments, unsigned longs)
{
    if (longs >= 2)
        return va_arg(*arguments, unsigned long long);
    return longs ? va_arg(*arguments, unsigned long) : va_arg(*arguments, unsigned);
}

static void convert(output_t *out, spec_t *spec, char kind, unsigned longs, unsigned shorts,
                    va_list *arguments)
{
    switch (kind) {
    case 'd':
    case 'i': {
        int64_t value = take_signed(arguments, longs);
        if (shorts)
            value = shorts == 1 ? (short)value : (signed char)value;
        put_number(out, spec, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10,
                   value < 0     ? "-"
                   : spec->plus  ? "+"
                   : spec->space ? " "
                                 : "");
        break;
    }
    case 'u':
    case 'x':
    case 'X': {
        uint64_t value = take_unsigned(arguments, longs);
        if (shorts)
            value = shorts == 1 ? (unsigned short)value : (unsigned char)value;
        spec->upper = kind == 'X';
        put_number(out, spec, value, kind == 'u' ? 10 : 16, "");
        break;
    }
    case 'p':
        put_number(out, spec, (uint64_t)(uintptr_t)va_arg(*arguments, void *), 16, "0x");
        break;
    case 'c': {
        const char text[2] = {(char)va_arg(*arguments, int), 0};
        put_text(out, spec, text);
        break;
    }
    case 's':
        put_text(out, spec, va_arg(*arguments, const char *));
        break;
    default: /* "%%", and what we do not know is shown as it is */
        put(out, kind);
        break;
    }
}

int kp_vsnprintf(char *to, size_t size, const char *format, va_list arguments)
{
    output_t out = {to, size, 0};
    va_list list;
    va_copy(list, arguments);
    while (*format) {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        spec_t spec = {0};
        unsigned longs = 0, shorts = 0;
        format = read_spec(format + 1, &spec, &list);
        for (;; format++) {
            if (*format == 'l')
                longs++;
            else if (*format == 'z' || *format == 't')
                longs = 1;
            else if (*format == 'j')
                longs = 2;
            else if (*format == 'h')
                shorts++;
            else
                break;
        }
        if (!*format)
            break;
        convert(&out, &spec, *format++, longs, shorts, &list);
    }
    va_end(list);
    if (size > 0)
        to[KP_MIN(out.length, size - 1)] = 0;
    return (int)out.length;
}

int kp_snprintf(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = kp_vsnprintf(to, size, format, arguments);
    va_end(arguments);
    return length;
}
