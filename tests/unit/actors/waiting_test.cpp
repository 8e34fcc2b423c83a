#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

// What a client keeps for its sessions while they have no stream.

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(waiting_test)

BOOST_AUTO_TEST_CASE(more_than_the_limit_of_waiting_datagrams_is_dropped_newest_first) {
  world_options o;
  o.client_bounds.pending_bytes = 4 * (64 + 1); // each with what it costs to be kept
  world w{o};
  w.lose = [](const auto&) { return true; };
  for (int i = 0; i < 6; ++i)
    w.client().app_sends(5001, std::to_string(i));
  w.run();
  BOOST_TEST(w.client().count(counter::pending_dropped) == 2u);
  w.lose = nullptr;
  w.pass(300ms); // another SYN
  BOOST_TEST(w.upstream_got() == (texts{"0", "1", "2", "3"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(waiting_datagrams_are_bounded_in_octets_of_one_session_and_of_all) {
  world_options o;
  o.client_bounds.pending_bytes = 64 + 100;
  o.client_bounds.pending_total_bytes = 2 * 64 + 150;
  world w{o};
  w.lose = [](const auto&) { return true; };
  w.client().app_sends(5001, std::string(90, 'a'));
  w.client().app_sends(5001, std::string(20, 'b'));
  w.client().app_sends(5002, std::string(70, 'c'));
  w.client().app_sends(5002, std::string(60, 'd'));
  w.run();
  BOOST_TEST(w.client().count(counter::pending_dropped) == 2u);
}

BOOST_AUTO_TEST_CASE(a_datagram_does_not_wait_longer_than_1_s) {
  world w;
  w.lose = [](const auto&) { return true; };
  w.client().app_sends(5001, "old");
  w.pass(500ms);
  w.client().app_sends(5001, "newer");
  w.pass(600ms);
  BOOST_TEST(w.client().count(counter::pending_dropped) == 1u);
  w.pass(500ms);
  BOOST_TEST(w.client().count(counter::pending_dropped) == 2u);
  w.pass(1'300ms); // 100 ms before the next SYN
  w.client().app_sends(5001, "fresh");
  w.run();
  w.lose = nullptr;
  w.pass(3s);
  BOOST_TEST(w.upstream_got() == texts{"fresh"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(datagrams_of_many_applications_wait_each_for_its_own_1_s) {
  world w;
  w.lose = [](const auto&) { return true; };
  // Each application sends at its own time, and again 300 ms later.
  for (std::uint16_t i = 0; i < 20; ++i) {
    w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "first");
    if (i >= 10) w.client().app_sends(static_cast<std::uint16_t>(5'001 + i - 10), "second");
    w.pass(30ms);
  }
  w.pass(300ms);
  BOOST_TEST(w.client().count(counter::pending_dropped) == 0u);
  w.pass(120ms); // 1 s after the first of all, and two ticks
  for (std::uint64_t i = 1; i <= 10; ++i, w.pass(30ms))
    BOOST_TEST(w.client().count(counter::pending_dropped) == i);
  for (std::uint64_t i = 1; i <= 10; ++i, w.pass(30ms))
    BOOST_TEST(w.client().count(counter::pending_dropped) == 10 + 2 * i);
  w.pass(5s);
  BOOST_TEST(w.client().count(counter::pending_dropped) == 30u);
  w.lose = nullptr;
  w.pass(3s);
  BOOST_TEST(w.upstream_got().empty());
}

BOOST_AUTO_TEST_CASE(an_application_that_sends_on_while_nothing_answers_keeps_its_latest) {
  world w;
  w.lose = [](const auto&) { return true; };
  int sent = 0;
  const auto send = [&] {
    w.client().app_sends(5001, std::to_string(sent++));
    w.pass(100ms);
  };
  while (sent < 100)
    send();
  // Those of the last second are left.
  BOOST_TEST(w.client().count(counter::pending_dropped) >= 90u);
  BOOST_TEST(w.client().count(counter::pending_dropped) <= 91u);
  w.lose = nullptr;
  while (sent < 300 && w.upstream_got().empty())
    send();
  const auto got = w.upstream_got();
  BOOST_TEST_REQUIRE(got.size() >= 9u);
  BOOST_TEST(got.size() <= 11u);
  for (std::size_t i = 0; i < got.size(); ++i)
    BOOST_TEST(got[i] == std::to_string(static_cast<std::size_t>(sent) - got.size() + i));
}

BOOST_AUTO_TEST_SUITE_END()
