#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

// A reload replaces tunnels while others go on.
using namespace tonel;
using namespace tonel::actors;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = tonel::protocol::flag;

namespace {

tunnel_ptr changed(const tunnel_ptr& from, const std::function<void(tunnel_config&)>& change) {
  auto copy = *from;
  change(copy);
  return std::make_shared<const tunnel_config>(std::move(copy));
}

/// As `from`, by another name, to the server's port 444.
tunnel_ptr second_of(const tunnel_ptr& from) {
  return changed(from, [](tunnel_config& t) {
    t.name = "second";
    t.local_udp.port = 2;
    t.local_port = 444;
    t.remote.port = 444;
  });
}

/// The files say the same again: what is equal to a tunnel there is takes nothing's place.
tunnel_ptr again(const tunnel_ptr& from) {
  return changed(from, [](tunnel_config&) {});
}

/// Two tunnels, both in use: application 5001 with the first, 5002 with the second.
struct two_tunnels {
  world w;
  tunnel_ptr client_first = w.client().tunnel(), client_second = second_of(client_first);
  tunnel_ptr server_first = w.server().tunnel(), server_second = second_of(server_first);

  explicit two_tunnels(const world_options& options = {}) : w(options) {
    w.echo(5001, "first");
    w.server().reload({{again(server_first), server_second}, {}, ""});
    w.client().reload({{again(client_first), client_second}, {}, ""});
    w.run();
    BOOST_TEST_REQUIRE(w.client().listeners.size() == 2u);
    send_by_second("second");
    BOOST_TEST_REQUIRE(w.until([&] { return upstream_has("second"); }, 1s));
    w.trace.clear();
  }
  void send_by_second(const std::string& text) { w.client().app_sends(5002, text, 1); }
  bool upstream_has(const std::string& text) const {
    const auto got = w.upstream_got();
    return std::find(got.begin(), got.end(), text) != got.end();
  }
  std::size_t fins(bool from_client, std::uint16_t port) const {
    const auto all = w.sent_with(flag::fin, from_client);
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const traced& t) {
      return (from_client ? t.header.tuple.remote : t.header.tuple.local).port == port;
    }));
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(reload_test)

BOOST_AUTO_TEST_CASE(an_added_tunnel_works_and_the_others_are_not_touched) {
  two_tunnels t;
  BOOST_TEST(t.w.client().count(counter::sessions_opened) == 2u);
  BOOST_TEST(t.w.server().count(counter::sessions_opened) == 2u);
  t.w.echo(5001, "still");
  BOOST_TEST(t.w.client().count(counter::streams_opened) == 2u);
  BOOST_TEST(t.w.client().count(counter::streams_ended) == 0u);
  BOOST_TEST(t.w.sent_with(flag::fin, true).empty());
}

BOOST_AUTO_TEST_CASE(a_tunnel_removed_at_the_client_closes_by_fin_and_reads_no_more) {
  two_tunnels t;
  t.w.client().reload({{again(t.client_first)}, {}, ""});
  BOOST_TEST(t.w.until([&] { return t.w.server().count(counter::sessions_closed) == 1u; }, 20s));
  BOOST_TEST(t.fins(true, 444) >= 1u);
  BOOST_TEST(t.fins(true, 443) == 0u);
  t.send_by_second("late");
  t.w.pass(2s);
  BOOST_TEST(!t.upstream_has("late"));
  t.w.echo(5001, "first still");
  BOOST_TEST(t.w.client().count(counter::sessions_opened) == 2u);
}

BOOST_AUTO_TEST_CASE(a_removed_tunnel_has_its_rules_until_its_last_packets_are_out) {
  world_options o;
  o.client_rules = true;
  two_tunnels t{o};
  const auto ruled = [&](std::uint16_t port) {
    const auto& remotes = t.w.client().rules_made.back().plan.remotes;
    return std::any_of(remotes.begin(), remotes.end(),
                       [&](const auto& r) { return r.port == port; });
  };
  BOOST_TEST((ruled(443) && ruled(444)));
  // No FIN arrives, so that all repeats of it are sent.
  t.w.lose = [](const traced& p) { return p.has(flag::fin); };
  t.w.client().reload({{again(t.client_first)}, {}, ""});
  BOOST_TEST(!t.w.until([&] { return !ruled(444); }, 7500ms));
  const auto sent = t.fins(true, 444);
  BOOST_TEST(sent == 4u);
  BOOST_TEST(t.w.until([&] { return !ruled(444); }, 3s));
  BOOST_TEST(ruled(443));
  t.w.pass(1min);
  BOOST_TEST(t.fins(true, 444) == sent);
  // One that comes back meanwhile, or goes too, is none the worse for it.
  t.w.lose = nullptr;
  t.w.client().reload({{again(t.client_first), again(t.client_second)}, {}, ""});
  t.w.pass(1s);
  BOOST_TEST(ruled(444));
  t.w.client().reload({{again(t.client_first)}, {}, ""});
  t.w.pass(5s);
  t.w.client().reload({{again(t.client_second)}, {}, ""});
  t.w.pass(5s);
  BOOST_TEST((ruled(443) && ruled(444)));
  t.w.pass(10s);
  BOOST_TEST((!ruled(443) && ruled(444)));
}

BOOST_AUTO_TEST_CASE(a_tunnel_removed_at_the_server_closes_by_fin_and_refuses) {
  two_tunnels t;
  t.w.server().reload({{again(t.server_first)}, {}, ""});
  BOOST_TEST(t.w.until([&] { return t.w.client().count(counter::sessions_closed) == 1u; }, 20s));
  BOOST_TEST(t.fins(false, 444) >= 1u);
  t.w.trace.clear();
  t.send_by_second("late");
  t.w.pass(1s);
  const auto refused = t.w.sent_with(flag::rst, false);
  BOOST_TEST(!refused.empty());
  BOOST_TEST(!t.upstream_has("late"));
  t.w.echo(5001, "first still");
}

BOOST_AUTO_TEST_CASE(a_changed_tunnel_takes_over_the_sockets) {
  two_tunnels t;
  const auto other = changed(t.client_second, [](tunnel_config& c) { c.idle_timeout = 30s; });
  t.w.client().reload({{again(t.client_first), other}, {}, ""});
  t.w.run();
  BOOST_TEST(t.w.client().listeners.size() == 2u); // none was opened
  t.send_by_second("anew");
  BOOST_TEST(t.w.until([&] { return t.upstream_has("anew"); }, 2s));
  BOOST_TEST(t.w.client().count(counter::sessions_opened) == 3u);
  t.w.echo(5001, "first still");
  BOOST_TEST(t.w.client().count(counter::sessions_opened) == 3u);
}

BOOST_AUTO_TEST_CASE(a_changed_tunnel_of_the_server_serves_new_sessions_only) {
  two_tunnels t;
  const auto other = changed(t.server_second, [](tunnel_config& c) { c.upstream_ports = 2; });
  const auto before = t.w.server().upstreams.size();
  t.w.server().reload({{again(t.server_first), other}, {}, ""});
  BOOST_TEST(t.w.until([&] { return t.w.client().count(counter::sessions_closed) == 1u; }, 20s));
  t.send_by_second("anew");
  BOOST_TEST(t.w.until([&] { return t.upstream_has("anew"); }, 2s));
  BOOST_TEST(t.w.server().upstreams.size() == before + 2);
}

BOOST_AUTO_TEST_CASE(every_value_counts) {
  const auto one = std::make_shared<const tunnel_config>();
  const std::function<void(tunnel_config&)> changes[] = {
      [](tunnel_config& t) { t.name = "a"; },
      [](tunnel_config& t) { t.local_udp.port = 1; },
      [](tunnel_config& t) { t.local_port = 1; },
      [](tunnel_config& t) { t.remote.host = "a"; },
      [](tunnel_config& t) { t.remote.port = 1; },
      [](tunnel_config& t) { t.idle_timeout = 1s; },
      [](tunnel_config& t) { t.deadline = 1s; },
      [](tunnel_config& t) { t.wire = wire_choice::phantun; },
      [](tunnel_config& t) { t.streams = 2; },
      [](tunnel_config& t) { t.upstream_ports = 2; },
      [](tunnel_config& t) { t.accept_native = false; },
      [](tunnel_config& t) { t.accept_legacy = true; },
      [](tunnel_config& t) {
        t.handshake_packet = std::make_shared<const std::vector<std::uint8_t>>(1);
      },
      [](tunnel_config& t) { t.cipher = std::make_shared<const protocol::xor_cipher>("a"); },
  };
  BOOST_TEST(same(*one, *again(one)));
  for (const auto& change : changes) {
    const auto other = changed(one, change);
    BOOST_TEST(!same(*one, *other));
    BOOST_TEST(same(*other, *changed(one, change)));
  }
}

BOOST_AUTO_TEST_CASE(what_is_wrong_changes_nothing) {
  two_tunnels t;
  const log_tail log;
  t.w.client().reload({{}, {"a.conf:1: mtu 5: must be 576 to 65535"}, ""});
  t.w.run();
  BOOST_TEST(log.matching("a.conf:1: mtu 5") == 1u);
  BOOST_TEST(log.matching("stays as it was") == 1u);
  t.w.client().listen_fails = true;
  const auto third = changed(t.client_first, [](tunnel_config& c) {
    c.name = "third";
    c.local_udp.port = 3;
  });
  t.w.client().reload({{third}, {}, ""});
  t.w.run();
  BOOST_TEST(log.matching("stays as it was") == 2u);
  t.w.echo(5001, "first still");
  t.send_by_second("second still");
  BOOST_TEST(t.w.until([&] { return t.upstream_has("second still"); }, 1s));
  BOOST_TEST(t.w.client().count(counter::sessions_opened) == 2u);
}

BOOST_AUTO_TEST_CASE(a_listener_that_fails_takes_no_session_along) {
  two_tunnels t;
  t.w.client().listeners[1]->receive_fails = true;
  t.send_by_second("x");
  t.w.run();
  t.w.echo(5001, "first still");
  t.w.pass(20ms);
  t.send_by_second("again");
  BOOST_TEST(t.w.until([&] { return t.upstream_has("again"); }, 2s));
  BOOST_TEST(t.w.client().count(counter::sessions_opened) == 2u);
  BOOST_TEST(t.w.client().count(counter::sessions_closed) == 0u);
}

BOOST_AUTO_TEST_CASE(what_only_a_restart_changes_is_named) {
  world w;
  const log_tail log;
  w.client().reload({{again(w.client().tunnel())}, {}, "mtu, tun-queues"});
  w.run();
  BOOST_TEST(log.matching("restart brings it into effect: mtu, tun-queues") == 1u);
}

BOOST_AUTO_TEST_CASE(a_reload_says_which_options_of_which_tunnel_have_changed) {
  two_tunnels t;
  const log_tail log;
  const auto other = changed(t.client_second, [](tunnel_config& c) {
    c.idle_timeout = 30s;
    c.cipher = std::make_shared<const protocol::xor_cipher>("key");
  });
  t.w.client().reload({{again(t.client_first), other}, {}, ""});
  t.w.run();
  BOOST_TEST(log.matching("that go on: 1; tunnel second: changed: idle-timeout, encryption") == 1u);
}

BOOST_AUTO_TEST_CASE(every_option_of_a_tunnel_is_named_where_it_changes) {
  const tunnel_config one;
  auto other = one;
  BOOST_TEST(changed_options(one, other).empty());
  other.local_port = 1;
  other.remote.host = "a";
  other.accept_legacy = true;
  other.streams = 2;
  other.deadline = 1s;
  other.wire = wire_choice::native;
  BOOST_TEST(changed_options(one, other) ==
             "local, remote, wire, tcp-connections, accept, deadline");
}

BOOST_AUTO_TEST_CASE(all_that_keeps_a_reload_from_working_is_said) {
  two_tunnels t;
  const log_tail log;
  t.w.client().listen_fails = true;
  const auto at_port = [&](const char* name, std::uint16_t port) {
    return changed(t.client_first, [&](tunnel_config& c) {
      c.name = name;
      c.local_udp.port = port;
    });
  };
  t.w.client().reload({{again(t.client_first), at_port("third", 3), at_port("fourth", 4)}, {}, ""});
  t.w.run();
  BOOST_TEST(log.matching("tunnel third: cannot listen on ") == 1u);
  BOOST_TEST(log.matching("tunnel fourth: cannot listen on ") == 1u);
  BOOST_TEST(log.matching("the configuration stays as it was") == 1u);
}

BOOST_AUTO_TEST_CASE(who_is_not_allowed_any_more_is_closed_and_then_gets_no_answer) {
  two_tunnels t;
  const auto allowing = [&](const char* net) {
    return changed(t.server_first,
                   [&](tunnel_config& c) { c.allow = {*protocol::ip_net::parse(net)}; });
  };
  auto& server = t.w.server();
  server.reload({{allowing("203.0.113.0/24"), again(t.server_second)}, {}, ""});
  BOOST_TEST(t.w.until([&] { return t.w.client().count(counter::sessions_closed) == 1u; }, 20s));
  BOOST_TEST(t.fins(false, 443) >= 1u);
  t.w.pass(10s);
  t.w.trace.clear();
  t.w.client().app_sends(5001, "unwanted", 0);
  t.w.pass(5s);
  BOOST_TEST(server.count(protocol::errc::not_allowed) >= 2u);
  for (const auto& p : t.w.trace)
    BOOST_TEST((p.from_client || p.header.tuple.local.port != 443), "an answer");
  BOOST_TEST(!t.upstream_has("unwanted"));
  t.send_by_second("others go on");
  BOOST_TEST(t.w.until([&] { return t.upstream_has("others go on"); }, 1s));

  // Its turn comes again with the next reload.
  server.reload({{allowing("0.0.0.0/0"), again(t.server_second)}, {}, ""});
  t.w.pass(60s);
  t.w.client().app_sends(5001, "welcome", 0);
  BOOST_TEST(t.w.until([&] { return t.upstream_has("welcome"); }, 40s));
}

BOOST_AUTO_TEST_SUITE_END()
