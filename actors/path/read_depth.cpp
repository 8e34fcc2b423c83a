#include "actors/path/read_depth.hpp"

namespace tonel::actors {

std::size_t read_depth::next() noexcept {
  return alone_ < lone_after || alone_ % look_interval == 0 ? most : 1;
}

void read_depth::found(std::size_t datagrams) noexcept {
  if (datagrams == 0) return;
  alone_ = datagrams == 1 ? alone_ + 1 : 0;
}

} // namespace tonel::actors
