/* The compiler service: clients, their requests, the workers that compile, and the cache.

   A request passes through three states: its module is copied (copy-on-write) and hashed, a slice at a
   time; it waits for a worker; a worker has it. Nobody waits for ever behind others: slices go round among the
   requests; a client (a job) has at most CLIENT_WORKERS of the workers, and whoever has fewer comes first; one worker
   is kept for small modules; and the kernel shares the processor among workers as among all processes. A
   module that takes more processor time than any should is given up. */
#ifndef KP_SERVICES_COMPILER_SERVICE_H
#define KP_SERVICES_COMPILER_SERVICE_H

#include "abi/ipc.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"
#include "services/compiler/cache.h"
#include "services/compiler/request.h"

enum {
    KP_COMPILER_CONNECTIONS_MAX = 512,
    KP_COMPILER_CLIENT_CONNECTIONS = 64,
    KP_COMPILER_WORKERS = 4,
    KP_COMPILER_CLIENT_WORKERS = 2,
    KP_COMPILER_LARGE_WORKERS = KP_COMPILER_WORKERS - 1,
    KP_COMPILER_LARGE = 1 << 20,  /* bytes of a module */
    KP_COMPILER_SLICE = 64 << 10, /* that are hashed at a time */
    KP_COMPILER_ENTRIES_MAX = 1024,
};
#define KP_COMPILER_CACHE_BYTES ((uint64_t)384 << 20)
/* Modules in work, of all clients and of one. */
#define KP_COMPILER_PENDING_BYTES ((uint64_t)192 << 20)
#define KP_COMPILER_CLIENT_PENDING_BYTES ((uint64_t)96 << 20)

typedef struct kp_compiler_service kp_compiler_service_t;
typedef struct kp_compiler_connection kp_compiler_connection_t;

/* That a connection was given an entry's code: by duplicates of `code`, which are revoked with it. */
typedef struct kp_compiler_grant {
    kp_compiler_entry_t *entry;
    kp_handle_t code; /* NONE: revoked */
    struct kp_compiler_grant *next;
} kp_compiler_grant_t;

/* A job whose processes have connections, or still map code that they were given: limits are its, however many
   connections it opens, one after the other too. */
typedef struct kp_compiler_job {
    uint64_t job; /* koid */
    kp_compiler_account_t account;
    kp_compiler_grant_t *
        left; /* of closed connections: what is mapped; entries of which no connection has a grant */
    uint64_t pending; /* bytes of modules in work */
    uint32_t connections, workers;
    struct kp_compiler_job *next;
} kp_compiler_job_t;

struct kp_compiler_connection {
    kp_compiler_service_t *service;
    kp_handle_t channel;
    kp_compiler_job_t *client;
    kp_compiler_grant_t *grants;
    kp_compiler_info_t counts;
    uint32_t requests, workers;
    kp_compiler_connection_t *next;
};

typedef enum kp_compiler_state {
    KP_COMPILER_HASHING,
    KP_COMPILER_WAITING,
    KP_COMPILER_WORKING,
} kp_compiler_state_t;

/* One request in work. */
typedef struct kp_compiler_task {
    kp_compiler_service_t *service;
    kp_compiler_connection_t *connection;
    kp_transaction_t transaction;
    kp_compiler_request_t request;
    kp_handle_t module; /* the private copy, sealed */
    kp_compiler_state_t state;
    kp_sha256_t hash;
    uint32_t hashed; /* bytes */
    kp_compiler_key_t key;
    kp_handle_t process, control; /* of the worker */
    kp_time_t started;            /* the worker */
    bool is_late;                 /* it was ended for taking too long */
    struct kp_compiler_task *next;
} kp_compiler_task_t;

struct kp_compiler_service {
    kp_loop_t loop;
    kp_loop_timer_t slices, watch;
    kp_handle_t authority, program, job;
    kp_handle_t requests; /* the service's: new connections */
    kp_compiler_connection_t *connections;
    uint32_t connection_count;
    kp_compiler_job_t *clients;
    kp_compiler_task_t
        *tasks; /* by age; the one whose slice was hashed last is behind the others */
    uint32_t workers, large_workers;
    uint64_t pending;
    kp_compiler_cache_t cache;
    kp_message_t message;
    uint8_t slice[KP_COMPILER_SLICE];
};

/* Takes the handles. The service is zeroed memory, about 200 KiB. */
kp_status_t kp_compiler_service_init(kp_compiler_service_t *service, kp_handle_t registry,
                                     kp_handle_t authority, kp_handle_t program, kp_handle_t job);
/* Serves for ever; returns on an error. */
kp_status_t kp_compiler_service_run(kp_compiler_service_t *service);

/* ---- tasks.c ---- */

/* A COMPILE request of a connection; takes the module's handle. Replies at once or later. */
void kp_compiler_task_start(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                            const kp_compiler_request_t *request, kp_handle_t module);
/* The client has gone. */
void kp_compiler_tasks_drop(kp_compiler_connection_t *connection);
/* Timers. */
void kp_compiler_tasks_slice(void *service);
void kp_compiler_tasks_watch(void *service);

/* ---- grants.c ---- */

/* A handle to the entry's code for the client: > 0, or an error. */
int64_t kp_compiler_grant(kp_compiler_connection_t *connection, kp_compiler_entry_t *entry);
/* Is anybody outside left who holds the code? */
bool kp_compiler_entry_is_held(void *service, kp_compiler_entry_t *entry);
void kp_compiler_entry_drop(void *service, kp_compiler_entry_t *entry);
/* Bytes of code that the connection, or all of a client's, were given and somebody holds. */
uint64_t kp_compiler_grants_held(kp_compiler_connection_t *connection);
uint64_t kp_compiler_client_held(kp_compiler_service_t *service, kp_compiler_job_t *client);
/* Of what connections of the client's that have been closed were given: what is still mapped. */
uint64_t kp_compiler_client_left(kp_compiler_service_t *service, kp_compiler_job_t *client);
/* The connection ends. */
void kp_compiler_grants_revoke(kp_compiler_connection_t *connection);

/* Answers; code may be NONE and is taken. */
void kp_compiler_reply(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                       const void *reply, size_t size, kp_handle_t code);
/* A request is done: the connection may be read again. */
void kp_compiler_connection_watch(kp_compiler_connection_t *connection);

#endif
