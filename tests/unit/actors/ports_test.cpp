#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <random>
#include <set>
#include <utility>

// A client's connection is tried on several ports at once where the first gets no answer.

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;
namespace flag = protocol::flag;

namespace {

using texts = std::vector<std::string>;

std::uint16_t client_port(const traced& t) {
  const auto& tuple = t.header.tuple;
  return t.from_client ? tuple.local.port : tuple.remote.port;
}

/// The client's ports of its SYNs, in order of the first of each.
std::vector<std::uint16_t> syn_ports(const world& w) {
  std::vector<std::uint16_t> out;
  for (const auto& t : w.sent_with(flag::syn, true))
    if (std::count(out.begin(), out.end(), client_port(t)) == 0) out.push_back(client_port(t));
  return out;
}

/// Sends a datagram of that size 500 times a second for so long; how many it were.
std::size_t send_for(world& w, protocol::duration time, std::size_t size) {
  std::size_t sent = 0;
  for (const auto end = w.now + time; w.now < end; ++sent) {
    w.client().app_sends(5001, std::string(size, 'x'));
    w.pass(2ms);
  }
  return sent;
}

/// An upstream that answers each datagram, and the application that asks.
class echo_upstream {
public:
  explicit echo_upstream(world& w) : world_(w) {}
  /// Asks so many times, one every `gap`; how many were answered.
  std::size_t pass(std::size_t count, protocol::duration gap) const {
    const auto before = world_.client().app_got(5001).size();
    for (std::size_t i = 0; i < count; ++i) {
      const auto start = world_.now;
      world_.client().app_sends(5001, "ask");
      while (world_.now < start + gap) {
        answer();
        world_.until([&] { return unanswered(); }, start + gap - world_.now);
      }
    }
    answer();
    return world_.client().app_got(5001).size() - before;
  }

private:
  bool unanswered() const {
    const auto& all = world_.server().upstreams;
    return std::any_of(all.begin(), all.end(),
                       [](const auto& u) { return !u->memory.sent.empty(); });
  }
  void answer() const {
    world_.run();
    for (const auto& u : world_.server().upstreams)
      for (auto n = std::exchange(u->memory.sent, {}).size(); n > 0; --n)
        u->memory.push({{}, bytes_of("answer"), 6});
    world_.run();
  }
  world& world_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(ports_test)

BOOST_AUTO_TEST_CASE(a_lost_syn_or_syn_ack_costs_a_quarter_of_a_second_and_no_datagram) {
  for (const bool syn : {true, false}) {
    for (const std::size_t size : {std::size_t{50}, std::size_t{1'400}}) {
      world w;
      bool lost = false;
      w.lose = [&](const traced& t) {
        return t.from_client == syn && t.has(flag::syn) && !std::exchange(lost, true);
      };
      const auto start = w.now;
      const auto sent = send_for(w, 100ms, size);
      BOOST_TEST_REQUIRE(w.upstream_got().empty());
      BOOST_TEST(w.until([&] { return !w.upstream_got().empty(); }, 1s));
      BOOST_TEST((w.now - start <= 270ms));
      w.pass(100ms);
      BOOST_TEST(w.upstream_got().size() == sent);
      const auto later = send_for(w, 2s, size);
      BOOST_TEST(w.upstream_got().size() == sent + later);
      BOOST_TEST(syn_ports(w).size() == 2u);
      BOOST_TEST(w.client().count(counter::streams_opened) == 1u);
      BOOST_TEST(w.server().count(counter::streams_opened) == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(
    of_answers_that_come_together_the_first_is_used_and_the_other_leaves_no_trace) {
  world w;
  w.client().app_sends(5001, "a");
  std::vector<sys::memory_packet_device::written_segment> kept;
  w.lose = [&](const traced& t) {
    if (t.from_client || !t.has(flag::syn)) return false;
    kept.push_back({});
    kept.back().header = t.header;
    return true;
  };
  w.pass(400ms);
  BOOST_TEST_REQUIRE(kept.size() == 2u);
  w.lose = nullptr;
  w.trace.clear();
  for (const auto& k : kept)
    w.client().tuns[0]->push(k);
  w.run();
  std::set<std::uint16_t> used;
  for (const auto& t : w.trace)
    if (t.from_client) used.insert(client_port(t));
  BOOST_TEST(used.size() == 1u);
  BOOST_TEST(w.upstream_got() == texts{"a"}, boost::test_tools::per_element());
  w.pass(20s);
  BOOST_TEST(w.sent_with(flag::rst, true).empty());
  BOOST_TEST(w.client().count(counter::streams_ended) == 0u);
  BOOST_TEST(w.server().count(counter::streams_opened) == 1u);
  w.echo(5001, "b");
}

BOOST_AUTO_TEST_CASE(what_waits_is_bounded_by_octets_and_not_by_number) {
  world_options o;
  o.slabs = 64;
  world w{o};
  bool down = true;
  w.lose = [&](const traced&) { return down; };
  // 150 kB in 500 datagrams and 240 kB in 160.
  for (int n = 0; n < 500; ++n)
    w.client().app_sends(5001, std::string(300, 'a'));
  for (int n = 0; n < 160; ++n)
    w.client().app_sends(5002, std::string(1'400, 'b'));
  w.run();
  BOOST_TEST(w.client().count(counter::pending_dropped) == 0u);
  down = false;
  w.pass(400ms);
  BOOST_TEST(w.upstream_got().size() == 660u);
  BOOST_TEST(w.client().count(counter::pending_dropped) == 0u);
  BOOST_TEST(w.client().count(protocol::errc::window_closed) == 0u);
}

BOOST_AUTO_TEST_CASE(a_remote_that_is_down_gets_no_more_than_four_ports_of_a_session) {
  world w;
  w.lose = [](const traced& t) { return t.from_client; };
  w.client().app_sends(5001, "a");
  w.pass(14s);
  BOOST_TEST(syn_ports(w).size() == 4u);
  // The schedule of the first decides: 15 s, another port, 30 s, the end.
  w.pass(17s);
  BOOST_TEST(syn_ports(w).size() == 8u);
  BOOST_TEST(w.client().actors_running() == 4u);
  w.lose = nullptr;
  w.echo(5001, "b");
}

BOOST_AUTO_TEST_CASE(many_sessions_without_an_answer_share_a_bound_on_further_ports) {
  world_options o;
  o.slabs = 256;
  world w{o};
  w.lose = [](const traced& t) { return t.from_client; };
  for (std::uint16_t i = 0; i < 1'000; ++i)
    w.client().app_sends(static_cast<std::uint16_t>(5'001 + i), "a");
  w.pass(600ms);
  BOOST_TEST(w.client().count(counter::session_refused) == 0u);
  BOOST_TEST(syn_ports(w).size() == 1'200u);
}

BOOST_AUTO_TEST_CASE(a_server_of_an_older_dialect_gets_one_syn_a_port) {
  world_options o;
  o.wire = actors::wire_choice::tonel;
  world w{o};
  w.lose = [](const traced& t) { return t.from_client; };
  w.client().app_sends(5001, "a");
  w.pass(900ms);
  BOOST_TEST(w.sent_with(flag::syn, true).size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_lost_hello_is_said_again_after_a_quarter_of_a_second) {
  world w;
  bool lost = false;
  w.lose = [&](const traced& t) {
    return t.from_client && t.payload.size() >= protocol::hello_size && !std::exchange(lost, true);
  };
  w.client().app_sends(5001, "a");
  w.pass(300ms);
  BOOST_TEST(lost);
  BOOST_TEST(w.upstream_got() == texts{"a"}, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(half_of_the_paths_die_and_nine_of_ten_datagrams_pass) {
  std::size_t with_a_survivor = 0;
  for (int seed = 0; seed < 12; ++seed) {
    world_options o;
    o.streams = 4;
    world w{o};
    const echo_upstream echo{w};
    BOOST_TEST(echo.pass(20, 50ms) == 20u);
    std::set<std::uint16_t> before;
    for (const auto& t : w.trace)
      before.insert(client_port(t));
    const auto dead = [](std::uint16_t port) { return port % 2 == 1; };
    if (std::all_of(before.begin(), before.end(), dead)) continue;
    ++with_a_survivor;
    w.lose = [&](const traced& t) { return dead(client_port(t)); };
    const auto at_first = echo.pass(200, 50ms);
    BOOST_TEST(at_first >= 180u, at_first << " of 200");
    const auto later = echo.pass(200, 50ms);
    BOOST_TEST(later >= 198u, later << " of 200");
    BOOST_TEST(w.server().upstreams.size() == 1u);
    BOOST_TEST(w.server().count(counter::sessions_opened) == 1u);
  }
  BOOST_TEST(with_a_survivor >= 6u);
}

BOOST_AUTO_TEST_CASE(a_stream_of_which_one_direction_dies_is_replaced_within_a_second) {
  for (const bool up : {true, false}) {
    world_options o;
    o.streams = 4;
    world w{o};
    const echo_upstream echo{w};
    BOOST_TEST(echo.pass(20, 50ms) == 20u);
    const auto dead = client_port(w.trace.back());
    const auto opened = w.client().count(counter::streams_opened);
    w.lose = [&](const traced& t) { return t.from_client == up && client_port(t) == dead; };
    const auto passed = echo.pass(40, 50ms);
    BOOST_TEST(passed >= 34u, passed << " of 40, up " << up);
    BOOST_TEST(w.client().count(counter::streams_opened) == opened + 1);
    BOOST_TEST(echo.pass(100, 50ms) == 100u);
    BOOST_TEST(w.server().upstreams.size() == 1u);
  }
}

BOOST_AUTO_TEST_CASE(loss_and_an_outage_of_all_paths_replace_no_stream) {
  world_options o;
  o.streams = 4;
  world w{o};
  const echo_upstream echo{w};
  echo.pass(20, 50ms);
  std::mt19937 random{1};
  w.lose = [&](const traced&) { return random() % 20 == 0; };
  echo.pass(2'400, 50ms); // two minutes
  w.lose = [](const traced&) { return true; };
  echo.pass(30, 50ms);
  w.lose = nullptr;
  echo.pass(20, 50ms);
  BOOST_TEST(w.client().count(counter::streams_opened) == 4u);
}

BOOST_AUTO_TEST_SUITE_END()
