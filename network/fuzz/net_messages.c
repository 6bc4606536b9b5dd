/* Fuzz target: messages of clients to the service "net". The input is records of a target byte, a
   size (two bytes) and that many bytes. Target 0 and 1: two clients' channels; 2: the socket of an
   open connection; 3: closes and reconnects a client; 4: lets time pass. */
#include "abi/reader.h"
#include "network/fuzz/stack.h"

/* Reads what the service sends, so that it is not dropped for not reading. */
static void drain(kp_handle_t channel)
{
    while (kp_message_receive(channel, &message) == KP_OK)
        kp_message_clear(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    stack_start();
    kp_handle_t good = (kp_handle_t)kp_service_connect(service), socket = open_socket(good);
    if (socket == KP_HANDLE_NONE)
        abort(); /* the last input has broken the service for others */
    kp_handle_t clients[2] = {(kp_handle_t)kp_service_connect(service),
                              (kp_handle_t)kp_service_connect(service)};
    kp_reader_t reader = kp_reader_init(data, size);
    while (kp_reader_left(&reader)) {
        uint8_t target = kp_reader_u8(&reader) % 5;
        size_t count = kp_reader_u16(&reader);
        if (count > kp_reader_left(&reader))
            count = kp_reader_left(&reader);
        const uint8_t *bytes = kp_reader_borrow(&reader, count);
        if (!bytes)
            break;
        if (target < 2)
            kp_message_send(clients[target], bytes, count);
        else if (target == 2)
            kp_message_send(socket, bytes, count);
        else if (target == 3) {
            kp_handle_close(clients[0]);
            clients[0] = (kp_handle_t)kp_service_connect(service);
        }
        steps(target == 4 ? KP_NS_PER_S : KP_NS_PER_MS / 10);
        drain(clients[0]);
        drain(clients[1]);
        drain(socket);
    }
    kp_handle_close(clients[0]);
    kp_handle_close(clients[1]);
    kp_handle_close(socket);
    kp_handle_close(good);
    if (stack_settle() > 256 * 1024 || stack->client_count || stack->connection_count)
        abort();
    return 0;
}
