#include "actors/app/programs/tun_ends.hpp"

#include "actors/runtime/log.hpp"

#include <string>
#include <utility>

namespace tonel::actors::app {

namespace {

using protocol::ip_address;

/// One family of the device.
struct family {
  sys::tun_ends ends;
  bool chosen = false;
  const char* local_option = "";
  const char* peer_option = "";
};

/// "192.0.2.0/24, behind eth0"
std::string place_of(const sys::host_net& net) {
  if (net.device.empty()) return "the address of a remote";
  const bool one = net.net.bits == 8 * net.net.address.size();
  if (one && net.direct) return "in use, by device " + net.device;
  return "in " + net.net.to_string() + ", " + (net.direct ? "the net of " : "which is behind ") +
         net.device;
}

std::optional<start_error> settle(family& f, const std::vector<sys::host_net>& taken) {
  const auto overlap = sys::overlap_of(f.ends, taken);
  if (!overlap) return std::nullopt;
  const bool is_local = overlap->address == f.ends.local;
  const auto text = std::string{is_local ? f.local_option : f.peer_option} + ' ' +
                    overlap->address.to_string() + " is " + place_of(overlap->with);
  if (f.chosen && overlap->with.direct)
    return start_error{text,
                       {std::string{"leave "} + f.local_option + " and " + f.peer_option +
                        " out, and a free net is taken; or choose addresses that no device of this "
                        "host, and nobody in its nets, has"}};
  if (f.chosen) {
    log_warn(text, ": no host there with that address can be reached from here");
    return std::nullopt;
  }
  const auto free = sys::first_free(f.ends, taken);
  if (!free)
    return start_error{
        text + ", and so are all nets that are tried instead",
        {std::string{"choose others with "} + f.local_option + " and " + f.peer_option}};
  log_info("the device has ", free->local, " and ", free->peer, ", since ", overlap->address,
           " is ", place_of(overlap->with));
  f.ends = *free;
  return std::nullopt;
}

} // namespace

std::vector<sys::host_net> taken_nets(const config& run) {
  // Another program's device may well have the addresses.
  if (run.tun.fd >= 0) return {};
  auto out = sys::host_nets(run.tun.name);
  for (const auto& tunnel : run.tunnels)
    if (const auto address = ip_address::parse(tunnel->remote.host);
        run.side == role::client && address)
      out.push_back({{*address, static_cast<unsigned>(8 * address->size())}, {}, true});
  return out;
}

std::optional<start_error> settle_ends(config& run, const std::vector<sys::host_net>& taken) {
  auto& tun = run.tun;
  family v4{{tun.local4, tun.peer4}, tun.chosen4, "--tun-local", "--tun-peer"};
  if (auto failed = settle(v4, taken)) return failed;
  tun.local4 = v4.ends.local;
  tun.peer4 = v4.ends.peer;
  if (!tun.ipv6) return std::nullopt;
  family v6{{tun.local6, tun.peer6}, tun.chosen6, "--tun-local6", "--tun-peer6"};
  if (auto failed = settle(v6, taken)) return failed;
  tun.local6 = v6.ends.local;
  tun.peer6 = v6.ends.peer;
  return std::nullopt;
}

} // namespace tonel::actors::app
