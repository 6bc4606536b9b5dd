/* lwIP's sources, which live outside of this tree (deps/), as one part of this program. The folder
   is given to the compiler as a system folder, so our warnings do not apply to it. */
#include "network/netstack/port/lwipopts.h" /* named here for the dependencies of the build */

#include <core/init.c>
#include <core/def.c>
#include <core/inet_chksum.c>
#include <core/ip.c>
#include <core/mem.c>
#include <core/memp.c>
#include <core/netif.c>
#include <core/pbuf.c>
#include <core/timeouts.c>
#include <core/udp.c>
#include <core/tcp.c>
#include <core/tcp_in.c>
#include <core/tcp_out.c>
#include <core/dns.c>
#include <core/ipv4/dhcp.c>
#include <core/ipv4/etharp.c>
#include <core/ipv4/icmp.c>
#include <core/ipv4/ip4.c>
#include <core/ipv4/ip4_addr.c>
#include <netif/ethernet.c>
