/* From style sheets and elements to computed styles. */
#ifndef KP_ENGINE_CSS_CASCADE_H
#define KP_ENGINE_CSS_CASCADE_H

#include "engine/css/sheet.h"

typedef enum kp_css_origin { KP_CSS_ORIGIN_UA, KP_CSS_ORIGIN_AUTHOR } kp_css_origin_t;

typedef struct kp_css_cascade kp_css_cascade_t;

/* Metrics that font-relative units need; implemented by layout over engine/text. */
typedef struct kp_css_font_host {
    void *context;
    /* x-height and advance of "0" of the style's primary font, px. */
    void (*metrics)(void *context, const kp_style_t *style, float *x_height, float *zero_width);
} kp_css_font_host_t;

kp_status_t kp_css_cascade_create(kp_css_atoms_t *atoms, const kp_css_viewport_t *viewport,
                                  const kp_css_font_host_t *fonts, bool quirks,
                                  kp_css_cascade_t **out);
void kp_css_cascade_destroy(kp_css_cascade_t *cascade);

/* In the order of precedence, lowest first. The sheet is borrowed. media: condition on the whole
   sheet (the media attribute), or NULL. */
kp_status_t kp_css_cascade_add_sheet(kp_css_cascade_t *cascade, const kp_css_sheet_t *sheet,
                                     kp_css_origin_t origin);

/* Styles the whole tree below root (the html element): sets style, before, after and marker in each
   element's kp_dom_data_t, which lives in data_arena. base_url: for url() in style attributes. */
kp_status_t kp_css_cascade_apply(kp_css_cascade_t *cascade, kp_node_t *root,
                                 const kp_node_t *target, kp_arena_t *data_arena,
                                 const char *base_url);

/* The style of an anonymous box in a box of this style: inherited properties, the rest initial;
   display as given. NULL: out of memory. Lives as long as the cascade. */
const kp_style_t *kp_css_cascade_anonymous(kp_css_cascade_t *cascade, const kp_style_t *parent,
                                           uint16_t display);
/* A copy to be changed before anyone else sees it. */
kp_style_t *kp_css_cascade_copy(kp_css_cascade_t *cascade, const kp_style_t *style);

/* Style with every property at its initial value. */
void kp_style_initial(kp_style_t *out);

/* ---- inside the module ---- */

/* What conversion to computed values needs (compute.c). */
typedef struct kp_css_compute {
    kp_style_t *style;
    const kp_style_t *parent; /* never NULL: the initial style for the root */
    kp_arena_t *arena;
    const kp_css_viewport_t *viewport;
    const kp_css_font_host_t *fonts;
    float root_font_size;
    bool failed; /* out of memory */
} kp_css_compute_t;

/* Family and size, which everything else depends on, first. NULL: inherited. */
void kp_css_compute_font(kp_css_compute_t *compute, const kp_css_value_t *family,
                         const kp_css_value_t *size);
void kp_css_compute_property(kp_css_compute_t *compute, int property, const kp_css_value_t *value);
/* After all properties: display of floats, border widths without style, ... */
void kp_css_compute_fixup(kp_css_compute_t *compute, bool is_root);

/* Presentational attributes as declarations (hints.c). */
void kp_css_hints(const kp_css_context_t *context, const kp_node_t *element, bool quirks,
                  kp_css_declarations_t *out);

/* The text of a value with every var() replaced, appended to out; false: a reference is invalid. */
bool kp_css_substitute(const kp_css_customs_t *customs, const kp_css_atoms_t *atoms,
                       const char *text, size_t size, kp_buffer_t *out);

/* The user-agent style sheet (ua_css.c). */
extern const char kp_css_ua_text[];
extern const char kp_css_ua_quirks_text[];

#endif
