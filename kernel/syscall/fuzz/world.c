#include "kernel/syscall/fuzz/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kernel/object/job.h"
#include "kernel/syscall/call.h"

#define ARENA_SIZE 65536u
#define DEADLINE_NS 1000000u
#define MUST(condition) ((condition) ? (void)0 : abort())

/* Objects are made for one player at a time. */
static pthread_mutex_t objects_mutex = PTHREAD_MUTEX_INITIALIZER;

/* ---- What kp_generate needs ---- */

static int64_t player_call(void *context, uint32_t number, const uint64_t arguments[6])
{
    kp_world_player_t *player = context;
    if (player->thread)
        return kp_test_thread_call6(player->thread, number, arguments);
    return player->is_beside ? kp_test_call6_beside(player->process, number, arguments)
                             : kp_test_call6(player->process, number, arguments);
}

static uint32_t player_type_of(void *context, kp_handle_t handle)
{
    kp_world_player_t *player = context;
    kp_object_t *object;
    kp_rights_t rights;
    if (kp_handle_lookup(&player->process->handles, handle, &object, &rights) != KP_OK)
        return KP_TYPE_NONE;
    uint32_t type = object->type;
    kp_object_release(object);
    return type;
}

/* As a call does it, so that a kill from another thread waits meanwhile. */
static bool player_access(kp_world_player_t *player, uint64_t address, void *to, const void *from,
                          size_t count)
{
    kp_process_t *process = player->process;
    if (player->generate.is_crowd) /* nobody ends it */
        return (to ? kp_user_read(process, to, address, count)
                   : kp_user_write(process, address, from, count)) == KP_OK;
    kp_thread_t *thread = player->thread;
    if (thread)
        kp_object_acquire(&thread->object);
    else
        thread = kp_test_thread(process);
    if (!thread)
        return false;
    kp_status_t status = KP_ERR_PROCESS_DEAD;
    if (kp_test_call_enter(thread)) {
        status = to ? kp_user_read(process, to, address, count)
                    : kp_user_write(process, address, from, count);
        kp_test_call_leave(thread);
    }
    kp_object_release(&thread->object);
    return status == KP_OK;
}

static bool player_write(void *context, uint64_t address, const void *bytes, size_t count)
{
    return player_access(context, address, NULL, bytes, count);
}

static bool player_read(void *context, uint64_t address, void *bytes, size_t count)
{
    return player_access(context, address, bytes, NULL, count);
}

static kp_time_t player_now(void *context)
{
    (void)context;
    return kp_machine_now();
}

/* ---- Players ---- */

static void player_give(kp_world_player_t *player, kp_capability_t capability)
{
    kp_handle_t handle;
    MUST(kp_handle_add(&player->process->handles, capability, &handle) == KP_OK);
    kp_generate_see(&player->generate, handle);
}

static void player_start(kp_world_player_t *player, bool alone)
{
    const kp_job_limits_t limits = {
        .handles = 150, .queued_bytes = 1 << 20, .pages = 16384, .processes = 4, .objects = 250};
    kp_job_t *job;
    kp_test_fail_allocation(0);
    pthread_mutex_lock(&objects_mutex);
    MUST(kp_job_create(kp_job_root(), &limits, &job) == KP_OK);
    kp_capability_t startup = kp_test_object(KP_TYPE_CHANNEL, KP_RIGHTS_ALL);
    player->process = kp_test_process_in(job, 1, 8, &startup);
    kp_object_release(&job->object);
    MUST(player->process);
    if (alone)
        kp_test_process_alone(player->process);
    player->generate.handle_count = 0;
    for (const uint32_t *type = kp_test_object_types(); *type; type++)
        kp_generate_see(&player->generate,
                        kp_test_object_handle(player->process, *type, KP_RIGHTS_ALL));
    player_give(player, kp_test_object_frozen());
    pthread_mutex_unlock(&objects_mutex);
}

void kp_world_begin(kp_world_t *world, kp_world_mode_t mode)
{
    memset(world, 0, sizeof(*world));
    kp_test_objects_begin(); /* what it makes for ever is made now */
    kp_test_objects_end();
    world->objects = kp_object_count(KP_TYPE_NONE);
    world->allocations = kp_test_allocations();
    kp_test_objects_begin();
    world->is_mates = mode == KP_WORLD_MATES;
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++) {
        kp_world_player_t *player = &world->players[i];
        player->generate = (kp_generate_t){.arena = 0,
                                           .arena_size = ARENA_SIZE,
                                           .deadline_ns = mode == KP_WORLD_TURNS ? 0 : DEADLINE_NS,
                                           .is_crowd = mode == KP_WORLD_CROWD,
                                           .context = player,
                                           .call = player_call,
                                           .type_of = player_type_of,
                                           .write = player_write,
                                           .read = player_read,
                                           .now = player_now};
        if (world->is_mates) /* each joins by its first call */
            continue;
        if (i == 0 || mode != KP_WORLD_CROWD) {
            player_start(player, mode != KP_WORLD_CROWD && i % 2);
            continue;
        }
        player->is_beside = true;
        player->process = world->players[0].process;
        memcpy(player->generate.handles, world->players[0].generate.handles,
               sizeof(player->generate.handles));
        player->generate.handle_count = world->players[0].generate.handle_count;
    }
    for (unsigned i = 0; i < KP_WORLD_PLAYERS && !world->is_mates; i++) {
        kp_world_player_t *player = &world->players[i];
        kp_world_player_t *next = &world->players[(i + 1) % KP_WORLD_PLAYERS];
        kp_capability_t ends[2];
        MUST(kp_channel_create(ends) == KP_OK);
        player_give(player, ends[0]);
        player_give(next, ends[1]);
        player_give(player, kp_capability_create(&next->process->object, KP_RIGHTS_ALL));
    }
}

/* ---- Threads of one process ---- */

/* Who makes a thread does so by the process's first, which nobody plays; before objects_mutex. */
static pthread_mutex_t door_mutex = PTHREAD_MUTEX_INITIALIZER;

static void mate_leave(kp_world_player_t *player)
{
    pthread_mutex_lock(&objects_mutex);
    kp_process_t *process = player->process;
    player->process = NULL;
    pthread_mutex_unlock(&objects_mutex);
    if (player->thread)
        kp_object_release(&player->thread->object);
    player->thread = NULL;
    if (process)
        kp_object_release(&process->object);
}

static int64_t door_open(kp_process_t *process)
{
    return process ? kp_test_call(process, thread_create, 0) : KP_ERR_PROCESS_DEAD;
}

/* The process has ended, or is full: another. */
static void mates_begin_anew(kp_world_t *world, kp_world_player_t *player)
{
    pthread_mutex_lock(&objects_mutex);
    kp_process_t *dead = world->shared;
    world->shared = NULL;
    pthread_mutex_unlock(&objects_mutex);
    if (dead)
        kp_test_process_end(dead);
    player_start(player, false);
    world->started = player->generate;
    pthread_mutex_lock(&objects_mutex);
    world->shared = player->process;
    player->process = NULL;
    pthread_mutex_unlock(&objects_mutex);
}

/* A thread of its own for the player. False: it could not have one, but may try again. */
static bool mate_join(kp_world_t *world, kp_world_player_t *player)
{
    pthread_mutex_lock(&door_mutex);
    int64_t handle = door_open(world->shared);
    if (handle <= 0) {
        mates_begin_anew(world, player);
        handle = door_open(world->shared);
    }
    kp_object_t *object = NULL;
    kp_rights_t rights;
    if (handle > 0 &&
        kp_handle_lookup(&world->shared->handles, (kp_handle_t)handle, &object, &rights) != KP_OK)
        object = NULL; /* a mate was quicker */
    if (object && object->type != KP_TYPE_THREAD) {
        kp_object_release(object);
        object = NULL;
    }
    if (object) {
        kp_object_acquire(&world->shared->object);
        pthread_mutex_lock(&objects_mutex);
        player->process = world->shared;
        pthread_mutex_unlock(&objects_mutex);
        player->thread = kp_thread_from_object(object);
        memcpy(player->generate.handles, world->started.handles, sizeof(world->started.handles));
        player->generate.handle_count = world->started.handle_count;
        kp_generate_see(&player->generate, (kp_handle_t)handle);
    }
    pthread_mutex_unlock(&door_mutex);
    return object;
}

static int64_t mate_call(kp_world_t *world, kp_world_player_t *player)
{
    if (!player->thread && !mate_join(world, player))
        return KP_ERR_PROCESS_DEAD;
    int64_t result = kp_generate_call(&player->generate);
    if (kp_thread_is_dying(player->thread))
        mate_leave(player);
    return result;
}

int64_t kp_world_call(kp_world_t *world, unsigned index)
{
    kp_world_player_t *player = &world->players[index];
    if (world->is_mates)
        return mate_call(world, player);
    int64_t result = kp_generate_call(&player->generate);
    if (result == KP_ERR_PROCESS_DEAD && !player->generate.is_crowd) {
        pthread_mutex_lock(&objects_mutex);
        kp_process_t *dead = player->process;
        player->process = NULL;
        pthread_mutex_unlock(&objects_mutex);
        kp_test_process_end(dead);
        player_start(player, player->restarts++ % 2);
    }
    return result;
}

void kp_world_resume(kp_world_t *world)
{
    for (unsigned i = 0; i < KP_WORLD_PLAYERS + 1; i++) {
        /* Only who plays it replaces the process: NULL then. */
        pthread_mutex_lock(&objects_mutex);
        kp_process_t *process = i < KP_WORLD_PLAYERS ? world->players[i].process : world->shared;
        if (process)
            kp_object_acquire(&process->object);
        pthread_mutex_unlock(&objects_mutex);
        while (process && kp_process_resume(process) == KP_OK) {
        }
        kp_object_release(process ? &process->object : NULL);
    }
}

static void process_finish(kp_process_t *process, void *context)
{
    (void)context;
    kp_process_end(process, KP_EXIT_KILLED, 0, 0);
}

bool kp_world_end(kp_world_t *world)
{
    for (unsigned i = 0; i < KP_WORLD_PLAYERS; i++) {
        if (world->is_mates)
            mate_leave(&world->players[i]);
        else if (!world->players[i].is_beside)
            kp_test_process_end(world->players[i].process);
    }
    if (world->shared)
        kp_test_process_end(world->shared);
    kp_process_each(process_finish, NULL);
    kp_test_objects_end();
    /* A kernel thread (of the timers) may be giving up its last reference just now. */
    for (int tries = 0; tries < 60000; tries++) {
        if (kp_object_count(KP_TYPE_NONE) == world->objects &&
            kp_test_allocations() == world->allocations)
            return true;
        usleep(1000);
    }
    fprintf(stderr, "leak: %lld objects, %lld blocks; types",
            (long long)(kp_object_count(KP_TYPE_NONE) - world->objects),
            (long long)(kp_test_allocations() - world->allocations));
    for (uint32_t type = 1; type < KP_OBJECT_TYPE_LIMIT; type++)
        fprintf(stderr, " %u:%llu", type, (unsigned long long)kp_object_count(type));
    fprintf(stderr, "\n");
    return false;
}
