#pragma once

#include "actors/app/settings/settings.hpp"
#include "actors/app/settings/value_reader.hpp"
#include "actors/shard/tunnel_config.hpp"

#include <string>
#include <vector>

namespace tonel::actors::app {

/// Reads one tunnel by its rows: that of the reader's section, or the only one. files: takes the
/// files to read by take_files()
tunnel_config read_tunnel(reader& in, role side, const tun_config& tun, tunnel_files& files);

/// Reads the values that are in files: keys and handshake packets.
void take_files(const tunnel_files& files, const config& run, tunnel_config& tunnel,
                std::vector<option_error>& errors);

/// A row's value as it would be typed; of a secret or a file's content only that it is set.
std::string shown_value(const tunnel_row& row, role side, const tunnel_config& tunnel);

/// "127.0.0.1:51820 -> vpn.example.net:443", and all options with other values than their defaults.
std::string tunnel_summary(role side, const tunnel_config& tunnel);

} // namespace tonel::actors::app
