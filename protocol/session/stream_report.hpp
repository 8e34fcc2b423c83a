#pragma once

#include "protocol/effects.hpp"
#include "protocol/profile.hpp"
#include "protocol/session/opening_failure.hpp"
#include "protocol/stream.hpp"
#include "protocol/time.hpp"

#include <cstdint>
#include <optional>

namespace tonel::protocol {

/// The number of a stream within its session, never used twice; 0: none.
using stream_number = std::uint32_t;

/// What a stream reports to its session.
struct stream_report {
  enum class kind : std::uint8_t {
    opened,       ///< datagrams may be sent
    greeted,      ///< the peer's hello arrived
    silent,       ///< the first probe went unanswered
    worn,         ///< client: nothing acknowledges what it receives, so trackers will drop it
    recovered,    ///< it was answered after all
    idle,         ///< no datagram for idle_timeout
    active,       ///< a datagram after idle
    try_new_port, ///< no answer to SYN or hello: another port may help
    ended,        ///< see why
    aging,        ///< client: its deadline is near (made by the shell, at open_stream::ages_at)
    too_large,    ///< a datagram did not fit: size, limit (made by the shell)
    legacy,       ///< client, in place of `ended`: the server speaks a legacy dialect, `wire`
    unscaled,     ///< client: the path took the window scale away
    strange,      ///< client: what came first is no hello: shows.said
    undelivered,  ///< client: ICMP says that a segment did not arrive: shows.icmp
    sink_wanted,  ///< server: datagrams came, but no socket is open (made by the shell)
  };
  kind what = kind::opened;
  end_reason why = end_reason::reset;
  profile wire = profile::native; ///< dialect of the stream
  bool recent = false;            ///< ended: a datagram passed in the last 30 s
  stream_number stream = 0;
  std::uint16_t token = 0; ///< client: with which further streams join a tonel server's group
  std::uint32_t size = 0;  ///< octets
  std::uint32_t limit = 0; ///< octets
  std::uint32_t capabilities = 0; ///< greeted: of the peer's hello
  opening_failure shows;          ///< strange, undelivered: what helps to tell why nothing opens
};

/// The enumerator's name: "opened".
const char* to_string(stream_report::kind what) noexcept;

/// A report of this kind, with the stream's number, dialect and use filled in.
[[nodiscard]] stream_report make_report(stream_report::kind what, stream_number number,
                                        const stream& of, time_point now) noexcept;

/// The report that an effect of a stream makes; none: the effect only concerns the shell.
[[nodiscard]] std::optional<stream_report> report_of(const effect& e, stream_number number,
                                                     const stream& of, time_point now) noexcept;

} // namespace tonel::protocol
