#include "protocol/run.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

using namespace tonel::protocol;

namespace {

constexpr std::size_t capacity_v4 = max_ip_packet - 40;

/// A run as it is sent: octets and the size they are cut at.
struct run {
  std::uint32_t length = 0;
  std::uint32_t datagram_size = 0;
};

/// What the receiver makes of it.
std::vector<std::uint32_t> expand(const std::vector<run>& runs) {
  std::vector<std::uint32_t> out;
  for (const auto& r : runs) {
    if (r.length == 0) out.push_back(0);
    for (auto left = r.length; left != 0;) {
      const auto n = std::min(left, r.datagram_size);
      out.push_back(n);
      left -= n;
    }
  }
  return out;
}

/// Puts pieces (themselves runs) into runs the way an actor does, cutting those that fit in part.
std::vector<run> join(const std::vector<run>& pieces, std::size_t capacity) {
  std::vector<run> out;
  run_builder builder{capacity};
  const auto close = [&] {
    if (!builder.empty()) out.push_back({builder.bytes(), builder.datagram_size()});
    builder.reset();
  };
  for (auto piece : pieces) {
    for (;;) {
      if (builder.take(piece.length, piece.datagram_size)) break;
      const auto n = builder.room(piece.length, piece.datagram_size);
      if (n != 0) {
        const auto part = n * piece.datagram_size;
        BOOST_REQUIRE(part < piece.length);
        BOOST_REQUIRE(builder.take(part, piece.datagram_size));
        piece.length -= part;
      } else {
        BOOST_REQUIRE(!builder.empty());
      }
      close();
    }
  }
  close();
  return out;
}

std::uint32_t pick_size(std::mt19937_64& random, std::uint32_t last) {
  switch (random() % 8) {
  case 0: return 0;
  case 1: return 1 + static_cast<std::uint32_t>(random() % 3);
  case 2: return static_cast<std::uint32_t>(random() % 1'461);
  case 3: return static_cast<std::uint32_t>(random() % (capacity_v4 + 1));
  default: return last;
  }
}

} // namespace

BOOST_AUTO_TEST_SUITE(run_test)

BOOST_AUTO_TEST_CASE(equal_datagrams_join_and_a_shorter_one_ends_the_run) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.empty());
  BOOST_TEST(r.take(1'400, 1'400));
  BOOST_TEST(r.take(1'400, 1'400));
  BOOST_TEST(!r.take(1'401, 1'401));
  BOOST_TEST(r.take(200, 200));
  BOOST_TEST(r.datagrams() == 3u);
  BOOST_TEST(r.bytes() == 3'000u);
  BOOST_TEST(r.datagram_size() == 1'400u);
  BOOST_TEST(!r.take(200, 200));
  BOOST_TEST(!r.take(1'400, 1'400));
  BOOST_TEST(r.room(1'400, 1'400) == 0u);
  r.reset();
  BOOST_TEST(r.empty());
  BOOST_TEST(r.take(200, 200));
}

BOOST_AUTO_TEST_CASE(a_piece_with_a_short_end_closes_the_run) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.take(1'400 * 3 + 10, 1'400));
  BOOST_TEST(r.datagrams() == 4u);
  BOOST_TEST(!r.take(1'400, 1'400));
}

BOOST_AUTO_TEST_CASE(a_piece_of_shorter_datagrams_gives_its_first) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.take(1'400, 1'400));
  BOOST_TEST(r.room(600, 200) == 1u);
  BOOST_TEST(!r.take(600, 200));
  BOOST_TEST(r.take(200, 200));
  BOOST_TEST(r.bytes() == 1'600u);
}

BOOST_AUTO_TEST_CASE(a_zero_length_datagram_is_alone) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.take(0, 0));
  BOOST_TEST(!r.empty());
  BOOST_TEST(r.datagrams() == 1u);
  BOOST_TEST(!r.take(0, 0));
  BOOST_TEST(!r.take(1, 1));
  r.reset();
  BOOST_TEST(r.take(1, 1));
  BOOST_TEST(!r.take(0, 0));
}

BOOST_AUTO_TEST_CASE(a_run_ends_at_64_datagrams) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.take(200 * 60, 200));
  BOOST_TEST(r.room(200 * 10, 200) == 4u);
  BOOST_TEST(!r.take(200 * 10, 200));
  BOOST_TEST(r.take(200 * 4, 200));
  BOOST_TEST(r.room(200, 200) == 0u);
  r.reset();
  BOOST_TEST(r.room(200 * 325, 200) == 64u);
  BOOST_TEST(!r.take(200 * 325, 200));
}

BOOST_AUTO_TEST_CASE(a_run_ends_at_its_capacity) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.room(1'460 * 50, 1'460) == 44u);
  BOOST_TEST(r.take(1'460 * 44, 1'460));
  const auto left = static_cast<std::uint32_t>(capacity_v4) - r.bytes();
  BOOST_TEST(!r.take(left + 1, left + 1));
  BOOST_TEST(r.room(1'460 + left, 1'460) == 0u);
  BOOST_TEST(r.take(left, left));
  BOOST_TEST(r.bytes() == capacity_v4);
}

BOOST_AUTO_TEST_CASE(a_datagram_may_fill_a_run_and_not_exceed_it) {
  run_builder r{capacity_v4};
  BOOST_TEST(r.room(capacity_v4 + 1, capacity_v4 + 1) == 0u);
  BOOST_TEST(!r.take(capacity_v4 + 1, capacity_v4 + 1));
  BOOST_TEST(r.take(capacity_v4, capacity_v4));
}

BOOST_AUTO_TEST_CASE(runs_expand_to_the_sequence_they_were_made_of) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    std::mt19937_64 random{seed};
    std::vector<run> pieces;
    std::vector<std::uint32_t> datagrams;
    std::uint32_t size = 1'400;
    const auto count = 1 + random() % 60;
    for (std::size_t i = 0; i < count; ++i) {
      size = pick_size(random, size);
      // A piece is what one read gave: one datagram, or a run of up to 64 KiB.
      const auto most = size == 0 ? 1u : std::clamp(65'535u / size, 1u, 300u);
      const auto n = random() % 3 != 0 ? 1u : 1 + static_cast<std::uint32_t>(random() % most);
      auto length = n * size;
      if (n > 1 && random() % 2 == 0) length -= static_cast<std::uint32_t>(random() % size);
      pieces.push_back({length, std::min(size, length)});
    }
    datagrams = expand(pieces);
    const auto runs = join(pieces, capacity_v4);
    BOOST_TEST_CONTEXT("seed " << seed) {
      BOOST_REQUIRE(expand(runs) == datagrams);
      for (const auto& r : runs) {
        BOOST_REQUIRE_LE(r.length, capacity_v4);
        BOOST_REQUIRE_LE(datagrams_in(r.length, r.datagram_size), max_run_segments);
        BOOST_REQUIRE_LE(r.datagram_size, r.length);
      }
      // Joined piece by piece or datagram by datagram: the same runs.
      std::vector<run> singles;
      for (const auto d : datagrams)
        singles.push_back({d, d});
      const auto again = join(singles, capacity_v4);
      BOOST_REQUIRE_EQUAL(again.size(), runs.size());
      for (std::size_t i = 0; i < runs.size(); ++i) {
        BOOST_REQUIRE_EQUAL(again[i].length, runs[i].length);
        BOOST_REQUIRE_EQUAL(again[i].datagram_size, runs[i].datagram_size);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_zero_length_datagram_counts_as_one) {
  BOOST_TEST(datagrams_in(0, 0) == 1u);
  BOOST_TEST(datagrams_in(1'400, 1'400) == 1u);
  BOOST_TEST(datagrams_in(1'401, 1'400) == 2u);
}

BOOST_AUTO_TEST_SUITE_END()
