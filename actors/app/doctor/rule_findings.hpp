#pragma once

#include "actors/app/doctor/doctor.hpp"

#include <vector>

namespace tonel::actors::app {

// What is found about the rules of a host's firewall, for the tunnel's own addresses and ports.

/// Chains of others that stop its packets.
std::vector<finding> forward_findings(const doctor_target& target, const sys::host_facts& facts);
/// Whether its addresses are translated.
std::vector<finding> translation_findings(const doctor_target& target,
                                          const sys::host_facts& facts);
/// Both, of macOS' packet filter.
std::vector<finding> packet_filter_findings(const doctor_target& target,
                                            const sys::host_facts& facts);

} // namespace tonel::actors::app
