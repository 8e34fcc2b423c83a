#pragma once

#include "protocol/address.hpp"
#include "protocol/answer_limit.hpp"
#include "protocol/guess_limit.hpp"
#include "protocol/time.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace tonel::protocol {

/// A group of tonel connections: those of one client that share its upstream socket.
struct legacy_group {
  std::uint16_t token = 0;      ///< the sequence number of the SYN-ACK of its first connection
  std::uint16_t first_port = 0; ///< of that connection, at the client's end
  std::uint64_t owner = 0;      ///< whatever the shell knows its session by
  std::shared_ptr<const answer_limit> answers = nullptr; ///< its session's
};

/// Where a connection of an older client belongs.
struct group_place {
  /// What ends with its last copy.
  using lease = std::shared_ptr<const std::uint64_t>;

  std::uint64_t owner = 0; ///< whatever the shell knows the session by; 0: it finds that out itself
  lease group; ///< until the session's end others may join; none if it has been made before
  lease first; ///< until the stream's end its tuple opens no other group; likewise
  std::shared_ptr<answer_limit> answers; ///< the session's, if it is to be made
};

/// What the acceptor asks about the live groups of the process.
class group_lookup {
public:
  virtual ~group_lookup() = default;
  /// The group that a proven connection opens, with this token, or that it joins (0: none), from the
  /// queue with this number. Nothing: it is gone, there are too many, or another client behind the
  /// address has the token.
  virtual std::optional<group_place> place(const four_tuple&, std::uint16_t token,
                                           std::uint16_t join, std::size_t queue, time_point now) {
    (void)token, (void)join, (void)queue, (void)now;
    return group_place{};
  }
  /// Those of one source address, at most legacy_groups::most_per_address.
  virtual std::vector<legacy_group> groups_of(const ip_address& source) const = 0;
  /// Too many tokens were guessed wrong by this source, or by all and it has no group.
  virtual bool rests(const ip_address& source, guess_kind kind, time_point now) const = 0;
  /// A third segment or a join gave a token that is none; see guess_limit.
  virtual void wrong_guess(const ip_address& source, guess_kind kind, std::uint32_t guess,
                           time_point now) = 0;

protected:
  group_lookup() = default;
  group_lookup(const group_lookup&) = default;
  group_lookup& operator=(const group_lookup&) = default;
};

/// The live groups by source address, as a join names them. One per process; a SYN, a third segment
/// and the end of a group touch it, no datagram does.
/// Shape:  at most most_per_address groups an address and `most` in all
/// Thread: none of its own; the shell guards it where several shards share it
class legacy_groups final : public group_lookup {
public:
  static constexpr std::size_t most_per_address = 64;

  legacy_groups(address_hash hash, std::size_t most)
      : most_(most), by_address_(0, hash), guesses_(hash) {}

  /// False: full, or another client behind the address has this token; the stream is to be refused
  /// with a RST, and its client comes back from another port. A group of the same token and port is
  /// replaced, since its client started anew.
  [[nodiscard]] bool add(const ip_address& source, const legacy_group& group);
  /// At the end of the group's session; an entry of another owner stays.
  void remove(const ip_address& source, std::uint16_t token, std::uint64_t owner);
  std::optional<legacy_group> find(const ip_address& source, std::uint16_t token) const;
  std::vector<legacy_group> groups_of(const ip_address& source) const override;
  bool rests(const ip_address& source, guess_kind kind, time_point now) const override;
  void wrong_guess(const ip_address& source, guess_kind kind, std::uint32_t guess,
                   time_point now) override {
    (void)guessed_wrong(source, kind, guess, now);
  }
  /// As guess_limit::wrong.
  std::uint32_t guessed_wrong(const ip_address& source, guess_kind kind, std::uint32_t guess,
                              time_point now) {
    return guesses_.wrong(source, standing_of(source), kind, guess, now);
  }
  /// It has as many as an address may have.
  bool has_most(const ip_address& source) const;
  std::size_t size() const noexcept { return size_; }

private:
  guess_limit::standing standing_of(const ip_address& source) const;

  std::size_t most_;
  std::size_t size_ = 0;
  std::unordered_map<ip_address, std::vector<legacy_group>, address_hash> by_address_;
  guess_limit guesses_;
};

} // namespace tonel::protocol
