/* PNG by libpng. Every kind (palette, grey, 16 bits, interlaced) is brought to 8-bit BGRA by
   libpng's own transformations. Colour profiles and gamma are ignored. */
#include <setjmp.h>
#include <string.h>

#include <png.h>

#include "abi/reader.h"
#include "engine/image/decode.h"

#define SIDE_MAX 65535u
#define CHUNK_MAX (1u << 20) /* bytes of one ancillary chunk, unpacked */

/* Everything lives here, not in locals: longjmp may come at any call of libpng. */
typedef struct kp_png_reader {
    png_structp png;
    png_infop info;
    const kp_image_output_t *out;
    bool out_of_memory;
    bool rows_begun;
    bool ended; /* IEND was seen */
    jmp_buf escape;
} kp_png_reader_t;

static uint32_t big_endian(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

kp_status_t kp_image_png_probe(const uint8_t *bytes, size_t size, kp_image_info_t *out)
{
    kp_reader_t reader = kp_reader_init(bytes, size);
    const uint8_t *head = kp_reader_borrow(&reader, 24);
    if (!head)
        return KP_ERR_SHOULD_WAIT;
    if (memcmp(head + 12, "IHDR", 4) != 0)
        return KP_ERR_BAD_FORMAT;
    out->width = big_endian(head + 16);
    out->height = big_endian(head + 20);
    if (out->width > SIDE_MAX || out->height > SIDE_MAX)
        return KP_ERR_TOO_LARGE;
    return KP_OK;
}

_Noreturn static void on_error(png_structp png, png_const_charp message)
{
    kp_png_reader_t *reader = png_get_error_ptr(png);
    reader->out_of_memory |= strstr(message, "emory") != NULL; /* libpng has no error codes */
    longjmp(reader->escape, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* Chunks that painting does not need: not unpacked at all. */
static void skip_chunks(png_structp png)
{
    static const png_byte names[] = "iCCP\0iTXt\0tEXt\0zTXt\0eXIf\0sPLT\0hIST\0pCAL\0sCAL\0tIME\0"
                                    "bKGD\0pHYs\0oFFs\0sTER";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, sizeof names / 5);
}

/* The head is complete: how pixels are to come. */
static void on_info(png_structp png, png_infop info)
{
    kp_png_reader_t *reader = png_get_progressive_ptr(png);
    png_set_expand(png); /* palette and tRNS to full pixels, fewer than 8 bits to 8 */
    png_set_scale_16(png);
    png_set_gray_to_rgb(png);
    png_set_bgr(png);
    png_set_add_alpha(png, 0xff, PNG_FILLER_AFTER);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    const kp_image_info_t *wanted = &reader->out->info;
    if (png_get_image_width(png, info) != wanted->width ||
        png_get_image_height(png, info) != wanted->height ||
        png_get_rowbytes(png, info) != (size_t)wanted->width * 4)
        png_error(png, "size");
}

/* bytes is NULL where an interlaced pass has nothing new for the row. */
static void on_row(png_structp png, png_bytep bytes, png_uint_32 y, int pass)
{
    kp_png_reader_t *reader = png_get_progressive_ptr(png);
    (void)pass;
    if (!bytes || y >= reader->out->info.height)
        return;
    png_progressive_combine_row(png, reader->out->pixels + y * reader->out->stride, bytes);
    reader->rows_begun = true;
}

static void on_end(png_structp png, png_infop info)
{
    kp_png_reader_t *reader = png_get_progressive_ptr(png);
    (void)info;
    reader->ended = true;
}

/* libpng's push reader: gives every row that the bytes at hand contain. */
static void read_image(kp_png_reader_t *reader, const uint8_t *bytes, size_t size)
{
    png_structp png = reader->png;
    png_set_user_limits(png, SIDE_MAX, SIDE_MAX);
    png_set_chunk_malloc_max(png, CHUNK_MAX);
    png_set_chunk_cache_max(png, 64);
    skip_chunks(png);
    png_set_progressive_read_fn(png, reader, on_info, on_row, on_end);
    png_process_data(png, reader->info, (png_bytep)bytes, size); /* only reads them */
}

static void premultiply(const kp_image_output_t *out)
{
    for (uint32_t y = 0; y < out->info.height; y++) {
        uint8_t *pixel = out->pixels + y * out->stride;
        for (uint32_t x = 0; x < out->info.width; x++, pixel += 4) {
            uint32_t alpha = pixel[3];
            for (int n = 0; n < 3 && alpha != 255; n++) {
                uint32_t product = pixel[n] * alpha + 128;
                pixel[n] = (uint8_t)((product + (product >> 8)) >> 8);
            }
        }
    }
}

kp_status_t kp_image_png_decode(const uint8_t *bytes, size_t size, const kp_image_output_t *out)
{
    kp_png_reader_t reader = {.out = out};
    /* Creation may call the error handler too, before there is a png to free. */
    if (setjmp(reader.escape) == 0) {
        reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
        reader.info = reader.png ? png_create_info_struct(reader.png) : NULL;
        reader.out_of_memory = !reader.info;
        if (reader.info)
            read_image(&reader, bytes, size);
    }
    png_destroy_read_struct(&reader.png, &reader.info, NULL);
    if (!reader.rows_begun)
        return reader.out_of_memory ? KP_ERR_NO_MEMORY : KP_ERR_BAD_FORMAT;
    *out->partial = !reader.ended;
    premultiply(out);
    return KP_OK;
}
