#pragma once

#include "actors/messages/batches.hpp"
#include "actors/shard/config.hpp"
#include "actors/shard/group_registry.hpp"
#include "actors/shard/inbound_segment.hpp"
#include "actors/shard/session_limits.hpp"
#include "actors/shard/shard_tunnel.hpp"
#include "protocol/acceptor.hpp"
#include "protocol/effects.hpp"
#include "protocol/packet.hpp"
#include "protocol/session/stream_report.hpp"
#include "system/datagram_socket.hpp"
#include "system/host_ways.hpp"
#include "system/packet_device.hpp"
#include "system/rule_text.hpp"
#include "system/slab.hpp"

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tonel::actors {

/// A stream exists from now on: its actor takes the segments of the tuple.
struct stream_up {
  protocol::four_tuple tuple;
  caf::actor stream;
  bool local = true; ///< the stream lives on the receiver's shard
};
/// The acceptor's result for a segment that opens a stream.
using acceptance = std::variant<protocol::accept_stream, protocol::accept_legacy>;
/// A hello or a legacy handshake was proven: make a stream, on the shard of its session.
struct adopt_stream {
  tunnel_ptr tunnel; ///< the tunnel of the port
  protocol::four_tuple tuple;
  acceptance accepted;
  inbound_segment proof; ///< the segment that proves it
  caf::actor queue;      ///< the tun_queue that waits for stream_up or stream_refused
  /// The stream's place; null: the shard has none left. An existing stream needs none.
  stream_limits::lease place = nullptr;
  std::uint64_t owner = 0;               ///< legacy: group_registry's key of the session
  group_registry::lease group = nullptr; ///< legacy: for a new session
  group_registry::lease first = nullptr; ///< legacy: for the first stream of a session
  std::shared_ptr<protocol::answer_limit> answers = nullptr; ///< legacy: for a new session
};
/// The session refuses the stream: send a RST.
struct stream_refused {
  protocol::four_tuple tuple;
};
/// The tun_queues and supervisors of all shards, indexed by shard.
struct peers_changed {
  std::vector<caf::actor> queues;
  std::vector<caf::actor> supervisors;
};

/// A shard's tun_queue has been started (again).
struct child_up {
  std::size_t shard = 0;
  caf::actor queue;
};

/// To sessions and their streams: the shard's tun_queue was started again.
struct queue_changed {
  caf::actor queue;
};
/// To a client's sessions: their tunnel's listener was started again.
struct listener_changed {
  caf::actor listener;
};

/// A client's place for one session; shared by the session and its listener, so that another listener can
/// take the session over.
using client_place = std::shared_ptr<session_limits::place>;
/// An application has sent its first datagram: make a session for it.
struct open_session {
  tunnel_ptr tunnel;
  sys::datagram_path path;
  client_place place;
};
/// The session of this path exists; null: the session `ended` has ended.
struct session_changed {
  sys::datagram_path path;
  caf::actor session;
  caf::actor_id ended = 0;
  client_place place = nullptr; ///< of a session that another listener has had
};
/// Send datagrams of this path and session to these streams from now on; none: hold datagrams.
struct streams_changed {
  sys::datagram_path path;
  caf::actor_id session = 0;
  std::vector<caf::actor> streams;
  /// Client: the most octets of held datagrams that may be sent before the next such message; 0: no
  /// limit.
  std::size_t room = 0;
  /// Client: the dialect is legacy; there a lost SYN costs a second, so datagrams are held longer.
  bool older = false;
};
/// Datagrams wait, and the session has no stream to take them.
struct stream_wanted {};
/// Deliver the stream's datagrams to this actor from now on.
struct sink_changed {
  caf::actor sink;
};
/// Close the stream by FIN.
struct close_stream {
  bool at_exit = false;
};
/// End the stream by RST.
struct reset_stream {};
/// Another stream has taken this one's place.
struct supersede_stream {};
/// The machine has resumed from suspend: probe the peer.
struct probe_stream {};
/// Close all streams by FIN, and end the session.
struct close_session {
  bool at_exit = false;
  bool displaced = false; ///< another session needs its place now
};
/// Client, to the shard: end this session, since its place is needed.
struct displace_session {
  std::uint64_t session = 0; ///< caf::actor_id
};
/// Server, to the shard: this session gives up its place. It carries no datagrams and has no
/// sockets any more; its streams only answer late segments.
struct session_closing {
  std::uint64_t session = 0; ///< caf::actor_id
};
/// The addresses of a tunnel's remote, for the first time or changed; one at least. The resolver gives
/// them in its order, the root in the order to try them.
struct remote_resolved {
  tunnel_ptr tunnel;
  std::vector<protocol::endpoint> addresses;
  std::string remark = {}; ///< from the resolver: what is wrong with others that the name has
};
/// A tunnel's remote has answered at one of its addresses, or has not.
struct remote_tried {
  tunnel_ptr tunnel;
  protocol::endpoint at;
  bool answered = false;
};
/// Server: the session's upstream has answered, or refuses what is sent there.
struct upstream_tried {
  bool answered = false;
};
/// Client: a stream of this tunnel was opened after some time in which none could be: sessions that wait may
/// try. To shards and sessions.
struct remote_answers {
  tunnel_ptr tunnel;
  bool pass_on = false; ///< to the other shards
};
/// The tunnels of a shard from now on. Tunnels that are not listed any more are closed; those that
/// were listed before stay as they are.
struct tunnels_changed {
  std::vector<shard_tunnel> tunnels;
};
/// Client on the direct path: packets to remotes leave by other ways, direct_streams knows them. To shards
/// and sessions.
struct ways_changed {};
/// The shard's list of tunnels has changed.
struct ports_changed {};
/// The deleted TUN device was made again: each queue takes its new descriptor.
struct device_renewed {};
/// Close the sessions, then end the shard.
struct stop_shard {};

/// Set firewall rules for these and no others: at a client the remotes of all tunnels (unspecified
/// address: not resolved yet), at a server their TCP ports. Answered by rules_status once the rules
/// have been tried, and again at every change.
struct ensure_rules {
  std::vector<protocol::endpoint> remotes = {};
  std::vector<std::uint16_t> ports = {};
  sys::port_allowance allow = {};
};
/// Asks for the state of the firewall rules. Answered by rules_status.
struct get_rules {};
/// The state of the firewall rules.
/// Shape: backend: "owned", "nft", "iptables" or "bpf", once known; reason: why it is failing
struct rules_status {
  enum class condition : std::uint8_t {
    starting,
    ok,
    failing,
    silent, ///< the system does not answer
  };
  condition is = condition::starting;
  std::string backend;
  std::string reason;
  protocol::time_point since{};         ///< silent: time of the unanswered question
  std::vector<sys::host_way> ways = {}; ///< direct path, client: as last found
};

/// Answer from your loop, by pulse_felt.
struct feel_pulse {
  std::uint64_t round = 0;
};
/// The loop runs messages. loop: its number
struct pulse_felt {
  std::size_t loop = 0;
  std::uint64_t round = 0;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::protocol::packet_too_big)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::protocol::packet_undelivered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::protocol::stream_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::session_closing)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stream_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::adopt_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stream_refused)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::peers_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::child_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::queue_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::listener_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::open_session)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::session_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::streams_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stream_wanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::sink_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::close_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::reset_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::supersede_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::probe_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::close_session)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::displace_session)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::remote_resolved)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::remote_answers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::remote_tried)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::upstream_tried)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::tunnels_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ports_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ways_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::device_renewed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stop_shard)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ensure_rules)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::get_rules)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::rules_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::feel_pulse)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::pulse_felt)
