#include "actors/shard/group_registry.hpp"

#include "actors/runtime/log.hpp"

#include <chrono>

namespace tonel::actors {

namespace {

constexpr auto limit_silence = std::chrono::minutes{1};

} // namespace

std::optional<protocol::group_place> group_registry::place(const protocol::four_tuple& tuple,
                                                           std::uint16_t token, std::uint16_t join,
                                                           std::size_t queue,
                                                           protocol::time_point now) {
  if (join == 0) return open(tuple, token, queue, now);
  const auto owner = owner_of(tuple.remote.address, join);
  if (!owner) return std::nullopt;
  return protocol::group_place{*owner, nullptr, nullptr, nullptr};
}

std::optional<protocol::group_place> group_registry::open(const protocol::four_tuple& tuple,
                                                          std::uint16_t token, std::size_t shard,
                                                          protocol::time_point now) {
  std::uint64_t owner = 0;
  auto answers = std::make_shared<protocol::answer_limit>();
  bool most = false;
  {
    const std::lock_guard lock{mutex_};
    if (const auto known = first_of_.find(tuple); known != first_of_.end())
      return protocol::group_place{known->second, nullptr, nullptr, nullptr};
    owner = (std::uint64_t{shard} << shard_shift) | (std::uint64_t{port_} << port_shift) |
            (++made_ & ((std::uint64_t{1} << port_shift) - 1));
    const bool added =
        groups_.add(tuple.remote.address, {token, tuple.remote.port, owner, answers});
    if (added) first_of_.emplace(tuple, owner);
    if (!added) owner = 0;
    most = !added && says_most(tuple.remote.address, now);
  }
  if (most)
    log_warn("limit reached: port ", port_, ": ", tuple.remote.address, " has ",
             protocol::legacy_groups::most_per_address,
             " sessions of older clients, as many as an address may have; new ones are refused "
             "(said once a minute)");
  if (owner == 0) return std::nullopt;
  // Made outside the lock, since their ends take the lock.
  const auto leave = [this, tuple, token](const std::uint64_t* p) {
    const std::lock_guard lock{mutex_};
    groups_.remove(tuple.remote.address, token, *p);
    delete p;
  };
  const auto forget = [this, tuple](const std::uint64_t* p) {
    const std::lock_guard lock{mutex_};
    first_of_.erase(tuple);
    delete p;
  };
  return protocol::group_place{owner, lease{new std::uint64_t{owner}, leave},
                               lease{new std::uint64_t{owner}, forget}, std::move(answers)};
}

bool group_registry::says_most(const protocol::ip_address& source, protocol::time_point now) {
  if (!groups_.has_most(source) || (told_most_ && now - *told_most_ < limit_silence)) return false;
  told_most_ = now;
  return true;
}

std::optional<std::uint64_t> group_registry::owner_of(const protocol::ip_address& source,
                                                      std::uint16_t token) const {
  const std::lock_guard lock{mutex_};
  const auto found = groups_.find(source, token);
  if (!found) return std::nullopt;
  return found->owner;
}

std::vector<protocol::legacy_group>
group_registry::groups_of(const protocol::ip_address& source) const {
  const std::lock_guard lock{mutex_};
  return groups_.groups_of(source);
}

bool group_registry::rests(const protocol::ip_address& source, protocol::guess_kind kind,
                           protocol::time_point now) const {
  const std::lock_guard lock{mutex_};
  return groups_.rests(source, kind, now);
}

void group_registry::wrong_guess(const protocol::ip_address& source, protocol::guess_kind kind,
                                 std::uint32_t guess, protocol::time_point now) {
  std::uint32_t guesses = 0;
  {
    const std::lock_guard lock{mutex_};
    guesses = groups_.guessed_wrong(source, kind, guess, now);
  }
  if (guesses == 0) return;
  if (kind == protocol::guess_kind::join)
    log_warn("port ", port_, ": ", guesses, " connections of older clients from ", source,
             " named no group that is here; none joins a group from there for 10 minutes");
  else
    log_warn("port ", port_, ": ", guesses, " handshakes of older clients from ", source,
             " named no number of ours; no new one is served from there for 10 minutes");
}

std::size_t group_registry::size() const {
  const std::lock_guard lock{mutex_};
  return groups_.size();
}

group_registry& group_registries::of_port(std::uint16_t port) {
  const std::lock_guard lock{mutex_};
  auto& one = by_port_[port];
  if (!one) one = std::make_unique<group_registry>(port, hash_, most_);
  return *one;
}

bool group_registries::knocked(std::uint16_t port) {
  const std::lock_guard lock{mutex_};
  return knocks_.insert(port).second;
}

} // namespace tonel::actors
