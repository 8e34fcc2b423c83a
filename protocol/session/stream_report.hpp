#pragma once

#include "protocol/effects.hpp"
#include "protocol/profile.hpp"
#include "protocol/stream.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <optional>

namespace tonel::protocol {

/// Names a stream within its session, which never gives a number twice; 0: none.
using stream_number = std::uint32_t;

/// What a stream has to tell its session.
struct stream_report {
  enum class kind : std::uint8_t {
    opened,       ///< datagrams may be sent
    greeted,      ///< the peer's hello arrived
    silent,       ///< the first probe went unanswered
    worn,         ///< client: trackers will close it, as nothing acknowledges what it gets
    recovered,    ///< it was answered after all
    idle,         ///< no datagram for idle_timeout
    active,       ///< a datagram after idle
    try_new_port, ///< no answer to SYN or hello: another port may help
    ended,        ///< see why
    aging,        ///< client: its deadline is near (the shell's to say, by open_stream::ages_at)
    too_large,    ///< a datagram did not fit: size, limit (the shell's to say)
    legacy,       ///< client: in place of ended; the server speaks an older dialect, `wire`
    unscaled,     ///< client: the path took the window scale away
    sink_wanted,  ///< server: datagrams came, and there is no socket yet (the shell's to say)
  };
  kind what = kind::opened;
  end_reason why = end_reason::reset;
  profile wire = profile::native; ///< that of the stream
  bool recent = false;            ///< ended: a datagram passed in the last 30 s
  stream_number stream = 0;
  std::uint16_t token = 0; ///< client: what further streams join a tonel server's group with
  std::uint32_t size = 0;
  std::uint32_t limit = 0;
};

/// A report of this kind, with what a session asks about any stream.
[[nodiscard]] stream_report make_report(stream_report::kind what, stream_number number,
                                        const stream& of, time_point now) noexcept;

/// What a session is told of this effect of its stream; nothing: it is the shell's alone.
[[nodiscard]] std::optional<stream_report> report_of(const effect& e, stream_number number,
                                                     const stream& of, time_point now) noexcept;

} // namespace tonel::protocol
