#include "protocol/flow/challenge.hpp"
#include "protocol/flow/closing.hpp"
#include "protocol/flow/delivery.hpp"
#include "protocol/flow/idleness.hpp"
#include "protocol/flow/judge.hpp"
#include "protocol/flow/path_mtu.hpp"
#include "protocol/flow/round_trip.hpp"
#include "protocol/flow/segment_headers.hpp"
#include "protocol/flow/sequence_space.hpp"

#include <boost/test/unit_test.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <variant>

using namespace tonel::protocol;
using namespace tonel::protocol::flow;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{7h};

/// Both ends' numbers wrap within the next kilobytes.
sequence_space moved(std::uint64_t sent, std::uint64_t received) {
  sequence_space s;
  s.iss = {0xffff'fff0};
  s.irs = {0xffff'ff00};
  s.sent_to(sent);
  s.received_to(received);
  return s;
}

segment_repr segment(std::uint32_t length, std::uint32_t datagram_size) {
  segment_repr in;
  in.flags = flag::ack;
  in.payload_length = length;
  in.datagram_size = datagram_size;
  return in;
}

/// "100+50 150+50": offset and length of each datagram run that is delivered.
std::string delivered(std::uint64_t control, const segment_repr& in, std::int64_t at) {
  effects out;
  const bool any = deliver_behind(control, in, at, out);
  std::string text = any ? "" : "none";
  for (const auto& e : out) {
    if (!text.empty()) text += ' ';
    if (const auto* d = std::get_if<deliver>(&e))
      text += std::to_string(d->offset) + '+' + std::to_string(d->length);
    else
      text += "dropped";
  }
  return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(flow_test)

BOOST_AUTO_TEST_CASE(positions_go_on_where_sequence_numbers_recur) {
  auto s = moved(std::uint64_t{5} << 32, std::uint64_t{9} << 32);
  BOOST_TEST((s.snd_nxt() == seq_num{0xffff'fff1}));
  BOOST_TEST((s.rcv_nxt() == seq_num{0xffff'ff01}));
  BOOST_TEST(s.position_of(s.rcv_nxt() + 0x200) == (std::int64_t{9} << 32) + 0x200);
  BOOST_TEST(s.position_of(s.rcv_nxt() - 0x200) == (std::int64_t{9} << 32) - 0x200);
  BOOST_TEST(s.position_of_ack(s.snd_nxt() - 7) == (std::int64_t{5} << 32) - 7);
  BOOST_TEST(s.position_of_ack(s.snd_nxt() + 7) == (std::int64_t{5} << 32) + 7);
}

BOOST_AUTO_TEST_CASE(what_lies_before_the_first_octet_has_a_position_below_zero) {
  const auto s = moved(0, 0);
  BOOST_TEST(s.position_of(s.irs) == -1);
  BOOST_TEST(s.position_of_ack(s.iss) == -1);
}

BOOST_AUTO_TEST_CASE(neither_end_goes_back) {
  auto s = moved(100, 200);
  s.sent_to(50);
  s.received_to(150);
  BOOST_TEST(s.snd_end == 100u);
  BOOST_TEST(s.rcv_end == 200u);
  s.acked = 40;
  s.ack_sent = 190;
  BOOST_TEST(s.under_way() == 60u);
  BOOST_TEST(s.owed() == 10u);
}

BOOST_AUTO_TEST_CASE(what_carries_an_ack_settles_the_one_that_is_owed) {
  auto s = moved(10, 300);
  segment_headers headers{{}, 65'535};
  const auto syn = headers.make(s, s.iss, flag::syn);
  BOOST_TEST(syn.ack.raw == 0u);
  BOOST_TEST(s.owed() == 300u);
  const auto ack = headers.make(s, s.snd_nxt(), flag::ack);
  BOOST_TEST((ack.ack == s.rcv_nxt()));
  BOOST_TEST(s.owed() == 0u);
  BOOST_TEST(syn.ip_id == 65'535u);
  BOOST_TEST(ack.ip_id == 0u); // one a segment
}

BOOST_AUTO_TEST_CASE(a_segment_is_judged_by_both_of_its_numbers) {
  auto s = moved(1'000, 5'000'000);
  s.acked = 400;
  judge j;
  j.note(start, s); // nothing came in the last second
  const auto of = [&](std::int64_t at, std::int64_t ack) { return j.of(s, at, 100, ack, 76); };
  const auto next = std::int64_t{5'000'000};
  BOOST_TEST((of(next, 400) == verdict::fits));
  BOOST_TEST((of(next, 1'000) == verdict::fits));
  BOOST_TEST((of(next, 1'001) == verdict::foreign)); // acknowledges what was not sent
  BOOST_TEST((of(next, -1) == verdict::foreign));
  BOOST_TEST((of(next, 0) == verdict::fits)); // late
  BOOST_TEST((of(next - 60'000, 400) == verdict::fits));
  BOOST_TEST((of(next + 1'000'000, 400) == verdict::fits));
  BOOST_TEST((of(next + 100'000'000, 400) == verdict::ahead)); // if the peer says so
  BOOST_TEST((of(next + 2'000'000'000, 400) == verdict::foreign));
  // A repeat of the first flight is needed, however late.
  BOOST_TEST((j.of(s, 0, 76, 400, 76) == verdict::fits));
  BOOST_TEST((j.of(s, 0, 77, 400, 76) == verdict::foreign));
}

BOOST_AUTO_TEST_CASE(one_challenge_in_five_seconds_is_sure_and_more_cost_the_budget) {
  random_rate_limit budget{1'000, 1};
  challenge_limit own;
  BOOST_TEST(own.take(start, nullptr));
  BOOST_TEST(!own.take(start + 4'999ms, nullptr));
  BOOST_TEST(own.take(start + 5s, nullptr));
  BOOST_TEST(!own.take(start + 5'499ms, &budget));
  BOOST_TEST(own.take(start + 5'500ms, &budget));
  random_rate_limit nothing{0, 1};
  BOOST_TEST(!own.take(start + 7s, &nothing));
  BOOST_TEST(own.take(start + 10'500ms, &nothing));
}

BOOST_AUTO_TEST_CASE(our_fin_is_repeated_until_the_patience_is_over) {
  using act = closing::act;
  closing c{stage::open};
  BOOST_TEST((c.deadline() == time_point::max()));
  c.close(start, false);
  for (const auto at : {1s, 2s, 4s}) {
    BOOST_TEST((c.deadline() == start + at));
    BOOST_TEST((c.on_timer(start + at - 1ms) == act::nothing));
    BOOST_TEST((c.on_timer(start + at) == act::send_fin));
  }
  BOOST_TEST((c.deadline() == start + 8s));
  BOOST_TEST((c.on_timer(start + 8s) == act::forget));
  BOOST_TEST((c.is(stage::gone) && c.deadline() == time_point::max()));
}

BOOST_AUTO_TEST_CASE(a_process_that_ends_has_a_second_and_a_half) {
  using act = closing::act;
  closing c{stage::open};
  c.close(start, true);
  BOOST_TEST((c.on_timer(start + 500ms) == act::send_fin));
  BOOST_TEST((c.on_timer(start + 1'499ms) == act::nothing));
  auto answered = c;
  BOOST_TEST((answered.on_fin(start + 600ms) == act::send_ack));
  BOOST_TEST(answered.is(stage::gone));
  BOOST_TEST((c.on_timer(start + 1'500ms) == act::forget));
}

BOOST_AUTO_TEST_CASE(who_closed_first_answers_repeated_fins_for_a_while) {
  using act = closing::act;
  closing c{stage::open};
  c.close(start, false);
  BOOST_TEST((c.on_fin(start + 1s) == act::send_ack));
  BOOST_TEST(c.is(stage::time_wait));
  BOOST_TEST((c.on_late(true, true, start + 2s) == act::send_ack));
  BOOST_TEST((c.on_late(false, true, start + 2s) == act::nothing));
  BOOST_TEST((c.deadline() == start + 11s));
  BOOST_TEST((c.on_timer(start + 11s) == act::forget));
}

BOOST_AUTO_TEST_CASE(a_fin_is_answered_by_ours_and_its_ack_ends_all) {
  using act = closing::act;
  closing c{stage::open};
  BOOST_TEST((c.on_fin(start) == act::send_fin));
  BOOST_TEST(c.is(stage::last_ack));
  BOOST_TEST((c.on_late(true, false, start + 1s) == act::send_fin)); // ours was lost
  BOOST_TEST((c.on_late(false, false, start + 1s) == act::nothing));
  BOOST_TEST((c.on_late(false, true, start + 1s) == act::forget));
  BOOST_TEST(c.is(stage::gone));
}

BOOST_AUTO_TEST_CASE(late_segments_get_a_reset_each_tenth_of_a_second) {
  using act = closing::act;
  closing c{stage::open};
  c.reset(start);
  BOOST_TEST((c.on_late(false, false, start + 1ms) == act::send_reset));
  BOOST_TEST((c.on_late(true, true, start + 100ms) == act::nothing));
  BOOST_TEST((c.on_late(true, true, start + 101ms) == act::send_reset));
  BOOST_TEST((c.deadline() == start + 10s));
  BOOST_TEST((c.on_timer(start + 10s) == act::forget));
  closing longer{stage::open};
  longer.reset(start, 2min);
  BOOST_TEST((longer.deadline() == start + 2min));
}

BOOST_AUTO_TEST_CASE(the_first_round_trip_stands_for_itself_and_the_later_ones_are_smoothed) {
  round_trip t;
  BOOST_TEST(!t.known());
  BOOST_TEST((t.patience() == round_trip::least_patience));
  t.measured(400ms);
  BOOST_TEST((t.smoothed() == 400ms));
  BOOST_TEST((t.patience() == 1s)); // two of them, and four times an eighth
  t.measured(800ms);
  BOOST_TEST((t.smoothed() == 450ms));
  t.measured(1min);
  BOOST_TEST((t.patience() == round_trip::most_patience));
}

BOOST_AUTO_TEST_CASE(idleness_and_its_end_are_each_said_once) {
  idleness i{60s};
  i.begin(start);
  BOOST_TEST((i.deadline() == start + 60s));
  BOOST_TEST(!i.take_idle(start + 59s));
  BOOST_TEST(i.take_idle(start + 60s));
  BOOST_TEST(!i.take_idle(start + 61s));
  BOOST_TEST((i.deadline() == time_point::max()));
  BOOST_TEST(i.received(start + 70s));
  BOOST_TEST(!i.received(start + 71s));
  BOOST_TEST(i.take_idle(start + 131s));
  i.sent(start + 140s); // said by the next timer
  BOOST_TEST((i.woke() && i.last() == start + 140s));
  BOOST_TEST(i.take_woke());
  BOOST_TEST(!i.take_woke());
}

BOOST_AUTO_TEST_CASE(without_a_timeout_a_stream_is_never_idle) {
  idleness i{0s};
  i.begin(start);
  BOOST_TEST((i.deadline() == time_point::max()));
  BOOST_TEST(!i.take_idle(start + 1'000h));
}

BOOST_AUTO_TEST_CASE(the_least_of_device_peer_and_icmp_bounds_a_datagram) {
  path_mtu m{1'500, true};
  BOOST_TEST(m.max_datagram() == 1'460u);
  BOOST_TEST(!m.peer_takes(9'000));
  BOOST_TEST(m.peer_takes(1'400));
  BOOST_TEST(!m.peer_takes(1'450)); // it has said less
  BOOST_TEST(m.heard(1'300));
  BOOST_TEST(m.max_datagram() == 1'260u);
  BOOST_TEST(m.packet() == 1'300u);
  BOOST_TEST(m.forget());
  BOOST_TEST(m.max_datagram() == 1'360u);
  BOOST_TEST(m.peer_takes(100)); // no path carries less than this
  BOOST_TEST(m.packet() == 576u);
  BOOST_TEST((path_mtu{9'000, false}).max_datagram() == 8'940u);
}

BOOST_AUTO_TEST_CASE(an_icmp_counts_if_it_quotes_what_is_under_way) {
  const auto s = moved(10'000, 5'000);
  packet_too_big icmp;
  icmp.quoted.local.address = ip_address::v4(192, 0, 2, 1);
  icmp.seq = s.snd_nxt() - 1'460;
  icmp.ack = s.rcv_nxt();
  const ids_under_way ids{10, 20};
  BOOST_TEST(quotes_what_is_under_way(icmp, s, ids));
  icmp.ack = s.rcv_nxt() + 1;
  BOOST_TEST(!quotes_what_is_under_way(icmp, s, ids));
  icmp.ack.reset(); // the router quotes less
  icmp.ip_id = 19;
  BOOST_TEST(quotes_what_is_under_way(icmp, s, ids));
  icmp.ip_id = 20;
  BOOST_TEST(!quotes_what_is_under_way(icmp, s, ids));
  icmp.ip_id = 19;
  icmp.seq = s.snd_nxt();
  BOOST_TEST(!quotes_what_is_under_way(icmp, s, ids));
}

BOOST_AUTO_TEST_CASE(what_lies_behind_the_control_octets_is_delivered) {
  BOOST_TEST(delivered(0, segment(300, 100), 0) == "0+300");
  BOOST_TEST(delivered(76, segment(76, 76), 0) == "none");
  BOOST_TEST(delivered(76, segment(276, 276), 0) == "76+200");
  // Borders count from the segment's start: up to the next one is one datagram.
  BOOST_TEST(delivered(150, segment(300, 100), 0) == "150+50 200+100");
  BOOST_TEST(delivered(250, segment(300, 100), 0) == "250+50");
  BOOST_TEST(delivered(76, segment(0, 0), 76) == "0+0");
  BOOST_TEST(delivered(76, segment(0, 0), 10) == "none dropped");
}

BOOST_AUTO_TEST_SUITE_END()
