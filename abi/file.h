/* Files: the protocol of directories. A directory is a channel: whoever holds it reaches what lies in and below that
   directory with the rights that the giver chose, and nothing above: a path that leads out (by "..", from "/", by a
   symbolic link) is ERR_OUTSIDE. Servers are the kernel (kernel/vfs: files in memory, devices, the boot archive) and
   file systems that are processes, mounted where the giver of a directory with KP_FILE_RIGHT_MOUNT says.

   A client asks by channel_call: one request, one reply. Requests that want no reply (channel_write) are done all the
   same. Every request is kp_file_request_t, then first_size and second_size bytes, exactly. Every reply is
   kp_file_reply_t, then count bytes. A message that is no request is answered with ERR_PROTOCOL.

   Ids. The directory that the channel stands for is id 0. OPEN gives further ones, of files and of directories, which
   live until CLOSE or the end of the channel: whoever takes the channel away takes all of them away. An id is charged to
   the job that opened it, as are names and contents to the job that makes the file system hold them. No right of an id
   exceeds those of the directory that it was opened in. To hand on a file or directory, CONNECT gives it a channel of
   its own.

   Operations (of id, with the path `first` below it unless said):
     OPEN      flags, rights                   -> id, type
     CLOSE     id not 0
     READ      offset, count                   -> bytes; fewer than asked for: the file's end
     WRITE     offset or APPEND; data: first   -> count, position (behind what was written)
     STAT      path or none, FOLLOW            -> kp_file_stat_t
     SIZE      offset: the new size; GROW: only if that is more
     TIMES     path or none, FOLLOW, times, flags SET_* and NOW_*
     LIST      offset: cookie (0: from the start), count: bytes -> kp_file_entry_t and name, and so on; none: the end.
               "." and ".." are not in it
     MAKE      a directory
     REMOVE    a name; DIRECTORY: of an empty directory, else of anything else
     RENAME    first below id to second below other
     LINK      another name, second below other, for the file first below id
     SYMLINK   a symbolic link, second, that leads to first
     READLINK                                  -> its text
     SYNC      path none                       all that was written to the file is kept; DATA: the contents are
     CONNECT   path or none, rights; one handle: an end of a channel, which then is that directory's or file's
     BUFFER    one handle: a VMO (READ, WRITE), or none; READ and WRITE with IN_BUFFER take and put their bytes there,
               at buffer_offset, up to KP_FILE_BUFFERED_MAX of them
     MOUNT     one handle: a channel (a directory of another server) or a service whose connections are such
     UNMOUNT

   ELSEWHERE. Where a path meets a mounted file system the reply is ERR_ELSEWHERE with one handle, a channel to that file
   system's root, and the rest of the path (RENAME and LINK, if both paths go on there: with a NUL between the two rests;
   else ERR_CROSS_DEVICE): the client asks there again, with id 0. So no server ever waits for another, and one
   that lies or never answers harms only those who walk into it. A path cannot go up out of a file system.

   Rights needed: READ, LIST: the right of that name; WRITE, SIZE, TIMES, TRUNCATE: WRITE; CREATE, MAKE, SYMLINK: CREATE;
   REMOVE: REMOVE; RENAME and LINK: CREATE (RENAME also REMOVE) on `other`, RENAME: REMOVE on id, and `other` must not
   have rights that id lacks. Without: ERR_ACCESS_DENIED.

   Statuses: what abi/status.def says, and ERR_NO_SPACE: the file system is full; ERR_QUOTA: the client's job is at its
   limit; ERR_READ_ONLY: nothing can be changed there. */
#ifndef KP_ABI_FILE_H
#define KP_ABI_FILE_H

#include "abi/types.h"

enum {
    KP_FILE_OPEN = 1,
    KP_FILE_CLOSE = 2,
    KP_FILE_READ = 3,
    KP_FILE_WRITE = 4,
    KP_FILE_STAT = 5,
    KP_FILE_SIZE = 6,
    KP_FILE_TIMES = 7,
    KP_FILE_LIST = 8,
    KP_FILE_MAKE = 9,
    KP_FILE_REMOVE = 10,
    KP_FILE_RENAME = 11,
    KP_FILE_LINK = 12,
    KP_FILE_SYMLINK = 13,
    KP_FILE_READLINK = 14,
    KP_FILE_SYNC = 15,
    KP_FILE_CONNECT = 16,
    KP_FILE_BUFFER = 17,
    KP_FILE_MOUNT = 18,
    KP_FILE_UNMOUNT = 19,
    KP_FILE_OPERATIONS = 20, /* numbers are below this */
};

enum {
    KP_FILE_RIGHT_READ = 1u << 0, /* contents of files */
    KP_FILE_RIGHT_WRITE = 1u << 1,
    KP_FILE_RIGHT_LIST = 1u << 2, /* names of directories */
    KP_FILE_RIGHT_CREATE = 1u << 3,
    KP_FILE_RIGHT_REMOVE = 1u << 4,
    KP_FILE_RIGHT_MOUNT = 1u << 5,
    KP_FILE_RIGHTS_READ_ONLY = KP_FILE_RIGHT_READ | KP_FILE_RIGHT_LIST,
    KP_FILE_RIGHTS_CHANGE = (1u << 5) - 1,
    KP_FILE_RIGHTS_ALL = (1u << 6) - 1,
};

/* kp_file_request_t.flags */
enum {
    KP_FILE_FOLLOW = 1u << 0, /* a symbolic link in the last place */
    KP_FILE_DIRECTORY = 1u << 1,
    /* OPEN; files are open for what is asked for here, and directories have what `rights` leaves of those of id */
    KP_FILE_FOR_READING = 1u << 2,
    KP_FILE_FOR_WRITING = 1u << 3,
    KP_FILE_CREATE = 1u << 4,
    KP_FILE_EXCLUSIVE = 1u << 5,
    KP_FILE_TRUNCATE = 1u << 6,
    /* READ, WRITE, SIZE, SYNC */
    KP_FILE_APPEND = 1u << 7,
    KP_FILE_IN_BUFFER = 1u << 8,
    KP_FILE_GROW = 1u << 9,
    KP_FILE_DATA = 1u << 10,
    /* TIMES */
    KP_FILE_SET_ACCESS = 1u << 11,
    KP_FILE_NOW_ACCESS = 1u << 12,
    KP_FILE_SET_MODIFICATION = 1u << 13,
    KP_FILE_NOW_MODIFICATION = 1u << 14,
};

enum {
    KP_FILE_TYPE_OTHER = 0,
    KP_FILE_TYPE_REGULAR = 1,
    KP_FILE_TYPE_DIRECTORY = 2,
    KP_FILE_TYPE_SYMLINK = 3,
    KP_FILE_TYPE_DEVICE = 4, /* a stream of characters: offsets mean nothing */
};

#define KP_FILE_NAME_MAX 255u
#define KP_FILE_PATH_MAX 4095u          /* bytes; also of a symbolic link's text */
#define KP_FILE_LINKS_MAX 40u           /* symbolic links in one walk: ERR_LOOP */
#define KP_FILE_DATA_MAX 61440u         /* bytes of a READ, WRITE or LIST in the message */
#define KP_FILE_BUFFERED_MAX (1u << 20) /* with IN_BUFFER */

typedef struct kp_file_request {
    uint32_t operation;
    uint32_t id;
    uint32_t flags;
    uint32_t rights;
    uint64_t offset;
    uint64_t access_ns, modification_ns; /* since 1970 */
    uint64_t buffer_offset;
    uint32_t count; /* READ, LIST: bytes wanted; WRITE with IN_BUFFER: bytes to write */
    uint32_t other; /* an id */
    uint32_t first_size, second_size;
} kp_file_request_t;

typedef struct kp_file_reply {
    kp_status_t status;
    uint32_t id;
    uint32_t type; /* KP_FILE_TYPE_* of what was opened */
    uint32_t
        count; /* bytes that follow; READ with IN_BUFFER: bytes read; WRITE: bytes written, and none follow */
    uint64_t position;
} kp_file_reply_t;

typedef struct kp_file_stat {
    uint64_t device, inode, links, size;
    uint64_t access_ns, modification_ns, change_ns;
    uint32_t type;
    uint32_t reserved; /* 0 */
} kp_file_stat_t;

typedef struct kp_file_entry {
    uint64_t next; /* cookie of what comes after it; below 2^63 */
    uint64_t inode;
    uint32_t type;
    uint32_t name_size; /* bytes that follow; 1..KP_FILE_NAME_MAX, no NUL and no '/' */
} kp_file_entry_t;

KP_STATIC_ASSERT(sizeof(kp_file_request_t) == 64, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_file_reply_t) == 24, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_file_stat_t) == 64, "ABI layout");
KP_STATIC_ASSERT(sizeof(kp_file_entry_t) == 24, "ABI layout");

#endif
