/* The metadata of a program image NAME.kpi: what memory the program wants. The image itself (an ELF
   file) and how a machine enters it: runtime/image/image.h; the kernel's parser:
   kernel/object/image.h.

   One ELF note (PT_NOTE) with owner "KPIO" and type 1 carries kp_image_info_t. runtime/image emits
   it with

     __attribute__((section(".note.kpio"), used, aligned(4)))
     static const kp_image_note_t kp_image_note = KP_IMAGE_NOTE(machine, initial, maximum);

   or, for a program with threads, KP_IMAGE_NOTE_FLAGS(machine, flags, initial, maximum). */
#ifndef KP_ABI_IMAGE_H
#define KP_ABI_IMAGE_H

#include "abi/types.h"

#define KP_IMAGE_NOTE_NAME "KPIO"
#define KP_IMAGE_NOTE_TYPE 1u
#define KP_IMAGE_VERSION 1u
#define KP_IMAGE_PAGES_LIMIT 65536u /* 64 KiB pages: 4 GiB, all that a wasm32 memory can have */

/* Which system-call stub the image was linked with. */
enum {
    KP_IMAGE_MACHINE_X86_64 = 1, /* the syscall instruction */
    KP_IMAGE_MACHINE_HOSTED = 2, /* a function of the machine */
};

/* flags */
#define KP_IMAGE_THREADS 1u /* its entry knows further threads (runtime/image/image.h) */
#define KP_IMAGE_FLAGS_ALL 1u

typedef struct kp_image_info {
    uint32_t version;       /* KP_IMAGE_VERSION */
    uint16_t machine;       /* KP_IMAGE_MACHINE_* */
    uint16_t flags;         /* KP_IMAGE_* */
    uint32_t initial_pages; /* linear memory at start, 64 KiB pages */
    uint32_t maximum_pages; /* initial_pages..KP_IMAGE_PAGES_LIMIT */
} kp_image_info_t;

typedef struct kp_image_note {
    uint32_t name_size;        /* 5, with the NUL */
    uint32_t description_size; /* sizeof(kp_image_info_t) */
    uint32_t type;             /* KP_IMAGE_NOTE_TYPE */
    char name[8];              /* "KPIO", padded to 4 bytes */
    kp_image_info_t info;
} kp_image_note_t;

/* clang-format off */
#define KP_IMAGE_NOTE_FLAGS(machine, flags, initial, maximum)                                      \
    {5, sizeof(kp_image_info_t), KP_IMAGE_NOTE_TYPE, KP_IMAGE_NOTE_NAME,                           \
     {KP_IMAGE_VERSION, (machine), (flags), (initial), (maximum)}}
#define KP_IMAGE_NOTE(machine, initial, maximum) KP_IMAGE_NOTE_FLAGS(machine, 0, initial, maximum)
/* clang-format on */

KP_STATIC_ASSERT(sizeof(kp_image_info_t) == 16, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_image_note_t) == 20 + 16, "ABI layout");

#endif
