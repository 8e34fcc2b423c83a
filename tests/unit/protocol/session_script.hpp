#pragma once

#include "protocol/session/client_session.hpp"
#include "protocol/session/server_session.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <variant>
#include <vector>

// A session's machine with reports and effects as words, so that tests are easy to read.
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
  case remark::window_unscaled: return "window unscaled";
  case remark::older_server: return "older server";
  case remark::no_groups: return "no groups";
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

/// The words for effects of both machines.
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
  void operator()(const opening_failed& failure) const {
    out << "failing: " << to_string(failure.what.cause);
  }
  void operator()(const opening_worked&) const { out << "works"; }
  void operator()(const reply_came&) const { out << "reply"; }
  void operator()(const session_failed&) const { out << "fail"; }
  void operator()(const session_finished&) const { out << "finish"; }
  void operator()(const open_stream& how) const {
    out << "open " << how.stream;
    if (how.config.wire != profile::native) out << " as " << to_string(how.config.wire);
    if (how.config.join_token != 0) out << " joining " << how.config.join_token;
  }
  void operator()(const address_tried& what) const {
    // The last octet tells a script's remotes apart.
    const auto host = what.at.address.data()[what.at.address.size() - 1];
    out << (what.answered ? "praise ." : "blame .") << unsigned{host};
  }
  void operator()(const retire_session&) const { out << "retire"; }
  void operator()(const count_drop& drop) const { out << "count " << to_string(drop.reason); }
  void operator()(const admit_stream& how) const { out << "admit " << how.stream; }
  void operator()(const give_stream& to) const { out << "give to " << to.stream; }
  void operator()(const refuse_stream&) const { out << "refuse"; }
  void operator()(const open_upstream&) const { out << "open upstream"; }
  void operator()(const release_upstream&) const { out << "release upstream"; }
};

/// Lets time pass for a machine, with all its deadlines; gives the effects by words(effects).
template <class Machine, class Words>
std::string let_pass(Machine& machine, time_point& now, duration time, Words words) {
  const auto end = now + time;
  std::string out;
  while (machine.deadline() && *machine.deadline() <= end) {
    now = std::max(now, *machine.deadline());
    const auto more = words(machine.on_timer(now));
    if (!more.empty()) out += (out.empty() ? "" : ", ") + more;
  }
  now = end;
  return out;
}
/// The time from now until its timer is due; none: not armed.
template <class Machine> std::optional<duration> due_in(const Machine& machine, time_point now) {
  if (!machine.deadline()) return std::nullopt;
  return *machine.deadline() - now;
}

} // namespace session_script

/// A server's session, with the hellos of its client.
class server_script {
public:
  explicit server_script(std::uint8_t streams = 1, std::chrono::seconds deadline = {})
      : count_(streams) {
    using namespace protocol;
    server_session_config config;
    config.deadline = deadline;
    config.endings = &turn;
    config.proof.emplace(hello(0).hello);
    machine_.emplace(std::move(config));
  }
  /// The session of a legacy client.
  static server_script older() {
    protocol::server_session_config config;
    config.legacy = true;
    config.answers = std::make_shared<protocol::answer_limit>();
    server_script out;
    config.endings = nullptr;
    out.machine_.emplace(std::move(config));
    return out;
  }

  protocol::turns turn{std::chrono::milliseconds{5}};
  protocol::session_claims client{{7}, {8}};
  protocol::admit_stream admitted_last;
  std::optional<protocol::session_remark> said;
  bool has_place = true;

  /// A stream as the acceptor gives it.
  protocol::accept_stream hello(std::uint8_t index) {
    using namespace protocol;
    const auto claim = client.next();
    hello_repr h;
    h.introduces = claim.introduces;
    h.session = claim.id;
    h.counter = claim.counter;
    h.stream_index = index;
    h.stream_count = count_;
    h.control_length = hello_size;
    accept_stream out;
    out.hello = *parse_hello(encode_hello(h, claim.secret));
    return out;
  }
  /// A stream with this index comes, from its own port.
  std::string join(std::uint8_t index, std::uint8_t host = 9) { return adopt(hello(index), host); }
  std::string adopt(const protocol::accept_stream& what, std::uint8_t host = 9) {
    return words(machine_->adopt(what, {tuple(host, ++port_), has_place, false}, now));
  }
  /// The segment of the last stream comes again.
  std::string again(const protocol::accept_stream& what) {
    return words(machine_->adopt(what, {tuple(9, port_), has_place, false}, now));
  }
  std::string join_older(std::uint16_t group, bool first = false) {
    protocol::accept_legacy what;
    what.join = group;
    what.shown = protocol::profile::tonel;
    return words(machine_->adopt(what, {tuple(9, ++port_), has_place, first}, now));
  }
  std::string report(const protocol::stream_report& what) {
    return words(machine_->on_report(what, now));
  }
  std::string report(session_script::kind what, protocol::stream_number stream) {
    return report(session_script::report(what, stream));
  }
  std::string end(protocol::stream_number stream, protocol::end_reason why) {
    return report(session_script::ended(stream, why));
  }
  std::string gone(protocol::stream_number stream) { return words(machine_->on_gone(stream, now)); }
  std::string upstream_gone() { return words(machine_->on_upstream_gone(now)); }
  std::string probe() { return words(machine_->probe()); }
  std::string close(bool at_exit = false) { return words(machine_->close(at_exit)); }
  std::string displace() { return words(machine_->displace()); }
  std::string after(protocol::duration time) {
    return session_script::let_pass(*machine_, now, time,
                                    [this](const auto& effects) { return words(effects); });
  }
  std::optional<protocol::duration> due() const { return session_script::due_in(*machine_, now); }
  protocol::server_session& machine() { return *machine_; }

  protocol::time_point now = session_script::start;

private:
  static protocol::four_tuple tuple(std::uint8_t host, std::uint16_t port) {
    using protocol::ip_address;
    return {{ip_address::v4(192, 0, 2, 1), 443}, {ip_address::v4(198, 51, 100, host), port}};
  }
  std::string words(const protocol::server_effects& effects) {
    std::ostringstream out;
    for (const auto& e : effects) {
      if (out.tellp() > 0) out << ", ";
      std::visit(session_script::writer{out}, e);
      if (const auto* how = std::get_if<protocol::admit_stream>(&e)) admitted_last = *how;
      if (const auto* say = std::get_if<protocol::session_remark>(&e)) said = *say;
    }
    return out.str();
  }

  std::uint8_t count_ = 1;
  std::uint16_t port_ = 40'000;
  std::optional<protocol::server_session> machine_;
};

/// A client's session, with its resources.
class client_script : public protocol::client_resources {
public:
  explicit client_script(const protocol::client_session_config& config = {}) : config_(config) {}
  explicit client_script(std::size_t streams) { config_.streams = streams; }
  client_script(const client_script&) = delete; // the machine has a reference to it
  client_script& operator=(const client_script&) = delete;

  // The resources, as a test sets them.
  protocol::remote_dialects known;
  bool ports = true, races = true;
  std::optional<protocol::opening_cause>
      lacks;                    ///< why there is no local end; nothing: there are some
  bool tells_addresses = false; ///< in words
  protocol::time_point last = session_script::start;
  protocol::turns turn{std::chrono::milliseconds{5}};
  std::uint64_t claims_drawn = 0;
  std::optional<protocol::session_claim> remembered; ///< of an earlier session
  protocol::open_stream opened_last;                 ///< the last open_stream
  std::optional<protocol::session_remark> said;
  std::optional<protocol::opening_failure> failure; ///< the last one that was told
  std::optional<protocol::duration> turn_in;        ///< nothing: it may try
  bool unanswered = false;                          ///< no datagram came back through the tunnel
  bool sent = true, replied = false;                ///< datagrams of the session

  std::string start(const std::vector<protocol::endpoint>& to = {session_script::remote}) {
    machine_ = std::make_unique<protocol::client_session>(config_, *this);
    return words(machine_->start(to, now));
  }
  /// Opens all its streams by native handshakes.
  void stand() {
    known.saw_native(session_script::remote);
    start();
    for (protocol::stream_number n = 1; n <= config_.streams; ++n)
      greet(n);
  }
  std::string report(const protocol::stream_report& what) {
    return words(machine_->on_report(what, now));
  }
  std::string report(session_script::kind what, protocol::stream_number stream) {
    return report(session_script::report(what, stream));
  }
  /// The two reports of an ordinary handshake.
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
  std::string resolve(const protocol::endpoint& to) { return resolve(std::vector{to}); }
  std::string resolve(const std::vector<protocol::endpoint>& to) {
    return words(machine_->resolved(to, now));
  }
  /// Other addresses of the host: these streams have one that is not used any more.
  std::string readdress(const std::vector<protocol::stream_number>& left) {
    return words(machine_->readdressed(left, now));
  }
  std::string probe() { return words(machine_->probe(now)); }
  std::string remote_answers() { return words(machine_->remote_answers(now)); }
  std::string close(bool at_exit = false) { return words(machine_->close(at_exit, now)); }
  /// Lets time pass, with all deadlines.
  std::string after(protocol::duration time) {
    return session_script::let_pass(*machine_, now, time,
                                    [this](const auto& effects) { return words(effects); });
  }
  /// The time from now until the timer is due; none: not armed.
  std::optional<protocol::duration> due() const { return session_script::due_in(*machine_, now); }
  protocol::client_session& machine() { return *machine_; }

  protocol::time_point now = session_script::start;

private:
  std::string words(const protocol::client_effects& effects) {
    std::ostringstream out;
    for (const auto& e : effects) {
      // What is wrong with its one address is said in tests of addresses alone.
      if (std::get_if<protocol::address_tried>(&e) != nullptr && !tells_addresses) continue;
      if (out.tellp() > 0) out << ", ";
      std::visit(session_script::writer{out}, e);
      if (const auto* how = std::get_if<protocol::open_stream>(&e)) opened_last = *how;
      if (const auto* what = std::get_if<protocol::opening_failed>(&e)) failure = what->what;
      if (const auto* say = std::get_if<protocol::session_remark>(&e)) said = *say;
    }
    return out.str();
  }
  protocol::local_end take_local_end(const protocol::endpoint&) override {
    protocol::local_end out;
    if (ports && !lacks) out.port = std::make_shared<const std::uint16_t>(++port_);
    if (lacks) out.why = *lacks;
    return out;
  }
  bool may_race(protocol::time_point) override { return races; }
  protocol::session_claims draw_claims() override {
    if (const auto earlier = std::exchange(remembered, std::nullopt))
      return protocol::session_claims{*earlier};
    ++claims_drawn;
    return {{static_cast<std::uint8_t>(claims_drawn)}, {1}};
  }
  protocol::time_point last_datagram() const override { return last; }
  protocol::remote_knowledge& remotes() override { return known; }
  protocol::turns& endings() override { return turn; }
  bool take_turn(protocol::time_point) override { return !turn_in; }
  protocol::time_point next_turn() const override { return now + *turn_in; }
  bool awaits_reply() const override { return unanswered; }
  bool has_sent() const override { return sent; }
  bool had_reply() const override { return replied; }

  protocol::client_session_config config_;
  std::unique_ptr<protocol::client_session> machine_;
  std::uint16_t port_ = 40'000;
};

} // namespace tonel::test
