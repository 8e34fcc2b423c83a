#include "protocol/xor_cipher.hpp"
#include "tests/unit/actors/legacy_hosts.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <csignal>
#include <memory>
#include <set>
#include <stdexcept>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = protocol::flag;

namespace {

using texts = std::vector<std::string>;
using options = older_client::options;

constexpr std::size_t connections = 4;

options phantun(std::uint8_t address = 7, std::uint16_t port = 40'000) {
  options o;
  o.phantun = true;
  o.address = address;
  o.port = port;
  return o;
}

options tonel_061(int n = 1, std::uint8_t address = 8, std::uint16_t port = 41'000) {
  options o;
  o.connections = n;
  o.address = address;
  o.port = port;
  return o;
}

void upstream_sends(world& w, std::size_t socket, const std::string& text) {
  w.server().upstreams.at(socket)->memory.push({}, bytes_of(text));
  w.run();
}

std::uint16_t client_port(const traced& t) {
  return t.from_client ? t.header.tuple.local.port : t.header.tuple.remote.port;
}

/// Each connection has a queue of its own, as the kernel may deal them out.
std::size_t queue_by_port(const traced& t) { return client_port(t) % connections; }

world_options four_shards() {
  world_options o;
  o.server_shards = connections;
  return o;
}

} // namespace

BOOST_AUTO_TEST_SUITE(legacy_server_test)

BOOST_AUTO_TEST_CASE(phantuns_client_is_served_from_its_first_datagram_on) {
  world w;
  older_client c{w, phantun()};
  c.app_sends("one");
  BOOST_TEST(w.upstream_got() == texts{"one"}, boost::test_tools::per_element());
  upstream_sends(w, 0, "re:one");
  c.app_sends("two");
  BOOST_TEST(c.got == texts{"re:one"}, boost::test_tools::per_element());
  BOOST_TEST(w.upstream_got().size() == 2u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
  // Nothing of ours has a PSH, or options but those of its SYN-ACK.
  BOOST_TEST(w.sent_with(flag::psh, false).empty());
}

BOOST_AUTO_TEST_CASE(tonels_client_is_served_and_its_probes_are_answered) {
  world w;
  older_client c{w, tonel_061()};
  c.open();
  for (int minute = 0; minute < 5; ++minute) {
    for (int n = 0; n < 6; ++n) {
      c.app_sends("up");
      upstream_sends(w, 0, "down");
      w.pass(10s);
    }
  }
  BOOST_TEST(w.upstream_got().size() == 30u);
  BOOST_TEST(c.got.size() == 30u);
  BOOST_TEST(c.program.reconnects() == 0u);
  BOOST_TEST(w.server().count(counter::streams_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(a_handshake_alone_costs_no_socket) {
  world w;
  older_client c{w, tonel_061(2)};
  c.open();
  BOOST_TEST(w.server().count(counter::streams_opened) == 2u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 0u);
  BOOST_TEST(w.server().upstreams.empty());
  c.app_sends("first");
  c.app_sends("second");
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_comes_before_the_socket_is_open_keeps_its_order) {
  world w;
  older_client c{w, tonel_061()};
  c.open();
  texts sent;
  for (int n = 0; n < 200; ++n) { // several wake-ups' worth
    sent.push_back(std::string(static_cast<std::size_t>(n * 31 % 200 + 1), 'x'));
    c.program.submit(bytes_of(sent.back()), w.now);
  }
  w.run();
  BOOST_TEST(w.upstream_got() == sent, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(joins_on_any_queue_make_one_session) {
  for (std::uint16_t port = 41'000; port < 41'000 + connections; ++port) {
    world w{four_shards()};
    w.queue_of = queue_by_port;
    older_client c{w, tonel_061(connections, 8, port)};
    c.open();
    BOOST_TEST(c.program.live() == connections);
    for (int n = 0; n < 8; ++n)
      c.app_sends("up");
    BOOST_TEST(w.upstream_got().size() == 8u);
    BOOST_TEST(w.server().upstreams.size() == 1u);
    BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
    BOOST_TEST(w.server().count(counter::streams_opened) == connections);
    w.trace.clear();
    for (int n = 0; n < 8; ++n)
      upstream_sends(w, 0, "down");
    BOOST_TEST(c.got.size() == 8u);
    std::set<std::uint16_t> used;
    for (const auto& t : w.trace)
      if (!t.from_client && !t.payload.empty()) used.insert(client_port(t));
    BOOST_TEST(used.size() == connections);
    BOOST_TEST(c.program.reconnects() == 0u);
  }
}

BOOST_AUTO_TEST_CASE(a_join_that_overtakes_its_group_waits_for_it) {
  world w;
  raw_host h{w, 9};
  // The token as the first connection will have it, from a SYN whose third ACK is late.
  h.send(41'000, flag::syn, 0, 0);
  const auto token = h.got.front().seq.raw;
  h.got.clear();
  h.send(41'001, flag::syn, token, 0);
  BOOST_TEST(h.got.empty());
  w.pass(50ms);
  h.send(41'000, flag::ack, 1, token + 1);
  w.pass(50ms);
  const auto answer = std::find_if(h.got.begin(), h.got.end(), [](const auto& s) {
    return s.tuple.local.port == 41'001 && s.has(flag::syn);
  });
  BOOST_TEST((answer != h.got.end()));
  // One whose group never comes is refused.
  h.got.clear();
  h.send(41'002, flag::syn, token == 5 ? 6 : 5, 0);
  BOOST_TEST(!h.refused());
  w.pass(300ms);
  BOOST_TEST(h.refused());
}

BOOST_AUTO_TEST_CASE(what_proves_a_handshake_twice_on_two_queues_makes_one_session) {
  for (const std::size_t first : {0u, 1u}) {
    world w{four_shards()};
    older_client c{w, phantun()};
    std::size_t packets = 0;
    // The third ACK here, the first datagram there, before either knows of the other.
    w.queue_of = [&](const traced& t) -> std::size_t {
      if (!t.from_client) return 0;
      return packets++ % 2 == 0 ? first : 1 - first;
    };
    c.app_sends("one");
    c.app_sends("two");
    c.app_sends("three");
    BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
    BOOST_TEST(w.server().count(counter::streams_opened) == 1u);
    BOOST_TEST(w.server().upstreams.size() == 1u);
    BOOST_TEST(w.upstream_got().size() == 3u);
    BOOST_TEST(c.resets == 0);
    BOOST_TEST(w.server().groups().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(datagrams_are_xored_both_ways) {
  world_options o;
  o.key = "secret";
  world w{o};
  const protocol::xor_cipher cipher{"secret"};
  const auto xored = [&](std::string text) {
    cipher.apply({reinterpret_cast<std::uint8_t*>(text.data()), text.size()},
                 static_cast<std::uint32_t>(text.size()));
    return text;
  };
  older_client c{w, tonel_061(2)};
  c.open();
  c.app_sends(xored("up, in clear at the upstream"));
  c.app_sends(xored("once more"));
  BOOST_TEST(w.upstream_got() == (texts{"up, in clear at the upstream", "once more"}),
             boost::test_tools::per_element());
  upstream_sends(w, 0, "down");
  BOOST_TEST(c.got == texts{xored("down")}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(handshake_packets_reach_no_application) {
  world_options o;
  o.server_packet = "HTTP/1.1 200 OK";
  o.key = "secret";
  world w{o};
  auto how = tonel_061(2);
  how.packet = "GET / HTTP/1.1";
  older_client c{w, how};
  // With handshake packets tonel sends its first datagram too, but never XORed.
  c.app_sends("first");
  w.pass(1s);
  BOOST_TEST(w.upstream_got().size() == 1u);
  BOOST_TEST(w.upstream_got().front().size() == 5u);
  BOOST_TEST(c.got.empty());
  upstream_sends(w, 0, "down");
  BOOST_TEST(c.got.size() == 1u);
  BOOST_TEST(c.got.front().size() == 4u);
  // In clear on the wire.
  std::size_t seen = 0;
  for (const auto& t : w.trace)
    if (!t.from_client && t.payload == bytes_of(o.server_packet)) ++seen;
  BOOST_TEST(seen >= 2u);
}

BOOST_AUTO_TEST_CASE(clients_of_all_kinds_share_a_port) {
  world_options o = four_shards();
  o.streams = 2;
  world w{o};
  older_client old_tonel{w, tonel_061(2)};
  older_client old_phantun{w, phantun()};
  w.echo(5001, "native");
  old_tonel.open();
  old_tonel.app_sends("tonel");
  old_phantun.app_sends("phantun");
  w.echo(5002, "native, too");
  BOOST_TEST_REQUIRE(w.server().upstreams.size() == 4u);
  for (std::size_t i = 0; i < 4; ++i)
    upstream_sends(w, i, "to " + w.server().upstreams[i]->texts().front());
  BOOST_TEST(old_tonel.got == texts{"to tonel"}, boost::test_tools::per_element());
  BOOST_TEST(old_phantun.got == texts{"to phantun"}, boost::test_tools::per_element());
  BOOST_TEST(w.client().app_got(5001).back() == "to native");
  BOOST_TEST(w.client().app_got(5002).back() == "to native, too");
  w.pass(60s);
  w.echo(5001, "still there");
}

BOOST_AUTO_TEST_CASE(who_is_not_accepted_is_refused_by_rst) {
  const log_tail log;
  world_options o;
  o.accept_legacy = false;
  {
    world w{o};
    raw_host h{w, 9};
    h.send(41'000, flag::syn, 0, 0);
    BOOST_TEST(h.refused());
    h.send(41'001, flag::syn, 7, 0);
    BOOST_TEST(h.got.size() == 2u);
    w.echo(5001, "native");
    // The first of them is worth a line, with what lets it in.
    BOOST_TEST(log.matching("--accept native,legacy") == 1u);
    BOOST_TEST(log.matching("198.51.100.9:41000, was refused at port 443") == 1u);
  }
  o.accept_legacy = true;
  o.accept_native = false;
  o.wire = actors::wire_choice::
      native; // one that looks for what is served would come in as an older one
  {
    world w{o};
    older_client c{w, phantun()};
    c.app_sends("x");
    BOOST_TEST(w.upstream_got().size() == 1u);
    w.client().app_sends(5001, "x");
    w.run();
    BOOST_TEST(!w.sent_with(flag::rst, false).empty());
    BOOST_TEST(w.client().count(counter::streams_opened) == 0u);
  }
}

BOOST_AUTO_TEST_CASE(the_upstream_says_little_to_a_client_that_acknowledges_nothing) {
  world w;
  raw_host h{w, 9};
  const auto token = h.open(41'000);
  BOOST_REQUIRE(token != 0u);
  h.send(41'000, flag::ack, 1, token + 1u, std::string(100, 'x'));
  BOOST_TEST_REQUIRE(w.server().upstreams.size() == 1u);
  h.got.clear();
  for (int i = 0; i < 50; ++i) {
    upstream_sends(w, 0, std::string(200, 'y')); // 240 octets each, of 3 * (40 + 140)
    h.send(41'000, flag::ack, 101, 0, std::string(1'000, 'x')); // a forged ack earns nothing
  }
  BOOST_TEST(h.got.size() == 2u);
  BOOST_TEST(w.server().count(protocol::errc::unacknowledged) == 48u);
  h.send(41'000, flag::ack, 101, token + 1u + 400, "I see");
  upstream_sends(w, 0, std::string(1'400, 'y'));
  BOOST_TEST(h.got.size() == 3u);
}

BOOST_AUTO_TEST_CASE(an_address_has_64_groups_and_the_next_is_refused) {
  world w;
  const log_tail log;
  raw_host h{w, 9};
  std::vector<std::uint16_t> tokens;
  std::uint16_t port = 41'000;
  // A port whose token another has is refused at the SYN; its client would take the next.
  for (; tokens.size() < 64 && port < 42'000; ++port)
    if (const auto token = h.open(port); token != 0) tokens.push_back(token);
  BOOST_TEST_REQUIRE(w.server().groups().size() == 64u);
  BOOST_TEST(!h.refused());
  const auto opened = w.server().count(counter::sessions_opened);
  BOOST_TEST(h.open(port) != 0u);
  BOOST_TEST(h.refused());
  BOOST_TEST(w.server().count(counter::sessions_opened) == opened);
  BOOST_TEST(w.server().count(counter::session_refused) == 1u);
  const auto* line =
      "198.51.100.9 has 64 sessions of older clients, as many as an address may have";
  BOOST_TEST(log.matching(line) == 1u);
  h.open(static_cast<std::uint16_t>(port + 2));
  BOOST_TEST(log.matching(line) == 1u);
  w.pass(1min);
  h.open(static_cast<std::uint16_t>(port + 3));
  BOOST_TEST(log.matching(line) == 2u);
  // A datagram proves no less, and is refused, too.
  raw_host other{w, 10};
  BOOST_TEST(other.open(41'000) != 0u);
  BOOST_TEST(!other.refused());
  // One that ends makes room.
  h.send(41'000, flag::rst, 1, tokens.front() + 1u);
  BOOST_TEST(w.server().groups().size() == 64u);
  BOOST_TEST(h.open(static_cast<std::uint16_t>(port + 1)) != 0u);
  BOOST_TEST(!h.refused());
}

BOOST_AUTO_TEST_CASE(the_limits_on_sessions_hold) {
  world_options o;
  o.server_bounds.max_sessions_per_source = 1;
  world w{o};
  older_client c{w, phantun()};
  c.app_sends("a");
  older_client other{w, phantun(10)};
  other.app_sends("b");
  BOOST_TEST(w.upstream_got().size() == 2u);
  raw_host h{w, 11};
  h.open(41'000);
  BOOST_TEST(!h.refused());
  h.open(41'001); // displaces the one before, which has carried nothing
  BOOST_TEST(w.server().count(counter::sessions_displaced) == 1u);
  BOOST_TEST(w.server().groups().size() == 3u);
}

BOOST_AUTO_TEST_CASE(without_a_socket_the_session_is_refused) {
  world w;
  log_tail log;
  w.server().instead_of_upstream = []() -> sys::result<std::shared_ptr<sys::datagram_socket>> {
    return unexpected{sys::os_error{EMFILE, "socket", {}}};
  };
  older_client c{w, phantun()};
  c.app_sends("lost");
  BOOST_TEST(c.resets == 1);
  BOOST_TEST(c.program.live() == 0u);
  BOOST_TEST(w.server().count(counter::session_refused) == 1u);
  BOOST_TEST(w.server().groups().size() == 0u);
  c.app_sends("lost, too");
  BOOST_TEST(log.matching("for want of a UDP socket") == 1u);
  w.server().instead_of_upstream = nullptr;
  c.app_sends("carried");
  BOOST_TEST(w.upstream_got() == texts{"carried"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_session_ends_with_its_last_connection_and_frees_its_token) {
  world w;
  raw_host h{w, 9};
  const auto token = h.open(41'000);
  w.pass(50ms);
  const auto joined = h.open(41'001, token);
  h.send(41'000, flag::ack, 1, token + 1u, "a");
  BOOST_TEST_REQUIRE(w.server().count(counter::streams_opened) == 2u);
  // The first one's end is not the group's: others may join.
  h.send(41'000, flag::rst, 2, 0);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 0u);
  BOOST_TEST(h.open(41'002, token) != 0u);
  BOOST_TEST(w.server().count(counter::streams_opened) == 3u);
  h.send(41'001, flag::ack, token + 1u, joined + 1u, "b");
  BOOST_TEST(w.server().upstreams.size() == 1u);
  h.send(41'001, flag::rst, token + 2u, 0);
  h.send(41'002, flag::rst, token + 1u, 0);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
  BOOST_TEST(w.server().groups().size() == 0u);
  BOOST_TEST(w.server().actors_running() == 3u); // root, shard, tun_queue
  h.got.clear();
  h.send(41'003, flag::syn, token, 0);
  w.pass(1s);
  BOOST_TEST(h.refused());
}

BOOST_AUTO_TEST_CASE(an_idle_session_is_closed_by_rst_and_its_socket_at_once) {
  world_options o;
  o.idle_timeout = 60s;
  world w{o};
  older_client c{w, phantun()};
  c.app_sends("a");
  std::weak_ptr<test::socket> upstream = w.server().upstreams[0];
  w.server().upstreams.clear();
  w.pass(59s);
  BOOST_TEST(!upstream.expired());
  w.pass(2s);
  BOOST_TEST(c.resets == 1);
  BOOST_TEST(upstream.expired());
  BOOST_TEST(w.server().groups().size() == 0u);
  // What was closed is remembered, without a way back in.
  BOOST_TEST(w.server().count(counter::sessions_closed) == 0u);
  w.pass(3min);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
  c.app_sends("b");
  BOOST_TEST(w.upstream_got() == texts{"b"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_tonel_client_that_vanishes_is_found_dead) {
  world w;
  older_client c{w, tonel_061(2)};
  c.open();
  c.app_sends("a");
  w.pass(7s); // it has probed
  c.alive = false;
  upstream_sends(w, 0, "unheard");
  upstream_sends(w, 0, "unheard");
  w.pass(40s);
  BOOST_TEST(w.server().groups().size() == 0u);
  BOOST_TEST(w.server().count(counter::streams_ended) == 2u);
  w.pass(3min);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
}

BOOST_AUTO_TEST_CASE(a_client_that_starts_anew_from_the_same_port_has_a_session_of_its_own) {
  for (const bool is_phantun : {true, false}) {
    world w{four_shards()};
    older_client c{w, is_phantun ? phantun() : tonel_061(2)};
    if (!is_phantun) c.open();
    c.app_sends("a");
    c.app_sends("b");
    BOOST_TEST(w.server().upstreams.size() == 1u);
    w.pass(10s);
    c.program.restart();
    c.program.set_port(is_phantun ? 40'000 : 41'000);
    c.open();
    for (int n = 0; n < 6; ++n) {
      c.app_sends("c");
      w.pass(1s);
    }
    BOOST_TEST_REQUIRE(w.server().upstreams.size() == 2u, (is_phantun ? "phantun" : "tonel"));
    BOOST_TEST(w.server().upstreams[1]->texts().size() >= 4u);
    c.got.clear();
    upstream_sends(w, 1, "down");
    BOOST_TEST(c.got == texts{"down"}, boost::test_tools::per_element());
  }
}

BOOST_AUTO_TEST_CASE(faults_end_the_session_and_free_its_token) {
  { // In the session itself.
    world w;
    w.server().instead_of_upstream = []() -> sys::result<std::shared_ptr<sys::datagram_socket>> {
      throw std::runtime_error("a socket that throws");
    };
    older_client c{w, phantun()};
    c.app_sends("a");
    BOOST_TEST(w.server().count(counter::streams_ended) == 1u);
    BOOST_TEST(w.server().groups().size() == 0u);
    BOOST_TEST(c.resets == 1);
    w.server().instead_of_upstream = nullptr;
    c.app_sends("b");
    BOOST_TEST(w.upstream_got() == texts{"b"}, boost::test_tools::per_element());
  }
  { // In its only stream.
    world w;
    older_client c{w, phantun()};
    c.app_sends("a");
    upstream_sends(w, 0, "down");
    c.app_sends("tonel-fault:server-stream");
    BOOST_TEST(w.server().count(counter::streams_failed) == 1u);
    BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
    BOOST_TEST(w.server().groups().size() == 0u);
    BOOST_TEST(c.resets == 1);
    c.app_sends("b");
    BOOST_TEST(w.upstream_got() == (texts{"a", "b"}), boost::test_tools::per_element());
  }
  { // In the endpoint: the session lives on.
    world w;
    older_client c{w, tonel_061(2)};
    c.open();
    c.app_sends("a");
    c.app_sends("tonel-fault:endpoint");
    c.app_sends("b");
    upstream_sends(w, 0, "down");
    BOOST_TEST(w.upstream_got() == (texts{"a", "b"}), boost::test_tools::per_element());
    BOOST_TEST(c.got == texts{"down"}, boost::test_tools::per_element());
    BOOST_TEST(w.server().upstreams.size() == 1u);
    BOOST_TEST(w.server().groups().size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(at_its_deadline_a_connection_is_reset_and_the_client_comes_back) {
  world_options o;
  o.server_deadline = 30s;
  world w{o};
  older_client c{w, phantun()};
  for (int n = 0; n < 100; ++n) {
    c.app_sends("up");
    w.pass(1s);
  }
  BOOST_TEST(c.resets == 3);
  BOOST_TEST(w.upstream_got().size() == 100u);
  BOOST_TEST(w.server().upstreams.size() == 4u);
  BOOST_TEST(w.server().groups().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_restarted_server_is_found_again) {
  world w;
  older_client c{w, tonel_061(2)};
  older_client p{w, phantun()};
  c.open();
  c.app_sends("a");
  p.app_sends("a");
  w.restart_server();
  c.app_sends("draws a RST");
  p.app_sends("draws a RST");
  c.open();
  c.app_sends("b");
  p.app_sends("b");
  BOOST_TEST(w.upstream_got() == (texts{"b", "b"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_server_that_stops_resets_its_clients_and_ends_at_once) {
  world w;
  older_client c{w, tonel_061(2)};
  c.open();
  c.app_sends("a");
  const auto asked = w.now;
  w.server().signal(SIGTERM);
  BOOST_TEST(w.until([&] { return w.server().ended(); }, 5s));
  BOOST_TEST((w.now - asked <= 100ms));
  BOOST_TEST(c.resets >= 1);
  BOOST_TEST(w.server().groups().size() == 0u);
}

BOOST_AUTO_TEST_CASE(a_reload_ends_the_sessions_of_a_changed_tunnel_and_minds_who_is_accepted) {
  const auto changed = [](world& w, bool older) {
    auto copy = *w.server().tunnel();
    copy.accept_legacy = older;
    copy.idle_timeout = 60s;
    return std::make_shared<const actors::tunnel_config>(std::move(copy));
  };
  for (const bool older : {true, false}) {
    world w;
    older_client before{w, phantun()};
    before.app_sends("one");
    BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
    w.server().reload({{changed(w, older)}, {}, ""});
    BOOST_TEST(w.until([&] { return before.resets == 1; }, 1s));
    BOOST_TEST(w.server().groups().size() == 0u);
    older_client after{w, phantun(8)};
    after.app_sends("two");
    BOOST_TEST(w.upstream_got().size() == (older ? 2u : 1u));
    BOOST_TEST((after.resets != 0) == !older);
  }
}

BOOST_AUTO_TEST_SUITE_END()
