/* The direct path: takes the tunnel's packets at the ingress of each uplink to the TUN device, and what
 * the process writes to the TUN device to an uplink. They have the host's own addresses, so nothing is
 * rewritten. What is not the tunnel's goes on as if the programs were not there.
 *
 * For Linux 5.10 and later. Link headers need no look: the network header is where the kernel has found
 * it. Of VLANs only the device of the VLAN takes packets, behind its tag.
 */
#include "system/bpf/direct_maps.h"

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

enum {
  af_inet = 2,
  af_inet6 = 10,
  next_header_icmp6 = 58,
  most_services = 16384,
  most_sources = 65536,
  most_connections = 1 << 20,
  most_ways = 4096,
  most_uplinks = 4096,
  most_arrivals = 65536,
};

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct direct_settings);
} settings SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, most_services);
  __type(key, struct direct_service);
  __type(value, struct direct_terms);
} services SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LPM_TRIE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, most_sources);
  __type(key, struct direct_source);
  __type(value, __u32);
} sources SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, most_connections);
  __type(key, struct direct_connection);
  __type(value, __u32);
} connections SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, most_ways);
  __type(key, struct direct_address);
  __type(value, struct direct_way);
} ways SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, most_arrivals);
  __type(key, struct direct_address);
  __type(value, struct direct_arrival);
} arrivals SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, most_uplinks);
  __type(key, __u32);
  __type(value, struct direct_uplink);
} uplinks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, direct_counts);
  __type(key, __u32);
  __type(value, __u64);
} counts SEC(".maps");

/* An IP header without options, and the ports behind it. */
struct headers4 {
  __u8 version_words, tos;
  __u16 length, id, fragment;
  __u8 ttl, protocol;
  __u16 checksum;
  __u32 source, destination;
  __u16 source_port, destination_port;
};
struct headers6 {
  __u32 flow;
  __u16 length;
  __u8 next_header, hop_limit;
  __u32 source[4], destination[4];
  __u16 source_port, destination_port;
};
struct icmp {
  __u8 type, code;
  __u16 checksum;
  __u32 rest;
};
struct icmp_error4 {
  struct icmp head;
  struct headers4 quote;
};
struct icmp_error6 {
  struct icmp head;
  struct headers6 quote;
};

static __always_inline void count(__u32 what) {
  __u64* n = bpf_map_lookup_elem(&counts, &what);
  if (n) ++*n;
}

static __always_inline int drop(__u32 why) {
  count(why);
  return TC_ACT_SHOT;
}

/* Copies octets from the network header on. Some drivers leave headers in pages. */
static __always_inline int load(struct __sk_buff* skb, __u32 at, void* to, __u32 size) {
  if (bpf_skb_load_bytes_relative(skb, at, to, size, BPF_HDR_START_NET) == 0) return 1;
  __u32 wanted = ETH_HLEN + at + size;
  if (bpf_skb_pull_data(skb, wanted < skb->len ? wanted : skb->len) != 0) return 0;
  return bpf_skb_load_bytes_relative(skb, at, to, size, BPF_HDR_START_NET) == 0;
}

static __always_inline void set4(struct direct_address* a, __u32 v4) {
  a->words[0] = 0;
  a->words[1] = 0;
  a->words[2] = bpf_htonl(0xffff);
  a->words[3] = v4;
}

static __always_inline void set6(struct direct_address* a, const __u32* v6) {
  a->words[0] = v6[0];
  a->words[1] = v6[1];
  a->words[2] = v6[2];
  a->words[3] = v6[3];
}

static __always_inline int is_whole(const struct headers4* ip) {
  return (ip->fragment & bpf_htons(0x3fff)) == 0;
}

/* The ends of a TCP packet; of an ICMP error those of the packet that it quotes, which came from here.
 * incoming: `local` is the destination. */
enum { kind_none, kind_tcp, kind_icmp };

static __always_inline int read4(struct __sk_buff* skb, struct direct_connection* c, int incoming) {
  struct headers4 ip;
  if (!load(skb, 0, &ip, sizeof ip) || !is_whole(&ip)) return kind_none;
  const __u32 header = (ip.version_words & 15) * 4;
  if (ip.protocol == IPPROTO_TCP) {
    if (header != 20 && !load(skb, header, &ip.source_port, 4)) return kind_none;
    set4(&c->local, incoming ? ip.destination : ip.source);
    set4(&c->remote, incoming ? ip.source : ip.destination);
    c->local_port = incoming ? ip.destination_port : ip.source_port;
    c->remote_port = incoming ? ip.source_port : ip.destination_port;
    return kind_tcp;
  }
  if (!incoming || ip.protocol != IPPROTO_ICMP) return kind_none;
  struct icmp_error4 e;
  if (!load(skb, header, &e.head, sizeof e.head)) return kind_none;
  /* Destination unreachable; time exceeded. */
  if ((e.head.type != 3 && e.head.type != 11) || !load(skb, header, &e, sizeof e)) return kind_none;
  if (e.quote.version_words != 0x45 || e.quote.protocol != IPPROTO_TCP ||
      (e.quote.fragment & bpf_htons(0x1fff)) != 0 || e.quote.source != ip.destination)
    return kind_none;
  set4(&c->local, e.quote.source);
  set4(&c->remote, e.quote.destination);
  c->local_port = e.quote.source_port;
  c->remote_port = e.quote.destination_port;
  return kind_icmp;
}

static __always_inline int read6(struct __sk_buff* skb, struct direct_connection* c, int incoming) {
  struct headers6 ip;
  if (!load(skb, 0, &ip, sizeof ip)) return kind_none;
  if (ip.next_header == IPPROTO_TCP) {
    set6(&c->local, incoming ? ip.destination : ip.source);
    set6(&c->remote, incoming ? ip.source : ip.destination);
    c->local_port = incoming ? ip.destination_port : ip.source_port;
    c->remote_port = incoming ? ip.source_port : ip.destination_port;
    return kind_tcp;
  }
  if (!incoming || ip.next_header != next_header_icmp6) return kind_none;
  struct icmp_error6 e;
  if (!load(skb, 40, &e.head, sizeof e.head)) return kind_none;
  /* Destination unreachable; packet too big; time exceeded. */
  if (e.head.type < 1 || e.head.type > 3 || !load(skb, 40, &e, sizeof e)) return kind_none;
  if (e.quote.next_header != IPPROTO_TCP || e.quote.source[0] != ip.destination[0] ||
      e.quote.source[1] != ip.destination[1] || e.quote.source[2] != ip.destination[2] ||
      e.quote.source[3] != ip.destination[3])
    return kind_none;
  set6(&c->local, e.quote.source);
  set6(&c->remote, e.quote.destination);
  c->local_port = e.quote.source_port;
  c->remote_port = e.quote.destination_port;
  return kind_icmp;
}

static __always_inline int read(struct __sk_buff* skb, struct direct_connection* c, int incoming) {
  if (skb->protocol == bpf_htons(ETH_P_IP)) return read4(skb, c, incoming);
  if (skb->protocol == bpf_htons(ETH_P_IPV6)) return read6(skb, c, incoming);
  return kind_none;
}

enum { not_ours, ours, forbidden };

static __always_inline int judge(const struct direct_settings* s, const struct direct_connection* c) {
  if ((s->flags & direct_server) == 0)
    return bpf_map_lookup_elem(&connections, c) ? ours : not_ours;
  struct direct_service to = {.address = c->local, .port = c->local_port};
  const struct direct_terms* terms = bpf_map_lookup_elem(&services, &to);
  if (!terms) return not_ours;
  if (terms->list == 0) return ours;
  struct direct_source from = {
      .bits = direct_list_bits + 128, .list = terms->list, .address = c->remote};
  return bpf_map_lookup_elem(&sources, &from) ? ours : forbidden;
}

/* An answer to such a source would go to nobody, or to this host: loopback only from loopback. */
static __always_inline int is_no_source(const struct direct_address* a, int on_loopback) {
  if (a->words[0] == 0 && a->words[1] == 0) {
    if (a->words[2] == bpf_htonl(0xffff)) {
      const __u32 first = bpf_ntohl(a->words[3]) >> 24;
      return first == 0 || first >= 224 || (first == 127 && !on_loopback);
    }
    return a->words[2] == 0 && (a->words[3] != bpf_htonl(1) || !on_loopback);
  }
  return (a->words[0] & bpf_htonl(0xff000000)) == bpf_htonl(0xff000000);
}

static __always_inline void learn(struct __sk_buff* skb, const struct direct_address* client) {
  const __u32 device = skb->ifindex;
  const struct direct_uplink* uplink = bpf_map_lookup_elem(&uplinks, &device);
  if (!uplink) return;
  struct direct_arrival now = {.device = device, .ethernet = uplink->ethernet};
  if (now.ethernet && bpf_skb_load_bytes_relative(skb, 0, now.to, 12, BPF_HDR_START_MAC) != 0)
    return;
  const struct direct_arrival* known = bpf_map_lookup_elem(&arrivals, client);
  if (known && known->device == now.device && known->to[0] == now.to[0] &&
      known->to[1] == now.to[1] && known->to[2] == now.to[2] && known->from[0] == now.from[0] &&
      known->from[1] == now.from[1] && known->from[2] == now.from[2])
    return;
  bpf_map_update_elem(&arrivals, client, &now, BPF_ANY);
}

/* What comes in by an uplink. */
SEC("tc") int tonel_uplink(struct __sk_buff* skb) {
  /* Others' frames (promiscuous mode, a macvlan's), or one for a VLAN's device. */
  if (skb->pkt_type != PACKET_HOST) return TC_ACT_UNSPEC;
  if (skb->vlan_present && (skb->vlan_tci & 0xfff) != 0) return TC_ACT_UNSPEC;
  struct direct_connection c = {};
  const int kind = read(skb, &c, 1);
  if (kind == kind_none) return TC_ACT_UNSPEC;
  const __u32 zero = 0;
  const struct direct_settings* s = bpf_map_lookup_elem(&settings, &zero);
  if (!s) return TC_ACT_UNSPEC;
  const int verdict = judge(s, &c);
  if (verdict == not_ours) return TC_ACT_UNSPEC;
  if (verdict == forbidden) { /* as if nobody served the port */
    count(direct_refused);
    return TC_ACT_UNSPEC;
  }
  if (is_no_source(&c.remote, skb->ifindex == s->lo)) return drop(direct_refused);
  if (kind == kind_tcp && (s->flags & direct_learns)) learn(skb, &c.remote);
  /* A tag without a VLAN: the TUN would put it into the packet. */
  if (skb->vlan_present && bpf_skb_vlan_pop(skb) != 0) return drop(direct_lost);
  count(direct_taken);
  return bpf_redirect(s->tun, 0);
}

/* Where a packet leaves. */
struct way_out {
  __u32 device;                /* 0: nowhere */
  __u32 back;                  /* to who has sent the client's last packet */
  __u32 ethernet;              /* back: with this link header; 0: without any */
  struct ethhdr header;
  struct bpf_redir_neigh next; /* family 0: the kernel looks */
};

/* The kernel is not asked for a next hop by this interface, since with IPv6 it names one by another where
 * the route does. */
static __always_inline void by_arrival(struct __sk_buff* skb, const struct direct_address* client,
                                       struct way_out* out) {
  const struct direct_arrival* way = bpf_map_lookup_elem(&arrivals, client);
  if (!way) return;
  out->device = way->device;
  out->back = 1;
  out->ethernet = way->ethernet;
  __builtin_memcpy(out->header.h_dest, way->from, ETH_ALEN);
  __builtin_memcpy(out->header.h_source, way->to, ETH_ALEN);
  out->header.h_proto = skb->protocol;
}

static __always_inline int send_back(struct __sk_buff* skb, const struct way_out* out) {
  if (out->ethernet && (bpf_skb_change_head(skb, ETH_HLEN, 0) != 0 ||
                        bpf_skb_store_bytes(skb, 0, &out->header, ETH_HLEN, 0) != 0))
    return drop(direct_lost);
  count(direct_sent);
  return bpf_redirect(out->device, 0);
}

static __always_inline void by_route(struct __sk_buff* skb, const struct direct_settings* s,
                                     const struct direct_connection* c, struct way_out* out) {
  const int v4 = skb->protocol == bpf_htons(ETH_P_IP);
  struct bpf_fib_lookup ask = {
      .family = v4 ? af_inet : af_inet6,
      .l4_protocol = IPPROTO_TCP,
      .sport = c->local_port,
      .dport = c->remote_port,
      .ifindex = s->tun,
  };
  if (v4) {
    ask.ipv4_src = c->local.words[3];
    ask.ipv4_dst = c->remote.words[3];
  } else {
    __builtin_memcpy(ask.ipv6_src, c->local.words, 16);
    __builtin_memcpy(ask.ipv6_dst, c->remote.words, 16);
  }
  const long answer = bpf_fib_lookup(skb, &ask, sizeof ask, 0);
  if (answer == BPF_FIB_LKUP_RET_NOT_FWDED) {
    out->device = s->lo;
    return;
  }
  /* Before Linux 5.13 an answer without a neighbour names no device. */
  if ((answer != BPF_FIB_LKUP_RET_SUCCESS && answer != BPF_FIB_LKUP_RET_NO_NEIGH) ||
      ask.ifindex == s->tun)
    return;
  out->device = ask.ifindex;
  out->next.nh_family = ask.family;
  if (ask.family == af_inet)
    out->next.ipv4_nh = ask.ipv4_dst;
  else
    __builtin_memcpy(out->next.ipv6_nh, ask.ipv6_dst, 16);
}

static __always_inline void by_table(const struct direct_address* remote, struct way_out* out) {
  const struct direct_way* way = bpf_map_lookup_elem(&ways, remote);
  if (!way) return;
  out->device = way->device;
  out->next.nh_family = way->family;
  __builtin_memcpy(out->next.ipv6_nh, way->next, 16);
}

static __always_inline __u16 folded(__u32 sum) {
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~(sum + (sum >> 16));
}

/* A router's answer to a packet that is too long for the way behind it, as the kernel gives it where it
 * forwards: put around the first 20 octets of TCP, and back to the process. Those may have a checksum that
 * is not filled in, so no less can be left of the packet. */
struct too_big4 {
  __u8 version_words, tos;
  __u16 length, id, fragment;
  __u8 ttl, protocol;
  __u16 checksum;
  __u32 source, destination;
  struct icmp head;
  __u8 quote[40];
};
struct too_big6 {
  __u32 source[4], destination[4], length, next_header; /* RFC 8200 §8.1 */
  struct icmp head;
  __u8 quote[60];
};
struct fixed6 {
  __u32 flow;
  __u16 length;
  __u8 next_header, hop_limit;
  __u32 source[4], destination[4];
  struct icmp head;
};

static __noinline int say_too_big4(struct __sk_buff* skb, __u32 mtu, __u32 tun) {
  struct too_big4 m = {.version_words = 0x45, .ttl = 64, .protocol = IPPROTO_ICMP};
  if (!load(skb, 0, m.quote, sizeof m.quote) || m.quote[0] != 0x45) return drop(direct_lost);
  m.length = bpf_htons(sizeof m);
  __builtin_memcpy(&m.source, m.quote + 12, 4);
  m.destination = m.source;
  m.checksum = folded(bpf_csum_diff(0, 0, (__be32*)&m, 20, 0));
  m.head.type = 3;
  m.head.code = 4;
  m.head.rest = bpf_htonl(mtu);
  m.head.checksum = folded(bpf_csum_diff(0, 0, (__be32*)&m.head, sizeof m - 20, 0));
  if (bpf_skb_change_tail(skb, sizeof m.quote, 0) != 0 ||
      bpf_skb_adjust_room(skb, sizeof m - sizeof m.quote, BPF_ADJ_ROOM_MAC, 0) != 0 ||
      bpf_skb_store_bytes(skb, 0, &m, sizeof m - sizeof m.quote, 0) != 0)
    return drop(direct_lost);
  return bpf_redirect(tun, 0);
}

static __noinline int say_too_big6(struct __sk_buff* skb, __u32 mtu, __u32 tun) {
  struct too_big6 m = {.next_header = bpf_htonl(next_header_icmp6)};
  if (!load(skb, 0, m.quote, sizeof m.quote)) return drop(direct_lost);
  __builtin_memcpy(m.source, m.quote + 8, 16);
  __builtin_memcpy(m.destination, m.quote + 8, 16);
  m.length = bpf_htonl(sizeof m.head + sizeof m.quote);
  m.head.type = 2;
  m.head.rest = bpf_htonl(mtu);
  struct fixed6 ip = {.flow = bpf_htonl(0x60000000),
                      .length = bpf_htons(sizeof m.head + sizeof m.quote),
                      .next_header = next_header_icmp6,
                      .hop_limit = 64};
  __builtin_memcpy(ip.source, m.source, 16);
  __builtin_memcpy(ip.destination, m.source, 16);
  ip.head = m.head;
  ip.head.checksum = folded(bpf_csum_diff(0, 0, (__be32*)&m, sizeof m, 0));
  if (bpf_skb_change_tail(skb, sizeof m.quote, 0) != 0 ||
      bpf_skb_adjust_room(skb, sizeof ip, BPF_ADJ_ROOM_MAC, 0) != 0 ||
      bpf_skb_store_bytes(skb, 0, &ip, sizeof ip, 0) != 0)
    return drop(direct_lost);
  return bpf_redirect(tun, 0);
}

/* Whether a packet, or each segment of one, is longer than the uplink takes. Gives the uplink's MTU. */
static __always_inline __u32 is_too_big(struct __sk_buff* skb, const struct direct_settings* s,
                                        __u32 device) {
  __u32 length = skb->len;
  const __u32 segment = skb->gso_size;
  if (segment != 0) {
    const __u32 ip = skb->protocol == bpf_htons(ETH_P_IP) ? 20 : 40;
    __u8 words = 0;
    if (!load(skb, ip + 12, &words, 1)) return 0;
    length = ip + (words >> 4) * 4 + segment;
  }
  if (length <= s->mtu) return 0;
  const struct direct_uplink* uplink = bpf_map_lookup_elem(&uplinks, &device);
  return uplink && length > uplink->mtu ? uplink->mtu : 0;
}

/* What the process writes to the TUN device. */
SEC("tc") int tonel_tun(struct __sk_buff* skb) {
  struct direct_connection c = {};
  const __u32 zero = 0;
  const struct direct_settings* s = bpf_map_lookup_elem(&settings, &zero);
  /* A client that isn't allowed any more is told of the end. */
  if (!s || read(skb, &c, 0) != kind_tcp || judge(s, &c) == not_ours) return drop(direct_strange);
  if (s->mark != 0) skb->mark = s->mark;
  struct way_out out = {};
  if ((s->flags & direct_server) == 0) {
    by_table(&c.remote, &out);
  } else {
    if (s->flags & direct_by_arrival) by_arrival(skb, &c.remote, &out);
    if (out.device == 0 && (s->flags & direct_by_route)) by_route(skb, s, &c, &out);
    if (out.device == 0 && (s->flags & direct_learns)) by_arrival(skb, &c.remote, &out);
  }
  if (out.device == 0) out.device = s->uplink;
  if (out.device == 0) return drop(direct_lost);
  const __u32 mtu = is_too_big(skb, s, out.device);
  if (mtu != 0)
    return skb->protocol == bpf_htons(ETH_P_IP) ? say_too_big4(skb, mtu, s->tun)
                                                : say_too_big6(skb, mtu, s->tun);
  if (out.back) return send_back(skb, &out);
  /* The helper for neighbours replaces a link header, and drops a packet that has none. */
  const __u16 kind = skb->protocol;
  if (bpf_skb_change_head(skb, ETH_HLEN, 0) != 0 ||
      bpf_skb_store_bytes(skb, ETH_HLEN - 2, &kind, sizeof kind, 0) != 0)
    return drop(direct_lost);
  count(direct_sent);
  if (out.next.nh_family == 0) return bpf_redirect_neigh(out.device, 0, 0, 0);
  return bpf_redirect_neigh(out.device, &out.next, sizeof out.next, 0);
}
