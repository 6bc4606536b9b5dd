/* See port.h: only so that the sources compile. */
#ifndef KP_QUICKJS_TERMIOS_H
#define KP_QUICKJS_TERMIOS_H

struct termios {
    unsigned c_iflag, c_oflag, c_cflag, c_lflag;
    unsigned char c_cc[8];
};

enum {
    TCSANOW,
    IGNBRK = 1,
    BRKINT = 2,
    PARMRK = 4,
    ISTRIP = 8,
    INLCR = 16,
    IGNCR = 32,
    ICRNL = 64,
    IXON = 128,
    OPOST = 1,
    CSIZE = 1,
    PARENB = 2,
    CS8 = 4,
    ECHO = 1,
    ECHONL = 2,
    ICANON = 4,
    IEXTEN = 8,
    ISIG = 16,
    VMIN = 0,
    VTIME = 1,
};

struct winsize {
    unsigned short ws_row, ws_col;
};

#define TIOCGWINSZ 0 /* no such request: fails */

int tcgetattr(int fd, struct termios *settings);
int tcsetattr(int fd, int when, const struct termios *settings);

#endif
