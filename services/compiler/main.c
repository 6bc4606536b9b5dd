/* compiler: serves "svc:compiler" until the process is ended; with the argument "worker" it compiles one
   module for that service instead. */
#include <stdlib.h>
#include <string.h>

#include "runtime/program/kp.h"
#include "runtime/program/startup.h"
#include "services/compiler/service.h"
#include "services/compiler/worker.h"

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], KP_COMPILER_WORKER_ARGUMENT) == 0)
        return kp_compiler_worker_run();
    kp_handle_t registry = kp_startup_take("svc:compiler");
    kp_handle_t authority = kp_startup_take("code-authority");
    kp_handle_t program = kp_startup_take("code:compiler");
    kp_handle_t job = kp_startup_take("job");
    if (!registry || !authority || !program || !job) {
        kp_log("no service, authority, program or job was given");
        return 1;
    }
    kp_compiler_service_t *service = calloc(1, sizeof(*service));
    kp_status_t status = service
                             ? kp_compiler_service_init(service, registry, authority, program, job)
                             : KP_ERR_NO_MEMORY;
    if (status == KP_OK)
        status = kp_compiler_service_run(service);
    kp_log("cannot go on: %s", kp_status_text(status));
    return 1;
}
