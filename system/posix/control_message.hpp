#pragma once

#include "system/kernel.hpp"

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tonel::sys {

/// Writes a control message; gives the distance to the next one, octets.
template <class Value>
std::size_t put_control(std::uint8_t* at, int level, int type, const Value& v) noexcept {
  cmsghdr h{};
  h.cmsg_level = level;
  h.cmsg_type = type;
  h.cmsg_len = static_cast<decltype(h.cmsg_len)>(CMSG_LEN(sizeof v));
  std::memcpy(at, &h, sizeof h);
  std::memcpy(at + CMSG_LEN(0), &v, sizeof v);
  return CMSG_SPACE(sizeof v);
}

inline int set_option(kernel& k, int fd, int level, int name, int value) noexcept {
  return k.setsockopt(fd, level, name, &value, sizeof value);
}

} // namespace tonel::sys
