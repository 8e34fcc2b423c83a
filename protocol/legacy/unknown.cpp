#include "protocol/legacy/stream.hpp"

namespace tonel::protocol::legacy {

namespace {

/// Only phantun acknowledges this many octets at once without payload: it sends an empty ACK when
/// its ack has moved by 128 MiB.
constexpr std::int64_t phantun_ack = std::int64_t{96} << 20;

} // namespace

/// A peer whose program is not known: a server before its SYN-ACK, or a client before it shows its
/// program. Does nothing that either program would take wrong.
class unknown final : public may_be_tonel {
public:
  unknown() noexcept : may_be_tonel(profile::legacy) {}

  const peer& shows(profile p) const noexcept override { return peer_that(p); }
  void on_empty(stream& s, const segment_repr& in, std::int64_t at, std::int64_t newly_acked,
                time_point now, effects& out) const noexcept override {
    if (newly_acked > phantun_ack)
      s.learn(profile::phantun);
    else
      may_be_tonel::on_empty(s, in, at, newly_acked, now, out);
  }
};

const peer& unknown_peer() noexcept {
  static const unknown one;
  return one;
}

} // namespace tonel::protocol::legacy
