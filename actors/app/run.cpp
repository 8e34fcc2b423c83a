#include "actors/app/run.hpp"

#include "actors/app/build_info.hpp"
#include "actors/app/captures.hpp"
#include "actors/app/control_socket.hpp"
#include "actors/app/device_options.hpp"
#include "actors/app/host_commands.hpp"
#include "actors/app/host_faults.hpp"
#include "actors/app/load.hpp"
#include "actors/app/log.hpp"
#include "actors/app/options.hpp"
#include "actors/app/session_room.hpp"
#include "actors/app/start_error.hpp"
#include "actors/control.hpp"
#include "actors/http.hpp"
#include "actors/log.hpp"
#include "actors/root_supervisor.hpp"
#include "actors/scheduler.hpp"
#include "actors/shard.hpp"
#include "actors/status_line.hpp"
#include "system/daemon.hpp"
#include "system/decorators/pcap_device.hpp"
#include "system/host_rules.hpp"
#include "system/netlink_watch.hpp"
#include "system/offload_probe.hpp"
#include "system/process.hpp"
#include "system/resolver.hpp"
#include "system/service_manager.hpp"
#include "system/signal_source.hpp"
#include "system/socket_budget.hpp"
#include "system/tun_device.hpp"
#include "system/udp_socket.hpp"
#include "system/worker.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <exception>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors::app {

namespace {

constexpr std::uint64_t octets_a_mib = std::uint64_t{1} << 20;
constexpr std::size_t slabs_per_mib = octets_a_mib / (64 * 1024);
// For a resolver that hangs while the process stops.
constexpr auto worker_patience = std::chrono::milliseconds{100};

/// Everything that the actors borrow, in the order in which it is made; undone in reverse.
class runtime {
public:
  runtime(const settings& chosen, command_line line, std::optional<sys::capture_file> capture)
      : chosen_(chosen), line_(std::move(line)), capture_file_(std::move(capture)) {}
  ~runtime() {
    resolver_.reset();
    worker_.reset();
    if (rules_ && !rules_->remove())
      log_error("the system does not answer: the firewall rules stay until the next start");
  }
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  std::optional<start_error> open();
  /// on_ready: called once everything works
  int run(const std::function<void()>& on_ready);

private:
  std::optional<start_error> open_http();
  std::optional<start_error> open_control();
  std::optional<start_error> open_capture();
  void capture(const capture_order& wanted, const caf::actor& answer_to);
  std::shared_ptr<process_facts> facts() const;
  /// What answers questions about the process.
  std::vector<service> services(reactor& loop, const std::shared_ptr<process_facts>& facts);
  std::optional<start_error> open_listeners();
  void make_context();
  void probe_offload();
  sys::result<tunnel_sockets> listen(const tunnel_config& tunnel);
  void resolve(const tunnel_ptr& tunnel, const caf::actor& root);
  void reload(const caf::actor& root);
  void open_rules();
  bool wants_host_commands() const;
  static void say_host_commands(const std::string& tun, const std::vector<std::string>& commands);
  void tunnels_changed(const std::vector<tunnel_ptr>& tunnels);
  void say_ready();

  settings chosen_;
  command_line line_; ///< for a reload; its paths are absolute
  sys::kernel& kernel_ = sys::real_kernel();
  // Before any thread exists, so that all inherit the blocked signals.
  std::optional<sys::signal_source> signals_;
  std::optional<log_thread> log_; ///< ends when all else has: what is said last is written
  std::vector<process_tunnel> tunnels_;
  std::optional<sys::tun_device> tun_;
  std::optional<sys::capture_file> capture_file_; ///< of --pcap, until it begins
  std::shared_ptr<sys::packet_capture> captures_; ///< shared with the worker, too
  std::shared_ptr<sys::stream_listener> control_, http_;
  std::optional<sys::socket_budget> upstreams_; ///< server
  process_context context_;
  // Shared with the worker, whose thread may hang for longer than the process wants to wait.
  std::shared_ptr<sys::host_rules> rules_;
  std::optional<sys::netlink_watch> rule_changes_, route_changes_;
  firewall_start firewall_;
  std::unique_ptr<sys::worker> worker_;
  // Names alone: a name server that is silent must not hold up rules and reload.
  std::unique_ptr<sys::worker> resolver_;
  std::unique_ptr<sys::service_manager> service_ = sys::find_service_manager();
};

std::optional<start_error> runtime::open() {
  auto signals = sys::signal_source::open({SIGINT, SIGTERM, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return start_error{signals.error().to_string(), {}};
  signals_.emplace(std::move(*signals));
  log_.emplace();
  upstreams_ = limit_sessions(chosen_.run);
  probe_offload();
  // What is most likely to fail comes before what changes the host.
  if (auto failed = open_listeners()) return failed;
  if (auto failed = open_http()) return failed;

  const auto& tun = chosen_.run.tun;
  if (auto taken = address_in_use(tun)) return taken;
  auto device = sys::tun_device::open(kernel_, device_options(tun, chosen_.run.offload.tun));
  if (!device) return tun_error(device.error());
  tun_.emplace(std::move(*device));
  for (const auto& note : tun_->notes())
    log_warn(note);
  chosen_.run.tun.ipv6 = tun_->ipv6();
  if (auto failed = open_control()) return failed;
  if (auto failed = open_capture()) return failed;
  make_context();
  if (!chosen_.firewall.interface.empty()) open_rules();
  return std::nullopt;
}

std::optional<start_error> runtime::open_http() {
  if (!chosen_.metrics) return std::nullopt;
  auto socket = sys::stream_listener::listen_tcp(*chosen_.metrics);
  if (!socket) return start_error{"cannot serve metrics: " + socket.error().to_string(), {}};
  http_ = std::make_shared<sys::stream_listener>(std::move(*socket));
  return std::nullopt;
}

std::optional<start_error> runtime::open_control() {
  const auto name = std::string{program_name(chosen_.run.side)} + '-' + tun_->name();
  auto opened = open_control_socket(chosen_.control_path, name);
  if (opened) {
    control_ = std::move(*opened);
    return std::nullopt;
  }
  start_error failed{"cannot make the control socket: " + opened.error().to_string(), {}};
  if (chosen_.control_path != "auto") return failed;
  log_warn(failed.text, "; tonelctl will not find this process (--control names another place)");
  return std::nullopt;
}

std::optional<start_error> runtime::open_capture() {
  captures_ = make_captures(chosen_.run.side, tun_->name());
  if (!capture_file_) return std::nullopt;
  const auto begun =
      captures_->start(std::move(*capture_file_), chosen_.pcap_limit_mib * octets_a_mib);
  if (!begun) return start_error{"cannot capture: " + begun.error().to_string(), {}};
  log_info("capturing into ", chosen_.pcap.path);
  return std::nullopt;
}

void runtime::capture(const capture_order& wanted, const caf::actor& answer_to) {
  const auto limit = wanted.limit_mib != 0 ? wanted.limit_mib : chosen_.pcap_limit_mib;
  worker_->run(
      [captures = captures_, wanted, limit] {
        return wanted.start ? start_capture(*captures, wanted.path, limit)
                            : stop_capture(*captures);
      },
      [answer_to, question = wanted.question](const expected<std::string, std::string>& done) {
        caf::anon_send(answer_to,
                       capture_done{question, done.has_value(), done ? *done : done.error()});
      });
}

void runtime::probe_offload() {
  auto& offload = chosen_.run.offload;
  if (!offload.udp_gso && !offload.udp_gro) return;
  const auto probe = sys::probe_udp_offload(kernel_);
  if (!probe.note.empty()) log_warn(probe.note);
  offload.udp_gso = offload.udp_gso && probe.gso;
  offload.udp_gro = offload.udp_gro && probe.gro;
}

sys::result<tunnel_sockets> runtime::listen(const tunnel_config& tunnel) {
  const auto& run = chosen_.run;
  sys::udp_options options;
  options.gso = run.offload.udp_gso;
  options.gro = run.offload.udp_gro;
  options.reuse_port = run.tun.queues > 1; // one alone: an address in use is told
  options.buffer = sys::listener_buffer;
  tunnel_sockets sockets;
  while (run.side == role::client && sockets.size() < run.tun.queues) {
    auto socket = sys::udp_socket::listen(kernel_, tunnel.local_udp, options);
    if (!socket) return unexpected{socket.error()};
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

std::optional<start_error> runtime::open_listeners() {
  for (const auto& tunnel : chosen_.run.tunnels) {
    auto sockets = listen(*tunnel);
    if (!sockets)
      return start_error{label(*tunnel) + "cannot listen on --local " +
                             tunnel->local_udp.to_string() + ": " + sockets.error().to_string(),
                         {}};
    tunnels_.push_back({tunnel, std::move(*sockets)});
  }
  return std::nullopt;
}

void runtime::make_context() {
  context_.settings = chosen_.run;
  context_.settings.tunnels.clear(); // the shards', and not for ever
  context_.shards = chosen_.run.tun.queues;
  context_.random = [](protocol::byte_span out) {
    if (auto filled = sys::fill_random(out); !filled)
      throw std::runtime_error(filled.error().to_string());
  };
  context_.random(context_.cookie_secret);
  std::array<std::uint8_t, 8> seed{};
  context_.random(seed);
  context_.hash.seed = protocol::load_be64(seed, 0);
  if (chosen_.run.side == role::server)
    context_.groups =
        std::make_shared<group_registries>(context_.hash, chosen_.run.bounds.max_sessions);
  context_.provoke = host_faults();
  sys::udp_options options;
  options.gso = chosen_.run.offload.udp_gso;
  options.gro = chosen_.run.offload.udp_gro;
  options.buffer = sys::session_buffer;
  context_.open_upstream = [this, options](const protocol::endpoint& upstream)
      -> sys::result<std::shared_ptr<sys::datagram_socket>> {
    const auto open = [&]() -> sys::result<std::shared_ptr<sys::datagram_socket>> {
      auto socket = sys::udp_socket::connect(kernel_, upstream, options);
      if (!socket) return unexpected{socket.error()};
      return with_faults(std::move(*socket));
    };
    return upstreams_ ? upstreams_->take(open) : open();
  };
}

void runtime::resolve(const tunnel_ptr& tunnel, const caf::actor& root) {
  const auto& remote = tunnel->remote;
  const auto wanted = chosen_.run.side == role::client && !chosen_.run.tun.ipv6
                          ? sys::address_filter::v4
                          : sys::address_filter::any;
  // Many tunnels share the resolver, and a name server that is silent holds it up for long.
  if (const auto address = protocol::ip_address::parse(remote.host);
      address && (wanted == sys::address_filter::any || address->is_v4())) {
    caf::anon_send(root, remote_resolved{tunnel, {*address, remote.port}});
    return;
  }
  resolver_->run([remote, wanted] { return sys::resolve(remote.host, remote.port, wanted); },
                 [root, tunnel](sys::result<std::vector<protocol::endpoint>> found) {
                   if (found)
                     caf::anon_send(root, remote_resolved{tunnel, found->front()});
                   else
                     caf::anon_send(root, resolve_failed{tunnel, found.error().to_string()});
                 });
}

/// Asks for routes and addresses.
void runtime::tunnels_changed(const std::vector<tunnel_ptr>& tunnels) {
  if (!wants_host_commands()) return;
  auto now = chosen_;
  now.run.tunnels = tunnels;
  worker_->run([now, tun = tun_->name()] { return host_commands(now, tun); },
               [tun = tun_->name()](const std::vector<std::string>& commands) {
                 say_host_commands(tun, commands);
               });
}

void runtime::reload(const caf::actor& root) {
  const auto side = chosen_.run.side;
  worker_->run([side, line = line_] { return load_settings(side, line); },
               [this, root](expected<settings, std::vector<option_error>> loaded) {
                 reload_result result;
                 if (loaded) {
                   for (const auto& warning : warnings_of(*loaded))
                     log_warn(warning);
                   result.tunnels = loaded->run.tunnels;
                   result.need_restart = changed_process_options(chosen_, *loaded);
                 } else {
                   for (const auto& error : loaded.error())
                     result.problems.push_back(error.to_string());
                 }
                 caf::anon_send(root, std::move(result));
               });
}

/// The rules are there when the process says that it is ready; what fails now, the actor tries again.
void runtime::open_rules() {
  auto rules = std::make_shared<sys::host_rules>(sys::runtime_folder(), chosen_.firewall.backend);
  rules_ = rules;
  firewall_.request = rule_request_of(chosen_, tun_->name());
  // The job owns the rules: should it hang, the process does not wait for it.
  firewall_.ensure = [this, rules](const sys::rule_request& request, auto done) {
    worker_->run([rules, request] { return rules->ensure(request); }, std::move(done));
  };
  firewall_.concerns = [rules](const std::string& table) { return rules->concerns(table); };
  const auto listen = [this](std::optional<sys::netlink_watch>& watch,
                             sys::netlink_watch::subject what, int& fd, auto& take) {
    auto opened = sys::netlink_watch::open(kernel_, what);
    if (!opened) return log_warn("changes of others will not be noticed: ", opened.error());
    watch.emplace(std::move(*opened));
    fd = watch->fd();
    take = [&watch] { return watch->take(); };
  };
  listen(rule_changes_, sys::netlink_watch::subject::rules, firewall_.rules_fd,
         firewall_.take_rules);
  firewall_.take_rules = with_faults(std::move(firewall_.take_rules));
  if (firewall_.request.interface == "auto")
    listen(route_changes_, sys::netlink_watch::subject::routes, firewall_.routes_fd,
           firewall_.take_routes);
  const auto done = rules->ensure(firewall_.request);
  if (!done) return log_error("cannot set the firewall rules: ", done.error());
  for (const auto& text : done->notes)
    log_warn(text);
}

std::shared_ptr<process_facts> runtime::facts() const {
  auto out = std::make_shared<process_facts>();
  const auto& run = chosen_.run;
  out->program = program_name(run.side);
  out->version = program_version();
  out->side = run.side;
  out->pid = sys::process_id();
  out->started = std::chrono::system_clock::now();
  out->tun = tun_->name();
  out->queues = tun_->queues();
  out->offload = run.offload;
  out->options = chosen_.shown;
  for (auto& [name, value] : out->options) {
    if (name == "max-sessions") value = std::to_string(run.bounds.max_sessions);
    if (name == "max-sessions-per-source")
      value = std::to_string(std::min(sessions_per_source(run), run.bounds.max_sessions));
    if (name == "control") value = control_ ? control_->path() : "off";
    if (name == "tun") value = tun_->name();
  }
  out->log_dropped = log_lines_lost;
  out->ask_host = [this, name = tun_->name()](const caf::actor& asker) {
    worker_->run([name] { return host_answer{sys::interface_drops(name)}; },
                 [asker](const host_answer& found) { caf::anon_send(asker, found); });
  };
  out->capture = [captures = captures_] { return captures->status(); };
  return out;
}

std::vector<service> runtime::services(reactor& loop, const std::shared_ptr<process_facts>& facts) {
  std::vector<service> out;
  if (control_)
    out.push_back({"control", [this, &loop, facts, socket = control_](const caf::actor& root) {
                     return loop.spawn(control, status_start{facts, socket, root,
                                                             [this](const capture_order& wanted,
                                                                    const caf::actor& answer_to) {
                                                               capture(wanted, answer_to);
                                                             }});
                   }});
  if (http_)
    out.push_back({"http", [&loop, facts, socket = http_](const caf::actor& root) {
                     return loop.spawn(http, status_start{facts, socket, root});
                   }});
  return out;
}

bool runtime::wants_host_commands() const { return !rules_ && log_enabled(log_level::info); }

/// Static: it runs on the worker, too.
void runtime::say_host_commands(const std::string& tun, const std::vector<std::string>& commands) {
  log_info("for the packets of ", tun, " to pass, run as root once for each start:");
  log_commands(commands);
}

void runtime::say_ready() {
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

int runtime::run(const std::function<void()>& on_ready) {
  caf::actor_system_config config;
  use_idle_scheduler(config);

  struct lane {
    std::unique_ptr<reactor> loop;
    std::unique_ptr<sys::slab_pool> pool;
    std::unique_ptr<sys::pcap_device> tun;
    std::unique_ptr<shard> state;
  };
  std::atomic<int> exit_code{0};
  std::vector<lane> lanes;
  std::vector<const counters*> stats;
  caf::actor_system system{config};
  // Completions only send messages, so the workers' threads may run them themselves.
  const auto at_once = [](const sys::worker::closure& done) { done(); };
  worker_ = std::make_unique<sys::worker>(at_once, worker_patience);
  resolver_ = std::make_unique<sys::worker>(at_once, worker_patience);

  root_start start;
  for (std::size_t i = 0; i < context_.shards; ++i) {
    auto loop = sys::event_loop::create(kernel_);
    if (!loop) {
      log_error("cannot make an event loop: ", loop.error());
      return 1;
    }
    lane l;
    l.loop = std::make_unique<reactor>(system, std::move(*loop));
    l.pool = std::make_unique<sys::slab_pool>(chosen_.run.bounds.pool_mib * slabs_per_mib,
                                              [r = l.loop.get()] { r->nudge(); });
    l.tun = std::make_unique<sys::pcap_device>(tun_->queue(i), *captures_,
                                               static_cast<std::uint32_t>(i));
    l.state = std::make_unique<shard>(i, context_, *l.loop, *l.pool, *l.tun);
    for (const auto& tunnel : tunnels_)
      l.state->tunnels.push_back({tunnel.settings,
                                  tunnel.listeners.empty() ? nullptr : tunnel.listeners[i],
                                  std::nullopt});
    start.shards.push_back(l.state.get());
    stats.push_back(&l.state->stats);
    lanes.push_back(std::move(l));
  }
  auto control_loop = sys::event_loop::create(kernel_);
  if (!control_loop) {
    log_error("cannot make an event loop: ", control_loop.error());
    return 1;
  }
  reactor control_reactor{system, std::move(*control_loop)};

  auto told = facts();
  told->counts = stats;
  start.services = services(control_reactor, told);
  const auto report = [&stats] {
    for (const auto& line : counter_lines(stats, log_lines_lost()))
      log_line(log_level::info, {}, line);
  };
  start.signal_fd = signals_->fd();
  start.take_signals = [this] { return signals_->take(); };
  start.tunnels = std::exchange(tunnels_, {});
  start.resolve = [this](const tunnel_ptr& tunnel, const caf::actor& root) {
    resolve(tunnel, root);
  };
  start.reload = [this](const caf::actor& root) { reload(root); };
  start.listen = [this](const tunnel_config& tunnel) { return listen(tunnel); };
  start.tunnels_changed = [this](const auto& tunnels) { tunnels_changed(tunnels); };
  start.report = report;
  if (rules_) start.firewall = &firewall_;
  start.reopen_log = reopen_log;
  start.manager = service_.get();
  start.status = [line = status_line{stats}](protocol::time_point now) mutable {
    return line.at(now);
  };
  start.exit_code = &exit_code;

  if (wants_host_commands()) {
    const auto commands = host_commands(chosen_, tun_->name());
    say_host_commands(tun_->name(), commands);
    // Who starts the program looks there, and not into the log.
    for (const auto& command : commands)
      if (log_goes_to_a_file()) std::cerr << "  " << command << '\n';
  }
  for (std::size_t i = 0; i < lanes.size(); ++i)
    lanes[i].loop->start("shard-" + std::to_string(i));
  control_reactor.start("control");
  auto root = control_reactor.spawn(root_supervisor, start);
  lanes.front().loop->set_on_resume([root] { caf::anon_send(root, probe_stream{}); });
  say_ready();
  on_ready();
  start = {};
  told = nullptr;
  root = nullptr;
  system.await_all_actors_done();

  // No closure of the workers may outlive the system that it sends to.
  resolver_.reset();
  worker_.reset();
  for (auto& l : lanes)
    l.loop->stop();
  control_reactor.stop();
  static_cast<void>(stop_capture(*captures_)); // there may be none
  report();
  log_info("stopped");
  return exit_code;
}

} // namespace

int run(role side, int argc, char** argv) {
  auto line = parse_command_line(side, {argv + 1, argv + argc});
  if (line.what == command_line::request::help) {
    std::cout << help_text(side);
    return 0;
  }
  if (line.what == command_line::request::version) {
    std::cout << version_text(program_name(side));
    return 0;
  }
  hide_keys(argc, argv);
  auto chosen = load_settings(side, line);
  if (!chosen) {
    std::cerr << error_text(side, chosen.error());
    return 2;
  }
  if (line.values.count("check") != 0) {
    std::cout << summary_text(*chosen);
    return 0;
  }
  if (chosen->print_rules) {
    const auto text = rules_text(*chosen);
    if (text)
      std::cout << *text;
    else
      std::cerr << program_name(side) << ": " << text.error().to_string() << '\n';
    return text ? 0 : 1;
  }
  // A daemon's folder is another, when it reads them again.
  for (const char* name : {"config", "encryption-file", "handshake-packet"})
    if (const auto at = line.values.find(name); at != line.values.end())
      at->second = sys::absolute_path(at->second);
  // From the root, since it is opened again when the working directory is another.
  if (!chosen->log_output.empty()) chosen->log_output = sys::absolute_path(chosen->log_output);
  if (const auto log = start_log(*chosen, sys::stderr_is_journal()); !log) {
    std::cerr << error_text(side, {log.error()});
    return 2;
  }
  if (!chosen->pcap.path.empty()) chosen->pcap.path = sys::absolute_path(chosen->pcap.path);
  auto capture = open_capture_file(chosen->pcap);
  if (!capture) {
    std::cerr << error_text(side, {capture.error()});
    return 2;
  }
  const auto fail = [&](const start_error& failed) {
    log_error(failed.text);
    for (const auto& advice : failed.advice)
      log_error(advice);
    // Who started us looks there, and not into the log.
    if (chosen->daemonize && !chosen->log_output.empty())
      std::cerr << program_name(side) << ": " << failed.text << '\n';
    return 1;
  };
  try {
    if (chosen->control_path != "auto" && chosen->control_path != "off")
      chosen->control_path = sys::absolute_path(chosen->control_path);
    const auto pid_path = chosen->pid_path.empty() ? "" : sys::absolute_path(chosen->pid_path);
    std::optional<sys::daemon_parent> caller;
    if (chosen->daemonize) {
      auto left = sys::daemon_parent::leave();
      if (!left) return fail({"cannot go into the background: " + left.error().to_string(), {}});
      caller.emplace(std::move(*left));
    }
    std::optional<sys::pid_file> pid;
    if (!pid_path.empty()) {
      auto made = sys::pid_file::make(pid_path);
      if (!made) return fail(pid_error(made.error()));
      pid.emplace(std::move(*made));
    }
    for (const auto& warning : warnings_of(*chosen))
      log_warn(warning);
    runtime process{*chosen, line, std::move(*capture)};
    if (const auto failed = process.open()) return fail(*failed);
    return process.run([&caller] {
      if (!caller) return;
      flush_log(); // what was said so far is for the caller
      caller->ready();
    });
  } catch (const std::exception& e) {
    log_error("start failed: ", e.what());
    return 1;
  }
}

} // namespace tonel::actors::app
