#include "tests/sim/conntrack.hpp"

#include <boost/test/unit_test.hpp>

#include <initializer_list>

using namespace tonel::protocol;
using namespace tonel::sim;

// The tracker itself: what it lets pass proves nothing unless it also stops what it should.

namespace {

constexpr std::uint8_t A = flag::ack, S = flag::syn, F = flag::fin, R = flag::rst;

struct row {
  bool from_client;
  std::uint8_t flags;
  std::uint32_t seq, ack; ///< counted from each end's initial number
  std::size_t length;
  const char* why;
};

constexpr std::uint32_t client_iss = 0xffff'ff00, server_iss = 0x7fff'ff00;

void run(std::initializer_list<row> rows) {
  conntrack tracker;
  int line = 0;
  for (const auto& r : rows) {
    packet p;
    p.from_client = r.from_client;
    p.header.tuple.local.port = r.from_client ? 40'000 : 443;
    p.header.tuple.remote.port = r.from_client ? 443 : 40'000;
    p.header.flags = r.flags;
    p.header.window = (r.flags & S) != 0 ? 64'240 : 65'535;
    p.header.seq = {(r.from_client ? client_iss : server_iss) + r.seq};
    p.header.ack = {(r.from_client ? server_iss : client_iss) + r.ack};
    p.payload.resize(r.length);
    BOOST_TEST_CONTEXT("row " << ++line) { BOOST_TEST(tracker.see(p) == r.why); }
  }
}

constexpr row syn{true, S, 0, 0, 0, ""}, syn_ack{false, S | A, 0, 1, 0, ""};
constexpr row third{true, A, 1, 1, 0, ""}, reply{false, A, 1, 1, 10, ""};

} // namespace

BOOST_AUTO_TEST_SUITE(conntrack_test)

BOOST_AUTO_TEST_CASE(an_ordinary_connection_is_valid) {
  run({syn,
       syn,
       syn_ack,
       third,
       {true, A, 1, 1, 100, ""},
       {false, A, 1, 101, 100, ""},
       {true, A, 0, 101, 0, ""},
       {false, A, 101, 101, 0, ""},
       {true, F | A, 101, 101, 0, ""},
       {false, F | A, 101, 102, 0, ""},
       {true, A, 102, 102, 0, ""}});
}

BOOST_AUTO_TEST_CASE(nothing_is_picked_up_in_the_middle) {
  run({{true, A, 1, 1, 100, "no connection"}});
  run({syn, {true, A, 1, 1, 100, "ACK before SYN-ACK"}});
  run({{false, S | A, 0, 1, 0, "no connection"}});
}

BOOST_AUTO_TEST_CASE(the_window_of_a_syn_is_not_scaled) {
  run({syn,
       syn_ack,
       third,
       {true, A, 1, 1, 60'000, ""},
       {true, A, 64'241, 1, 10, ""},
       {true, A, 64'262, 1, 10, "SEQ over the window of the receiver"}});
  // One segment of the other side opens it.
  run({syn, syn_ack, third, reply, {true, A, 700'000'000, 1, 10, ""}});
}

BOOST_AUTO_TEST_CASE(an_ack_of_what_was_not_seen_is_invalid) {
  run({syn, syn_ack, third, {true, A, 1, 2, 0, "ACK of what was not seen"}});
  run({syn, {false, S | A, 0, 2, 0, "ACK of what was not seen"}});
}

BOOST_AUTO_TEST_CASE(more_than_a_gigabyte_without_ack_is_invalid) {
  run({syn,
       syn_ack,
       third,
       reply,
       {true, A, 800'000'000, 1, 10, ""},
       {true, A, 1'073'800'000, 1, 10, "SEQ over the window of the receiver"}});
}

BOOST_AUTO_TEST_CASE(a_reset_below_the_highest_ack_is_invalid) {
  run({syn,
       syn_ack,
       third,
       {true, A, 1, 1, 100, ""},
       {false, A, 1, 101, 10, ""},
       {true, R | A, 100, 11, 0, "RST below the highest ACK"},
       {true, R | A, 101, 11, 0, ""}});
  run({syn, {false, R | A, 0, 1, 0, ""}});
  run({syn, {false, R | A, 0, 2, 0, "ACK of what was not seen"}});
}

BOOST_AUTO_TEST_SUITE_END()
