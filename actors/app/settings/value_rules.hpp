#pragma once

#include "actors/shard/config.hpp"
#include "protocol/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tonel::actors::app {

/// What values of options may be, each by itself. Problems are texts for people; empty: there is none.

/// A whole number and nothing else: no sign, blank, base, fraction or leading zero.
std::optional<std::uint64_t> parse_number(std::string_view text);
std::optional<std::uint16_t> parse_port(std::string_view text);
/// 51820, or 0xca6c as wg and ip write it.
std::optional<std::uint32_t> parse_mark(std::string_view text);

/// ASCII alone.
std::string lower_case(std::string_view text);

/// Whether the text is one of the row's choices, as it stands there.
bool is_choice(const option_row& row, std::string_view text);
/// Which of the choices the text is, from 0; nothing: none.
std::optional<std::size_t> choice_of(const option_row& row, std::string_view text);
std::string_view choice_at(const option_row& row, std::size_t index);
/// "auto, native, tonel or phantun"
std::string choices_text(const option_row& row);
/// "1 to 255"
std::string range_text(const option_row& row);

bool is_v4_mapped(const protocol::ip_address& a);
bool is_multicast_or_broadcast(const protocol::ip_address& a);
/// Of the TUN device's addresses: a /24 or a /64.
bool same_network(const protocol::ip_address& a, const protocol::ip_address& b);

std::string device_address_problem(const std::optional<protocol::ip_address>& a, bool v6);
std::string local_problem(const std::optional<protocol::endpoint>& local);
/// Of a literal address as the remote.
std::string remote_problem(const protocol::ip_address& a, role side, const tun_config& tun);
/// Of a host's name as the remote. Whether it exists is not asked.
std::string remote_problem(std::string_view name, role side);
/// Of the name of a TUN device.
std::string tun_name_problem(std::string_view name);

} // namespace tonel::actors::app
