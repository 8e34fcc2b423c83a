#include "protocol/acceptor.hpp"
#include "protocol/wire.hpp"

#include <boost/test/unit_test.hpp>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point{100h};
const ip_address client = ip_address::v4(198, 51, 100, 7);

acceptor_config config_of(bool native, bool legacy, group_lookup* groups) {
  acceptor_config c;
  c.secret = {1, 2, 3};
  c.ports[443] = {native, legacy, groups};
  return c;
}

/// Groups as a process with several queues has them.
struct places final : group_lookup {
  std::optional<group_place> answer = group_place{7, nullptr, nullptr, nullptr};
  std::string asked; ///< "token join queue"

  std::optional<group_place> place(const four_tuple&, std::uint16_t token, std::uint16_t join,
                                   std::size_t queue, time_point) override {
    asked = std::to_string(token) + ' ' + std::to_string(join) + ' ' + std::to_string(queue);
    return answer;
  }
  std::vector<legacy_group> groups_of(const ip_address&) const override { return {}; }
  bool rests(const ip_address&, guess_kind, time_point) const override { return false; }
  void wrong_guess(const ip_address&, guess_kind, std::uint32_t, time_point) override {}
};

struct fixture {
  legacy_groups groups{address_hash{1}, 1'000};
  acceptor under_test{config_of(true, true, &groups)};
  time_point now = start;

  segment_repr segment(std::uint8_t flags, std::uint32_t seq, std::uint32_t ack,
                       std::uint32_t length = 0, std::uint16_t port = 4'000) const {
    segment_repr in;
    in.tuple = {{ip_address::v4(192, 0, 2, 1), 443}, {client, port}};
    in.flags = flags;
    in.seq = {seq};
    in.ack = {ack};
    in.payload_length = in.datagram_size = length;
    if (in.has(flag::syn)) in.window_scale = 14;
    return in;
  }
  stray_answer give(const segment_repr& in) {
    return under_test.on_stray(in, std::vector<std::uint8_t>(in.payload_length), now);
  }
  /// The token in the SYN-ACK; 0: none came.
  std::uint16_t token(std::uint32_t seq, std::uint16_t port = 4'000) {
    const auto answer = give(segment(flag::syn, seq, 0, 0, port));
    const auto* reply = std::get_if<reply_stray>(&answer);
    if (reply == nullptr || reply->header.flags != (flag::syn | flag::ack)) return 0;
    BOOST_TEST(reply->header.ack.raw == seq + 1);
    BOOST_TEST(reply->header.mss == 0u);
    BOOST_TEST(reply->header.window == 65'535u);
    return token_in(reply->header.seq);
  }
  std::optional<accept_legacy> proven(std::uint32_t seq, std::uint32_t ack, std::uint32_t length,
                                      std::uint16_t port = 4'000) {
    const auto answer = give(segment(flag::ack, seq, ack, length, port));
    if (const auto* made = std::get_if<accept_legacy>(&answer)) return *made;
    return std::nullopt;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(legacy_acceptor_test, fixture)

BOOST_AUTO_TEST_CASE(a_syn_is_told_by_its_form) {
  auto in = segment(flag::syn, 0, 0);
  BOOST_TEST(is_legacy_syn(in));
  in.mss = 1'412; // put in by a router
  BOOST_TEST(is_legacy_syn(in));
  in.seq = {65'535};
  BOOST_TEST(is_legacy_syn(in));
  in.seq = {65'536};
  BOOST_TEST(!is_legacy_syn(in));
  in.seq = {7};
  in.sack_permitted = true;
  BOOST_TEST(!is_legacy_syn(in));
  in.sack_permitted = false;
  in.timestamps = true;
  BOOST_TEST(!is_legacy_syn(in));
  in.timestamps = false;
  in.window_scale = 7;
  BOOST_TEST(!is_legacy_syn(in));
  for (const std::uint32_t random : {0u, 1u, 65'535u, 65'536u, 0xffff'ffffu})
    BOOST_TEST(native_isn(random).raw > 65'535u);
}

BOOST_AUTO_TEST_CASE(syns_of_both_kinds_are_answered_in_theirs) {
  auto native = segment(flag::syn, 0x1234'5678, 0);
  native.sack_permitted = true;
  native.mss = 1'460;
  const auto answer = give(native);
  const auto* reply = std::get_if<reply_stray>(&answer);
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->header.mss == 1'460u);
  BOOST_TEST(reply->header.seq.raw > 65'535u);
  BOOST_TEST(token(0) != 0u);
}

BOOST_AUTO_TEST_CASE(a_profile_that_is_not_served_is_refused_at_once) {
  acceptor native_only{config_of(true, false, nullptr)},
      legacy_only{config_of(false, true, &groups)};
  auto in = segment(flag::syn, 0, 0);
  const auto refused = native_only.on_stray(in, {}, now);
  BOOST_REQUIRE(std::get_if<reply_stray>(&refused));
  BOOST_TEST(std::get<reply_stray>(refused).header.flags == (flag::rst | flag::ack));
  in = segment(flag::syn, 100'000, 0);
  in.sack_permitted = true;
  const auto refused_too = legacy_only.on_stray(in, {}, now);
  BOOST_REQUIRE(std::get_if<reply_stray>(&refused_too));
  BOOST_TEST(std::get<reply_stray>(refused_too).header.flags == (flag::rst | flag::ack));
}

BOOST_AUTO_TEST_CASE(tokens_are_never_zero_and_differ_by_port) {
  std::set<std::uint16_t> seen;
  for (std::uint16_t port = 1'000; port < 3'000; ++port) {
    const auto t = token(0, port);
    BOOST_TEST(t != 0u);
    seen.insert(t);
  }
  BOOST_TEST(seen.size() > 1'900u);
}

BOOST_AUTO_TEST_CASE(the_third_ack_makes_the_first_stream_of_a_group) {
  const auto t = token(0);
  const auto made = proven(1, t + 1u, 0);
  BOOST_REQUIRE(made);
  BOOST_TEST(made->iss.raw == t);
  BOOST_TEST(made->client_iss.raw == 0u);
  BOOST_TEST(made->join == 0u);
  BOOST_TEST((made->shown == profile::legacy));
}

BOOST_AUTO_TEST_CASE(data_makes_it_where_the_third_ack_was_lost) {
  const auto t = token(0);
  BOOST_TEST(proven(1, t + 1u, 500).has_value());
  // The first datagram may be lost, too; a bare ACK has no place but the third's.
  BOOST_TEST(proven(5'001, t + 1u, 500).has_value());
  BOOST_TEST(!proven(5'001, t + 1u, 0).has_value());
}

BOOST_AUTO_TEST_CASE(what_proves_nothing_is_refused_without_state) {
  const auto t = token(0);
  BOOST_TEST(!proven(1, t + 2u, 100).has_value());
  BOOST_TEST(!proven(1, t, 100).has_value());
  BOOST_TEST(!proven(1, t + 1u, 100, 4'001).has_value());
  // A FIN is not of those programs.
  const auto fin = give(segment(flag::fin | flag::ack, 1, t + 1u));
  BOOST_TEST(!std::get_if<accept_legacy>(&fin));
  BOOST_TEST(under_test.held_bytes() == 0u);
}

BOOST_AUTO_TEST_CASE(a_handshake_may_span_one_change_of_keys_not_two) {
  const auto t = token(0);
  now += 15min + 59s;
  BOOST_TEST(proven(1, t + 1u, 0).has_value());
  now += 1s; // no handshake takes that long, and two valid numbers are easier to guess
  BOOST_TEST(!proven(1, t + 1u, 0).has_value());
  now += 14min;
  BOOST_TEST(!proven(1, t + 1u, 0).has_value());
}

BOOST_AUTO_TEST_CASE(whoever_forges_all_numbers_opens_no_session) {
  const auto t = token(0);
  int limited = 0;
  for (std::uint32_t i = 0; i < 65'535; ++i) {
    const std::uint32_t ack = 2 + (t + 100 + i) % 65'535;
    const auto answer = give(segment(flag::ack, 1, ack, 40));
    BOOST_REQUIRE(!std::get_if<accept_legacy>(&answer));
    const auto* ignored = std::get_if<ignore_stray>(&answer);
    const auto* reply = std::get_if<reply_stray>(&answer);
    limited += (ignored != nullptr && ignored->reason == errc::guess_limited) ||
                       (reply != nullptr && reply->reason == errc::guess_limited)
                   ? 1
                   : 0;
    now += 20us; // in 1.3 s
  }
  BOOST_TEST(limited <= 1); // the right one, unless a RST was over the limit then
  BOOST_TEST(token(0) == 0u);
  // Others are served, and so is this one after a while.
  auto in = segment(flag::syn, 0, 0);
  in.tuple.remote.address = ip_address::v4(198, 51, 100, 8);
  const auto answer = give(in);
  BOOST_REQUIRE(std::get_if<reply_stray>(&answer));
  BOOST_TEST(std::get_if<reply_stray>(&answer)->header.flags == (flag::syn | flag::ack));
  now += 10min;
  BOOST_TEST(token(0) != 0u);
}

BOOST_AUTO_TEST_CASE(connections_of_a_server_that_was_restarted_are_no_guesses) {
  int answered = 0;
  for (std::uint16_t i = 0; i < 200; ++i) {
    const auto port = static_cast<std::uint16_t>(20'000 + i);
    // What has come and gone differs by connection; so do the numbers of the process before this one.
    for (const std::uint32_t length : {5u, 0u}) {
      const auto in = segment(flag::ack, 31 + 5u * i, 2 + 37u * i, length, port);
      const auto answer = give(in);
      const auto* reply = std::get_if<reply_stray>(&answer);
      answered += reply != nullptr && reply->header.flags == (flag::rst | flag::ack) ? 1 : 0;
    }
  }
  BOOST_TEST(answered == 400); // so that they come back
  BOOST_TEST(!groups.rests(client, guess_kind::opening, now));
  const auto t = token(0);
  BOOST_REQUIRE(t != 0u);
  BOOST_TEST(proven(1, t + 1u, 0).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_no_guess_opens_nothing) {
  acceptor other_queue{config_of(true, true, &groups)};
  const auto syn = other_queue.on_stray(segment(flag::syn, 0, 0), {}, now);
  const auto t = token_in(std::get<reply_stray>(syn).header.seq);
  BOOST_TEST(!proven(6, t + 1u, 500).has_value());
  BOOST_TEST(proven(1, t + 1u, 500).has_value());
  BOOST_TEST(token(0) == t);
  BOOST_TEST(proven(6, t + 1u, 500).has_value());
  now += 61s;
  BOOST_TEST(!proven(6, t + 1u, 500).has_value());
}

BOOST_AUTO_TEST_CASE(behind_a_syn_any_number_is_a_guess) {
  const auto t = token(0);
  for (std::uint32_t i = 0; i < 64; ++i)
    BOOST_TEST(!proven(5'001, 2 + (t + 100 + i) % 65'535, 40).has_value());
  BOOST_TEST(groups.rests(client, guess_kind::opening, now));
}

BOOST_AUTO_TEST_CASE(joins_are_no_way_to_find_a_token_out) {
  BOOST_REQUIRE(groups.add(client, {60'000, 4'000, 1}));
  int answered = 0;
  for (std::uint32_t i = 1; i <= 65'535; ++i)
    answered += token(i, 4'001) != 0 ? 1 : 0;
  BOOST_TEST(answered == 0);
  BOOST_TEST(!proven(60'001, 5, 0, 4'001).has_value());
}

BOOST_AUTO_TEST_CASE(forged_joins_keep_no_client_out) {
  for (std::uint32_t i = 0; i < 64; ++i)
    BOOST_TEST(token(1 + 37 * i, 4'001) == 0u);
  BOOST_TEST(groups.rests(client, guess_kind::join, now));
  const auto t = token(0);
  BOOST_REQUIRE(t != 0u);
  BOOST_TEST(proven(1, t + 1u, 0).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_forged_in_a_proven_clients_name_keeps_it_out_later) {
  auto answers = std::make_shared<answer_limit>();
  const auto first = token(0);
  BOOST_REQUIRE(groups.add(client, {first, 4'000, 1, answers}));
  answers->prove();
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    token(1 + (first + 1 + i) % 65'535, 4'001);
    proven(1, 2 + i, 0, 4'002);
    now += 1ms;
  }
  const auto t = token(0, 4'003);
  BOOST_REQUIRE(t != 0u);
  BOOST_TEST(proven(1, t + 1u, 0, 4'003).has_value());
  const auto joined = token(first, 4'004);
  BOOST_REQUIRE(joined != 0u);
  BOOST_TEST(proven(first + 1u, joined + 1u, 0, 4'004).has_value());
  for (std::uint32_t i = 1'000; i < 1'024; ++i)
    proven(1, 2 + i, 0, 4'002);
  BOOST_TEST(token(0, 4'003) == 0u);
}

BOOST_AUTO_TEST_CASE(a_guess_counts_as_the_kind_that_it_would_open) {
  // Of a group that an eavesdropper knows: joins are what rests, and what is held back then.
  BOOST_REQUIRE(groups.add(client, {500, 4'000, 1}));
  const auto joined = token(500, 4'001);
  for (std::uint32_t i = 0; i < 64; ++i)
    BOOST_TEST(!proven(501, 2 + (joined + 100 + i) % 65'535, 9, 4'001).has_value());
  BOOST_TEST(groups.rests(client, guess_kind::join, now));
  BOOST_TEST(!groups.rests(client, guess_kind::opening, now));
  BOOST_TEST(!proven(501, joined + 1u, 9, 4'001).has_value());
}

BOOST_AUTO_TEST_CASE(a_join_needs_a_live_group_of_the_same_address) {
  const auto t = token(0);
  BOOST_TEST(token(t, 4'001) == 0u); // not yet
  BOOST_REQUIRE(groups.add(client, {t, 4'000, 77}));
  const auto second = token(t, 4'001);
  BOOST_TEST(second != 0u);
  const auto made = proven(t + 1u, second + 1u, 0, 4'001);
  BOOST_REQUIRE(made);
  BOOST_TEST(made->join == t);
  BOOST_TEST(made->iss.raw == second);
  BOOST_TEST(made->client_iss.raw == t);
  BOOST_TEST((made->shown == profile::tonel));
  // By its first data, as well.
  BOOST_TEST(proven(t + 1u, second + 1u, 9, 4'001).value().join == t);
  groups.remove(client, t, 78); // another's
  BOOST_TEST(token(t, 4'002) != 0u);
  groups.remove(client, t, 77);
  BOOST_TEST(token(t, 4'002) == 0u);
}

BOOST_AUTO_TEST_CASE(a_join_that_overtakes_its_group_is_kept_for_it) {
  auto config = config_of(true, true, &groups);
  config.join_patience = 200ms;
  under_test = acceptor{config};
  const auto t = token(0);
  const auto join = segment(flag::syn, t, 0, 0, 4'001);
  const auto kept = give(join);
  BOOST_REQUIRE(std::get_if<ignore_stray>(&kept) != nullptr);
  BOOST_TEST(!std::get<ignore_stray>(kept).reason);
  BOOST_TEST((under_test.deadline() == start + 20ms));
  BOOST_TEST(under_test.answer_joins(start + 20ms).empty());
  BOOST_TEST((under_test.deadline() == start + 40ms));

  BOOST_REQUIRE(groups.add(client, {t, 4'000, 77}));
  const auto answers = under_test.answer_joins(start + 40ms);
  BOOST_REQUIRE(answers.size() == 1u);
  BOOST_TEST((answers[0].to.tuple == join.tuple));
  BOOST_TEST(std::get<reply_stray>(answers[0].what).header.flags == (flag::syn | flag::ack));
  BOOST_TEST(!under_test.deadline());
}

BOOST_AUTO_TEST_CASE(a_join_whose_group_never_comes_is_refused_when_the_patience_is_over) {
  auto config = config_of(true, true, &groups);
  config.join_patience = 50ms;
  under_test = acceptor{config};
  give(segment(flag::syn, 5, 0, 0, 4'001));
  BOOST_TEST(under_test.answer_joins(start + 20ms).empty());
  BOOST_TEST(under_test.answer_joins(start + 40ms).empty());
  const auto answers = under_test.answer_joins(start + 60ms);
  BOOST_REQUIRE(answers.size() == 1u);
  const auto& refused = std::get<reply_stray>(answers[0].what);
  BOOST_TEST((refused.header.flags & flag::rst) != 0);
  BOOST_TEST((refused.reason == errc::wrong_token));
}

BOOST_AUTO_TEST_CASE(no_more_than_64_joins_are_kept) {
  auto config = config_of(true, true, &groups);
  config.join_patience = 1s;
  under_test = acceptor{config};
  for (std::uint16_t port = 1; port <= 64; ++port) {
    const auto kept = give(segment(flag::syn, 5, 0, 0, port));
    BOOST_TEST(std::get_if<ignore_stray>(&kept) != nullptr);
  }
  const auto refused = give(segment(flag::syn, 5, 0, 0, 65));
  BOOST_TEST(std::get_if<reply_stray>(&refused) != nullptr);
}

BOOST_AUTO_TEST_CASE(a_proven_connection_comes_with_its_place) {
  places known;
  auto config = config_of(true, true, &known);
  config.queue = 3;
  under_test = acceptor{config};
  const auto t = token(0);
  const auto made = proven(1, t + 1u, 0);
  BOOST_REQUIRE(made);
  BOOST_TEST(made->place.owner == 7u);
  BOOST_TEST(known.asked == std::to_string(t) + " 0 3");
}

BOOST_AUTO_TEST_CASE(one_without_a_place_is_refused_by_a_reset_in_its_streams_name) {
  places full;
  full.answer.reset();
  under_test = acceptor{config_of(true, true, &full)};
  const auto t = token(0);
  const auto answer = give(segment(flag::ack, 1, t + 1u, 9));
  const auto* refused = std::get_if<refuse_session>(&answer);
  BOOST_REQUIRE(refused != nullptr);
  BOOST_TEST(refused->header.flags == (flag::rst | flag::ack));
  BOOST_TEST(refused->header.seq.raw == t + 1u);
  BOOST_TEST(refused->header.ack.raw == 10u);
}

BOOST_AUTO_TEST_CASE(older_clients_of_a_port_that_serves_none_are_told_from_strangers) {
  under_test = acceptor{config_of(true, false, nullptr)};
  const auto older = give(segment(flag::syn, 0, 0));
  BOOST_TEST(std::get<reply_stray>(older).older_client);
  const auto stranger = give(segment(flag::ack, 7, 7));
  BOOST_TEST(!std::get<reply_stray>(stranger).older_client);
}

BOOST_AUTO_TEST_CASE(a_token_of_another_clients_group_is_not_given_out) {
  const auto t = token(0);
  BOOST_REQUIRE(groups.add(client, {t, 4'000, 1}));
  BOOST_TEST(token(0) == t); // its own client starts anew
  groups.remove(client, t, 1);
  BOOST_REQUIRE(groups.add(client, {t, 9'999, 2}));
  BOOST_TEST(token(0) == 0u); // refused: its joins would reach the other
}

BOOST_AUTO_TEST_CASE(a_repeated_syn_is_phantuns) {
  const auto t = token(0);
  now += 1s;
  BOOST_TEST(token(0) == t);
  now += 1s;
  BOOST_TEST(token(0) == t);
  const auto made = proven(1, t + 1u, 100);
  BOOST_REQUIRE(made);
  BOOST_TEST((made->shown == profile::phantun));
}

BOOST_AUTO_TEST_CASE(a_copy_of_a_syn_shows_nothing_and_a_new_try_neither) {
  auto t = token(0);
  now += 20ms;
  token(0);
  BOOST_TEST((proven(1, t + 1u, 100).value().shown == profile::legacy));
  now += 3s; // tonel's next attempt, should it come from the same port
  t = token(0);
  BOOST_TEST((proven(1, t + 1u, 100).value().shown == profile::legacy));
}

BOOST_AUTO_TEST_CASE(a_probe_to_a_closed_connection_draws_a_reset_that_passes_trackers) {
  const auto t = token(0);
  const auto answer = give(segment(flag::ack, 0, 0));
  const auto* reply = std::get_if<reply_stray>(&answer);
  BOOST_REQUIRE(reply);
  BOOST_TEST(reply->header.flags == (flag::rst | flag::ack));
  BOOST_TEST(reply->header.seq.raw == t + 1u);
}

BOOST_AUTO_TEST_CASE(groups_are_bounded_by_address_and_in_all) {
  legacy_groups small{address_hash{1}, 100};
  for (std::uint16_t i = 1; i <= 64; ++i)
    BOOST_TEST(small.add(client, {i, i, i}));
  BOOST_TEST(!small.add(client, {65, 65, 65}));
  BOOST_TEST(small.add(client, {64, 64, 640})); // the client of this port starts anew
  BOOST_TEST(!small.add(client, {64, 65, 650}));
  BOOST_TEST(small.find(client, 64)->owner == 640u);
  BOOST_TEST(small.groups_of(client).size() == 64u);
  const auto other = ip_address::v4(198, 51, 100, 8);
  for (std::uint16_t i = 1; i <= 36; ++i)
    BOOST_TEST(small.add(other, {i, i, i}));
  BOOST_TEST(!small.add(other, {37, 37, 37}));
  small.remove(client, 1, 1);
  BOOST_TEST(small.add(other, {37, 37, 37}));
  BOOST_TEST(small.size() == 100u);
  BOOST_TEST(!small.find(client, 1));
  BOOST_TEST(small.groups_of(ip_address::v4(1, 2, 3, 4)).empty());
}

BOOST_AUTO_TEST_CASE(an_older_client_that_is_not_allowed_gets_no_answer) {
  auto config = config_of(true, true, &groups);
  config.join_patience = 200ms;
  under_test = acceptor{config};
  // Allowed when its join came, not any more when it is answered.
  BOOST_TEST(std::holds_alternative<ignore_stray>(give(segment(flag::syn, 77, 0))));
  config.ports[443].allow = ip_net_set{{*ip_net::parse("203.0.113.0/24")}};
  under_test.serve(config.ports);
  const auto late = under_test.answer_joins(start + 200ms);
  BOOST_TEST_REQUIRE(late.size() == 1u);
  const auto* ignored = std::get_if<ignore_stray>(&late.front().what);
  BOOST_TEST_REQUIRE(ignored != nullptr);
  BOOST_TEST((ignored->reason == errc::not_allowed));

  const auto first = give(segment(flag::syn, 0, 0));
  BOOST_TEST(std::holds_alternative<ignore_stray>(first));
  BOOST_TEST(std::holds_alternative<ignore_stray>(give(segment(flag::ack, 1, 1'234, 10))));
}

BOOST_AUTO_TEST_SUITE_END()
