#include "actors/path/runs.hpp"
#include "actors/path/tun_queue.hpp"
#include "actors/path/udp_listener.hpp"
#include "actors/runtime/scheduler.hpp"
#include "actors/runtime/spare_vectors.hpp"
#include "actors/shard/counters.hpp"
#include "actors/shard/session_limits.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_registry.hpp>
#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <utility>

using namespace tonel;
using namespace tonel::actors;
using namespace std::chrono_literals;

namespace {

const auto here = protocol::ip_address::v4(192, 0, 2, 1);
const auto there = protocol::ip_address::v4(192, 0, 2, 2);
const protocol::time_point t0{100s};

sys::chunk piece(std::uint32_t length, std::uint32_t size) { return {{}, 0, length, size}; }

/// What came to an actor that stands for all others.
struct seen {
  std::size_t opened = 0, datagrams = 0, adopted = 0;
};
struct recorder_state {
  static inline const char* name = "recorder";
};
caf::behavior recorder(pinned<recorder_state>*, seen* got) {
  return {
      [got](const open_session&) { ++got->opened; },
      [got](const app_to_wire& batch) { got->datagrams += batch.chunks.size(); },
      [got](const adopt_stream&) { ++got->adopted; },
  };
}

/// "COUNTxSIZE/OCTETS" of each run.
std::string runs_of(std::vector<sys::chunk> in, std::size_t capacity = 65'495) {
  std::string text;
  std::vector<sys::chunk> out;
  plan_runs(std::move(in), capacity, out,
            [&](std::uint32_t first, const protocol::run_builder& run) {
              std::uint32_t octets = 0;
              for (auto i = first; i < out.size(); ++i)
                octets += out[i].length;
              BOOST_TEST(octets == run.bytes());
              if (!text.empty()) text += ' ';
              text += std::to_string(run.datagrams()) + 'x' + std::to_string(run.datagram_size()) +
                      '/' + std::to_string(run.bytes());
            });
  return text;
}

} // namespace

BOOST_AUTO_TEST_SUITE(parts_test)

BOOST_AUTO_TEST_CASE(counters_are_shown_by_name_summed_over_shards_without_the_zeros) {
  counters a, b;
  a.add(counter::datagrams_in, 3);
  b.add(counter::datagrams_in, 4);
  b.add(counter::sessions_opened);
  b.add(protocol::errc::bad_checksum, 2);
  const std::vector<std::string> expected{"datagrams_in 7", "sessions_opened 1",
                                          "dropped_bad_checksum 2"};
  BOOST_TEST(counter_lines({&a, &b}) == expected, boost::test_tools::per_element());
  BOOST_TEST(counter_lines({}).empty());
}

BOOST_AUTO_TEST_CASE(every_counter_has_a_name_of_its_own) {
  counters all;
  for (std::size_t i = 0; i < counter_count; ++i)
    all.add(static_cast<counter>(i));
  for (std::size_t i = 0; i < protocol::errc_count; ++i)
    all.add(static_cast<protocol::errc>(i));
  auto lines = counter_lines({&all});
  BOOST_TEST(lines.size() == counter_count + protocol::errc_count);
  std::sort(lines.begin(), lines.end());
  BOOST_TEST((std::adjacent_find(lines.begin(), lines.end()) == lines.end()));
  for (const auto& line : lines)
    BOOST_TEST(line.find("unknown") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_working_tunnel_counts_what_passes) {
  test::world w;
  w.echo(5001, "abc");
  const auto lines = counter_lines(w.client().counters());
  for (const auto* expected : {"datagrams_in 1", "datagram_bytes_in 3", "datagrams_out 1",
                               "datagram_bytes_out 6", "sessions_opened 1", "streams_opened 1"})
    BOOST_TEST((std::find(lines.begin(), lines.end(), expected) != lines.end()), expected);
}

BOOST_AUTO_TEST_CASE(sessions_are_bounded_in_all_by_source_while_opening_and_by_second) {
  source_counts sources;
  session_limits all{{2, 9, 9, 9}, sources};
  auto first = all.admit(here, t0), second = all.admit(there, t0);
  BOOST_TEST((first && second));
  BOOST_TEST(!all.admit(here, t0));
  second = {};
  BOOST_TEST(bool{all.admit(here, t0)});
  first = {};

  session_limits by_source{{9, 1, 9, 9}, sources};
  first = by_source.admit(here, t0);
  BOOST_TEST(!by_source.admit(here, t0));
  BOOST_TEST(bool{by_source.admit(there, t0)});
  first = {};
  first = by_source.admit(here, t0);
  BOOST_TEST(bool{first});
  first = {};

  session_limits opening{{9, 9, 1, 9}, sources};
  first = opening.admit(here, t0);
  BOOST_TEST(!opening.admit(here, t0));
  first.opened();
  second = opening.admit(here, t0);
  BOOST_TEST(bool{second});
  first = {};
  BOOST_TEST(!opening.admit(here, t0));
  second = {};
  BOOST_TEST(bool{opening.admit(here, t0)});
}

BOOST_AUTO_TEST_CASE(new_sessions_are_bounded_by_the_second) {
  source_counts sources;
  session_limits two{{9, 1, 9, 2}, sources};
  const auto first = two.admit(here, t0);
  BOOST_TEST(bool{first});
  // One that has too many already uses up nothing of the others'.
  for (int i = 0; i < 3; ++i)
    BOOST_TEST(!two.admit(here, t0));
  BOOST_TEST(bool{two.admit(there, t0)});
  BOOST_TEST(!two.admit(there, t0 + 900ms));
  BOOST_TEST(bool{two.admit(there, t0 + 1s)});
}

BOOST_AUTO_TEST_CASE(an_address_has_its_sessions_in_all_shards_together) {
  source_counts sources;
  session_limits one{{9, 2, 9, 9}, sources}, other{{9, 2, 9, 9}, sources};
  auto first = one.admit(here, t0), second = one.admit(here, t0);
  BOOST_TEST((first && second));
  BOOST_TEST(!other.admit(here, t0));
  BOOST_TEST(bool{other.admit(there, t0)});
  first = {};
  second = other.admit(here, t0); // which is moved into, so that one more becomes free
  BOOST_TEST(bool{second});
  first = one.admit(here, t0);
  BOOST_TEST(bool{first});
  BOOST_TEST(!one.admit(here, t0));
  // The first octets of an IPv6 address may be those of an IPv4 one.
  const std::uint8_t octets[16] = {192, 0, 2, 1};
  BOOST_TEST(bool{one.admit(protocol::ip_address::v6(octets), t0)});
}

BOOST_AUTO_TEST_CASE(an_ipv6_source_is_its_64_and_a_48_has_four_times_as_much) {
  const auto address = [](const std::string& text) { return *protocol::ip_address::parse(text); };
  source_counts sources;
  session_limits two{{99, 2, 99, 99}, sources};
  std::vector<session_limits::place> places;
  const auto comes = [&](const std::string& text) {
    places.push_back(two.admit(address(text), t0));
    return bool{places.back()};
  };
  BOOST_TEST(comes("2001:db8:1:1::1"));
  BOOST_TEST(comes("2001:db8:1:1:ffff::1"));
  BOOST_TEST(!comes("2001:db8:1:1:8000::1"));
  BOOST_TEST((places.back().why() == refusal::source));
  for (const auto* subnet : {"2", "3", "ffff"})
    for (int i = 0; i < 2; ++i)
      BOOST_TEST(comes(std::string{"2001:db8:1:"} + subnet + "::1"), subnet);
  BOOST_TEST(!comes("2001:db8:1:4::1")); // the first of its own, the ninth of the site
  BOOST_TEST(comes("2001:db8:2:4::1"));
  // Refused ones have counted nowhere, and what goes is counted no more.
  places.clear();
  for (int i = 0; i < 2; ++i)
    for (const auto* subnet : {"1", "2", "3", "4"})
      BOOST_TEST(comes(std::string{"2001:db8:1:"} + subnet + "::1"), subnet);
  BOOST_TEST(!comes("2001:db8:1:5::1"));
}

BOOST_AUTO_TEST_CASE(another_may_come_before_one_that_was_told_to_go_is_gone) {
  source_counts sources;
  session_limits one{{1, 9, 9, 9}, sources};
  auto first = one.admit(here, t0);
  BOOST_TEST((one.admit(there, t0).why() == refusal::all));
  one.expect_leave();
  auto second = one.admit(there, t0);
  BOOST_TEST(bool{second});
  BOOST_TEST(!one.admit(there, t0));
  first = {};
  BOOST_TEST(!one.admit(there, t0));
  second = {};
  BOOST_TEST(bool{one.admit(there, t0)});
}

BOOST_AUTO_TEST_CASE(streams_are_bounded_in_all_by_source_and_by_second) {
  const auto count = [](stream_limits& l, const protocol::ip_address& source,
                        std::vector<stream_limits::lease>& out) {
    const auto before = out.size();
    while (auto lease = l.admit(source, t0))
      out.push_back(std::move(lease));
    return out.size() - before;
  };
  constexpr std::size_t many = 100'000;
  std::vector<stream_limits::lease> leases;
  source_counts sources;
  stream_limits all{{3, many, 0, many}, sources};
  BOOST_TEST(count(all, here, leases) == stream_limits::most(3));
  BOOST_TEST(all.admit(there, t0) == nullptr);
  leases.pop_back();
  BOOST_TEST(all.admit(there, t0) != nullptr);
  leases.clear();

  stream_limits by_source{{many, 3, 0, many}, sources}, of_other_shard{{many, 3, 0, many}, sources};
  BOOST_TEST(count(by_source, here, leases) == stream_limits::most(3));
  BOOST_TEST(of_other_shard.admit(here, t0) == nullptr);
  BOOST_TEST(of_other_shard.admit(there, t0) != nullptr);
  leases.clear();
  BOOST_TEST(of_other_shard.admit(here, t0) != nullptr);

  stream_limits by_second{{many, many, 0, 3}, sources};
  BOOST_TEST(count(by_second, here, leases) == stream_limits::most(3));
  BOOST_TEST(by_second.admit(there, t0 + 900ms) == nullptr);
  BOOST_TEST(by_second.admit(there, t0 + 1s) != nullptr);
  leases.clear();
}

BOOST_AUTO_TEST_CASE(ports_are_each_leased_once_and_come_back) {
  port_pool ports{1, 4};
  std::vector<port_pool::lease> leases;
  std::vector<std::uint16_t> numbers;
  while (auto lease = ports.take(12'345)) {
    numbers.push_back(*lease);
    leases.push_back(std::move(lease));
  }
  std::sort(numbers.begin(), numbers.end());
  BOOST_TEST(numbers.size() == 28'232u / 4);
  // A quarter of the range, odd and even ones.
  BOOST_TEST(numbers.front() == 32'768 + 7'058);
  BOOST_TEST(numbers.back() == 32'768 + 2 * 7'058 - 1);
  BOOST_TEST((std::adjacent_find(numbers.begin(), numbers.end()) == numbers.end()));
  const auto freed = *leases[7];
  leases.erase(leases.begin() + 7);
  const auto again = ports.take(1);
  BOOST_TEST_REQUIRE(again != nullptr);
  BOOST_TEST(*again == freed);
  BOOST_TEST(ports.take(1) == nullptr);
}

BOOST_AUTO_TEST_CASE(a_port_that_came_back_rests_until_most_others_have_had_their_turn) {
  port_pool ports{0, 4};
  const auto first = *ports.take(12'345);
  const auto all = 28'232u / 4;
  for (std::size_t i = 0; i < all / 4 * 3; ++i)
    BOOST_TEST_REQUIRE(*ports.take(12'345) != first);
  bool again = false;
  for (std::size_t i = 0; i < all && !again; ++i)
    again = *ports.take(12'345) == first;
  BOOST_TEST(again);
}

BOOST_AUTO_TEST_CASE(a_nudge_before_the_wait_keeps_the_reactor_awake_for_one_pass) {
  // Else a slab that another thread returned in that moment would not be noticed.
  caf::actor_system_config config;
  use_idle_scheduler(config);
  caf::actor_system system{config};
  auto made = std::make_unique<test::virtual_loop>(t0);
  const auto& loop = *made;
  reactor r{system, std::move(made)};
  r.set_between_passes([&, first = true]() mutable {
    if (std::exchange(first, false)) r.nudge();
  });
  r.run_once(protocol::duration{-1});
  BOOST_TEST(!loop.idle());
  r.run_once(protocol::duration{-1});
  BOOST_TEST(loop.idle());
}

BOOST_AUTO_TEST_CASE(the_end_of_an_applications_old_session_does_not_touch_its_new_one) {
  caf::actor_system_config config;
  use_idle_scheduler(config);
  caf::actor_system system{config};
  auto now = t0;
  reactor r{system, std::make_unique<test::virtual_loop>(now)};
  process_context context;
  sys::slab_pool pool{8};
  sys::memory_packet_device tun;
  actors::shard where{0, context, r, pool, tun};
  const auto socket = std::make_shared<test::socket>();
  const auto bounds =
      std::make_shared<admission>(session_limits{{10, 10, 10, 10}, *context.sources});
  const auto step = [&] {
    for (int i = 0; i < 5; ++i)
      r.run_once(protocol::duration{-1});
  };
  seen got;
  auto other = r.spawn(recorder, &got);
  auto listener = r.spawn(udp_listener, udp_listener_start{&where, nullptr, socket, bounds, other});
  step();

  const auto path = test::process::app(5001);
  socket->memory.push({path, test::bytes_of("first"), 5});
  step();
  BOOST_TEST(got.opened == 1u);
  // Of a session that ended before this one was asked for, told a moment later.
  caf::anon_send(listener, session_changed{path, nullptr, 77});
  caf::anon_send(listener, session_changed{path, other, 0});
  caf::anon_send(listener, streams_changed{path, other.id(), {other}});
  step();
  BOOST_TEST(got.datagrams == 1u);
  BOOST_TEST(where.stats.get(counter::pending_dropped) == 0u);

  for (auto* a : {&listener, &other}) {
    caf::anon_send_exit(*a, caf::exit_reason::kill);
    *a = nullptr;
  }
  step();
  BOOST_TEST(system.registry().running() == 0u);
}

BOOST_AUTO_TEST_CASE(a_hello_that_comes_before_the_shards_are_all_up_is_kept) {
  caf::actor_system_config config;
  use_idle_scheduler(config);
  caf::actor_system system{config};
  auto now = t0;
  reactor r{system, std::make_unique<test::virtual_loop>(now)};
  process_context context;
  context.settings.side = role::server;
  tunnel_config settings;
  settings.local_port = 443;
  sys::slab_pool pool{8};
  sys::memory_packet_device tun;
  actors::shard where{0, context, r, pool, tun};
  where.tunnels.push_back({std::make_shared<const tunnel_config>(settings), nullptr, {}});
  const auto step = [&] {
    for (int i = 0; i < 5; ++i)
      r.run_once(protocol::duration{-1});
  };
  seen got;
  auto supervisor = r.spawn(recorder, &got);
  auto queue = r.spawn(tun_queue, &where);
  step();

  protocol::segment_header client;
  client.tuple = {{there, 40'000}, {here, 443}};
  client.seq = {1'000'000};
  client.flags = protocol::flag::syn;
  client.mss = 1'460;
  tun.push({client, {}, 0});
  step();
  BOOST_TEST_REQUIRE(tun.written.size() == 1u);
  client.seq = client.seq + 1;
  client.ack = tun.written.front().header.seq + 1;
  client.flags = protocol::flag::ack | protocol::flag::psh;
  client.mss = 0;
  protocol::hello_repr hello;
  hello.control_length = protocol::hello_size;
  hello.mtu = 1'500;
  const auto octets = protocol::encode_hello(hello, {});
  for (int repeats = 0; repeats < 2; ++repeats)
    tun.push({client, {octets.begin(), octets.end()}, protocol::hello_size});
  step();
  BOOST_TEST(got.adopted == 0u);

  caf::anon_send(queue, peers_changed{{queue}, {supervisor}});
  step();
  BOOST_TEST(got.adopted == 1u);

  for (auto* a : {&queue, &supervisor}) {
    caf::anon_send_exit(*a, caf::exit_reason::kill);
    *a = nullptr;
  }
  step();
  BOOST_TEST(system.registry().running() == 0u);
}

BOOST_AUTO_TEST_CASE(runs_are_cut_where_the_size_changes_at_64_datagrams_and_at_the_capacity) {
  BOOST_TEST(runs_of({piece(100, 100), piece(100, 100), piece(100, 100)}) == "3x100/300");
  BOOST_TEST(runs_of({piece(100, 100), piece(50, 50), piece(50, 50)}) == "2x100/150 1x50/50");
  BOOST_TEST(runs_of({piece(50, 50), piece(100, 100)}) == "1x50/50 1x100/100");
  BOOST_TEST(runs_of({piece(250, 100), piece(100, 100)}) == "3x100/250 1x100/100");
  BOOST_TEST(runs_of({piece(0, 0), piece(0, 0), piece(7, 7)}) == "1x0/0 1x0/0 1x7/7");
  BOOST_TEST(runs_of({piece(70 * 10, 10)}) == "64x10/640 6x10/60");
  BOOST_TEST(runs_of({piece(60 * 10, 10), piece(10 * 10, 10)}) == "64x10/640 6x10/60");
  BOOST_TEST(runs_of({piece(1'000, 100)}, 350) == "3x100/300 3x100/300 3x100/300 1x100/100");
  BOOST_TEST(runs_of({}) == "");
}

BOOST_AUTO_TEST_CASE(spare_memory_is_lent_empty_and_is_bounded) {
  spare_vectors<int> spares;
  std::vector<int> a, b;
  spares.lend(a);
  BOOST_TEST(a.capacity() == 0u);
  a.assign(100, 1);
  const auto* memory = a.data();
  spares.take_back(a);
  BOOST_TEST(a.capacity() == 0u);
  spares.lend(b);
  BOOST_TEST(b.empty());
  BOOST_TEST(b.data() == memory);
  spares.lend(b); // has some
  BOOST_TEST(b.data() == memory);
  std::vector<std::vector<int>> many(10, std::vector<int>(5));
  for (auto& each : many) {
    spares.take_back(each);
    BOOST_TEST(each.capacity() == 0u);
  }
  BOOST_TEST(spares.size() == 4u);
}

BOOST_AUTO_TEST_SUITE_END()
