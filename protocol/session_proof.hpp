#pragma once

#include "protocol/errc.hpp"
#include "protocol/expected.hpp"
#include "protocol/hello.hpp"

#include <cstdint>
#include <vector>

namespace tonel::protocol {

/// What the hello of one stream says of its session.
struct session_claim {
  session_id id{};
  session_secret secret{};
  std::uint64_t counter = 0;
  bool introduces = true; ///< the secret is carried in it
};

/// What a client's session gives to its streams' hellos: each gets a counter of its own, and the
/// secret is carried only while the server may not know the session.
/// Source: docs/wire.md, "Hello"
class session_claims {
public:
  session_claims(const session_id& id, const session_secret& secret) noexcept {
    next_.id = id;
    next_.secret = secret;
  }
  /// For one stream more.
  session_claim next() noexcept {
    ++next_.counter;
    return next_;
  }
  /// The server has answered the hello of this counter: it knows the session.
  void greeted(std::uint64_t counter) noexcept;
  /// A stream ended by RST: the server has lost the session, or is another one. open: its hello had
  /// been answered
  void was_reset(std::uint64_t counter, bool open) noexcept;
  bool introduces() const noexcept { return next_.introduces; }

private:
  session_claim next_;
  std::uint64_t latest_greeted_ = 0;
};

/// What a server keeps of a session to tell its client's hellos from copies of them.
/// Shape:  eight octets for each index up to the highest that came
/// Source: docs/wire.md, "Hello"
class session_proof {
public:
  /// From the hello that introduced the session.
  explicit session_proof(const hello_repr& introduction) noexcept
      : secret_(introduction.secret), stream_count_(introduction.stream_count) {}
  /// Takes the hello of a stream that is to be made, once. A repeat of a stream's own hello is its
  /// stream's, and not asked about here.
  /// Errors: bad_hello (tag, or a count that is not the session's), replayed_hello (its counter, or a
  ///         later one, has opened a stream of that index); refuse by RST and count
  [[nodiscard]] expected<void, errc> admit(const hello_repr& hello);
  /// What the server's hellos are tagged with.
  const session_secret& secret() const noexcept { return secret_; }

private:
  session_secret secret_;
  std::uint8_t stream_count_;
  std::vector<std::uint64_t> used_; ///< the highest counter + 1, by index; 0: none
};

} // namespace tonel::protocol
