#include "protocol/legacy/stream.hpp"

namespace tonel::protocol::legacy {

namespace {

/// phantun sends an ACK without payload where its ack has moved by 128 MiB since the last; nobody
/// else acknowledges that much at once without data.
constexpr std::int64_t phantun_ack = std::int64_t{96} << 20;

} // namespace

/// A client's server before its SYN-ACK, and a server's client before it shows what it is: nothing that one
/// of the programs would mind.
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
