#include "tests/unit/actors/legacy_hosts.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = protocol::flag;

namespace {

void upstream_sends(world& w, std::size_t socket, const std::string& text) {
  w.server().upstreams.at(socket)->memory.push({}, bytes_of(text));
  w.run();
}

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_guess_test)

BOOST_AUTO_TEST_CASE(who_guesses_numbers_rests_and_others_are_served) {
  world w;
  const log_tail log;
  raw_host h{w, 9}, other{w, 10};
  for (std::uint32_t guess = 0; guess < 70; ++guess)
    h.send(41'000, flag::ack, 1, 65'536 - guess, "forged");
  BOOST_TEST(h.open(41'001) == 0u);
  BOOST_TEST(log.matching("no new one is served from there for 10 minutes") == 1u);
  BOOST_TEST(w.server().count(protocol::errc::wrong_token) == 70u);
  BOOST_TEST(w.server().count(protocol::errc::guess_limited) >= 1u);
  BOOST_TEST(w.upstream_got().empty());
  BOOST_TEST(other.open(41'000) != 0u);
  w.pass(10min);
  BOOST_TEST(h.open(41'002) != 0u);
}

BOOST_AUTO_TEST_CASE(who_has_acknowledged_datagrams_is_not_kept_out_by_what_others_forge) {
  world w;
  const log_tail log;
  raw_host h{w, 9};
  const auto token = h.open(41'000);
  h.send(41'000, flag::ack, 1, token + 1u, std::string(100, 'x'));
  upstream_sends(w, 0, std::string(200, 'y'));
  h.send(41'000, flag::ack, 101, token + 1u + 200, "I see");
  for (std::uint32_t guess = 0; guess < 100; ++guess) {
    h.send(42'000, flag::syn, 1 + (token + 1u + guess) % 65'535, 0, "");
    h.send(42'001, flag::ack, 1, 65'536 - guess, "forged");
  }
  BOOST_TEST(h.open(41'001) != 0u);
  BOOST_TEST(h.open(41'002, token) != 0u);
  BOOST_TEST(w.server().count(protocol::errc::guess_limited) == 0u);
  BOOST_TEST(log.matching("for 10 minutes") == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
