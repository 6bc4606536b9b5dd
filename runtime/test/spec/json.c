#include "runtime/test/spec/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    const char *at, *end;
    unsigned depth;
} parser_t;

static void skip_space(parser_t *parser)
{
    while (parser->at < parser->end && strchr(" \t\r\n", *parser->at) && *parser->at)
        parser->at++;
}

static bool take(parser_t *parser, char wanted)
{
    skip_space(parser);
    if (parser->at >= parser->end || *parser->at != wanted)
        return false;
    parser->at++;
    return true;
}

static bool hex4(parser_t *parser, uint32_t *value)
{
    *value = 0;
    for (int i = 0; i < 4; i++, parser->at++) {
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *digit =
            parser->at < parser->end && *parser->at ? strchr(digits, *parser->at) : NULL;
        if (!digit)
            return false;
        *value = *value * 16 + (uint32_t)(digit - digits) % 16;
    }
    return true;
}

static size_t put_utf8(char *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        to[0] = (char)(0xc0 | code >> 6);
        to[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        to[0] = (char)(0xe0 | code >> 12);
        to[1] = (char)(0x80 | (code >> 6 & 0x3f));
        to[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | code >> 18);
    to[1] = (char)(0x80 | (code >> 12 & 0x3f));
    to[2] = (char)(0x80 | (code >> 6 & 0x3f));
    to[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static bool parse_escape(parser_t *parser, char *to, size_t *length)
{
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    if (parser->at >= parser->end)
        return false;
    char escape = *parser->at++;
    const char *found = escape ? strchr(names, escape) : NULL;
    if (found) {
        to[(*length)++] = values[found - names];
        return true;
    }
    uint32_t code, low;
    if (escape != 'u' || !hex4(parser, &code))
        return false;
    if (code >= 0xd800 && code < 0xdc00 && parser->end - parser->at >= 6 && parser->at[0] == '\\' &&
        parser->at[1] == 'u') {
        parser->at += 2;
        if (!hex4(parser, &low))
            return false;
        code = 0x10000 + ((code - 0xd800) << 10) + ((low - 0xdc00) & 0x3ff);
    }
    *length += put_utf8(to + *length, code);
    return true;
}

static char *parse_string(parser_t *parser, size_t *length)
{
    if (!take(parser, '"'))
        return NULL;
    const char *close = parser->at;
    while (close < parser->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= parser->end)
        return NULL;
    /* An escape is never shorter than what it stands for. */
    char *text = malloc((size_t)(close - parser->at) + 1);
    *length = 0;
    bool good = text;
    while (good && parser->at < close) {
        char byte = *parser->at++;
        if (byte == '\\')
            good = parse_escape(parser, text, length);
        else
            text[(*length)++] = byte;
    }
    if (!good) {
        free(text);
        return NULL;
    }
    text[*length] = '\0';
    parser->at = close + 1;
    return text;
}

static bool parse_word(parser_t *parser, kp_json_t *json)
{
    const char *begin = parser->at;
    while (parser->at < parser->end && *parser->at && !strchr(" \t\r\n,]}", *parser->at))
        parser->at++;
    json->length = (size_t)(parser->at - begin);
    json->text = strndup(begin, json->length);
    if (!json->text || json->length == 0)
        return false;
    json->kind = strcmp(json->text, "null") == 0    ? KP_JSON_NULL
                 : strcmp(json->text, "true") == 0  ? KP_JSON_TRUE
                 : strcmp(json->text, "false") == 0 ? KP_JSON_FALSE
                                                    : KP_JSON_NUMBER;
    return json->kind != KP_JSON_NUMBER || strchr("-0123456789", json->text[0]);
}

static kp_json_t *parse_value(parser_t *parser);

static bool parse_items(parser_t *parser, kp_json_t *json, char close)
{
    kp_json_t **last = &json->child;
    size_t length;
    if (take(parser, close))
        return true;
    do {
        char *key = NULL;
        if (close == '}' && (!(key = parse_string(parser, &length)) || !take(parser, ':'))) {
            free(key);
            return false;
        }
        *last = parse_value(parser);
        if (!*last) {
            free(key);
            return false;
        }
        (*last)->key = key;
        last = &(*last)->next;
    } while (take(parser, ','));
    return take(parser, close);
}

static kp_json_t *parse_value(parser_t *parser)
{
    kp_json_t *json = calloc(1, sizeof(*json));
    if (!json)
        return NULL;
    skip_space(parser);
    char first = parser->at < parser->end ? *parser->at : '\0';
    bool good = false;
    parser->depth++;
    if (parser->depth > 64) {
        good = false;
    } else if (first == '{' || first == '[') {
        parser->at++;
        json->kind = first == '{' ? KP_JSON_OBJECT : KP_JSON_ARRAY;
        good = parse_items(parser, json, first == '{' ? '}' : ']');
    } else if (first == '"') {
        json->kind = KP_JSON_STRING;
        json->text = parse_string(parser, &json->length);
        good = json->text;
    } else {
        good = parse_word(parser, json);
    }
    parser->depth--;
    if (good)
        return json;
    kp_json_free(json);
    return NULL;
}

kp_json_t *kp_json_parse(const char *text, size_t size)
{
    parser_t parser = {text, text + size, 0};
    kp_json_t *json = parse_value(&parser);
    skip_space(&parser);
    if (json && parser.at == parser.end)
        return json;
    kp_json_free(json);
    return NULL;
}

void kp_json_free(kp_json_t *json)
{
    while (json) {
        kp_json_t *next = json->next;
        kp_json_free(json->child);
        free(json->key);
        free(json->text);
        free(json);
        json = next;
    }
}

const kp_json_t *kp_json_member(const kp_json_t *object, const char *key)
{
    if (!object || object->kind != KP_JSON_OBJECT)
        return NULL;
    for (const kp_json_t *member = object->child; member; member = member->next) {
        if (strcmp(member->key, key) == 0)
            return member;
    }
    return NULL;
}

const char *kp_json_text(const kp_json_t *object, const char *key)
{
    const kp_json_t *member = kp_json_member(object, key);
    return member && member->text ? member->text : "";
}
