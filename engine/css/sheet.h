/* A parsed style sheet: rules with their selectors and declarations, @media groups, @import
   addresses. Immutable after parsing; owns its arena. */
#ifndef KP_ENGINE_CSS_SHEET_H
#define KP_ENGINE_CSS_SHEET_H

#include "engine/css/selector.h"

typedef struct kp_css_rule {
    const kp_css_selector_t *selectors;
    const kp_css_declaration_t *declarations;
    uint32_t declaration_count;
    uint32_t media; /* index into kp_css_sheet_t.media, 0: none */
} kp_css_rule_t;

/* A condition on the way from the sheet to a rule; parents first. */
typedef struct kp_css_media {
    const char *text;
    uint32_t size;
    uint32_t parent; /* index, 0: none */
} kp_css_media_t;

typedef struct kp_css_import {
    const char *url; /* absolute */
    uint32_t media;
} kp_css_import_t;

typedef struct kp_css_sheet {
    kp_arena_t arena;
    kp_css_rule_t *rules;
    size_t rule_count;
    kp_css_media_t *media;
    size_t media_count; /* [0] is unused */
    kp_css_import_t *imports;
    size_t import_count;
    size_t rule_capacity, media_capacity, import_capacity;
} kp_css_sheet_t;

/* text need not outlive the call. base_url: what url() and @import are relative to. Damaged text
   gives what is valid in it; only ERR_NO_MEMORY and ERR_TOO_LARGE fail. */
kp_status_t kp_css_sheet_parse(const char *text, size_t size, const char *base_url,
                               kp_css_atoms_t *atoms, bool quirks, kp_css_sheet_t **out);
void kp_css_sheet_destroy(kp_css_sheet_t *sheet);

typedef struct kp_css_viewport {
    float width, height; /* CSS px */
    float scale;         /* device px per CSS px */
} kp_css_viewport_t;

/* Evaluates a media query list ("screen and (min-width: 10em), print"). */
bool kp_css_media_matches(const char *text, size_t size, const kp_css_viewport_t *viewport);
bool kp_css_sheet_media_matches(const kp_css_sheet_t *sheet, uint32_t media,
                                const kp_css_viewport_t *viewport);

#endif
