/* Between the files of runtime/program; programs do not include this. */
#ifndef KP_RUNTIME_PROGRAM_INTERNAL_H
#define KP_RUNTIME_PROGRAM_INTERNAL_H

/* Writes what stdout and stderr hold back for want of a newline. */
void kp_output_flush(void);

#endif
