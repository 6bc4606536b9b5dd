/* A parsed program image (runtime/image/image.h, abi/image.h): where its segments lie. Images
   relocate themselves, in user mode. The bytes are borrowed from the boot archive and stay for
   ever; parsing checks every bound, so that machines need not. */
#ifndef KP_KERNEL_IMAGE_H
#define KP_KERNEL_IMAGE_H

#include "abi/image.h"
#include "kernel/machine/machine.h"

#define KP_IMAGE_SEGMENTS_MAX 8u
#define KP_IMAGE_SPAN_MAX (512u << 20)

enum {
    KP_IMAGE_SEGMENT_WRITE = 1u << 0,
    KP_IMAGE_SEGMENT_EXECUTE = 1u << 1, /* never together with WRITE */
};

/* One PT_LOAD, widened to whole pages. Segments come in ascending order and share no page. */
typedef struct kp_image_segment {
    uint64_t address;     /* offset from the load base, page-aligned */
    uint64_t size;        /* bytes in memory, a multiple of KP_PAGE_SIZE, > 0 */
    uint64_t file_offset; /* page-aligned */
    uint64_t file_size;   /* bytes to take from the file, <= size; the rest is zero. Read-only
                             segments: the whole last page may be mapped from the file instead */
    uint32_t flags;       /* KP_IMAGE_SEGMENT_*; every segment is readable */
} kp_image_segment_t;

struct kp_image {
    char name[32];        /* "tab", for logs */
    const uint8_t *bytes; /* the file; page-aligned when it comes from the boot archive */
    size_t size;          /* of the file; the archive pads it with zeroes to a page */
    kp_image_segment_t segments[KP_IMAGE_SEGMENTS_MAX];
    uint32_t segment_count;
    uint64_t span;        /* bytes from the load base to the last segment's end, in pages */
    uint64_t entry;       /* offset from the load base; inside an executable segment */
    kp_image_info_t info; /* checked */
    void *machine;        /* the machine's own cache for this image (NULL at first); images are
                             parsed once and shared by all processes that run them */
};

/* name is cut to fit. ERR_BAD_FORMAT when a rule of those headers is broken, ERR_NOT_SUPPORTED for
   another version of the note. machine is KP_IMAGE_MACHINE_*, or 0 to accept any. */
kp_status_t kp_image_parse(kp_image_t *image, const char *name, const void *bytes, size_t size,
                           uint32_t machine);

#endif
