#include <string.h>
#include <sys/socket.h>

#include "runtime/compiler-process/protocol.h"

bool kp_compiler_order_receive(kp_compiler_order_t *order, int *file)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = {order, sizeof *order};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    *file = -1;
    ssize_t size = recvmsg(KP_COMPILER_SOCKET, &message, 0);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(file, CMSG_DATA(header), sizeof *file);
    return size == sizeof *order && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
           order->version == KP_COMPILER_VERSION;
}
