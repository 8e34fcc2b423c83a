#pragma once

#include "protocol/packet.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

// Makes packets octet by octet, for tests, fuzzing and benchmarks. Deliberately independent of the
// code under test: checksums are the plain loop of RFC 1071 §4.1.
namespace tonel::test {

using octets = std::vector<std::uint8_t>;

inline void put16(octets& b, std::uint32_t v) {
  b.push_back(static_cast<std::uint8_t>(v >> 8));
  b.push_back(static_cast<std::uint8_t>(v));
}
inline void put32(octets& b, std::uint32_t v) {
  put16(b, v >> 16);
  put16(b, v & 0xffff);
}
inline void put(octets& b, const octets& more) { b.insert(b.end(), more.begin(), more.end()); }
inline void set16(octets& b, std::size_t at, std::uint32_t v) {
  b[at] = static_cast<std::uint8_t>(v >> 8);
  b[at + 1] = static_cast<std::uint8_t>(v);
}

/// The one's-complement sum of 16-bit words, not inverted.
inline std::uint16_t plain_sum(const octets& b) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < b.size(); ++i)
    sum += i % 2 == 0 ? std::uint32_t{b[i]} << 8 : b[i];
  while (sum >> 16 != 0)
    sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

struct extension {
  std::uint8_t type = 0;
  octets rest; ///< all after the next-header octet
};

/// An IP packet with any content; correct except for what a test makes wrong.
struct ip_packet {
  bool v6 = false;
  octets source; ///< empty: 192.0.2.1 or 2001:db8::1
  octets destination;
  std::uint8_t protocol = 6;
  std::uint16_t id = 0x1234;
  std::uint16_t fragment = 0x4000;
  octets options;
  std::vector<extension> extensions;
  octets content;
  int checksum_at = -1; ///< offset in content; the sum has a pseudo header, except for ICMPv4
  bool pseudo = true;

  octets from() const { return address(source, 1); }
  octets to() const { return address(destination, 2); }

  octets build() const {
    auto body = content;
    if (checksum_at >= 0) {
      octets summed;
      if (pseudo) {
        put(summed, from());
        put(summed, to());
        put32(summed, static_cast<std::uint32_t>(body.size()));
        put16(summed, 0);
        put16(summed, protocol);
      }
      put(summed, body);
      set16(body, static_cast<std::size_t>(checksum_at), 0xffffu ^ plain_sum(summed));
    }
    octets out;
    if (v6) {
      octets chain;
      for (std::size_t i = 0; i < extensions.size(); ++i) {
        chain.push_back(i + 1 < extensions.size() ? extensions[i + 1].type : protocol);
        put(chain, extensions[i].rest);
      }
      put32(out, 0x6000'0000);
      put16(out, static_cast<std::uint32_t>(chain.size() + body.size()));
      out.push_back(extensions.empty() ? protocol : extensions.front().type);
      out.push_back(64);
      put(out, from());
      put(out, to());
      put(out, chain);
    } else {
      const auto header = 20 + options.size();
      out.push_back(static_cast<std::uint8_t>(0x40 | (header / 4)));
      out.push_back(0);
      put16(out, static_cast<std::uint32_t>(header + body.size()));
      put16(out, id);
      put16(out, fragment);
      out.push_back(64);
      out.push_back(protocol);
      put16(out, 0);
      put(out, from());
      put(out, to());
      put(out, options);
      set16(out, 10, 0xffffu ^ plain_sum(out));
    }
    put(out, body);
    return out;
  }

private:
  octets address(const octets& given, std::uint8_t last) const {
    if (!given.empty()) return given;
    if (!v6) return {192, 0, 2, last};
    return {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last};
  }
};

struct tcp_fields {
  std::uint16_t source_port = 40'000;
  std::uint16_t destination_port = 443;
  std::uint32_t seq = 0x0102'0304;
  std::uint32_t ack = 0x0506'0708;
  std::uint8_t flags = protocol::flag::ack;
  std::uint16_t window = 65'535;
  octets options;
  octets payload;
  int data_offset = -1; ///< words; -1: the right one
};

inline ip_packet tcp_packet(const tcp_fields& f, bool v6 = false) {
  octets t;
  put16(t, f.source_port);
  put16(t, f.destination_port);
  put32(t, f.seq);
  put32(t, f.ack);
  const auto words =
      f.data_offset >= 0 ? static_cast<std::size_t>(f.data_offset) : (20 + f.options.size()) / 4;
  t.push_back(static_cast<std::uint8_t>(words << 4));
  t.push_back(f.flags);
  put16(t, f.window);
  put32(t, 0);
  put(t, f.options);
  put(t, f.payload);
  ip_packet p;
  p.v6 = v6;
  p.content = t;
  p.checksum_at = 16;
  return p;
}

/// "Fragmentation needed" or ICMPv6 "packet too big" with the given quote.
inline ip_packet too_big(const octets& quote, std::uint32_t mtu, bool v6 = false) {
  ip_packet p;
  p.v6 = v6;
  p.protocol = v6 ? 58 : 1;
  p.pseudo = v6;
  p.content = {std::uint8_t(v6 ? 2 : 3), std::uint8_t(v6 ? 0 : 4), 0, 0};
  put32(p.content, mtu);
  put(p.content, quote);
  p.checksum_at = 2;
  return p;
}

inline octets counting(std::size_t n, unsigned first = 1) {
  octets out(n);
  for (std::size_t i = 0; i < n; ++i)
    out[i] = static_cast<std::uint8_t>(first + i);
  return out;
}

inline const octets linux_syn_options{2, 4, 5, 180, 1, 1, 4, 2, 1, 3, 3, 14};

} // namespace tonel::test
