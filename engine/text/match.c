/* CSS Fonts 4, section 5.2: the face of a family that fits weight and style best. */
#include <stdlib.h>
#include <string.h>

#include "engine/text/internal.h"

/* Names that stand for other families: Chromium's generic families and fontconfig's
   metric-compatible substitutes, as on Debian with DejaVu and Liberation installed (measured in the
   reference pages: "Verdana, sans-serif" there is Liberation Sans). */
static const struct {
    const char *name, *family;
} aliases[] = {
    {"serif", "liberation serif"},
    {"sans-serif", "liberation sans"},
    {"monospace", "dejavu sans mono"},
    {"system-ui", "dejavu sans"},
    {"math", "liberation serif"},
    {"arial", "liberation sans"},
    {"helvetica", "liberation sans"},
    {"times", "liberation serif"},
    {"times new roman", "liberation serif"},
    {"courier", "liberation mono"},
    {"courier new", "liberation mono"},
    {"arial narrow", "liberation sans narrow"},
};

void kp_text_name_lower(char *out, size_t capacity, const char *name, size_t size)
{
    size_t length = 0;
    for (size_t i = 0; i < size && length + 1 < capacity; i++)
        out[length++] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] + 32) : name[i];
    memset(out + length, 0, capacity - length);
}

/* Smaller is better. Between 400 and 500 the search goes up to 500 first, then down, then up;
   below 400 down first, above 500 up first. */
static int weight_distance(int wanted, int weight)
{
    if (weight == wanted)
        return 0;
    if (wanted >= 400 && wanted <= 500) {
        if (weight > wanted && weight <= 500)
            return weight - wanted;
        return weight < wanted ? 1000 + wanted - weight : 2000 + weight - wanted;
    }
    if (wanted < 400)
        return weight < wanted ? wanted - weight : 1000 + weight - wanted;
    return weight > wanted ? weight - wanted : 1000 + wanted - weight;
}

static kp_text_face_t *match_exact(kp_text_t *text, const char *family, int weight, bool italic)
{
    kp_text_face_t *best = NULL;
    int best_score = 0;
    for (uint32_t i = 0; i < text->face_count; i++) {
        kp_text_face_t *face = text->faces[i];
        if (face->broken)
            continue;
        int width = 0;
        if (strcmp(face->family, family) == 0)
            width = abs((int)face->width - 5);
        else if (strcmp(face->legacy_family, family) != 0)
            continue;
        int score = width * 100000 + (face->italic != italic) * 10000 +
                    weight_distance(weight, face->weight);
        if (!best || score < best_score) {
            best = face;
            best_score = score;
        }
    }
    return best;
}

kp_text_face_t *kp_text_match_family(kp_text_t *text, const char *family, int weight, bool italic)
{
    kp_text_face_t *face = match_exact(text, family, weight, italic);
    for (size_t i = 0; !face && i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strcmp(aliases[i].name, family) == 0)
            face = match_exact(text, aliases[i].family, weight, italic);
    }
    return face;
}
