#pragma once

#include "protocol/bytes.hpp"
#include "protocol/run.hpp"
#include "protocol/sealed/crypto.hpp"
#include "protocol/sealed/key_schedule.hpp"
#include "protocol/sealed/replay_window.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace tonel::protocol::sealed {

// A record: `17 03 03 length(2) | AEAD(content || inner type) | tag(16)`, the header being the
// associated data (RFC 8446 §5.2). One record a segment.
//
// Its nonce is the IV, combined by exclusive or with the 64-bit position of its first octet; its key
// is that of the epoch, the upper 32 bits of that position. A stream's positions never go back, so no
// nonce comes twice, and an epoch's 4 GiB are fewer than 2^28 records of any size (RFC 9001 §6.6).

inline constexpr std::size_t record_header_size = 5;
/// What a record has besides its content.
inline constexpr std::size_t record_overhead = record_header_size + 1 + tag_size;
/// The longest content of a record (RFC 8446 §5.1).
inline constexpr std::size_t max_record_content = 16'384;

/// What a record has in it.
enum class inner_type : std::uint8_t { control = 0x16, datagram = 0x17 };

/// The octets of the records of a run of datagrams.
constexpr std::size_t sealed_size(std::uint32_t length, std::uint32_t datagram_size) noexcept {
  return length + record_overhead * datagrams_in(length, datagram_size);
}

/// Seals what one end sends.
/// Owns:   a cipher of the present epoch; refers to the crypto it was made with, which outlives it.
///         It can't be copied: two of them would use a nonce twice
class sealer {
public:
  /// exported: the secret of this direction
  sealer(crypto& c, const secret& exported, suite s);

  /// Seals each datagram of a run into a record of its own, so that equal ones stay equal. False:
  /// nothing may be sent; positions went back, or the library failed.
  /// position: of the first record; out: sealed_size() octets, apart from the datagrams
  [[nodiscard]] bool seal_run(std::uint64_t position, byte_view datagrams,
                              std::uint32_t datagram_size, byte_span out) noexcept;
  /// Seals one record. out: content.size() + record_overhead octets
  [[nodiscard]] bool seal(std::uint64_t position, inner_type type, byte_view content,
                          byte_span out) noexcept;

private:
  crypto* crypto_;
  secret exported_;
  suite suite_;
  std::uint32_t epoch_ = 0;
  aead_nonce iv_{};
  std::unique_ptr<aead> cipher_;
  std::uint64_t next_ = 0; ///< the end of what was sealed

  void enter(std::uint32_t epoch);
};

/// What segments were found to be.
enum class found_as : std::uint8_t {
  datagrams,
  control,  ///< one control record
  unknown,  ///< one record of a type that later versions have: count it as received, and pass on
  repeated, ///< it has come before
  old,      ///< too late to know whether it has come before
  forged,   ///< no record of the peer's, or not at this position
};

/// Segments, one after the other, that were found to be the same.
struct found {
  found_as what = found_as::forged;
  std::uint32_t from = 0;          ///< where they begin in the payload
  std::uint32_t size = 0;          ///< octets of the segments
  std::uint32_t out = 0;           ///< where their content begins in the output
  std::uint32_t length = 0;        ///< octets of content
  std::uint32_t datagram_size = 0; ///< datagrams: the last one may be shorter
};

/// Opens what the other end has sealed.
/// Owns: ciphers of the previous, the present and the next epoch, as far as records came in them;
///       refers to the crypto it was made with, which outlives it
class opener {
public:
  /// exported: the secret of the peer's direction
  opener(crypto& c, const secret& exported, suite s);

  /// Opens the segments of a (super-)segment's payload, each of which is one record or forged, and
  /// writes what is in them without gaps. Tells `sink` of each stretch of segments that were found to
  /// be the same, as a `found`, in order. Only what has verified may count for anything.
  /// position: of the first octet; out: as many octets as `segments`, apart from them
  template <class Sink>
  void open_run(std::uint64_t position, byte_view segments, std::uint32_t segment_size,
                byte_span out, Sink&& sink) {
    found all;
    const std::size_t step = segment_size == 0 ? segments.size() : segment_size;
    for (std::size_t at = 0; at < segments.size(); at += step) {
      const auto segment = segments.subview(at, std::min(step, segments.size() - at));
      const auto end = all.out + all.length;
      const auto one = open(position + at, segment, out.subview(end));
      if (all.size != 0 && !goes_on(all, one)) {
        sink(std::as_const(all));
        all = {one.what, static_cast<std::uint32_t>(at), 0, end, 0, 0};
      }
      if (all.size == 0) {
        all.what = one.what;
        all.datagram_size = one.length;
      }
      all.size += static_cast<std::uint32_t>(segment.size());
      all.length += one.length;
    }
    if (all.size != 0) sink(std::as_const(all));
  }

  /// What one segment was found to be, and the octets written to `out`.
  struct content {
    found_as what = found_as::forged;
    std::uint32_t length = 0;
  };
  /// Opens one segment. out: as many octets as `record`, apart from it
  [[nodiscard]] content open(std::uint64_t position, byte_view record, byte_span out) noexcept;
  const replay_window& window() const noexcept { return window_; }

private:
  struct epoch_cipher {
    std::uint32_t epoch = 0;
    aead_nonce iv{};
    std::unique_ptr<aead> cipher;
  };

  /// A segment belongs to the stretch before it: datagrams of equal size, the last one perhaps
  /// shorter; or the same, and nothing of it is written.
  static bool goes_on(const found& all, const content& one) noexcept {
    if (one.what != all.what || one.what == found_as::control) return false;
    if (one.what != found_as::datagrams) return true;
    const bool closed = all.datagram_size == 0 || all.length % all.datagram_size != 0;
    return !closed && one.length != 0 && one.length <= all.datagram_size;
  }
  epoch_cipher* cipher_of(std::uint64_t position) noexcept;

  crypto* crypto_;
  secret exported_;
  suite suite_;
  std::array<epoch_cipher, 3> ciphers_; ///< by epoch modulo 3
  std::uint32_t highest_epoch_ = 0;     ///< of a record that has verified
  replay_window window_;
};

} // namespace tonel::protocol::sealed
