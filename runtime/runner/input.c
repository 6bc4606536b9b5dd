/* What the program finds open: a file as standard input, by the program's own means (opened below "/", then made
   descriptor 0), and its directories. */
#include <stdio.h>
#include <string.h>

#include "runtime/runner/runner.h"
#include "runtime/wasi/kpio.h"

enum {
    ROOT = 3, /* the first descriptor behind the streams */
    RESULT_AT = 256,
};

kp_status_t kp_runner_input(kp_wasi_t *wasi, const char *name)
{
    static uint8_t bytes[RESULT_AT + 4]; /* a program's memory, as far as these calls need one */
    const kp_wasi_memory_t memory = {bytes, sizeof bytes};
    const uint64_t rights =
        KP_WASI_RIGHT(KP_WASI_RIGHT_FD_READ) | KP_WASI_RIGHT(KP_WASI_RIGHT_FD_SEEK) |
        KP_WASI_RIGHT(KP_WASI_RIGHT_FD_TELL) | KP_WASI_RIGHT(KP_WASI_RIGHT_FD_FILESTAT_GET) |
        KP_WASI_RIGHT(KP_WASI_RIGHT_POLL_FD_READWRITE);
    size_t length = strlen(name);
    uint32_t opened;
    if (length > RESULT_AT)
        return KP_ERR_TOO_LARGE;
    memcpy(bytes, name, length);
    const uint64_t open[9] = {ROOT, 0, 0, length, 0, rights, 0, 0, RESULT_AT};
    kp_wasi_errno_t error = kp_wasi_call(wasi, memory, KP_WASI_path_open, open);
    if (error == KP_WASI_SUCCESS) {
        memcpy(&opened, bytes + RESULT_AT, sizeof opened);
        const uint64_t renumber[2] = {opened, 0};
        error = kp_wasi_call(wasi, memory, KP_WASI_fd_renumber, renumber);
    }
    return error == KP_WASI_SUCCESS ? KP_OK : KP_ERR_NOT_FOUND;
}

kp_status_t kp_runner_directories(kp_wasi_t *wasi)
{
    const kp_wasi_memory_t none = {NULL, 0};
    const uint64_t close[1] = {ROOT};
    if (kp_wasi_kpio_has_directory("/") &&
        kp_wasi_call(wasi, none, KP_WASI_fd_close, close) != KP_WASI_SUCCESS)
        return KP_ERR_BAD_STATE;
    return kp_wasi_kpio_directories(wasi);
}
