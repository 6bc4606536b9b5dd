/* See port.h: only so that the sources compile. */
#ifndef KP_QUICKJS_WAIT_H
#define KP_QUICKJS_WAIT_H

#define WNOHANG 1
#define WIFSIGNALED(status) ((status) & 0x7f)
#define WIFEXITED(status) (!WIFSIGNALED(status))
#define WEXITSTATUS(status) ((status) >> 8 & 0xff)
#define WTERMSIG(status) ((status) & 0x7f)

#endif
