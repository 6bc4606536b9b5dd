/* compiler: serves "svc:compiler" until the process is ended; with the argument "worker" it compiles one
   module for that service instead. Handles: abi/startup.h; "dir:cache", if it is given, is where results are kept. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "services/compiler/service.h"
#include "services/compiler/worker.h"

#define DIRECTORY "dir:cache="
#define CACHE_BYTES "cache-bytes=" /* an argument: how much the cache's directory may hold */

/* "dir:cache=RIGHTS" */
static kp_handle_t directory_take(void)
{
    const char *name;
    for (size_t i = 0; (name = kp_startup_name(i)) != NULL; i++) {
        if (strncmp(name, DIRECTORY, strlen(DIRECTORY)) == 0)
            return kp_startup_take(name);
    }
    return KP_HANDLE_NONE;
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], KP_COMPILER_WORKER_ARGUMENT) == 0)
        return kp_compiler_worker_run();
    const kp_compiler_handles_t handles = {
        .registry = kp_startup_take("svc:compiler"),
        .authority = kp_startup_take("code-authority"),
        .program = kp_startup_take("code:compiler"),
        .job = kp_startup_take("job"),
        .directory = directory_take(),
    };
    uint64_t disk_bytes = 0;
    if (argc > 1 && strncmp(argv[1], CACHE_BYTES, strlen(CACHE_BYTES)) == 0)
        disk_bytes = strtoull(argv[1] + strlen(CACHE_BYTES), NULL, 10);
    if (!handles.registry || !handles.authority || !handles.program || !handles.job) {
        kp_log("no service, authority, program or job was given");
        return 1;
    }
    kp_compiler_service_t *service = calloc(1, sizeof(*service));
    kp_status_t status =
        service ? kp_compiler_service_init(service, &handles, disk_bytes) : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = kp_compiler_service_run(service);
    kp_log("cannot go on: %s", kp_status_text(status));
    return 1;
}
