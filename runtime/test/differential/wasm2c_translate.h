/* wasm2c as a function: modules in, C out. */
#ifndef KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_TRANSLATE_H
#define KP_RUNTIME_TEST_DIFFERENTIAL_WASM2C_TRANSLATE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

typedef struct kp_wasm2c_server {
    const char *tool;      /* what `deps/build wasm2c tool` prints; borrowed */
    const char *preload;   /* the path of wasm2c-server.so; borrowed */
    const char *directory; /* for files in between; borrowed */
    pid_t process;         /* 0: none, the next translation starts one */
    FILE *to, *from;
} kp_wasm2c_server_t;

/* The C of one module, without #include lines; each free()d by kp_wasm2c_text_free. */
typedef struct kp_wasm2c_text {
    char *header; /* the .h file */
    char *head; /* the part of the .c file that is the same for modules of the same instructions */
    char *own;
} kp_wasm2c_text_t;

/* Names in it begin with mNUMBER. False: wasm2c refused the module or died of it. */
bool kp_wasm2c_translate(kp_wasm2c_server_t *server, uint64_t number, const uint8_t *bytes,
                         size_t size, kp_wasm2c_text_t *text);
void kp_wasm2c_text_free(kp_wasm2c_text_t *text);
void kp_wasm2c_server_stop(kp_wasm2c_server_t *server);

/* A file without #include and empty lines, to free(); NULL: cannot be read. */
char *kp_wasm2c_read(const char *path);
char *kp_wasm2c_drop_includes(char *text); /* in place */

#endif
