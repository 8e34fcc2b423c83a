#pragma once

#include "protocol/session/client_session.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>

// A session's machine with its reports and effects in words, so that a test reads as what happens.
namespace tonel::test {

namespace session_script {

using namespace protocol;
using namespace std::chrono_literals;
using kind = stream_report::kind;

inline const time_point start = time_point{100h};
inline const endpoint remote{ip_address::v4(192, 0, 2, 1), 443};
inline const endpoint elsewhere{ip_address::v4(192, 0, 2, 2), 443};

inline const char* word_of(stream_order what) {
  switch (what) {
  case stream_order::close: return "close";
  case stream_order::close_at_exit: return "close at exit";
  case stream_order::reset: return "reset";
  case stream_order::supersede: return "supersede";
  case stream_order::probe: return "probe";
  }
  return "";
}

inline const char* word_of(session_remark::kind what) {
  using remark = session_remark::kind;
  switch (what) {
  case remark::too_large: return "too large";
  case remark::no_connection: return "no connection";
  case remark::window_unscaled: return "window unscaled";
  case remark::older_server: return "older server";
  case remark::excluded_dialect: return "excluded dialect";
  case remark::no_groups: return "no groups";
  case remark::path_ends_tcp: return "path ends tcp";
  case remark::refuses_native: return "refuses native";
  case remark::moved: return "moved";
  }
  return "";
}

inline stream_report report(kind what, stream_number stream) {
  stream_report out;
  out.what = what;
  out.stream = stream;
  return out;
}

inline stream_report ended(stream_number stream, end_reason why, bool recent = false) {
  auto out = report(kind::ended, stream);
  out.why = why;
  out.recent = recent;
  return out;
}

/// Effects that both machines have.
struct writer {
  std::ostringstream& out;
  void operator()(const tell_stream& order) const {
    out << word_of(order.what) << ' ' << order.stream;
  }
  void operator()(const announce_streams& now) const {
    out << "announce";
    for (const auto number : now.streams)
      out << ' ' << number;
    if (now.streams.empty()) out << " none";
    if (now.room != 0) out << " with little room";
    if (now.older) out << " of an older dialect";
  }
  void operator()(const count_refused&) const { out << "count a refusal"; }
  void operator()(const session_remark& say) const { out << "say " << word_of(say.what); }
  void operator()(const session_failed&) const { out << "fail"; }
  void operator()(const session_finished&) const { out << "finish"; }
  void operator()(const open_stream& how) const {
    out << "open " << how.stream;
    if (how.config.wire != profile::native) out << " as " << to_string(how.config.wire);
    if (how.config.join_token != 0) out << " joining " << how.config.join_token;
  }
  void operator()(const retire_session&) const { out << "retire"; }
};

} // namespace session_script

/// A client's session, and all that it asks for.
class client_script final : public protocol::client_resources {
public:
  explicit client_script(const protocol::client_session_config& config = {}) : config_(config) {}
  explicit client_script(std::size_t streams) { config_.streams = streams; }

  // The world, as a test sets it.
  protocol::remote_dialects known;
  bool ports = true, races = true;
  protocol::time_point last = session_script::start;
  protocol::turns turn{std::chrono::milliseconds{5}};
  std::uint64_t claims_drawn = 0;
  protocol::open_stream opened_last; ///< the last stream that was asked for
  std::optional<protocol::session_remark> said;

  std::string start(const std::optional<protocol::endpoint>& to = session_script::remote) {
    machine_ = std::make_unique<protocol::client_session>(config_, *this);
    return words(machine_->start(to, now));
  }
  std::string report(const protocol::stream_report& what) {
    return words(machine_->on_report(what, now));
  }
  std::string report(session_script::kind what, protocol::stream_number stream) {
    return report(session_script::report(what, stream));
  }
  /// Both of an ordinary handshake.
  std::string greet(protocol::stream_number stream) {
    const auto first = report(session_script::kind::opened, stream);
    const auto then = report(session_script::kind::greeted, stream);
    return first.empty() ? then : then.empty() ? first : first + ", " + then;
  }
  std::string end(protocol::stream_number stream, protocol::end_reason why, bool recent = false) {
    return report(session_script::ended(stream, why, recent));
  }
  std::string gone(protocol::stream_number stream) { return words(machine_->on_gone(stream, now)); }
  std::string want() { return words(machine_->want(now)); }
  std::string resolve(const protocol::endpoint& to) { return words(machine_->resolved(to, now)); }
  std::string probe() { return words(machine_->probe(now)); }
  std::string close(bool at_exit = false) { return words(machine_->close(at_exit, now)); }
  /// Time passes, and all that falls due is done.
  std::string after(protocol::duration time) {
    const auto end = now + time;
    std::string out;
    while (machine_->deadline() && *machine_->deadline() <= end) {
      now = std::max(now, *machine_->deadline());
      const auto more = words(machine_->on_timer(now));
      if (!more.empty()) out += (out.empty() ? "" : ", ") + more;
    }
    now = end;
    return out;
  }
  /// When the timer is due, from now; nothing: none is armed.
  std::optional<protocol::duration> due() const {
    if (!machine_->deadline()) return std::nullopt;
    return *machine_->deadline() - now;
  }
  protocol::client_session& machine() { return *machine_; }

  protocol::time_point now = session_script::start;

private:
  std::string words(const protocol::client_effects& effects) {
    std::ostringstream out;
    for (const auto& e : effects) {
      if (out.tellp() > 0) out << ", ";
      std::visit(session_script::writer{out}, e);
      if (const auto* how = std::get_if<protocol::open_stream>(&e)) opened_last = *how;
      if (const auto* say = std::get_if<protocol::session_remark>(&e)) said = *say;
    }
    return out.str();
  }
  protocol::port_lease take_port() override {
    return ports ? std::make_shared<const std::uint16_t>(++port_) : nullptr;
  }
  bool may_race(protocol::time_point) override { return races; }
  protocol::session_claims draw_claims() override {
    ++claims_drawn;
    return {{static_cast<std::uint8_t>(claims_drawn)}, {1}};
  }
  protocol::time_point last_datagram() const override { return last; }
  protocol::remote_knowledge& remotes() override { return known; }
  protocol::turns& endings() override { return turn; }

  protocol::client_session_config config_;
  std::unique_ptr<protocol::client_session> machine_;
  std::uint16_t port_ = 40'000;
};

} // namespace tonel::test
