/* lwIP as KPIO uses it: raw API, one thread, IPv4 client of DHCP, DNS and TCP; its timers are
   driven by timers.c and its memory comes from memory.c, which has a budget. */
#ifndef KP_NETSTACK_LWIPOPTS_H
#define KP_NETSTACK_LWIPOPTS_H

#include <stddef.h>
#include <stdint.h>

/* No operating system below: no threads, no locks, no socket layer. */
#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0
#define LWIP_TIMERS 0
#define LWIP_STATS 0

/* Memory: every allocation is counted against the budget. */
void *kp_netstack_allocate(size_t size);
void *kp_netstack_allocate_zeroed(size_t count, size_t size);
void kp_netstack_free(void *memory);
#define MEM_CUSTOM_ALLOCATOR 1
#define MEM_CUSTOM_MALLOC kp_netstack_allocate
#define MEM_CUSTOM_CALLOC kp_netstack_allocate_zeroed
#define MEM_CUSTOM_FREE kp_netstack_free
#define MEMP_MEM_MALLOC 1
#define MEM_ALIGNMENT 8

/* Link and IP. Nothing here sends or needs fragments: UDP carries DHCP and DNS only. */
#define LWIP_IPV4 1
#define LWIP_IPV6 0
#define LWIP_ARP 1
#define ETHARP_SUPPORT_VLAN 0
#define ARP_TABLE_SIZE 16
#define ARP_QUEUEING 1
#define IP_FORWARD 0
#define IP_REASSEMBLY 0
#define IP_FRAG 0
#define IP_OPTIONS_ALLOWED 0
#define LWIP_ICMP 1
#define LWIP_BROADCAST_PING 0
#define LWIP_MULTICAST_PING 0
#define LWIP_RAW 0
#define LWIP_IGMP 0
#define LWIP_AUTOIP 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_NETIF_HOSTNAME 1
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_SINGLE_NETIF 1

/* DHCP without the wait for an address conflict: that would cost seconds at every boot. */
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_DHCP_MAX_DNS_SERVERS 2

#define LWIP_UDP 1
#define LWIP_DNS 1
#define DNS_TABLE_SIZE 32
#define DNS_MAX_NAME_LENGTH 256
#define DNS_MAX_RETRIES 4

/* TCP: a window that fills a fast path, as long as the budget lasts. */
#define LWIP_TCP 1
#define TCP_MSS 1460
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 3
#define TCP_WND (256 * 1024)
#define TCP_SND_BUF (48 * 1024)
#define TCP_SND_QUEUELEN 96
#define TCP_SNDLOWAT (8 * 1024)
#define TCP_OVERSIZE TCP_MSS
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_BYTES (256 * 1024)
#define LWIP_TCP_SACK_OUT 1
#define LWIP_TCP_MAX_SACK_NUM 4
#define LWIP_TCP_TIMESTAMPS 0
#define LWIP_TCP_RTO_TIME 1000
/* SYNs go once a second (lwIP does not back off before the first answer), so for 13 seconds. */
#define TCP_SYNMAXRTX 12
#define TCP_MAXRTX 12
#define TCP_MSL 5000
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define LWIP_ALTCP 0
#define LWIP_CALLBACK_API 1
/* Initial sequence numbers are random; timers.c and connection.c look after ports. */
#define LWIP_HOOK_TCP_ISN(local_ip, local_port, remote_ip, remote_port) kp_netstack_random()
uint32_t kp_netstack_random(void);

#define LWIP_CHKSUM_ALGORITHM 3
#define LWIP_CHECKSUM_ON_COPY 1
#ifdef KP_NETSTACK_FUZZ /* random bytes shall get past the checksums */
#define CHECKSUM_CHECK_IP 0
#define CHECKSUM_CHECK_UDP 0
#define CHECKSUM_CHECK_TCP 0
#define CHECKSUM_CHECK_ICMP 0
#endif
#define PBUF_POOL_SIZE 0
#define PBUF_LINK_HLEN 14

#endif
