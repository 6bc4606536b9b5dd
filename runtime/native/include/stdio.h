/* Of native programs: formatting (no floating point) and standard output; no files. */
#ifndef KP_NATIVE_STDIO_H
#define KP_NATIVE_STDIO_H

#include <stdarg.h>
#include <stddef.h>

#define EOF (-1)
typedef struct kp_native_file FILE;
extern FILE *const stdout;
extern FILE *const stderr; /* the same as stdout */

int snprintf(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t size, const char *format, va_list values)
    __attribute__((format(printf, 3, 0)));
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *format, va_list values) __attribute__((format(printf, 1, 0)));
int fprintf(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));
int vfprintf(FILE *file, const char *format, va_list values) __attribute__((format(printf, 2, 0)));
int puts(const char *text);
int putchar(int character);
int fputs(const char *text, FILE *file);
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file);
int fflush(FILE *file);

#endif
