#include "kernel/test/machine.h"
#include "tests/kp_test.h"

static kp_signals_t signals_of(kp_capability_t end)
{
    return atomic_load(&end.object->signals);
}

static kp_status_t send_text(kp_capability_t end, const char *text)
{
    return kp_channel_send(end, text, strlen(text) + 1, NULL, 0);
}

KP_TEST(messages_arrive_in_order)
{
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    KP_EXPECT_INT(signals_of(ends[0]), KP_SIGNAL_WRITABLE);
    KP_EXPECT_INT(send_text(ends[0], "one"), KP_OK);
    KP_EXPECT_INT(send_text(ends[0], "two"), KP_OK);
    KP_EXPECT_INT(signals_of(ends[1]), KP_SIGNAL_READABLE | KP_SIGNAL_WRITABLE);
    kp_message_t *message;
    KP_REQUIRE(kp_channel_receive(ends[1], KP_TIME_POLL, &message) == KP_OK);
    KP_EXPECT_STRING((const char *)message->bytes, "one");
    kp_message_destroy(message);
    KP_REQUIRE(kp_channel_receive(ends[1], KP_TIME_POLL, &message) == KP_OK);
    KP_EXPECT_STRING((const char *)message->bytes, "two");
    kp_message_destroy(message);
    KP_EXPECT_INT(kp_channel_receive(ends[1], KP_TIME_POLL, &message), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(signals_of(ends[1]), KP_SIGNAL_WRITABLE);
    kp_capability_close(&ends[0]);
    kp_capability_close(&ends[1]);
}

KP_TEST(a_closed_peer_leaves_its_messages)
{
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    KP_EXPECT_INT(send_text(ends[0], "last"), KP_OK);
    kp_capability_close(&ends[0]);
    KP_EXPECT_INT(signals_of(ends[1]), KP_SIGNAL_READABLE | KP_SIGNAL_PEER_CLOSED);
    KP_EXPECT_INT(send_text(ends[1], "no"), KP_ERR_PEER_CLOSED);
    kp_message_t *message;
    KP_REQUIRE(kp_channel_receive(ends[1], KP_TIME_POLL, &message) == KP_OK);
    kp_message_destroy(message);
    KP_EXPECT_INT(kp_channel_receive(ends[1], KP_TIME_POLL, &message), KP_ERR_PEER_CLOSED);
    kp_capability_close(&ends[1]);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
}

KP_TEST(full_queues_push_back)
{
    uint64_t allocations = kp_test_allocations();
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    unsigned sent = 0;
    while (sent < 100000 && kp_channel_send(ends[0], "", 0, NULL, 0) == KP_OK)
        sent++;
    KP_EXPECT_INT(sent, KP_CHANNEL_QUEUE_MESSAGES);
    KP_EXPECT_INT(signals_of(ends[0]), 0);
    KP_EXPECT_INT(kp_channel_may_push(kp_channel_from_object(ends[0].object)), KP_ERR_SHOULD_WAIT);
    kp_message_t *message;
    KP_REQUIRE(kp_channel_receive(ends[1], KP_TIME_POLL, &message) == KP_OK);
    kp_message_destroy(message);
    KP_EXPECT_INT(signals_of(ends[0]), KP_SIGNAL_WRITABLE);
    kp_capability_close(&ends[1]);

    /* By bytes: a message of any size fits while WRITABLE. */
    kp_capability_close(&ends[0]);
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    static uint8_t big[KP_CHANNEL_BYTES_MAX + 1];
    size_t bytes = 0;
    while (signals_of(ends[0]) & KP_SIGNAL_WRITABLE) {
        KP_REQUIRE(kp_channel_send(ends[0], big, KP_CHANNEL_BYTES_MAX, NULL, 0) == KP_OK);
        bytes += KP_CHANNEL_BYTES_MAX;
    }
    KP_EXPECT(bytes <= KP_CHANNEL_QUEUE_BYTES);
    KP_EXPECT_INT(kp_channel_send(ends[0], big, 1, NULL, 0), KP_ERR_SHOULD_WAIT);
    KP_EXPECT_INT(kp_channel_send(ends[1], big, KP_CHANNEL_BYTES_MAX + 1, NULL, 0),
                  KP_ERR_TOO_LARGE);
    kp_capability_close(&ends[0]);
    kp_capability_close(&ends[1]);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

KP_TEST(capabilities_move_or_stay)
{
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    kp_capability_t ends[2], event;
    KP_REQUIRE(kp_channel_create(ends) == KP_OK && kp_event_create(&event) == KP_OK);
    event.rights = KP_RIGHT_WAIT | KP_RIGHT_TRANSFER;
    kp_object_t *object = event.object;
    KP_REQUIRE(kp_channel_send(ends[0], NULL, 0, &event, 1) == KP_OK);
    KP_EXPECT(event.object == NULL);
    kp_message_t *message;
    KP_REQUIRE(kp_channel_receive(ends[1], KP_TIME_POLL, &message) == KP_OK);
    KP_EXPECT_INT(message->capability_count, 1);
    event = kp_capability_take(&message->capabilities[0]);
    kp_message_destroy(message);
    KP_EXPECT(event.object == object);
    KP_EXPECT_INT(event.rights, KP_RIGHT_WAIT | KP_RIGHT_TRANSFER);
    kp_capability_close(&ends[1]);
    KP_EXPECT_INT(kp_channel_send(ends[0], NULL, 0, &event, 1), KP_ERR_PEER_CLOSED);
    KP_EXPECT(event.object == object);
    kp_capability_close(&event);
    kp_capability_close(&ends[0]);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
}

KP_TEST(unpopped_messages_come_first_again)
{
    kp_capability_t ends[2];
    KP_REQUIRE(kp_channel_create(ends) == KP_OK);
    kp_channel_t *receiver = kp_channel_from_object(ends[1].object);
    send_text(ends[0], "one");
    send_text(ends[0], "two");
    kp_message_t *message;
    uint32_t counts[2];
    KP_EXPECT_INT(kp_channel_pop(receiver, 3, 0, counts, &message), KP_ERR_BUFFER_TOO_SMALL);
    KP_EXPECT_INT(counts[0], 4);
    KP_REQUIRE(kp_channel_pop(receiver, 4, 0, counts, &message) == KP_OK);
    kp_channel_unpop(receiver, message);
    KP_REQUIRE(kp_channel_pop(receiver, 4, 0, counts, &message) == KP_OK);
    KP_EXPECT_STRING((const char *)message->bytes, "one");
    kp_capability_close(&ends[1]); /* closed meanwhile: the message goes */
    KP_EXPECT(signals_of(ends[0]) & KP_SIGNAL_PEER_CLOSED);
    kp_message_destroy(message);
    kp_capability_close(&ends[0]);
}

KP_TEST(cycles_are_refused)
{
    uint64_t before = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    kp_capability_t a[2], b[2], c[2];
    KP_REQUIRE(kp_channel_create(a) == KP_OK && kp_channel_create(b) == KP_OK &&
               kp_channel_create(c) == KP_OK);
    KP_EXPECT_INT(kp_channel_send(a[0], NULL, 0, &a[0], 1), KP_ERR_INVALID_ARGUMENT);
    kp_capability_t both[2] = {c[0], a[1]};
    KP_EXPECT_INT(kp_channel_send(a[0], NULL, 0, both, 2), KP_ERR_INVALID_ARGUMENT);
    /* b1 waits in a1's queue, so a1 may not go into b1's. */
    KP_EXPECT_INT(kp_channel_send(a[0], NULL, 0, &b[1], 1), KP_OK);
    KP_EXPECT_INT(kp_channel_send(b[0], NULL, 0, &a[1], 1), KP_ERR_INVALID_ARGUMENT);
    /* Nor by way of a third one: a1 <- b1 <- c1 <- a1. */
    KP_EXPECT_INT(kp_channel_send(b[0], NULL, 0, &c[1], 1), KP_OK);
    KP_EXPECT_INT(kp_channel_send(c[0], NULL, 0, &a[1], 1), KP_ERR_INVALID_ARGUMENT);
    /* The refused ones are still held, and work. */
    kp_message_t *message;
    KP_REQUIRE(kp_channel_receive(a[1], KP_TIME_POLL, &message) == KP_OK);
    KP_REQUIRE(message->capability_count == 1);
    kp_capability_t b1 = kp_capability_take(&message->capabilities[0]);
    kp_message_destroy(message);
    /* Now b1 is in nobody's queue, and a1 may go below it. */
    KP_EXPECT_INT(kp_channel_send(b[0], NULL, 0, &a[1], 1), KP_OK);
    kp_capability_close(&b1);
    KP_EXPECT(signals_of(a[0]) & KP_SIGNAL_PEER_CLOSED);
    KP_EXPECT(signals_of(c[0]) & KP_SIGNAL_PEER_CLOSED);
    kp_capability_close(&a[0]);
    kp_capability_close(&b[0]);
    kp_capability_close(&c[0]);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

KP_TEST(long_chains_are_freed_without_recursion)
{
    enum { DEPTH = 50000 };
    uint64_t before = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    /* Each channel's receiver holds the one made before, and its sender is closed. */
    kp_capability_t inner = {0};
    for (int i = 0; i < DEPTH; i++) {
        kp_capability_t ends[2];
        KP_REQUIRE(kp_channel_create(ends) == KP_OK);
        if (inner.object)
            KP_REQUIRE(kp_channel_send(ends[0], NULL, 0, &inner, 1) == KP_OK);
        kp_capability_close(&ends[0]);
        inner = ends[1];
    }
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before + DEPTH);
    kp_capability_close(&inner);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

KP_TEST(nesting_has_a_limit)
{
    enum { MORE = KP_CHANNEL_NESTING_MAX + 8 };
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    kp_capability_t root[2], senders[MORE];
    KP_REQUIRE(kp_channel_create(root) == KP_OK);
    kp_capability_t sender = root[0];
    unsigned depth = 0;
    for (; depth < MORE; depth++) {
        kp_capability_t ends[2];
        KP_REQUIRE(kp_channel_create(ends) == KP_OK);
        kp_status_t status = kp_channel_send(sender, NULL, 0, &ends[1], 1);
        if (status != KP_OK) {
            KP_EXPECT_INT(status, KP_ERR_INVALID_ARGUMENT);
            kp_capability_close(&ends[0]);
            kp_capability_close(&ends[1]);
            break;
        }
        senders[depth] = sender = ends[0];
    }
    KP_EXPECT_INT(depth, KP_CHANNEL_NESTING_MAX);
    kp_capability_close(&root[1]);
    for (unsigned i = 0; i < depth; i++) {
        KP_EXPECT(signals_of(senders[i]) & KP_SIGNAL_PEER_CLOSED);
        kp_capability_close(&senders[i]);
    }
    kp_capability_close(&root[0]);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
}

KP_TEST(queued_bytes_are_charged_until_read)
{
    const kp_job_limits_t limits = {.queued_bytes = 1000};
    kp_quota_t *quota = kp_quota_create(NULL, &limits);
    kp_capability_t ends[2];
    KP_REQUIRE(quota && kp_channel_create(ends) == KP_OK);
    kp_message_t *message, *second;
    KP_REQUIRE(kp_message_create(700, 0, quota, &message) == KP_OK);
    KP_EXPECT_INT(kp_message_create(700, 0, quota, &second), KP_ERR_QUOTA);
    KP_REQUIRE(kp_channel_push(kp_channel_from_object(ends[0].object), message) == KP_OK);
    kp_quota_release(quota); /* the sender is gone, its message is not */
    kp_job_limits_t used;
    kp_quota_used(quota, &used);
    KP_EXPECT(used.queued_bytes >= 700);
    KP_REQUIRE(kp_channel_receive(ends[1], KP_TIME_POLL, &message) == KP_OK);
    kp_message_destroy(message);
    kp_capability_close(&ends[0]);
    kp_capability_close(&ends[1]);
}

/* ---- Services ---- */

static kp_status_t take_connection(kp_capability_t requests, kp_capability_t *connection)
{
    kp_message_t *message;
    kp_status_t status = kp_channel_receive(requests, KP_TIME_POLL, &message);
    if (status != KP_OK)
        return status;
    KP_EXPECT_INT(message->capability_count, 1);
    *connection = kp_capability_take(&message->capabilities[0]);
    kp_message_destroy(message);
    return KP_OK;
}

KP_TEST(services_connect_before_and_after_register)
{
    kp_service_t *service, *same;
    KP_REQUIRE(kp_service_find("early", &service) == KP_OK);
    KP_EXPECT(kp_service_find("early", &same) == KP_OK && same == service);
    KP_EXPECT_INT(kp_service_find("", &same), KP_ERR_INVALID_ARGUMENT);
    KP_EXPECT_INT(kp_service_find("a-name-that-is-longer-than-31-bytes", &same),
                  KP_ERR_INVALID_ARGUMENT);
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    kp_capability_t client, server, requests, again;
    KP_REQUIRE(kp_service_connect(service, &client) == KP_OK);
    KP_EXPECT_INT(send_text(client, "hello"), KP_OK); /* waits with the request */
    KP_REQUIRE(kp_service_register(service, &requests) == KP_OK);
    KP_EXPECT_INT(kp_service_register(service, &again), KP_ERR_ALREADY_EXISTS);
    /* Found by the fuzzer: what a server wrote there nobody would ever have read or freed. */
    KP_EXPECT(!(requests.rights & KP_RIGHT_WRITE));
    KP_REQUIRE(take_connection(requests, &server) == KP_OK);
    kp_message_t *message;
    KP_REQUIRE(kp_channel_receive(server, KP_TIME_POLL, &message) == KP_OK);
    KP_EXPECT_STRING((const char *)message->bytes, "hello");
    kp_message_destroy(message);
    kp_capability_close(&server);
    kp_capability_close(&client);
    kp_capability_close(&requests);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
}

KP_TEST(unread_requests_survive_a_server)
{
    kp_service_t *service;
    KP_REQUIRE(kp_service_find("mortal", &service) == KP_OK);
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    kp_object_t *object = kp_service_object(service);
    kp_capability_t requests, first, second, server;
    KP_REQUIRE(kp_service_register(service, &requests) == KP_OK);
    KP_EXPECT_INT(atomic_load(&object->signals), KP_SIGNAL_WRITABLE);
    KP_REQUIRE(kp_service_connect(service, &first) == KP_OK);
    KP_REQUIRE(kp_service_connect(service, &second) == KP_OK);
    KP_REQUIRE(take_connection(requests, &server) == KP_OK);
    /* It dies: what it had accepted closes, what it had not read stays. */
    kp_capability_close(&server);
    kp_capability_close(&requests);
    KP_EXPECT_INT(atomic_load(&object->signals), KP_SIGNAL_PEER_CLOSED);
    KP_EXPECT(signals_of(first) & KP_SIGNAL_PEER_CLOSED);
    KP_EXPECT(!(signals_of(second) & KP_SIGNAL_PEER_CLOSED));
    KP_REQUIRE(kp_service_register(service, &requests) == KP_OK);
    KP_EXPECT_INT(atomic_load(&object->signals), KP_SIGNAL_WRITABLE);
    KP_REQUIRE(take_connection(requests, &server) == KP_OK);
    KP_EXPECT_INT(send_text(second, "still there"), KP_OK);
    KP_EXPECT(signals_of(server) & KP_SIGNAL_READABLE);
    /* A server that dies while its request channel lies in a message. */
    kp_capability_t carrier[2];
    KP_REQUIRE(kp_channel_create(carrier) == KP_OK);
    KP_EXPECT_INT(kp_channel_send(carrier[0], NULL, 0, &requests, 1), KP_OK);
    kp_capability_close(&carrier[0]);
    kp_capability_close(&carrier[1]);
    KP_EXPECT_INT(kp_service_register(service, &requests), KP_OK);
    kp_capability_close(&requests);
    kp_capability_close(&server);
    kp_capability_close(&first);
    kp_capability_close(&second);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before);
}

KP_TEST(a_flood_of_requests_is_refused)
{
    kp_service_t *service;
    KP_REQUIRE(kp_service_find("flooded", &service) == KP_OK);
    static kp_capability_t clients[1000];
    unsigned made = 0;
    while (made < 1000 && kp_service_connect(service, &clients[made]) == KP_OK)
        made++;
    KP_EXPECT_INT(made, KP_CHANNEL_QUEUE_MESSAGES);
    for (unsigned i = 0; i < made; i++)
        kp_capability_close(&clients[i]);
}

KP_TEST(clients_that_go_away_keep_nobody_out)
{
    kp_service_t *service;
    KP_REQUIRE(kp_service_find("coming-and-going", &service) == KP_OK);
    kp_capability_t patient, requests, server;
    KP_REQUIRE(kp_service_connect(service, &patient) == KP_OK);
    uint64_t before = kp_object_count(KP_TYPE_NONE);
    for (int i = 0; i < 2000; i++) {
        kp_capability_t client;
        KP_REQUIRE(kp_service_connect(service, &client) == KP_OK);
        kp_capability_close(&client);
    }
    KP_EXPECT(kp_object_count(KP_TYPE_NONE) <= before + 2 * KP_CHANNEL_QUEUE_MESSAGES);
    /* Who waited is served first. */
    KP_EXPECT_INT(send_text(patient, "still here"), KP_OK);
    KP_REQUIRE(kp_service_register(service, &requests) == KP_OK);
    KP_REQUIRE(take_connection(requests, &server) == KP_OK);
    KP_EXPECT(signals_of(server) & KP_SIGNAL_READABLE);
    kp_capability_close(&server);
    kp_capability_close(&patient);
    while (take_connection(requests, &server) == KP_OK)
        kp_capability_close(&server);
    kp_capability_close(&requests);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), before - 2);
}

KP_TEST(connections_are_charged_and_death_is_noticed)
{
    kp_service_t *service;
    KP_REQUIRE(kp_service_find("noticed", &service) == KP_OK);
    kp_test_attach("test");
    uint64_t objects = kp_object_count(KP_TYPE_NONE), allocations = kp_test_allocations();
    kp_process_t *client = kp_test_process(1, 1, NULL), *server = kp_test_process(1, 1, NULL);
    KP_REQUIRE(client && server);
    kp_handle_t connects, serves;
    kp_object_t *object = kp_service_object(service);
    kp_rights_t rights = kp_object_default_rights(KP_TYPE_SERVICE);
    KP_REQUIRE(kp_handle_add(&client->handles,
                             kp_capability_create(object, rights | KP_RIGHT_CONNECT),
                             &connects) == KP_OK);
    KP_REQUIRE(kp_handle_add(&server->handles,
                             kp_capability_create(object, rights | KP_RIGHT_SERVE),
                             &serves) == KP_OK);
    /* Each right allows its own call only. */
    KP_EXPECT_INT(kp_test_call(client, service_register, connects), KP_ERR_ACCESS_DENIED);
    KP_EXPECT_INT(kp_test_call(server, service_connect, serves), KP_ERR_ACCESS_DENIED);
    int64_t asked = kp_test_call(server, service_register, serves);
    KP_EXPECT(asked > 0);
    kp_job_limits_t used, later;
    kp_quota_used(client->quota, &used);
    int64_t connection = kp_test_call(client, service_connect, connects);
    KP_EXPECT(connection > 0);
    kp_quota_used(client->quota, &later);
    KP_EXPECT_INT(later.objects, used.objects + 2);
    /* The server is told whose process it is. */
    kp_service_request_t request;
    KP_EXPECT_INT(kp_test_call(server, channel_read, (uint64_t)asked, 0x300, sizeof(request), 0x100,
                               1, 0x200),
                  KP_OK);
    memcpy(&request, kp_test_memory(server, 0x300), sizeof(request));
    KP_EXPECT_INT(request.job, client->job->object.koid);
    const uint64_t gone = KP_SIGNAL_PEER_CLOSED;
    KP_EXPECT_INT(kp_test_call(client, object_wait_one, connects, gone, KP_TIME_POLL, 0),
                  KP_ERR_TIMED_OUT);
    kp_test_process_end(server);
    KP_EXPECT_INT(kp_test_call(client, object_wait_one, connects, gone, KP_TIME_INFINITE, 0),
                  KP_OK);
    kp_test_process_end(client);
    /* The request that was never read is the registry's until the next server. */
    kp_capability_t requests, end;
    KP_REQUIRE(kp_service_register(service, &requests) == KP_OK);
    while (take_connection(requests, &end) == KP_OK)
        kp_capability_close(&end);
    kp_capability_close(&requests);
    KP_EXPECT_INT(kp_object_count(KP_TYPE_NONE), objects);
    KP_EXPECT_INT(kp_test_allocations(), allocations);
}

KP_TEST_MAIN()
