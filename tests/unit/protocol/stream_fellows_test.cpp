#include "protocol/stream.hpp"
#include "tests/unit/protocol/stream_script.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>

using namespace tonel::protocol;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// An open client's stream, one of several, and what these share.
struct one_of_several {
  std::shared_ptr<fellows> others = std::make_shared<fellows>();
  stream_script s;
  time_point zero; ///< of the tables

  explicit one_of_several(bool client = true) : s(setup(client)) {
    if (client)
      s.run({{0ms, "open", "S 0:0"},
             {0ms, "in SA 0:1", "A 1:1 | PA 1:1(76) | opened"},
             {0ms, "hello PA 1:77(76)", "greeted"},
             {1000ms, "timer", "A 77:77"}});
    else
      s.run({{0ms, "hello PA 1:1(76)", "PA 1:77(76)"}, {1000ms, "in A 77:77", ""}});
    zero = s.now() - 1000ms;
  }
  script_setup setup(bool client) const {
    script_setup out;
    out.client = client;
    out.fellows = others;
    return out;
  }
  void answered(std::chrono::milliseconds at) { others->answered = zero + at; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(stream_fellows_test)

BOOST_AUTO_TEST_CASE(a_stream_without_answers_is_silent_in_600_ms_where_its_fellows_have_some) {
  for (const bool client : {true, false}) {
    one_of_several w{client};
    w.s.run({{2000ms, "send 100", "A 77:77(100)"}});
    w.answered(2100ms);
    w.s.run({{2250ms, "timer", "A 76:77"}, {2350ms, "timer", "A 76:77"}});
    w.s.run({{2450ms, "timer", "A 76:77"}});
    w.answered(2500ms);
    w.s.run({{2600ms, "timer", "silent | A 76:77"},
             {2700ms, "in A 77:77(10)", "deliver 0+10"}, // it sends, but what does it get?
             {2800ms, "in A 87:177", "recovered"}});
  }
}

BOOST_AUTO_TEST_CASE(an_answer_to_any_question_clears_the_stream) {
  for (const auto* answer : {"in A 77:77", "in A 77:177", "in A 77:177(10)"}) {
    one_of_several w;
    w.s.run({{2000ms, "send 100", "A 77:77(100)"}});
    w.answered(2100ms);
    w.s.run({{2250ms, "timer", "A 76:77"}, {2350ms, "timer", "A 76:77"}});
    w.s.step(answer);
    BOOST_TEST((w.others->answered == w.zero + 2350ms));
    const auto due = w.s.under_test().deadline();
    BOOST_TEST((!due || *due >= w.zero + 3350ms));
  }
}

BOOST_AUTO_TEST_CASE(what_the_peer_sends_does_not_show_that_it_gets_anything) {
  one_of_several w;
  w.s.run({{2000ms, "send 100", "A 77:77(100)"}, {2200ms, "in A 77:77(10)", "deliver 0+10"}});
  w.answered(2240ms);
  w.s.run({{2250ms, "timer", "A 76:87"},
           {2300ms, "in A 87:77(10)", "deliver 0+10"},
           {2350ms, "timer", "A 76:97"},
           {2400ms, "in A 97:77(10)", "deliver 0+10"},
           {2450ms, "timer", "A 76:107"}});
  w.answered(2500ms);
  w.s.run({{2600ms, "timer", "silent | A 76:107"}});
}

BOOST_AUTO_TEST_CASE(where_no_fellow_is_answered_nobody_is_to_blame) {
  one_of_several w;
  w.answered(1500ms);
  w.s.run({{2000ms, "send 100", "A 77:77(100)"}});
  auto& stream = w.s.under_test();
  while (*stream.deadline() < w.zero + 3900ms)
    BOOST_TEST(stream.on_timer(*stream.deadline()).find<went_silent>() == nullptr);
}

BOOST_AUTO_TEST_CASE(a_fellow_that_fell_silent_too_is_no_witness) {
  one_of_several w;
  w.s.run({{2000ms, "send 100", "A 77:77(100)"}});
  w.answered(2249ms); // ahead of the first question
  w.s.run({{2250ms, "timer", "A 76:77"},
           {2350ms, "timer", "A 76:77"},
           {2450ms, "timer", "A 76:77"},
           {2600ms, "timer", ""}});
}

BOOST_AUTO_TEST_CASE(a_long_round_trip_is_waited_for_twice) {
  one_of_several w;
  w.others->measured(200ms);
  w.s.run({{2000ms, "send 100", "A 77:77(100)"}});
  w.answered(2100ms);
  w.s.run(
      {{2400ms, "timer", "A 76:77"}, {2600ms, "timer", "A 76:77"}, {2800ms, "timer", "A 76:77"}});
  w.answered(3000ms);
  w.s.run({{3200ms, "timer", "silent | A 76:77"}});
}

BOOST_AUTO_TEST_SUITE_END()
