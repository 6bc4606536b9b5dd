/* Of native programs: what runtime/image/maths.c has, and what is one instruction. */
#ifndef KP_NATIVE_MATH_H
#define KP_NATIVE_MATH_H

double floor(double value);
double ceil(double value);
double trunc(double value);
double nearbyint(double value);
float floorf(float value);
float ceilf(float value);
float truncf(float value);
float nearbyintf(float value);
#define fabs(value) __builtin_fabs(value)
#define fabsf(value) __builtin_fabsf(value)
#define sqrt(value) __builtin_sqrt(value)
#define sqrtf(value) __builtin_sqrtf(value)
#define copysign(a, b) __builtin_copysign(a, b)
#define copysignf(a, b) __builtin_copysignf(a, b)
#define isnan(value) __builtin_isnan(value)
#define isinf(value) __builtin_isinf(value)
#define NAN __builtin_nanf("")
#define INFINITY __builtin_inff()

#endif
