#pragma once

#include "actors/app/doctor/doctor_target.hpp"
#include "actors/app/doctor/probe.hpp"

#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// What was found out about one address of a tunnel's remote.
struct asked_address {
  protocol::endpoint remote;
  std::string problem;              ///< why packets can't go there; then nothing was asked
  std::string device;               ///< of this host, which has the address; then nothing was asked
  std::string unasked;              ///< why no answer would get here, so that silence tells nothing
  probe_answer answer;              ///< a server's
  std::optional<size_answer> sizes; ///< where tonels answers a hello
  std::optional<sys::os_error> upstream{}; ///< an upstream that sends ICMP back
};

/// The addresses of a remote's name.
struct resolved_remote {
  std::vector<protocol::endpoint> addresses;
  std::optional<finding> failed; ///< it does not resolve
};
resolved_remote resolve_remote(const doctor_target& target, const doctor_way& way);

/// Asks each address, all at the same time: a client's server is greeted, a server's upstream gets an
/// empty datagram. Takes 12 s at most.
std::vector<asked_address> ask_addresses(const doctor_target& target, const doctor_way& way,
                                         const std::vector<protocol::endpoint>& addresses);

/// The address that a client's packets would go to: the first that works, or else the first that can be
/// asked; none: there is none.
std::optional<protocol::endpoint> address_in_use(const std::vector<asked_address>& asked,
                                                 const tunnel_config& tunnel);

/// Whether tonels has answered at one of them.
bool has_answered(const std::vector<asked_address>& asked, const tunnel_config& tunnel);

/// What the addresses say of a tunnel. root: those that could not be greeted would be by root
std::vector<finding> judge_addresses(const doctor_target& target, const doctor_way& way,
                                     const std::vector<asked_address>& asked, bool root);

} // namespace tonel::actors::app
