/* The local file server's view of a request: what it accepts must stay in the folder. */
#include <stdlib.h>
#include <string.h>

#include "tools/kpio/file_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[200];
    bool is_head;
    if (!kp_file_server_parse((const char *)data, size, "s3", path, sizeof path, &is_head))
        return 0;
    if (memchr(path, 0, sizeof path) == NULL || strstr(path, "/../") || strcmp(path, "..") == 0 ||
        strncmp(path, "../", 3) == 0)
        abort();
    return 0;
}
