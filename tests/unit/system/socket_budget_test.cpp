#include "system/fake/memory_devices.hpp"
#include "system/socket_budget.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>

using namespace tonel;
using namespace tonel::sys;

BOOST_AUTO_TEST_SUITE(socket_budget_test)

BOOST_AUTO_TEST_CASE(a_socket_counts_until_its_last_owner_lets_go) {
  socket_budget budget{2};
  const auto open = []() -> result<std::unique_ptr<datagram_socket>> {
    return std::make_unique<memory_datagram_socket>();
  };
  auto first = budget.take(open);
  auto second = budget.take(open);
  BOOST_TEST_REQUIRE((first.has_value() && second.has_value()));
  BOOST_TEST(budget.take(open).error().number == EMFILE);
  auto other_owner = *first;
  first->reset();
  BOOST_TEST(!budget.take(open).has_value());
  other_owner.reset();
  auto third = budget.take(open);
  BOOST_TEST(third.has_value());
  BOOST_TEST(!budget.take(open).has_value());
}

BOOST_AUTO_TEST_CASE(one_that_cannot_be_opened_does_not_count) {
  socket_budget budget{1};
  const auto fail = []() -> result<std::unique_ptr<datagram_socket>> {
    return unexpected{os_error{ECONNREFUSED, "connect", {}}};
  };
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(budget.take(fail).error().number == ECONNREFUSED);
}

BOOST_AUTO_TEST_CASE(what_goes_after_the_budget_is_no_harm) {
  socket_budget::socket kept;
  {
    socket_budget budget{1};
    kept = *budget.take([]() -> result<std::unique_ptr<datagram_socket>> {
      return std::make_unique<memory_datagram_socket>();
    });
  }
  kept.reset();
}

BOOST_AUTO_TEST_SUITE_END()
