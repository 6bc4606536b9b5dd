#include "runtime/runner/runner.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "runtime/wasi/kpio.h"
#include "runtime/wasm/heap.h"
/* What the program may reach: its streams, the files that came along, the directories that it was given. */
static kp_status_t make_wasi(const kp_runner_options_t *options, const kp_handle_t streams[3],
                             kp_wasi_t **wasi)
{
    const kp_wasi_options_t wanted = {
        .arguments = options->arguments,
        .argument_count = options->argument_count,
        .environment = options->environment,
        .environment_count = options->environment_count,
        .host = &kp_wasi_kpio_host,
    };
    kp_status_t status = kp_wasi_create(&wanted, wasi);
    if (status == KP_OK)
        status = kp_wasi_kpio_streams(*wasi, streams);
    if (status == KP_OK)
        status = kp_wasi_kpio_files(*wasi, "/");
    if (status == KP_OK && options->input)
        status = kp_runner_input(*wasi, options->input);
    if (status == KP_OK)
        status = kp_runner_directories(*wasi);
    return status;
}

int main(int argc, char **argv)
{
    static const char *environment[KP_RUNNER_ENVIRONMENT_MAX];
    kp_runner_options_t options;
    kp_runner_code_t code;
    kp_wasi_t *wasi;
    const kp_handle_t streams[3] = {kp_startup_take("stdin"), kp_startup_take("stdout"),
                                    kp_startup_take("stderr")};
    kp_object_info_t info = {.type = 0};
    /* Our own words go to the same place as the program's errors, when that is a device; else to the log. */
    if (streams[2] != KP_HANDLE_NONE && kp_object_info(streams[2], &info) == KP_OK &&
        info.type == KP_TYPE_DEVICE) {
        int64_t own = kp_handle_duplicate(streams[2], KP_RIGHTS_SAME);
        if (own > 0)
            kp_native_output_set((kp_handle_t)own);
    }
    if (!kp_runner_parse(argc, argv, &options, environment))
        return KP_RUNNER_USAGE;
    kp_status_t status = kp_runner_load(&options, kp_wasm_heap, &code);
    if (status != KP_OK)
        return KP_RUNNER_FAILED;
    status = make_wasi(&options, streams, &wasi);
    if (status != KP_OK) {
        printf("%s: %s\n", options.arguments[0], kp_status_text(status));
        return KP_RUNNER_FAILED;
    }
    kp_runner_run(&options, kp_wasm_heap, &code, wasi);
}
