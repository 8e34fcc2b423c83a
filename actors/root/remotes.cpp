#include "actors/root/remotes.hpp"

#include "actors/runtime/log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

// As long as for the rules of a tunnel that starts (changeover).
constexpr auto rules_wait = std::chrono::seconds{2};

/// The name of a tunnel's remote in status.
std::string part_name(const tunnel_config& tunnel) {
  return tunnel.name.empty() ? "remote" : "remote " + tunnel.name;
}

bool is_name(const tunnel_config& tunnel) {
  return !protocol::ip_address::parse(tunnel.remote.host);
}

std::string text_of(const std::vector<protocol::endpoint>& addresses) {
  std::string out;
  for (const auto& e : addresses)
    out += (out.empty() ? "" : ", ") + e.to_string();
  return out;
}

} // namespace

remotes::remotes(std::function<void(const tunnel_ptr&)> ask,
                 std::function<void(const part_status&)> tell)
    : ask_(std::move(ask)), tell_(std::move(tell)) {}

void remotes::add(const tunnel_ptr& tunnel, protocol::time_point now) {
  all_.push_back({tunnel, {is_name(*tunnel), tunnel->resolve_interval}});
  tell_({part_name(*tunnel), "unresolved", "not tried yet"});
  if (all_.back().addresses.ask(now) && ask_) ask_(tunnel);
}

void remotes::remove(const tunnel_ptr& tunnel) {
  all_.erase(
      std::remove_if(all_.begin(), all_.end(), [&](const remote& r) { return r.tunnel == tunnel; }),
      all_.end());
  tell_({part_name(*tunnel), {}, {}});
}

void remotes::ask_all(protocol::time_point now) {
  for (auto& r : all_)
    if (r.addresses.ask(now) && ask_) ask_(r.tunnel);
}

remotes::remote* remotes::find(const tunnel_ptr& tunnel) {
  const auto found =
      std::find_if(all_.begin(), all_.end(), [&](const remote& r) { return r.tunnel == tunnel; });
  return found == all_.end() ? nullptr : &*found;
}

const remotes::remote* remotes::find(const tunnel_ptr& tunnel) const {
  return const_cast<remotes*>(this)->find(tunnel);
}

void remotes::show(const remote& r) const {
  tell_({part_name(*r.tunnel), "resolved", text_of(r.addresses.in_order())});
}

remotes::change remotes::resolved(const remote_resolved& found, protocol::time_point now) {
  auto* r = find(found.tunnel);
  if (r == nullptr) return change::none;
  const auto what = r->addresses.resolved(found.addresses, now);
  const auto& addresses = r->addresses.in_order();
  if (what == change::addresses)
    log_info(label(*found.tunnel), "the remote is ", text_of(addresses));
  else if (std::exchange(r->told_unresolved, false))
    log_info(label(*found.tunnel), "the remote's name resolves again");
  r->told_unresolved = false;
  if (r->remark != found.remark && !found.remark.empty())
    log_warn(label(*found.tunnel), "the remote: ", found.remark);
  r->remark = found.remark;
  show(*r);
  return what;
}

void remotes::failed(const resolve_failed& failure, protocol::time_point now) {
  auto* r = find(failure.tunnel);
  if (r == nullptr) return;
  const auto& known = r->addresses.in_order();
  if (!std::exchange(r->told_unresolved, true))
    log_warn(label(*failure.tunnel), "the remote's name does not resolve now (", failure.reason,
             "); it is tried again",
             known.empty() ? "" : ", and the addresses that are known are used");
  if (known.empty()) tell_({part_name(*failure.tunnel), "unresolved", failure.reason});
  r->addresses.unresolved(now);
}

remotes::change remotes::tried(const remote_tried& what, protocol::time_point now) {
  auto* r = find(what.tunnel);
  if (r == nullptr) return change::none;
  const auto changed =
      what.answered ? r->addresses.answered(what.at, now) : r->addresses.failed(what.at, now);
  if (changed == change::none) return changed;
  show(*r);
  const bool kept =
      std::find(kept_back_.begin(), kept_back_.end(), what.tunnel) != kept_back_.end();
  return kept ? change::none : changed; // the order comes with the addresses
}

std::vector<protocol::endpoint> remotes::addresses(const tunnel_ptr& tunnel) const {
  const auto* r = find(tunnel);
  return r == nullptr ? std::vector<protocol::endpoint>{} : r->addresses.in_order();
}

std::vector<protocol::endpoint> remotes::in_use(const tunnel_ptr& tunnel) const {
  const auto* r = find(tunnel);
  return r == nullptr ? std::vector<protocol::endpoint>{} : r->addresses.in_use();
}

void remotes::keep_back(const tunnel_ptr& tunnel, protocol::time_point now) {
  if (std::find(kept_back_.begin(), kept_back_.end(), tunnel) == kept_back_.end())
    kept_back_.push_back(tunnel);
  if (!until_) until_ = now + rules_wait;
}

std::vector<tunnel_ptr> remotes::let_go() {
  until_.reset();
  return std::exchange(kept_back_, {});
}

std::vector<tunnel_ptr> remotes::on_timer(protocol::time_point now) {
  for (auto& r : all_)
    if (r.addresses.on_timer(now) && ask_) ask_(r.tunnel);
  return until_ && *until_ <= now ? let_go() : std::vector<tunnel_ptr>{};
}

std::optional<protocol::time_point> remotes::next_deadline() const {
  auto at = until_;
  for (const auto& r : all_)
    if (const auto due = r.addresses.deadline(); due && (!at || *due < *at)) at = due;
  return at;
}

} // namespace tonel::actors
