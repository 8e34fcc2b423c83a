#include "actors/app/programs/port_keeper.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace tonel::actors::app {

namespace {

std::string program_of(const sys::listener_facts& who) {
  if (who.pid == 0) return {};
  return who.program + " (process " + std::to_string(who.pid) + ")";
}

bool is_served(const std::vector<tunnel_ptr>& tunnels, std::uint16_t port) {
  return std::any_of(tunnels.begin(), tunnels.end(),
                     [&](const auto& tunnel) { return tunnel->local_port == port; });
}

} // namespace

std::optional<std::string> port_users(const std::vector<sys::listener_facts>& listeners,
                                      std::uint16_t port, bool ipv6) {
  std::vector<std::string> said;
  for (const auto& each : listeners) {
    const auto& at = each.address;
    if (each.port != port || at.is_loopback()) continue;
    // A socket on :: may take IPv4, too.
    if (!ipv6 && at.is_v6() && !at.is_wildcard()) continue;
    const auto program = program_of(each);
    auto text = program.empty() ? std::string{"a program"} : program;
    text += at ? " listens on " + protocol::endpoint{at, port}.to_string() : " listens on it";
    if (program.empty()) text += " (root sees which: ss -ltnp)";
    // One program may have a socket for each thread, and each family.
    if (std::find(said.begin(), said.end(), text) == said.end()) said.push_back(std::move(text));
  }
  if (said.empty()) return std::nullopt;
  std::string out;
  for (const auto& text : said)
    out += (out.empty() ? "" : ", ") + text;
  return out;
}

start_error port_error(const std::vector<std::string>& problems) {
  start_error out{problems.front(), {problems.begin() + 1, problems.end()}};
  out.advice.emplace_back("choose another port for --local, or stop the other program; with "
                          "--take-port the connections are taken from it");
  return out;
}

port_keeper::port_keeper(bool take_used, bool ipv6, port_questions ask)
    : take_used_(take_used), ipv6_(ipv6), ask_(std::move(ask)) {}

std::optional<std::string> port_keeper::take(const tunnel_config& tunnel,
                                             const std::vector<sys::listener_facts>& listeners) {
  const auto port = tunnel.local_port;
  std::string user;
  auto claim = ask_.claim(port);
  if (!claim && claim.error().number == EADDRINUSE) {
    const auto program = program_of(ask_.holder(port));
    user = (program.empty() ? "another tonels" : program) + " serves it";
  } else if (auto users = port_users(listeners, port, ipv6_)) {
    user = std::move(*users);
  }
  if (!user.empty()) {
    auto text = label(tunnel) + "TCP port " + std::to_string(port) + " is in use: " + user;
    if (!take_used_) return text;
    warnings_.push_back(text + "; its connections from outside come here now (--take-port)");
  }
  if (!claim && claim.error().number != EADDRINUSE)
    warnings_.push_back(label(tunnel) + "another tonels cannot be told that TCP port " +
                        std::to_string(port) + " is served (" + claim.error().to_string() + ")");
  auto& kept = ours_[port];
  if (claim) kept.emplace(std::move(*claim));
  return std::nullopt;
}

std::vector<std::string> port_keeper::take(const std::vector<tunnel_ptr>& tunnels) {
  std::vector<std::string> problems;
  std::vector<std::uint16_t> added;
  for (const auto& tunnel : tunnels)
    if (ours_.count(tunnel->local_port) == 0) added.push_back(tunnel->local_port);
  if (added.empty()) return problems;
  const auto listeners = ask_.listeners(added);
  for (const auto& tunnel : tunnels) {
    if (ours_.count(tunnel->local_port) != 0) continue;
    if (auto problem = take(*tunnel, listeners)) problems.push_back(std::move(*problem));
  }
  if (problems.empty()) return problems;
  for (const auto port : added)
    ours_.erase(port);
  return problems;
}

void port_keeper::keep_only(const std::vector<tunnel_ptr>& tunnels) {
  for (auto each = ours_.begin(); each != ours_.end();)
    each = is_served(tunnels, each->first) ? std::next(each) : ours_.erase(each);
}

std::vector<std::string> port_keeper::warnings() { return std::exchange(warnings_, {}); }

} // namespace tonel::actors::app
