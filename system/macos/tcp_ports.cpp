#include "system/tcp_ports.hpp"

#include "system/command.hpp"
#include "system/instance_state.hpp"
#include "system/macos/listeners.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>

namespace tonel::sys {

std::vector<listener_facts> tcp_listeners(const std::vector<std::uint16_t>& ports) {
  std::vector<listener_facts> out;
  for (const auto port : ports) {
    // Its exit status is 1 where it finds nothing.
    const auto said =
        run_command({"lsof", "-nP", "-Fpc", "-sTCP:LISTEN", "-iTCP:" + std::to_string(port)});
    if (!said) continue;
    const auto found = parse_listeners(*said, port);
    out.insert(out.end(), found.begin(), found.end());
  }
  return out;
}

/// The lock of a file that stays, empty: whoever removed it could take that of a successor away.
result<port_claim> port_claim::make(std::uint16_t port) {
  const std::string folder = usual_runtime_folder();
  if (::mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST)
    return unexpected{os_error{errno, "mkdir", folder}};
  const auto path = folder + "/tcp-" + std::to_string(port) + ".lock";
  descriptor fd{real_kernel(),
                ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd) return unexpected{os_error{errno, "open", path}};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    return unexpected{os_error{errno == EWOULDBLOCK ? EADDRINUSE : errno, "flock", path}};
  return port_claim{std::move(fd)};
}

listener_facts port_claim::holder(std::uint16_t port) {
  listener_facts out;
  out.port = port;
  return out;
}

} // namespace tonel::sys
