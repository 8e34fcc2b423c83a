#include "protocol/sealed/handshake.hpp"

#include <utility>

namespace tonel::protocol::sealed {

const char* to_string(handshake_failure f) noexcept {
  switch (f) {
  case handshake_failure::none: return "none";
  case handshake_failure::alert: return "the other end has refused the handshake";
  case handshake_failure::stranger:
    return "the other end is a TLS server that does not know the key";
  case handshake_failure::bad_octets: return "the other end does not speak TLS, or has another key";
  case handshake_failure::our_library: return "OpenSSL could not do it here";
  case handshake_failure::too_long: return "the other end says more than a handshake has";
  case handshake_failure::timed_out: return "the handshake was not answered";
  }
  return "unknown";
}

handshake handshake::connect(crypto& c, const secret& key, std::vector<std::uint8_t> said,
                             std::string_view server_name, suite preferred, time_point now) {
  tls_offer offer;
  offer.psk = handshake_psk(c, key);
  offer.identity = std::move(said);
  offer.server_name = server_name;
  offer.preferred = preferred;
  return {c.connect(offer), true, now};
}

handshake handshake::accept(crypto& c, const secret& key, byte_view said, time_point now) {
  return {c.accept(handshake_psk(c, key), said), false, now};
}

handshake_step handshake::open() {
  if (!client_ || !last_flight_.empty() || failed_) return repeat();
  if (!end_) return fail(handshake_failure::our_library);
  return take({});
}

handshake_step handshake::on_octets(std::uint64_t at, byte_view octets) {
  handshake_step out;
  if (failed_ || octets.empty()) return out;
  if (!end_ && !outcome_) return fail(handshake_failure::our_library);
  if (at > received_) {
    out.hold = !outcome_;
    return out;
  }
  const auto old = received_ - at;
  if (old >= octets.size() || outcome_) {
    // A server that is done has been answered: what comes again then is late.
    const bool lacks_flight = at < received_ && (client_ || !outcome_);
    return lacks_flight ? repeat() : out;
  }
  const auto fresh = octets.subview(static_cast<std::size_t>(old));
  if (received_ + fresh.size() > most_octets) return fail(handshake_failure::too_long);
  received_ += fresh.size();
  return take(fresh);
}

/// Lets TLS go on.
handshake_step handshake::take(byte_view octets) {
  std::vector<std::uint8_t> flight;
  const auto state = end_->take(octets, flight);
  handshake_step out;
  if (!flight.empty()) {
    last_flight_at_ = own_control();
    last_flight_ = std::move(flight);
    out = repeat();
  }
  if (state == tls_state::going_on) return out;
  if (state == tls_state::done && finish()) {
    out.done = true;
    return out;
  }
  // With the alert by which TLS has ended, as every TLS end does.
  const auto why = state == tls_state::done ? handshake_failure::our_library : end_->why();
  out.failed = fail(why).failed;
  return out;
}

/// Takes what is to stay, and lets the state of TLS go.
bool handshake::finish() {
  handshake_outcome got;
  got.cipher = end_->chosen();
  const auto exported = [this](direction d, secret& out) {
    const std::array<std::uint8_t, 1> context{static_cast<std::uint8_t>(d)};
    return end_->export_secret(exporter_label, context, out);
  };
  if (!exported(direction::to_server, got.to_server) ||
      !exported(direction::to_client, got.to_client))
    return false;
  outcome_ = got;
  // The last octets given may be data already.
  received_ = peer_control_ = end_->consumed();
  end_.reset();
  return true;
}

handshake_step handshake::fail(handshake_failure why) noexcept {
  failed_ = true;
  end_.reset();
  handshake_step out;
  out.failed = why;
  return out;
}

handshake_step handshake::on_timer(time_point now) {
  return now >= deadline() ? fail(handshake_failure::timed_out) : handshake_step{};
}

handshake_step handshake::repeat() const noexcept {
  handshake_step out;
  out.send = last_flight_;
  out.at = last_flight_at_;
  return out;
}

time_point handshake::deadline() const noexcept {
  return failed_ || outcome_ ? time_point::max() : until_;
}

} // namespace tonel::protocol::sealed
