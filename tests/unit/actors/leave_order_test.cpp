#include "actors/shard/leave_order.hpp"

#include <boost/test/unit_test.hpp>

#include <chrono>
#include <memory>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace std::chrono_literals;

namespace {

constexpr protocol::time_point t0{std::chrono::seconds{1'000}};
const auto here = protocol::ip_address::v4(192, 0, 2, 1);
const auto there = protocol::ip_address::v4(192, 0, 2, 2);

/// An order, and the uses of its sessions; number i is added i milliseconds after t0.
struct sessions {
  explicit sessions(role side) : order(side) {}
  void add(std::size_t count, const protocol::ip_address& source = here) {
    while (count-- > 0) {
      uses.push_back(std::make_shared<session_use>());
      now += 1ms;
      uses.back()->last = now;
      order.add(uses.size() - 1, source, uses.back(), now);
    }
  }
  void use(std::size_t session, std::uint8_t sent, std::uint8_t got) {
    now += 1ms;
    auto& use = *uses[session];
    if (sent > use.sent || got == use.got) use.note(&session_use::sent, sent - use.sent, now);
    if (got > use.got) use.note(&session_use::got, got - use.got, now);
  }
  /// In the order in which they go.
  std::vector<std::size_t> all_go() {
    std::vector<std::size_t> out;
    while (const auto first = order.first()) {
      out.push_back(first->session);
      order.remove(first->session);
    }
    return out;
  }

  leave_order order;
  std::vector<std::shared_ptr<session_use>> uses;
  protocol::time_point now = t0;
};

using numbers = std::vector<std::size_t>;

} // namespace

BOOST_AUTO_TEST_SUITE(leave_order_test)

BOOST_AUTO_TEST_CASE(at_a_server_the_oldest_that_carried_nothing_both_ways_goes_first) {
  sessions s{role::server};
  s.add(7);
  s.use(6, 1, 1);
  s.use(0, 2, 2);
  s.use(1, 1, 1);
  s.use(2, 0, 2); // nobody answers it
  s.use(3, 2, 1);
  BOOST_TEST(s.all_go() == (numbers{2, 4, 5, 6, 1, 0, 3}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(at_a_client_one_question_and_answer_go_first_and_those_unanswered_last) {
  sessions s{role::client};
  s.add(6, {});
  s.use(5, 1, 1);
  s.use(0, 2, 2);
  s.use(1, 1, 1);
  s.use(2, 2, 0);
  s.use(3, 2, 1);
  BOOST_TEST(s.all_go() == (numbers{5, 1, 0, 3, 2, 4}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(the_longest_silent_goes_whenever_it_was_looked_at) {
  sessions s{role::client};
  s.add(3, {});
  for (const std::size_t i : {2u, 0u, 1u})
    s.use(i, 2, 2);
  BOOST_TEST(s.order.first()->session == 2u);
  s.use(2, 2, 2);
  BOOST_TEST(s.order.first()->session == 0u);
  s.use(0, 2, 2);
  BOOST_TEST((s.order.first()->since == s.uses[1]->last));
  BOOST_TEST(s.all_go() == (numbers{1, 2, 0}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_source_has_its_own_order) {
  sessions s{role::server};
  s.add(2, here);
  s.add(2, there);
  s.use(2, 1, 1);
  s.now += 1s;
  BOOST_TEST(s.order.first_of(there, s.now)->session == 3u);
  s.order.remove(3);
  BOOST_TEST(s.order.first_of(there, s.now)->session == 2u);
  s.order.remove(2);
  BOOST_TEST(!s.order.first_of(there, s.now));
  BOOST_TEST(s.order.first_of(here, s.now)->session == 0u);
  s.order.remove(2); // twice is no harm
  BOOST_TEST(s.order.size() == 2u);
}

BOOST_AUTO_TEST_CASE(of_a_source_one_that_waits_for_its_first_answer_goes_after_those_answered) {
  sessions s{role::server};
  s.add(3);
  s.use(0, 2, 2);
  s.use(1, 1, 1);
  BOOST_TEST(s.order.first_of(here, s.now)->session == 1u);
  s.order.remove(1);
  BOOST_TEST(s.order.first_of(here, s.now)->session == 0u);
  BOOST_TEST(s.order.first()->session == 2u); // for the places of all it is worth least
  s.now += 1s;
  BOOST_TEST(s.order.first_of(here, s.now)->session == 2u);
  s.order.remove(0);
  s.add(1);
  s.order.remove(2);
  BOOST_TEST(s.order.first_of(here, s.now)->session == 3u); // there is no other
}

BOOST_AUTO_TEST_CASE(one_is_found_among_thousands_that_have_all_changed_since_they_came) {
  for (const auto side : {role::server, role::client}) {
    sessions s{side};
    for (std::size_t i = 0; i < 5'000; ++i) {
      s.add(1);
      if (i >= 500) s.use(i - 500, 1, 1); // the answer comes long after the question
    }
    if (side == role::server) {
      BOOST_TEST(s.order.first()->session == 4'500u);
      continue;
    }
    BOOST_TEST(s.order.first()->session == 0u);
    s.order.remove(0);
    BOOST_TEST(s.order.first()->session == 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
