/* A small JSON reader for wast2json's files: the whole text becomes a tree. */
#ifndef KP_RUNTIME_TEST_SPEC_JSON_H
#define KP_RUNTIME_TEST_SPEC_JSON_H

#include <stdbool.h>
#include <stddef.h>

typedef enum kp_json_kind {
    KP_JSON_NULL,
    KP_JSON_FALSE,
    KP_JSON_TRUE,
    KP_JSON_NUMBER, /* text: as written */
    KP_JSON_STRING, /* text: UTF-8 with escapes resolved; may hold NUL bytes */
    KP_JSON_ARRAY,
    KP_JSON_OBJECT,
} kp_json_kind_t;

typedef struct kp_json {
    kp_json_kind_t kind;
    char *key; /* of an object's member */
    char *text;
    size_t length;
    struct kp_json *child; /* the first item or member */
    struct kp_json *next;
} kp_json_t;

/* NULL: malformed, nested deeper than 64 levels, or no memory. The tree is freed by kp_json_free. */
kp_json_t *kp_json_parse(const char *text, size_t size);
void kp_json_free(kp_json_t *json);

/* The member of that name, or NULL; object may be NULL. */
const kp_json_t *kp_json_member(const kp_json_t *object, const char *key);
/* Its text, "" when there is none. */
const char *kp_json_text(const kp_json_t *object, const char *key);

#endif
