#include "protocol/acceptor.hpp"
#include "protocol/siphash.hpp"

#include <boost/test/unit_test.hpp>

#include <set>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point{100h};

four_tuple tuple_of(std::uint16_t port, std::uint8_t last = 7) {
  return {{ip_address::v4(192, 0, 2, 1), 443}, {ip_address::v4(198, 51, 100, last), port}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(siphash_test)

// Key and input are 0, 1, 2 and so on, as in the reference vectors of its authors.
BOOST_AUTO_TEST_CASE(reference_vectors) {
  constexpr std::uint64_t expected[] = {
      0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
      0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
      0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
      0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
  };
  std::array<std::uint8_t, 16> key{};
  std::vector<std::uint8_t> input;
  for (std::uint8_t i = 0; i < 16; ++i)
    key[i] = i;
  for (const auto hash : expected) {
    BOOST_TEST(siphash24(key, input) == hash);
    input.push_back(static_cast<std::uint8_t>(input.size()));
  }
}

BOOST_AUTO_TEST_CASE(cookie_is_proven_by_an_ack_of_it_alone) {
  const syn_cookie cookie{{1, 2, 3}};
  const auto isn = cookie.isn(tuple_of(4'000), start);
  BOOST_REQUIRE(cookie.proven(tuple_of(4'000), isn + 1, start).has_value());
  BOOST_TEST(cookie.proven(tuple_of(4'000), isn + 1, start)->raw == isn.raw);
  BOOST_TEST(!cookie.proven(tuple_of(4'000), isn, start).has_value());
  BOOST_TEST(!cookie.proven(tuple_of(4'000), isn + 2, start).has_value());
  BOOST_TEST(!cookie.proven(tuple_of(4'001), isn + 1, start).has_value());
  BOOST_TEST(!cookie.proven(tuple_of(4'000, 8), isn + 1, start).has_value());
  BOOST_TEST(!syn_cookie({4, 5, 6}).proven(tuple_of(4'000), isn + 1, start).has_value());
}

BOOST_AUTO_TEST_CASE(cookie_lasts_for_its_key_and_the_next) {
  const syn_cookie cookie{{1, 2, 3}};
  const auto isn = cookie.isn(tuple_of(4'000), start);
  BOOST_TEST(cookie.isn(tuple_of(4'000), start + 15min - 1ns).raw == isn.raw);
  BOOST_TEST(cookie.isn(tuple_of(4'000), start + 15min).raw != isn.raw);
  BOOST_TEST(cookie.proven(tuple_of(4'000), isn + 1, start + 30min - 1ns).has_value());
  BOOST_TEST(!cookie.proven(tuple_of(4'000), isn + 1, start + 30min).has_value());
}

BOOST_AUTO_TEST_CASE(what_was_asked_before_changes_no_cookie) {
  const syn_cookie used{{1, 2, 3}};
  // Each takes the place of a key that a later one needs.
  for (const auto after : {0min, 15min, 30min, 45min, 15min, 0min, 45min}) {
    const syn_cookie fresh{{1, 2, 3}};
    const auto at = start + after;
    const auto isn = fresh.isn(tuple_of(4'000), at);
    BOOST_TEST(used.isn(tuple_of(4'000), at).raw == isn.raw);
    BOOST_TEST(used.proven(tuple_of(4'000), isn + 1, at + 15min).has_value());
    BOOST_TEST(!used.proven(tuple_of(4'000), isn + 1, at + 30min).has_value());
    const auto token = fresh.token(tuple_of(4'000), {7}, at);
    BOOST_TEST(used.token(tuple_of(4'000), {7}, at) == token);
    BOOST_TEST(used.proves_token(tuple_of(4'000), {7}, seq_num{token} + 1, at + 15min));
  }
}

BOOST_AUTO_TEST_CASE(cookies_differ_and_leave_the_low_numbers_to_older_dialects) {
  const syn_cookie cookie{{9}};
  std::set<std::uint32_t> seen;
  for (std::uint32_t port = 1; port < 65'536; ++port) {
    const auto isn = cookie.isn(tuple_of(static_cast<std::uint16_t>(port)), start);
    BOOST_REQUIRE(isn.raw > 65'535);
    seen.insert(isn.raw);
  }
  BOOST_TEST(seen.size() > 65'500u);
}

BOOST_AUTO_TEST_SUITE_END()
