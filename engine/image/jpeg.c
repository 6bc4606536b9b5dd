/* JPEG by libjpeg-turbo. Where the data ends too early or is damaged, what could be decoded is
   given: the decoder goes on with a made-up end of image, as browsers do. Not done: EXIF
   orientation, colour profiles. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "abi/reader.h"
#include "engine/image/decode.h"

#define MEMORY_MAX (384L << 20) /* of the decoder: a progressive image is held as coefficients */
#define SCANS_MAX 256           /* an honest progressive file has about ten */

/* Everything lives here, not in locals: longjmp may come at any call of the library. */
typedef struct kp_jpeg_reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    const kp_image_output_t *out;
    bool ended; /* the input ran out */
    jmp_buf escape;
} kp_jpeg_reader_t;

static uint32_t two_bytes(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

kp_status_t kp_image_jpeg_probe(const uint8_t *bytes, size_t size, kp_image_info_t *out)
{
    kp_reader_t reader = kp_reader_init(bytes, size);
    kp_reader_borrow(&reader, 2);
    for (;;) {
        uint8_t marker = kp_reader_u8(&reader);
        if (reader.failed)
            return KP_ERR_SHOULD_WAIT;
        if (marker != 0xff)
            return KP_ERR_BAD_FORMAT;
        while (marker == 0xff)
            marker = kp_reader_u8(&reader);
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd7))
            continue; /* markers without a segment */
        const uint8_t *length = kp_reader_borrow(&reader, 2);
        if (!length)
            return KP_ERR_SHOULD_WAIT;
        if (two_bytes(length) < 2 || marker == 0xd9 || marker == 0xda)
            return KP_ERR_BAD_FORMAT; /* the image begins or ends without having a size */
        const uint8_t *segment = kp_reader_borrow(&reader, two_bytes(length) - 2);
        bool is_frame =
            marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
        if (is_frame && two_bytes(length) < 8)
            return KP_ERR_BAD_FORMAT;
        if (!segment)
            return KP_ERR_SHOULD_WAIT;
        if (is_frame) {
            out->height = two_bytes(segment + 1);
            out->width = two_bytes(segment + 3);
            return KP_OK;
        }
    }
}

_Noreturn static void on_error(j_common_ptr jpeg)
{
    kp_jpeg_reader_t *reader = jpeg->client_data;
    longjmp(reader->escape, 1);
}

static void on_message(j_common_ptr jpeg)
{
    (void)jpeg;
}

static void on_warning(j_common_ptr jpeg, int level)
{
    if (level < 0)
        jpeg->err->num_warnings++;
}

static void on_progress(j_common_ptr jpeg)
{
    kp_jpeg_reader_t *reader = jpeg->client_data;
    if (reader->jpeg.input_scan_number > SCANS_MAX)
        ERREXIT(jpeg, JERR_BAD_PROGRESSION);
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static boolean source_fill(j_decompress_ptr jpeg)
{
    static const JOCTET end[2] = {0xff, JPEG_EOI};
    kp_jpeg_reader_t *reader = jpeg->client_data;
    reader->ended = true;
    jpeg->src->next_input_byte = end;
    jpeg->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void source_skip(j_decompress_ptr jpeg, long count)
{
    if (count <= 0)
        return;
    if ((size_t)count > jpeg->src->bytes_in_buffer) {
        source_fill(jpeg);
        return;
    }
    jpeg->src->next_input_byte += count;
    jpeg->src->bytes_in_buffer -= (size_t)count;
}

/* CMYK in place to BGRA. Files with Adobe's marker hold the inks inverted. */
static void from_cmyk(uint8_t *row, uint32_t width, bool inverted)
{
    for (uint32_t x = 0; x < width; x++, row += 4) {
        uint32_t ink[4];
        for (int n = 0; n < 4; n++)
            ink[n] = inverted ? row[n] : 255u - row[n];
        row[0] = (uint8_t)((ink[2] * ink[3] + 127) / 255);
        row[1] = (uint8_t)((ink[1] * ink[3] + 127) / 255);
        row[2] = (uint8_t)((ink[0] * ink[3] + 127) / 255);
        row[3] = 255;
    }
}

static void read_image(kp_jpeg_reader_t *reader, const uint8_t *bytes, size_t size)
{
    struct jpeg_decompress_struct *jpeg = &reader->jpeg;
    const kp_image_output_t *out = reader->out;
    jpeg_create_decompress(jpeg);
    jpeg->mem->max_memory_to_use = MEMORY_MAX;
    reader->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = size,
        .init_source = source_nothing,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    jpeg->src = &reader->source;
    reader->progress.progress_monitor = on_progress;
    jpeg->progress = &reader->progress;
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->image_width != out->info.width || jpeg->image_height != out->info.height)
        ERREXIT(jpeg, JERR_IMAGE_TOO_BIG);
    bool cmyk = jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK;
    jpeg->out_color_space = cmyk ? JCS_CMYK : JCS_EXT_BGRA;
    jpeg_start_decompress(jpeg);
    while (jpeg->output_scanline < out->info.height) {
        uint8_t *row = out->pixels + jpeg->output_scanline * out->stride;
        if (jpeg_read_scanlines(jpeg, &row, 1) == 1 && cmyk)
            from_cmyk(row, out->info.width, jpeg->saw_Adobe_marker);
    }
}

kp_status_t kp_image_jpeg_decode(const uint8_t *bytes, size_t size, const kp_image_output_t *out)
{
    kp_jpeg_reader_t reader;
    memset(&reader, 0, sizeof reader);
    reader.out = out;
    reader.jpeg.err = jpeg_std_error(&reader.errors);
    reader.errors.error_exit = on_error;
    reader.errors.output_message = on_message;
    reader.errors.emit_message = on_warning;
    reader.jpeg.client_data = &reader;
    volatile bool failed = false;
    if (setjmp(reader.escape) == 0)
        read_image(&reader, bytes, size);
    else
        failed = true;
    uint32_t rows = reader.jpeg.mem ? reader.jpeg.output_scanline : 0;
    *out->partial = failed || reader.ended || reader.errors.num_warnings > 0;
    jpeg_destroy_decompress(&reader.jpeg);
    if (failed && rows == 0)
        return reader.errors.msg_code == JERR_OUT_OF_MEMORY ? KP_ERR_NO_MEMORY : KP_ERR_BAD_FORMAT;
    return KP_OK;
}
