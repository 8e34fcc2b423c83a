#include "actors/root/changeover.hpp"
#include "actors/root/readiness.hpp"
#include "actors/root/reloading.hpp"
#include "actors/root/remotes.hpp"
#include "actors/root/signals.hpp"
#include "system/fake/memory_devices.hpp"
#include "system/fake/memory_service_manager.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <vector>

// The rooms of the root, each alone, with time as an argument.
using namespace tonel;
using namespace tonel::actors;
using namespace std::chrono_literals;

namespace {

using texts = std::vector<std::string>;

constexpr protocol::time_point t0{100s};

tunnel_ptr tunnel_named(const std::string& name, std::uint16_t port) {
  tunnel_config t;
  t.name = name;
  t.local_udp.port = port;
  return std::make_shared<const tunnel_config>(t);
}

protocol::endpoint address(std::uint8_t last) {
  return {protocol::ip_address::v4(192, 0, 2, last), 443};
}

} // namespace

BOOST_AUTO_TEST_SUITE(root_rooms_test)

BOOST_AUTO_TEST_CASE(signals_are_obeyed_in_their_order_and_others_mean_nothing) {
  texts done;
  signal_orders orders;
  orders.report = [&] { done.emplace_back("report"); };
  orders.reload = [&] { done.emplace_back("reload"); };
  orders.stop = [&] { done.emplace_back("stop"); };
  obey({SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGTERM, SIGINT}, orders); // no log to open again
  BOOST_TEST((done == texts{"reload", "report", "stop", "stop"}));
  orders.reopen_log = [&] { done.emplace_back("reopen"); };
  obey({SIGUSR2}, orders);
  BOOST_TEST(done.back() == "reopen");
}

BOOST_AUTO_TEST_CASE(the_process_is_ready_when_shards_are_up_and_rules_were_tried) {
  for (const bool rules_first : {false, true}) {
    sys::memory_service_manager manager;
    readiness room{&manager, true, [](protocol::time_point) { return std::string{"fine"}; }};
    if (rules_first)
      room.rules_tried();
    else
      room.shards_are_up(true);
    BOOST_TEST(manager.said.empty());
    if (rules_first)
      room.shards_are_up(true);
    else
      room.rules_tried();
    BOOST_TEST((manager.said == texts{"ready"}));
    BOOST_TEST((manager.statuses == texts{"running"}));
    room.shards_are_up(false);
    room.shards_are_up(true);
    BOOST_TEST((manager.said == texts{"ready"}));
  }
}

BOOST_AUTO_TEST_CASE(a_reload_that_ends_before_the_process_is_ready_does_not_make_it_so) {
  sys::memory_service_manager manager;
  readiness room{&manager, false, nullptr};
  room.reload_begins();
  room.reload_ends();
  BOOST_TEST((manager.said == texts{"reloading"}));
  room.shards_are_up(true);
  room.reload_begins();
  room.reload_ends();
  BOOST_TEST((manager.said == texts{"reloading", "ready", "reloading", "ready"}));
  room.stopping();
  room.reload_ends();
  BOOST_TEST(manager.said.back() == "stopping");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_the_rules_is_told_and_goes_along_with_the_watchdog) {
  sys::memory_service_manager manager;
  readiness room{&manager, true, [](protocol::time_point) { return std::string{"2 sessions"}; }};
  BOOST_TEST(room.watching() == nullptr);
  room.rules_problem("no table"); // nobody is told before it is ready
  BOOST_TEST(manager.statuses.empty());
  room.shards_are_up(true);
  room.rules_tried();
  room.rules_problem("");
  BOOST_TEST((manager.statuses == texts{"running; firewall rules: no table", "running"}));
  sys::memory_service_manager watching;
  watching.interval = 30s;
  readiness watched{&watching, false, [](protocol::time_point) { return std::string{"fine"}; }};
  BOOST_TEST(watched.watching() == &watching);
  const auto line = watched.told_status();
  watched.shards_are_up(true);
  watched.rules_problem("no table");
  BOOST_TEST(watching.statuses.empty());
  BOOST_TEST(line(t0) == "fine; firewall rules: no table");
}

namespace {

using change = remotes::change;

/// The room, what it asks for and what it tells.
struct resolving {
  std::vector<tunnel_ptr> asked;
  std::vector<part_status> told;
  remotes room{[this](const tunnel_ptr& t) { asked.push_back(t); },
               [this](const part_status& p) { told.push_back(p); }};
};

} // namespace

BOOST_AUTO_TEST_CASE(a_remote_is_asked_for_until_it_is_found_and_its_waits_grow) {
  resolving r;
  auto& room = r.room;
  const auto a = tunnel_named("a", 1);
  room.add(a, t0);
  BOOST_TEST((r.asked.size() == 1u && r.told.back().part == "remote a"));
  BOOST_TEST(r.told.back().state == "unresolved");
  auto now = t0;
  for (const auto wait : {1s, 1s, 2s, 4s, 8s, 16s, 30s, 30s}) {
    room.failed({a, "no such host"}, now);
    BOOST_TEST(r.told.back().detail == "no such host");
    BOOST_TEST_REQUIRE(room.next_deadline().has_value());
    BOOST_TEST((*room.next_deadline() - now == wait));
    now = *room.next_deadline();
    const auto before = r.asked.size();
    room.on_timer(now);
    BOOST_TEST(r.asked.size() == before + 1);
    BOOST_TEST(!room.next_deadline().has_value()); // the answer is waited for
  }
  BOOST_TEST((room.resolved({a, {address(1)}}, now) == change::addresses));
  BOOST_TEST((room.addresses(a) == std::vector{address(1)}));
  BOOST_TEST(r.told.back().state == "resolved");
  BOOST_TEST((*room.next_deadline() - now == 60s));
  now += 60s;
  room.on_timer(now);
  room.failed({a, "gone"}, now); // what was found stays
  BOOST_TEST((*room.next_deadline() - now == 1s));
  BOOST_TEST(r.told.back().state == "resolved");
  BOOST_TEST((room.addresses(a) == std::vector{address(1)}));
}

BOOST_AUTO_TEST_CASE(answers_for_a_tunnel_that_is_no_more_are_ignored) {
  resolving r;
  auto& room = r.room;
  const auto a = tunnel_named("a", 1);
  room.add(a, t0);
  room.remove(a);
  BOOST_TEST(r.told.back().state.empty()); // there is no such part
  r.told.clear();
  BOOST_TEST((room.resolved({a, {address(1)}}, t0) == change::none));
  room.failed({a, "x"}, t0);
  BOOST_TEST((room.tried({a, address(1), true}, t0) == change::none));
  BOOST_TEST((room.addresses(a).empty() && !room.next_deadline() && r.told.empty()));
}

BOOST_AUTO_TEST_CASE(at_sighup_all_names_are_asked_anew_and_no_literal_address_is) {
  resolving r;
  const auto name = tunnel_named("a", 1);
  tunnel_config t;
  t.remote = {"192.0.2.1", 443};
  const auto literal = std::make_shared<const tunnel_config>(t);
  for (const auto& each : {name, tunnel_ptr{literal}}) {
    r.room.add(each, t0);
    r.room.resolved({each, {address(1)}}, t0);
  }
  r.asked.clear();
  r.room.ask_all(t0 + 1s);
  BOOST_TEST((r.asked == std::vector{name}));
  r.room.ask_all(t0 + 1s); // it is on its way
  BOOST_TEST(r.asked.size() == 1u);
}

BOOST_AUTO_TEST_CASE(the_address_that_answered_is_the_first_for_the_next_session) {
  resolving r;
  const auto a = tunnel_named("a", 1);
  r.room.add(a, t0);
  r.room.resolved({a, {address(1), address(2)}}, t0);
  BOOST_TEST((r.room.tried({a, address(2), true}, t0) == change::order));
  BOOST_TEST((r.room.addresses(a) == std::vector{address(2), address(1)}));
  BOOST_TEST(r.told.back().detail == "192.0.2.2:443, 192.0.2.1:443");
}

BOOST_AUTO_TEST_CASE(new_addresses_are_kept_back_until_the_rules_were_tried_or_for_2_s) {
  resolving r;
  const auto a = tunnel_named("a", 1);
  r.room.add(a, t0);
  r.room.resolved({a, {address(1)}}, t0);
  BOOST_TEST(r.room.let_go().empty());
  r.room.keep_back(a, t0);
  r.room.keep_back(a, t0 + 1s);
  BOOST_TEST((r.room.let_go() == std::vector{a}));
  BOOST_TEST(r.room.let_go().empty());
  r.room.keep_back(a, t0);
  BOOST_TEST((r.room.next_deadline() == t0 + 2s));
  BOOST_TEST(r.room.on_timer(t0 + 1s).empty());
  BOOST_TEST((r.room.on_timer(t0 + 2s) == std::vector{a}));
  BOOST_TEST((r.room.next_deadline() == t0 + 60s));
}

namespace {

struct reader {
  int reads = 0;
  texts answers;
  std::vector<part_status> told;
  reloading room{{[this] { ++reads; },
                  [this](const ask_reload& q, bool done, const std::string& detail) {
                    answers.push_back(std::to_string(q.question) + (done ? " yes " : " no ") +
                                      detail);
                  },
                  [this](const part_status& p) { told.push_back(p); }}};
};

} // namespace

BOOST_AUTO_TEST_CASE(a_reload_that_is_asked_for_during_another_reads_once_more) {
  reader r;
  BOOST_TEST(r.room.ask(t0));
  r.room.note({nullptr, 7});
  BOOST_TEST(!r.room.ask(t0 + 1s));
  BOOST_TEST(!r.room.ask(t0 + 2s));
  BOOST_TEST(r.reads == 1);
  BOOST_TEST(!r.room.arrived());
  BOOST_TEST(r.room.ask(t0 + 3s));
  BOOST_TEST(r.reads == 2);
  BOOST_TEST(r.room.arrived());
  BOOST_TEST(r.answers.empty());
  r.room.answer(true, "done");
  r.room.answer(true, "twice");
  BOOST_TEST((r.answers == texts{"7 yes done"}));
}

BOOST_AUTO_TEST_CASE(files_that_cannot_be_read_for_5_s_are_told) {
  reader r;
  r.room.ask(t0);
  BOOST_TEST((r.room.next_deadline() == t0 + 5s));
  r.room.on_timer(t0 + 4s);
  BOOST_TEST(r.told.empty());
  r.room.on_timer(t0 + 5s);
  BOOST_TEST_REQUIRE(r.told.size() == 1u);
  BOOST_TEST((r.told[0].state == "silent" && r.told[0].unanswered_since == t0));
  BOOST_TEST(!r.room.next_deadline().has_value());
  r.room.arrived();
  BOOST_TEST(r.told.back().state.empty());
  // One in time is no news.
  r.told.clear();
  r.room.ask(t0);
  r.room.arrived();
  BOOST_TEST((r.told.empty() && !r.room.next_deadline()));
}

BOOST_AUTO_TEST_CASE(what_is_equal_stays_and_what_takes_an_address_takes_its_sockets) {
  const auto a = tunnel_named("a", 1), b = tunnel_named("b", 2);
  const auto socket_a = std::make_shared<sys::memory_datagram_socket>(),
             socket_b = std::make_shared<sys::memory_datagram_socket>(),
             socket_c = std::make_shared<sys::memory_datagram_socket>();
  const std::vector<process_tunnel> before{{a, {socket_a}}, {b, {socket_b}}};
  int opened = 0;
  const auto listen = [&](const tunnel_config&) -> sys::result<tunnel_sockets> {
    ++opened;
    return tunnel_sockets{socket_c};
  };
  const auto renamed = tunnel_named("b2", 2), added = tunnel_named("c", 3);
  const auto merged = merge(before, {tunnel_named("a", 1), renamed, added}, listen);
  BOOST_TEST_REQUIRE(merged.has_value());
  BOOST_TEST_REQUIRE(merged->now.size() == 3u);
  BOOST_TEST((merged->now[0].settings == a && merged->now[0].listeners[0] == socket_a));
  BOOST_TEST((merged->now[1].settings == renamed && merged->now[1].listeners[0] == socket_b));
  BOOST_TEST((merged->now[2].settings == added && merged->now[2].listeners[0] == socket_c));
  BOOST_TEST(opened == 1);
  BOOST_TEST((merged->started == std::vector<tunnel_ptr>{renamed, added}));
  BOOST_TEST((merged->ended == std::vector<tunnel_ptr>{b}));
  const auto refused = [](const tunnel_config&) -> sys::result<tunnel_sockets> {
    return unexpected{sys::os_error{EADDRINUSE, "bind", "memory"}};
  };
  const auto failed = merge(before, {added, renamed}, refused);
  BOOST_TEST_REQUIRE(!failed.has_value());
  BOOST_TEST(failed.error().size() == 1u); // renamed takes over the sockets of another
  BOOST_TEST(failed.error().front().find("cannot listen on ") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(tunnels_change_when_the_rules_were_tried_or_after_2_s) {
  changeover room;
  BOOST_TEST(!room.rules_tried(t0)); // nothing is to change
  room.begin(t0);
  BOOST_TEST((room.next_deadline() == t0 + 2s));
  BOOST_TEST(!room.on_timer(t0 + 1s).tunnels);
  BOOST_TEST(room.rules_tried(t0 + 1s));
  BOOST_TEST(!room.next_deadline().has_value()); // nothing leaves
  room.begin(t0);
  BOOST_TEST(room.on_timer(t0 + 2s).tunnels);
  BOOST_TEST(!room.rules_tried(t0 + 3s));
}

BOOST_AUTO_TEST_CASE(the_rules_of_what_leaves_stay_for_8_s_after_the_change) {
  changeover room;
  room.leaving().ports.push_back(444);
  room.begin(t0);
  BOOST_TEST(room.rules_tried(t0 + 1s));
  BOOST_TEST((room.next_deadline() == t0 + 9s));
  // Another reload meanwhile: anew from its change on.
  room.leaving().ports.push_back(445);
  room.begin(t0 + 5s);
  BOOST_TEST((room.next_deadline() == t0 + 7s));
  BOOST_TEST(room.on_timer(t0 + 7s).tunnels);
  BOOST_TEST((room.next_deadline() == t0 + 15s));
  BOOST_TEST(!room.on_timer(t0 + 14s).rules);
  BOOST_TEST(room.leaving().ports.size() == 2u);
  BOOST_TEST(room.on_timer(t0 + 15s).rules);
  BOOST_TEST(room.leaving().ports.empty());
  BOOST_TEST(!room.next_deadline().has_value());
}

BOOST_AUTO_TEST_SUITE_END()
