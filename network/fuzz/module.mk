# Fuzz targets of the network programs, over the simulated kernel of network/test.
FUZZ_TARGETS += net_frames net_messages http
net_frames_FUZZ_SRC = $(addprefix network/,fuzz/frames.c test/peer.c test/sim.c) $(NETSTACK_CORE) \
    $(addprefix runtime/program/,loop.c message.c)
net_frames_FUZZ_CFLAGS = $(NETSTACK_CFLAGS) -DKP_NETSTACK_FUZZ
net_frames_FUZZ_DEPS = $(LWIP_SRC_READY)
net_frames_FUZZ_CORPUS = network/fuzz/corpus/frames

net_messages_FUZZ_SRC = $(addprefix network/,fuzz/net_messages.c test/peer.c test/sim.c) \
    $(NETSTACK_CORE) $(addprefix runtime/program/,loop.c message.c)
net_messages_FUZZ_CFLAGS = $(NETSTACK_CFLAGS)
net_messages_FUZZ_DEPS = $(LWIP_SRC_READY)
net_messages_FUZZ_CORPUS = network/fuzz/corpus/net_messages

http_FUZZ_SRC = $(addprefix network/,fuzz/http.c test/sim.c) $(HTTP_CORE) \
    $(addprefix runtime/program/,loop.c message.c ring.c vmo.c)
http_FUZZ_LIBS = curl zlib brotli
http_FUZZ_CORPUS = network/fuzz/corpus/http
