/* The test web server: private header of tests/server/. One thread a connection; everything here is
   called on that thread only. README.md lists the special paths. */
#ifndef KP_TESTSERVER_H
#define KP_TESTSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define REQUEST_MAX 65536u

/* One request being answered. Strings point into `bytes` and live as long as the request. */
typedef struct request {
    int fd;
    const char *root; /* folder that is served */
    char bytes[REQUEST_MAX + 1];
    size_t size; /* bytes received so far, may run into the next request */
    const char *method;
    char *path;          /* decoded, without the query */
    const char *query;   /* after '?', "" when none */
    const char *target;  /* as sent, for the log */
    const char *headers; /* "Name: value\r\n" lines, NUL-terminated copy */
    char header_copy[REQUEST_MAX + 1];
    char target_copy[REQUEST_MAX + 1];
    const char *body;
    size_t body_size;
    bool keep_alive;   /* cleared by a handler that ends the connection */
    bool headers_only; /* HEAD */
    int status;        /* what was answered, for the log; 0 when nothing was */
    uint64_t sent;     /* body bytes */
} request_t;

/* Sends all bytes; false once the peer is gone (and then keep_alive is cleared). */
bool reply_send(request_t *request, const void *bytes, size_t size);
/* Status line, the fixed headers and `extra` ("Name: value\r\n" lines, may be ""). length < 0: no
   Content-Length. */
bool reply_head(request_t *request, int status, const char *type, int64_t length,
                const char *extra);
/* A whole reply. */
void reply_bytes(request_t *request, int status, const char *type, const char *extra,
                 const void *bytes, size_t size);
/* A small HTML page with this title, status and text. */
void reply_page(request_t *request, int status, const char *text);
/* Body bytes, unless the method is HEAD. */
bool reply_body(request_t *request, const void *bytes, size_t size);
/* Sends what was written, then cuts the connection with a TCP reset. */
void reply_reset(request_t *request);

/* The value of NAME in the query as a number, else fallback; capped to maximum. */
uint64_t query_number(const request_t *request, const char *name, uint64_t fallback,
                      uint64_t maximum);
/* Copies the (percent-decoded) value of NAME; false when absent or too long. */
bool query_string(const request_t *request, const char *name, char *out, size_t capacity);
/* The value of a request header, "" when absent; in a buffer of the calling thread. */
const char *header_value(const request_t *request, const char *name);

/* special.c: answers when the path is one of the special paths. */
bool special_answer(request_t *request);
/* files.c: answers from the folder. */
void files_answer(request_t *request);

/* A growing buffer of bytes. Exits the program when memory ends: this is a test tool. */
typedef struct bytes {
    uint8_t *at;
    size_t size;
    size_t capacity;
} bytes_t;
void bytes_add(bytes_t *out, const void *at, size_t size);
void bytes_free(bytes_t *out);

/* encode.c: a gzip stream (fixed Huffman codes, runs of one byte compressed) of `repeat` copies. */
void gzip_encode(bytes_t *out, const void *at, size_t size, uint64_t repeat);
/* A PNG of a colour gradient, 8-bit RGB. */
void png_encode(bytes_t *out, uint32_t width, uint32_t height);

#endif
