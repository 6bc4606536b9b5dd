/* libcurl for KPIO: HTTP/1.1 without TLS, over the program's own sockets, for wasm32-wasi. */
#ifndef KPIO_CURL_CONFIG_H
#define KPIO_CURL_CONFIG_H

#define CURL_OS "wasm32-kpio"
#define CURL_STATICLIB 1

/* What is left out. */
#define CURL_DISABLE_ALTSVC 1
#define CURL_DISABLE_AWS 1
#define CURL_DISABLE_BINDLOCAL 1
#define CURL_DISABLE_DICT 1
#define CURL_DISABLE_DIGEST_AUTH 1
#define CURL_DISABLE_DOH 1
#define CURL_DISABLE_FILE 1
#define CURL_DISABLE_FORM_API 1
#define CURL_DISABLE_FTP 1
#define CURL_DISABLE_GETOPTIONS 1
#define CURL_DISABLE_GOPHER 1
#define CURL_DISABLE_HSTS 1
#define CURL_DISABLE_IMAP 1
#define CURL_DISABLE_IPFS 1
#define CURL_DISABLE_KERBEROS_AUTH 1
#define CURL_DISABLE_LDAP 1
#define CURL_DISABLE_LDAPS 1
#define CURL_DISABLE_MQTT 1
#define CURL_DISABLE_NEGOTIATE_AUTH 1
#define CURL_DISABLE_NETRC 1
#define CURL_DISABLE_NTLM 1
#define CURL_DISABLE_POP3 1
#define CURL_DISABLE_PROGRESS_METER 1
#define CURL_DISABLE_PROXY 1
#define CURL_DISABLE_RTSP 1
#define CURL_DISABLE_SHUFFLE_DNS 1
#define CURL_DISABLE_SMB 1
#define CURL_DISABLE_SMTP 1
#define CURL_DISABLE_SOCKETPAIR 1
#define CURL_DISABLE_TELNET 1
#define CURL_DISABLE_TFTP 1
#define CURL_DISABLE_VERBOSE_STRINGS 1
#define CURL_DISABLE_WEBSOCKETS 1

/* What is in. */
#define USE_IPV6 1
#define HAVE_LIBZ 1
#define HAVE_BROTLI 1

/* The C library (wasi-libc). */
#define HAVE_ARPA_INET_H 1
#define HAVE_ATOMIC 1
#define HAVE_BOOL_T 1
#define HAVE_CLOCK_GETTIME_MONOTONIC 1
#define HAVE_DECL_FSEEKO 1
#define HAVE_FCNTL_H 1
#define HAVE_FNMATCH 1
#define HAVE_FSEEKO 1
#define HAVE_GETTIMEOFDAY 1
#define HAVE_GMTIME_R 1
#define HAVE_INET_NTOP 1
#define HAVE_INET_PTON 1
#define HAVE_INTTYPES_H 1
#define HAVE_LIBGEN_H 1
#define HAVE_LOCALE_H 1
#define HAVE_LONGLONG 1
#define HAVE_NETINET_IN_H 1
#define HAVE_NETINET_TCP_H 1
#define HAVE_POLL_H 1
#define HAVE_SA_FAMILY_T 1
#define HAVE_SNPRINTF 1
#define HAVE_SOCKADDR_IN6_SIN6_SCOPE_ID 1
#define HAVE_STDBOOL_H 1
#define HAVE_STDINT_H 1
#define HAVE_STRCASECMP 1
#define HAVE_STRERROR_R 1
#define HAVE_POSIX_STRERROR_R 1
#define HAVE_STRINGS_H 1
#define HAVE_STRUCT_SOCKADDR_STORAGE 1
#define HAVE_STRUCT_TIMEVAL 1
#define HAVE_SUSECONDS_T 1
#define HAVE_SYS_SELECT_H 1
#define HAVE_SYS_SOCKET_H 1
#define HAVE_SYS_STAT_H 1
#define HAVE_SYS_TIME_H 1
#define HAVE_SYS_TYPES_H 1
#define HAVE_UNISTD_H 1
#define STDC_HEADERS 1

#define SIZEOF_INT 4
#define SIZEOF_LONG __SIZEOF_LONG__
#define SIZEOF_OFF_T 8
#define SIZEOF_SIZE_T __SIZEOF_SIZE_T__
#define SIZEOF_CURL_OFF_T 8
#define SIZEOF_CURL_SOCKET_T 4
#define SIZEOF_TIME_T 8

/* Sockets: the program's own. They are non-blocking already, so the call that would make them so
   has nothing to do. */
#define HAVE_SOCKET 1
#define HAVE_POLL 1
#define HAVE_RECV 1
#define HAVE_SEND 1
#define HAVE_MSG_NOSIGNAL 1
#define HAVE_GETADDRINFO 1
#define HAVE_GETADDRINFO_THREADSAFE 1
#define HAVE_FREEADDRINFO 1
#define HAVE_GETPEERNAME 1
#define HAVE_GETSOCKNAME 1
#define HAVE_CLOSESOCKET 1
#define HAVE_SETSOCKOPT_SO_NONBLOCK 1
#define SO_NONBLOCK 0x4b50

#define RECV_TYPE_ARG1 int
#define RECV_TYPE_ARG2 void *
#define RECV_TYPE_ARG3 size_t
#define RECV_TYPE_ARG4 int
#define RECV_TYPE_RETV ssize_t
#define SEND_TYPE_ARG1 int
#define SEND_QUAL_ARG2 const
#define SEND_TYPE_ARG2 void *
#define SEND_TYPE_ARG3 size_t
#define SEND_TYPE_ARG4 int
#define SEND_TYPE_RETV ssize_t

/* First the C library's own declarations, then the renaming, or it would rename those too. */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>
#include "kpio_sockets.h"
#define socket kp_socket_open
#define closesocket kp_socket_close
#define connect kp_socket_connect
#define send kp_socket_send
#define recv kp_socket_receive
#define poll kp_socket_poll
#define getsockopt kp_socket_get_option
#define setsockopt kp_socket_set_option
#define getsockname kp_socket_get_name
#define getpeername kp_socket_get_peer
#define getaddrinfo kp_socket_getaddrinfo
#define freeaddrinfo kp_socket_freeaddrinfo

#endif
