#include "protocol/flow/delivery.hpp"

#include <algorithm>

namespace tonel::protocol::flow {

bool deliver_behind(std::uint64_t control, const segment_repr& in, std::int64_t at,
                    effects& out) noexcept {
  const auto first = static_cast<std::int64_t>(control);
  const auto length = in.payload_length;
  if (length == 0 && at < first) {
    out.add(count_drop{errc::out_of_window, 1});
    return false;
  }
  auto from =
      at >= first ? 0u : static_cast<std::uint32_t>(std::min<std::int64_t>(first - at, length));
  if (length > 0 && from == length) return false;

  const auto past_border = in.datagram_size == 0 ? 0 : from % in.datagram_size;
  if (past_border != 0) {
    const auto piece = std::min(in.datagram_size - past_border, length - from);
    out.add(deliver{from, piece});
    from += piece;
  }
  if (from < length || length == 0) out.add(deliver{from, length - from});
  return true;
}

} // namespace tonel::protocol::flow
