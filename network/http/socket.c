/* The socket calls that libcurl makes (deps/config/curl/kpio_sockets.h), over channels. */
#include "network/http/socket_state.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <kpio_sockets.h>

#include "runtime/program/kp.h"

static kp_socket_t *socket_of(int fd)
{
    int index = fd - KP_SOCKET_FIRST_FD;
    if (index < 0 || index >= KP_SOCKET_COUNT_MAX ||
        kp_socket_layer.sockets[index].phase == KP_SOCKET_FREE) {
        errno = EBADF;
        return NULL;
    }
    return &kp_socket_layer.sockets[index];
}

void kp_socket_layer_init(kp_loop_t *loop, kp_handle_t service)
{
    kp_socket_layer.loop = loop;
    kp_socket_layer.service = service;
    kp_socket_layer.net = KP_HANDLE_NONE;
}

void kp_socket_layer_clear(void)
{
    for (int i = 0; i < KP_SOCKET_COUNT_MAX; i++) {
        if (kp_socket_layer.sockets[i].phase != KP_SOCKET_FREE)
            kp_socket_close(KP_SOCKET_FIRST_FD + i);
    }
    if (kp_socket_layer.net != KP_HANDLE_NONE) {
        kp_loop_unwatch(kp_socket_layer.loop, kp_socket_layer.net);
        (void)kp_handle_close(kp_socket_layer.net);
        kp_socket_layer.net = KP_HANDLE_NONE;
    }
    kp_socket_names_clear();
}

int kp_socket_open(int domain, int type, int protocol)
{
    (void)protocol;
    if (domain != AF_INET && domain != AF_INET6) {
        errno = EAFNOSUPPORT;
        return -1;
    }
    for (int i = 0; i < KP_SOCKET_COUNT_MAX; i++) {
        kp_socket_t *socket = &kp_socket_layer.sockets[i];
        if (socket->phase != KP_SOCKET_FREE)
            continue;
        *socket = (kp_socket_t){.phase = KP_SOCKET_OPEN, .family = domain};
        /* curl opens a datagram socket to see whether there is IPv6; it cannot be connected. */
        int flags = 0;
#ifdef SOCK_NONBLOCK
        flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
#endif
        socket->is_stream = (type & ~flags) == SOCK_STREAM;
        return KP_SOCKET_FIRST_FD + i;
    }
    errno = EMFILE;
    return -1;
}

int kp_socket_close(int fd)
{
    kp_socket_t *socket = socket_of(fd);
    if (!socket)
        return -1;
    kp_loop_timer_cancel(&socket->next_address);
    kp_socket_release(socket);
    free(socket->rest);
    *socket = (kp_socket_t){.phase = KP_SOCKET_FREE};
    return 0;
}

int kp_socket_connect(int fd, const struct sockaddr *address, socklen_t size)
{
    kp_socket_t *socket = socket_of(fd);
    if (!socket)
        return -1;
    if (socket->phase != KP_SOCKET_OPEN || !socket->is_stream) {
        errno = socket->is_stream ? EISCONN : EPROTOTYPE;
        return -1;
    }
    kp_net_address_t *to = &socket->addresses[0];
    const char *name = NULL;
    if (address->sa_family == AF_INET && size >= sizeof(struct sockaddr_in)) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)address;
        to->family = 4;
        memcpy(to->bytes, &v4->sin_addr, 4);
        socket->port = ntohs(v4->sin_port);
    } else if (address->sa_family == AF_INET6 && size >= sizeof(struct sockaddr_in6)) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
        to->family = 6;
        memcpy(to->bytes, &v6->sin6_addr, 16);
        socket->port = ntohs(v6->sin6_port);
        name = kp_socket_name_find(to->bytes);
    } else {
        errno = EAFNOSUPPORT;
        return -1;
    }
    if (socket->port == 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    if (name) {
        kp_socket_begin_name(socket, name);
    } else {
        socket->address_count = 1;
        socket->address_next = 0;
        kp_socket_begin_address(socket);
    }
    errno = EINPROGRESS; /* also when it has failed already: SO_ERROR tells */
    return -1;
}

static ssize_t fail(int error)
{
    errno = error;
    return -1;
}

/* Copies from the rest of an earlier message; frees it when it is used up. */
static ssize_t take_rest(kp_socket_t *socket, void *bytes, size_t size, bool is_peek)
{
    size_t left = socket->rest_size - socket->rest_done;
    size_t count = size < left ? size : left;
    memcpy(bytes, socket->rest + socket->rest_done, count);
    if (!is_peek)
        socket->rest_done += count;
    if (socket->rest_done == socket->rest_size) {
        free(socket->rest);
        socket->rest = NULL;
    }
    return (ssize_t)count;
}

/* Takes one message of the channel. Returns what receive returns; with a peek, or when the message
   is longer than size, its bytes stay as the rest. */
static ssize_t take_message(kp_socket_t *socket, void *bytes, size_t size, bool is_peek)
{
    kp_message_t *message = &kp_socket_layer.message;
    kp_status_t status = kp_message_receive(socket->channel, message);
    if (status == KP_ERR_SHOULD_WAIT) {
        socket->is_readable = false;
        kp_socket_watch(socket);
        return fail(EAGAIN);
    }
    if (status != KP_OK) {
        /* Without FIN and without ERROR: the service itself is gone. */
        socket->error = kp_socket_status_error(status);
        return fail(socket->error);
    }
    const kp_net_segment_t *segment = kp_message_as(message, sizeof(*segment));
    uint32_t kind = segment ? segment->kind : 0;
    size_t count = segment ? message->size - sizeof(*segment) : 0;
    if (kind == KP_NET_SEGMENT_FIN) {
        socket->is_ended = true;
        return 0;
    }
    if (kind == KP_NET_SEGMENT_ERROR) {
        socket->error = kp_socket_status_error(segment->status);
        return fail(socket->error);
    }
    if (kind != KP_NET_SEGMENT_DATA || count == 0 || count > KP_NET_SEGMENT_MAX) {
        kp_message_clear(message);
        socket->error = EPROTO;
        return fail(socket->error);
    }
    const uint8_t *from = message->bytes + sizeof(*segment);
    size_t taken = count < size ? count : size;
    memcpy(bytes, from, taken);
    size_t kept = is_peek ? 0 : taken;
    if (kept < count) {
        socket->rest = malloc(count - kept);
        if (!socket->rest) { /* bytes of the stream are lost: it cannot go on */
            socket->error = ENOMEM;
            return fail(ENOMEM);
        }
        memcpy(socket->rest, from + kept, count - kept);
        socket->rest_size = count - kept;
        socket->rest_done = 0;
    }
    return (ssize_t)taken;
}

ssize_t kp_socket_receive(int fd, void *bytes, size_t size, int flags)
{
    kp_socket_t *socket = socket_of(fd);
    bool is_peek = (flags & MSG_PEEK) != 0;
    if (!socket)
        return -1;
    if (socket->rest)
        return size ? take_rest(socket, bytes, size, is_peek) : 0;
    if (socket->error)
        return fail(socket->error);
    if (socket->phase != KP_SOCKET_CONNECTED)
        return fail(socket->phase == KP_SOCKET_OPEN ? ENOTCONN : EAGAIN);
    if (socket->is_ended || size == 0)
        return 0;
    return take_message(socket, bytes, size, is_peek);
}

ssize_t kp_socket_send(int fd, const void *bytes, size_t size, int flags)
{
    kp_socket_t *socket = socket_of(fd);
    (void)flags; /* MSG_NOSIGNAL: there are no signals */
    if (!socket)
        return -1;
    if (socket->error)
        return fail(socket->error);
    if (socket->phase != KP_SOCKET_CONNECTED)
        return fail(socket->phase == KP_SOCKET_OPEN ? ENOTCONN : EAGAIN);
    if (size == 0)
        return 0;
    size_t count = size < KP_NET_SEGMENT_MAX ? size : KP_NET_SEGMENT_MAX;
    kp_net_segment_t segment = {.kind = KP_NET_SEGMENT_DATA};
    kp_status_t status =
        kp_message_send_with(socket->channel, &segment, sizeof(segment), bytes, count, NULL, 0);
    if (status == KP_ERR_SHOULD_WAIT) {
        socket->is_writable = false;
        kp_socket_watch(socket);
        return fail(EAGAIN);
    }
    if (status != KP_OK) /* why, the channel's last messages may say: receive reads them */
        return fail(status == KP_ERR_PEER_CLOSED ? ECONNRESET : kp_socket_status_error(status));
    return (ssize_t)count;
}

static bool can_read(const kp_socket_t *socket)
{
    if (socket->phase == KP_SOCKET_FAILED || socket->rest || socket->error)
        return true;
    return socket->phase == KP_SOCKET_CONNECTED && (socket->is_ended || socket->is_readable);
}

static bool can_write(const kp_socket_t *socket)
{
    if (socket->phase == KP_SOCKET_FAILED || socket->error)
        return true;
    return socket->phase == KP_SOCKET_CONNECTED && socket->is_writable;
}

/* Asks the kernel about what is not known. */
static void refresh(kp_socket_t *socket)
{
    kp_signals_t observed = 0;
    if (socket->phase != KP_SOCKET_CONNECTED)
        return;
    kp_signals_t all = KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED;
    if (kp_object_wait_one(socket->channel, all, KP_TIME_POLL, &observed) != KP_OK)
        observed = 0;
    socket->is_readable = observed & (KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED);
    socket->is_writable = observed & (KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED);
}

static int poll_once(struct pollfd *fds, nfds_t count)
{
    int ready = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        kp_socket_t *socket = socket_of(fds[i].fd);
        if (!socket) {
            fds[i].revents = POLLNVAL;
            ready++;
            continue;
        }
        refresh(socket);
        if (can_read(socket))
            fds[i].revents |= fds[i].events & (POLLIN | POLLRDNORM);
        if (can_write(socket))
            fds[i].revents |= fds[i].events & (POLLOUT | POLLWRNORM);
        if (socket->phase == KP_SOCKET_FAILED)
            fds[i].revents |= POLLERR;
        ready += fds[i].revents != 0;
    }
    return ready;
}

int kp_socket_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    kp_time_t deadline = timeout_ms < 0 ? KP_TIME_INFINITE : kp_now() + timeout_ms * KP_NS_PER_MS;
    for (;;) {
        kp_socket_net_receive();
        int ready = poll_once(fds, count);
        if (ready || timeout_ms == 0 || kp_now() >= deadline)
            return ready;
        /* curl polls with a time only when it has nothing else to do, which this program, driven by
           its own loop, never asks of it; still the call does what it says. */
        kp_wait_item_t items[KP_SOCKET_COUNT_MAX + 1];
        size_t used = 0;
        if (kp_socket_layer.net != KP_HANDLE_NONE)
            items[used++] = (kp_wait_item_t){kp_socket_layer.net,
                                             KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED, 0};
        for (nfds_t i = 0; i < count && used < sizeof(items) / sizeof(items[0]); i++) {
            const kp_socket_t *socket = fds[i].fd < 0 ? NULL : socket_of(fds[i].fd);
            if (!socket || socket->phase != KP_SOCKET_CONNECTED)
                continue;
            kp_signals_t signals = KP_SIGNAL_PEER_CLOSED;
            if (fds[i].events & (POLLIN | POLLRDNORM))
                signals |= KP_SIGNAL_READABLE;
            if (fds[i].events & (POLLOUT | POLLWRNORM))
                signals |= KP_SIGNAL_WRITABLE;
            items[used++] = (kp_wait_item_t){socket->channel, signals, 0};
        }
        kp_status_t status = kp_object_wait_many(items, used, deadline);
        if (status != KP_OK && status != KP_ERR_TIMED_OUT) {
            errno = EINTR;
            return -1;
        }
    }
}

int kp_socket_get_option(int fd, int level, int name, void *value, socklen_t *size)
{
    kp_socket_t *socket = socket_of(fd);
    if (!socket)
        return -1;
    if (level != SOL_SOCKET || name != SO_ERROR || *size < sizeof(int)) {
        errno = ENOPROTOOPT;
        return -1;
    }
    int error = socket->phase == KP_SOCKET_FAILED ? socket->error : 0;
    memcpy(value, &error, sizeof(error));
    *size = sizeof(error);
    return 0;
}

int kp_socket_set_option(int fd, int level, int name, const void *value, socklen_t size)
{
    (void)level;
    (void)name;
    (void)value;
    (void)size;
    return socket_of(fd) ? 0 : -1; /* delays, keep-alive, non-blocking: all as asked by nature */
}

/* Only for curl's records: which address it was is the service's business. */
static int unknown_name(int fd, struct sockaddr *address, socklen_t *size)
{
    kp_socket_t *socket = socket_of(fd);
    if (!socket)
        return -1;
    struct sockaddr_in6 name = {.sin6_family = AF_INET6};
    socklen_t count = *size < sizeof(name) ? *size : (socklen_t)sizeof(name);
    memcpy(address, &name, count);
    *size = sizeof(name);
    return 0;
}

int kp_socket_get_name(int fd, struct sockaddr *address, socklen_t *size)
{
    return unknown_name(fd, address, size);
}

int kp_socket_get_peer(int fd, struct sockaddr *address, socklen_t *size)
{
    return unknown_name(fd, address, size);
}

void kp_socket_set_interest(int fd, bool is_reading, bool is_writing)
{
    kp_socket_t *socket = socket_of(fd);
    if (!socket)
        return;
    socket->wants_reading = is_reading;
    socket->wants_writing = is_writing;
    kp_socket_watch(socket);
}

bool kp_socket_run(kp_socket_ready_fn ready, void *context)
{
    bool is_more = false;
    for (int i = 0; i < KP_SOCKET_COUNT_MAX; i++) {
        kp_socket_t *socket = &kp_socket_layer.sockets[i];
        if (socket->phase == KP_SOCKET_FREE)
            continue;
        bool is_readable = socket->wants_reading && can_read(socket);
        bool is_writable = socket->wants_writing && can_write(socket);
        if (is_readable || is_writable)
            ready(context, KP_SOCKET_FIRST_FD + i, is_readable, is_writable);
        /* The socket may have been closed, and even opened anew, by now. */
        if (socket->phase == KP_SOCKET_FREE)
            continue;
        kp_socket_watch(socket);
        if ((socket->wants_reading && can_read(socket)) ||
            (socket->wants_writing && can_write(socket)))
            is_more = true;
    }
    return is_more;
}
