#pragma once

#include "actors/shard/config.hpp"
#include "actors/shard/counters.hpp"
#include "actors/shard/tunnel_health.hpp"
#include "protocol/address.hpp"
#include "protocol/profile.hpp"
#include "protocol/time.hpp"
#include "system/decorators/packet_capture.hpp"

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::actors {

/// Asks a shard for its state. Answered by shard_status, then a session_status for each listed
/// session.
struct ask_status {
  caf::actor answer_to;
  std::uint64_t question = 0; ///< number, repeated in each answer
  std::size_t sessions = 0;   ///< most sessions to list
  std::uint64_t after = 0;    ///< lists only sessions with a larger number
};
/// The present state of a shard.
struct shard_status {
  std::uint64_t question = 0;
  std::size_t shard = 0;
  std::size_t sessions = 0;  ///< number of all sessions
  std::uint64_t streams = 0; ///< number of those that are open
  std::size_t listed = 0;    ///< number of session_status that follow
  bool offload = false;      ///< its TUN queue has offload on
  std::size_t slabs_in_use = 0, slabs = 0;
  std::vector<tunnel_summary> tunnels;
};
/// The present state of a stream.
struct stream_summary {
  protocol::four_tuple tuple;
  const char* state = "";
  protocol::profile wire = protocol::profile::native;
  protocol::duration age{0};
};
/// The present state of a session.
struct session_status {
  std::uint64_t question = 0;
  std::uint64_t session = 0; ///< its number in this process, for close_one
  std::string id;            ///< its name at both ends; empty: of an older dialect
  std::size_t shard = 0;
  std::string tunnel;      ///< empty: the only one
  protocol::endpoint peer; ///< client: the application; server: the client of the newest stream
  const char* state = "";
  protocol::duration age{0};
  std::vector<stream_summary> streams;
  std::vector<std::uint16_t> upstream_ports; ///< server: that the upstream sees
};
/// Sent to every shard: close this session, if it is yours. Answered by session_closed.
struct close_one {
  caf::actor answer_to;
  std::uint64_t question = 0;
  std::uint64_t session = 0;
};
/// found: the shard had the session.
struct session_closed {
  std::uint64_t question = 0;
  bool found = false;
};
/// The state of a part of the process that can fail for a while ("firewall", "remote").
struct part_status {
  std::string part;
  std::string state;  ///< one word; empty: the part is gone
  std::string detail; ///< in words; may be empty
  /// In place of `detail`: when the system was asked, without an answer so far.
  std::optional<protocol::time_point> unanswered_since = std::nullopt;
};
/// The system's facts about the device; sent by process_facts::ask_host.
struct host_answer {
  std::optional<std::uint64_t> tun_drops; ///< packets dropped for a full queue; none: unknown
};
/// Reloads the configuration, like SIGHUP. Answered by reload_done.
struct ask_reload {
  caf::actor answer_to;
  std::uint64_t question = 0;
};
/// The result of a reload; detail: in words.
struct reload_done {
  std::uint64_t question = 0;
  bool done = false;
  std::string detail;
};

/// Starts a capture of the packets on the TUN, or ends it. Answered by capture_done.
struct capture_order {
  std::uint64_t question = 0;
  bool start = false;
  std::string path;            ///< absolute
  std::uint64_t limit_mib = 0; ///< 0: the value of --pcap-limit
};
/// The result of a capture_order; detail: in words.
struct capture_done {
  std::uint64_t question = 0;
  bool done = false;
  std::string detail;
};

/// The facts for status besides those of shards; fixed before the actors start.
/// Thread: any
struct process_facts {
  std::string program, version;
  role side = role::client;
  int pid = 0;
  std::chrono::system_clock::time_point started;
  protocol::time_point began{}; ///< the same on the clock that nobody sets
  std::string tun;
  std::size_t queues = 1;
  offload_switches offload; ///< offloads that work here
  /// Every option with its value in force, except secrets.
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<const counters*> counts; ///< indexed by shard
  /// The number of lost lines of the log; may be null.
  std::function<std::uint64_t()> log_dropped;
  /// Asks the system about the device without blocking; host_answer is sent to the actor. May be
  /// null.
  std::function<void(const caf::actor&)> ask_host;
  /// The state of the capture; null: captures are not possible.
  std::function<sys::capture_status()> capture;
};

/// The answers gathered for one question.
struct status_snapshot {
  std::size_t shards_asked = 0;
  std::vector<shard_status> shards;
  std::vector<session_status> sessions;
  host_answer host;
  protocol::duration host_silent{0}; ///< time since the host was asked without an answer; 0: none
  protocol::time_point at{};         ///< when it was complete or given up
  bool complete() const noexcept;    ///< all shards have answered
  /// All there are; any shard knows them.
  const std::vector<tunnel_summary>& tunnels() const noexcept;
};

/// The states of parts, by name.
using part_table = std::map<std::string, part_status>;
/// Updates the table by the news.
void remember(part_table& parts, const part_status& news);

/// What status calls a tunnel among the parts: "tunnel", or "tunnel NAME".
std::string part_of(const tunnel_summary& tunnel);
/// Why nothing gets through, where that is so of every tunnel that is wanted, and of one at least; else
/// nothing.
std::optional<std::string> dead_tunnel(const status_snapshot& now);

/// Each gives one line of JSON, without newline.
std::string status_json(const process_facts& facts, const part_table& parts,
                        const status_snapshot& now);
/// At most `most` sessions, ordered by number, with a note if there are more.
std::string sessions_json(status_snapshot now, std::size_t most, role side);
/// All counters: the totals, and those of each shard.
std::string counters_json(const process_facts& facts);
/// An object with one member, a text.
std::string one_member_json(const char* name, const std::string& text);

/// The state and counters for Prometheus.
/// Source: Prometheus, "Exposition formats", text format 0.0.4
std::string metrics_text(const process_facts& facts, const part_table& parts,
                         const status_snapshot& now);

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ask_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::shard_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::session_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::close_one)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::session_closed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::part_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::host_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ask_reload)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::reload_done)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::capture_done)
