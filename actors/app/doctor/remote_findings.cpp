#include "actors/app/doctor/remote_findings.hpp"

#include "actors/app/settings/value_rules.hpp"
#include "actors/shard/opening_words.hpp"
#include "system/addresses.hpp"
#include "system/resolver.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <utility>

namespace tonel::actors::app {

namespace {

using namespace std::chrono_literals;
using level = finding::level;

/// A host on the way to the upstream answers within that time, or not at all.
constexpr auto upstream_time = 500ms;
/// As many as a client tries.
constexpr std::size_t most_addresses = 16;

/// Why connections of the doctor's own get no answer there, whatever the tunnel does.
std::string why_unheard(const doctor_target& target, const doctor_way& way,
                        const protocol::endpoint& remote) {
  if (target.running && target.stateless)
    return "the rules of --nat stateless take all that comes from there for the tunnel";
  auto question = way.question;
  question.remote = remote;
  if (sys::drops_marked_answers(question))
    return "strict rp_filter drops the answers, since only the tunnel's own rules keep the mark of "
           "--fwmark for them";
  return {};
}

asked_address ask_server(asked_address out, const doctor_target& target, const doctor_way& way) {
  const auto& tunnel = *way.settings;
  out.unasked = why_unheard(target, way, out.remote);
  if (!out.unasked.empty()) return out;
  out.answer = probe_remote(out.remote, tunnel, way.question.mark);
  if (out.answer.greeted && !judge(out.answer, out.remote, tunnel))
    out.sizes = probe_sizes(out.remote, target.mtu, way.question.mark);
  return out;
}

asked_address ask_upstream(asked_address out) {
  if (auto done = sys::knock(out.remote, upstream_time); !done) out.upstream = done.error();
  return out;
}

/// Why an address does not work; empty: it does, or that can't be told.
std::string fault_of(const asked_address& asked, role side, const tunnel_config& tunnel) {
  if (!asked.problem.empty()) return asked.remote.address.to_string() + ' ' + asked.problem;
  if (side == role::client) {
    if (!asked.device.empty() || !asked.unasked.empty()) return {};
    const auto why = judge(asked.answer, asked.remote, tunnel);
    return why ? words_of(*why, tunnel) : std::string{};
  }
  if (!asked.upstream) return {};
  protocol::opening_failure why;
  why.cause = asked.upstream->number == ECONNREFUSED
                  ? protocol::opening_cause::upstream_refused
                  : protocol::opening_cause::upstream_unreachable;
  why.remote = asked.remote;
  return words_of(why, tunnel);
}

/// What is to be said of an address that works, or may.
finding finding_of(const asked_address& asked, const doctor_target& target, bool root) {
  const auto remote = asked.remote.to_string();
  if (target.side == role::server)
    return {
        level::fine, "upstream", "nothing says that datagrams to " + remote + " are refused", {}};
  if (!asked.device.empty())
    return {level::note,
            "tunnel",
            asked.remote.address.to_string() + " is an address of this host itself (" +
                asked.device +
                "): whether tonels answers there only the running client finds out; "
                "tonels has to serve the TUN device, as --auto-rule auto does",
            {}};
  if (!asked.unasked.empty())
    return {level::note,
            "tunnel",
            "whether tonels answers at " + remote +
                " only the running client finds out: " + asked.unasked,
            {}};
  if (asked.answer.greeted) return {level::fine, "tunnel", "tonels answers at " + remote, {}};
  return {level::note,
          "tunnel",
          "something takes TCP connections at " + remote + "; whether it is the server only " +
              (root ? "a client of its dialect finds out" : "root can ask"),
          {}};
}

/// A path that takes less than both ends believe, and does not say so.
std::optional<finding> black_hole(const asked_address& asked) {
  if (!asked.sizes || asked.sizes->passed == 0 || asked.sizes->passed >= asked.sizes->asked)
    return std::nullopt;
  constexpr std::uint32_t wireguard = 32; // its own header and tag
  const std::uint32_t headers = asked.remote.address.is_v6() ? 60 : 40;
  const auto passed = asked.sizes->passed;
  const auto datagram = passed - headers;
  return finding{level::fault,
                 "mtu",
                 "packets of " + std::to_string(asked.sizes->asked) + " bytes to " +
                     asked.remote.to_string() + " are lost, and no ICMP says so; those of " +
                     std::to_string(passed) +
                     " arrive. So large datagrams are lost: have the applications send at most " +
                     std::to_string(datagram) +
                     " bytes (WireGuard: MTU = " + std::to_string(datagram - wireguard) +
                     "), and then start both ends with --mtu " + std::to_string(passed),
                 {}};
}

} // namespace

resolved_remote resolve_remote(const doctor_target& target, const doctor_way& way) {
  if (!way.remote) return {};
  const auto wanted = target.ipv6 || target.side == role::server ? sys::address_filter::any
                                                                 : sys::address_filter::v4;
  auto found = sys::resolve(way.remote->host, way.remote->port, wanted);
  if (found && !found->empty()) {
    if (found->size() > most_addresses) found->resize(most_addresses);
    return {std::move(*found), {}};
  }
  return {{},
          finding{level::fault,
                  "name",
                  "the name " + way.remote->host + " does not resolve" +
                      (found ? "" : " (" + found.error().to_string() + ')') +
                      "; for the rest the default route is looked at",
                  {}}};
}

std::vector<asked_address> ask_addresses(const doctor_target& target, const doctor_way& way,
                                         const std::vector<protocol::endpoint>& addresses) {
  tun_config tun;
  tun.ipv6 = target.ipv6;
  std::vector<std::future<asked_address>> all;
  all.reserve(addresses.size());
  for (const auto& each : addresses) {
    asked_address one;
    one.remote = each;
    one.problem = remote_problem(each.address, target.side, tun);
    if (target.side == role::client && one.problem.empty())
      one.device = sys::interface_with(each.address).value_or("");
    const bool askable =
        one.problem.empty() && one.device.empty() && each.port != 0 && way.settings;
    all.push_back(std::async(std::launch::async, [one, askable, &target, &way] {
      if (!askable) return one;
      return target.side == role::client ? ask_server(one, target, way) : ask_upstream(one);
    }));
  }
  std::vector<asked_address> out;
  out.reserve(all.size());
  for (auto& each : all)
    out.push_back(each.get());
  return out;
}

std::optional<protocol::endpoint> address_in_use(const std::vector<asked_address>& asked,
                                                 const tunnel_config& tunnel) {
  const asked_address* possible = nullptr;
  for (const auto& each : asked) {
    if (!each.problem.empty()) continue;
    if (fault_of(each, role::client, tunnel).empty()) return each.remote;
    if (possible == nullptr) possible = &each;
  }
  return possible != nullptr ? std::optional{possible->remote} : std::nullopt;
}

bool has_answered(const std::vector<asked_address>& asked, const tunnel_config& tunnel) {
  return std::any_of(asked.begin(), asked.end(), [&](const asked_address& each) {
    return each.answer.greeted && fault_of(each, role::client, tunnel).empty();
  });
}

std::vector<finding> judge_addresses(const doctor_target& target, const doctor_way& way,
                                     const std::vector<asked_address>& asked, bool root) {
  std::vector<finding> out;
  if (!way.settings) return out;
  const auto& tunnel = *way.settings;
  const auto works = std::count_if(asked.begin(), asked.end(), [&](const auto& each) {
    return fault_of(each, target.side, tunnel).empty();
  });
  for (const auto& each : asked) {
    auto fault = fault_of(each, target.side, tunnel);
    if (fault.empty()) {
      out.push_back(finding_of(each, target, root));
      if (auto narrow = black_hole(each)) out.push_back(std::move(*narrow));
      continue;
    }
    const char* about = target.side == role::client ? "tunnel" : "upstream";
    if (works == 0)
      out.push_back({level::fault, about, std::move(fault), {}});
    else
      out.push_back({level::note,
                     about,
                     "of the " + std::to_string(asked.size()) + " addresses of " +
                         tunnel.remote.host +
                         " this one is of no use, and others are tried: " + fault,
                     {}});
  }
  return out;
}

} // namespace tonel::actors::app
