/* Specified values and the parsing of declarations into them. A declaration of a shorthand becomes
   declarations of its longhands at once, except when it holds var(): then it stays text until an
   element's custom properties are known. Everything parsed lives in the parser's arena. */
#ifndef KP_ENGINE_CSS_VALUE_H
#define KP_ENGINE_CSS_VALUE_H

#include "abi/status.h"
#include "engine/css/atom.h"
#include "engine/css/style.h"
#include "engine/css/token.h"

typedef enum kp_css_property {
#define KP_CSS_PROPERTY(name, text, inherited, conversion, field, accept, keywords) KP_CSS_##name,
#include "engine/css/properties.def"
#undef KP_CSS_PROPERTY
    KP_CSS_LONGHAND_COUNT,
    KP_CSS_CUSTOM = KP_CSS_LONGHAND_COUNT, /* --name */
    KP_CSS_SHORTHAND_FIRST,                /* index into the shorthand table follows */
} kp_css_property_t;

enum {
    KP_CSS_ACCEPT_LENGTH = 1,
    KP_CSS_ACCEPT_PERCENT = 2,
    KP_CSS_ACCEPT_NUMBER = 4,
    KP_CSS_ACCEPT_INTEGER = 8,
    KP_CSS_ACCEPT_COLOR = 16,
    KP_CSS_ACCEPT_SPECIAL = 32, /* its own function in special.c */
    KP_CSS_ACCEPT_URL = 64,
    KP_CSS_ACCEPT_NOT_NEGATIVE = 128,
};

typedef enum kp_css_unit {
    KP_UNIT_NUMBER,
    KP_UNIT_PX, /* all absolute units become px while parsing */
    KP_UNIT_PERCENT,
    KP_UNIT_EM,
    KP_UNIT_REM,
    KP_UNIT_EX,
    KP_UNIT_CH,
    KP_UNIT_VW,
    KP_UNIT_VH,
    KP_UNIT_VMIN,
    KP_UNIT_VMAX,
    KP_UNIT_COUNT
} kp_css_unit_t;

typedef enum kp_css_value_type {
    KP_CSS_VALUE_NONE,
    KP_CSS_VALUE_KEYWORD,
    KP_CSS_VALUE_NUMBER, /* number and unit: lengths, percentages, numbers */
    KP_CSS_VALUE_CALC,   /* pointer: kp_css_calc_t */
    KP_CSS_VALUE_COLOR,
    KP_CSS_VALUE_POINTER, /* what the property's conversion expects */
    KP_CSS_VALUE_TEXT,    /* pointer: kp_css_raw_t, has var() or is a custom property's value */
} kp_css_value_type_t;

typedef struct kp_css_value {
    uint8_t type;
    uint8_t unit;
    uint16_t keyword;
    union {
        float number;
        uint32_t color;
        const void *pointer;
    } as;
} kp_css_value_t;

/* calc(): a linear combination of units; or min, max, clamp over such. */
typedef struct kp_css_calc {
    float factor[KP_UNIT_COUNT];
    uint8_t operation; /* 0: the sum above; 'm' min, 'M' max, 'c' clamp over arguments */
    uint8_t count;
    const struct kp_css_calc *arguments[3];
} kp_css_calc_t;

typedef struct kp_css_raw {
    const char *name; /* CUSTOM: the interned name, with its dashes */
    const char *text;
    uint32_t size;
} kp_css_raw_t;

/* Two values: background-position, background-size, radii, border-spacing. */
typedef struct kp_css_value_pair {
    kp_css_value_t first, second;
} kp_css_value_pair_t;

typedef struct kp_css_stop_value {
    kp_css_value_t color, position; /* position NONE: spread evenly */
} kp_css_stop_value_t;

typedef struct kp_css_image_value {
    kp_css_image_t image;
    const kp_css_stop_value_t *stops;
} kp_css_image_value_t;

typedef struct kp_css_declaration {
    uint16_t property; /* kp_css_property_t, or KP_CSS_SHORTHAND_FIRST + index with a TEXT value */
    bool important;
    kp_css_value_t value;
} kp_css_declaration_t;

typedef struct kp_css_declarations {
    kp_css_declaration_t *items; /* malloc */
    size_t count, capacity;
    bool failed; /* out of memory */
} kp_css_declarations_t;

typedef struct kp_css_context {
    kp_arena_t *arena;
    kp_css_atoms_t *atoms;
    const char *base_url; /* for url(); may be NULL */
    bool quirks;          /* unitless lengths, hash-less colours where allowed */
} kp_css_context_t;

/* Tokens of one value, read forward. */
typedef struct kp_css_cursor {
    const kp_css_context_t *context;
    const kp_css_token_t *tokens; /* ends with END */
    size_t count;                 /* without END */
    size_t at;
    const char *source; /* the text that token offsets refer to */
} kp_css_cursor_t;

/* The next token that is no space, not taken (END at the end). */
const kp_css_token_t *kp_css_cursor_peek(kp_css_cursor_t *cursor);
const kp_css_token_t *kp_css_cursor_take(kp_css_cursor_t *cursor);
bool kp_css_cursor_end(kp_css_cursor_t *cursor);
/* Takes a delimiter if it is the next token. */
bool kp_css_cursor_delim(kp_css_cursor_t *cursor, char c);

/* Keyword of an identifier; NOTHING when it is none. */
kp_css_keyword_t kp_css_keyword_find(const char *text, size_t size);
const char *kp_css_keyword_text(uint16_t keyword);

/* Longhand, shorthand (KP_CSS_SHORTHAND_FIRST + i) or -1. */
int kp_css_property_find(const char *name, size_t size);
const char *kp_css_property_name(int longhand);
bool kp_css_property_inherited(int longhand);
uint32_t kp_css_property_accepts(int longhand);
bool kp_css_property_keyword(int property, uint16_t keyword);

/* Each takes one value if it is there and fits; else takes nothing and gives false. */
bool kp_css_parse_number_value(kp_css_cursor_t *cursor, uint32_t accept, kp_css_value_t *out);
bool kp_css_parse_color(kp_css_cursor_t *cursor, kp_css_value_t *out);
bool kp_css_parse_keyword(kp_css_cursor_t *cursor, int property, kp_css_value_t *out);
bool kp_css_parse_longhand(kp_css_cursor_t *cursor, int property, kp_css_value_t *out);
bool kp_css_parse_special(kp_css_cursor_t *cursor, int property, kp_css_value_t *out);
bool kp_css_parse_image(kp_css_cursor_t *cursor, kp_css_value_t *out);
bool kp_css_parse_position(kp_css_cursor_t *cursor, kp_css_value_t *out);
bool kp_css_parse_shorthand(kp_css_cursor_t *cursor, int shorthand, bool important,
                            kp_css_declarations_t *out);

/* The longhands that a shorthand sets; ends with -1. */
const int16_t *kp_css_shorthand_longhands(int shorthand);

void kp_css_declarations_add(kp_css_declarations_t *out, int property, bool important,
                             kp_css_value_t value);

/* Parses the value of one declaration ("red !important") and adds what it gives; nothing when the
   value is not valid. */
void kp_css_parse_declaration(const kp_css_context_t *context, int property, const char *name,
                              size_t name_size, const char *text, size_t size,
                              kp_css_declarations_t *out);
/* "a: b; c: d": a style attribute or the inside of a rule's braces. */
void kp_css_parse_declarations(const kp_css_context_t *context, const char *text, size_t size,
                               kp_css_declarations_t *out);
/* Tokenises text into a malloc'ed array with END at its end. */
kp_css_token_t *kp_css_tokenize(const kp_css_context_t *context, const char *text, size_t size,
                                size_t *count);

/* Colours by name; false when there is none. */
bool kp_css_color_named(const char *name, size_t size, uint32_t *out);
/* The legacy colour attribute (HTML, "rules for parsing a legacy color value"). */
bool kp_css_color_legacy(const char *text, size_t size, uint32_t *out);

#endif
