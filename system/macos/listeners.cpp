#include "system/macos/listeners.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace tonel::sys {

std::vector<listener_facts> parse_listeners(std::string_view printed, std::uint16_t port) {
  std::vector<listener_facts> out;
  while (!printed.empty()) {
    const auto end = std::min(printed.find('\n'), printed.size());
    const std::string line{printed.substr(0, end)};
    printed.remove_prefix(std::min(end + 1, printed.size()));
    if (line.size() < 2) continue;
    if (line[0] == 'p') {
      listener_facts found;
      found.port = port;
      found.pid = std::atoi(line.c_str() + 1);
      out.push_back(std::move(found));
    } else if (line[0] == 'c' && !out.empty()) {
      out.back().program = line.substr(1);
    }
  }
  return out;
}

} // namespace tonel::sys
