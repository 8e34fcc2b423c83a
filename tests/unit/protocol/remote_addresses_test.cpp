#include "protocol/session/remote_addresses.hpp"

#include <boost/test/unit_test.hpp>

#include <map>
#include <string>
#include <utility>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;
using change = remote_addresses::change;

namespace {

const time_point start = time_point{100h};

/// "a" to "z" are IPv4 addresses, "A" to "Z" IPv6.
endpoint named(char name) {
  const auto octet = static_cast<std::uint8_t>(name);
  if (name >= 'a') return {ip_address::v4(192, 0, 2, octet), 443};
  std::uint8_t sixteen[16] = {0x20, 0x01, 0x0d, 0xb8};
  sixteen[15] = octet;
  return {ip_address::v6(sixteen), 443};
}

std::vector<endpoint> all_of(const std::string& names) {
  std::vector<endpoint> out;
  for (const char name : names)
    out.push_back(named(name));
  return out;
}

std::string names_of(const std::vector<endpoint>& all) {
  std::string out;
  for (const auto& e : all)
    out += static_cast<char>(e.address.data()[e.address.size() - 1]);
  return out;
}

/// A name that has these addresses.
remote_addresses found(const std::string& names, duration interval = 60s) {
  remote_addresses out{true, interval};
  out.ask(start);
  out.resolved(all_of(names), start);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(remote_addresses_test)

BOOST_AUTO_TEST_CASE(families_are_tried_in_turn_the_resolvers_first_one_first) {
  const std::pair<const char*, const char*> rows[] = {
      {"", ""},         {"a", "a"},       {"abc", "abc"},   {"ABab", "AaBb"},
      {"abAB", "aAbB"}, {"ABCa", "AaBC"}, {"aABC", "aABC"}, {"abcA", "aAbc"},
  };
  for (const auto& [given, wanted] : rows)
    BOOST_TEST(names_of(with_families_in_turn(all_of(given))) == wanted, given);
}

BOOST_AUTO_TEST_CASE(what_answered_comes_first_and_what_failed_last_the_longest_ago_first) {
  // Each step an address and what became of it: + it answered, - it failed.
  const std::pair<const char*, const char*> rows[] = {
      {"", "abc"},         {"b+", "bac"},     {"a-", "bca"},   {"b+a-", "bca"}, {"a-b-", "cab"},
      {"a-b-c-", "abc"},   {"b-a-", "cba"},   {"b+b-", "acb"}, {"a-a+", "abc"}, {"c+a+", "abc"},
      {"a-b-c-b+", "bac"}, {"a-b+b-", "cab"}, {"x-", "abc"},   {"x+", "abc"},   {"a-b-c-a-", "bca"},
  };
  for (const auto& [steps, wanted] : rows) {
    auto known = found("abc");
    auto now = start;
    for (const char* s = steps; *s != 0; s += 2) {
      now += 1s;
      if (s[1] == '+')
        known.answered(named(s[0]), now);
      else
        known.failed(named(s[0]), now);
    }
    BOOST_TEST(names_of(known.in_order()) == wanted, steps);
  }
}

BOOST_AUTO_TEST_CASE(what_a_call_changes_is_told) {
  auto known = found("ab");
  BOOST_TEST((known.answered(named('a'), start) == change::none));
  BOOST_TEST((known.answered(named('b'), start) == change::order));
  BOOST_TEST((known.failed(named('b'), start) == change::order));
  BOOST_TEST((known.failed(named('b'), start) == change::none));
  BOOST_TEST((known.resolved(all_of("ab"), start) == change::none));
  BOOST_TEST((known.resolved(all_of("ba"), start) == change::none)); // b has failed
  BOOST_TEST((known.resolved(all_of("bac"), start) == change::addresses));
  BOOST_TEST((known.resolved(all_of("bac"), start) == change::none));
  BOOST_TEST((known.resolved(all_of("c"), start) == change::addresses));
  BOOST_TEST((known.resolved({}, start) == change::none)); // no answer
  BOOST_TEST(names_of(known.in_order()) == "c");
}

BOOST_AUTO_TEST_CASE(a_failure_is_forgotten_after_ten_minutes) {
  auto known = found("ab");
  known.failed(named('a'), start);
  known.resolved(all_of("ab"), start + 10min - 1ns);
  BOOST_TEST(names_of(known.in_order()) == "ba");
  known.resolved(all_of("ab"), start + 10min);
  BOOST_TEST(names_of(known.in_order()) == "ab");
}

BOOST_AUTO_TEST_CASE(what_the_name_has_left_stays_in_use_for_ten_minutes_and_is_not_tried) {
  auto known = found("a");
  known.resolved(all_of("b"), start + 60s);
  BOOST_TEST(names_of(known.in_order()) == "b");
  BOOST_TEST(names_of(known.in_use()) == "ba");
  BOOST_TEST((known.answered(named('a'), start + 70s) == change::none)); // a stream of before
  BOOST_TEST(names_of(known.in_order()) == "b");
  known.resolved(all_of("b"), start + 11min - 1ns);
  BOOST_TEST(names_of(known.in_use()) == "ba");
  known.resolved(all_of("b"), start + 11min);
  BOOST_TEST(names_of(known.in_use()) == "b");
}

BOOST_AUTO_TEST_CASE(sixteen_addresses_are_kept_and_no_name_can_pile_up_more_than_64) {
  auto known = found("abcdefghijklmnopqrstuvwxyz");
  BOOST_TEST(names_of(known.in_order()) == "abcdefghijklmnop");
  for (int i = 0; i < 40; ++i) {
    std::vector<endpoint> pool;
    for (int k = 0; k < 16; ++k)
      pool.push_back(
          {ip_address::v4(198, 51, static_cast<std::uint8_t>(i), static_cast<std::uint8_t>(k)),
           443});
    known.resolved(pool, start + i * 1s);
    BOOST_TEST((known.in_order() == pool));
  }
  BOOST_TEST(known.in_use().size() == 64u);
}

BOOST_AUTO_TEST_CASE(a_name_is_asked_again_each_interval) {
  remote_addresses known{true, 60s};
  BOOST_TEST(known.ask(start));
  BOOST_TEST(!known.deadline()); // the answer is waited for, however long
  BOOST_TEST(!known.on_timer(start + 1h));
  known.resolved(all_of("a"), start + 1s);
  BOOST_TEST((known.deadline() == start + 61s));
  BOOST_TEST(!known.on_timer(start + 61s - 1ns));
  BOOST_TEST(known.on_timer(start + 61s));
  BOOST_TEST(!known.on_timer(start + 61s));
  known.resolved(all_of("a"), start + 62s);
  BOOST_TEST((known.deadline() == start + 122s));
}

BOOST_AUTO_TEST_CASE(with_no_interval_it_is_asked_when_an_address_fails_alone) {
  auto known = found("a", 0s);
  BOOST_TEST(!known.deadline());
  known.failed(named('a'), start + 1h);
  BOOST_TEST(known.on_timer(start + 1h));
}

BOOST_AUTO_TEST_CASE(a_failure_asks_at_once_or_5_s_after_the_last_question) {
  auto known = found("a");
  known.failed(named('a'), start + 1s);
  BOOST_TEST((known.deadline() == start + 5s));
  known.failed(named('a'), start + 2s);
  BOOST_TEST((known.deadline() == start + 5s));
  BOOST_TEST(known.on_timer(start + 5s));
  known.failed(named('a'), start + 6s); // a question is out
  BOOST_TEST(!known.deadline());
  known.resolved(all_of("a"), start + 7s);
  BOOST_TEST((known.deadline() == start + 67s));
  known.failed(named('a'), start + 30s);
  BOOST_TEST((known.deadline() == start + 30s));
}

BOOST_AUTO_TEST_CASE(without_an_answer_the_old_addresses_stay_and_the_waits_grow_to_30_s) {
  auto known = found("ab");
  auto now = start + 60s;
  known.on_timer(now);
  for (const auto wait : {1s, 1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    known.unresolved(now);
    BOOST_TEST(names_of(known.in_order()) == "ab");
    BOOST_TEST_REQUIRE(known.deadline().has_value());
    BOOST_TEST((*known.deadline() - now == wait));
    now = *known.deadline();
    BOOST_TEST(known.on_timer(now));
  }
  known.resolved(all_of("ab"), now);
  known.on_timer(now + 60s);
  known.unresolved(now + 60s);
  BOOST_TEST((known.deadline() == now + 61s));
}

BOOST_AUTO_TEST_CASE(who_asks_while_a_question_is_out_has_it_asked_once_more) {
  remote_addresses known{true, 60s};
  BOOST_TEST(known.ask(start));
  BOOST_TEST(!known.ask(start));
  BOOST_TEST(!known.ask(start));
  known.resolved(all_of("a"), start + 1s);
  BOOST_TEST(known.on_timer(start + 1s));
  known.resolved(all_of("a"), start + 2s);
  BOOST_TEST(known.ask(start + 3s)); // none is out: at once
}

BOOST_AUTO_TEST_CASE(a_literal_address_is_asked_about_once) {
  remote_addresses known{false, 60s};
  BOOST_TEST(known.ask(start));
  known.resolved(all_of("a"), start);
  BOOST_TEST(!known.deadline());
  BOOST_TEST(!known.ask(start + 1s));
  known.failed(named('a'), start + 2s);
  BOOST_TEST(!known.deadline());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(address_race_test)

namespace {

/// What is tried at each multiple of 50 ms until all have been; a dot for none.
std::string course(address_race& race, time_point from, int steps) {
  std::string out;
  for (int i = 0; i < steps; ++i) {
    const auto next = race.next(from + i * 50ms);
    out += next ? names_of({*next}) : ".";
  }
  return out;
}

} // namespace

BOOST_AUTO_TEST_CASE(each_address_is_tried_250_ms_after_the_one_before_it) {
  address_race race{all_of("AaBb"), named('A'), start};
  BOOST_TEST((race.deadline() == start + 250ms));
  BOOST_TEST(course(race, start, 20) == ".....a....B....b....");
  BOOST_TEST(!race.deadline());
}

BOOST_AUTO_TEST_CASE(it_starts_anywhere_and_goes_round) {
  address_race race{all_of("abcd"), named('c'), start};
  BOOST_TEST(course(race, start, 20) == ".....d....a....b....");
  address_race stranger{all_of("ab"), named('x'), start};
  BOOST_TEST(course(stranger, start, 15) == ".....a....b....");
  address_race alone{{}, named('a'), start};
  BOOST_TEST(!alone.deadline());
  BOOST_TEST(names_of({alone.again(), alone.again()}) == "aa");
}

BOOST_AUTO_TEST_CASE(a_refusal_makes_the_next_one_due_at_once) {
  address_race race{all_of("abc"), named('a'), start};
  race.hurry(start + 50ms);
  BOOST_TEST(course(race, start + 50ms, 8) == "b....c..");
}

BOOST_AUTO_TEST_CASE(addresses_that_the_name_has_gained_come_next_and_those_it_lost_never) {
  address_race race{all_of("ab"), named('a'), start};
  race.renew(all_of("dab"), start + 100ms);
  BOOST_TEST(course(race, start + 100ms, 8) == "d....b..");
  address_race moved{all_of("abc"), named('a'), start};
  moved.next(start + 250ms);
  moved.renew(all_of("x"), start + 300ms);
  BOOST_TEST(course(moved, start + 300ms, 8) == "x.......");
}

BOOST_AUTO_TEST_CASE(further_attempts_go_to_all_in_turn) {
  address_race race{all_of("ab"), named('b'), start};
  race.next(start + 250ms);
  BOOST_TEST(names_of({race.again(), race.again(), race.again()}) == "bab");
}

BOOST_AUTO_TEST_SUITE_END()
