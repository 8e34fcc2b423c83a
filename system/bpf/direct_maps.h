#pragma once

#include <linux/types.h>

/* What the programs of the direct path and the process that attaches them share. Plain C, for both. */

/* IPv4 as ::ffff:a.b.c.d; network byte order. */
struct direct_address {
  __u32 words[4];
};

/* settings: one. */
struct direct_settings {
  __u32 tun;    /* number of the interface */
  __u32 uplink; /* where answers leave if nothing else says */
  __u32 lo;     /* where what goes to this host leaves; 0: nowhere */
  __u32 mark;   /* of packets that leave; 0: none */
  __u32 mtu;    /* the least of all uplinks: whatever is no longer needs no look */
  __u32 flags;
};
enum {
  direct_server = 1,
  direct_by_route = 2,   /* server: ask the routes by which uplink an answer leaves */
  direct_by_arrival = 4, /* server: the uplink of the client's packets comes before the routes */
  direct_learns = 8,     /* server: note by which uplink a client's packets come */
};

/* services: where a server takes packets to; ports in network byte order. */
struct direct_service {
  struct direct_address address;
  __u16 port;
  __u16 zero;
};
struct direct_terms {
  __u32 list; /* of the sources that are allowed; 0: all are */
};

/* sources: the allowed nets, of all lists. */
struct direct_source {
  __u32 bits; /* direct_list_bits, and those of the address that count */
  __u32 list;
  struct direct_address address;
};
enum { direct_list_bits = 32 };

/* connections: what a client takes; ports in network byte order. */
struct direct_connection {
  struct direct_address local, remote;
  __u16 local_port, remote_port;
};

/* ways: to a client's remotes. */
struct direct_way {
  __u32 device;  /* number of the interface */
  __u32 family;  /* of the next hop; 0: the kernel's routes are asked for each packet */
  __u32 next[4]; /* IPv4: the first word */
};

/* arrivals: the way that a client's packets came by, with its link header. */
struct direct_arrival {
  __u32 device;
  __u32 ethernet; /* 0: the interface has no link headers */
  __u16 to[3], from[3];
};

/* uplinks, by number; without loopback. */
struct direct_uplink {
  __u32 ethernet;
  __u32 mtu;
};

/* counts: of packets; a super-segment is one. */
enum {
  direct_taken,
  direct_refused,
  direct_sent,
  direct_strange,
  direct_lost,
  direct_counts,
};
