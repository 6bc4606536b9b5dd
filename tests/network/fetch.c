/* A program for tests of the network on a whole machine, without the engine. In the boot archive of
   such a test it is "shell" and "tab" at once: the shell, which ends the system when it ends, makes
   one tab, has it fetch each URL of the kernel's command line ("get=URL", "must=URL"), and logs a
   line for each:

     fetch URL STATUS HTTP-STATUS BYTES HASH TEXT      (HASH: FNV-1a of the body, 32 bits)

   A "must" that is not OK ends the run: "fetch stopped"; otherwise the last line is "fetch done".
   "each=N" repeats the list, "log" adds microseconds. Exit code 0 when all URLs were tried. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/http.h"
#include "runtime/program/kp.h"
#include "runtime/program/message.h"
#include "runtime/program/startup.h"

/* A fetch of which nothing is heard for so long is given up; http's own limits are shorter. */
#define SILENCE (90 * KP_NS_PER_S)

static kp_message_t message;

typedef struct result {
    kp_status_t status;
    uint32_t http_status;
    uint64_t size;
    uint32_t hash;
    char text[256];
    uint64_t microseconds;
} result_t;

static bool take(result_t *result)
{
    kp_message_header_t head = kp_message_head(&message);
    const kp_http_response_t *response = kp_message_as(&message, sizeof(*response));
    const kp_http_end_t *end = kp_message_as(&message, sizeof(*end));
    if (head.ordinal == KP_HTTP_RESPONSE && response) {
        result->http_status = response->http_status;
    } else if (head.ordinal == KP_HTTP_DATA) {
        for (uint32_t i = sizeof(head); i < message.size; i++)
            result->hash = (result->hash ^ message.bytes[i]) * 16777619u;
        result->size += message.size - sizeof(head);
    } else if (head.ordinal == KP_HTTP_END && end) {
        result->status = end->status;
        snprintf(result->text, sizeof(result->text), "%.*s", (int)end->text_size,
                 (const char *)message.bytes + sizeof(*end));
        return true;
    }
    return false;
}

static void fetch(kp_handle_t http, uint32_t txid, const char *url, size_t size, result_t *result)
{
    kp_http_request_t request = {.header = {KP_HTTP_REQUEST, txid},
                                 .destination = KP_HTTP_FOR_DOCUMENT,
                                 .method_size = 3,
                                 .url_size = (uint32_t)size};
    kp_message_part_t parts[] = {{&request, sizeof(request)}, {"GET", 3}, {url, size}};
    *result = (result_t){.hash = 2166136261u};
    kp_time_t start = kp_now();
    result->status = kp_message_send_parts(http, parts, 3, NULL, 0);
    while (result->status == KP_OK) {
        result->status = kp_message_receive_wait(http, &message, kp_now() + SILENCE);
        if (result->status == KP_OK && take(result))
            break;
    }
    result->microseconds = (uint64_t)(kp_now() - start) / 1000;
}

/* Each message of the owner is a URL; the answer is a result_t. */
static int run_tab(void)
{
    kp_handle_t control = kp_startup_take("control"), service = kp_startup_take("svc:http");
    int64_t http = kp_service_connect(service);
    uint32_t txid = 0;
    static kp_message_t order;
    while (http > 0 && kp_message_receive_wait(control, &order, KP_TIME_INFINITE) == KP_OK) {
        result_t result;
        fetch((kp_handle_t)http, ++txid, (const char *)order.bytes, order.size, &result);
        if (kp_message_send(control, &result, sizeof(result)) != KP_OK)
            break;
    }
    return 0;
}

/* False: the tab is gone, or the fetch had to succeed and did not. */
static bool try_url(kp_handle_t channel, const char *url, bool is_timed, bool is_must)
{
    if (kp_message_send(channel, url, strlen(url)) != KP_OK ||
        kp_message_receive_wait(channel, &message, KP_TIME_INFINITE) != KP_OK)
        return false;
    const result_t *result = kp_message_as(&message, sizeof(*result));
    if (!result)
        return false;
    char time[32] = "";
    if (is_timed)
        snprintf(time, sizeof(time), "%llu us ", (unsigned long long)result->microseconds);
    kp_log("fetch %s %s %u %llu %08x %s%s", url, kp_status_name(result->status),
           result->http_status, (unsigned long long)result->size, result->hash, time, result->text);
    return !is_must || result->status == KP_OK;
}

static int run_shell(int count, char **words)
{
    kp_tab_created_t tab;
    int repeat = 1;
    bool is_timed = false;
    kp_status_t status = kp_tab_create(kp_startup_take("coordinator"), &tab);
    if (status != KP_OK) {
        kp_log("no tab: %s", kp_status_name(status));
        return 1;
    }
    for (int i = 1; i < count; i++) {
        if (strncmp(words[i], "each=", 5) == 0)
            repeat = atoi(words[i] + 5);
        is_timed |= strcmp(words[i], "log") == 0;
    }
    for (int n = 0; n < repeat; n++) {
        for (int i = 1; i < count; i++) {
            bool is_must = strncmp(words[i], "must=", 5) == 0;
            if (!is_must && strncmp(words[i], "get=", 4) != 0)
                continue;
            if (!try_url(tab.channel, words[i] + (is_must ? 5 : 4), is_timed, is_must)) {
                kp_log("fetch stopped");
                return 1;
            }
        }
    }
    (void)kp_boot_mark_text("load-done"); /* with "report=memory" the kernel reports */
    kp_log("fetch done");
    return 0;
}

int main(int count, char **words)
{
    return count && strcmp(words[0], "tab") == 0 ? run_tab() : run_shell(count, words);
}
