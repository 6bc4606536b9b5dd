/* Shelf packing: glyphs of like height share a row of the atlas. */
#include "engine/text/internal.h"

#define SIDE_FIRST 256u /* the first atlas is small: most pages need no more */
#define SIDE_SECOND 512u
#define SIDE_LATER 1024u
#define SHELF_ROUND 4u

static kp_status_t open_atlas(kp_text_t *text, uint32_t width, uint32_t height)
{
    if (!text->has_host)
        return KP_ERR_BAD_STATE;
    uint32_t side = text->atlas_count == 0   ? SIDE_FIRST
                    : text->atlas_count == 1 ? SIDE_SECOND
                                             : SIDE_LATER;
    kp_text_atlas_t atlas = {.number = text->atlas_count,
                             .width = width > side ? (width + 3) & ~3u : side,
                             .height = height > side ? (height + 3) & ~3u : side};
    atlas.stride = atlas.width;
    kp_status_t status = text->host.new_atlas(text->host.context, atlas.width, atlas.height,
                                              atlas.stride, &atlas.pixels);
    if (status != KP_OK)
        return status;
    text->atlas = atlas;
    text->atlas_count++;
    return KP_OK;
}

static bool take(kp_text_atlas_t *atlas, uint32_t width, uint32_t height, uint16_t *x, uint16_t *y)
{
    kp_text_shelf_t *best = NULL;
    for (uint32_t i = 0; i < atlas->shelf_count; i++) {
        kp_text_shelf_t *shelf = &atlas->shelves[i];
        if (shelf->height >= height && atlas->width - shelf->x >= width &&
            (!best || shelf->height < best->height))
            best = shelf;
    }
    uint32_t rounded = (height + SHELF_ROUND - 1) & ~(SHELF_ROUND - 1);
    uint32_t free_rows = atlas->height - atlas->used_height;
    if (rounded > free_rows)
        rounded = free_rows;
    bool fresh =
        rounded >= height && atlas->width >= width && atlas->shelf_count < KP_TEXT_SHELVES_MAX;
    if (fresh && (!best || best->height > height + height / 2 + SHELF_ROUND)) {
        best = &atlas->shelves[atlas->shelf_count++];
        *best = (kp_text_shelf_t){.y = (uint16_t)atlas->used_height, .height = (uint16_t)rounded};
        atlas->used_height += rounded;
    }
    if (!best)
        return false;
    *x = best->x;
    *y = best->y;
    best->x = (uint16_t)(best->x + width);
    return true;
}

kp_status_t kp_text_atlas_allocate(kp_text_t *text, uint32_t width, uint32_t height, uint16_t *x,
                                   uint16_t *y)
{
    if (text->atlas.pixels && take(&text->atlas, width, height, x, y))
        return KP_OK;
    kp_status_t status = open_atlas(text, width, height);
    if (status != KP_OK)
        return status;
    return take(&text->atlas, width, height, x, y) ? KP_OK : KP_ERR_TOO_LARGE;
}

void kp_text_set_atlas_host(kp_text_t *text, const kp_text_atlas_host_t *host)
{
    text->host = *host;
    text->has_host = true;
}
