#pragma once

#include "system/stream_socket.hpp"

#include <memory>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// Opens the socket of --control; null for "off". For "auto" it is NAME.sock in the service's
/// folder ($RUNTIME_DIRECTORY), in /run/tonel, or, if the user may not write there, in the user's
/// own folder ($XDG_RUNTIME_DIR/tonel).
/// name: with the program and its device, so that each instance has its own socket
/// Errors: those of stream_listener::listen_local, or of making the folder
sys::result<std::shared_ptr<sys::stream_listener>> open_control_socket(const std::string& control,
                                                                       const std::string& name);

/// The paths of sockets in the folders of "auto", ordered by name; some may be dead.
std::vector<std::string> find_control_sockets();

} // namespace tonel::actors::app
