#pragma once

#include "protocol/address.hpp"
#include "protocol/errc.hpp"
#include "protocol/profile.hpp"
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

/// What a session has one of its streams do: the call of protocol::stream of that name, probe being
/// on_resume().
enum class stream_order : std::uint8_t { close, close_at_exit, reset, supersede, probe };

struct tell_stream {
  stream_number stream = 0;
  stream_order what = stream_order::close;
};
/// The streams that datagrams go to from now on; none: hold them.
struct announce_streams {
  std::vector<stream_number> streams;
  /// Client: more octets of those that were held must not go before this comes again; 0: no bound.
  std::size_t room = 0;
  /// Client: an older dialect, in which a lost SYN costs a second, so that what is held waits longer.
  bool older = false;
};
/// A stream could not be had, or was not taken: to be counted.
struct count_refused {};
/// Streams fail too often by faults of the program: the session is over at once, all its streams too.
struct session_failed {};
/// Nothing is left of the session. Said once.
struct session_finished {};

/// Why there was no stream when one was last tried.
enum class obstacle : std::uint8_t {
  no_answer,
  no_port, ///< client_resources::take_port() gave none
  refused,
  refused_by_native, ///< by a server whose hello was read before
  older_dialect,     ///< it speaks one, which the configuration excludes
  path_ends_tcp,
  stream_failed, ///< a fault of the program
};

/// Something that a user should hear of; said as often as one should hear it.
struct session_remark {
  enum class kind : std::uint8_t {
    too_large,        ///< a datagram did not fit and was dropped: size, limit; once a session
    no_connection,    ///< client: the session ends for `why`, without ever having had a stream
    window_unscaled,  ///< client: the path to the remote takes the window scale away
    older_server,     ///< client: the remote speaks `wire`
    excluded_dialect, ///< client: the same, but the configuration excludes it
    no_groups,        ///< client: the remote knows none: one stream a session, not `size`
    path_ends_tcp,    ///< client: a proxy on the way to the remote carries octets
    refuses_native,   ///< client: the remote has spoken the native dialect and refuses it for long
    moved,            ///< server: the client of `remote` now comes from `now_from`
  };
  kind what = kind::too_large;
  obstacle why = obstacle::no_answer;
  profile wire = profile::native;
  std::uint32_t size = 0;
  std::uint32_t limit = 0;
  endpoint remote;
  ip_address now_from;
};

/// Attempts to open one stream on several ports at once, which share this: the shell sets `winner` where
/// it runs the `opened` of one, and a stream that another has beaten is reset where a segment comes
/// for it, ahead of that: two hellos for one place would have the server end the one that is in use.
struct stream_race {
  stream_number winner = 0;
};

/// A TCP port in use; free again with the last copy.
using port_lease = std::shared_ptr<const std::uint16_t>;

/// Client: connect a stream, and send its SYN.
/// Shape:  of config the session knows the remote, the local port, session, index and count, last_port,
///         first_port, fellows, the dialect, join_token and idle_timeout; the rest is the shell's:
///         local address, iss, ip_id, mtu, seed, keepalive, handshake_packet, challenge_limit
struct open_stream {
  stream_number stream = 0;
  stream_config config;
  port_lease port;                   ///< to be kept until the stream is gone
  std::shared_ptr<stream_race> race; ///< null: it is the only attempt
  std::optional<time_point> ages_at; ///< then a report says so
  std::optional<time_point> ends_at; ///< then it is to be reset, if it still is there
};
/// The session takes nothing new: a datagram of this application, or a stream that would join its group, is
/// for another one. Said once.
struct retire_session {};

using client_effect = std::variant<tell_stream, announce_streams, count_refused, session_failed,
                                   session_finished, session_remark, open_stream, retire_session>;
/// In the order in which they are to be run.
using client_effects = std::vector<client_effect>;

/// Server: make a stream of the segment at hand, and give it that.
/// Shape:  of config the session knows tuple, iss, the session's secret, fellows, the dialect, answers and
///         idle_timeout; the rest is the shell's: ip_id, mtu, seed, handshake_packet, cookie,
///         challenge_limit
struct admit_stream {
  stream_number stream = 0;
  stream_config config;
  std::optional<time_point> ends_at; ///< then it is to be reset, if it still is there
};
/// Server: the segment at hand is for this stream, which exists.
struct give_stream {
  stream_number stream = 0;
};
/// Server: the segment at hand opens nothing: RST.
struct refuse_stream {};
/// Server: see that a socket to the upstream is there and served; its streams deliver to that. Where none
/// can be had, the session is over at once, as by session_failed.
struct open_upstream {};
/// Server: no datagram passes any more: the socket is to be closed, and what the session takes up
/// of what is limited is free. Said once.
struct release_upstream {};

using server_effect =
    std::variant<tell_stream, announce_streams, count_refused, count_drop, session_failed,
                 session_finished, session_remark, admit_stream, give_stream, refuse_stream,
                 open_upstream, release_upstream, retire_session>;
using server_effects = std::vector<server_effect>;

/// How a session, or one of its streams, is.
/// Shape:  session: opening (without a stream so far), open, waiting (without one now), closing; stream:
///         opening, open, silent, idle, closing
enum class standing : std::uint8_t { opening, open, silent, idle, waiting, closing };
/// The enumerator's name: "opening".
const char* to_string(standing s) noexcept;

/// One stream of a session that is no longer or not yet to be forgotten.
struct stream_standing {
  stream_number stream = 0;
  standing is = standing::open;
  profile wire = profile::native;
  time_point since{};
};

} // namespace tonel::protocol
