/* See port.h: included by a source that does not use it. */
