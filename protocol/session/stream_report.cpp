#include "protocol/session/stream_report.hpp"

#include <chrono>
#include <variant>

namespace tonel::protocol {

namespace {

// A lost stream that carried a datagram within this time is replaced at once.
constexpr auto recent_time = std::chrono::seconds{30};

} // namespace

const char* to_string(stream_report::kind what) noexcept {
  using kind = stream_report::kind;
  switch (what) {
  case kind::opened: return "opened";
  case kind::greeted: return "greeted";
  case kind::silent: return "silent";
  case kind::worn: return "worn";
  case kind::recovered: return "recovered";
  case kind::idle: return "idle";
  case kind::active: return "active";
  case kind::try_new_port: return "try_new_port";
  case kind::ended: return "ended";
  case kind::aging: return "aging";
  case kind::too_large: return "too_large";
  case kind::legacy: return "legacy";
  case kind::unscaled: return "unscaled";
  case kind::strange: return "strange";
  case kind::undelivered: return "undelivered";
  case kind::sink_wanted: return "sink_wanted";
  }
  return "";
}

stream_report make_report(stream_report::kind what, stream_number number, const stream& of,
                          time_point now) noexcept {
  stream_report out;
  out.what = what;
  out.stream = number;
  out.wire = of.wire();
  out.token = of.group_token();
  out.recent = now - of.last_datagram() <= recent_time;
  return out;
}

std::optional<stream_report> report_of(const effect& e, stream_number number, const stream& of,
                                       time_point now) noexcept {
  using kind = stream_report::kind;
  const auto report = [&](kind what) { return make_report(what, number, of, now); };
  if (std::get_if<opened>(&e) != nullptr) return report(kind::opened);
  if (const auto* greeting = std::get_if<greeted>(&e)) {
    auto out = report(kind::greeted);
    out.capabilities = greeting->hello.capabilities;
    return out;
  }
  if (const auto* silent = std::get_if<went_silent>(&e))
    return report(silent->only_worn ? kind::worn : kind::silent);
  if (std::get_if<recovered>(&e) != nullptr) return report(kind::recovered);
  if (std::get_if<went_idle>(&e) != nullptr) return report(kind::idle);
  if (std::get_if<became_active>(&e) != nullptr) return report(kind::active);
  if (std::get_if<try_new_port>(&e) != nullptr) return report(kind::try_new_port);
  if (std::get_if<window_unscaled>(&e) != nullptr) return report(kind::unscaled);
  if (const auto* end = std::get_if<ended>(&e)) {
    auto out = report(kind::ended);
    out.why = end->why;
    return out;
  }
  if (const auto* found = std::get_if<peer_is_legacy>(&e)) {
    auto out = report(kind::legacy);
    out.why = end_reason::refused;
    out.wire = found->shown;
    return out;
  }
  if (const auto* said = std::get_if<spoke_otherwise>(&e)) {
    auto out = report(kind::strange);
    out.shows.said = said->octets;
    out.shows.said_size = said->size;
    return out;
  }
  if (const auto* icmp = std::get_if<packet_undelivered>(&e)) {
    auto out = report(kind::undelivered);
    out.shows.icmp = icmp->what;
    out.shows.from = icmp->from;
    out.shows.here = icmp->here;
    return out;
  }
  return std::nullopt;
}

} // namespace tonel::protocol
