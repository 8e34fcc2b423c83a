#include "protocol/acceptor.hpp"
#include "protocol/siphash.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

using octets = std::vector<std::uint8_t>;

const time_point start = time_point{100h};
constexpr std::uint32_t client_iss = 0xffff'fff0; // the numbers wrap within the first flight

acceptor_config server_config() {
  acceptor_config c;
  c.secret = {1, 2, 3};
  c.ports[443];
  return c;
}

constexpr session_secret secret{7};

octets hello_at(std::uint32_t offset, bool introduces = true) {
  hello_repr h;
  h.client_iss = {client_iss};
  h.offset = offset;
  h.control_length = offset + hello_size;
  h.session.fill(7);
  h.introduces = introduces;
  const auto bytes = encode_hello(h, secret);
  return {bytes.begin(), bytes.end()};
}

/// An acceptor, and segments to it from one client; seq and ack count from the ends' first numbers.
struct fixture {
  acceptor under_test{server_config()};
  syn_cookie cookie{server_config().secret};
  four_tuple tuple{{ip_address::v4(192, 0, 2, 1), 443}, {ip_address::v4(198, 51, 100, 7), 4'000}};
  time_point now = start;
  std::uint16_t window = 65'535;

  segment_repr segment(std::uint8_t flags, std::uint32_t seq, std::int64_t ack,
                       std::size_t length = 0) const {
    segment_repr in;
    in.tuple = tuple;
    in.flags = flags;
    in.seq = seq_num{client_iss} + seq;
    in.ack = cookie.isn(tuple, start) + static_cast<std::uint32_t>(ack);
    in.window = window;
    in.payload_length = in.datagram_size = static_cast<std::uint32_t>(length);
    return in;
  }
  stray_answer give(std::uint8_t flags, std::uint32_t seq, std::int64_t ack,
                    const octets& payload = {}, std::uint32_t datagram_size = 0) {
    auto in = segment(flags, seq, ack, payload.size());
    if (datagram_size != 0) in.datagram_size = datagram_size;
    return under_test.on_stray(in, payload, now);
  }
  /// "RA 1:17", a drop's name, "", or "accept".
  std::string tell(const stray_answer& answer) const {
    if (const auto* reply = std::get_if<reply_stray>(&answer)) {
      const auto& h = reply->header;
      std::string out;
      for (const auto& [bit, letter] : {std::pair{flag::syn, 'S'}, std::pair{flag::fin, 'F'},
                                        std::pair{flag::rst, 'R'}, std::pair{flag::ack, 'A'}})
        if ((h.flags & bit) != 0) out += letter;
      const bool refused_syn = h.seq.raw == 0;
      out += ' ' + std::to_string(refused_syn ? 0 : h.seq - cookie.isn(tuple, start)) + ':' +
             std::to_string(h.ack - seq_num{client_iss});
      if (reply->reason) out += std::string{" "} + to_string(*reply->reason);
      return out;
    }
    if (std::get_if<accept_stream>(&answer)) return "accept";
    const auto& ignored = std::get<ignore_stray>(answer);
    return ignored.reason ? to_string(*ignored.reason) : "";
  }
};

constexpr std::uint8_t A = flag::ack, S = flag::syn, F = flag::fin, R = flag::rst, P = flag::psh;

} // namespace

BOOST_FIXTURE_TEST_SUITE(acceptor_test, fixture)

BOOST_AUTO_TEST_CASE(strays_are_answered_as_a_tcp_would) {
  const struct {
    std::uint8_t flags;
    std::uint32_t seq;
    std::int64_t ack;
    std::size_t length;
    const char* answer;
  } table[] = {
      {S, 0, 0, 0, "SA 0:1"},
      {S | P, 0, 0, 100, "SA 0:1"},
      {S | flag::ece | flag::cwr, 0, 0, 0, "SA 0:1"},
      {A, 1, 1, 0, ""},
      {A, 1, 1, 10, ""},          // held
      {A | P, 11, 1, 0, ""},      // held, too: a datagram without octets
      {F | A, 1, 1, 0, "FA 1:2"}, // a health check closes
      {F | A | P, 1, 1, 5, "FA 1:7"},
      {A, 2, 2, 0, ""}, // and has our FIN
      {A, 2, 2, 5, "RA 2:7 unproven"},
      {F | A, 2, 2, 0, "RA 2:3 unproven"},
      {A, 500, 700, 0, "RA 700:500 unproven"},
      {A | P, 500, 700, 50, "RA 700:550 unproven"},
      {A, 1, 0, 10, "RA 0:11 unproven"},
      {S | A, 0, 1, 0, "RA 1:1 no_stream"},
      {R, 1, 0, 0, ""},
      {R | A, 1, 1, 0, ""},
      {S | R, 1, 1, 0, ""},
      {S | F, 0, 0, 0, "bad_flags"},
      {0, 0, 0, 0, "bad_flags"},
      {F, 0, 0, 0, "bad_flags"},
      {F | P | flag::urg, 0, 0, 0, "bad_flags"},
  };
  for (const auto& t : table) {
    BOOST_TEST_CONTEXT("flags " << int{t.flags} << ", " << t.seq << ':' << t.ack << '(' << t.length
                                << ')') {
      BOOST_TEST(tell(give(t.flags, t.seq, t.ack, octets(t.length))) == t.answer);
    }
  }
}

BOOST_AUTO_TEST_CASE(syn_ack_looks_like_that_of_linux) {
  const auto answer = give(S, 0, 0);
  const auto& header = std::get<reply_stray>(answer).header;
  BOOST_TEST(header.mss == 1'460);
  BOOST_TEST(header.window == 64'240);
  BOOST_TEST(header.ip_id == 0);
  BOOST_TEST((header.tuple == tuple));
}

BOOST_AUTO_TEST_CASE(syns_leave_nothing_behind) {
  for (int i = 0; i < 100'000; ++i) {
    tuple.remote.port = static_cast<std::uint16_t>(i);
    give(S, 0, 0);
    give(A, 1, 1);
  }
  BOOST_TEST(under_test.held_bytes() == 0u);
  BOOST_TEST(!under_test.deadline().has_value());
}

BOOST_AUTO_TEST_CASE(another_port_and_a_client_only_refuse) {
  tuple.local.port = 444;
  BOOST_TEST(std::get<reply_stray>(give(S, 0, 0)).header.seq.raw == 0u);
  BOOST_TEST(tell(give(S, 0, 0)) == "RA 0:1 no_stream");
  BOOST_TEST(tell(give(A, 1, 1, octets(10))) == "RA 1:11 no_stream");

  auto config = server_config();
  config.ports.clear();
  under_test = acceptor{config};
  tuple.local.port = 443;
  BOOST_TEST(tell(give(S, 0, 0)) == "RA 0:1 no_stream");
  BOOST_TEST(tell(give(S | A, 0, 1)) == "RA 1:1 no_stream");
  BOOST_TEST(tell(give(A, 1, 1, hello_at(0))) == "RA 1:77 no_stream");
  BOOST_TEST(tell(give(R | A, 1, 1)) == "");
}

BOOST_AUTO_TEST_CASE(who_is_not_allowed_gets_no_answer_of_any_kind) {
  auto config = server_config();
  config.ports[443].allow = ip_net_set{{*ip_net::parse("203.0.113.0/24")}};
  under_test = acceptor{config};
  const auto nothing = "not_allowed";
  BOOST_TEST(tell(give(S, 0, 0)) == nothing);
  BOOST_TEST(tell(give(S | A, 0, 1)) == nothing);
  BOOST_TEST(tell(give(A, 1, 1)) == nothing);
  BOOST_TEST(tell(give(A, 1, 1, octets(10))) == nothing);
  BOOST_TEST(tell(give(A | P, 1, 1, hello_at(0))) == nothing);
  BOOST_TEST(tell(give(F | A, 1, 1)) == nothing);
  BOOST_TEST(tell(give(A, 500, 700, octets(5))) == nothing);
  BOOST_TEST(tell(give(R | A, 1, 1)) == "");
  BOOST_TEST(under_test.held_bytes() == 0u);

  tuple.remote.address = ip_address::v4(203, 0, 113, 9);
  BOOST_TEST(tell(give(S, 0, 0)) == "SA 0:1");
  BOOST_TEST(tell(give(A | P, 1, 1, hello_at(0))) == "accept");
  BOOST_TEST(tell(give(A, 500, 700, octets(5))) == "RA 700:505 unproven");
  tuple.remote.address = *ip_address::parse("2001:db8::1"); // no net of its family
  BOOST_TEST(tell(give(S, 0, 0)) == nothing);
  // A port that nobody serves answers all as before.
  tuple.local.port = 444;
  BOOST_TEST(tell(give(S, 0, 0)) == "RA 0:1 no_stream");
}

BOOST_AUTO_TEST_CASE(data_held_for_who_is_not_allowed_any_more_ends_without_a_reset) {
  give(A, 77, 1, octets(10));
  BOOST_TEST_REQUIRE(under_test.held_bytes() > 0u);
  auto ports = server_config().ports;
  ports[443].allow = ip_net_set{{*ip_net::parse("203.0.113.0/24")}};
  under_test.serve(ports);
  BOOST_TEST(under_test.on_timer(start + 3s).empty());
  BOOST_TEST(under_test.held_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(hello_makes_a_stream) {
  const auto answer = give(A | P, 1, 1, hello_at(0));
  const auto* made = std::get_if<accept_stream>(&answer);
  BOOST_REQUIRE(made);
  BOOST_TEST(made->iss.raw == cookie.isn(tuple, start).raw);
  BOOST_TEST(made->client_iss.raw == client_iss);
  BOOST_TEST(made->hello.control_length == hello_size);
  BOOST_TEST(made->held.empty());
}

BOOST_AUTO_TEST_CASE(a_bad_hello_is_refused_at_once_and_nothing_is_held) {
  const auto whole = hello_at(0);
  const struct {
    const char* what;
    std::size_t at;
    std::uint8_t value;
  } table[] = {{"version", 8, 1},
               {"a flag of later", 9, 0x81},
               {"index of another session", 10, 1},
               {"no streams", 11, 0},
               {"length", 19, 77},
               {"tag", 75, static_cast<std::uint8_t>(whole[75] ^ 1)}};
  for (const auto& t : table) {
    give(A, 77, 1, octets(10)); // what overtook it
    auto payload = whole;
    payload[t.at] = t.value;
    BOOST_TEST(tell(give(A | P, 1, 1, payload)) == "RA 1:77 bad_hello", t.what);
    BOOST_TEST(under_test.held_bytes() == 0u, t.what);
  }
  BOOST_TEST(tell(give(A | P, 1, 1, {whole.begin(), whole.begin() + 50})) == "RA 1:51 bad_hello");
}

BOOST_AUTO_TEST_CASE(hello_behind_a_handshake_packet_makes_a_stream) {
  BOOST_TEST(tell(give(A | P, 1, 1, octets(300))) == "");
  const auto answer = give(A | P, 301, 1, hello_at(300));
  const auto* made = std::get_if<accept_stream>(&answer);
  BOOST_REQUIRE(made);
  BOOST_TEST(made->client_iss.raw == client_iss);
  BOOST_REQUIRE(made->held.size() == 1u);
  BOOST_TEST(made->held[0].payload.size() == 300u);
  BOOST_TEST(under_test.held_bytes() == 0u);

  // Both merged into one.
  octets merged(300);
  const auto hello = hello_at(300);
  merged.insert(merged.end(), hello.begin(), hello.end());
  const auto again = give(A | P, 1, 1, merged, 300);
  BOOST_REQUIRE(std::get_if<accept_stream>(&again));
  BOOST_TEST(std::get_if<accept_stream>(&again)->client_iss.raw == client_iss);
}

BOOST_AUTO_TEST_CASE(a_proxy_on_the_way_is_told_to_the_client_and_makes_no_stream) {
  // A connection of its own, whose first number is not the client's, and what it has read together.
  auto joined = hello_at(0);
  joined.resize(500);
  window = 502;
  const auto proxied = [&](octets payload) {
    payload[36] ^= 1; // the client's number
    for (std::size_t i = 0; i < 8; ++i)
      payload[68 + i] = 0;
    const auto tag = siphash24(secret, byte_view{payload}.subview(0, 68));
    store_be64(byte_span{payload}.subview(0, 76), 68, tag);
    return give(A | P, 1, 1, payload);
  };
  for (const auto& answer : {give(A | P, 1, 1, joined), proxied(hello_at(0)), proxied(joined)}) {
    const auto* refused = std::get_if<refuse_path>(&answer);
    BOOST_REQUIRE(refused);
    const auto hello = parse_hello(refused->hello);
    BOOST_REQUIRE(hello.has_value());
    BOOST_TEST(hello->tcp_ends);
    BOOST_TEST(!hello->introduces);
    BOOST_TEST(proves(*hello, secret));
    BOOST_TEST((hello->client_iss == seq_num{client_iss})); // as it came
    BOOST_TEST((hello->server_iss == cookie.isn(tuple, start)));
    BOOST_TEST((refused->first.seq == hello->server_iss + 1));
    BOOST_TEST((refused->last.seq == hello->server_iss + 77));
    BOOST_TEST(int{refused->first.flags} == (P | A));
    BOOST_TEST(int{refused->last.flags} == (F | A));
  }
  // What it can't sign it refuses; the client's next hello introduces.
  joined = hello_at(0, false);
  joined.resize(500);
  BOOST_TEST(tell(give(A | P, 1, 1, joined)) == "RA 1:501 path_ends_tcp");
  // No more of this than of RSTs.
  int told = 0;
  for (int i = 0; i < 5'000; ++i)
    told +=
        std::get_if<refuse_path>(&static_cast<const stray_answer&>(proxied(hello_at(0)))) ? 1 : 0;
  BOOST_TEST(told < 2'000);
  BOOST_TEST(under_test.held_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(data_that_overtakes_the_hello_is_handed_over_in_order) {
  for (std::uint32_t i = 0; i < 3; ++i)
    give(A, 49 + 10 * i, 1, octets(10, std::uint8_t(i)));
  const auto answer = give(A | P, 1, 1, hello_at(0));
  const auto* made = std::get_if<accept_stream>(&answer);
  BOOST_REQUIRE(made);
  BOOST_REQUIRE(made->held.size() == 3u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    BOOST_TEST(made->held[i].segment.seq.raw == client_iss + 49 + 10 * i);
    BOOST_TEST(made->held[i].payload == octets(10, std::uint8_t(i)));
  }
}

BOOST_AUTO_TEST_CASE(an_unproven_hello_makes_nothing) {
  BOOST_TEST(tell(give(A | P, 1, 0, hello_at(0))) == "RA 0:77 unproven");
  now = start + 30min; // the key is gone
  BOOST_TEST(tell(give(A | P, 1, 1, hello_at(0))) == "RA 1:77 unproven");
}

BOOST_AUTO_TEST_CASE(the_previous_key_still_proves) {
  now = start + 16min;
  const auto answer = give(A | P, 1, 1, hello_at(0));
  BOOST_REQUIRE(std::get_if<accept_stream>(&answer));
  BOOST_TEST(std::get_if<accept_stream>(&answer)->iss.raw == cookie.isn(tuple, start).raw);
}

BOOST_AUTO_TEST_CASE(held_data_is_bounded_for_a_tuple) {
  for (int i = 0; i < 64; ++i)
    BOOST_TEST(tell(give(A, 49, 1, octets(10))) == "");
  BOOST_TEST(tell(give(A, 49, 1, octets(10))) == "hold_full");
  tuple.remote.port = 4'001;
  BOOST_TEST(tell(give(A, 49, 1, octets(60'000))) == "");
  BOOST_TEST(tell(give(A, 49, 1, octets(5'537))) == "hold_full");
  BOOST_TEST(tell(give(A, 49, 1, octets(5'536))) == "");
}

BOOST_AUTO_TEST_CASE(what_follows_a_hello_is_held_within_the_same_bounds) {
  BOOST_TEST(tell(give(A, 49, 1, octets(10))) == "");
  const auto accepted = give(A | P, 1, 1, hello_at(0));
  BOOST_REQUIRE(std::get_if<accept_stream>(&accepted));
  BOOST_TEST(std::get_if<accept_stream>(&accepted)->held.size() == 1u);
  for (std::uint32_t i = 0; i < 64; ++i)
    BOOST_TEST(under_test.hold(segment(A, 59 + i, 1, 1), octets(1), now));
  BOOST_TEST(!under_test.hold(segment(A, 123, 1, 1), octets(1), now));
  const auto held = under_test.release(tuple);
  BOOST_TEST_REQUIRE(held.size() == 64u);
  BOOST_TEST(held.front().segment.seq.raw == (seq_num{client_iss} + 59).raw);
  BOOST_TEST(held.back().segment.seq.raw == (seq_num{client_iss} + 122).raw);
  BOOST_TEST(under_test.held_bytes() == 0u);
  // Where the stream never comes, its sender learns it as where no hello does.
  BOOST_TEST(under_test.hold(segment(A, 59, 1, 1), octets(1), now));
  BOOST_TEST(under_test.on_timer(now + 3s).size() == 1u);
}

BOOST_AUTO_TEST_CASE(held_data_is_bounded_in_all) {
  for (const std::size_t size : {0u, 1'000u, 60'000u}) {
    under_test = acceptor{server_config()};
    int full = 0;
    for (int i = 0; i < 60'000; ++i) {
      tuple.remote.port = static_cast<std::uint16_t>(i);
      if (tell(give(A | P, 49, 1, octets(size))) == "hold_full" && ++full > 10) break;
    }
    BOOST_TEST(full > 10);
    BOOST_TEST(under_test.held_bytes() <= std::size_t{4} << 20);
    now += 3s;
    under_test.on_timer(now);
    BOOST_TEST(under_test.held_bytes() == 0u);
    BOOST_TEST(!under_test.deadline().has_value());
    now = start;
  }
}

BOOST_AUTO_TEST_CASE(data_and_fin_in_turns_pile_nothing_up) {
  int held = 0;
  for (int i = 0; i < 100'000; ++i) {
    held += tell(give(A, 49, 1, octets(10))).empty() ? 1 : 0;
    give(F | A, 59, 1);
  }
  BOOST_TEST(held < 60'000);
  now += 3s;
  BOOST_TEST(under_test.on_timer(now).empty());
  BOOST_TEST(!under_test.deadline().has_value());
}

BOOST_AUTO_TEST_CASE(held_data_whose_hello_never_comes_is_reset) {
  give(A, 149, 1, octets(100));
  now += 1s;
  give(A, 49, 1, octets(100));
  BOOST_REQUIRE(under_test.deadline().has_value());
  BOOST_TEST((*under_test.deadline() == start + 3s));
  BOOST_TEST(under_test.on_timer(start + 3s - 1ns).empty());
  const auto resets = under_test.on_timer(start + 3s);
  BOOST_REQUIRE(resets.size() == 1u);
  BOOST_TEST(tell(reply_stray{resets[0], {}}) == "RA 1:249");
  BOOST_TEST(!under_test.deadline().has_value());
}

BOOST_AUTO_TEST_CASE(a_tuple_that_comes_again_has_its_whole_time) {
  give(A, 49, 1, octets(100));
  give(A | P, 1, 1, hello_at(0));
  now += 2s;
  give(A, 49, 1, octets(100));
  BOOST_TEST(under_test.on_timer(start + 3s).empty());
  BOOST_TEST((*under_test.deadline() == start + 5s));
  BOOST_TEST(under_test.on_timer(start + 5s).size() == 1u);
}

BOOST_AUTO_TEST_CASE(resets_are_limited_to_about_a_thousand_a_second) {
  int sent = 0;
  for (int i = 0; i < 5'000; ++i)
    sent += std::holds_alternative<reply_stray>(give(A, 1, 0, octets(1))) ? 1 : 0;
  // Nobody can count from outside how many are left.
  BOOST_TEST((sent >= 500 && sent <= 1'500));
  BOOST_TEST(tell(give(A, 1, 0, octets(1))) == "rst_limited");
  // SYNs are answered none the less.
  BOOST_TEST(tell(give(S, 0, 0)) == "SA 0:1");
  now += 1s;
  BOOST_TEST(tell(give(A, 1, 0, octets(1))) == "RA 0:2 unproven");
}

BOOST_AUTO_TEST_SUITE_END()
