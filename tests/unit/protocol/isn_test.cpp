#include "protocol/isn.hpp"

#include <boost/test/unit_test.hpp>

#include <set>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

constexpr std::array<std::uint8_t, 16> secret{1, 2, 3};
constexpr time_point start{7h};

four_tuple from(std::uint16_t port) {
  return {{ip_address::v4(192, 168, 200, 2), port}, {ip_address::v4(198, 51, 100, 1), 443}};
}

seq_num isn(std::uint16_t port, duration later) {
  return client_isn(secret, from(port), start + later);
}

} // namespace

BOOST_AUTO_TEST_SUITE(isn_test)

BOOST_AUTO_TEST_CASE(a_port_that_is_used_again_begins_with_a_larger_number) {
  // What a tracker asks for beside a SYN without an answer, which it remembers for two minutes.
  for (std::uint16_t port = 32'768; port < 33'768; ++port)
    for (const auto later : {duration{10s}, duration{2min}, duration{2h}})
      BOOST_REQUIRE(isn(port, later) > isn(port, 0s));
}

BOOST_AUTO_TEST_CASE(one_connections_number_tells_nothing_of_anothers) {
  std::set<std::uint32_t> apart;
  for (std::uint16_t port = 32'768; port < 33'768; ++port)
    apart.insert(isn(port + 1, 0s).raw - isn(port, 0s).raw);
  BOOST_TEST(apart.size() > 990u);
  BOOST_TEST(client_isn({9}, from(40'000), start).raw != isn(40'000, 0s).raw);
}

BOOST_AUTO_TEST_CASE(no_number_is_one_that_the_older_dialects_start_with) {
  // Once around, in steps of half of that range.
  for (duration later{}; later < 4h + 50min; later += 131ms)
    BOOST_REQUIRE(isn(40'000, later).raw > 65'535u);
}

BOOST_AUTO_TEST_SUITE_END()
