#include "actors/path/read_depth.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>

using tonel::actors::read_depth;

namespace {

/// Passes of a reader with so many packets before it, none of which comes later; how many it took.
int passes_for(read_depth& depth, std::size_t packets) {
  int passes = 0;
  for (; packets > 0; ++passes) {
    const auto found = std::min(packets, depth.next());
    depth.found(found);
    packets -= found;
  }
  return passes;
}

} // namespace

BOOST_AUTO_TEST_SUITE(read_depth_test)

BOOST_AUTO_TEST_CASE(a_new_reader_takes_all_that_is_there) {
  read_depth depth;
  BOOST_TEST(passes_for(depth, read_depth::most) == 1);
}

BOOST_AUTO_TEST_CASE(behind_packets_that_came_alone_it_seldom_looks_for_more) {
  read_depth depth;
  for (int i = 0; i < 100; ++i)
    depth.found(1);
  int looks = 0;
  for (int i = 0; i < 800; ++i) {
    if (depth.next() > 1) ++looks;
    depth.found(1);
  }
  BOOST_TEST(looks == 100);
}

BOOST_AUTO_TEST_CASE(a_burst_behind_packets_that_came_alone_is_found_within_a_few_passes) {
  for (int alone = 0; alone < 40; ++alone) {
    read_depth depth;
    for (int i = 0; i < alone; ++i)
      depth.found(1);
    BOOST_TEST(passes_for(depth, 50) <= 8);
    BOOST_TEST(depth.next() == read_depth::most);
  }
}

BOOST_AUTO_TEST_CASE(datagrams_that_came_as_one_packet_did_not_come_alone) {
  read_depth depth;
  for (int i = 0; i < 100; ++i) {
    depth.found(45);
    BOOST_TEST(depth.next() == read_depth::most);
  }
}

BOOST_AUTO_TEST_CASE(a_pass_that_found_nothing_changes_nothing) {
  read_depth depth;
  for (int i = 0; i < 9; ++i)
    depth.found(1);
  BOOST_TEST(depth.next() == 1u);
  depth.found(0);
  BOOST_TEST(depth.next() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
