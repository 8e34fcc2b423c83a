#pragma once

#include "protocol/expected.hpp"
#include "protocol/sealed/client_hello.hpp"
#include "protocol/sealed/identity.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace tonel::protocol::sealed {

/// Why the first octets of a connection are not those of a client with a key.
enum class stranger : std::uint8_t {
  incomplete,  ///< so far they may be: keep them and await more
  not_tls,     ///< none of TLS
  no_identity, ///< anybody's ClientHello
  unknown_key, ///< of another key, or a resumption of somebody else's TLS session
  stale,       ///< said too long ago by the client's clock: a copy, or a clock is wrong
};
/// The enumerator's name.
const char* to_string(stranger s) noexcept;

/// A client's first flight, before anything was spent on it.
/// Owns: nothing of the octets
struct newcomer {
  known_identity who;
  client_hello_view flight;
};

/// Looks at the first octets of a connection. Makes no state, whoever has sent them.
/// now: minutes since 1970; most_age: minutes that the clocks may differ; 0: any
/// Errors: what the stranger gets is the shell's to decide
[[nodiscard]] expected<newcomer, stranger> look_at(crypto& c, const std::vector<named_key>& keys,
                                                   byte_view octets, coarse_time now,
                                                   coarse_time most_age);

/// Bounds what half-open handshakes hold; the newest is refused.
/// Thread: one at a time
class half_open_limit {
public:
  half_open_limit(std::size_t most, std::size_t most_octets) noexcept
      : most_(most), most_octets_(most_octets) {}
  half_open_limit(const half_open_limit&) = delete;
  half_open_limit& operator=(const half_open_limit&) = delete;

  /// The permission for one handshake and what it holds; given back at its end.
  /// Owns: refers to the limit, which outlives it
  class place {
  public:
    place() noexcept = default;
    place(place&& other) noexcept
        : limit_(std::exchange(other.limit_, nullptr)), octets_(other.octets_) {}
    place& operator=(place&& other) noexcept {
      std::swap(limit_, other.limit_);
      std::swap(octets_, other.octets_);
      return *this;
    }
    ~place() {
      if (limit_ == nullptr) return;
      --limit_->count_;
      limit_->octets_ -= octets_;
    }
    explicit operator bool() const noexcept { return limit_ != nullptr; }

  private:
    friend class half_open_limit;
    place(half_open_limit& limit, std::size_t octets) noexcept : limit_(&limit), octets_(octets) {}
    half_open_limit* limit_ = nullptr;
    std::size_t octets_ = 0;
  };

  /// None: there is no room, and one more was refused.
  [[nodiscard]] place take(std::size_t octets) noexcept {
    if (count_ >= most_ || octets > most_octets_ - octets_) {
      ++refused_;
      return {};
    }
    ++count_;
    octets_ += octets;
    return {*this, octets};
  }
  std::size_t count() const noexcept { return count_; }
  std::size_t octets() const noexcept { return octets_; }
  std::uint64_t refused() const noexcept { return refused_; }

private:
  std::size_t most_;
  std::size_t most_octets_;
  std::size_t count_ = 0;
  std::size_t octets_ = 0;
  std::uint64_t refused_ = 0;
};

} // namespace tonel::protocol::sealed
