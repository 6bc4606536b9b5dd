#include "kernel/machine/hosted/net_socket.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/net.h"
#include "kernel/kernel.h"

/* Set on our end of the channel when the connection broke: the other thread stops. */
#define SIGNAL_BROKEN KP_SIGNAL_USER_0

typedef struct net_socket {
    atomic_uint references; /* one a thread */
    int file;
    kp_capability_t end; /* ours */
} net_socket_t;

kp_status_t kp_hosted_net_status(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return KP_ERR_CONNECTION_REFUSED;
    case ECONNRESET:
    case EPIPE:
    case ECONNABORTED:
        return KP_ERR_CONNECTION_RESET;
    case ETIMEDOUT:
        return KP_ERR_TIMED_OUT;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return KP_ERR_UNREACHABLE;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return KP_ERR_NO_MEMORY;
    case EACCES:
    case EPERM:
        return KP_ERR_ACCESS_DENIED;
    default:
        return KP_ERR_IO;
    }
}

kp_status_t kp_hosted_net_send(kp_capability_t end, const void *bytes, size_t size,
                               kp_capability_t *capabilities, size_t capability_count,
                               kp_signals_t stop_signals)
{
    for (;;) {
        kp_status_t status = kp_channel_send(end, bytes, size, capabilities, capability_count);
        if (status != KP_ERR_SHOULD_WAIT)
            return status;
        kp_signals_t observed = 0;
        status = kp_wait_one(end.object, KP_SIGNAL_WRITABLE | KP_SIGNAL_PEER_CLOSED | stop_signals,
                             KP_TIME_INFINITE, &observed);
        if (status != KP_OK)
            return status;
        if (observed & stop_signals)
            return KP_ERR_CANCELLED;
    }
}

static void release(net_socket_t *net_socket)
{
    if (atomic_fetch_sub(&net_socket->references, 1) != 1)
        return;
    close(net_socket->file);
    kp_capability_close(&net_socket->end);
    kp_kfree(net_socket);
}

/* ---- from the network to the client ---- */

static kp_status_t send_segment(net_socket_t *net_socket, kp_net_segment_t *segment, size_t count)
{
    return kp_hosted_net_send(net_socket->end, segment, sizeof(*segment) + count, NULL, 0,
                              SIGNAL_BROKEN);
}

static void read_network(net_socket_t *net_socket, kp_net_segment_t *segment)
{
    for (;;) {
        ssize_t count = recv(net_socket->file, segment + 1, KP_NET_SEGMENT_MAX, 0);
        if (count < 0 && errno == EINTR)
            continue;
        if (count > 0) {
            *segment = (kp_net_segment_t){.kind = KP_NET_SEGMENT_DATA};
            /* A client that does not read leaves us here, and the sender's window closes. */
            if (send_segment(net_socket, segment, (size_t)count) != KP_OK)
                return;
            continue;
        }
        if (count == 0) {
            *segment = (kp_net_segment_t){.kind = KP_NET_SEGMENT_FIN};
            (void)send_segment(net_socket, segment, 0); /* the client may be gone already */
            return;
        }
        *segment =
            (kp_net_segment_t){.kind = KP_NET_SEGMENT_ERROR, .status = kp_hosted_net_status(errno)};
        (void)send_segment(net_socket, segment, 0);
        kp_object_signal(net_socket->end.object, 0, SIGNAL_BROKEN);
        return;
    }
}

static void run_reader(void *argument)
{
    net_socket_t *net_socket = argument;
    kp_net_segment_t *segment = kp_kalloc(sizeof(*segment) + KP_NET_SEGMENT_MAX);
    if (segment)
        read_network(net_socket, segment);
    else
        kp_object_signal(net_socket->end.object, 0, SIGNAL_BROKEN);
    kp_kfree(segment);
    release(net_socket);
}

/* ---- from the client to the network ---- */

/* False: nothing more can be sent. */
static bool send_bytes(int file, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        ssize_t sent = send(file, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false; /* the reader hears why and tells the client */
        bytes += sent;
        count -= (size_t)sent;
    }
    return true;
}

typedef struct writer_state {
    bool is_finished; /* the client sent FIN */
    bool is_deaf;     /* the network takes nothing more */
} writer_state_t;

/* False: the client broke the protocol. */
static bool write_segment(net_socket_t *net_socket, const kp_message_t *message,
                          writer_state_t *state)
{
    kp_net_segment_t segment;
    if (message->byte_count < sizeof(segment) || state->is_finished)
        return false;
    memcpy(&segment, message->bytes, sizeof(segment));
    size_t count = message->byte_count - sizeof(segment);
    if (segment.kind == KP_NET_SEGMENT_FIN && count == 0) {
        state->is_finished = true;
        shutdown(net_socket->file, SHUT_WR);
        return true;
    }
    if (segment.kind != KP_NET_SEGMENT_DATA || count == 0 || count > KP_NET_SEGMENT_MAX)
        return false;
    if (!state->is_deaf)
        state->is_deaf = !send_bytes(net_socket->file, message->bytes + sizeof(segment), count);
    return true;
}

static void run_writer(void *argument)
{
    net_socket_t *net_socket = argument;
    writer_state_t state = {false, false};
    for (;;) {
        kp_message_t *message;
        kp_status_t status = kp_channel_receive(net_socket->end, KP_TIME_POLL, &message);
        if (status == KP_OK) {
            bool is_good = write_segment(net_socket, message, &state);
            kp_message_destroy(message);
            if (is_good)
                continue;
            break;
        }
        if (status != KP_ERR_SHOULD_WAIT && status != KP_ERR_TIMED_OUT)
            break;
        kp_signals_t observed = 0;
        status = kp_wait_one(net_socket->end.object,
                             KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED | SIGNAL_BROKEN,
                             KP_TIME_INFINITE, &observed);
        if (status != KP_OK || (observed & SIGNAL_BROKEN))
            break;
    }
    if (!state.is_finished) {
        /* Closed without FIN aborts the connection: the peer gets a reset. */
        struct linger now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(net_socket->file, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
    /* The reader may wait to send, or in recv; SHUT_WR would say FIN where a reset is meant. */
    kp_object_signal(net_socket->end.object, 0, SIGNAL_BROKEN);
    shutdown(net_socket->file, SHUT_RD);
    release(net_socket);
}

kp_status_t kp_hosted_net_socket_start(int file, kp_capability_t *client_end)
{
    kp_capability_t ends[2];
    net_socket_t *net_socket = kp_kalloc(sizeof(*net_socket));
    kp_status_t status = net_socket ? kp_channel_create(ends) : KP_ERR_NO_MEMORY;
    if (status != KP_OK) {
        kp_kfree(net_socket);
        close(file);
        return status;
    }
    net_socket->file = file;
    net_socket->end = ends[0];
    atomic_init(&net_socket->references, 2);
    status = kp_thread_create("net-read", run_reader, net_socket, NULL);
    if (status != KP_OK) {
        release(net_socket);
    } else {
        status = kp_thread_create("net-write", run_writer, net_socket, NULL);
        if (status != KP_OK) {
            kp_object_signal(net_socket->end.object, 0, SIGNAL_BROKEN);
            shutdown(file, SHUT_RDWR); /* ends the reader */
        }
    }
    if (status != KP_OK) {
        release(net_socket);
        kp_capability_close(&ends[1]);
        return status;
    }
    *client_end = ends[1];
    return KP_OK;
}
