/* What is in a PNG, for tests:
     pixels FILE size            prints "WIDTH HEIGHT"
     pixels FILE at X Y          prints "rrggbb"
     pixels FILE count RRGGBB    prints how many pixels have that colour
     pixels FILE colors          prints how many different colours there are
     pixels A same B             prints how many pixels differ by more than 2 in a channel; exit 1
   when the sizes differ */
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct picture {
    unsigned width, height;
    unsigned char *rgb;
} picture_t;

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    if (!bytes || fread(bytes, 1, *size, file) != *size) {
        fprintf(stderr, "pixels: %s: cannot be read\n", path);
        exit(2);
    }
    fclose(file);
    return bytes;
}

static picture_t read_picture(const char *path)
{
    size_t size = 0;
    unsigned char *bytes = read_file(path, &size);
    png_image image = {.version = PNG_IMAGE_VERSION};
    if (!png_image_begin_read_from_memory(&image, bytes, size)) {
        fprintf(stderr, "pixels: %s: %s\n", path, image.message);
        exit(2);
    }
    image.format = PNG_FORMAT_RGB;
    picture_t picture = {image.width, image.height, malloc(PNG_IMAGE_SIZE(image))};
    if (!picture.rgb || !png_image_finish_read(&image, NULL, picture.rgb, 0, NULL)) {
        fprintf(stderr, "pixels: %s: %s\n", path, image.message);
        exit(2);
    }
    free(bytes);
    return picture;
}

static unsigned color_of(const picture_t *picture, size_t i)
{
    const unsigned char *at = picture->rgb + 3 * i;
    return (unsigned)at[0] << 16 | (unsigned)at[1] << 8 | at[2];
}

static size_t count_colors(const picture_t *picture)
{
    unsigned char *seen = calloc(1, (1u << 24) / 8);
    if (!seen)
        exit(2);
    size_t count = 0;
    for (size_t i = 0; i < (size_t)picture->width * picture->height; i++) {
        unsigned color = color_of(picture, i);
        count += !(seen[color / 8] >> (color % 8) & 1);
        seen[color / 8] |= (unsigned char)(1u << (color % 8));
    }
    free(seen);
    return count;
}

static size_t count_differences(const picture_t *a, const picture_t *b)
{
    size_t count = 0;
    for (size_t i = 0; i < (size_t)a->width * a->height; i++) {
        int differs = 0;
        for (int c = 0; c < 3; c++)
            differs |= abs(a->rgb[3 * i + c] - b->rgb[3 * i + c]) > 2;
        count += differs;
    }
    return count;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: pixels FILE size | at X Y | count RRGGBB | colors | same FILE\n");
        return 2;
    }
    picture_t picture = read_picture(argv[1]);
    size_t total = (size_t)picture.width * picture.height;
    if (!strcmp(argv[2], "size")) {
        printf("%u %u\n", picture.width, picture.height);
    } else if (!strcmp(argv[2], "at") && argc == 5) {
        unsigned long x = strtoul(argv[3], NULL, 10), y = strtoul(argv[4], NULL, 10);
        if (x >= picture.width || y >= picture.height)
            return fprintf(stderr, "pixels: %lu,%lu is outside\n", x, y), 1;
        printf("%06x\n", color_of(&picture, y * picture.width + x));
    } else if (!strcmp(argv[2], "count") && argc == 4) {
        unsigned color = (unsigned)strtoul(argv[3], NULL, 16);
        size_t count = 0;
        for (size_t i = 0; i < total; i++)
            count += color_of(&picture, i) == color;
        printf("%zu\n", count);
    } else if (!strcmp(argv[2], "colors")) {
        printf("%zu\n", count_colors(&picture));
    } else if (!strcmp(argv[2], "same") && argc == 4) {
        picture_t other = read_picture(argv[3]);
        if (picture.width != other.width || picture.height != other.height)
            return fprintf(stderr, "pixels: the sizes differ\n"), 1;
        printf("%zu\n", count_differences(&picture, &other));
        free(other.rgb);
    } else {
        return fprintf(stderr, "pixels: unknown request '%s'\n", argv[2]), 2;
    }
    free(picture.rgb);
    return 0;
}
