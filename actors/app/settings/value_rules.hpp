#pragma once

#include "actors/shard/config.hpp"
#include "protocol/address.hpp"
#include "protocol/ip_net.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tonel::actors::app {

// Rules for single values of options. A problem is a text for the user; empty: none.

/// A whole number without sign, blank, base, fraction or leading zero.
std::optional<std::uint64_t> parse_number(std::string_view text);
std::optional<std::uint16_t> parse_port(std::string_view text);
/// 51820, or 0xca6c as in wg and ip.
std::optional<std::uint32_t> parse_mark(std::string_view text);

/// In small letters; ASCII only.
std::string lower_case(std::string_view text);

/// Whether the text is exactly one of the row's choices.
bool is_choice(const option_row& row, std::string_view text);
/// The number of the choice, from 0; none: no choice.
std::optional<std::size_t> choice_of(const option_row& row, std::string_view text);
std::string_view choice_at(const option_row& row, std::size_t index);
/// "auto, native, tonel or phantun"
std::string choices_text(const option_row& row);
/// "1 to 255"
std::string range_text(const option_row& row);

bool is_v4_mapped(const protocol::ip_address& a);
bool is_multicast_or_broadcast(const protocol::ip_address& a);
/// Whether both are in one network of a TUN device: a /24 or a /64.
bool same_network(const protocol::ip_address& a, const protocol::ip_address& b);

std::string device_address_problem(const std::optional<protocol::ip_address>& a, bool v6);
std::string local_problem(const std::optional<protocol::endpoint>& local);
/// The problem of a literal address as remote.
std::string remote_problem(const protocol::ip_address& a, role side, const tun_config& tun);
/// The problem of a host name as remote; does not resolve it.
std::string remote_problem(std::string_view name, role side);
/// The problem of a net that clients come from, typed as `text`.
std::string net_problem(const std::optional<protocol::ip_net>& net, std::string_view text);
/// The problem of a TUN device's name.
std::string tun_name_problem(std::string_view name);

} // namespace tonel::actors::app
