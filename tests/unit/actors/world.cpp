#include "tests/unit/actors/world.hpp"

#include "actors/root/remotes.hpp"
#include "actors/runtime/log.hpp"
#include "protocol/run.hpp"
#include "system/decorators/faulty.hpp"

#include <boost/test/unit_test.hpp>
#include <caf/send.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>

namespace tonel::test {

using namespace std::chrono_literals;

namespace {

const protocol::ip_address client_tun = protocol::ip_address::v4(192, 168, 200, 2);
const protocol::ip_address server_tun = protocol::ip_address::v4(192, 168, 201, 2);
const protocol::endpoint server_address{server_tun, 443};
const protocol::endpoint upstream_address{protocol::ip_address::v4(10, 9, 9, 9), 51820};

/// The log of this run of the tests, gone with it.
class log_file {
public:
  static const log_file& instance() {
    static const log_file one;
    return one;
  }
  std::string text() const {
    std::ifstream in{path_};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  void set(actors::log_level level) const {
    actors::log_settings all;
    all.path = path_;
    all.level = level;
    all.limited = false; // every test looks for its own lines
    BOOST_TEST_REQUIRE(!actors::open_log(all).has_value());
  }

private:
  log_file() : path_("/tmp/tonel_actors_test." + std::to_string(getpid())) {
    set(actors::log_level::info);
  }
  ~log_file() { std::remove(path_.c_str()); }
  std::string path_;
};

void append_texts(std::vector<std::string>& out,
                  const sys::memory_datagram_socket::datagrams& sent) {
  const auto count =
      protocol::datagrams_in(static_cast<std::uint32_t>(sent.bytes.size()), sent.datagram_size);
  for (std::size_t i = 0; i < count; ++i) {
    const auto from = i * sent.datagram_size;
    const auto size = std::min<std::size_t>(sent.datagram_size, sent.bytes.size() - from);
    const auto first = sent.bytes.begin() + static_cast<std::ptrdiff_t>(from);
    out.emplace_back(first, first + static_cast<std::ptrdiff_t>(size));
  }
}

} // namespace

// virtual_loop

sys::result<void> virtual_loop::watch(int fd, sys::interest what, std::uint64_t token) {
  if (what == sys::interest::none) return {};
  if (!watched_.emplace(fd, token).second)
    return unexpected{sys::os_error{EEXIST, "watch", "virtual"}};
  return {};
}

sys::result<void> virtual_loop::change(int fd, sys::interest what, std::uint64_t token) {
  watched_.erase(fd);
  return watch(fd, what, token);
}

std::size_t virtual_loop::wait(sys::ready_event* out, std::size_t capacity,
                               protocol::duration limit) {
  now_ = time_;
  std::size_t filled = 0;
  for (const auto& [fd, token] : watched_) {
    pollfd p{fd, POLLIN, 0};
    if (filled < capacity && poll(&p, 1, 0) == 1) out[filled++] = {token, true, false, false};
  }
  const auto next = wheel_.next();
  const bool woken = woken_.exchange(false);
  idle_ = limit < protocol::duration::zero() && !woken && filled == 0 && (!next || *next > now_);
  return filled;
}

// socket

sys::result<sys::read_state> socket::receive(sys::slab_writer& slabs,
                                             std::vector<sys::received_datagrams>& out,
                                             std::size_t max) {
  if (std::exchange(receive_fails, false))
    return unexpected{sys::os_error{EBADF, "recvmmsg", "memory"}};
  const auto state = memory.receive(slabs, out, max);
  if (std::exchange(refused_, false)) {
    refused_now_ = ECONNREFUSED;
    out.clear();
  }
  return state;
}

void socket::refuse() {
  refused_ = true;
  memory.push({}, {0}); // wakes the reader, who finds nothing
}

sys::send_tally socket::send(const std::vector<sys::outgoing_run>& runs,
                             const std::vector<sys::chunk>& chunks) {
  if (std::exchange(send_throws, false)) throw std::runtime_error("a send that throws");
  return memory.send(runs, chunks);
}

std::vector<std::string> socket::texts() const {
  std::vector<std::string> out;
  for (const auto& s : memory.sent)
    append_texts(out, s);
  return out;
}

// process

process::process(world& w, const actors::config& settings, std::size_t slabs,
                 protocol::duration watchdog)
    : world_(w), settings_(settings), slabs_(slabs), tunnel_(settings.tunnels.front()),
      signal_ready_(std::make_unique<sys::readiness>()),
      routes_ready_(std::make_unique<sys::readiness>()) {
  service.interval = watchdog;
  static std::uint64_t seed = 0;
  random_.seed(++seed);
  for (std::size_t i = 0; i < settings.tun.queues; ++i) {
    tuns.push_back(std::make_unique<sys::memory_packet_device>());
    tuns.back()->on_write = [this, i](const auto& s) { world_.carry(*this, i, s); };
    if (settings.side == actors::role::client) listeners.push_back(std::make_shared<socket>());
  }
}

actors::host process::give() {
  actors::host out;
  for (const auto& tun : tuns)
    out.queues.push_back(tun.get());
  out.capture = &capture;
  out.slabs = slabs_;
  out.make_loop = [this] {
    auto loop = std::make_unique<virtual_loop>(world_.now);
    loops_.push_back(loop.get());
    return sys::result<std::unique_ptr<sys::event_loop>>{std::move(loop)};
  };
  out.random = [this](protocol::byte_span drawn) {
    for (auto& octet : drawn)
      octet = static_cast<std::uint8_t>(random_());
  };
  out.open_upstream = [this](const protocol::endpoint& address) { return open_upstream(address); };
  out.provoke = [this](const char* place, protocol::byte_view datagrams) {
    provoke(place, datagrams);
  };
  out.memory = memory;
  out.tunnels = {{tunnel_, {listeners.begin(), listeners.end()}}};
  out.listen = [this](const actors::tunnel_config&) { return listen(); };
  out.resolve = [this](const actors::tunnel_ptr& tunnel, const caf::actor& asker) {
    resolve(tunnel, asker);
  };
  out.reload = [this](const caf::actor& asker) {
    from_host([this, asker] { caf::anon_send(asker, next_reload_); });
  };
  firewall_.ensure = [this](const sys::rule_request& wanted, const auto& done) {
    rules_made.push_back(wanted);
    from_host([this, done] {
      sys::rules_report report;
      if (is_direct) {
        report.where = "tcx at eth0";
        report.ways = ways;
      }
      done(report);
    });
  };
  if (is_direct) {
    firewall_.direct = true;
    firewall_.routes_fd = routes_ready_->fd();
    firewall_.take_routes = [this] {
      routes_ready_->set(false);
      sys::netlink_changes changes;
      changes.something = true;
      return changes;
    };
    out.direct = &direct;
    out.tcp = &tcp;
  }
  if (with_rules || is_direct) out.firewall = &firewall_;
  out.signal_fd = signal_ready_->fd();
  out.take_signals = [this] {
    signal_ready_->set(false);
    return std::exchange(signals_, {});
  };
  out.report = [this](const actors::counter_list&) {
    if (report_throws) throw std::runtime_error("a report that throws");
    ++reports;
  };
  out.reopen_log = [this] { ++reopened; };
  out.manager = &service;
  out.services = [this](actors::reactor& control, const actors::counter_list&) {
    return services ? services(control) : std::vector<actors::service>{};
  };
  out.ending = [this](int code) { exit_code = code; };
  return out;
}

sys::result<std::shared_ptr<sys::datagram_socket>>
process::open_upstream(const protocol::endpoint& address) {
  BOOST_TEST((!addresses.empty() || address.address == upstream_address.address));
  if (instead_of_upstream) return instead_of_upstream();
  upstreams.push_back(std::make_shared<socket>());
  upstreams.back()->memory.port = static_cast<std::uint16_t>(40'000 + upstreams.size());
  upstreams.back()->peer = address;
  return std::make_shared<sys::faulty_datagram_socket>(
      upstreams.back(), [this](sys::fault_way way, protocol::byte_view datagrams) {
        if (way == sys::fault_way::out) provoke("endpoint", datagrams);
        return sys::fault{};
      });
}

sys::result<actors::tunnel_sockets> process::listen() {
  if (listen_fails) return unexpected{sys::os_error{EADDRINUSE, "bind", "memory"}};
  actors::tunnel_sockets out;
  while (settings_.side == actors::role::client && out.size() < tuns.size()) {
    listeners.push_back(std::make_shared<socket>());
    out.push_back(listeners.back());
  }
  return out;
}

void process::provoke(const std::string& place, protocol::byte_view datagrams) {
  const bool named = fault_place == place;
  if (named) fault_place.clear();
  if (named || std::string{datagrams.begin(), datagrams.end()} == "tonel-fault:" + place)
    throw std::runtime_error("provoked at " + place);
}

void process::start() {
  auto made = actors::assemble(settings_, give());
  BOOST_TEST_REQUIRE(made.has_value());
  assembly_ = std::move(*made);
  reactors_ = assembly_->loops();
  assembly_->spawn_root();
}

void process::resolve(const actors::tunnel_ptr& tunnel, const caf::actor& asker) {
  ++resolve_calls;
  if (resolver_hangs) return;
  if (resolve_failures > 0) {
    --resolve_failures;
    caf::anon_send(asker, actors::resolve_failed{tunnel, "no such host"});
    return;
  }
  if (!addresses.empty()) {
    caf::anon_send(asker, actors::remote_resolved{tunnel, addresses});
    return;
  }
  const bool client = settings_.side == actors::role::client;
  auto address = client ? server_address : upstream_address;
  if (tunnel->remote.port != 0) address.port = tunnel->remote.port;
  caf::anon_send(asker, actors::remote_resolved{tunnel, {address}});
}

void process::signal(int number) {
  signals_.push_back(number);
  signal_ready_->set(true);
}

std::uint64_t process::count(counter c) const {
  std::uint64_t sum = 0;
  for (const auto* shard : assembly_->counts())
    sum += shard->get(c);
  return sum;
}

std::uint64_t process::count(protocol::errc e) const {
  std::uint64_t sum = 0;
  for (const auto* shard : assembly_->counts())
    sum += shard->get(e);
  return sum;
}

sys::datagram_path process::app(std::uint16_t port) {
  return {{protocol::ip_address::v4(10, 0, 0, 1), port}, protocol::ip_address::v4(10, 0, 0, 2), 3};
}

void process::app_sends(std::uint16_t port, const std::string& text, std::size_t shard) {
  app_sends_run(port, text, static_cast<std::uint32_t>(text.size()), shard);
}

void process::app_sends_run(std::uint16_t port, const std::string& text, std::uint32_t size,
                            std::size_t shard) {
  listeners[shard]->memory.push({app(port), bytes_of(text), size});
}

std::vector<std::string> process::app_got(std::uint16_t port) const {
  std::vector<std::string> out;
  for (const auto& l : listeners)
    for (const auto& s : l->memory.sent)
      if (s.path == app(port)) append_texts(out, s);
  return out;
}

// world

world::world(const world_options& options) : options_(options) {
  log_file::instance();
  server_ = make_server();
  client_ = make_client();
  run();
}

world::~world() {
  kill(client_);
  kill(server_);
}

std::unique_ptr<process> world::make_client() {
  actors::config c;
  c.side = actors::role::client;
  actors::tunnel_config tunnel;
  tunnel.idle_timeout = options_.idle_timeout;
  c.keepalive = options_.keepalive;
  tunnel.streams = options_.streams;
  tunnel.wire = options_.wire;
  c.tun.peer4 = client_tun;
  if (!options_.client_packet.empty())
    tunnel.handshake_packet = std::make_shared<const octets>(bytes_of(options_.client_packet));
  tunnel.deadline = options_.client_deadline;
  if (!options_.key.empty()) tunnel.cipher = std::make_shared<protocol::xor_cipher>(options_.key);
  c.tun.queues = options_.client_shards;
  c.bounds = options_.client_bounds;
  c.tunnels = {std::make_shared<const actors::tunnel_config>(tunnel)};
  auto p = std::make_unique<process>(*this, c, options_.slabs, options_.watchdog);
  p->resolve_failures = options_.client_resolve_failures;
  p->addresses = options_.client_addresses;
  p->services = options_.client_services;
  p->with_rules = options_.client_rules;
  p->is_direct = options_.client_direct;
  p->host_hangs = options_.client_host_hangs;
  p->memory = options_.client_memory;
  p->start();
  return p;
}

std::unique_ptr<process> world::make_server() {
  actors::config c;
  c.side = actors::role::server;
  actors::tunnel_config tunnel;
  tunnel.local_port = server_address.port;
  tunnel.upstream_ports = options_.upstream_ports;
  tunnel.accept_native = options_.accept_native;
  tunnel.accept_legacy = options_.accept_legacy;
  tunnel.idle_timeout = options_.idle_timeout;
  c.tun.peer4 = server_tun;
  if (!options_.server_packet.empty())
    tunnel.handshake_packet = std::make_shared<const octets>(bytes_of(options_.server_packet));
  tunnel.deadline = options_.server_deadline;
  if (!options_.key.empty()) tunnel.cipher = std::make_shared<protocol::xor_cipher>(options_.key);
  c.tun.queues = options_.server_shards;
  c.bounds = options_.server_bounds;
  c.tunnels = {std::make_shared<const actors::tunnel_config>(tunnel)};
  auto p = std::make_unique<process>(*this, c, options_.slabs, protocol::duration{});
  p->services = options_.server_services;
  p->addresses = options_.server_addresses;
  p->start();
  return p;
}

void world::kill(std::unique_ptr<process>& p) {
  if (!p) return;
  p->connected = false;
  p->signal(SIGTERM);
  // What it does meanwhile is the business of nobody: no test runs on in that time.
  BOOST_TEST(until([&] { return p->ended(); }, 5s), p->actors_running() << " actors do not end");
  p.reset();
}

void world::restart_server() {
  kill(server_);
  last_writer_.clear();
  server_ = make_server();
  run();
}

void world::restart_client() {
  kill(client_);
  last_writer_.clear();
  client_ = make_client();
  run();
}

bool world::step() {
  bool busy = false;
  for (auto* p : {client_.get(), server_.get()}) {
    if (p == nullptr) continue;
    for (std::size_t i = 0; i < p->reactors_.size(); ++i) {
      if (p->stuck == i) continue;
      auto& reactor = *p->reactors_[i];
      if (!reactor.is_done()) busy = true;
      reactor.run_once(protocol::duration{-1});
      if (!p->loops_[i]->idle() || !reactor.is_done()) busy = true;
    }
  }
  for (auto* p : {client_.get(), server_.get()})
    if (p != nullptr)
      for (std::size_t i = 0; i < p->loops_.size(); ++i)
        if (p->stuck != i && p->loops_[i]->woken()) busy = true;
  return busy;
}

void world::run() {
  for (int rounds = 0; step(); ++rounds)
    if (rounds > 20'000) throw std::runtime_error("the actors do not come to rest");
}

void world::pass(protocol::duration d) {
  until([] { return false; }, d);
}

bool world::until(const std::function<bool()>& done, protocol::duration limit) {
  const auto end = now + limit;
  for (;;) {
    run();
    if (done()) return true;
    auto next = end;
    for (auto* p : {client_.get(), server_.get()}) {
      if (p == nullptr) continue;
      for (std::size_t i = 0; i < p->loops_.size(); ++i) {
        const auto at = p->loops_[i]->timers().next();
        if (p->stuck != i && at && *at < next) next = *at;
      }
    }
    if (instead_of_server != nullptr)
      if (const auto at = instead_of_server->deadline(); at && *at < next) next = *at;
    for (const auto& [address, h] : hosts_)
      if (const auto at = h->deadline(); at && *at < next) next = *at;
    if (now == end) return false;
    now = std::max(next, now + 1ns);
    if (instead_of_server != nullptr) instead_of_server->on_timer();
    for (const auto& [address, h] : hosts_)
      h->on_timer();
  }
}

void world::carry(process& from, std::size_t queue,
                  const sys::memory_packet_device::written_segment& segment) {
  traced t{&from == client_.get(), segment.header, segment.payload, segment.datagram_size, false};
  const auto& local = segment.header.tuple.local;
  const auto& remote = segment.header.tuple.remote;
  // The kernel remembers which queue last wrote to a flow.
  last_writer_[{t.from_client, local.to_string() + remote.to_string()}] = queue;
  t.lost = !from.connected;
  if (!t.from_client || instead_of_server == nullptr)
    return deliver(t, (t.from_client ? server_ : client_).get(), segment);
  t.lost = t.lost || (lose && lose(t));
  trace.push_back(t);
  if (!t.lost) to_stand_in(t);
}

std::size_t world::arrival_queue(const traced& t) const {
  if (queue_of) return queue_of(t);
  const auto& tuple = t.header.tuple;
  const auto known =
      last_writer_.find({!t.from_client, tuple.remote.to_string() + tuple.local.to_string()});
  return known != last_writer_.end() ? known->second : 0;
}

void world::answer(const protocol::segment_header& header, const octets& payload) {
  const auto size = static_cast<std::uint32_t>(payload.size());
  deliver({false, header, payload, size, false}, client_.get(), {header, payload, size});
}

void world::to_stand_in(const traced& t) {
  protocol::segment_repr in;
  in.tuple = {t.header.tuple.remote, t.header.tuple.local};
  in.ack = t.header.ack;
  in.window = t.header.window;
  in.flags = t.header.flags;
  in.sack_permitted = t.has(protocol::flag::syn) && t.header.mss != 0;
  std::size_t at = 0;
  do {
    const auto size = std::min<std::size_t>(t.datagram_size, t.payload.size() - at);
    in.seq = t.header.seq + static_cast<std::uint32_t>(at);
    in.payload_length = in.datagram_size = static_cast<std::uint32_t>(size);
    const auto from = t.payload.begin() + static_cast<std::ptrdiff_t>(at);
    instead_of_server->receive(in, {from, from + static_cast<std::ptrdiff_t>(size)});
    at += size;
  } while (at < t.payload.size());
}

void world::detach(const host& h) {
  hosts_.erase(std::remove_if(hosts_.begin(), hosts_.end(),
                              [&](const auto& each) { return each.second == &h; }),
               hosts_.end());
}

void world::send(const host::segment& s) {
  deliver({true, s.header, s.payload, s.datagram_size, false}, server_.get(), s);
}

void world::deliver(traced t, process* to, const host::segment& segment) {
  const auto& address = segment.header.tuple.remote.address;
  const auto other =
      std::find_if(hosts_.begin(), hosts_.end(), [&](const auto& h) { return h.first == address; });
  const bool there = other != hosts_.end() || (to != nullptr && to->connected);
  t.lost = t.lost || !there || (lose && lose(t));
  trace.push_back(t);
  if (t.lost) return;
  if (other != hosts_.end()) return other->second->receive(segment);
  to->tuns[arrival_queue(t)]->push(segment);
}

std::vector<std::string> world::upstream_got() const {
  std::vector<std::string> out;
  for (const auto& u : server_->upstreams)
    for (auto& text : u->texts())
      out.push_back(text);
  return out;
}

void world::echo(std::uint16_t port, const std::string& text) {
  client().app_sends(port, text);
  const auto arrived = [&]() -> socket* {
    for (auto& u : server().upstreams) {
      const auto texts = u->texts();
      if (std::find(texts.begin(), texts.end(), text) != texts.end()) return u.get();
    }
    return nullptr;
  };
  BOOST_TEST_REQUIRE(until([&] { return arrived() != nullptr; }, 1s), text << " is lost");
  arrived()->memory.push({}, bytes_of("re:" + text));
  const auto answered = [&] {
    const auto got = client().app_got(port);
    return std::find(got.begin(), got.end(), "re:" + text) != got.end();
  };
  BOOST_TEST_REQUIRE(until(answered, 1s), "the answer to " << text << " is lost");
}

std::vector<traced> world::sent_with(std::uint8_t flags, bool from_client) const {
  std::vector<traced> out;
  for (const auto& t : trace)
    if (t.from_client == from_client && t.has(flags)) out.push_back(t);
  return out;
}

// log_tail

log_tail::log_tail() : from_(log_file::instance().text().size()) {}

std::vector<std::string> log_tail::lines() const {
  std::vector<std::string> out;
  const auto text = log_file::instance().text();
  for (std::size_t at = from_; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::size_t log_tail::matching(const std::string& part) const {
  const auto all = lines();
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& line) {
    return line.find(part) != std::string::npos;
  }));
}

void log_at(actors::log_level level) { log_file::instance().set(level); }

} // namespace tonel::test
