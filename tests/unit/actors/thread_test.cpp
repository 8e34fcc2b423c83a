#include "actors/path/stream.hpp"
#include "actors/path/tun_queue.hpp"
#include "actors/path/udp_endpoint.hpp"
#include "actors/path/udp_listener.hpp"
#include "actors/root/assembly.hpp"
#include "actors/root/shard_supervisor.hpp"
#include "actors/runtime/scheduler.hpp"
#include "actors/session/client_session.hpp"
#include "actors/session/server_session.hpp"
#include "system/event_loop.hpp"
#include "system/kernel.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/actor_registry.hpp>
#include <caf/atom.hpp>
#include <caf/exit_reason.hpp>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// Threads that were seen at a place, to be waited for.
class sightings {
public:
  void note() {
    const std::lock_guard guard{lock_};
    seen_.push_back(std::this_thread::get_id());
    changed_.notify_all();
  }
  /// All threads seen, once there are at least `n` sightings.
  std::vector<std::thread::id> await(std::size_t n) {
    std::unique_lock guard{lock_};
    BOOST_TEST(changed_.wait_for(guard, 10s, [&] { return seen_.size() >= n; }));
    return seen_;
  }

  std::size_t count() {
    const std::lock_guard guard{lock_};
    return seen_.size();
  }

private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::vector<std::thread::id> seen_;
};

/// A device and a socket that note who calls them.
class noting_device final : public sys::packet_device {
public:
  int fd() const noexcept override { return ready.fd(); }
  sys::result<sys::read_state> read(sys::slab_writer&, std::vector<sys::received_packet>&,
                                    std::size_t) override {
    ready.set(false);
    seen.note();
    return sys::read_state::drained;
  }
  sys::write_tally write(const std::vector<sys::outgoing_segment>&,
                         const std::vector<sys::chunk>&) override {
    seen.note();
    return {};
  }
  bool offload() const noexcept override { return true; }
  sys::readiness ready;
  sightings seen;
};

class noting_socket final : public sys::datagram_socket {
public:
  int fd() const noexcept override { return ready.fd(); }
  sys::result<sys::read_state> receive(sys::slab_writer&, std::vector<sys::received_datagrams>&,
                                       std::size_t) override {
    ready.set(false);
    seen.note();
    return sys::read_state::drained;
  }
  sys::send_tally send(const std::vector<sys::outgoing_run>&,
                       const std::vector<sys::chunk>&) override {
    seen.note();
    return {};
  }
  std::uint64_t receive_errors() const noexcept override { return 0; }
  int take_error() noexcept override { return 0; }
  std::uint16_t local_port() const noexcept override { return 0; }
  sys::readiness ready;
  sightings seen;
};

std::unique_ptr<sys::event_loop> real_loop() {
  auto loop = sys::event_loop::create(sys::real_kernel());
  BOOST_TEST_REQUIRE(loop.has_value());
  return std::move(*loop);
}

struct threads {
  explicit threads(role side) {
    use_idle_scheduler(config);
    system = std::make_unique<caf::actor_system>(config);
    context.settings.side = side;
    tunnel_config settings;
    settings.local_port = 443;
    tunnel = std::make_shared<const tunnel_config>(settings);
    context.settings.tun.peer4 = protocol::ip_address::v4(192, 168, 200, 2);
    context.random = [this](protocol::byte_span out) {
      random.note();
      for (auto& octet : out)
        octet = 7;
    };
    context.open_upstream = [this](const protocol::endpoint&) {
      upstream.note();
      return sys::result<std::shared_ptr<sys::datagram_socket>>{socket};
    };
    loop = std::make_unique<reactor>(*system, real_loop());
    where = std::make_unique<actors::shard>(0, context, *loop, pool, device);
    where->tunnels.push_back({tunnel, side == role::client ? socket : nullptr, {}});
    loop->set_between_passes([this] { passes.note(); });
    loop->start("shard");
    loop_thread = passes.await(1).front();
    BOOST_TEST((loop_thread != std::this_thread::get_id()));
  }
  ~threads() {
    for (auto& a : started)
      caf::anon_send_exit(a, caf::exit_reason::kill);
    started.clear();
    system->await_all_actors_done();
    loop->stop();
    where.reset();
    loop.reset();
  }
  template <class Function, class... Ts> caf::actor spawn(Function f, Ts&&... xs) {
    started.push_back(loop->spawn(f, std::forward<Ts>(xs)...));
    return started.back();
  }
  caf::actor nobody() {
    // The argument is for CAF 0.17, which binds a reference to null where there is none.
    return spawn(
        [](pinned<nobody_state>* self, int) {
          self->set_default_handler([](caf::scheduled_actor*, caf::message_view&) {
            return caf::result<caf::message>{caf::message{}};
          });
          return caf::behavior{[](timer_event) {}};
        },
        0);
  }
  void all_on_loop(sightings& s, std::size_t n) {
    for (const auto id : s.await(n))
      BOOST_TEST((id == loop_thread));
  }
  struct nobody_state {
    static inline const char* name = "nobody";
  };

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  process_context context;
  tunnel_ptr tunnel;
  sys::slab_pool pool{16};
  noting_device device;
  std::shared_ptr<noting_socket> socket = std::make_shared<noting_socket>();
  sightings random, upstream, passes;
  std::unique_ptr<reactor> loop;
  std::unique_ptr<actors::shard> where;
  std::vector<caf::actor> started;
  std::thread::id loop_thread;
};

protocol::four_tuple tuple() {
  return {{protocol::ip_address::v4(192, 168, 200, 2), 40'000},
          {protocol::ip_address::v4(192, 0, 2, 1), 443}};
}

to_device one_segment() {
  to_device batch;
  batch.segments.emplace_back();
  batch.segments.back().header.tuple = tuple();
  return batch;
}

template <class Batch> Batch one_datagram() {
  Batch batch;
  batch.chunks.emplace_back(); // of length zero: needs no slab
  return batch;
}

stream_start client_stream(threads& t, const caf::actor& queue, const caf::actor& session) {
  protocol::stream_config machine;
  machine.tuple = tuple();
  stream_start start;
  start.context.where = t.where.get();
  start.context.tunnel = t.tunnel;
  start.context.session = session;
  start.machine = protocol::stream::connect(machine);
  start.queue = queue;
  start.sink = session;
  return start;
}

} // namespace

// Each actor is spawned from this thread and sent to from this thread; what it then does to its device,
// socket or context must happen on the reactor's. Where an actor's handlers touch nothing of these, the
// thread is seen where what it sends is used.
BOOST_AUTO_TEST_SUITE(thread_test)

BOOST_AUTO_TEST_CASE(tun_queue_runs_on_its_reactor) {
  threads t{role::client};
  const auto queue = t.spawn(tun_queue, t.where.get());
  caf::anon_send(queue, one_segment());
  t.device.ready.set(true);
  t.all_on_loop(t.device.seen, 2);
}

BOOST_AUTO_TEST_CASE(udp_listener_runs_on_its_reactor) {
  threads t{role::client};
  const auto listener = t.spawn(
      udp_listener, udp_listener_start{t.where.get(), t.tunnel, t.socket, nullptr, t.nobody()});
  caf::anon_send(listener, one_datagram<wire_to_app>());
  t.socket->ready.set(true);
  t.all_on_loop(t.socket->seen, 2);
}

BOOST_AUTO_TEST_CASE(udp_endpoint_runs_on_its_reactor) {
  threads t{role::server};
  const auto endpoint =
      t.spawn(udp_endpoint, udp_endpoint_start{t.where.get(), upstream_sockets{t.socket},
                                               std::make_shared<const tunnel_config>(),
                                               std::make_shared<tunnel_health>(), t.nobody()});
  caf::anon_send(endpoint, one_datagram<wire_to_app>());
  t.socket->ready.set(true);
  t.all_on_loop(t.socket->seen, 2);
}

BOOST_AUTO_TEST_CASE(stream_runs_on_its_reactor) {
  threads t{role::client};
  const auto queue = t.spawn(tun_queue, t.where.get());
  const auto stream_handle = t.spawn(actors::stream, client_stream(t, queue, t.nobody()));
  t.all_on_loop(t.device.seen, 1); // the SYN
  // Dropped and counted as not_open: the counter has one writer, so it is on that thread or a race.
  caf::anon_send(stream_handle, one_datagram<app_to_wire>());
  caf::anon_send(stream_handle, probe_stream{}); // the SYN again
  t.all_on_loop(t.device.seen, 2);
  BOOST_TEST(t.where->stats.get(protocol::errc::not_open) == 1u);
}

BOOST_AUTO_TEST_CASE(client_session_runs_on_its_reactor) {
  threads t{role::client};
  client_session_start start;
  start.use = std::make_shared<session_use>();
  start.where = t.where.get();
  start.tunnel = t.tunnel;
  start.queue = t.nobody();
  start.listener = t.nobody();
  start.health = std::make_shared<tunnel_health>();
  const auto session = t.spawn(client_session, start);
  caf::anon_send(session, remote_resolved{t.tunnel, {tuple().remote}}); // draws a port and an ISN
  t.all_on_loop(t.random, 3);
}

/// One that introduces its session.
adopt_stream first_hello(threads& t) {
  protocol::hello_repr hello;
  hello.introduces = true;
  hello.control_length = protocol::hello_size;
  adopt_stream out;
  out.tunnel = t.tunnel;
  out.tuple = tuple();
  out.queue = t.nobody();
  std::get<protocol::accept_stream>(out.accepted).hello =
      *protocol::parse_hello(protocol::encode_hello(hello, {1}));
  return out;
}

BOOST_AUTO_TEST_CASE(server_session_runs_on_its_reactor) {
  threads t{role::server};
  server_session_start start;
  start.supervisor = t.nobody();
  start.health = std::make_shared<tunnel_health>();
  start.where = t.where.get();
  start.tunnel = t.tunnel;
  start.upstreams = {tuple().remote};
  start.queue = t.nobody();
  start.use = std::make_shared<session_use>();
  start.proof.emplace(std::get<protocol::accept_stream>(first_hello(t).accepted).hello);
  auto hello = first_hello(t);
  hello.place = t.where->streams.admit(hello.tuple.remote.address, protocol::time_point{});
  const auto session = t.spawn(server_session, start);
  caf::anon_send(session, std::move(hello)); // draws an IP ID
  t.all_on_loop(t.random, 1);
}

BOOST_AUTO_TEST_CASE(shard_supervisor_runs_on_its_reactor) {
  threads t{role::server};
  const auto supervisor = t.spawn(shard_supervisor, t.where.get(), t.nobody());
  caf::anon_send(supervisor, remote_resolved{t.tunnel, {tuple().remote}});
  const auto hello = first_hello(t);
  caf::anon_send(supervisor, hello);
  t.all_on_loop(t.random, 1);               // of the session that it makes
  caf::anon_send(supervisor, stop_shard{}); // takes its children along
  caf::scoped_actor self{*t.system};
  self->wait_for(supervisor);
}

BOOST_AUTO_TEST_CASE(an_assembly_runs_its_root_on_the_control_loop_and_each_shard_on_its_own) {
  constexpr std::size_t shards = 2;
  std::array<noting_device, shards> devices;
  std::array<sightings, shards + 1> passes; // of each loop
  sys::readiness signals;
  sightings asked, resolving;
  std::atomic<int> code{-1};
  tunnel_config settings;
  settings.local_port = 443;
  const auto tunnel = std::make_shared<const tunnel_config>(settings);

  actors::host outside;
  for (auto& device : devices)
    outside.queues.push_back(&device);
  outside.make_loop = [] { return sys::event_loop::create(sys::real_kernel()); };
  outside.random = [](protocol::byte_span out) { std::fill(out.begin(), out.end(), 7); };
  outside.tunnels = {{tunnel, {}}};
  outside.resolve = [&](const tunnel_ptr& which, const caf::actor& root) {
    resolving.note();
    caf::anon_send(root, remote_resolved{which, {tuple().remote}});
  };
  outside.signal_fd = signals.fd();
  outside.take_signals = [&]() -> std::vector<int> {
    signals.set(false);
    asked.note();
    return {15};
  };
  outside.ending = [&](int with) { code = with; };
  config chosen;
  chosen.side = role::server;
  chosen.tunnels = {tunnel};
  auto made = assemble(chosen, std::move(outside));
  BOOST_TEST_REQUIRE(made.has_value());
  auto& process = **made;
  const auto loops = process.loops();
  BOOST_TEST_REQUIRE(loops.size() == passes.size());
  for (std::size_t i = 0; i < loops.size(); ++i)
    loops[i]->set_between_passes([&, i] { passes[i].note(); });
  process.spawn_root();
  BOOST_TEST(resolving.count() == 0u); // nothing runs yet
  process.start();

  for (std::size_t i = 0; i < shards; ++i) {
    devices[i].ready.set(true);
    const auto seen = devices[i].seen.await(1).front();
    BOOST_TEST((seen == passes[i].await(1).front()));
  }
  signals.set(true);
  const auto control = passes[shards].await(1).front();
  BOOST_TEST((asked.await(1).front() == control));
  BOOST_TEST((resolving.await(1).front() == control));
  process.await();
  BOOST_TEST(code == 0);
  BOOST_TEST(process.actors_running() == 0u);
  process.stop();
}

BOOST_AUTO_TEST_CASE(an_assembly_whose_loops_cannot_be_made_says_why) {
  noting_device device;
  int loops = 0;
  actors::host outside;
  outside.queues = {&device};
  outside.make_loop = [&]() -> sys::result<std::unique_ptr<sys::event_loop>> {
    if (++loops == 1) return sys::event_loop::create(sys::real_kernel());
    return unexpected{sys::os_error{EMFILE, "epoll_create1", ""}};
  };
  const auto made = assemble({}, std::move(outside));
  BOOST_TEST_REQUIRE(!made.has_value());
  BOOST_TEST(made.error().number == EMFILE);
}

BOOST_AUTO_TEST_CASE(messages_between_two_started_reactors_arrive) {
  threads a{role::client}, b{role::client};
  const auto queue = b.spawn(tun_queue, b.where.get());
  // A stream of the one whose queue is the other's: each segment crosses, and wakes the sleeper.
  const auto s = a.spawn(actors::stream, client_stream(a, queue, a.nobody()));
  for (std::size_t i = 1; i <= 1'000; ++i) {
    caf::anon_send(s, probe_stream{});
    b.all_on_loop(b.device.seen, i + 1);
  }
}

BOOST_AUTO_TEST_SUITE_END()
