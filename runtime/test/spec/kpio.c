/* The specification suites on KPIO: a native program that runs as a system's shell. Words of the kernel's command
   line: engine=interpret|compile|lazy suite=DIRECTORY features=2|all expect=LIST only=FILE
   mark=NUMBER: before so many modules are compiled lazily it says the boot mark "spec" (kill=compiler@spec). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/interpret/test/interpreted_tier.h"
#include "runtime/native/native.h"
#include "runtime/program/startup.h"
#include "runtime/test/spec/kpio_compile.h"

enum { ARGUMENTS_MAX = 16 };

int main(int argc, char **argv)
{
    static char *arguments[ARGUMENTS_MAX] = {"spec"};
    static char suite[64];
    const char *engine = "interpret";
    int count = 1;
    kp_native_output_set(kp_startup_take("dev:console0"));
    for (int i = 1; i < argc && count + 3 < ARGUMENTS_MAX; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            continue;
        value++;
        if (strncmp(argv[i], "engine=", 7) == 0) {
            engine = value;
        } else if (strncmp(argv[i], "suite=", 6) == 0) {
            snprintf(suite, sizeof suite, "%s", value);
        } else if (strncmp(argv[i], "features=", 9) == 0) {
            arguments[count++] = "--features";
            arguments[count++] = value;
        } else if (strncmp(argv[i], "expect=", 7) == 0) {
            arguments[count++] = "--expect";
            arguments[count++] = value;
        } else if (strncmp(argv[i], "mark=", 5) == 0) {
            kp_spec_kpio_mark = (unsigned)strtoul(value, NULL, 10);
        } else if (strncmp(argv[i], "only=", 5) == 0) {
            arguments[count++] = "--only";
            arguments[count++] = value;
        }
    }
    arguments[count++] = suite;
    if (strcmp(engine, "interpret") == 0)
        return kp_spec_store_main(count, arguments, &kp_spec_interpreted);
    if (strcmp(engine, "compile") == 0) {
        kp_status_t status = kp_spec_kpio_guard();
        if (status != KP_OK) {
            printf("not ok spec: no guard pages: %s\n", kp_status_text(status));
            return 2;
        }
        int code = kp_spec_store_main(count, arguments, &kp_spec_kpio_compiled);
        printf("# instances without guard pages: %u\n", kp_spec_kpio_checked());
        return code;
    }
    if (strcmp(engine, "lazy") == 0)
        return kp_spec_store_main(count, arguments, &kp_spec_kpio_lazy);
    printf("not ok spec: no engine %s\n", engine);
    return 2;
}
