#include "protocol/session/tunnel_record.hpp"

#include <boost/test/unit_test.hpp>

#include <sstream>
#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point{100h};

opening_failure of(opening_cause cause) {
  opening_failure out;
  out.cause = cause;
  return out;
}

/// "" : nothing is said; else what is, of what, and for how many seconds.
std::string words(const std::optional<tunnel_news>& news) {
  if (!news) return "";
  std::ostringstream out;
  out << (news->works       ? "works"
          : news->once_more ? "still"
                            : "fails")
      << ' ' << to_string(news->failure.cause) << ' '
      << std::chrono::duration<double>(news->lasted).count();
  return out.str();
}

enum class event { fails, opens, replies };
struct row {
  duration at;
  event what;
  opening_cause cause;
  std::string said;
};

void run(const std::vector<row>& rows) {
  tunnel_record record;
  for (const auto& r : rows) {
    const auto at = start + r.at;
    const auto said = r.what == event::fails   ? record.failed(of(r.cause), at)
                      : r.what == event::opens ? record.opened(at)
                                               : record.replied(at);
    BOOST_TEST(words(said) == r.said, std::chrono::duration<double>(r.at).count() << " s");
  }
}

constexpr auto refused = opening_cause::refused, no_answer = opening_cause::no_answer,
               no_reply = opening_cause::no_reply, upstream = opening_cause::upstream_refused;

} // namespace

BOOST_AUTO_TEST_SUITE(tunnel_record_test)

BOOST_AUTO_TEST_CASE(each_cause_is_said_once_again_after_an_hour_and_ended_by_a_line) {
  run({{0s, event::fails, refused, "fails refused 0"},
       {1s, event::fails, refused, ""},
       {30s, event::fails, no_answer, "fails no_answer 30"},
       {31s, event::fails, refused, ""},
       {3'599s, event::fails, refused, ""},
       {3'600s, event::fails, refused, "still refused 3600"},
       {3'601s, event::fails, refused, ""},
       {3'631s, event::fails, no_answer, "still no_answer 3631"},
       {4'000s, event::opens, {}, "works no_answer 4000"},
       {4'001s, event::opens, {}, ""}});
}

BOOST_AUTO_TEST_CASE(what_works_and_fails_in_turn_is_said_once_until_it_lasts_a_minute) {
  run({{0s, event::fails, refused, "fails refused 0"},
       {1s, event::opens, {}, "works refused 1"},
       {2s, event::fails, refused, ""},
       {3s, event::opens, {}, ""},
       {4s, event::fails, refused, ""},
       {63s, event::fails, refused, ""},
       {64s, event::fails, refused, "fails refused 60"},
       {70s, event::opens, {}, "works refused 66"},
       // A minute of peace, and it is another trouble.
       {125s, event::fails, refused, "fails refused 0"},
       {126s, event::fails, no_answer, "fails no_answer 1"}});
}

BOOST_AUTO_TEST_CASE(a_tunnel_that_never_got_an_answer_is_said_once_and_never_more) {
  run({{0s, event::opens, {}, ""},
       {4s, event::fails, no_reply, "fails no_reply 0"},
       {5'000s, event::fails, no_reply, ""},
       {5'001s, event::opens, {}, ""},
       {5'002s, event::replies, {}, "works no_reply 4998"},
       {5'003s, event::fails, no_reply, ""}}); // of one session alone
}

BOOST_AUTO_TEST_CASE(an_upstream_that_answers_ends_what_it_refused) {
  run({{0s, event::fails, upstream, "fails upstream_refused 0"},
       {5s, event::replies, {}, "works upstream_refused 5"},
       {6s, event::fails, refused, "fails refused 0"},
       {7s, event::replies, {}, ""}}); // that of a client's remote is ended by a session alone
}

BOOST_AUTO_TEST_CASE(while_nobody_answers_turns_are_a_second_apart_and_then_up_to_thirty) {
  tunnel_record record;
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(record.take_turn(start)); // all is well
  record.failed(of(refused), start);
  auto now = start;
  for (const auto wait : {1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    BOOST_TEST(!record.has_turn(now + wait - 1ns));
    BOOST_TEST((record.next_turn() == now + wait));
    now += wait;
    BOOST_TEST(record.has_turn(now));
    BOOST_TEST(record.take_turn(now));
    BOOST_TEST(!record.take_turn(now)); // one takes it, the others wait
    record.failed(of(refused), now);
  }
  record.opened(now);
  BOOST_TEST(record.take_turn(now));
  BOOST_TEST(record.take_turn(now));
  record.failed(of(refused), now);
  BOOST_TEST((record.next_turn() == now + 1s)); // from the start
}

BOOST_AUTO_TEST_CASE(only_what_keeps_sessions_from_opening_makes_them_wait) {
  for (std::size_t i = 0; i < opening_causes; ++i) {
    const auto cause = static_cast<opening_cause>(i);
    tunnel_record record;
    record.failed(of(cause), start);
    BOOST_TEST(record.has_turn(start) == !keeps_from_opening(cause), to_string(cause));
    BOOST_TEST(record.in_trouble());
    BOOST_TEST(to_string(cause) != std::string{"unknown"});
  }
}

BOOST_AUTO_TEST_CASE(the_state_is_that_of_the_last_attempt_while_somebody_wants_the_tunnel) {
  tunnel_record record;
  BOOST_TEST((record.state(start) == tunnel_state::untried));
  record.failed(of(refused), start);
  BOOST_TEST((record.state(start + 65s) == tunnel_state::failing));
  BOOST_TEST((record.failure().cause == refused));
  BOOST_TEST((record.lasted(start + 5s) == 5s));
  BOOST_TEST((record.state(start + 66s) == tunnel_state::untried));
  record.opened(start + 70s);
  BOOST_TEST((record.state(start + 70s) == tunnel_state::works));
  record.failed(of(no_reply), start + 74s);
  BOOST_TEST((record.state(start + 1h) == tunnel_state::unanswered));
  BOOST_TEST((record.failure().cause == no_reply));
  record.replied(start + 2h);
  BOOST_TEST((record.state(start + 2h) == tunnel_state::works));
  // Its sessions stay open, and nobody tries again.
  record.failed(of(opening_cause::other_key), start + 3h);
  BOOST_TEST((record.state(start + 9h) == tunnel_state::failing));
}

BOOST_AUTO_TEST_CASE(a_session_that_cannot_open_is_no_failure_of_a_tunnel_that_others_use) {
  tunnel_record record;
  record.opened(start);
  record.carries(true);
  BOOST_TEST(words(record.failed(of(refused), start + 1s)) == "fails refused 0");
  BOOST_TEST((record.state(start + 2s) == tunnel_state::works));
  BOOST_TEST((record.state(start + 10min) == tunnel_state::works));
  // But that is told as long as somebody tries, and until one opens.
  BOOST_TEST(record.keeps_others_out(start + 66s));
  BOOST_TEST((record.failure().cause == refused));
  BOOST_TEST((record.lasted(start + 3s) == 2s));
  BOOST_TEST(!record.keeps_others_out(start + 67s));
  BOOST_TEST(!record.has_turn(start + 1s)); // attempts are few all the same
  record.carries(false);
  BOOST_TEST((record.state(start + 2s) == tunnel_state::failing));
  record.carries(true);
  record.failed(of(opening_cause::other_key), start + 3s);
  BOOST_TEST(
      (record.state(start + 4s) == tunnel_state::failing)); // they carry what nobody can read
  record.failed(of(refused), start + 5s);
  record.opened(start + 6s);
  BOOST_TEST(!record.keeps_others_out(start + 6s));
}

BOOST_AUTO_TEST_CASE(what_a_stranger_does_is_said_once_an_hour_and_changes_nothing) {
  tunnel_record record;
  const auto what = of(opening_cause::other_key);
  BOOST_TEST(words(record.remark(what, start)) == "fails other_key 0");
  BOOST_TEST(words(record.remark(what, start + 59min)) == "");
  BOOST_TEST(words(record.remark(what, start + 1h)) == "fails other_key 0");
  BOOST_TEST(!record.in_trouble());
  BOOST_TEST((record.state(start) == tunnel_state::untried));
}

BOOST_AUTO_TEST_SUITE_END()
