/* Family, weight, width and slant of a font, read from the tables "name", "OS/2" and "head" alone,
   so that adding twenty fonts at start-up costs next to nothing. */
#include <string.h>

#include "engine/text/internal.h"

typedef struct kp_text_table {
    const uint8_t *bytes;
    size_t size;
} kp_text_table_t;

static uint32_t be(const uint8_t *bytes, size_t width)
{
    uint32_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* A big-endian number of the table, 0 when it lies outside. */
static uint32_t table_get(kp_text_table_t table, size_t offset, size_t width)
{
    if (offset > table.size || width > table.size - offset)
        return 0;
    return be(table.bytes + offset, width);
}

static kp_text_table_t slice(kp_text_table_t table, size_t offset, size_t size)
{
    if (offset > table.size || size > table.size - offset)
        return (kp_text_table_t){NULL, 0};
    return (kp_text_table_t){table.bytes + offset, size};
}

static kp_text_table_t find_table(kp_text_table_t file, size_t directory, const char tag[4])
{
    uint32_t count = table_get(file, directory + 4, 2);
    for (uint32_t i = 0; i < count; i++) {
        size_t at = directory + 12 + 16 * (size_t)i;
        kp_text_table_t record = slice(file, at, 16);
        if (!record.bytes)
            break;
        if (memcmp(record.bytes, tag, 4) == 0)
            return slice(file, table_get(record, 8, 4), table_get(record, 12, 4));
    }
    return (kp_text_table_t){NULL, 0};
}

/* Copies a name as lower-case ASCII; other characters become '?': family names that matter to
   matching are ASCII, and a style sheet's name goes the same way. */
static void copy_name(char out[KP_TEXT_NAME_MAX], kp_text_table_t text, bool utf16)
{
    size_t step = utf16 ? 2 : 1, length = 0;
    char name[KP_TEXT_NAME_MAX];
    for (size_t at = 0; at + step <= text.size && length + 1 < KP_TEXT_NAME_MAX; at += step) {
        uint32_t c = table_get(text, at, step);
        name[length++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
    }
    kp_text_name_lower(out, KP_TEXT_NAME_MAX, name, length);
}

/* Platform and language: English in UTF-16 (Windows) is best, then any UTF-16, then Mac Roman. */
static int name_quality(uint32_t platform, uint32_t language)
{
    if (platform == 3)
        return language == 0x409 ? 4 : 2;
    return platform == 0 ? 3 : platform == 1 ? 1 : 0;
}

static void read_family_names(kp_text_face_t *face, kp_text_table_t table)
{
    char typographic[KP_TEXT_NAME_MAX] = "", legacy[KP_TEXT_NAME_MAX] = "";
    int best_typographic = 0, best_legacy = 0;
    uint32_t count = table_get(table, 2, 2);
    size_t strings = table_get(table, 4, 2);
    for (uint32_t i = 0; i < count; i++) {
        kp_text_table_t record = slice(table, 6 + 12 * (size_t)i, 12);
        if (!record.bytes)
            break;
        uint32_t platform = table_get(record, 0, 2), id = table_get(record, 6, 2);
        int quality = name_quality(platform, table_get(record, 4, 2));
        kp_text_table_t text =
            slice(table, strings + table_get(record, 10, 2), table_get(record, 8, 2));
        if (!text.bytes)
            continue;
        if (id == 16 && quality > best_typographic) {
            copy_name(typographic, text, platform != 1);
            best_typographic = quality;
        } else if (id == 1 && quality > best_legacy) {
            copy_name(legacy, text, platform != 1);
            best_legacy = quality;
        }
    }
    memcpy(face->family, typographic[0] ? typographic : legacy, KP_TEXT_NAME_MAX);
    memcpy(face->legacy_family, legacy, KP_TEXT_NAME_MAX);
}

kp_status_t kp_text_face_read_names(kp_text_face_t *face)
{
    kp_text_table_t file = {face->bytes, face->size};
    size_t directory = 0;
    face->weight = 400;
    face->width = 5;
    if (table_get(file, 0, 4) == 0x74746366) /* "ttcf": the first font of the collection */
        directory = table_get(file, 12, 4);
    kp_text_table_t name = find_table(file, directory, "name");
    kp_text_table_t os2 = find_table(file, directory, "OS/2");
    kp_text_table_t head = find_table(file, directory, "head");
    if (!head.bytes)
        return KP_ERR_BAD_FORMAT;
    if (name.bytes)
        read_family_names(face, name);
    uint32_t style = table_get(head, 44, 2);
    face->italic = (style & 2) != 0;
    if (style & 1)
        face->weight = 700;
    if (os2.bytes) {
        uint32_t weight = table_get(os2, 4, 2), width = table_get(os2, 6, 2);
        uint32_t selection = table_get(os2, 62, 2);
        if (weight >= 1 && weight <= 1000)
            face->weight = (uint16_t)weight;
        if (width >= 1 && width <= 9)
            face->width = (uint8_t)width;
        face->italic |= (selection & (1u | 1u << 9)) != 0;
    }
    return KP_OK;
}
