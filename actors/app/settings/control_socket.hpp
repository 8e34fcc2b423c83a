#pragma once

#include "system/stream_socket.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// The socket that --control names; none for "off". For "auto" it is NAME.sock in the directory that
/// systemd made for the service ($RUNTIME_DIRECTORY), in /run/tonel, or in the user's own
/// ($XDG_RUNTIME_DIR/tonel) where the user may not write there.
/// name: of this program and its device, so that instances do not meet
/// Errors: those of stream_listener::listen_local, or of making the directory
sys::result<std::shared_ptr<sys::stream_listener>> open_control_socket(const std::string& control,
                                                                       const std::string& name);

/// The sockets at the places of "auto", in order of their names; some may be dead.
std::vector<std::string> find_control_sockets();

} // namespace tonel::actors::app
