#pragma once

#include "actors/shard/config.hpp"
#include "actors/shard/counters.hpp"
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

/// Asks a shard what it has; shard_status answers, then session_status of each session in it.
struct ask_status {
  caf::actor answer_to;
  std::uint64_t question = 0; ///< comes back with each answer
  std::size_t sessions = 0;   ///< so many of them tell of themselves
  std::uint64_t after = 0;    ///< those with a larger number alone
};
/// One shard at this moment.
struct shard_status {
  std::uint64_t question = 0;
  std::size_t shard = 0;
  std::size_t sessions = 0; ///< all
  std::size_t listed = 0;   ///< so many session_status follow
  bool offload = false;     ///< of its TUN queue
  std::size_t slabs_in_use = 0, slabs = 0;
};
/// One TCP-looking connection of a session.
struct stream_summary {
  protocol::four_tuple tuple;
  const char* state = "";
  protocol::profile wire = protocol::profile::native;
  protocol::duration age{0};
};
/// One session at this moment.
struct session_status {
  std::uint64_t question = 0;
  std::uint64_t session = 0; ///< its number in this process, for close
  std::size_t shard = 0;
  std::string tunnel;      ///< empty: the only one
  protocol::endpoint peer; ///< client: the application; server: the client of the newest stream
  const char* state = "";
  protocol::duration age{0};
  std::vector<stream_summary> streams;
};
/// Sent to every shard: the one with this session closes it; answered by session_closed.
struct close_one {
  caf::actor answer_to;
  std::uint64_t question = 0;
  std::uint64_t session = 0;
};
struct session_closed {
  std::uint64_t question = 0;
  bool found = false;
};
/// How a part of the process is that may be without its service for a while ("firewall", "remote").
struct part_status {
  std::string part;
  std::string state;  ///< one word; empty: there is no such part any more
  std::string detail; ///< for people; may be empty
  /// The system was asked then and has not answered yet: instead of `detail`.
  std::optional<protocol::time_point> unanswered_since = std::nullopt;
};
/// What the system says of the device; process_facts::ask_host sends it.
struct host_answer {
  std::optional<std::uint64_t> tun_drops; ///< packets its queue had no room for; nothing: not known
};
/// Does what SIGHUP does; reload_done answers.
struct ask_reload {
  caf::actor answer_to;
  std::uint64_t question = 0;
};
struct reload_done {
  std::uint64_t question = 0;
  bool done = false;
  std::string detail;
};

/// Starts a capture of the packets on the TUN, or ends it; capture_done answers.
struct capture_order {
  std::uint64_t question = 0;
  bool start = false;
  std::string path;            ///< absolute
  std::uint64_t limit_mib = 0; ///< 0: that of --pcap-limit
};
struct capture_done {
  std::uint64_t question = 0;
  bool done = false;
  std::string detail;
};

/// What status tells beside what the shards say; fixed before the actors start.
/// Thread: any
struct process_facts {
  std::string program, version;
  role side = role::client;
  int pid = 0;
  std::chrono::system_clock::time_point started;
  std::string tun;
  std::size_t queues = 1;
  offload_switches offload; ///< as found possible
  /// Every option with the value in force; secrets are left out.
  std::vector<std::pair<std::string, std::string>> options;
  std::vector<const counters*> counts; ///< by shard
  /// Lines of the log that were lost; may be null.
  std::function<std::uint64_t()> log_dropped;
  /// Asks the system about the device without blocking, and has host_answer sent to the handle; may be
  /// null.
  std::function<void(const caf::actor&)> ask_host;
  /// How the capture is; null: there can be none.
  std::function<sys::capture_status()> capture;
};

/// What was gathered for one question.
struct status_snapshot {
  std::size_t shards_asked = 0;
  std::vector<shard_status> shards;
  std::vector<session_status> sessions;
  host_answer host;
  protocol::duration host_silent{0}; ///< it was asked so long ago, and has not answered
  protocol::time_point at{};         ///< when it was complete, or given up
  bool complete() const noexcept;    ///< of the shards
};

/// The parts' states, by name.
using part_table = std::map<std::string, part_status>;
void remember(part_table& parts, const part_status& news);

/// One line of JSON each, without the line's end.
std::string status_json(const process_facts& facts, const part_table& parts,
                        const status_snapshot& now);
/// At most `most` sessions, ordered by number; says when there are more.
std::string sessions_json(status_snapshot now, std::size_t most);
std::string counters_json(const process_facts& facts);
std::string one_member_json(const char* name, const std::string& text);

/// The same for Prometheus.
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
