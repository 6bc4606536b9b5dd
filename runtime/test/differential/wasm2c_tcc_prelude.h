/* What the output of wasm2c wants of the C library and of gcc, for tcc, which gets no header but this one, wasm-rt.h and
   wasm-rt-exceptions.h (wasm2c_tcc.c puts them together). Threads are none: atomics are plain accesses. */
#define NULL ((void *)0)
#define bool _Bool
#define true 1
#define false 0
typedef unsigned char uint8_t;
typedef signed char int8_t;
typedef unsigned short uint16_t;
typedef short int16_t;
typedef unsigned uint32_t;
typedef int int32_t;
typedef unsigned long uint64_t;
typedef long int64_t;
typedef unsigned long size_t, uintptr_t;
#define INT32_MIN (-2147483647 - 1)
#define INT32_MAX 2147483647
#define UINT32_MAX 4294967295u
#define INT64_MIN (-9223372036854775807l - 1)
#define INT64_MAX 9223372036854775807l
#define UINT64_MAX 18446744073709551615ul
#define UINT64_C(x) x##ul
#define UINTPTR_MAX UINT64_MAX

void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *calloc(size_t count, size_t size);
void free(void *data);
void abort(void);
#define assert(x) ((void)0)

typedef uint64_t jmp_buf[25];
int __sigsetjmp(jmp_buf buffer, int mask);
#define sigsetjmp(buffer, mask) __sigsetjmp(buffer, mask)
typedef struct {
    uint64_t words[5];
} pthread_mutex_t;
#define _Thread_local

#define _Atomic
#define atomic_load(at) (*(at))
#define atomic_load_explicit(at, order) (*(at))
#define atomic_store(at, value) (*(at) = (value))
#define atomic_store_explicit(at, value, order) (*(at) = (value))
#define KP_MODIFY(at, modified)           \
    ({                                    \
        __typeof__(*(at)) kp_old = *(at); \
        *(at) = (modified);               \
        kp_old;                           \
    })
#define atomic_fetch_add(at, value) KP_MODIFY(at, kp_old + (value))
#define atomic_fetch_sub(at, value) KP_MODIFY(at, kp_old - (value))
#define atomic_fetch_and(at, value) KP_MODIFY(at, kp_old &(value))
#define atomic_fetch_or(at, value) KP_MODIFY(at, kp_old | (value))
#define atomic_fetch_xor(at, value) KP_MODIFY(at, kp_old ^ (value))
#define atomic_exchange(at, value) KP_MODIFY(at, value)
#define atomic_compare_exchange_strong(at, expected, value) \
    (*(at) == *(expected) ? (*(at) = (value), 1) : (*(expected) = *(at), 0))
#define atomic_thread_fence(order) ((void)0)

double floor(double x), ceil(double x), trunc(double x), nearbyint(double x), sqrt(double x),
    fabs(double x);
double copysign(double x, double y);
float floorf(float x), ceilf(float x), truncf(float x), nearbyintf(float x), sqrtf(float x),
    fabsf(float x);
float copysignf(float x, float y);
int kp_signbit(double x);
float kp_nan(void), kp_infinity(void);
#define KP_NEGATE_f(x) kp_negate32(x)
#define KP_NEGATE_d(x) kp_negate64(x)
float kp_negate32(float x);
double kp_negate64(double x);
#define signbit(x) kp_signbit(x)
#define isnan(x) ((x) != (x))
#define NAN kp_nan()
#define INFINITY kp_infinity()

int kp_clz32(uint32_t x), kp_clz64(uint64_t x), kp_ctz32(uint32_t x), kp_ctz64(uint64_t x);
int kp_popcount32(uint32_t x), kp_popcount64(uint64_t x);
#define __builtin_clz kp_clz32
#define __builtin_clzll kp_clz64
#define __builtin_ctz kp_ctz32
#define __builtin_ctzll kp_ctz64
#define __builtin_popcount kp_popcount32
#define __builtin_popcountll kp_popcount64

/* Only of wasm2c_mNUMBER_get_func_type, which nobody calls. */
#define __builtin_offsetof(type, member) ((size_t)&((type *)0)->member)

#define va_list int
#define va_start(list, last)
#define va_end(list)
#define va_arg(list, type) ((type)0)
