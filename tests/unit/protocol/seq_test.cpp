#include "protocol/seq.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;

BOOST_AUTO_TEST_SUITE(seq_test)

BOOST_AUTO_TEST_CASE(order_is_serial_across_the_wrap) {
  const seq_num before{0xffff'fff0};
  const auto after = before + 0x20;
  BOOST_TEST(after.raw == 0x10u);
  BOOST_TEST((before < after && after > before && before <= after && after >= before));
  BOOST_TEST((after - before) == 0x20);
  BOOST_TEST((before - after) == -0x20);
  BOOST_TEST((after - 0x20 == before));
  BOOST_TEST((before != after));
}

BOOST_AUTO_TEST_CASE(half_the_space_ahead_is_the_last_that_is_after) {
  const seq_num a{7};
  BOOST_TEST((a + 0x7fff'ffff > a));
  BOOST_TEST((a + 0x8000'0001 < a));
}

BOOST_AUTO_TEST_SUITE_END()
