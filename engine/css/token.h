/* CSS tokens (CSS Syntax 3, section 4) over UTF-8 text. Tokens borrow the text; identifiers and
   strings with escapes are decoded into an arena. */
#ifndef KP_ENGINE_CSS_TOKEN_H
#define KP_ENGINE_CSS_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/arena.h"

typedef enum kp_css_token_type {
    KP_CSS_TOKEN_END,
    KP_CSS_TOKEN_SPACE,
    KP_CSS_TOKEN_IDENT,
    KP_CSS_TOKEN_FUNCTION, /* text: the name without "(" */
    KP_CSS_TOKEN_AT,       /* text: without "@" */
    KP_CSS_TOKEN_HASH,     /* text: without "#" */
    KP_CSS_TOKEN_STRING,
    KP_CSS_TOKEN_URL,
    KP_CSS_TOKEN_BAD,    /* a broken string or url */
    KP_CSS_TOKEN_NUMBER, /* number */
    KP_CSS_TOKEN_PERCENT,
    KP_CSS_TOKEN_DIMENSION,    /* number, text: the unit */
    KP_CSS_TOKEN_DELIM,        /* delim: any other single character, and : ; , ( ) [ ] { } */
    KP_CSS_TOKEN_COMMENT_HTML, /* <!-- or --> */
} kp_css_token_type_t;

typedef struct kp_css_token {
    uint8_t type;
    bool integer; /* NUMBER, DIMENSION: written without . or exponent */
    bool is_id;   /* HASH: its text would be an identifier */
    bool is_signed;
    char delim;          /* 0 unless DELIM */
    uint32_t start, end; /* byte range in the source */
    const char *text;
    uint32_t text_size;
    float number;
} kp_css_token_t;

typedef struct kp_css_lexer {
    const char *text;
    uint32_t size; /* at most KP_CSS_TEXT_MAX */
    uint32_t position;
    kp_arena_t *arena; /* for escapes; may be NULL, then escaped text gives BAD */
} kp_css_lexer_t;

#define KP_CSS_TEXT_MAX (64u << 20)

kp_css_lexer_t kp_css_lexer_init(const char *text, size_t size, kp_arena_t *arena);
void kp_css_lexer_next(kp_css_lexer_t *lexer, kp_css_token_t *out);

/* ASCII case-insensitive comparison of a token's text. */
bool kp_css_token_is(const kp_css_token_t *token, const char *lower_case);
bool kp_css_text_is(const char *text, size_t size, const char *lower_case);

static inline bool kp_css_token_delim(const kp_css_token_t *token, char c)
{
    return token->type == KP_CSS_TOKEN_DELIM && token->delim == c;
}

/* Follows brackets through tokens (zero-initialise): a closing one that does not fit the innermost
   open one is an ordinary token (CSS Syntax 3, 5.4.8). Deeper than this any closing one fits. */
#define KP_CSS_NEST_MAX 256
typedef struct kp_css_nest {
    unsigned depth;
    char closers[KP_CSS_NEST_MAX];
} kp_css_nest_t;

static inline void kp_css_nest_token(kp_css_nest_t *nest, const kp_css_token_t *token)
{
    char c = token->type == KP_CSS_TOKEN_FUNCTION ? '(' : token->delim;
    char closer = (char)(c == '(' ? ')' : c == '[' ? ']' : c == '{' ? '}' : 0);
    if (closer) {
        if (nest->depth < KP_CSS_NEST_MAX)
            nest->closers[nest->depth] = closer;
        nest->depth++;
    } else if (nest->depth && (c == ')' || c == ']' || c == '}')) {
        if (nest->depth > KP_CSS_NEST_MAX || nest->closers[nest->depth - 1] == c)
            nest->depth--;
    }
}

#endif
