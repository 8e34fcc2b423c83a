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
#include "system/packet_device.hpp"
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

/// A stream exists from now on, and its actor takes what arrives for the tuple.
struct stream_up {
  protocol::four_tuple tuple;
  caf::actor stream;
  bool local = true; ///< the stream lives on the receiver's shard
};
/// What the acceptor makes of a segment that opens a stream.
using acceptance = std::variant<protocol::accept_stream, protocol::accept_legacy>;
/// A hello, or a handshake of an older dialect, was proven: make a stream of it, on the shard of its
/// session.
struct adopt_stream {
  tunnel_ptr tunnel; ///< that of the port
  protocol::four_tuple tuple;
  acceptance accepted;
  inbound_segment proof; ///< the segment that did it
  caf::actor queue;      ///< the tun_queue that waits for stream_up or stream_refused
  /// Where the shard has one left; a stream that exists needs none.
  stream_limits::lease place = nullptr;
  std::uint64_t owner = 0; ///< of an older dialect: the session, by group_registry's key
  group_registry::lease group = nullptr; ///< that session is to be made, and has this
  group_registry::lease first = nullptr; ///< the stream is the first of that session, and has this
  std::shared_ptr<protocol::answer_limit> answers = nullptr; ///< that session's
};
struct stream_refused {
  protocol::four_tuple tuple;
};
/// The tun_queues and shard supervisors of all shards, by index.
struct peers_changed {
  std::vector<caf::actor> queues;
  std::vector<caf::actor> supervisors;
};

/// A child that others need has been started (again).
struct child_up {
  std::size_t shard = 0;
  caf::actor queue;
};

/// An application has sent a first datagram: make a session for it.
struct open_session {
  tunnel_ptr tunnel;
  sys::datagram_path path;
};
/// The session of this path exists, or (null) the one named by `ended` does no more.
struct session_changed {
  sys::datagram_path path;
  caf::actor session;
  caf::actor_id ended = 0;
};
/// The streams that datagrams of this path and session go to from now on; none: hold them.
struct streams_changed {
  sys::datagram_path path;
  caf::actor_id session = 0;
  std::vector<caf::actor> streams;
  /// Client: more octets of those that were held must not go before this comes again; 0: no bound.
  std::size_t room = 0;
  /// Client: an older dialect, in which a lost SYN costs a second, so that what is held waits longer.
  bool older = false;
};
/// Datagrams wait and the session has no stream.
struct stream_wanted {};
/// The actor that a stream's datagrams go to has been started again.
struct sink_changed {
  caf::actor sink;
};
/// Close by FIN.
struct close_stream {
  bool at_exit = false;
};
/// RST at once.
struct reset_stream {};
/// Another stream takes this one's place.
struct supersede_stream {};
/// Suspended and resumed: is the peer still there?
struct probe_stream {};
/// Close all streams by FIN and end.
struct close_session {
  bool at_exit = false;
  bool displaced = false; ///< another has its place: what it holds is needed now
};
/// Client, to the shard: this session's place is needed.
struct displace_session {
  std::uint64_t session = 0; ///< caf::actor_id
};
/// Server, to the shard: this session carries no datagrams any more and has no socket; its streams only
/// answer late segments.
struct session_closing {
  std::uint64_t session = 0; ///< caf::actor_id
};
/// The address of a tunnel's remote, now or anew.
struct remote_resolved {
  tunnel_ptr tunnel;
  protocol::endpoint address;
};
/// The tunnels of a shard from now on, each with what it needs there. Those that are not listed any
/// more are closed, those that were stay as they are.
struct tunnels_changed {
  std::vector<shard_tunnel> tunnels;
};
/// The shard's list of tunnels is another one.
struct ports_changed {};
/// Wind down: close sessions, then end.
struct stop_shard {};

/// The rules are to let these through, and no others: at the client the remotes of all tunnels (without
/// an address: not resolved yet), at the server their TCP ports. Answered by rules_status when that has
/// been tried, and told so at every change from then on.
struct ensure_rules {
  std::vector<protocol::endpoint> remotes = {};
  std::vector<std::uint16_t> ports = {};
};
/// How are the firewall rules? Answered by rules_status.
struct get_rules {};
/// Shape: backend: "owned", "nft" or "iptables", once known; reason: why it is failing
struct rules_status {
  enum class condition : std::uint8_t {
    starting,
    ok,
    failing,
    silent, ///< the system has been asked and does not answer
  };
  condition is = condition::starting;
  std::string backend;
  std::string reason;
  protocol::time_point since{}; ///< of the question that is not answered
};

/// Answer, from the loop you are on.
struct feel_pulse {
  std::uint64_t round = 0;
};
/// The loop runs messages.
struct pulse_felt {
  std::size_t loop = 0;
  std::uint64_t round = 0;
};

} // namespace tonel::actors

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::protocol::packet_too_big)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::protocol::stream_report)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::session_closing)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stream_up)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::adopt_stream)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stream_refused)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::peers_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::child_up)
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
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::tunnels_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ports_changed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::stop_shard)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::ensure_rules)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::get_rules)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::rules_status)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::feel_pulse)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(tonel::actors::pulse_felt)
