/* How the serial line carries both the kernel's log and what programs write to console0, with the word
   console=framed on the command line: each piece of a program's stands between BEGIN and END, and in it these
   two bytes and ESCAPE are ESCAPE and the byte xor MASK. The log has none of the three, so whoever reads the line
   (tools/kpio/program_output.c) tells one from the other whatever programs write. */
#ifndef KP_X86_CONSOLE_FRAME_H
#define KP_X86_CONSOLE_FRAME_H

enum {
    KP_X86_CONSOLE_BEGIN = 0x0e,
    KP_X86_CONSOLE_END = 0x0f,
    KP_X86_CONSOLE_ESCAPE = 0x10,
    KP_X86_CONSOLE_MASK = 0x40,
};

#endif
