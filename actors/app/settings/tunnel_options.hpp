#pragma once

#include "actors/app/settings/settings.hpp"
#include "actors/app/settings/value_reader.hpp"
#include "actors/shard/tunnel_config.hpp"

#include <string>
#include <vector>

namespace tonel::actors::app {

/// One tunnel by its rows: of the section that the reader is in, or of the only one.
/// files: what must be read from files yet; take_files() does
tunnel_config read_tunnel(reader& in, role side, const tun_config& tun, tunnel_files& files);

/// The values that stand in files: keys and handshake packets.
void take_files(const tunnel_files& files, const config& run, tunnel_config& tunnel,
                std::vector<option_error>& errors);

/// A row's value as it could be typed; of a secret, and of what a file holds, only that there is one.
std::string shown_value(const tunnel_row& row, role side, const tunnel_config& tunnel);

/// "127.0.0.1:51820 -> vpn.example.net:443", and every option that is not at its default
std::string tunnel_summary(role side, const tunnel_config& tunnel);

} // namespace tonel::actors::app
