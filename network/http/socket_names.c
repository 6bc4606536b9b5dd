/* Look-ups for curl: a host name becomes an invented address, a literal its own. */
#include "network/http/socket_state.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include <kpio_sockets.h>

#include "runtime/program/kp.h"

typedef struct known_name {
    uint32_t serial; /* 0: unused */
    char name[KP_NET_NAME_MAX + 1];
} known_name_t;

static known_name_t names[KP_SOCKET_NAMES];
static uint32_t last_serial;
static uint8_t prefix[12]; /* 01 00, then random: pages cannot write such an address as a literal */

typedef struct found_address {
    struct addrinfo info; /* first: freed through it */
    union {
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address;
} found_address_t;

static bool invent(const char *name, struct in6_addr *out)
{
    size_t size = strlen(name);
    if (size == 0 || size > KP_NET_NAME_MAX)
        return false;
    if (!prefix[0]) {
        if (kp_random_get(prefix, sizeof(prefix)) != KP_OK)
            return false;
        prefix[0] = 1;
        prefix[1] = 0;
    }
    if (++last_serial == 0)
        last_serial = 1;
    known_name_t *known = &names[last_serial % KP_SOCKET_NAMES];
    known->serial = last_serial;
    memcpy(known->name, name, size + 1);
    memcpy(out->s6_addr, prefix, sizeof(prefix));
    memcpy(out->s6_addr + sizeof(prefix), &last_serial, sizeof(last_serial));
    return true;
}

const char *kp_socket_name_find(const uint8_t address[16])
{
    uint32_t serial;
    memcpy(&serial, address + sizeof(prefix), sizeof(serial));
    if (!prefix[0] || memcmp(address, prefix, sizeof(prefix)) != 0)
        return NULL;
    const known_name_t *known = &names[serial % KP_SOCKET_NAMES];
    /* A name that was pushed out meanwhile is no name: the connection fails, never goes astray. */
    return serial && known->serial == serial ? known->name : "";
}

void kp_socket_names_clear(void)
{
    memset(names, 0, sizeof(names));
    memset(prefix, 0, sizeof(prefix));
    last_serial = 0;
}

int kp_socket_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                          struct addrinfo **list)
{
    long port = service ? strtol(service, NULL, 10) : 0;
    if (!name || port < 0 || port > 65535)
        return EAI_NONAME;
    found_address_t *found = calloc(1, sizeof(*found));
    if (!found)
        return EAI_MEMORY;
    struct addrinfo *info = &found->info;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addr = (struct sockaddr *)&found->address;
    struct in_addr v4;
    if (inet_pton(AF_INET, name, &v4) == 1) {
        info->ai_family = AF_INET;
        info->ai_addrlen = sizeof(found->address.v4);
        found->address.v4.sin_family = AF_INET;
        found->address.v4.sin_port = htons((uint16_t)port);
        found->address.v4.sin_addr = v4;
    } else {
        struct in6_addr *v6 = &found->address.v6.sin6_addr;
        bool is_literal = inet_pton(AF_INET6, name, v6) == 1;
        bool is_numeric_only = hints && (hints->ai_flags & AI_NUMERICHOST);
        if (!is_literal && (is_numeric_only || !invent(name, v6))) {
            free(found);
            return EAI_NONAME;
        }
        info->ai_family = AF_INET6;
        info->ai_addrlen = sizeof(found->address.v6);
        found->address.v6.sin6_family = AF_INET6;
        found->address.v6.sin6_port = htons((uint16_t)port);
    }
    *list = info;
    return 0;
}

void kp_socket_freeaddrinfo(struct addrinfo *list)
{
    free(list);
}
