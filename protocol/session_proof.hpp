#pragma once

#include "protocol/boxed.hpp"
#include "protocol/errc.hpp"
#include "protocol/expected.hpp"
#include "protocol/hello.hpp"

#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// The session as one stream's hello states it.
struct session_claim {
  session_id id{};
  session_secret secret{};
  std::uint64_t counter = 0;
  bool introduces = true; ///< the hello carries the secret
};

/// Makes the claims for the hellos of a client's session: each gets a counter of its own, and
/// carries the secret only as long as the server may not know the session.
/// Source: docs/wire.md, "Hello"
class session_claims {
public:
  session_claims(const session_id& id, const session_secret& secret) noexcept {
    next_.id = id;
    next_.secret = secret;
  }
  /// Goes on with those of an earlier program or session, which the server knows.
  /// last: above all of its counters
  explicit session_claims(const session_claim& last) noexcept : next_(last) {}
  /// The claim for another stream.
  session_claim next() noexcept {
    ++next_.counter;
    return next_;
  }
  /// The server has answered the hello with this counter, so it knows the session.
  void greeted(std::uint64_t counter) noexcept;
  /// A stream ended by RST: the server has lost the session, or is another one. open: the stream's
  /// hello was answered before
  void was_reset(std::uint64_t counter, bool open) noexcept;
  bool introduces() const noexcept { return next_.introduces; }
  const session_id& id() const noexcept { return next_.id; }
  const session_secret& secret() const noexcept { return next_.secret; }
  /// The latest one.
  const session_claim& last() const noexcept { return next_; }

private:
  session_claim next_;
  std::uint64_t latest_greeted_ = 0;
};

/// Tells the hellos of a session's client from copies; kept by the server.
/// Shape:  eight octets for each stream, once there is a second one
/// Source: docs/wire.md, "Hello"
class session_proof {
public:
  /// From the hello that introduced the session.
  explicit session_proof(const hello_repr& introduction) noexcept
      : secret_(introduction.secret), stream_count_(introduction.stream_count) {}
  /// Checks the hello of a stream before it is made, and uses up its counter. Repeats of a hello go
  /// to their stream instead.
  /// Errors: bad_hello (the tag, or another count than the session's), replayed_hello (this counter
  ///         or a later one has opened a stream of the index); refuse by RST and count
  [[nodiscard]] expected<void, errc> admit(const hello_repr& hello);
  /// The secret for the tags of the server's hellos.
  const session_secret& secret() const noexcept { return secret_; }

private:
  session_secret secret_;
  std::uint8_t stream_count_;
  // The highest counter + 1 of each stream index; 0: none. Most sessions have one stream.
  std::uint64_t used_by_first_ = 0;
  boxed<std::vector<std::uint64_t>> used_by_others_; ///< from index 1 on
};

} // namespace tonel::protocol
