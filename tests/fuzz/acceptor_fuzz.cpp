// Input: events of a fixed length: time that passes, port, flags, seq, ack, payload.

#include "protocol/acceptor.hpp"
#include "protocol/wire.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;
using tonel::fuzz::check;

namespace {

using octets = std::vector<std::uint8_t>;

constexpr std::size_t event_size = 10;
constexpr std::uint8_t with_hello = 0x80; ///< in the payload's octet

octets event(std::uint8_t flags, std::uint32_t seq, std::uint8_t ack, std::uint8_t payload,
             std::uint8_t wait = 0) {
  octets out{wait, 0, flags};
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(seq >> shift));
  out.insert(out.end(), {ack, payload, 3});
  return out;
}

octets join(std::initializer_list<octets> events) {
  octets out;
  for (const auto& e : events)
    out.insert(out.end(), e.begin(), e.end());
  return out;
}

} // namespace

std::vector<octets> tonel::fuzz::seeds() {
  constexpr std::uint8_t A = flag::ack, P = flag::psh, S = flag::syn, F = flag::fin, R = flag::rst;
  return {
      join({event(S, 0, 0, 0), event(A, 1, 1, 0), event(A | P, 1, 1, with_hello | 1)}),
      join({event(A, 49, 1, 20), event(A, 200, 1, 40), event(A | P, 1, 1, with_hello | 1)}),
      join({event(A, 49, 1, 100), event(A, 1, 1, 0, 200)}),
      join({event(S, 0, 0, 0), event(A, 1, 1, 0), event(F | A, 1, 1, 0), event(A, 2, 2, 0)}),
      join({event(A, 49, 1, 100), event(F | A, 149, 1, 0), event(R, 1, 1, 0)}),
      join({event(A, 49, 7, 100), event(S | A, 0, 1, 0), event(S | F, 0, 0, 0)}),
  };
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  acceptor_config config;
  config.secret = {1, 2, 3};
  legacy_groups groups{address_hash{1}, 100};
  config.ports[443] = {true, true, &groups};
  config.join_patience = 200ms;
  acceptor under_test{config};
  const syn_cookie cookie{config.secret};
  time_point now{100h};
  for (; size >= event_size; data += event_size, size -= event_size) {
    const byte_view e{data, event_size};
    now += e[0] * 20ms;
    while (under_test.deadline() && *under_test.deadline() <= now) {
      const auto due = *under_test.deadline();
      for (const auto& rst : under_test.on_timer(now))
        check((rst.flags & flag::rst) != 0, "what was held for too long is reset");
      for (const auto& late : under_test.answer_joins(now))
        check(late.to.has(flag::syn), "joins alone are answered late");
      check(!under_test.deadline() || *under_test.deadline() > due, "a served deadline is over");
    }
    segment_repr in;
    in.tuple = {{ip_address::v4(192, 0, 2, 1), static_cast<std::uint16_t>(443 + (e[1] >> 6))},
                {ip_address::v4(198, 51, 100, 7), static_cast<std::uint16_t>(e[1] & 3)}};
    in.flags = e[2];
    in.seq = {load_be32(e, 3)};
    in.ack = cookie.isn(in.tuple, now) + e[7];
    // The older dialects' numbers, now and then.
    if ((e[9] & 0xc0) == 0xc0) {
      in.seq = {in.seq.raw & 0xffff};
      in.ack = seq_num{cookie.token(in.tuple, {in.seq.raw & 0xff}, now)} + 1;
    }
    if (in.has(flag::syn)) in.window_scale = 14;
    octets payload((e[8] & 0x7fu) * 500u);
    if ((e[8] & with_hello) != 0 && payload.size() >= hello_size) {
      hello_repr hello;
      hello.offset = e[9];
      hello.control_length = hello.offset + hello_size;
      hello.introduces = (e[9] & 1) != 0;
      const auto encoded = encode_hello(hello, {1});
      std::copy(encoded.begin(), encoded.end(), payload.begin());
    }
    in.payload_length = static_cast<std::uint32_t>(payload.size());
    in.datagram_size = payload.empty() ? 0 : 1 + e[9] * 200u % in.payload_length;

    const auto answer = under_test.on_stray(in, payload, now);
    check(under_test.held_bytes() <= std::size_t{4} << 20, "what is held is bounded");
    if (const auto* reply = std::get_if<reply_stray>(&answer)) {
      check(!in.has(flag::rst), "nothing answers a RST");
      check(reply->header.tuple == in.tuple, "the answer goes back");
      check(reply->header.ack == in.end() || (reply->header.flags & flag::syn) != 0,
            "an answer acknowledges all");
    } else if (const auto* made = std::get_if<accept_stream>(&answer)) {
      check(cookie.proven(in.tuple, in.ack, now).has_value(), "only proven hellos make a stream");
      check(in.tuple.local.port == 443, "only the listening port accepts");
      check(made->held.size() <= max_held_segments, "what was held is bounded");
    } else if (const auto* old = std::get_if<accept_legacy>(&answer)) {
      check(cookie.proves_token(in.tuple, old->client_iss, in.ack, now), "only proven ones count");
      check(in.seq >= old->client_iss + 1, "a stream starts before what it is made of");
      check(old->join == 0 || groups.find(in.tuple.remote.address, old->join).has_value(),
            "joins are of live groups");
      if (old->join == 0)
        (void)groups.add(in.tuple.remote.address,
                         {token_in(old->iss), in.tuple.remote.port, in.seq.raw});
    }
  }
  return 0;
}
