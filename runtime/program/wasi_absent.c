/* The rest of WASI preview 1: what a process without file system and sockets answers. Descriptors
   0..2 exist (wasi.c); whatever else is asked of a descriptor is an error, and never success. */
#include <stdint.h>
#include <wasi/api.h>

#define ABSENT(name, error, ...)                                   \
    int32_t __imported_wasi_snapshot_preview1_##name(__VA_ARGS__); \
    int32_t __imported_wasi_snapshot_preview1_##name(__VA_ARGS__)  \
    {                                                              \
        return (error);                                            \
    }
/* Of a standard descriptor: not possible; of another: there is none. */
#define OF_STREAM(error) ((uint32_t)fd <= 2 ? (error) : __WASI_ERRNO_BADF)

/* C23 and gcc and clang before it allow parameters without names. */
#pragma clang diagnostic ignored "-Wunused-parameter"
#pragma clang diagnostic ignored "-Wc2x-extensions"

#define I32 int32_t
#define I64 int64_t

ABSENT(fd_advise, OF_STREAM(__WASI_ERRNO_SPIPE), I32 fd, I64 a, I64 b, I32 c)
ABSENT(fd_allocate, OF_STREAM(__WASI_ERRNO_SPIPE), I32 fd, I64 a, I64 b)
ABSENT(fd_close, OF_STREAM(__WASI_ERRNO_SUCCESS), I32 fd)
ABSENT(fd_datasync, OF_STREAM(__WASI_ERRNO_INVAL), I32 fd)
ABSENT(fd_fdstat_set_flags, OF_STREAM(__WASI_ERRNO_INVAL), I32 fd, I32 a)
ABSENT(fd_fdstat_set_rights, OF_STREAM(__WASI_ERRNO_NOTCAPABLE), I32 fd, I64 a, I64 b)
ABSENT(fd_filestat_set_size, OF_STREAM(__WASI_ERRNO_INVAL), I32 fd, I64 a)
ABSENT(fd_filestat_set_times, OF_STREAM(__WASI_ERRNO_INVAL), I32 fd, I64 a, I64 b, I32 c)
ABSENT(fd_pread, OF_STREAM(__WASI_ERRNO_SPIPE), I32 fd, I32 a, I32 b, I64 c, I32 d)
ABSENT(fd_prestat_get, __WASI_ERRNO_BADF, I32 fd, I32 a)
ABSENT(fd_prestat_dir_name, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b)
ABSENT(fd_pwrite, OF_STREAM(__WASI_ERRNO_SPIPE), I32 fd, I32 a, I32 b, I64 c, I32 d)
ABSENT(fd_readdir, OF_STREAM(__WASI_ERRNO_NOTDIR), I32 fd, I32 a, I32 b, I64 c, I32 d)
ABSENT(fd_renumber, OF_STREAM(__WASI_ERRNO_NOTSUP), I32 fd, I32 a)
ABSENT(fd_seek, OF_STREAM(__WASI_ERRNO_SPIPE), I32 fd, I64 a, I32 b, I32 c)
ABSENT(fd_sync, OF_STREAM(__WASI_ERRNO_INVAL), I32 fd)
ABSENT(fd_tell, OF_STREAM(__WASI_ERRNO_SPIPE), I32 fd, I32 a)
ABSENT(path_create_directory, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b)
ABSENT(path_filestat_get, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d)
ABSENT(path_filestat_set_times, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I64 d, I64 e, I32 f)
ABSENT(path_link, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d, I32 e, I32 f)
ABSENT(path_open, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d, I64 e, I64 f, I32 g, I32 h)
ABSENT(path_readlink, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d, I32 e)
ABSENT(path_remove_directory, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b)
ABSENT(path_rename, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d, I32 e)
ABSENT(path_symlink, __WASI_ERRNO_BADF, I32 a, I32 b, I32 fd, I32 c, I32 d)
ABSENT(path_unlink_file, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b)
ABSENT(sock_accept, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b)
ABSENT(sock_recv, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d, I32 e)
ABSENT(sock_send, __WASI_ERRNO_BADF, I32 fd, I32 a, I32 b, I32 c, I32 d)
ABSENT(sock_shutdown, __WASI_ERRNO_BADF, I32 fd, I32 a)
