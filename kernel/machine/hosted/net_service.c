/* The service `net` (abi/net.h) by the host's own network: names by getaddrinfo, connections by
   sockets. It runs in the kernel process, a thread for each thing that may block; hosted only,
   where threads are cheap. Clients are not trusted: sizes are checked and threads counted. */
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/net.h"
#include "abi/reader.h"
#include "kernel/kernel.h"
#include "kernel/machine/hosted/hosted_internal.h"
#include "kernel/machine/hosted/net_socket.h"

#define WORKERS_MAX 256u
#define CONNECT_TIME_MS 30000
#define CONNECT_LOOK_MS 250 /* how often a pending connect looks whether anybody still wants it */

/* One client's channel to the service. */
typedef struct net_client {
    atomic_uint references; /* its own thread, and workers */
    kp_capability_t end;
    atomic_bool is_gone;
} net_client_t;

/* What a worker does. */
typedef struct net_work {
    net_client_t *client;
    uint32_t txid;
    kp_net_address_t address;
    uint16_t port;
    char name[KP_NET_NAME_MAX + 1];
} net_work_t;

static atomic_uint worker_count;

static void client_release(net_client_t *client)
{
    if (atomic_fetch_sub(&client->references, 1) == 1) {
        kp_capability_close(&client->end);
        kp_kfree(client);
    }
}

static void reply(net_client_t *client, const void *bytes, size_t size, kp_capability_t *capability)
{
    /* A client that is gone needs no answer. */
    (void)kp_hosted_net_send(client->end, bytes, size, capability,
                             capability && capability->object ? 1 : 0, 0);
    if (capability)
        kp_capability_close(capability);
}

/* ---- names ---- */

static void add_address(kp_net_resolved_t *resolved, const struct sockaddr *from)
{
    kp_net_address_t address = {0};
    if (from->sa_family == AF_INET) {
        address.family = 4;
        memcpy(address.bytes, &((const struct sockaddr_in *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        address.family = 6;
        memcpy(address.bytes, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
    }
    if (address.family && resolved->count < KP_NET_ADDRESSES_MAX)
        resolved->addresses[resolved->count++] = address;
}

static void resolve(net_work_t *work)
{
    kp_net_resolved_t resolved = {.header = {KP_NET_RESOLVE, work->txid}};
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
    int error = getaddrinfo(work->name, NULL, &hints, &list);
    if (error == EAI_FAMILY || error == EAI_NONAME) {
        /* AI_ADDRCONFIG hides addresses while no interface is up: 127.0.0.1 must still work. */
        hints.ai_flags = 0;
        error = getaddrinfo(work->name, NULL, &hints, &list);
    }
    for (struct addrinfo *item = error ? NULL : list; item; item = item->ai_next)
        add_address(&resolved, item->ai_addr);
    if (!error)
        freeaddrinfo(list);
    if (error == EAI_MEMORY)
        resolved.status = KP_ERR_NO_MEMORY;
    else if (resolved.count == 0)
        resolved.status = KP_ERR_NAME_NOT_RESOLVED;
    reply(work->client, &resolved, sizeof(resolved), NULL);
}

/* ---- connections ---- */

static socklen_t socket_address(const net_work_t *work, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof(*to));
    if (work->address.family == 4) {
        struct sockaddr_in *four = (struct sockaddr_in *)to;
        four->sin_family = AF_INET;
        four->sin_port = htons(work->port);
        memcpy(&four->sin_addr, work->address.bytes, 4);
        return sizeof(*four);
    }
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(work->port);
    memcpy(&six->sin6_addr, work->address.bytes, 16);
    return sizeof(*six);
}

/* Waits until the socket is connected; gives up when the client is gone. */
static kp_status_t await_connect(int file, net_client_t *client)
{
    for (int waited = 0; waited < CONNECT_TIME_MS; waited += CONNECT_LOOK_MS) {
        struct pollfd item = {.fd = file, .events = POLLOUT};
        int ready = poll(&item, 1, CONNECT_LOOK_MS);
        if (ready > 0) {
            int error = 0;
            socklen_t size = sizeof(error);
            getsockopt(file, SOL_SOCKET, SO_ERROR, &error, &size);
            return error ? kp_hosted_net_status(error) : KP_OK;
        }
        if (atomic_load(&client->is_gone))
            return KP_ERR_CANCELLED;
    }
    return KP_ERR_TIMED_OUT;
}

static kp_status_t open_connection(net_work_t *work, kp_capability_t *client_end)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address(work, &address);
    int file = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (file < 0)
        return kp_hosted_net_status(errno);
    kp_status_t status = KP_OK;
    if (connect(file, (struct sockaddr *)&address, size) != 0)
        status =
            errno == EINPROGRESS ? await_connect(file, work->client) : kp_hosted_net_status(errno);
    if (status != KP_OK) {
        close(file);
        return status;
    }
    int one = 1;
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    fcntl(file, F_SETFL, fcntl(file, F_GETFL) & ~O_NONBLOCK); /* its threads may block */
    return kp_hosted_net_socket_start(file, client_end);
}

static void connect_host(net_work_t *work)
{
    kp_capability_t client_end = {0};
    kp_net_connected_t connected = {.header = {KP_NET_CONNECT, work->txid}};
    connected.status = open_connection(work, &client_end);
    reply(work->client, &connected, sizeof(connected), &client_end);
}

static void run_work(void *argument)
{
    net_work_t *work = argument;
    if (work->name[0])
        resolve(work);
    else
        connect_host(work);
    client_release(work->client);
    kp_kfree(work);
    atomic_fetch_sub(&worker_count, 1);
}

/* Starts a worker with a copy of *work. */
static kp_status_t start_work(net_client_t *client, const net_work_t *work)
{
    if (atomic_fetch_add(&worker_count, 1) >= WORKERS_MAX) {
        atomic_fetch_sub(&worker_count, 1);
        return KP_ERR_QUOTA;
    }
    net_work_t *copy = kp_kalloc(sizeof(*copy));
    kp_status_t status = KP_ERR_NO_MEMORY;
    if (copy) {
        *copy = *work;
        copy->client = client;
        atomic_fetch_add(&client->references, 1);
        status = kp_thread_create("net-work", run_work, copy, NULL);
        if (status == KP_OK)
            return KP_OK;
        client_release(client);
        kp_kfree(copy);
    }
    atomic_fetch_sub(&worker_count, 1);
    return status;
}

/* ---- requests ---- */

static kp_status_t on_resolve(net_client_t *client, const kp_message_t *message)
{
    kp_net_resolve_t request;
    if (message->byte_count < sizeof(request))
        return KP_ERR_PROTOCOL;
    memcpy(&request, message->bytes, sizeof(request));
    const char *name = (const char *)message->bytes + sizeof(request);
    if (request.name_size != message->byte_count - sizeof(request))
        return KP_ERR_PROTOCOL;
    net_work_t work = {.txid = request.header.txid};
    kp_status_t status =
        KP_ERR_NAME_NOT_RESOLVED; /* no name in the world is so long, or has a NUL */
    if (request.name_size > 0 && request.name_size <= KP_NET_NAME_MAX &&
        !memchr(name, 0, request.name_size)) {
        memcpy(work.name, name, request.name_size);
        status = start_work(client, &work);
    }
    if (status != KP_OK) {
        kp_net_resolved_t resolved = {.header = {KP_NET_RESOLVE, work.txid}, .status = status};
        reply(client, &resolved, sizeof(resolved), NULL);
    }
    return KP_OK;
}

static kp_status_t on_connect(net_client_t *client, const kp_message_t *message)
{
    kp_net_connect_t request;
    if (message->byte_count != sizeof(request))
        return KP_ERR_PROTOCOL;
    memcpy(&request, message->bytes, sizeof(request));
    net_work_t work = {
        .txid = request.header.txid, .address = request.address, .port = (uint16_t)request.port};
    kp_status_t status = KP_ERR_INVALID_ARGUMENT;
    if ((work.address.family == 4 || work.address.family == 6) && request.port > 0 &&
        request.port <= 65535)
        status = start_work(client, &work);
    if (status != KP_OK) {
        kp_net_connected_t connected = {.header = {KP_NET_CONNECT, work.txid}, .status = status};
        reply(client, &connected, sizeof(connected), NULL);
    }
    return KP_OK;
}

/* The first address of an interface that is up and not the loopback. Gateway and name server are
   the host's own business and stay unknown. */
static void on_status(net_client_t *client, uint32_t txid)
{
    kp_net_status_t status = {.header = {KP_NET_STATUS, txid}};
    struct ifaddrs *list = NULL;
    if (getifaddrs(&list) == 0) {
        kp_net_resolved_t found = {.count = 0};
        for (struct ifaddrs *item = list; item && found.count == 0; item = item->ifa_next) {
            if (item->ifa_addr && (item->ifa_flags & IFF_UP) && !(item->ifa_flags & IFF_LOOPBACK))
                add_address(&found, item->ifa_addr);
        }
        freeifaddrs(list);
        status.configured = found.count > 0;
        status.address = found.addresses[0];
    }
    reply(client, &status, sizeof(status), NULL);
}

static kp_status_t on_message(net_client_t *client, const kp_message_t *message)
{
    kp_message_header_t header;
    if (message->byte_count < sizeof(header))
        return KP_ERR_PROTOCOL;
    memcpy(&header, message->bytes, sizeof(header));
    switch (header.ordinal) {
    case KP_NET_RESOLVE:
        return on_resolve(client, message);
    case KP_NET_CONNECT:
        return on_connect(client, message);
    case KP_NET_STATUS:
        on_status(client, header.txid);
        return KP_OK;
    default:
        return KP_ERR_PROTOCOL;
    }
}

static void run_client(void *argument)
{
    net_client_t *client = argument;
    kp_status_t status = KP_OK;
    while (status == KP_OK) {
        kp_message_t *message;
        status = kp_channel_receive(client->end, KP_TIME_INFINITE, &message);
        if (status == KP_OK) {
            status = on_message(client, message);
            kp_message_destroy(message);
        }
    }
    if (status == KP_ERR_PROTOCOL)
        kp_log("net", KP_LOG_WARN, "a client broke the protocol");
    atomic_store(&client->is_gone, true);
    client_release(client);
}

static void run_service(void *argument)
{
    kp_capability_t *requests = argument;
    kp_message_t *message;
    while (kp_channel_receive(*requests, KP_TIME_INFINITE, &message) == KP_OK) {
        net_client_t *client = message->capability_count > 0 ? kp_kalloc(sizeof(*client)) : NULL;
        if (client) {
            atomic_init(&client->references, 1);
            client->end = kp_capability_take(&message->capabilities[0]);
            if (kp_thread_create("net-client", run_client, client, NULL) != KP_OK)
                client_release(client);
        }
        kp_message_destroy(message);
    }
    kp_capability_close(requests);
}

kp_status_t kp_hosted_net_service_start(void)
{
    static kp_capability_t requests; /* the service thread's */
    kp_service_t *service;
    kp_status_t status = kp_service_find("net", &service);
    if (status == KP_OK)
        status = kp_service_register(service, &requests);
    if (status != KP_OK)
        return status;
    status = kp_thread_create("net", run_service, &requests, NULL);
    if (status != KP_OK)
        kp_capability_close(&requests);
    return status;
}
