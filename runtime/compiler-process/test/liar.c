/* A compiler process that somebody has taken over: the module's ninth byte says how it lies. host.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/compiler-process/protocol.h"

static void send_reply(kp_compiler_reply_t reply, size_t size)
{
    (void)!write(KP_COMPILER_SOCKET, &reply, size);
}

static int receive(kp_compiler_order_t *order)
{
    int file;
    if (!kp_compiler_order_receive(order, &file))
        exit(0);
    return file;
}

int main(void)
{
    static char big[10000];
    kp_compiler_order_t order;
    kp_compiler_reply_t good = {0}, reply = {0};
    char how = 0;
    int file = receive(&order);
    (void)!pread(file, &how, 1, 8);
    if (how == 'o') /* says no with a status that is none */
        good.status = 5;
    if (how == 'u') /* could not enter the sandbox */
        good.status = KP_ERR_NOT_SUPPORTED;
    if (how == 'x') /* was not started */
        return 127;
    send_reply(good, sizeof good);
    file = receive(&order);
    switch (how) {
    case 'b': /* a size that is not there */
        reply.size = 1 << 30;
        break;
    case 's': /* more than it wrote */
        (void)!write(file, big, sizeof big);
        reply.size = sizeof big + 1;
        break;
    case 'm': /* keeps the file mapped, writable */
        (void)!write(file, big, sizeof big);
        reply.size = sizeof big;
        if (mmap(NULL, sizeof big, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED)
            return 1;
        break;
    case 'g': /* bytes that are no artefact */
        (void)!write(file, big, sizeof big);
        reply.size = sizeof big;
        break;
    case 't': /* text that is not for terminals, without an end */
        reply.status = KP_ERR_BAD_FORMAT;
        reply.error_kind = KP_WASM_ERROR_INVALID;
        memset(reply.reason, 0x1b, sizeof reply.reason);
        memset(reply.detail, 0xff, sizeof reply.detail);
        break;
    case 'k': /* a kind of error that is none */
        reply.status = KP_ERR_BAD_FORMAT;
        reply.error_kind = 0x7fffffff;
        break;
    case '1': /* less than a reply */
        send_reply(reply, 1);
        pause();
        break;
    case 'c': /* closes the socket and stays */
        close(KP_COMPILER_SOCKET);
        pause();
        break;
    case '2': /* answers before it is asked */
        reply.size = sizeof big;
        send_reply(reply, sizeof reply);
        break;
    default:
        break;
    }
    send_reply(reply, sizeof reply);
    pause();
    return 0;
}
