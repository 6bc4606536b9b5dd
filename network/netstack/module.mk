# The TCP/IP service. lwIP's sources come from deps/ and are included by lwip.c.
NETSTACK_CORE := $(addprefix network/netstack/,connection.c interface.c lwip.c memory.c names.c \
    service.c stack.c timers.c)
NETSTACK_CFLAGS := -Inetwork/netstack/port -isystem $(LWIP_SRC)/src/include -isystem $(LWIP_SRC)/src

PROGRAMS += netstack
netstack_SRC := network/netstack/main.c $(NETSTACK_CORE)
netstack_CFLAGS := $(NETSTACK_CFLAGS)
netstack_MEMORY := 32
netstack_SPLIT := 2
$(addprefix $(BUILD)/wasm/obj/netstack/,$(netstack_SRC:.c=.o)): | $(LWIP_SRC_READY)
