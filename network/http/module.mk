# The HTTP service: libcurl (deps/) over sockets that are channels.
HTTP_CORE := $(addprefix network/http/,bulk.c exchange.c failure.c request.c service.c socket.c \
    socket_names.c socket_net.c)

PROGRAMS += http
http_SRC := network/http/main.c $(HTTP_CORE)
http_LIBS := curl zlib brotli
http_MEMORY := 128
http_SPLIT := 4
