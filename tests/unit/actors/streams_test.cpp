#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <set>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = protocol::flag;

namespace {

constexpr std::size_t streams = 4;

/// A session of four streams, all open and greeted.
struct four_streams : world {
  explicit four_streams(world_options o = {})
      : world([&] {
          o.streams = streams;
          return o;
        }()) {
    echo(5001, "first");
    pass(100ms);
    BOOST_TEST_REQUIRE(server().count(counter::streams_opened) == streams);
    BOOST_TEST_REQUIRE(server().count(counter::sessions_opened) == 1u);
    trace.clear();
    for (auto& u : server().upstreams)
      u->memory.sent.clear();
  }
  /// The client's ports of what carried octets in that direction.
  std::vector<std::uint16_t> ports(bool from_client) const {
    std::vector<std::uint16_t> out;
    for (const auto& t : trace)
      if (t.from_client == from_client && !t.payload.empty()) out.push_back(client_port(t));
    return out;
  }
  static std::uint16_t client_port(const traced& t) {
    const auto& tuple = t.header.tuple;
    return t.from_client ? tuple.local.port : tuple.remote.port;
  }
  /// One wake-up's datagrams.
  void send(const std::string& text) {
    client().app_sends(5001, text);
    run();
  }
};

/// The clients' hellos among what was traced.
std::vector<octets> hellos_of(const world& w) {
  std::vector<octets> out;
  for (const auto& t : w.trace)
    if (t.from_client && !t.lost && protocol::parse_hello(t.payload)) out.push_back(t.payload);
  return out;
}

/// Another host, which speaks TCP and puts what it has copied where a hello belongs.
struct stranger final : host {
  explicit stranger(world& in) : w(in) { w.attach(address, *this); }
  ~stranger() override { w.detach(*this); }

  /// The flags of what answers that hello on a new connection.
  std::uint8_t says(const octets& hello) {
    segment s;
    s.header.tuple = {{address, ++port}, {protocol::ip_address::v4(192, 168, 201, 2), 443}};
    s.header.seq = {70'000};
    s.header.flags = flag::syn;
    s.header.mss = 1'460;
    w.send(s);
    w.run();
    BOOST_TEST_REQUIRE((last.flags == (flag::syn | flag::ack)));
    s.header.mss = 0;
    s.header.seq = s.header.seq + 1;
    s.header.ack = last.seq + 1;
    s.header.flags = flag::ack | flag::psh;
    s.payload = hello;
    s.datagram_size = static_cast<std::uint32_t>(hello.size());
    w.send(s);
    w.run();
    return last.flags & flag::rst;
  }
  void receive(const segment& s) override {
    last = s.header;
    if (!s.payload.empty()) ++got;
  }
  void on_timer() override {}
  std::optional<protocol::time_point> deadline() const override { return std::nullopt; }

  world& w;
  protocol::ip_address address = protocol::ip_address::v4(198, 51, 100, 66);
  std::uint16_t port = 30'000;
  protocol::segment_header last;
  std::size_t got = 0;
};

/// What a client sees of a server that sees a proxy.
struct behind_a_proxy final : stand_in {
  explicit behind_a_proxy(world& in) : w(in) {}
  void receive(const protocol::segment_repr& in, const octets& payload) override {
    protocol::segment_header out;
    out.tuple = in.tuple;
    out.seq = {90'000};
    out.ack = in.end();
    out.flags = flag::syn | flag::ack;
    out.mss = 1'460;
    if (in.has(flag::syn)) return w.answer(out, {});
    const auto hello = protocol::parse_hello(payload);
    if (!hello) return;
    auto ours = *hello;
    ours.introduces = false;
    ours.tcp_ends = true;
    const auto said = protocol::encode_hello(ours, hello->secret);
    out.mss = 0;
    out.seq = out.seq + 1;
    out.flags = flag::psh | flag::ack;
    w.answer(out, {said.begin(), said.end()});
  }
  world& w;
};

std::size_t distinct(const std::vector<std::uint16_t>& ports) {
  return std::set<std::uint16_t>{ports.begin(), ports.end()}.size();
}

} // namespace

BOOST_AUTO_TEST_SUITE(streams_test)

BOOST_AUTO_TEST_CASE(whole_runs_are_spread_and_stay_in_order) {
  four_streams w;
  std::vector<std::string> sent;
  for (char burst = 'a'; burst < 'i'; ++burst) {
    for (char n = '0'; n <= '9'; ++n) {
      sent.push_back(std::string(500, burst) + n);
      w.client().app_sends(5001, sent.back());
    }
    w.run();
  }
  // Ten datagrams of a wake-up make one run, on one stream.
  const auto ports = w.ports(true);
  BOOST_TEST(ports.size() == 8u);
  BOOST_TEST(distinct(ports) == streams);
  for (const auto& t : w.trace)
    if (!t.payload.empty()) BOOST_TEST(t.payload.size() == 5'010u);
  // Nothing is lost, and here, where all paths are alike, nothing overtakes.
  BOOST_TEST(w.upstream_got() == sent, boost::test_tools::per_element());
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_wake_up_of_many_sizes_goes_to_one_stream_in_order) {
  four_streams w;
  std::vector<std::string> sent;
  for (std::size_t n = 1; n <= 20; ++n) {
    sent.push_back(std::string(n * 37 % 700 + 1, 'x'));
    w.client().app_sends(5001, sent.back());
  }
  w.run();
  BOOST_TEST(distinct(w.ports(true)) == 1u);
  BOOST_TEST(w.upstream_got() == sent, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(replies_are_spread_over_the_streams) {
  four_streams w;
  for (char c = 'a'; c < 'i'; ++c) {
    w.server().upstreams[0]->memory.push({}, bytes_of(std::string(100, c)));
    w.run();
  }
  BOOST_TEST(distinct(w.ports(false)) == streams);
  BOOST_TEST(w.client().app_got(5001).size() == 9u);
}

BOOST_AUTO_TEST_CASE(a_copied_hello_takes_nothing) {
  world_options o;
  o.streams = 2;
  world w{o};
  w.echo(5001, "first");
  w.pass(100ms);
  auto copied = hellos_of(w); // both introduce: neither was answered when they went
  // One of a stream that takes another's place joins, without the secret.
  w.trace.clear();
  w.client().app_sends(5001, "tonel-fault:client-stream");
  w.pass(1s);
  w.echo(5001, "second");
  const auto joined = hellos_of(w);
  BOOST_TEST_REQUIRE(joined.size() == 1u);
  BOOST_TEST(!protocol::parse_hello(joined.front())->introduces);
  copied.insert(copied.end(), joined.begin(), joined.end());
  BOOST_TEST_REQUIRE(copied.size() == 3u);

  stranger thief{w};
  const auto streams_before = w.server().count(counter::streams_opened);
  for (const auto& hello : copied)
    BOOST_TEST(thief.says(hello) == flag::rst);
  BOOST_TEST(w.server().count(protocol::errc::replayed_hello) == 3u);
  // Nor does one that was changed, by whoever does not know the secret.
  auto changed = joined.front();
  ++changed[35]; // the counter
  BOOST_TEST(thief.says(changed) == flag::rst);
  auto larger = joined.front();
  larger[11] = 3; // another stream
  larger[10] = 2;
  BOOST_TEST(thief.says(larger) == flag::rst);
  BOOST_TEST(w.server().count(protocol::errc::bad_hello) == 2u);
  // One of no session, which does not introduce any.
  auto unknown = joined.front();
  ++unknown[20];
  BOOST_TEST(thief.says(unknown) == flag::rst);
  BOOST_TEST(w.server().count(protocol::errc::no_session) == 1u);

  BOOST_TEST(w.server().count(counter::streams_opened) == streams_before);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
  BOOST_TEST(w.server().count(counter::sessions_moved) == 0u);
  w.trace.clear();
  for (int n = 0; n < 20; ++n) {
    w.server().upstreams[0]->memory.push({}, bytes_of("down"));
    w.pass(200ms);
  }
  BOOST_TEST(thief.got == 0u);
  BOOST_TEST(w.client().app_got(5001).size() == 22u);
}

BOOST_AUTO_TEST_CASE(a_session_that_moves_to_another_address_says_so) {
  world w;
  w.echo(5001, "first");
  // The client itself, from another address: it knows the secret.
  auto hello = *protocol::parse_hello(hellos_of(w).front());
  ++hello.counter;
  hello.introduces = false;
  const auto signed_by_it = protocol::encode_hello(hello, hello.secret);
  stranger moved{w};
  const log_tail log;
  BOOST_TEST(moved.says({signed_by_it.begin(), signed_by_it.end()}) != flag::rst);
  BOOST_TEST(w.server().count(counter::sessions_moved) == 1u);
  BOOST_TEST(log.matching("its client now comes from 198.51.100.66") == 1u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(all_streams_come_back_to_a_restarted_server_at_once) {
  four_streams w;
  w.restart_server();
  w.trace.clear();
  for (char c = 'a'; c < 'e'; ++c)
    w.send(std::string(10, c)); // each stream's draws a RST
  w.pass(100ms);
  BOOST_TEST(w.server().count(counter::streams_opened) == streams);
  BOOST_TEST(w.server().count(protocol::errc::no_session) == 0u);
  w.echo(5001, "again");
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(a_dead_stream_is_replaced_and_the_others_are_not_touched) {
  four_streams w;
  for (char c = 'a'; c < 'e'; ++c)
    w.send(std::string(10, c));
  const auto before = w.ports(true);
  BOOST_TEST_REQUIRE(distinct(before) == streams);
  const auto dead = before.front();
  w.lose = [&](const traced& t) { return four_streams::client_port(t) == dead; };
  w.trace.clear();
  const auto busy = [&](auto until) {
    return w.until(
        [&] {
          w.send("x");
          return until();
        },
        20s);
  };
  BOOST_TEST(busy([&] { return w.client().count(counter::streams_opened) == streams + 1; }));
  // From then on nothing more is given to the dead one, and nothing is lost.
  w.pass(5s);
  w.trace.clear();
  w.server().upstreams[0]->memory.sent.clear();
  for (int n = 0; n < 8; ++n)
    w.send("y");
  const auto after = w.ports(true);
  BOOST_TEST(distinct(after) == streams);
  BOOST_TEST(std::count(after.begin(), after.end(), dead) == 0);
  BOOST_TEST(w.upstream_got().size() == 8u);
  for (const auto port : before)
    if (port != dead)
      BOOST_TEST(std::count(after.begin(), after.end(), port) == 2, "stream of port " << port);
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_silent_stream_gets_no_datagrams_while_others_live) {
  four_streams w;
  for (char c = 'a'; c < 'e'; ++c)
    w.send(std::string(10, c));
  const auto dead = w.ports(true).front();
  // No new connection comes about either: three are left.
  w.lose = [&](const traced& t) {
    return four_streams::client_port(t) == dead || (t.from_client && t.has(flag::syn));
  };
  w.pass(7s);
  w.trace.clear();
  for (int n = 0; n < 9; ++n)
    w.send("y");
  BOOST_TEST(distinct(w.ports(true)) == streams - 1);
  // Once it works again, a fourth is made.
  w.lose = nullptr;
  w.pass(90s);
  w.trace.clear();
  for (int n = 0; n < 8; ++n)
    w.send("y");
  BOOST_TEST(distinct(w.ports(true)) == streams);
}

BOOST_AUTO_TEST_CASE(a_reset_stream_is_replaced_though_it_was_idle) {
  four_streams w;
  w.pass(60s);
  const auto opened = w.client().count(counter::streams_opened);
  // The server loses one of them.
  auto lost = w.sent_with(flag::ack, true).front().header.tuple;
  bool forged = false;
  w.lose = [&](const traced& t) {
    if (forged || t.from_client || four_streams::client_port(t) != lost.local.port) return false;
    forged = true;
    auto segment = sys::memory_packet_device::written_segment{};
    segment.header = t.header;
    segment.header.flags = flag::rst | flag::ack;
    w.client().tuns[0]->push(segment);
    return true;
  };
  BOOST_TEST(w.until([&] { return w.client().count(counter::streams_opened) == opened + 1; }, 60s));
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(an_idle_session_closes_all_its_streams_at_both_ends) {
  world_options o;
  o.idle_timeout = 60s;
  four_streams w{o};
  w.pass(90s);
  BOOST_TEST(w.client().count(counter::sessions_closed) == 1u);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
  BOOST_TEST(w.sent_with(flag::syn, true).empty());
}

BOOST_AUTO_TEST_CASE(the_servers_close_of_all_streams_closes_the_session) {
  four_streams w;
  w.server().signal(SIGTERM);
  w.pass(3s);
  w.trace.clear();
  w.pass(10s);
  BOOST_TEST(w.sent_with(flag::syn, true).empty());
  BOOST_TEST(w.client().count(counter::sessions_closed) == 1u);
}

BOOST_AUTO_TEST_CASE(a_session_has_as_many_ports_upstream_as_it_is_told) {
  world_options o;
  o.upstream_ports = 3;
  world w{o};
  w.echo(5001, "first");
  BOOST_TEST_REQUIRE(w.server().upstreams.size() == 3u);
  for (auto& u : w.server().upstreams)
    u->memory.sent.clear();
  // Six runs of five: whole, to one port after the other.
  for (std::uint32_t n = 0; n < 6; ++n)
    w.client().app_sends_run(5001, std::string(5 * (100 + n), 'x'), 100 + n);
  w.run();
  for (auto& u : w.server().upstreams) {
    const auto& sent = u->memory.sent;
    BOOST_TEST_REQUIRE(sent.size() == 2u);
    BOOST_TEST(sent[0].bytes.size() == sent[0].datagram_size * 5);
    BOOST_TEST(sent[1].datagram_size == sent[0].datagram_size + 3);
  }
  // Singles go on in turn, and a reply may come to any port.
  for (int n = 0; n < 3; ++n) {
    w.client().app_sends(5001, "s");
    w.run();
  }
  for (auto& u : w.server().upstreams) {
    BOOST_TEST(u->memory.sent.size() == 3u);
    u->memory.push({}, bytes_of("reply"));
    w.run();
  }
  BOOST_TEST(w.client().app_got(5001).size() == 4u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(a_session_without_all_its_ports_is_refused) {
  world_options o;
  o.upstream_ports = 3;
  world w{o};
  int left = 2;
  w.server().instead_of_upstream = [&]() -> sys::result<std::shared_ptr<sys::datagram_socket>> {
    if (left-- > 0) return std::shared_ptr<sys::datagram_socket>{std::make_shared<test::socket>()};
    return unexpected{sys::os_error{EMFILE, "socket", {}}};
  };
  w.client().app_sends(5001, "x");
  w.run();
  BOOST_TEST(w.server().count(counter::session_refused) >= 1u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 0u);
  BOOST_TEST(w.upstream_got().empty());
}

BOOST_AUTO_TEST_CASE(a_server_with_too_many_streams_refuses_more_and_keeps_those_it_has) {
  world_options o;
  o.server_bounds.max_sessions = 2;
  world w{o};
  w.echo(5001, "a");
  auto& limit = w.server().shard(0).streams;
  // One of another session, or of this: it joins when the first is lost.
  const auto fill = [&] {
    std::vector<actors::stream_limits::lease> out;
    while (auto lease = limit.admit(protocol::ip_address::v4(10, 5, 5, 5), w.now))
      out.push_back(std::move(lease));
    return out;
  };
  auto others = fill();
  BOOST_TEST(others.size() == actors::stream_limits::most(2) - 1);
  w.client().app_sends(5002, "b");
  w.pass(100ms);
  BOOST_TEST(w.server().count(counter::session_refused) >= 1u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
  w.echo(5001, "c");

  w.client().app_sends(5001, "tonel-fault:server-stream");
  w.run();
  // Its own place is free again; what the session brings in its stead takes that.
  w.pass(500ms);
  w.echo(5001, "d");
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
  others.clear();
  w.pass(20s);
  w.echo(5002, "e");
}

BOOST_AUTO_TEST_CASE(a_stream_is_replaced_before_its_deadline_without_loss) {
  for (const std::size_t n : {std::size_t{1}, streams}) {
    world_options o;
    o.streams = n;
    o.client_deadline = 30s;
    world w{o};
    w.echo(5001, "first");
    const auto start = w.now;
    std::size_t sent = 1;
    while (w.now - start < 100s) {
      w.client().app_sends(5001, "up");
      w.server().upstreams[0]->memory.push({}, bytes_of("down"));
      w.pass(100ms);
      ++sent;
    }
    BOOST_TEST(w.upstream_got().size() == sent);
    BOOST_TEST(w.client().app_got(5001).size() == sent);
    BOOST_TEST(w.server().upstreams.size() == 1u);
    BOOST_TEST(w.client().count(counter::streams_opened) == 5 * n); // at 0, 25, 50, 75 and 100 s
    BOOST_TEST(w.client().count(counter::streams_ended) == 4 * n - n);
  }
}

BOOST_AUTO_TEST_CASE(a_stream_ends_at_its_deadline_though_no_other_can_be_had) {
  world_options o;
  o.client_deadline = 20s;
  world w{o};
  w.echo(5001, "first");
  w.lose = [](const traced& t) { return t.from_client && t.has(flag::syn); };
  BOOST_TEST(!w.until([&] { return w.client().count(counter::streams_ended) != 0; }, 19s));
  w.pass(2s);
  BOOST_TEST(!w.sent_with(flag::rst, true).empty());
  w.lose = nullptr;
  w.client().app_sends(5001, "waits");
  w.pass(10s);
  BOOST_TEST(w.upstream_got().size() == 2u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_session_with_a_deadline_idles_out_and_not_before) {
  world_options o;
  o.streams = streams;
  o.client_deadline = 30s;
  o.idle_timeout = 100s;
  world w{o};
  w.echo(5001, "first");
  w.pass(90s);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 0u);
  w.server().upstreams[0]->memory.push({}, bytes_of("pushed"));
  w.run();
  BOOST_TEST(w.client().app_got(5001).back() == "pushed");
  w.pass(140s);
  BOOST_TEST(w.client().count(counter::sessions_closed) == 1u);
  BOOST_TEST(w.server().count(counter::sessions_closed) == 1u);
}

BOOST_AUTO_TEST_CASE(the_servers_deadline_ends_streams_and_the_session_goes_on) {
  world_options o;
  o.streams = 2;
  o.server_deadline = 30s;
  world w{o};
  w.echo(5001, "first");
  for (int n = 0; n < 10; ++n) {
    w.pass(10s);
    w.echo(5001, std::to_string(n));
  }
  BOOST_TEST(w.server().upstreams.size() == 1u);
  BOOST_TEST(w.server().count(counter::streams_opened) >= 6u);
  BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(a_path_that_ends_tcp_is_said_once_and_tried_again_now_and_then) {
  for (const std::size_t n : {std::size_t{1}, std::size_t{3}}) {
    world_options o;
    o.streams = n;
    world w{o};
    behind_a_proxy server{w};
    w.instead_of_server = &server;
    const log_tail log;
    for (int i = 0; i < 250; ++i) {
      w.client().app_sends(5001, "x");
      w.pass(100ms);
    }
    BOOST_TEST(log.matching("ends TCP connections") == 1u);
    BOOST_TEST(w.client().app_got(5001).empty());
    BOOST_TEST(w.client().count(protocol::errc::path_ends_tcp) >= 3u);
    BOOST_TEST(w.client().count(counter::streams_opened) <= 4 * n);
    // Once it is taken away, the next try works.
    w.instead_of_server = nullptr;
    w.pass(11s);
    w.echo(5001, "y");
  }
}

BOOST_AUTO_TEST_SUITE_END()
