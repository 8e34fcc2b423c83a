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

/// A group of connections of one tonel 0.6.1 client, which share a socket to the upstream.
struct legacy_group {
  std::uint16_t token = 0;      ///< the sequence number of the SYN-ACK of its first connection
  std::uint16_t first_port = 0; ///< the client's port of that connection
  std::uint64_t owner = 0;      ///< the shell's key for its session
  std::shared_ptr<const answer_limit> answers = nullptr; ///< of its session
};

/// The group, and so the session, that a legacy connection belongs to.
struct group_place {
  /// An entry that ends with the last copy.
  using lease = std::shared_ptr<const std::uint64_t>;

  std::uint64_t owner = 0; ///< the shell's key for the session; 0: it finds the session itself
  lease group; ///< the session holds it: others can join meanwhile; null for an existing session
  lease first; ///< the stream holds it: its tuple opens no other group; likewise
  std::shared_ptr<answer_limit> answers; ///< for a new session
};

/// What the acceptor asks about the live groups of a process.
class group_lookup {
public:
  virtual ~group_lookup() = default;
  /// The group that a proven connection opens, with this token, or joins (join: its token; 0:
  /// opens).
  /// queue: number of the queue that read the segment. None: the group is gone, there are too many,
  ///        or another client behind the address has the token.
  virtual std::optional<group_place> place(const four_tuple&, std::uint16_t token,
                                           std::uint16_t join, std::size_t queue, time_point now) {
    (void)token, (void)join, (void)queue, (void)now;
    return group_place{};
  }
  /// The groups of one source address, at most legacy_groups::most_per_address.
  virtual std::vector<legacy_group> groups_of(const ip_address& source) const = 0;
  /// Whether this source is refused for too many wrong guesses, of its own or in all (guess_limit).
  virtual bool rests(const ip_address& source, guess_kind kind, time_point now) const = 0;
  /// Counts a third segment or a join with a wrong token (guess_limit).
  virtual void wrong_guess(const ip_address& source, guess_kind kind, std::uint32_t guess,
                           time_point now) = 0;

protected:
  group_lookup() = default;
  group_lookup(const group_lookup&) = default;
  group_lookup& operator=(const group_lookup&) = default;
};

/// The live groups of a port, by source address and token. Used for a SYN, a third segment and the
/// end of a group, never for a datagram.
/// Shape:  at most most_per_address groups for each address, and `most` in all
/// Thread: one at a time; a shell with several shards adds a lock
class legacy_groups final : public group_lookup {
public:
  static constexpr std::size_t most_per_address = 64;

  /// most: groups in all
  legacy_groups(address_hash hash, std::size_t most)
      : most_(most), by_address_(0, hash), guesses_(hash) {}

  /// Adds a group. A group with the same token and port is replaced, since its client started anew.
  /// False: full, or another client behind the address has this token. Refuse the stream with a
  /// RST; its client comes back from another port.
  [[nodiscard]] bool add(const ip_address& source, const legacy_group& group);
  /// Removes a group at the end of its session, unless the entry has another owner.
  void remove(const ip_address& source, std::uint16_t token, std::uint64_t owner);
  /// The group with this token; none: there is none.
  std::optional<legacy_group> find(const ip_address& source, std::uint16_t token) const;
  std::vector<legacy_group> groups_of(const ip_address& source) const override;
  bool rests(const ip_address& source, guess_kind kind, time_point now) const override;
  void wrong_guess(const ip_address& source, guess_kind kind, std::uint32_t guess,
                   time_point now) override {
    (void)guessed_wrong(source, kind, guess, now);
  }
  /// Counts a wrong guess, as guess_limit::wrong().
  std::uint32_t guessed_wrong(const ip_address& source, guess_kind kind, std::uint32_t guess,
                              time_point now) {
    return guesses_.wrong(source, standing_of(source), kind, guess, now);
  }
  /// Whether the address has as many groups as one may have.
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
