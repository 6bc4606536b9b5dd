/* The compiler service: clients, their requests, the workers that compile, and the cache.

   COMPILE passes through these states: its module is copied (copy-on-write) and hashed, a slice at a time; if the
   code is not in memory, it is sought in the cache's directory and read, in slices too; it waits for a worker; a
   worker has it. Nobody waits for ever behind others: slices go round among the
   requests; a client (a job) has at most CLIENT_WORKERS of the workers, and whoever has fewer comes first; one worker
   is kept for small modules; and the kernel shares the processor among workers as among all processes. A
   module that takes more processor time than any should is given up.

   OPEN is copied and hashed alike, then has a worker of its own that answers FUNCTIONS (sessions.c). What was
   opened is compiled whole in the background: by further workers, of the lowest band, which nobody waits for; when
   somebody does, they get the usual band. */
#ifndef KP_SERVICES_COMPILER_SERVICE_H
#define KP_SERVICES_COMPILER_SERVICE_H

#include "abi/ipc.h"
#include "runtime/program/loop.h"
#include "runtime/program/message.h"
#include "services/compiler/cache.h"
#include "services/compiler/disk.h"
#include "services/compiler/request.h"

enum {
    KP_COMPILER_CONNECTIONS_MAX = 512,
    KP_COMPILER_CLIENT_CONNECTIONS = 64,
    KP_COMPILER_WORKERS = 4,
    KP_COMPILER_CLIENT_WORKERS = 2,
    KP_COMPILER_LARGE_WORKERS = KP_COMPILER_WORKERS - 1,
    KP_COMPILER_LARGE = 1 << 20,  /* bytes of a module */
    KP_COMPILER_SLICE = 64 << 10, /* that are hashed at a time */
    KP_COMPILER_BACKGROUND_WORKERS = 2,
    KP_COMPILER_CLIENT_BACKGROUND = 4, /* waiting, too */
    KP_COMPILER_SESSIONS = 256,
    KP_COMPILER_SESSION_WORKERS = 12,
    KP_COMPILER_CLIENT_SESSION_WORKERS = 4,
    KP_COMPILER_ENTRIES_MAX = 4096,
    KP_COMPILER_LOADS = 4, /* entries that are read at a time */
    KP_COMPILER_CLIENT_LOADS = 2,
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
    struct kp_compiler_job *client;
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
    uint64_t granted; /* bytes of all its grants, those left among them: no less than it holds */
    uint64_t pending; /* bytes of modules in work */
    uint32_t connections, workers, session_workers;
    uint32_t modules;   /* open */
    uint32_t whole;     /* being compiled in the background, or waiting for it */
    uint32_t completed; /* compiled so */
    uint32_t loads;     /* entries that are read for it */
    uint32_t stores;    /* that are to be written */
    struct kp_compiler_job *next;
} kp_compiler_job_t;

struct kp_compiler_connection {
    kp_compiler_service_t *service;
    kp_handle_t channel;
    kp_compiler_job_t *client;
    kp_compiler_grant_t *grants;
    kp_compiler_info_t counts;
    struct kp_compiler_session *sessions;
    uint32_t requests, workers; /* requests: that wait for an answer */
    uint32_t tickets;           /* tasks that were told to wait */
    uint32_t numbers;           /* of sessions and tickets, so far */
    kp_transaction_t settling;  /* of SETTLE; NONE: nobody waits */
    kp_compiler_connection_t *next;
};

/* A process that compiles. */
typedef struct kp_compiler_worker {
    kp_handle_t job, process, control;
} kp_compiler_worker_t;

/* Whether it gets on: its processor time when that was looked at last, and since when it has not become more. */
typedef struct kp_compiler_pace {
    uint64_t used;
    kp_time_t since;
} kp_compiler_pace_t;

/* What it said, cleaned; the artefact is the receiver's. */
typedef struct kp_compiler_answer {
    bool is_alive; /* false: it is gone, the reply says ERR_PROCESS_DEAD */
    kp_compiler_reply_t reply;
    kp_handle_t artefact;
} kp_compiler_answer_t;

typedef struct kp_compiler_ask {
    kp_transaction_t transaction; /* NONE: it was told to wait, and has not asked again */
    kp_time_t asked;
    uint32_t first, count;
} kp_compiler_ask_t;

/* An open module. */
typedef struct kp_compiler_session {
    kp_compiler_connection_t *connection;
    uint32_t number;
    kp_compiler_request_t request;
    kp_compiler_key_t key;       /* of the whole */
    kp_handle_t module;          /* the private copy, sealed */
    kp_compiler_worker_t worker; /* control NONE: there is none now */
    kp_compiler_reply_t failure; /* of the module: every question's answer, unless OK */
    bool is_busy;                /* the worker has the first question */
    bool is_waiting;             /* with a question, for a worker of another's */
    bool is_late, is_completing, is_whole, is_due;
    uint64_t spent; /* processor time of earlier workers */
    kp_compiler_pace_t pace;
    kp_time_t opened, used;
    uint32_t ask_count;
    kp_compiler_ask_t asks[KP_COMPILER_REQUESTS_MAX];
    struct kp_compiler_session *next;
} kp_compiler_session_t;

typedef enum kp_compiler_state {
    KP_COMPILER_HASHING,
    KP_COMPILER_SEEKING, /* may be in the directory */
    KP_COMPILER_LOADING,
    KP_COMPILER_WAITING,
    KP_COMPILER_WORKING,
    KP_COMPILER_DONE, /* but who asked was told to wait, and has not asked again */
} kp_compiler_state_t;

/* One request in work. */
typedef struct kp_compiler_task {
    kp_compiler_service_t *service;
    kp_compiler_connection_t *connection; /* NULL: in the background, */
    bool is_background;
    bool is_urgent; /* but somebody waits for it now */
    kp_compiler_job_t *client;
    kp_transaction_t transaction; /* NONE: in the background, or told to wait */
    kp_time_t asked;
    uint32_t ticket; /* by which it is asked for again; 0: not told to wait yet */
    kp_compiler_reply_t done;
    bool has_code; /* done: the cache has it */
    kp_compiler_request_t request;
    kp_handle_t module; /* the private copy, sealed */
    kp_compiler_state_t state;
    kp_sha256_t hash;
    uint32_t hashed; /* bytes */
    kp_compiler_key_t key;
    kp_compiler_load_t load;
    kp_compiler_worker_t worker;
    kp_compiler_pace_t pace; /* of the worker */
    bool is_late;            /* it was ended for taking too long */
    struct kp_compiler_task *next;
} kp_compiler_task_t;

struct kp_compiler_service {
    kp_loop_t loop;
    kp_loop_timer_t slices, watch, storing, settled;
    kp_handle_t authority, program, job;
    kp_handle_t requests; /* the service's: new connections */
    kp_compiler_connection_t *connections;
    uint32_t connection_count;
    kp_compiler_job_t *clients;
    kp_compiler_task_t
        *tasks; /* by age; the one whose slice was hashed last is behind the others */
    uint32_t workers, large_workers, background_workers, session_workers;
    uint32_t sessions, loads;
    uint64_t pending;
    kp_compiler_cache_t cache;
    kp_compiler_disk_t disk;
    kp_message_t message;
    uint8_t slice[KP_COMPILER_SLICE];
};

typedef struct kp_compiler_handles {
    kp_handle_t registry, authority, program, job;
    kp_handle_t directory; /* of the cache; NONE: there is none */
} kp_compiler_handles_t;

/* Takes the handles. The service is zeroed memory, about 300 KiB. disk_bytes: of the cache's directory; 0: as
   usual. */
kp_status_t kp_compiler_service_init(kp_compiler_service_t *service,
                                     const kp_compiler_handles_t *handles, uint64_t disk_bytes);
/* Serves for ever; returns on an error. */
kp_status_t kp_compiler_service_run(kp_compiler_service_t *service);

/* ---- tasks.c ---- */

/* A COMPILE or OPEN request of a connection; takes the module's handle. Replies at once or later. */
void kp_compiler_task_start(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                            const kp_compiler_request_t *request, kp_handle_t module);
/* The client has gone. */
void kp_compiler_tasks_drop(kp_compiler_connection_t *connection);
/* Compiles the whole of an open module in the background, unless that is done already. False: not now, there is
   too much else of the client's or no memory. */
bool kp_compiler_task_complete(kp_compiler_connection_t *connection,
                               const kp_compiler_request_t *request, const kp_compiler_key_t *key,
                               kp_handle_t module);
/* Timers. */
void kp_compiler_tasks_slice(void *service);
void kp_compiler_tasks_watch(void *service);
void kp_compiler_watch_set(kp_compiler_service_t *service);
/* Has a worker, which used so much processor time, taken longer than any module should, or come to a stop? */
bool kp_compiler_is_late(const kp_compiler_request_t *request, kp_compiler_pace_t *pace,
                         uint64_t used);
/* Has who asked then waited so long that he should hear of us? */
bool kp_compiler_is_due(kp_time_t asked);
/* WAIT. */
void kp_compiler_task_wait(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                           uint32_t ticket);
/* Gives workers to those who wait for one. */
void kp_compiler_tasks_pump(kp_compiler_service_t *service);

/* ---- keep.c ---- */

/* Timer: a slice of writing. */
void kp_compiler_tasks_store(void *service);
/* SETTLE: the answer comes when nothing of the connection's client is being compiled in the background or written. */
void kp_compiler_settle(kp_compiler_connection_t *connection, kp_transaction_t transaction);
/* Timer; answers those for whom that is so. */
void kp_compiler_tasks_settled(void *service);

/* ---- sessions.c ---- */

/* Opens the module; takes it on success. The number, or 0: there are too many, or no memory for one more. */
uint32_t kp_compiler_session_open(kp_compiler_connection_t *connection,
                                  const kp_compiler_request_t *request,
                                  const kp_compiler_key_t *key, kp_handle_t module);
/* A FUNCTIONS request. Replies at once or later. */
void kp_compiler_session_ask(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                             const kp_compiler_functions_t *functions);
/* What is open is compiled whole now, as far as it may. */
void kp_compiler_sessions_complete(kp_compiler_connection_t *connection);
/* The client has gone. */
void kp_compiler_sessions_drop(kp_compiler_connection_t *connection);
/* The whole module is in the cache. */
void kp_compiler_sessions_retire(kp_compiler_service_t *service, const kp_compiler_key_t *key);
/* Timer. */
void kp_compiler_sessions_watch(kp_compiler_service_t *service);

/* ---- workers.c ---- */

/* A worker of that band, with the module (borrowed). On an error there is none. */
kp_status_t kp_compiler_worker_start(kp_compiler_service_t *service, uint32_t band,
                                     const kp_compiler_request_t *request, kp_handle_t module,
                                     kp_compiler_worker_t *worker);
/* Unwatch its channel first. */
void kp_compiler_worker_end(kp_compiler_worker_t *worker);
kp_status_t kp_compiler_worker_band(const kp_compiler_worker_t *worker, uint32_t band);
/* Processor time, ns. */
uint64_t kp_compiler_worker_time(const kp_compiler_worker_t *worker);
/* What it says. False: nothing yet. */
bool kp_compiler_worker_answer(kp_compiler_service_t *service, kp_handle_t control,
                               kp_compiler_answer_t *answer);
/* Its artefact (taken) becomes code, and everybody's: an entry that was not there. functions NULL: all. */
kp_status_t kp_compiler_artefact_take(kp_compiler_service_t *service, kp_compiler_answer_t *answer,
                                      const kp_compiler_request_t *request,
                                      const kp_compiler_functions_t *functions,
                                      const kp_compiler_key_t *key, kp_compiler_account_t *account,
                                      kp_compiler_entry_t **entry);

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

void kp_compiler_info_answer(kp_compiler_connection_t *connection, kp_transaction_t transaction);
/* Answers a COMPILE, OPEN or FUNCTIONS, which is no request in work any more; code may be NONE and is taken. */
void kp_compiler_answer(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                        const kp_compiler_reply_t *reply, kp_handle_t code);
/* The same with the entry's code; fills the reply in. */
void kp_compiler_deliver(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                         kp_compiler_entry_t *entry, kp_compiler_reply_t *reply);
/* Tells who asked to ask again (WAIT) for that number; the question is answered by this, and is NONE then. */
void kp_compiler_answer_later(kp_compiler_connection_t *connection, kp_transaction_t *transaction,
                              uint32_t number);
/* Sends; code may be NONE and is taken. */
void kp_compiler_reply(kp_compiler_connection_t *connection, kp_transaction_t transaction,
                       const void *reply, size_t size, kp_handle_t code);
/* A request is done: the connection may be read again. */
void kp_compiler_connection_watch(kp_compiler_connection_t *connection);

#endif
