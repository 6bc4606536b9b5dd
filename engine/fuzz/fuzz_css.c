/* Style sheets, declarations and media queries without a page. */
#include <stdlib.h>

#include "engine/css/sheet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    kp_css_atoms_t atoms = {0};
    kp_css_sheet_t *sheet = NULL;
    kp_css_viewport_t viewport = {800, 600, 1};
    const char *text = (const char *)data;
    if (size > 1u << 16)
        return 0;
    if (kp_css_sheet_parse(text, size, "http://h/d/", &atoms, size & 1, &sheet) == KP_OK) {
        for (uint32_t i = 1; i < sheet->media_count; i++)
            kp_css_sheet_media_matches(sheet, i, &viewport);
        kp_css_sheet_destroy(sheet);
    }
    kp_css_media_matches(text, size, &viewport);
    kp_arena_t arena = {0};
    kp_css_declarations_t declarations = {0};
    kp_css_context_t context = {.arena = &arena, .atoms = &atoms, .base_url = "http://h/"};
    kp_css_parse_declarations(&context, text, size, &declarations);
    free(declarations.items);
    uint32_t color;
    kp_css_color_legacy(text, size, &color);
    kp_arena_clear(&arena);
    kp_css_atoms_clear(&atoms);
    return 0;
}
