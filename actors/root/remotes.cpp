#include "actors/root/remotes.hpp"

#include "actors/runtime/log.hpp"

#include <algorithm>
#include <utility>

namespace tonel::actors {

namespace {

/// The name of a tunnel's remote in status.
std::string part_name(const tunnel_config& tunnel) {
  return tunnel.name.empty() ? "remote" : "remote " + tunnel.name;
}

} // namespace

remotes::remotes(std::function<void(const tunnel_ptr&)> ask,
                 std::function<void(const part_status&)> tell)
    : ask_(std::move(ask)), tell_(std::move(tell)) {}

void remotes::add(const tunnel_ptr& tunnel) {
  all_.push_back({tunnel});
  tell_({part_name(*tunnel), "unresolved", "not tried yet"});
  if (ask_) ask_(tunnel);
}

void remotes::remove(const tunnel_ptr& tunnel) {
  all_.erase(
      std::remove_if(all_.begin(), all_.end(), [&](const remote& r) { return r.tunnel == tunnel; }),
      all_.end());
  tell_({part_name(*tunnel), {}, {}});
}

remotes::remote* remotes::find(const tunnel_ptr& tunnel) {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [&](const remote& r) { return r.tunnel == tunnel; });
  return found == all_.end() ? nullptr : &*found;
}

bool remotes::resolved(const remote_resolved& found) {
  auto* r = find(found.tunnel);
  if (r == nullptr) return false;
  if (r->address != found.address) log_info(label(*found.tunnel), "the remote is ", found.address);
  r->address = found.address;
  r->wait.reset();
  tell_({part_name(*found.tunnel), "resolved", found.address.to_string()});
  return true;
}

void remotes::failed(const resolve_failed& failure, protocol::time_point now) {
  auto* r = find(failure.tunnel);
  if (r == nullptr) return;
  if (!std::exchange(r->told_unresolved, true))
    log_warn(label(*failure.tunnel), "the remote's name does not resolve now (", failure.reason,
             "); it is tried again");
  if (!r->address) tell_({part_name(*failure.tunnel), "unresolved", failure.reason});
  r->ask_at = now + r->wait.next();
}

std::optional<protocol::endpoint> remotes::address(const tunnel_ptr& tunnel) const {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [&](const remote& r) { return r.tunnel == tunnel; });
  return found == all_.end() ? std::nullopt : found->address;
}

void remotes::on_timer(protocol::time_point now) {
  for (auto& r : all_) {
    if (!r.ask_at || *r.ask_at > now) continue;
    r.ask_at.reset();
    ask_(r.tunnel);
  }
}

std::optional<protocol::time_point> remotes::next_deadline() const {
  std::optional<protocol::time_point> at;
  for (const auto& r : all_)
    if (r.ask_at && (!at || *r.ask_at < *at)) at = r.ask_at;
  return at;
}

} // namespace tonel::actors
