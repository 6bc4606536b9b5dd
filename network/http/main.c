/* http: serves "svc:http" over "svc:net" until the process is ended. */
#include <stdlib.h>

#include "network/http/http.h"
#include "runtime/program/startup.h"

int main(void)
{
    kp_handle_t service = kp_startup_take("svc:http");
    kp_handle_t net = kp_startup_take("svc:net");
    if (service == KP_HANDLE_NONE || net == KP_HANDLE_NONE) {
        kp_log("no service or no network was given");
        return 1;
    }
    kp_http_t *http = calloc(1, sizeof(*http));
    kp_status_t status = http ? kp_http_init(http, service, net) : KP_ERR_NO_MEMORY;
    while (status == KP_OK || status == KP_ERR_TIMED_OUT)
        status = kp_http_step(http, KP_TIME_INFINITE);
    kp_log("cannot go on: %s", kp_status_text(status));
    return 1;
}
