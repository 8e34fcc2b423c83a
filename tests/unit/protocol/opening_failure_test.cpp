#include "protocol/xor_cipher.hpp"
#include "tests/unit/protocol/session_script.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>

// What a client's session can tell of why nothing gets through.

using namespace tonel::protocol;
using namespace tonel::test;
using namespace tonel::test::session_script;
using script = client_script;

namespace {

client_session_config natively() {
  client_session_config out;
  out.wire = profile::native;
  return out;
}

stream_report strange(stream_number stream, const std::string& text) {
  auto out = report(kind::strange, stream);
  out.shows.said_size = static_cast<std::uint8_t>(text.size());
  std::copy(text.begin(), text.end(), out.shows.said.begin());
  return out;
}

stream_report undelivered(stream_number stream, unreachable_kind what, bool here = false) {
  auto out = report(kind::undelivered, stream);
  out.shows.icmp = what;
  out.shows.from = ip_address::v4(192, 0, 2, 254);
  out.shows.here = here;
  return out;
}

stream_report greeted_by_key(stream_number stream, std::uint32_t capabilities) {
  auto out = report(kind::greeted, stream);
  out.capabilities = capabilities;
  return out;
}

/// A session that has just sent its first SYN, and sends it from one port alone.
struct beginner {
  beginner() : s(natively()) {
    s.races = false;
    s.start();
  }
  script s;
};

/// What is said, and no later than after five seconds.
std::string said_in_time(const std::function<void(script&)>& what_happens) {
  beginner b;
  what_happens(b.s);
  b.s.after(5s - (b.s.now - start));
  return b.s.failure ? to_string(b.s.failure->cause) : "";
}

} // namespace

BOOST_AUTO_TEST_SUITE(opening_failure_test)

BOOST_AUTO_TEST_CASE(each_way_not_to_open_is_told_within_five_seconds) {
  const struct {
    const char* cause;
    std::function<void(script&)> what_happens;
  } table[] = {
      {"no_answer", [](script&) {}},
      {"refused", [](script& s) { s.end(1, end_reason::refused); }},
      {"unreachable", [](script& s) { s.report(undelivered(1, unreachable_kind::host)); }},
      {"unreachable", [](script& s) { s.report(undelivered(1, unreachable_kind::host, true)); }},
      {"no_route", [](script& s) { s.report(undelivered(1, unreachable_kind::network, true)); }},
      {"unreachable", [](script& s) { s.report(undelivered(1, unreachable_kind::network)); }},
      {"mute", [](script& s) { s.report(kind::opened, 1); }},
      {"not_tonel",
       [](script& s) {
         s.report(kind::opened, 1);
         s.report(strange(1, "SSH-2.0-OpenSSH"));
       }},
      {"not_tonel",
       [](script& s) {
         s.report(kind::opened, 1);
         s.report(strange(1, "HTTP/1.1 400 Bad"));
         s.end(1, end_reason::closed_by_peer, true);
       }},
      {"hung_up",
       [](script& s) {
         s.report(kind::opened, 1);
         s.end(1, end_reason::closed_by_peer, true);
       }},
      {"reset_at_hello",
       [](script& s) {
         s.report(kind::opened, 1);
         s.end(1, end_reason::reset, true);
       }},
      {"older_dialect",
       [](script& s) {
         auto found = report(kind::legacy, 1);
         found.wire = profile::tonel;
         s.report(found);
       }},
      {"path_ends_tcp",
       [](script& s) {
         s.report(kind::opened, 1);
         s.end(1, end_reason::path_ends_tcp);
       }},
      {"no_port",
       [](script& s) {
         s.ports = false;
         s.end(1, end_reason::refused);
       }},
  };
  for (const auto& row : table)
    BOOST_TEST(said_in_time(row.what_happens) == row.cause);
  script unresolved;
  unresolved.start({});
  BOOST_TEST(unresolved.after(4s) == "failing: unresolved");
}

BOOST_AUTO_TEST_CASE(what_needs_time_is_said_after_four_seconds_and_then_at_each_failure) {
  beginner b;
  b.s.end(1, end_reason::refused);
  BOOST_TEST(b.s.after(4s - 1ns).find("failing") == std::string::npos);
  b.s.after(1ns);
  BOOST_TEST((b.s.failure->cause == opening_cause::refused));
  BOOST_TEST(b.s.end(b.s.opened_last.stream, end_reason::timed_out) == "failing: no_answer");
}

BOOST_AUTO_TEST_CASE(what_time_tells_no_better_is_said_at_once) {
  beginner b;
  b.s.report(kind::opened, 1);
  BOOST_TEST(b.s.report(strange(1, "220 mail")) == ""); // a hello may follow
  BOOST_TEST(b.s.end(1, end_reason::closed_by_peer) == "announce none, failing: not_tonel");
  BOOST_TEST((std::string{b.s.failure->said.begin(), b.s.failure->said.begin() + 8} == "220 mail"));
  BOOST_TEST((b.s.failure->remote == remote));
}

BOOST_AUTO_TEST_CASE(what_closes_at_the_hello_is_asked_again_with_longer_and_longer_waits) {
  beginner b; // a web server
  b.s.turn_in.reset();
  std::vector<duration> waits;
  for (stream_number n = 1; n <= 8; ++n) {
    b.s.report(kind::opened, n);
    b.s.end(n, end_reason::closed_by_peer, true);
    const auto failed_at = b.s.now;
    while (b.s.opened_last.stream == n)
      b.s.after(*b.s.due());
    waits.push_back(b.s.now - failed_at);
  }
  BOOST_TEST((waits.front() == 0s));
  BOOST_TEST((waits.back() >= 12s));
  BOOST_TEST((b.s.machine().state() == standing::opening)); // nothing was ever carried
}

BOOST_AUTO_TEST_CASE(a_handshake_packet_ahead_of_the_hello_is_no_failure) {
  beginner b;
  b.s.report(kind::opened, 1);
  b.s.report(strange(1, "HTTP/1.1 200 OK"));
  BOOST_TEST(b.s.report(kind::greeted, 1) == "announce 1, works");
  BOOST_TEST(b.s.after(20s) == "");
}

BOOST_AUTO_TEST_CASE(a_session_that_opens_after_some_failures_says_that_it_works) {
  beginner b;
  b.s.end(1, end_reason::refused);
  b.s.after(5s);
  BOOST_TEST(b.s.greet(b.s.opened_last.stream).find("works") != std::string::npos);
  BOOST_TEST(b.s.report(kind::silent, b.s.opened_last.stream).find("works") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_session_whose_stream_fell_silent_tells_why_none_takes_its_place) {
  script s{natively()};
  s.races = false;
  s.stand();
  s.report(kind::silent, 1);
  BOOST_TEST(s.after(2s - 1ns).find("failing") == std::string::npos);
  // It has been silent for 2 s or more when that is known.
  BOOST_TEST(s.after(1ns) == "failing: no_answer");
  BOOST_TEST(s.report(kind::recovered, 1) == "announce 1, works");
}

BOOST_AUTO_TEST_CASE(icmp_about_what_a_stream_sent_before_it_fell_silent_tells_why) {
  const auto after = [](duration wait) {
    script s{natively()};
    s.races = false;
    s.stand();
    s.report(undelivered(1, unreachable_kind::network, true));
    s.after(wait);
    s.report(kind::silent, 1);
    return s.after(2s);
  };
  BOOST_TEST(after(7s) == "failing: no_route");
  BOOST_TEST(after(11s) == "failing: no_answer"); // that was another trouble
}

BOOST_AUTO_TEST_CASE(as_long_as_one_of_several_streams_carries_nothing_is_said) {
  script s{2};
  s.races = false;
  s.stand();
  s.end(1, end_reason::dead);
  s.after(0s);
  s.end(3, end_reason::refused);
  BOOST_TEST(s.after(10s).find("failing") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_new_session_waits_for_its_turn_and_knows_nothing_meanwhile) {
  script s{natively()};
  s.races = false;
  s.turn_in = 8s;
  BOOST_TEST(s.start() == "");
  BOOST_TEST((s.due() == 4s));
  BOOST_TEST(s.after(7s) == "");
  s.turn_in.reset();
  BOOST_TEST(s.after(1s) == "open 1");
  // Those of a session go together.
  script several{3};
  several.known.saw_native(remote);
  several.turn_in = 2s;
  BOOST_TEST(several.start() == "");
  several.turn_in.reset();
  BOOST_TEST(several.after(2s) == "open 1, open 2, open 3");
}

BOOST_AUTO_TEST_CASE(a_session_without_a_turn_for_thirty_seconds_ends) {
  script s{natively()};
  s.turn_in = 30s;
  s.start();
  BOOST_TEST(s.after(30s) == "retire, finish");
}

BOOST_AUTO_TEST_CASE(a_session_that_has_carried_something_needs_no_turn) {
  script s{natively()};
  s.races = false;
  s.stand();
  s.turn_in = 30s;
  s.end(1, end_reason::reset, true);
  BOOST_TEST(s.after(0s) == "open 2");
}

BOOST_AUTO_TEST_CASE(when_another_session_opens_those_that_wait_try_at_once) {
  beginner b;
  for (stream_number n = 1; n <= 7; ++n) {
    b.s.end(n, end_reason::refused);
    while (n < 7 && b.s.opened_last.stream == n)
      b.s.after(*b.s.due());
  }
  BOOST_TEST(b.s.after(1s).find("open") == std::string::npos);
  b.s.remote_answers();
  BOOST_TEST((b.s.due() <= 10ms));
  BOOST_TEST(b.s.after(10ms) == "open 8");
}

BOOST_AUTO_TEST_CASE(ends_with_different_keys_say_so_at_the_first_hello) {
  const xor_cipher ours{"ours"}, theirs{"theirs"};
  const session_secret secret{1}; // the script's
  const struct {
    std::uint64_t us, them;
    bool tells, differs;
  } table[] = {{0, 0, true, false},
               {ours.mark(), ours.mark(), true, false},
               {ours.mark(), theirs.mark(), true, true},
               {ours.mark(), 0, true, true},
               {0, theirs.mark(), true, true},
               {ours.mark(), 0, false, false}}; // an older one may have any
  for (const auto& row : table) {
    auto config = natively();
    config.key_mark = row.us;
    script s{config};
    s.start();
    BOOST_TEST(s.opened_last.config.key_mark == row.us);
    s.report(kind::opened, 1);
    const auto said = s.report(greeted_by_key(1, row.tells ? key_capability(secret, row.them) : 0));
    BOOST_TEST(said == (row.differs ? "announce 1, failing: other_key" : "announce 1, works"));
  }
}

BOOST_AUTO_TEST_CASE(where_datagrams_go_and_none_ever_came_back_it_is_said_and_its_end_too) {
  script s{natively()};
  s.unanswered = true;
  s.stand();
  BOOST_TEST(s.after(4s) == "failing: no_reply");
  BOOST_TEST(s.after(30s) == ""); // once a session
  s.replied = true;
  BOOST_TEST(s.after(64s) == "reply");
  s.unanswered = false;
  BOOST_TEST((s.due() == std::nullopt));
  script answered{natively()};
  answered.unanswered = answered.replied = true;
  answered.stand();
  BOOST_TEST(answered.after(4s) == "reply");
  script later{natively()}; // the tunnel is known to work
  later.stand();
  BOOST_TEST((later.due() == std::nullopt));
}

BOOST_AUTO_TEST_SUITE_END()
