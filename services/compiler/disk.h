/* The cache's directory: what was compiled, kept for the next start of the service, or of the system. Entries are those of
   runtime/cache/entry.h, in a directory that was given as a handle (abi/file.h): which file system that is, and where, is
   the giver's business.

   Nothing here is needed: whatever goes wrong in the directory is said once in the log, and the service goes on with
   its memory alone. A server of files that does not answer, or answers nonsense, is given up. What was damaged, or
   is not what somebody with the directory's secret wrote for this very key, is removed and reported as absent.

   Others may use the directory at the same time. Work is done in slices, so that a large entry keeps nobody waiting. */
#ifndef KP_SERVICES_COMPILER_DISK_H
#define KP_SERVICES_COMPILER_DISK_H

#include <stdbool.h>

#include "abi/file.h"
#include "runtime/cache/entry.h"
#include "runtime/wasi/kpio_directory.h"
#include "services/compiler/cache.h"

#define KP_COMPILER_DISK_BYTES ((uint64_t)256 << 20)
/* Code that waits to be written; beyond it is not kept. */
#define KP_COMPILER_DISK_PENDING_BYTES ((uint64_t)160 << 20)

/* An entry that is being read. Zeroed memory is none. */
typedef struct kp_compiler_load {
    kp_handle_t vmo; /* what there is of the code */
    uint32_t id;     /* of the file; 0: not open */
    uint64_t done;
    uint8_t identity[KP_SHA256_SIZE];
    kp_code_header_t header;
    kp_poly1305_t sum;
} kp_compiler_load_t;

/* Code that is to be written, or is being. */
typedef struct kp_compiler_store {
    kp_handle_t vmo;
    uint64_t size, done;
    uint32_t id;
    bool is_second; /* room was made for it */
    uint8_t identity[KP_SHA256_SIZE];
    char temporary[24];
    kp_code_header_t header;
    kp_poly1305_t sum;
    uint32_t *pending; /* counts what is to be stored; may be NULL */
    struct kp_compiler_store *next;
} kp_compiler_store_t;

typedef struct kp_compiler_record {
    uint8_t identity[KP_SHA256_SIZE];
    uint64_t size, used_ns;
} kp_compiler_record_t;

typedef enum kp_compiler_chore {
    KP_COMPILER_DISK_STORES,
    KP_COMPILER_DISK_LISTS,
    KP_COMPILER_DISK_EVICTS,
} kp_compiler_chore_t;

typedef struct kp_compiler_disk {
    kp_handle_t channel;          /* given, not used yet */
    kp_wasi_kpio_server_t *files; /* NULL: there is none, or not yet, or no more */
    uint8_t secret[KP_CODE_SECRET_SIZE];
    uint64_t bytes_max;
    bool is_said, is_read_only;
    uint64_t loaded, rejected, stored, evicted;
    kp_compiler_store_t *stores; /* oldest first */
    uint64_t pending;            /* bytes of them */
    /* Of entries: when they were counted last, and what was stored since. */
    bool is_counted;
    uint64_t bytes, bytes_new;
    /* Counting them, and removing the oldest until there are `keep` bytes left. */
    kp_compiler_chore_t chore;
    uint64_t cookie, keep, wanted;
    kp_compiler_record_t *records;
    uint32_t record_count, record_room, record_next, names;
    uint8_t buffer[KP_FILE_DATA_MAX];
} kp_compiler_disk_t;

/* Takes the directory (NONE: there is none); asks nothing of it yet. disk: zeroed. bytes_max 0: as usual. */
void kp_compiler_disk_init(kp_compiler_disk_t *disk, kp_handle_t directory, uint64_t bytes_max);

/* OK: *load begins. ERR_NOT_FOUND: there is no such entry, or none that is good. */
kp_status_t kp_compiler_load_begin(kp_compiler_disk_t *disk, const kp_compiler_key_t *key,
                                   kp_compiler_load_t *load);
/* One slice. ERR_SHOULD_WAIT: call again. OK: load->vmo has header.size bytes of code, checked; the caller may take it.
   ERR_NOT_FOUND: the entry was no good, or memory is short. Then, and always: kp_compiler_load_end. */
kp_status_t kp_compiler_load_step(kp_compiler_disk_t *disk, kp_compiler_load_t *load);
/* Closes what is open. Harmless on a zeroed one. */
void kp_compiler_load_end(kp_compiler_disk_t *disk, kp_compiler_load_t *load);
/* The entry was authentic, but is not what it should be: removes it. */
void kp_compiler_disk_reject(kp_compiler_disk_t *disk, const kp_compiler_key_t *key);

/* The first `size` bytes of a sealed VMO (READ; taken) are to be kept. *pending (may be NULL; must stay) is one more until
   that is done, or given up. */
void kp_compiler_disk_store(kp_compiler_disk_t *disk, const kp_compiler_key_t *key, kp_handle_t vmo,
                            uint64_t size, uint32_t *pending);
/* Could it be kept? False: do not try. */
bool kp_compiler_disk_may_store(const kp_compiler_disk_t *disk, uint64_t size);
/* One slice of storing and evicting. False: there is nothing to do. */
bool kp_compiler_disk_step(kp_compiler_disk_t *disk);
/* Closes everything; what was to be stored is not. */
void kp_compiler_disk_close(kp_compiler_disk_t *disk);

#endif
