#include "tests/support/legacy_peers.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <set>

// Our client with the servers of tonel 0.6.1 and phantun.
using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
using actors::wire_choice;
namespace flag = protocol::flag;

namespace {

enum program : bool { tonel_061 = false, phantun = true };

std::string text_of(const octets& bytes) { return {bytes.begin(), bytes.end()}; }

/// A world whose server is one of theirs.
struct older_server : world, private stand_in {
  explicit older_server(program which, const world_options& o = {}) : world(o) {
    legacy_options options;
    options.handshake_packet = bytes_of(o.server_packet);
    legacy_world outside;
    outside.send = [this](const protocol::segment_header& h, const datagram& payload) {
      answer(h, payload);
    };
    outside.deliver = [this](const datagram& d) { upstream.push_back(text_of(d)); };
    model.emplace(which == phantun, options, outside);
    instead_of_server = this;
  }
  ~older_server() override { instead_of_server = nullptr; }
  void send(const std::string& text, std::uint16_t port = 5001) {
    client().app_sends(port, text);
    run();
  }
  bool arrives(const std::string& text, protocol::duration limit = 1s) {
    return until(
        [&] { return std::find(upstream.begin(), upstream.end(), text) != upstream.end(); }, limit);
  }
  bool answered(const std::string& text, std::uint16_t port = 5001, bool all = false) {
    // The model has but one upstream, and does not know whose answer it is.
    for (auto n = all ? model->live() : 1; n > 0; --n)
      model->submit(bytes_of(text), now);
    return until(
        [&] {
          const auto got = client().app_got(port);
          return std::find(got.begin(), got.end(), text) != got.end();
        },
        1s);
  }
  /// One datagram there and one back.
  void both_ways(const std::string& text, std::uint16_t port = 5001, bool all = false) {
    send(text, port);
    BOOST_TEST_REQUIRE(arrives(text), text << " is lost");
    BOOST_TEST_REQUIRE(answered("re:" + text, port, all), "the answer to " << text << " is lost");
  }
  /// SYNs by their dialect.
  std::size_t native_syns() const {
    const auto all = sent_with(flag::syn, true);
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [](const auto& t) { return t.header.mss != 0; }));
  }
  std::size_t older_syns() const { return sent_with(flag::syn, true).size() - native_syns(); }
  /// The client's ports of what carried octets.
  std::set<std::uint16_t> ports() const {
    std::set<std::uint16_t> out;
    for (const auto& t : trace)
      if (t.from_client && !t.payload.empty()) out.insert(t.header.tuple.local.port);
    return out;
  }
  /// The server's program is killed; its host's answer to what still comes is a RST, or none.
  void restart_older() { model->restart(); }

  std::optional<legacy_server> model;
  std::vector<std::string> upstream;

private:
  void receive(const protocol::segment_repr& in, const octets& payload) override {
    model->receive(in, payload, now);
  }
  void on_timer() override { model->on_timer(now); }
  std::optional<protocol::time_point> deadline() const override { return model->deadline(); }
};

/// A host on which nothing listens.
struct closed_port : stand_in {
  explicit closed_port(world& w) : world_(w) {}
  ~closed_port() override { world_.instead_of_server = nullptr; }
  void receive(const protocol::segment_repr& in, const octets&) override {
    if (in.has(flag::rst)) return;
    protocol::segment_header rst;
    rst.tuple = in.tuple;
    rst.seq = in.ack;
    rst.ack = in.seq + in.payload_length + (in.has(flag::syn) ? 1 : 0);
    rst.flags = flag::rst | flag::ack;
    world_.answer(rst, {});
  }

private:
  world& world_;
};

world_options with(wire_choice wire, std::size_t streams = 1) {
  world_options o;
  o.wire = wire;
  o.streams = streams;
  return o;
}

std::size_t syns_of(const world& w, bool native) {
  const auto all = w.sent_with(flag::syn, true);
  return static_cast<std::size_t>(std::count_if(
      all.begin(), all.end(), [&](const auto& t) { return (t.header.mss != 0) == native; }));
}

} // namespace

BOOST_AUTO_TEST_SUITE(older_server_test)

BOOST_AUTO_TEST_CASE(each_is_found_and_the_first_datagram_arrives) {
  for (const auto which : {tonel_061, phantun}) {
    older_server w{which};
    log_tail log;
    w.both_ways("first");
    w.both_ways("second");
    BOOST_TEST(w.native_syns() == 1u);
    BOOST_TEST(w.older_syns() == 1u);
    BOOST_TEST(w.upstream.size() == 2u);
    BOOST_TEST(log.matching(which == phantun ? "speaks the dialect of phantun"
                                             : "speaks the dialect of tonel 0.6.1") == 1u);
    // Other sessions know it by now.
    w.both_ways("other", 5002, true);
    BOOST_TEST(w.native_syns() == 1u);
    BOOST_TEST(log.matching("speaks the dialect") == 1u);
  }
}

BOOST_AUTO_TEST_CASE(a_dialect_can_be_fixed) {
  older_server t{tonel_061, with(wire_choice::tonel)};
  t.both_ways("first");
  BOOST_TEST(t.native_syns() == 0u);
  older_server p{phantun, with(wire_choice::phantun)};
  p.both_ways("first");
  BOOST_TEST(p.native_syns() == 0u);
}

BOOST_AUTO_TEST_CASE(native_alone_says_why_it_does_not_work_and_sends_the_server_nothing) {
  for (const auto which : {tonel_061, phantun}) {
    older_server w{which, with(wire_choice::native)};
    log_tail log;
    w.send("x");
    w.pass(40s);
    BOOST_TEST(w.older_syns() == 0u);
    BOOST_TEST(w.upstream.empty());
    if (which == tonel_061) BOOST_TEST(log.matching("--wire native excludes") == 1u);
    if (which == phantun) BOOST_TEST(log.matching("refuses connections") == 1u);
  }
}

BOOST_AUTO_TEST_CASE(tonels_streams_are_one_group) {
  for (const auto wire : {wire_choice::automatic, wire_choice::tonel}) {
    older_server w{tonel_061, with(wire, 4)};
    w.both_ways("first");
    BOOST_TEST(w.until([&] { return w.model->live() == 4; }, 1s));
    w.trace.clear();
    for (int n = 0; n < 12; ++n)
      w.send("d" + std::to_string(n));
    w.pass(1s);
    BOOST_TEST(w.upstream.size() == 13u);
    BOOST_TEST(w.ports().size() == 4u);
    BOOST_TEST(w.model->upstream_ports() == 1u);
    BOOST_TEST(w.model->refused_joins() == 0u);
    BOOST_TEST(w.client().count(counter::streams_opened) == 4u);
  }
}

BOOST_AUTO_TEST_CASE(phantun_gets_one_stream_however_many_are_asked_for) {
  for (const auto wire : {wire_choice::automatic, wire_choice::phantun}) {
    older_server w{phantun, with(wire, 4)};
    log_tail log;
    w.both_ways("first");
    w.both_ways("other", 5002, true);
    w.pass(70s);
    w.both_ways("later", 5001, true);
    BOOST_TEST(w.client().count(counter::streams_opened) == 2u); // one a session
    BOOST_TEST(w.model->upstream_ports() == 2u);
    BOOST_TEST(log.matching("each session has one, not 4") == 1u);
  }
}

BOOST_AUTO_TEST_CASE(an_idle_minute_costs_nothing) {
  for (const auto which : {tonel_061, phantun}) {
    older_server w{which};
    w.both_ways("first");
    w.pass(60s);
    w.both_ways("second");
    BOOST_TEST(w.older_syns() == 1u);
    BOOST_TEST(w.upstream.size() == 2u);
  }
}

BOOST_AUTO_TEST_CASE(datagrams_are_xored_and_handshake_packets_stay_out_of_it) {
  world_options o;
  o.key = "key";
  o.client_packet = o.server_packet = "GET / HTTP/1.1\r\n\r\n";
  older_server w{tonel_061, o};
  const auto turned = [](std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i)
      text[i] = static_cast<char>(text[i] ^ "key"[i % 3]);
    return text;
  };
  w.send("first datagram");
  BOOST_TEST_REQUIRE(w.arrives(turned("first datagram")));
  w.model->submit(bytes_of(turned("answer")), w.now);
  w.pass(1s);
  BOOST_TEST(w.client().app_got(5001) == std::vector<std::string>{"answer"},
             boost::test_tools::per_element());
  BOOST_TEST(w.upstream.size() == 1u);
  // On the wire the packet is as it was given, and first.
  const auto data = w.sent_with(flag::ack, true);
  const auto packet =
      std::find_if(data.begin(), data.end(), [](const auto& t) { return !t.payload.empty(); });
  BOOST_TEST_REQUIRE((packet != data.end()));
  BOOST_TEST(text_of(packet->payload) == o.client_packet);
}

BOOST_AUTO_TEST_CASE(handshake_packets_reach_no_application_of_a_tonel_server) {
  world_options o;
  o.client_packet = "client says";
  o.server_packet = "server says";
  o.streams = 4;
  older_server w{tonel_061, o};
  w.both_ways("first");
  BOOST_TEST(w.until([&] { return w.model->live() == 4; }, 1s));
  w.pass(1s);
  for (int n = 0; n < 8; ++n)
    w.send("d" + std::to_string(n));
  BOOST_TEST(w.upstream.size() == 9u);
  BOOST_TEST(std::count(w.upstream.begin(), w.upstream.end(), o.client_packet) == 0);
  BOOST_TEST(w.client().app_got(5001).size() == 1u);
}

BOOST_AUTO_TEST_CASE(any_packet_of_the_handshake_may_be_lost) {
  for (const auto which : {tonel_061, phantun})
    for (const bool packets : {false, true})
      for (std::size_t nth = 0; nth < 10; ++nth) {
        world_options o;
        if (packets) o.client_packet = "client says";
        if (packets && which == tonel_061) o.server_packet = "server says";
        older_server w{which, o};
        std::size_t seen = 0;
        w.lose = [&](const traced&) { return seen++ == nth; };
        const auto sent_until = [&](const std::string& text) {
          // As an application that repeats what is not answered.
          for (int tries = 0; tries < 20; ++tries) {
            w.send(text);
            if (w.arrives(text)) return true;
          }
          return false;
        };
        BOOST_TEST(sent_until("up"), "program " << which << ", packet " << nth << " lost");
        BOOST_TEST((w.answered("down") || w.answered("down")),
                   "program " << which << ", packet " << nth << " lost");
        // Nothing but datagrams reaches the upstream; a handshake packet does reach phantun's.
        for (const auto& text : w.upstream)
          BOOST_TEST((text == "up" || (which == phantun && text == "client says")),
                     "program " << which << ", packet " << nth << " lost: " << text);
      }
}

BOOST_AUTO_TEST_CASE(the_first_datagram_outlives_a_lost_packet_of_the_handshake) {
  for (const auto which : {tonel_061, phantun})
    for (std::size_t nth = 0; nth < 3; ++nth) { // SYN, SYN-ACK, ACK
      older_server w{which, with(which == phantun ? wire_choice::phantun : wire_choice::tonel)};
      std::size_t seen = 0;
      w.lose = [&](const traced&) { return seen++ == nth; };
      w.send("first");
      BOOST_TEST(w.arrives("first", 3s), "program " << which << ", packet " << nth << " lost");
      BOOST_TEST(w.upstream.size() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(a_finding_is_forgotten_after_ten_minutes) {
  older_server w{tonel_061};
  log_tail log;
  w.both_ways("first");
  w.pass(9min);
  w.both_ways("known", 5002, true);
  BOOST_TEST(w.native_syns() == 1u);
  w.pass(2min);
  w.both_ways("asked again", 5003, true);
  BOOST_TEST(w.native_syns() == 2u);
  BOOST_TEST(log.matching("speaks the dialect of tonel 0.6.1") == 2u);
}

BOOST_AUTO_TEST_CASE(a_server_that_was_replaced_by_a_native_one_is_found_native) {
  older_server w{tonel_061, with(wire_choice::automatic, 2)};
  w.both_ways("old");
  w.instead_of_server = nullptr; // and ours takes no other dialect
  BOOST_TEST(w.until(
      [&] {
        w.client().app_sends(5001, "new");
        w.pass(500ms);
        return !w.upstream_got().empty();
      },
      30s));
  w.pass(1s);
  BOOST_TEST(w.server().count(counter::streams_opened) == 2u);
  BOOST_TEST(w.server().upstreams.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_native_server_that_restarts_does_not_downgrade_us) {
  world w;
  const log_tail log;
  w.echo(5001, "first");
  closed_port down{w};
  w.instead_of_server = &down;
  for (int n = 0; n < 20; ++n) {
    w.client().app_sends(5001, "lost");
    w.client().app_sends(static_cast<std::uint16_t>(5002 + n), "lost");
    w.pass(1s);
  }
  BOOST_TEST(syns_of(w, true) > 20u);
  BOOST_TEST(syns_of(w, false) == 0u);
  // It may be phantun that does, which is not found out but told.
  BOOST_TEST(log.matching("phantun has taken its place, --wire phantun is needed") == 1u);
  w.instead_of_server = nullptr;
  w.restart_server();
  w.pass(5s);
  w.echo(5001, "again");
  BOOST_TEST(syns_of(w, false) == 0u);
}

BOOST_AUTO_TEST_CASE(a_host_that_refuses_both_is_asked_for_both_in_turn) {
  world w;
  closed_port down{w};
  w.instead_of_server = &down;
  w.client().app_sends(5001, "x");
  w.pass(8s);
  const auto native = syns_of(w, true), older = syns_of(w, false);
  BOOST_TEST(native >= 3u);
  BOOST_TEST(native <= 10u); // with back-off
  BOOST_TEST((older == native || older + 1 == native));
  // It was a native server that was not up yet.
  w.instead_of_server = nullptr;
  for (int n = 0; n < 10 && w.upstream_got().empty(); ++n) {
    w.client().app_sends(5001, "y");
    w.pass(1s);
  }
  BOOST_TEST(!w.upstream_got().empty());
}

BOOST_AUTO_TEST_CASE(a_restarted_older_server_is_come_back_to) {
  for (const auto which : {tonel_061, phantun})
    for (const std::size_t streams : {std::size_t{1}, std::size_t{4}}) {
      older_server w{which, with(wire_choice::automatic, streams)};
      w.both_ways("first");
      w.pass(5s);
      w.restart_older();
      // RSTs tell us.
      BOOST_TEST(w.until(
          [&] {
            w.send("again");
            return !w.upstream.empty() && w.upstream.back() == "again";
          },
          10s));
      w.pass(70s);
      BOOST_TEST(w.model->live() == (which == phantun ? 1u : streams));
      w.upstream.clear();
      for (int n = 0; n < 8; ++n)
        w.send("d" + std::to_string(n));
      BOOST_TEST(w.upstream.size() == 8u);
      BOOST_TEST(w.native_syns() == 1u);
    }
}

BOOST_AUTO_TEST_CASE(a_lost_path_is_left_for_a_new_port_of_the_same_group) {
  older_server w{tonel_061};
  w.both_ways("first");
  const auto dead = *w.ports().begin();
  w.lose = [&](const traced& t) {
    const auto& tuple = t.header.tuple;
    return (t.from_client ? tuple.local.port : tuple.remote.port) == dead;
  };
  w.send("lost");
  w.pass(10s);
  w.both_ways("again", 5001, true);
  BOOST_TEST(w.model->upstream_ports() == 1u);
  BOOST_TEST(w.older_syns() == 2u);
}

BOOST_AUTO_TEST_CASE(one_of_a_group_is_replaced_and_the_upstream_sees_no_change) {
  older_server w{tonel_061, with(wire_choice::automatic, 4)};
  w.both_ways("first");
  w.pass(1s);
  const auto syns = w.sent_with(flag::syn, true);
  const auto dead = syns.back().header.tuple.local.port; // not the group's first
  w.lose = [&](const traced& t) {
    const auto& tuple = t.header.tuple;
    return (t.from_client ? tuple.local.port : tuple.remote.port) == dead;
  };
  BOOST_TEST(w.until(
      [&] {
        w.send("x");
        return w.older_syns() == 5;
      },
      30s));
  w.pass(20s);
  BOOST_TEST(w.model->live() == 4u);
  BOOST_TEST(w.model->upstream_ports() == 1u);
}

BOOST_AUTO_TEST_CASE(a_group_whose_first_is_lost_is_left_as_a_whole) {
  older_server w{tonel_061, with(wire_choice::automatic, 4)};
  w.both_ways("first");
  w.pass(1s);
  const auto dead = w.sent_with(flag::syn, true)[1].header.tuple.local.port;
  w.lose = [&](const traced& t) {
    const auto& tuple = t.header.tuple;
    return (t.from_client ? tuple.local.port : tuple.remote.port) == dead;
  };
  for (int n = 0; n < 60; ++n) {
    w.send("x");
    w.pass(500ms);
  }
  w.lose = nullptr;
  w.pass(70s);
  // The upstream has one port to answer to at any time.
  w.trace.clear();
  w.upstream.clear();
  for (int n = 0; n < 12; ++n)
    w.send("d" + std::to_string(n));
  BOOST_TEST(w.upstream.size() == 12u);
  BOOST_TEST(w.ports().size() == 4u);
  BOOST_TEST(w.model->live() == 4u);
  BOOST_TEST(w.model->upstream_ports() <= 2u);
}

BOOST_AUTO_TEST_CASE(a_deadline_renews_streams_without_loss) {
  for (const auto which : {tonel_061, phantun})
    for (const std::size_t streams : {std::size_t{1}, std::size_t{4}}) {
      auto o = with(wire_choice::automatic, streams);
      o.client_deadline = 30s;
      older_server w{which, o};
      w.both_ways("first");
      std::size_t sent = 1;
      const auto start = w.now;
      while (w.now - start < 100s) {
        w.send("up");
        w.model->submit(bytes_of("down"), w.now);
        w.pass(100ms);
        ++sent;
      }
      BOOST_TEST(w.upstream.size() == sent);
      BOOST_TEST(w.client().app_got(5001).size() == sent);
      BOOST_TEST(w.native_syns() == 1u);
      BOOST_TEST(w.model->upstream_ports() <= 5u);
    }
}

BOOST_AUTO_TEST_CASE(an_idle_session_ends_at_both_ends) {
  for (const auto which : {tonel_061, phantun}) {
    auto o = with(wire_choice::automatic, 4);
    o.idle_timeout = 60s;
    older_server w{which, o};
    w.both_ways("first");
    w.pass(100s);
    BOOST_TEST(w.client().count(counter::sessions_closed) == 1u);
    BOOST_TEST(w.model->live() == 0u);
    BOOST_TEST(w.upstream.size() == 1u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
