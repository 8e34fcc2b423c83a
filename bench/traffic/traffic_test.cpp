#define BOOST_TEST_MODULE traffic

#include "bench/traffic/delays.hpp"
#include "bench/traffic/pattern.hpp"
#include "bench/traffic/tally.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

namespace tonel::bench {
namespace {

std::vector<std::uint8_t> made(std::size_t size, std::uint64_t sequence, std::uint32_t stream = 3) {
  std::vector<std::uint8_t> bytes(size + 1); // never empty: data() is to be a real pointer
  fill(bytes.data(), size, {77, stream, sequence});
  return bytes;
}

endpoint from_port(std::uint16_t port) {
  endpoint result;
  result.raw.v4.sin_family = AF_INET;
  result.set_port(port);
  return result;
}

void note(tally& seen, std::size_t size, std::uint64_t sequence, std::uint16_t port = 1,
          std::uint32_t stream = 3) {
  seen.note(from_port(port), made(size, sequence, stream).data(), size);
}

std::string text(const tally& seen) {
  json_object out;
  seen.write(out, false);
  return out.text();
}

} // namespace

BOOST_AUTO_TEST_SUITE(pattern_test)

BOOST_AUTO_TEST_CASE(every_size_reads_back_what_was_written) {
  for (std::size_t size = 0; size <= 2000; ++size) {
    const auto got = check(made(size, 0x123456789abcdef).data(), size);
    BOOST_REQUIRE_MESSAGE(got.result == verdict::intact, "size " << size);
    BOOST_REQUIRE(is_numbered(size) == (got.sequence_bits > 0));
    const auto bits = got.sequence_bits;
    const auto mask = bits >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << bits) - 1;
    BOOST_REQUIRE(got.from.sequence == (0x123456789abcdef & mask));
  }
  BOOST_TEST((check(made(max_datagram, 1).data(), max_datagram).result == verdict::intact));
}

BOOST_AUTO_TEST_CASE(any_flipped_bit_is_noticed) {
  for (const std::size_t size : {8, 20, 31, 32, 33, 200}) {
    for (std::size_t at = 0; at < size; ++at) {
      // The sequence of a compact datagram has no check of its own below 8 + 1 bytes.
      if (size == 8 && at >= 1) continue;
      auto bytes = made(size, 5);
      bytes[at] ^= 0x10;
      BOOST_REQUIRE_MESSAGE(check(bytes.data(), size).result != verdict::intact,
                            "size " << size << " byte " << at);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_datagram_with_room_tells_when_it_was_made) {
  for (const std::size_t size : {2, 31, 32, 39, 40, 41, 1400}) {
    std::vector<std::uint8_t> bytes(size);
    fill(bytes.data(), size, {77, 3, 9, 123456789});
    const auto got = check(bytes.data(), size);
    BOOST_REQUIRE_MESSAGE(got.result == verdict::intact, "size " << size);
    BOOST_TEST(got.from.time == (size < timed_header_size ? 0u : 123456789u));
    if (size < header_size) continue;
    for (std::size_t at = 0; at < size; ++at) {
      bytes[at] ^= 0x20;
      BOOST_REQUIRE_MESSAGE(check(bytes.data(), size).result != verdict::intact,
                            "size " << size << " byte " << at);
      bytes[at] ^= 0x20;
    }
  }
}

BOOST_AUTO_TEST_CASE(moved_borders_are_a_wrong_length) {
  for (const std::size_t size : {5, 31, 32, 100, 1400}) {
    auto two = made(size, 1);
    two.resize(size);
    const auto second = made(size, 2);
    two.insert(two.end(), second.begin(), second.end());
    BOOST_TEST((check(two.data(), 2 * size).result == verdict::wrong_length));
    BOOST_TEST((check(two.data(), size - 1).result == verdict::wrong_length));
    BOOST_TEST((check(two.data(), size + 1).result == verdict::wrong_length));
  }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(sequence_log_test)

BOOST_AUTO_TEST_CASE(gaps_close_when_late_ones_come) {
  using arrival = sequence_log::arrival;
  sequence_log log;
  BOOST_TEST((log.note(0) == arrival::next));
  BOOST_TEST((log.note(5) == arrival::ahead));
  BOOST_TEST(log.missing() == 4u);
  BOOST_TEST((log.note(3) == arrival::late));
  BOOST_TEST((log.note(3) == arrival::duplicate));
  BOOST_TEST((log.note(1) == arrival::late));
  BOOST_TEST((log.note(4) == arrival::late));
  BOOST_TEST((log.note(2) == arrival::late));
  BOOST_TEST((log.note(0) == arrival::duplicate));
  BOOST_TEST(log.missing() == 0u);
  BOOST_TEST((log.note(6) == arrival::next));
}

BOOST_AUTO_TEST_CASE(low_bits_extend_to_the_nearest_number) {
  sequence_log log;
  BOOST_TEST(log.extend(7, 8) == 7u);
  BOOST_TEST(log.extend(250, 8) == 250u); // nothing is below zero
  log.note(1000);
  BOOST_TEST(log.extend(1001 & 0xff, 8) == 1001u);
  BOOST_TEST(log.extend(1100 & 0xff, 8) == 1100u);
  BOOST_TEST(log.extend(990 & 0xff, 8) == 990u);
  BOOST_TEST(log.extend(12, 64) == 12u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(delay_log_test)

BOOST_AUTO_TEST_CASE(quantiles_are_right_to_two_percent) {
  delay_log log;
  BOOST_TEST(log.quantile(0.5) == 0);
  for (std::uint64_t us = 1; us <= 10000; ++us)
    log.note(us * 1000);
  BOOST_TEST(log.quantile(0.5) == 5000, boost::test_tools::tolerance(0.02));
  BOOST_TEST(log.quantile(0.99) == 9900, boost::test_tools::tolerance(0.02));
  BOOST_TEST(log.quantile(0) == 1, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(the_longest_and_the_shortest_have_a_place) {
  delay_log log;
  log.note(0);
  log.note(~std::uint64_t{0});
  BOOST_TEST(log.count() == 2u);
  BOOST_TEST(log.quantile(1) == 1.8e16, boost::test_tools::tolerance(0.03));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(tally_test)

BOOST_AUTO_TEST_CASE(loss_reordering_and_duplicates_are_counted_per_stream) {
  tally seen;
  for (const std::uint64_t n : {0, 1, 4, 3, 4})
    note(seen, 100, n, 1, 1);
  for (const std::uint64_t n : {0, 1, 2})
    note(seen, 100, n, 2, 2);
  BOOST_TEST(seen.gaps() == 1u);
  BOOST_TEST(seen.total().reordered == 1u);
  BOOST_TEST(seen.total().duplicates == 1u);
  BOOST_TEST(text(seen).find("\"streams\": 2, \"sources\": 2") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(compact_datagrams_count_for_the_stream_of_their_source) {
  tally seen;
  note(seen, 4, 0);
  note(seen, 100, 1);
  note(seen, 2, 2);
  note(seen, 0, 3);
  note(seen, 1, 3);
  note(seen, 9, 3);
  BOOST_TEST(seen.gaps() == 0u);
  BOOST_TEST(seen.total().received == 6u);
  BOOST_TEST(seen.total().zero_length == 1u);
  BOOST_TEST(text(seen).find("\"streams\": 1, \"sources\": 1") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(how_long_a_datagram_took_is_kept) {
  tally seen;
  std::vector<std::uint8_t> bytes(100);
  fill(bytes.data(), bytes.size(), {77, 3, 0, 1000000});
  seen.note(from_port(1), bytes.data(), bytes.size(), 1500000);
  note(seen, 100, 1);
  BOOST_TEST(seen.delays().count() == 1u);
  BOOST_TEST(seen.delays().quantile(0.5) == 500, boost::test_tools::tolerance(0.02));
}

BOOST_AUTO_TEST_CASE(a_stream_that_changes_its_source_goes_on) {
  tally seen;
  note(seen, 100, 0, 1);
  note(seen, 100, 1, 2);
  note(seen, 100, 1, 2);
  BOOST_TEST(seen.total().duplicates == 1u);
  BOOST_TEST(text(seen).find("\"streams\": 1, \"sources\": 2") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace tonel::bench
