/* The socket calls that libcurl makes in a KPIO program. WASI preview 1 has no sockets, so curl is
   compiled against these names, and the program that links it (network/http) defines them over the
   service "net". Meanings, arguments and results are POSIX's, errors in errno; all sockets are
   non-blocking from birth, and descriptors are the program's own numbers, not WASI's.

   SOCK_STREAM over AF_INET and AF_INET6 only; the type may carry SOCK_NONBLOCK and SOCK_CLOEXEC. kp_socket_connect begins and fails with EINPROGRESS;
   poll then says POLLOUT, and get_option(SO_ERROR) how it went. set_option may ignore what it does not
   know and return 0 (TCP_NODELAY, SO_KEEPALIVE, and curl's "be non-blocking"). kp_socket_getaddrinfo is called only
   for names that CURLOPT_RESOLVE did not supply; it may block. */
#ifndef KPIO_SOCKETS_H
#define KPIO_SOCKETS_H

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* What WASI's own headers lack for preview 1. */
#ifndef SO_ERROR
#define SO_ERROR 4
#endif
#ifndef SO_KEEPALIVE
#define SO_KEEPALIVE 9
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0x4000
#endif
#ifndef POLLPRI /* out-of-band data do not exist here */
#define POLLPRI 0
#endif
#ifndef POLLRDBAND
#define POLLRDBAND 0
#endif

struct addrinfo {
    int ai_flags;
    int ai_family;
    int ai_socktype;
    int ai_protocol;
    socklen_t ai_addrlen;
    struct sockaddr *ai_addr;
    char *ai_canonname;
    struct addrinfo *ai_next;
};

#define AI_PASSIVE 0x01
#define AI_NUMERICHOST 0x04
#define EAI_NONAME (-2)
#define EAI_AGAIN (-3)
#define EAI_FAIL (-4)
#define EAI_FAMILY (-6)
#define EAI_MEMORY (-10)

int kp_socket_open(int domain, int type, int protocol);
int kp_socket_connect(int fd, const struct sockaddr *address, socklen_t size);
ssize_t kp_socket_send(int fd, const void *bytes, size_t size, int flags);
ssize_t kp_socket_receive(int fd, void *bytes, size_t size, int flags); /* MSG_PEEK is used */
int kp_socket_close(int fd);
int kp_socket_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int kp_socket_get_option(int fd, int level, int name, void *value, socklen_t *size);
int kp_socket_set_option(int fd, int level, int name, const void *value, socklen_t size);
int kp_socket_get_name(int fd, struct sockaddr *address, socklen_t *size);
int kp_socket_get_peer(int fd, struct sockaddr *address, socklen_t *size);
int kp_socket_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                          struct addrinfo **list);
void kp_socket_freeaddrinfo(struct addrinfo *list);

#endif
