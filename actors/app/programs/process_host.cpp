#include "actors/app/programs/process_host.hpp"

#include "actors/app/programs/captures.hpp"
#include "actors/app/programs/device_options.hpp"
#include "actors/app/programs/host_faults.hpp"
#include "actors/app/programs/judged_remotes.hpp"
#include "actors/app/programs/session_room.hpp"
#include "actors/app/programs/tun_ends.hpp"
#include "actors/app/settings/host_commands.hpp"
#include "actors/app/settings/load.hpp"
#include "actors/root/reloading.hpp"
#include "actors/root/remotes.hpp"
#include "system/instance_state.hpp"
#include "system/kernel.hpp"
#include "system/offload_probe.hpp"
#include "system/process.hpp"
#include "system/resolver.hpp"
#include "system/udp_socket.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <iostream>
#include <stdexcept>
#include <utility>

namespace tonel::actors::app {

namespace {

constexpr std::uint64_t octets_a_mib = std::uint64_t{1} << 20;
constexpr std::size_t slabs_per_mib = octets_a_mib / (std::uint64_t{64} << 10);
// How long the end of the process waits for a worker, whose resolver may hang.
constexpr auto worker_patience = std::chrono::milliseconds{100};
// How long the start waits for other programs that are making their devices.
constexpr auto turn_patience = std::chrono::seconds{5};

constexpr std::size_t most_resolvers = 4;

std::unique_ptr<sys::worker> make_worker() {
  // Completions only send messages, so the worker's thread may run them itself.
  return std::make_unique<sys::worker>([](const sys::worker::closure& done) { done(); },
                                       worker_patience);
}

/// Thread: any; a worker calls it, too
void say_commands(const std::string& tun, const std::vector<std::string>& commands) {
  log_info("for the packets of ", tun, " to pass, run as root once for each start:");
  log_commands(commands);
}

/// What a reload finds.
struct read_settings {
  std::optional<settings> chosen;
  std::vector<std::string> problems, warnings;
};

/// On the worker. ports: may be null
read_settings read_again(role side, const command_line& line, port_keeper* ports) {
  read_settings out;
  auto loaded = load_settings(side, line);
  if (!loaded) {
    for (const auto& error : loaded.error())
      out.problems.push_back(error.to_string());
    return out;
  }
  out.warnings = warnings_of(*loaded);
  const auto& tunnels = loaded->run.tunnels;
  if (ports != nullptr) out.problems = ports->take(tunnels);
  if (ports != nullptr && out.problems.empty()) {
    ports->keep_only(tunnels);
    for (auto& warning : ports->warnings())
      out.warnings.push_back(std::move(warning));
  }
  out.chosen = std::move(*loaded);
  return out;
}

void fill_random(protocol::byte_span out) {
  if (auto filled = sys::fill_random(out); !filled)
    throw std::runtime_error(filled.error().to_string());
}

} // namespace

void report_counters(const counter_list& counts) {
  for (const auto& line : counter_lines(counts, log_lines_lost()))
    log_line(log_level::info, {}, line);
}

process_host::process_host(const settings& chosen, command_line line,
                           std::optional<sys::capture_file> capture)
    : chosen_(chosen), line_(std::move(line)), capture_file_(std::move(capture)) {}

process_host::~process_host() { end_workers(); }

void process_host::end_workers() {
  resolvers_.clear();
  worker_.reset();
}

std::optional<start_error> process_host::open() {
  auto signals = sys::signal_source::open({SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return start_error{signals.error().to_string(), {}};
  signals_.emplace(std::move(*signals));
  log_.emplace();
  upstreams_ = limit_sessions(chosen_.run);
  probe_offload();
  // Steps that are likely to fail come before those that change the host.
  if (auto failed = take_ports()) return failed;
  if (auto failed = open_listeners()) return failed;
  if (auto failed = status_.open_http()) return failed;

  if (auto failed = open_path()) return failed;
  if (auto failed = open_device()) return failed;
  if (auto failed = status_.open_control(*tun_)) return failed;
  if (auto failed = open_capture()) return failed;
  open_state();
  worker_ = make_worker();
  device_changes_.emplace(tun_, *worker_);
  if (!chosen_.firewall.interface.empty())
    rules_ = std::make_unique<rule_keeper>(chosen_, tun_->name(), *worker_, path_);
  return std::nullopt;
}

void process_host::probe_offload() {
  auto& offload = chosen_.run.offload;
  if (!offload.udp_gso && !offload.udp_gro) return;
  const auto probe = sys::probe_udp_offload(sys::real_kernel());
  if (!probe.note.empty()) log_warn(probe.note);
  offload.udp_gso = offload.udp_gso && probe.gso;
  offload.udp_gro = offload.udp_gro && probe.gro;
}

std::optional<start_error> process_host::take_ports() {
  const auto& run = chosen_.run;
  if (run.side == role::client) return std::nullopt;
  ports_ = std::make_shared<port_keeper>(chosen_.firewall.take_port, run.tun.ipv6);
  if (const auto problems = ports_->take(run.tunnels); !problems.empty())
    return port_error(problems);
  for (const auto& warning : ports_->warnings())
    log_warn(warning);
  return std::nullopt;
}

std::optional<start_error> process_host::open_listeners() {
  for (const auto& tunnel : chosen_.run.tunnels) {
    auto sockets = listen(*tunnel);
    if (!sockets) return listen_error(*tunnel, sockets.error());
    tunnels_.push_back({tunnel, std::move(*sockets)});
  }
  return std::nullopt;
}

std::optional<start_error> process_host::open_device() {
  const auto& tun = chosen_.run.tun;
  if (auto wrong = not_a_tun(tun)) return wrong;
  // Of programs that start at once, each has to see the addresses of those before it. Without rights to
  // the folder it goes on alone.
  const auto turn = sys::take_turn(sys::runtime_folder(), turn_patience);
  if (!turn && turn.error().number == ETIMEDOUT)
    log_warn("another program does not come to an end with its device: ", turn.error());
  if (auto failed = settle_ends(chosen_.run, taken_nets(chosen_.run))) return failed;
  auto device =
      sys::tun_device::open(sys::real_kernel(), device_options(tun, chosen_.run.offload.tun));
  if (!device) return tun_error(device.error());
  tun_ = std::make_shared<sys::tun_device>(std::move(*device));
  for (const auto& note : tun_->notes())
    log_warn(note);
  chosen_.run.tun.ipv6 = tun_->ipv6();
  return std::nullopt;
}

std::optional<start_error> process_host::open_path() {
  const auto& wanted = chosen_.firewall;
  if (wanted.interface.empty() || wanted.backend != sys::backend_kind::direct) return std::nullopt;
  auto path = sys::direct_path::open(sys::runtime_folder());
  if (!path) return path_error(path.error());
  path_ = std::move(*path);
  if (chosen_.run.side == role::client) tcp_ = sys::open_host_tcp();
  return std::nullopt;
}

std::optional<start_error> process_host::open_capture() {
  captures_ = make_captures(chosen_.run.side, tun_->name());
  if (!capture_file_) return std::nullopt;
  const auto begun =
      captures_->start(std::move(*capture_file_), chosen_.pcap_limit_mib * octets_a_mib);
  if (!begun) return start_error{"cannot capture: " + begun.error().to_string(), {}};
  log_info("capturing into ", chosen_.pcap.path);
  return std::nullopt;
}

void process_host::open_state() {
  auto path = chosen_.state_path;
  if (path == "auto") path = sys::given_state_directory();
  if (chosen_.run.side != role::client || path.empty() || path == "off") return;
  state_ = state_keeper::open(path, chosen_.run.bounds.max_sessions);
  if (state_) state_->start();
}

void process_host::end_capture() {
  static_cast<void>(stop_capture(*captures_)); // "no capture is on" is no error here
}

host process_host::give() {
  host out;
  for (std::size_t i = 0; i < tun_->queues(); ++i)
    out.queues.push_back(&tun_->queue(i));
  out.capture = captures_.get();
  out.slabs = chosen_.run.bounds.pool_mib * slabs_per_mib;
  out.make_loop = [] { return sys::event_loop::create(sys::real_kernel()); };
  out.random = fill_random;
  out.open_upstream = [this](const protocol::endpoint& upstream) {
    return open_upstream(upstream);
  };
  out.provoke = host_faults();
  if (state_) out.memory = state_->memory();

  out.tunnels = std::exchange(tunnels_, {});
  out.listen = [this](const tunnel_config& tunnel) { return listen(tunnel); };
  out.resolve = [this](const tunnel_ptr& tunnel, const caf::actor& root) { resolve(tunnel, root); };
  out.reload = [this](const caf::actor& root) { reload(root); };
  out.tunnels_changed = [this](const auto& tunnels) { tunnels_changed(tunnels); };
  if (rules_) out.firewall = &rules_->start();
  if (chosen_.run.side == role::client) out.direct = path_.get();
  out.tcp = tcp_.get();

  out.signal_fd = signals_->fd();
  out.take_signals = [this] { return signals_->take(); };
  out.report = report_counters;
  out.reopen_log = reopen_log;
  out.manager = service_.get();
  out.services = [this](reactor& control, const counter_list& counts) {
    auto all = status_.start(control, counts, *tun_, *worker_, captures_);
    if (auto keeper = device_changes_->keeper(control)) all.push_back(std::move(*keeper));
    return all;
  };
  out.ending = [this](int code) { exit_code_ = code; };
  return out;
}

sys::result<std::shared_ptr<sys::datagram_socket>>
process_host::open_upstream(const protocol::endpoint& upstream) {
  const auto open = [&]() -> sys::result<std::unique_ptr<sys::datagram_socket>> {
    sys::udp_options options;
    options.gso = chosen_.run.offload.udp_gso;
    options.gro = chosen_.run.offload.udp_gro;
    options.buffer = sys::session_buffer;
    auto socket = sys::udp_socket::connect(sys::real_kernel(), upstream, options);
    if (!socket) return unexpected{socket.error()};
    return with_faults(std::move(*socket));
  };
  if (upstreams_) return upstreams_->take(open);
  auto unbounded = open();
  if (!unbounded) return unexpected{unbounded.error()};
  return std::shared_ptr<sys::datagram_socket>{std::move(*unbounded)};
}

sys::result<tunnel_sockets> process_host::listen(const tunnel_config& tunnel) const {
  const auto& run = chosen_.run;
  sys::udp_options options;
  options.gso = run.offload.udp_gso;
  options.gro = run.offload.udp_gro;
  options.reuse_port = run.tun.queues > 1; // one alone: an address in use is an error
  options.buffer = sys::listener_buffer;
  tunnel_sockets sockets;
  while (run.side == role::client && sockets.size() < run.tun.queues) {
    auto socket = sys::udp_socket::listen(sys::real_kernel(), tunnel.local_udp, options);
    if (!socket) return unexpected{socket.error()};
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

/// A name has the same one always, so that a silent name server blocks few other names.
sys::worker& process_host::resolver_of(const std::string& name) {
  const auto known = std::find(names_.begin(), names_.end(), name);
  const auto index = static_cast<std::size_t>(known - names_.begin()) % most_resolvers;
  if (known == names_.end()) names_.push_back(name);
  if (index == resolvers_.size()) resolvers_.push_back(make_worker());
  return *resolvers_[index];
}

void process_host::resolve(const tunnel_ptr& tunnel, const caf::actor& root) {
  const auto& remote = tunnel->remote;
  const auto wanted = chosen_.run.side == role::client && !chosen_.run.tun.ipv6
                          ? sys::address_filter::v4
                          : sys::address_filter::any;
  const auto judged = [side = chosen_.run.side, tun = chosen_.run.tun,
                       name = tun_->name()](const std::vector<protocol::endpoint>& found) {
    auto named = tun;
    named.name = name;
    return judge(found, side, named, ways_of_host());
  };
  // A literal address needs no resolver, which a silent name server may block for long.
  if (const auto address = protocol::ip_address::parse(remote.host);
      address && (wanted == sys::address_filter::any || address->is_v4())) {
    const protocol::endpoint only{*address, remote.port};
    caf::anon_send(root, remote_resolved{tunnel, {only}});
    worker_->run([judged, only] { return judged({only}).remark; },
                 [tunnel](const std::string& remark) {
                   if (!remark.empty()) log_warn(label(*tunnel), "the remote: ", remark);
                 });
    return;
  }
  resolver_of(remote.host)
      .run(
          [remote, wanted, judged]() -> sys::result<judged_remotes> {
            const auto found = sys::resolve(remote.host, remote.port, wanted);
            if (!found) return unexpected{found.error()};
            return judged(*found);
          },
          [root, tunnel](sys::result<judged_remotes> found) {
            if (!found)
              caf::anon_send(root, resolve_failed{tunnel, found.error().to_string()});
            else if (found->usable.empty())
              caf::anon_send(root, resolve_failed{tunnel, found->remark});
            else
              caf::anon_send(root, remote_resolved{tunnel, std::move(found->usable),
                                                   std::move(found->remark)});
          });
}

void process_host::reload(const caf::actor& root) {
  const auto side = chosen_.run.side;
  worker_->run([side, line = line_, ports = ports_] { return read_again(side, line, ports.get()); },
               [this, root](const read_settings& found) {
                 for (const auto& warning : found.warnings)
                   log_warn(warning);
                 reload_result result;
                 result.problems = found.problems;
                 if (found.chosen) {
                   result.tunnels = found.chosen->run.tunnels;
                   result.need_restart = changed_process_options(chosen_, *found.chosen);
                 }
                 caf::anon_send(root, std::move(result));
               });
}

/// Thread: any; asks the kernel for routes and addresses
void process_host::tunnels_changed(const std::vector<tunnel_ptr>& tunnels) {
  if (!wants_host_commands()) return;
  auto now = chosen_;
  now.run.tunnels = tunnels;
  worker_->run([now, tun = tun_->name()] { return host_commands(now, tun); },
               [tun = tun_->name()](const std::vector<std::string>& commands) {
                 say_commands(tun, commands);
               });
}

bool process_host::wants_host_commands() const { return !rules_ && log_enabled(log_level::info); }

void process_host::say_host_commands() const {
  if (!wants_host_commands()) return;
  const auto commands = host_commands(chosen_, tun_->name());
  say_commands(tun_->name(), commands);
  // A user who starts the program reads stderr, not the log file.
  for (const auto& command : commands)
    if (log_goes_to_a_file()) std::cerr << "  " << command << '\n';
}

void process_host::say_ready() {
  const auto& run = chosen_.run;
  const auto spread = [](const tunnel_ptr& tunnel) { return tunnel->upstream_ports > 1; };
  if (run.side == role::client && std::any_of(run.tunnels.begin(), run.tunnels.end(), spread))
    log_info("--udp-connections has no effect here; tonels has ports towards its upstream");
  log_info("device ", tun_->name(), ", ", tun_->queues(),
           tun_->queues() == 1 ? " queue" : " queues", ", offload ",
           tun_->queue(0).offload() ? "on" : "off");
  for (const auto& tunnel : run.tunnels) {
    if (run.side == role::client)
      log_info(label(*tunnel), "listening on ", tunnel->local_udp);
    else
      log_info(label(*tunnel), "serving TCP port ", tunnel->local_port);
  }
}

} // namespace tonel::actors::app
