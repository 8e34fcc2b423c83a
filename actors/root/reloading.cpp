#include "actors/root/reloading.hpp"

#include "actors/runtime/log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

// A reading of the files that takes longer goes on, and status says that it is late.
constexpr auto patience = std::chrono::seconds{5};

constexpr const char* part_name = "configuration";

} // namespace

bool reloading::ask(protocol::time_point now) {
  again_ = std::exchange(under_way_, true);
  if (again_) return false;
  since_ = now;
  late_at_ = now + patience;
  given_.read();
  return true;
}

bool reloading::arrived() {
  under_way_ = false;
  if (!std::exchange(late_at_, {})) given_.tell({part_name, {}, {}});
  return !std::exchange(again_, false);
}

void reloading::answer(bool done, const std::string& detail) {
  for (const auto& question : std::exchange(questions_, {}))
    given_.answer(question, done, detail);
}

void reloading::on_timer(protocol::time_point now) {
  if (!late_at_ || *late_at_ > now) return;
  late_at_.reset();
  log_warn("the files of the configuration cannot be read for 5 s already; it is waited for them");
  given_.tell({part_name, "silent", {}, since_});
}

namespace {

/// They are one tunnel to a user: by their name, or by where they listen.
bool is_successor(const tunnel_config& after, const tunnel_config& before) {
  return after.name == before.name ||
         (after.local_udp == before.local_udp && after.local_port == before.local_port);
}

} // namespace

expected<merged_tunnels, std::vector<std::string>>
merge(const std::vector<process_tunnel>& before, const std::vector<tunnel_ptr>& wanted,
      const std::function<sys::result<tunnel_sockets>(const tunnel_config&)>& listen) {
  merged_tunnels out;
  std::vector<std::string> problems;
  std::vector<const process_tunnel*> gone;
  for (const auto& old : before) {
    const bool stays = std::any_of(wanted.begin(), wanted.end(),
                                   [&](const auto& t) { return same(*t, *old.settings); });
    if (stays) continue;
    gone.push_back(&old);
    out.ended.push_back(old.settings);
  }
  for (const auto& tunnel : wanted) {
    const auto kept = std::find_if(before.begin(), before.end(),
                                   [&](const auto& old) { return same(*tunnel, *old.settings); });
    if (kept != before.end()) {
      out.now.push_back(*kept);
      continue;
    }
    out.started.push_back(tunnel);
    auto& added = out.now.emplace_back();
    added.settings = tunnel;
    // A new tunnel on the address of an ended one takes over its sockets: datagrams queued in them
    // are not lost, and no other program can take the address in between.
    const auto heir = std::find_if(gone.begin(), gone.end(), [&](const auto* old) {
      return !old->listeners.empty() && old->settings->local_udp == tunnel->local_udp;
    });
    if (heir != gone.end()) {
      added.listeners = (*heir)->listeners;
    } else if (listen) {
      auto sockets = listen(*tunnel);
      if (!sockets) {
        problems.push_back(label(*tunnel) + "cannot listen on " + tunnel->local_udp.to_string() +
                           ": " + sockets.error().to_string());
        continue;
      }
      added.listeners = std::move(*sockets);
    }
  }
  if (!problems.empty()) return unexpected{std::move(problems)};
  for (const auto& tunnel : out.started) {
    const auto was = std::find_if(gone.begin(), gone.end(), [&](const auto* old) {
      return is_successor(*tunnel, *old->settings);
    });
    if (was != gone.end()) out.changed.push_back({(*was)->settings, tunnel});
  }
  return out;
}

} // namespace tonel::actors
