#pragma once

#include "protocol/address.hpp"
#include "protocol/errc.hpp"
#include "protocol/profile.hpp"
#include "protocol/session/opening_failure.hpp"
#include "protocol/session/stream_report.hpp"
#include "protocol/stream.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

namespace tonel::protocol {

/// What a session orders one of its streams to do: the call of protocol::stream of the same name;
/// probe: on_resume().
enum class stream_order : std::uint8_t { close, close_at_exit, reset, supersede, probe };

/// Give this order to the stream, if it still exists.
struct tell_stream {
  stream_number stream = 0;
  stream_order what = stream_order::close;
};
/// Send datagrams to these streams from now on; none: hold datagrams.
struct announce_streams {
  std::vector<stream_number> streams;
  /// Client: the most octets of held datagrams that may be sent before the next announcement; 0: no
  /// limit.
  std::size_t room = 0;
  /// Client: the dialect is legacy; there a lost SYN costs a second, so datagrams are held longer.
  bool older = false;
};
/// Count a stream that could not be opened or was not accepted.
struct count_refused {};
/// Streams failed too often by faults of the program: end the session and its streams at once.
struct session_failed {};
/// Nothing is left of the session: end it. Given once.
struct session_finished {};

/// Client: nothing has got through for some seconds, or an attempt since then has failed, too; at once where
/// more time would tell no more. To be gathered by a tunnel_record. Server: the client has another key.
struct opening_failed {
  opening_failure what;
};
/// Client: streams carry datagrams again, or for the first time. To be gathered likewise, and where that
/// ends a trouble, other sessions that wait are to be told by remote_answers().
struct opening_worked {};
/// Client: datagrams come back through the tunnel.
struct reply_came {};

/// A remark for the user, given as often as the user should hear it.
struct session_remark {
  enum class kind : std::uint8_t {
    too_large, ///< a datagram did not fit and was dropped: size, limit; again with a lower limit
    window_unscaled, ///< client: the path to the remote takes the window scale away
    older_server,    ///< client: the remote speaks `wire`
    no_groups,       ///< client: the remote knows none: one stream a session, not `size`
    moved,           ///< server: the client of `remote` now comes from `now_from`
  };
  kind what = kind::too_large;
  profile wire = profile::native;
  std::uint32_t size = 0;
  std::uint32_t limit = 0;
  endpoint remote;
  ip_address now_from;
};

/// Shared by the attempts to open one stream on several ports at once. The shell sets `winner` when
/// it runs the `opened` effect of an attempt. When a segment comes for another attempt after that,
/// the shell resets that attempt first: at a second hello for one place the server would end the
/// first stream.
struct stream_race {
  stream_number winner = 0;
};

/// A TCP port in use; free again once the last copy is destroyed.
using port_lease = std::shared_ptr<const std::uint16_t>;

/// Where a client's stream begins.
struct local_end {
  port_lease port;                            ///< null: there is none
  ip_address address;                         ///< none: the shell's, the same for all
  opening_cause why = opening_cause::no_port; ///< there is none
};

/// Client: connect a stream, and send its SYN.
/// Shape:  the session sets these members of config: remote, local port (and address, if it was given
///         one), session, stream_index, stream_count, last_port, first_port, fellows, wire, detect_legacy, join_token,
///         idle_timeout. The shell sets the others: local address else, iss, ip_id, mtu, seed,
///         keepalive, handshake_packet, challenge_limit
struct open_stream {
  stream_number stream = 0;
  stream_config config;
  port_lease port;                   ///< keep it until the stream is gone
  std::shared_ptr<stream_race> race; ///< null: the only attempt
  std::optional<time_point> ages_at; ///< when to report `aging`
};
/// Client: the remote has answered at this address, or has not. For the remote_addresses of the tunnel.
struct address_tried {
  endpoint at;
  bool answered = false;
};
/// Why a session takes nothing new.
enum class session_end : std::uint8_t {
  idle,           ///< no datagram for idle_timeout
  asked,          ///< by close() or displace()
  closed_by_peer, ///< the last stream was, by FIN
  streamless,     ///< no stream could be had, or came, for as long
  path_ends_tcp,  ///< no datagram can pass
};
/// For people: "without a connection for too long".
const char* to_string(session_end why) noexcept;
/// The session takes nothing new: a further datagram of this application, or a stream that would
/// join its group, belongs to another session. Given once.
struct retire_session {
  session_end why = session_end::asked;
};

using client_effect = std::variant<tell_stream, announce_streams, count_refused, session_failed,
                                   session_finished, session_remark, open_stream, address_tried,
                                   retire_session, opening_failed, opening_worked, reply_came>;
/// Effects in the order to run them.
using client_effects = std::vector<client_effect>;

/// Server: make a stream, and give it the present segment.
/// Shape:  the session sets these members of config: tuple, iss, session.secret, fellows, wire,
///         answers, idle_timeout. The shell sets the others: ip_id, mtu, seed, handshake_packet,
///         cookie, challenge_limit
struct admit_stream {
  stream_number stream = 0;
  stream_config config;
  std::optional<time_point> ends_at; ///< then it is to be reset, if it still is there
};
/// Server: give the present segment to this stream, which exists.
struct give_stream {
  stream_number stream = 0;
};
/// Server: answer the present segment by a RST.
struct refuse_stream {};
/// Server: open the sockets to the upstream, if need be, and have the streams deliver to them. If
/// none can be opened, end the session at once, as for session_failed.
struct open_upstream {};
/// Server: no datagram passes any more: close the sockets, and give up the session's place among
/// the limited number of sessions. Given once.
struct release_upstream {};

using server_effect =
    std::variant<tell_stream, announce_streams, count_refused, count_drop, session_failed,
                 session_finished, session_remark, admit_stream, give_stream, refuse_stream,
                 open_upstream, release_upstream, retire_session, opening_failed>;
using server_effects = std::vector<server_effect>;

/// The state of a session, or of one of its streams, for status.
/// Shape:  session: opening (no stream so far), open, waiting (no stream now), closing; stream:
///         opening, open, silent, idle, closing
enum class standing : std::uint8_t { opening, open, silent, idle, waiting, closing };
/// The enumerator's name: "opening".
const char* to_string(standing s) noexcept;

/// The state of one stream of a session, for status.
struct stream_standing {
  stream_number stream = 0;
  standing is = standing::open;
  profile wire = profile::native;
  time_point since{}; ///< when it was opened
};

} // namespace tonel::protocol
