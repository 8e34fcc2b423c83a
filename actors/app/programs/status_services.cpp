#include "actors/app/programs/status_services.hpp"

#include "actors/app/programs/captures.hpp"
#include "actors/app/settings/build_info.hpp"
#include "actors/app/settings/control_socket.hpp"
#include "actors/app/settings/options.hpp"
#include "actors/operations/control.hpp"
#include "actors/operations/http.hpp"
#include "actors/runtime/log.hpp"
#include "system/process.hpp"

#include <caf/send.hpp>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

namespace tonel::actors::app {

namespace {

/// Carries out an order of tonelctl pcap on the worker's thread, and answers it.
void capture(const capture_order& wanted, std::uint64_t default_limit, const caf::actor& answer_to,
             sys::worker& worker, const std::shared_ptr<sys::packet_capture>& captures) {
  const auto limit = wanted.limit_mib != 0 ? wanted.limit_mib : default_limit;
  worker.run(
      [captures, wanted, limit] {
        return wanted.start ? start_capture(*captures, wanted.path, limit)
                            : stop_capture(*captures);
      },
      [answer_to, question = wanted.question](const expected<std::string, std::string>& done) {
        caf::anon_send(answer_to,
                       capture_done{question, done.has_value(), done ? *done : done.error()});
      });
}

} // namespace

std::optional<start_error> status_services::open_http() {
  if (!chosen_.metrics) return std::nullopt;
  auto socket = sys::stream_listener::listen_tcp(*chosen_.metrics);
  if (!socket) return start_error{"cannot serve metrics: " + socket.error().to_string(), {}};
  http_ = std::make_shared<sys::stream_listener>(std::move(*socket));
  return std::nullopt;
}

std::optional<start_error> status_services::open_control(const sys::tun_device& tun) {
  const auto name = std::string{program_name(chosen_.run.side)} + '-' + tun.name();
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

std::shared_ptr<process_facts>
status_services::facts(const counter_list& counts, const sys::tun_device& tun, sys::worker& worker,
                       const std::shared_ptr<sys::packet_capture>& captures) const {
  auto out = std::make_shared<process_facts>();
  const auto& run = chosen_.run;
  out->program = program_name(run.side);
  out->version = program_version();
  out->side = run.side;
  out->pid = sys::process_id();
  out->started = std::chrono::system_clock::now();
  out->began = sys::boottime_now();
  out->tun = tun.name();
  out->queues = tun.queues();
  out->offload = run.offload;
  out->options = chosen_.shown;
  for (auto& [name, value] : out->options) {
    if (name == "max-sessions") value = std::to_string(run.bounds.max_sessions);
    if (name == "max-sessions-per-source")
      value = std::to_string(std::min(sessions_per_source(run), run.bounds.max_sessions));
    if (name == "control") value = control_ ? control_->path() : "off";
    if (name == "tun") value = tun.name();
    if (name == "tun-local") value = run.tun.local4.to_string();
    if (name == "tun-peer") value = run.tun.peer4.to_string();
    if (run.tun.ipv6 && name == "tun-local6") value = run.tun.local6.to_string();
    if (run.tun.ipv6 && name == "tun-peer6") value = run.tun.peer6.to_string();
  }
  out->counts = counts;
  out->log_dropped = log_lines_lost;
  out->ask_host = [&worker, name = tun.name()](const caf::actor& asker) {
    worker.run([name] { return host_answer{sys::interface_drops(name)}; },
               [asker](const host_answer& found) { caf::anon_send(asker, found); });
  };
  out->capture = [captures] { return captures->status(); };
  return out;
}

std::vector<service>
status_services::start(reactor& control, const counter_list& counts, const sys::tun_device& tun,
                       sys::worker& worker,
                       const std::shared_ptr<sys::packet_capture>& captures) const {
  const auto told = facts(counts, tun, worker, captures);
  const auto on_order = [&worker, captures, limit = chosen_.pcap_limit_mib](
                            const capture_order& wanted, const caf::actor& answer_to) {
    capture(wanted, limit, answer_to, worker, captures);
  };
  std::vector<service> out;
  if (control_)
    out.push_back(
        {"control", [&control, told, socket = control_, on_order](const auto& root) {
           return control.spawn(actors::control, status_start{told, socket, root, on_order});
         }});
  if (http_)
    out.push_back({"http", [&control, told, socket = http_](const caf::actor& root) {
                     return control.spawn(http, status_start{told, socket, root});
                   }});
  return out;
}

} // namespace tonel::actors::app
