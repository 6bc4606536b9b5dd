#include "kernel/object/image.h"

#include "abi/reader.h"
#include "kernel/object/process_private.h"

/* The parts of ELF that the parser reads (System V ABI, "Object Files"). */
enum {
    ELF_HEADER_SIZE = 64,
    ELF_PROGRAM_HEADER_SIZE = 56,
    ELF_PROGRAM_HEADERS_MAX = 16,
    ET_DYN = 3,
    EM_X86_64 = 62,
    PT_LOAD = 1,
    PT_INTERP = 3,
    PT_NOTE = 4,
    PF_X = 1,
    PF_W = 2,
    PF_R = 4,
};

typedef struct program_header {
    uint32_t type, flags;
    uint64_t offset, address, file_size, memory_size, align;
} program_header_t;

static program_header_t program_header_read(kp_reader_t *reader)
{
    program_header_t header;
    header.type = kp_reader_u32(reader);
    header.flags = kp_reader_u32(reader);
    header.offset = kp_reader_u64(reader);
    header.address = kp_reader_u64(reader);
    (void)kp_reader_u64(reader); /* physical address */
    header.file_size = kp_reader_u64(reader);
    header.memory_size = kp_reader_u64(reader);
    header.align = kp_reader_u64(reader);
    return header;
}

/* Adds one PT_LOAD, widened to whole pages. */
static kp_status_t segment_add(kp_image_t *image, const program_header_t *header)
{
    if (header->memory_size == 0)
        return KP_OK;
    if (image->segment_count == KP_IMAGE_SEGMENTS_MAX)
        return KP_ERR_BAD_FORMAT;
    if (!(header->flags & PF_R) || (header->flags & (PF_W | PF_X)) == (PF_W | PF_X))
        return KP_ERR_BAD_FORMAT;
    if (header->offset > image->size || header->file_size > image->size - header->offset ||
        header->file_size > header->memory_size)
        return KP_ERR_BAD_FORMAT;
    if (header->address >= KP_IMAGE_SPAN_MAX ||
        header->memory_size > KP_IMAGE_SPAN_MAX - header->address)
        return KP_ERR_BAD_FORMAT;
    uint64_t skew = header->address % KP_PAGE_SIZE;
    if (header->offset % KP_PAGE_SIZE != skew)
        return KP_ERR_BAD_FORMAT;
    /* Zeroes after the file's bytes need a private page, which only writable segments have. */
    if (!(header->flags & PF_W) && header->file_size != header->memory_size)
        return KP_ERR_BAD_FORMAT;

    kp_image_segment_t segment = {
        .address = header->address - skew,
        .size = KP_ROUND_UP(skew + header->memory_size, (uint64_t)KP_PAGE_SIZE),
        .file_offset = header->offset - skew,
        .file_size = skew + header->file_size,
    };
    if (header->file_size == 0) {
        segment.file_offset = 0;
        segment.file_size = 0;
    }
    if (header->flags & PF_W)
        segment.flags |= KP_IMAGE_SEGMENT_WRITE;
    if (header->flags & PF_X)
        segment.flags |= KP_IMAGE_SEGMENT_EXECUTE;
    if (segment.address < image->span) /* the ELF rule: ascending; ours: no shared page */
        return KP_ERR_BAD_FORMAT;
    image->span = segment.address + segment.size;
    image->segments[image->segment_count++] = segment;
    return KP_OK;
}

/* Looks for our note among a PT_NOTE's notes. */
static kp_status_t notes_read(kp_image_t *image, const program_header_t *header, bool *found)
{
    if (header->offset > image->size || header->file_size > image->size - header->offset)
        return KP_ERR_BAD_FORMAT;
    uint64_t align = header->align == 8 ? 8 : 4;
    kp_reader_t reader = kp_reader_init(image->bytes + header->offset, (size_t)header->file_size);
    while (kp_reader_left(&reader) > 0) {
        uint32_t name_size = kp_reader_u32(&reader);
        uint32_t description_size = kp_reader_u32(&reader);
        uint32_t type = kp_reader_u32(&reader);
        /* Padding may be missing after the last note. */
        size_t name_padded = (size_t)KP_ROUND_UP((uint64_t)name_size, (uint64_t)4);
        const uint8_t *name = kp_reader_borrow(&reader, name_padded);
        size_t left = kp_reader_left(&reader);
        size_t padded = (size_t)KP_ROUND_UP((uint64_t)description_size, align);
        const uint8_t *description =
            kp_reader_borrow(&reader, description_size <= left ? KP_MIN(padded, left) : padded);
        if (!name || !description)
            return KP_ERR_BAD_FORMAT;
        if (type != KP_IMAGE_NOTE_TYPE || name_size != sizeof(KP_IMAGE_NOTE_NAME) ||
            memcmp(name, KP_IMAGE_NOTE_NAME, sizeof(KP_IMAGE_NOTE_NAME)) != 0)
            continue;
        if (*found || description_size != sizeof(kp_image_info_t))
            return KP_ERR_BAD_FORMAT;
        memcpy(&image->info, description, sizeof(image->info));
        *found = true;
    }
    return reader.failed ? KP_ERR_BAD_FORMAT : KP_OK;
}

static kp_status_t info_check(const kp_image_info_t *info, uint32_t machine)
{
    if (info->version != KP_IMAGE_VERSION || (machine != 0 && info->machine != machine) ||
        info->flags & ~KP_IMAGE_FLAGS_ALL)
        return KP_ERR_NOT_SUPPORTED;
    if (info->maximum_pages > KP_IMAGE_PAGES_LIMIT || info->initial_pages > info->maximum_pages)
        return KP_ERR_BAD_FORMAT;
    return KP_OK;
}

static bool entry_is_executable(const kp_image_t *image)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const kp_image_segment_t *segment = &image->segments[i];
        if ((segment->flags & KP_IMAGE_SEGMENT_EXECUTE) && image->entry >= segment->address &&
            image->entry - segment->address < segment->file_size)
            return true;
    }
    return false;
}

kp_status_t kp_image_parse(kp_image_t *image, const char *name, const void *bytes, size_t size,
                           uint32_t machine)
{
    static const uint8_t identification[7] = {
        0x7f, 'E', 'L', 'F', 2 /* 64 bit */, 1 /* little-endian */, 1 /* version */};
    memset(image, 0, sizeof(*image));
    kp_name_copy(image->name, sizeof(image->name), name);
    image->bytes = bytes;
    image->size = size;

    kp_reader_t reader = kp_reader_init(bytes, size);
    const uint8_t *ident = kp_reader_borrow(&reader, 16);
    uint16_t type = kp_reader_u16(&reader);
    uint16_t elf_machine = kp_reader_u16(&reader);
    (void)kp_reader_u32(&reader); /* version */
    image->entry = kp_reader_u64(&reader);
    uint64_t headers_offset = kp_reader_u64(&reader);
    (void)kp_reader_borrow(&reader, 8 + 4 + 2); /* section headers, flags, header size */
    uint16_t header_size = kp_reader_u16(&reader);
    uint16_t header_count = kp_reader_u16(&reader);
    if (reader.failed || size < ELF_HEADER_SIZE ||
        memcmp(ident, identification, sizeof(identification)) != 0 || type != ET_DYN ||
        elf_machine != EM_X86_64 || header_size != ELF_PROGRAM_HEADER_SIZE ||
        header_count > ELF_PROGRAM_HEADERS_MAX || headers_offset > size)
        return KP_ERR_BAD_FORMAT;

    kp_reader_t headers =
        kp_reader_init((const uint8_t *)bytes + headers_offset, size - (size_t)headers_offset);
    bool found = false;
    for (uint16_t i = 0; i < header_count; i++) {
        program_header_t header = program_header_read(&headers);
        if (headers.failed)
            return KP_ERR_BAD_FORMAT;
        kp_status_t status = KP_OK;
        if (header.type == PT_LOAD)
            status = segment_add(image, &header);
        else if (header.type == PT_NOTE)
            status = notes_read(image, &header, &found);
        else if (header.type == PT_INTERP)
            status = KP_ERR_BAD_FORMAT;
        if (status != KP_OK)
            return status;
    }
    if (!found || !entry_is_executable(image))
        return KP_ERR_BAD_FORMAT;
    return info_check(&image->info, machine);
}
