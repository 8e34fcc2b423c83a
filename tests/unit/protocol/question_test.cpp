#include "protocol/native/question.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <set>

using namespace tonel::protocol;
using namespace std::chrono_literals;
using native::question;

namespace {

constexpr time_point start{7h};

segment_repr bare(std::uint16_t window) {
  segment_repr in;
  in.flags = flag::ack;
  in.window = window;
  return in;
}

} // namespace

BOOST_AUTO_TEST_SUITE(question_test)

BOOST_AUTO_TEST_CASE(the_keepalives_of_one_question_are_counted_in_its_window) {
  question q{1};
  const auto first = q.window(start);
  BOOST_TEST(first % 4 == 0);
  BOOST_TEST(q.window(start + 1s) == first + 1);
  BOOST_TEST(q.window(start + 2s) == first + 2);
  BOOST_TEST(q.window(start + 3s) == first + 3);
  BOOST_TEST(q.window(start + 4s) == first + 3); // no more than these
  BOOST_TEST(q.window(start + 5s) % 4 == 0);     // forgotten: another one
}

BOOST_AUTO_TEST_CASE(a_window_leaves_trackers_half_of_the_room_and_says_that_it_asks) {
  std::set<std::uint16_t> seen;
  for (std::uint64_t seed = 1; seed < 500; ++seed) {
    const auto window = question{seed}.window(start);
    BOOST_TEST(window >= 0x8000);
    BOOST_TEST(window <= 65'471);
    seen.insert(window);
  }
  BOOST_TEST(seen.size() > 450u); // 13 bits to guess
}

BOOST_AUTO_TEST_CASE(who_repeats_a_window_of_the_question_has_answered_it) {
  question q{1};
  BOOST_TEST(!q.is_answered_by(bare(0x8000))); // nothing was asked
  const auto first = q.window(start);
  const auto second = q.window(start + 1s);
  BOOST_TEST(q.is_answered_by(bare(first)));
  BOOST_TEST(q.is_answered_by(bare(second)));
  BOOST_TEST(!q.is_answered_by(bare(static_cast<std::uint16_t>(second + 1))));
  BOOST_TEST(!q.is_answered_by(bare(static_cast<std::uint16_t>(first - 1))));
  auto data = bare(first);
  data.payload_length = 1;
  BOOST_TEST(!q.is_answered_by(data));
  auto empty_datagram = bare(first);
  empty_datagram.flags |= flag::psh;
  BOOST_TEST(!q.is_answered_by(empty_datagram));
}

BOOST_AUTO_TEST_CASE(only_an_answer_to_the_first_keepalive_measures_the_round_trip) {
  question q{1};
  const auto first = q.window(start);
  BOOST_TEST((q.heard(first, start + 30ms) == duration{30ms}));
  BOOST_TEST(!q.is_answered_by(bare(first))); // it is over
  q.window(start + 1s);
  const auto second = q.window(start + 2s);
  BOOST_TEST(!q.heard(second, start + 3s));
}

BOOST_AUTO_TEST_CASE(a_stream_asks_at_most_once_in_fifty_milliseconds) {
  question q{1};
  BOOST_TEST(q.may_be_asked(start));
  q.window(start);
  BOOST_TEST(!q.may_be_asked(start + 49ms));
  BOOST_TEST(q.may_be_asked(start + 50ms));
}

BOOST_AUTO_TEST_CASE(an_empty_segment_with_a_large_window_wants_it_repeated) {
  BOOST_TEST(question::is_asked_by(bare(65'535)));
  BOOST_TEST(question::is_asked_by(bare(0x8000)));
  BOOST_TEST(!question::is_asked_by(bare(0x7fff)));
  auto fin = bare(65'535);
  fin.flags |= flag::fin;
  BOOST_TEST(!question::is_asked_by(fin));
}

BOOST_AUTO_TEST_SUITE_END()
