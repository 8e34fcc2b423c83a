// Input: packets, each behind two octets: how much time passes before it (units of 8 ms), and how many
// octets it has (units of 8; the rest of the input where there is less).

#include "protocol/packet.hpp"
#include "protocol/reassembler.hpp"
#include "tests/fuzz/fuzz.hpp"
#include "tests/support/packets.hpp"

#include <algorithm>
#include <variant>

using namespace tonel::protocol;
using namespace tonel::test;
using tonel::fuzz::check;

namespace {

void add(octets& input, const octets& packet, std::uint8_t after = 0) {
  input.push_back(after);
  input.push_back(static_cast<std::uint8_t>((packet.size() + 7) / 8));
  put(input, packet);
  input.resize(input.size() + (8 - packet.size() % 8) % 8); // padding, which a packet may have
}

ip_packet piece(std::size_t offset, std::size_t length, bool last) {
  tcp_fields f;
  f.payload = counting(length);
  auto p = tcp_packet(f);
  p.checksum_at = -1;
  p.content.resize(length);
  p.fragment = static_cast<std::uint16_t>((last ? 0u : 0x2000u) | (offset / 8));
  return p;
}

} // namespace

std::vector<octets> tonel::fuzz::seeds() {
  std::vector<octets> out;
  octets two;
  add(two, piece(0, 64, false).build());
  add(two, piece(64, 21, true).build(), 1);
  octets many;
  for (std::size_t at = 0; at < 256; at += 32)
    add(many, piece(at, 32, at == 224).build());
  octets overlap;
  add(overlap, piece(0, 64, false).build());
  add(overlap, piece(24, 8, true).build());
  octets in_turn;
  for (std::size_t at = 0; at < 96; at += 32)
    for (std::uint16_t id = 1; id < 20; ++id) {
      auto p = piece(at, 32, at == 64);
      p.id = id;
      add(in_turn, p.build());
    }
  out.insert(out.end(), {two, many, overlap, in_turn});
  return out;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reassembler r;
  time_point now{std::chrono::seconds{1}};
  std::uint64_t given = 0, dropped = 0, whole = 0;
  for (std::size_t at = 0; at + 2 <= size;) {
    now += std::chrono::milliseconds{8} * data[at];
    const auto length = std::min<std::size_t>(std::size_t{8} * data[at + 1], size - at - 2);
    const octets packet(data + at + 2, data + at + 2 + length); // its own end, for the sanitizer
    at += 2 + length;
    const auto fragment = parse_fragment(packet);
    if (!fragment) {
      check(fragment.error() == errc::fragment, "one cause for all");
      continue;
    }
    ++given;
    check(std::size_t{fragment->header} + fragment->length <= packet.size(), "lies in the packet");
    const auto out = r.take(*fragment, packet, now);
    dropped += out.dropped;
    check(r.under_way() <= reassembler::places, "places are bounded");
    if (out.packet.empty()) continue;
    ++whole;
    check(out.packet.size() <= reassembler::largest, "size is bounded");
    check(out.piece <= packet.size() || out.piece <= out.packet.size(), "a piece of it");
    const auto parsed = parse_packet(out.packet, {true, 0});
    check(parsed.has_value() || parsed.error() != errc::fragment, "whole is no fragment");
    check(parsed.has_value() || parsed.error() != errc::bad_length, "its length is its own");
    check(!parsed.has_value() || std::holds_alternative<segment_repr>(*parsed), "it is TCP");
  }
  check(dropped + 2 * whole + r.under_way() <= given, "no fragment counts twice");
  return 0;
}
