#include "actors/operations/firewall.hpp"
#include "tests/unit/actors/service_loop.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/atom.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// The actor, with a host that answers when and what the test says.
struct ruled_host : service_loop {
  using answer = std::function<void(sys::result<sys::rules_report>)>;

  /// told: it knows the tunnels, as it does at once from the root
  explicit ruled_host(bool told = true) {
    start.request.plan.remotes = {remote(1)};
    start.rules_fd = changed.fd();
    start.take_rules = [this] {
      changed.set(false);
      return std::exchange(changes, {});
    };
    start.concerns = [](const std::string& table) { return table == "ours"; };
    start.ensure = [this](const sys::rule_request& request, answer done) {
      asked.push_back(request);
      waiting = std::move(done);
    };
    actor = loop->spawn(firewall, &start);
    if (told) caf::anon_send(actor, ensure_rules{{remote(1)}});
    step();
  }
  ~ruled_host() {
    waiting = nullptr;
    end();
  }

  static protocol::endpoint remote(std::uint8_t last) {
    return {protocol::ip_address::v4(192, 0, 2, last), 443};
  }
  void reply(sys::result<sys::rules_report> what) {
    BOOST_TEST_REQUIRE(static_cast<bool>(waiting));
    std::exchange(waiting, nullptr)(std::move(what));
    step();
  }
  void fail() { reply(unexpected{sys::os_error{EPERM, "nft", "no"}}); }
  void others_change(const char* table) {
    changes.something = true;
    changes.tables = {table};
    changed.set(true);
    step();
  }
  rules_status status() {
    rules_status got;
    caf::scoped_actor asking{*system};
    asking->send(actor, get_rules{});
    step();
    asking->receive([&](const rules_status& s) { got = s; });
    return got;
  }

  sys::readiness changed;
  sys::netlink_changes changes;
  firewall_start start;
  std::vector<sys::rule_request> asked;
  answer waiting;
};

sys::rules_report good(bool repaired = false) {
  sys::rules_report out;
  out.backend = "nft";
  out.repaired = repaired;
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(firewall_test)

BOOST_AUTO_TEST_CASE(its_status_says_how_the_rules_are) {
  ruled_host h;
  BOOST_TEST(h.asked.size() == 1u);
  BOOST_TEST((h.status().is == rules_status::condition::starting));
  h.reply(good());
  BOOST_TEST((h.status().is == rules_status::condition::ok));
  BOOST_TEST(h.status().backend == "nft");
  h.others_change("ours");
  h.pass(200ms);
  h.fail();
  BOOST_TEST((h.status().is == rules_status::condition::failing));
  BOOST_TEST(h.status().reason == "nft (no): Operation not permitted");
}

BOOST_AUTO_TEST_CASE(what_fails_is_tried_again_ever_more_seldom_and_said_once) {
  ruled_host h;
  const log_tail log;
  h.fail();
  std::size_t tries = 1;
  for (const auto wait : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    h.pass(wait - 100ms);
    BOOST_TEST(h.asked.size() == tries);
    h.pass(150ms);
    BOOST_TEST(h.asked.size() == ++tries);
    h.fail();
  }
  BOOST_TEST(log.matching("cannot keep the firewall rules") == 1u);
  h.pass(61s);
  h.reply(good());
  h.pass(1h);
  BOOST_TEST(h.asked.size() == tries + 1);
}

BOOST_AUTO_TEST_CASE(changes_of_other_tables_are_looked_at_seldom) {
  ruled_host h;
  h.reply(good());
  for (int i = 0; i < 4; ++i) {
    h.others_change("theirs");
    h.pass(1s);
  }
  BOOST_TEST(h.asked.size() == 1u);
  h.pass(2s);
  BOOST_TEST(h.asked.size() == 2u);
}

BOOST_AUTO_TEST_CASE(changes_of_our_table_are_looked_at_soon) {
  ruled_host h;
  h.reply(good());
  const log_tail log;
  h.others_change("ours");
  h.others_change("ours");
  h.pass(500ms);
  BOOST_TEST(h.asked.size() == 2u);
  h.reply(good(true));
  BOOST_TEST(log.matching("another program had changed") == 1u);
}

BOOST_AUTO_TEST_CASE(a_look_that_takes_long_is_made_seldom) {
  ruled_host h;
  h.pass(2s);
  h.reply(good());
  h.others_change("ours");
  h.pass(3s);
  BOOST_TEST(h.asked.size() == 1u);
  h.pass(1s);
  BOOST_TEST(h.asked.size() == 2u);
}

BOOST_AUTO_TEST_CASE(who_undoes_each_repair_of_the_rules_is_met_ever_more_seldom) {
  ruled_host h;
  h.reply(good());
  const log_tail log;
  for (int i = 0; i < 40; ++i) {
    h.others_change("ours");
    while (!h.waiting)
      h.pass(100ms);
    h.reply(good(true));
  }
  BOOST_TEST(log.matching("again and again") == 1u);
  const auto before = h.asked.size();
  h.others_change("ours");
  h.pass(25s);
  BOOST_TEST(h.asked.size() == before);
  h.pass(6s);
  BOOST_TEST(h.asked.size() == before + 1);
}

BOOST_AUTO_TEST_CASE(rules_that_others_change_for_longer_than_a_second_are_a_failure) {
  ruled_host h;
  h.reply(good());
  const log_tail log;
  const auto change_and_mend = [&] {
    h.others_change("ours");
    const bool failing = h.status().is == rules_status::condition::failing;
    while (!h.waiting)
      h.pass(100ms);
    h.reply(good(true));
    BOOST_TEST((h.status().is == rules_status::condition::ok));
    return failing;
  };
  for (int i = 0; i < 17; ++i)
    BOOST_TEST(!change_and_mend());
  for (int i = 0; i < 10; ++i)
    change_and_mend();
  BOOST_TEST(change_and_mend());
  BOOST_TEST(log.matching("packets can pass again") == 0u);
  h.others_change("ours");
  BOOST_TEST(h.status().reason.find("again and again") != std::string::npos);
  // Left in peace it is well, and so is the next change.
  h.pass(31s);
  h.reply(good());
  BOOST_TEST((h.status().is == rules_status::condition::ok));
  h.pass(1min);
  BOOST_TEST(!change_and_mend());
}

BOOST_AUTO_TEST_CASE(forwarding_that_others_switch_off_is_said_in_one_line) {
  ruled_host h;
  h.reply(good());
  const log_tail log;
  h.others_change("ours");
  h.pass(500ms);
  auto report = good();
  report.reset = {"net.ipv4.ip_forward", "net.ipv4.conf.t.forwarding"};
  h.reply(report);
  BOOST_TEST(
      log.matching("switched forwarding off (net.ipv4.ip_forward, net.ipv4.conf.t.forwarding)") ==
      1u);
  BOOST_TEST((h.status().is == rules_status::condition::ok));
}

BOOST_AUTO_TEST_CASE(what_nothing_passes_without_is_a_failure_said_once_and_tried_again) {
  ruled_host h;
  const log_tail log;
  auto report = good();
  report.unmet = "the sysctl net.ipv4.ip_forward is 0 and cannot be set";
  h.reply(report);
  BOOST_TEST((h.status().is == rules_status::condition::failing));
  BOOST_TEST(h.status().reason == report.unmet);
  h.pass(1'100ms);
  BOOST_TEST(h.asked.size() == 2u);
  h.reply(report);
  BOOST_TEST(log.matching("nothing can pass: the sysctl net.ipv4.ip_forward") == 1u);
  h.pass(2'100ms);
  h.reply(good());
  BOOST_TEST((h.status().is == rules_status::condition::ok));
  h.pass(1h);
  BOOST_TEST(h.asked.size() == 3u);
}

BOOST_AUTO_TEST_CASE(a_change_during_a_look_makes_another) {
  ruled_host h;
  h.others_change("ours");
  h.pass(50ms);
  h.reply(good());
  h.pass(500ms);
  BOOST_TEST(h.asked.size() == 2u);
}

BOOST_AUTO_TEST_CASE(other_remotes_are_taken_over_also_while_it_looks) {
  ruled_host h;
  caf::anon_send(h.actor, ensure_rules{{ruled_host::remote(2)}});
  h.step();
  BOOST_TEST(h.asked.size() == 1u);
  h.reply(good());
  BOOST_TEST_REQUIRE(h.asked.size() == 2u);
  BOOST_TEST((h.asked.back().plan.remotes == std::vector{ruled_host::remote(2)}));
  h.reply(good());
  caf::anon_send(h.actor, ensure_rules{{ruled_host::remote(2)}});
  h.step();
  BOOST_TEST(h.asked.size() == 2u);
}

BOOST_AUTO_TEST_CASE(others_allowed_at_the_same_port_make_other_rules) {
  ruled_host h;
  h.reply(good());
  const auto asked = [&](const char* net) {
    ensure_rules wanted;
    wanted.ports = {443};
    wanted.allow[443] = {*sys::ip_net::parse(net)};
    caf::anon_send(h.actor, wanted);
    h.step();
    return h.asked.size();
  };
  BOOST_TEST_REQUIRE(asked("192.0.2.0/24") == 2u);
  h.reply(good());
  BOOST_TEST(asked("192.0.2.0/24") == 2u);
  BOOST_TEST_REQUIRE(asked("192.0.2.0/25") == 3u);
  BOOST_TEST(h.asked.back().plan.allow.at(443).front().to_string() == "192.0.2.0/25");
}

BOOST_AUTO_TEST_CASE(one_that_is_started_again_sets_no_rules_of_the_programs_start) {
  ruled_host h{false};
  h.others_change("ours");
  h.pass(10s);
  BOOST_TEST(h.asked.empty());
  caf::anon_send(h.actor, ensure_rules{{ruled_host::remote(2)}});
  h.step();
  BOOST_TEST_REQUIRE(h.asked.size() == 1u);
  BOOST_TEST((h.asked.back().plan.remotes == std::vector{ruled_host::remote(2)}));
  h.reply(good());
  BOOST_TEST((h.status().is == rules_status::condition::ok));
}

BOOST_AUTO_TEST_CASE(who_asks_for_rules_is_told_when_they_are_there_and_when_that_changes) {
  ruled_host h;
  caf::scoped_actor asking{*h.system};
  std::vector<rules_status> told;
  const auto collect = [&] {
    while (asking->has_next_message())
      asking->receive([&](const rules_status& s) { told.push_back(s); });
  };
  asking->send(h.actor, ensure_rules{{ruled_host::remote(2)}});
  h.step();
  h.reply(good()); // of the look before
  collect();
  BOOST_TEST(told.empty());
  h.reply(good());
  collect();
  BOOST_TEST_REQUIRE(told.size() == 1u);
  BOOST_TEST((told.back().is == rules_status::condition::ok));
  asking->send(h.actor, ensure_rules{{ruled_host::remote(2)}}); // they are there
  h.step();
  collect();
  BOOST_TEST(told.size() == 2u);
  h.others_change("ours");
  h.pass(200ms);
  h.reply(good(true));
  collect();
  BOOST_TEST(told.size() == 2u);
  h.others_change("ours");
  h.pass(200ms);
  h.fail();
  collect();
  BOOST_TEST_REQUIRE(told.size() == 3u);
  BOOST_TEST((told.back().is == rules_status::condition::failing));
}

BOOST_AUTO_TEST_CASE(a_host_that_does_not_answer_is_said_to_be_silent) {
  ruled_host h;
  const log_tail log;
  h.pass(9'900ms);
  BOOST_TEST((h.status().is == rules_status::condition::starting));
  h.pass(200ms);
  BOOST_TEST((h.status().is == rules_status::condition::silent));
  BOOST_TEST((h.status().since == protocol::time_point{100s}));
  h.others_change("ours");
  h.pass(1min);
  BOOST_TEST(log.matching("the system has not answered for 10 s") == 1u);
  BOOST_TEST(h.asked.size() == 1u);
  h.reply(good()); // at last; what changed meanwhile is looked at
  BOOST_TEST((h.status().is == rules_status::condition::ok));
  BOOST_TEST(h.asked.size() == 2u);
  h.reply(good());
  h.pass(1min);
  BOOST_TEST((h.status().is == rules_status::condition::ok));
}

BOOST_AUTO_TEST_CASE(a_backend_that_tells_nothing_is_asked_within_every_second) {
  ruled_host h;
  auto report = good();
  report.ask_in = std::chrono::milliseconds{700};
  h.reply(report);
  h.pass(800ms);
  BOOST_TEST(h.asked.size() == 2u);
  h.reply(report);
  h.pass(800ms);
  BOOST_TEST(h.asked.size() == 3u);
}

BOOST_AUTO_TEST_SUITE_END()
