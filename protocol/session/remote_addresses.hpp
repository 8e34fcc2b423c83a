#pragma once

#include "protocol/address.hpp"
#include "protocol/session/backoff.hpp"
#include "protocol/time.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace tonel::protocol {

/// The addresses in the order in which a client should try them: the resolver's, but the families in
/// turn, so that one family without a way costs one attempt and not half of all.
/// Source: RFC 8305 §4
[[nodiscard]] std::vector<endpoint> with_families_in_turn(const std::vector<endpoint>& found);

/// Where one tunnel's remote is: the addresses of its name, which of them works, which has failed when, in
/// which order they are to be tried, and when the name is to be asked again. One per tunnel, for all its
/// sessions.
/// Shape:  16 addresses at most, the resolver's first ones
/// Source: RFC 8305 §4; docs/wire.md, "Several addresses"
class remote_addresses {
public:
  /// What a call has changed for those who use the addresses.
  enum class change : std::uint8_t {
    none,
    order,     ///< the same are to be tried in another order
    addresses, ///< there are others
  };

  /// is_name: false: a literal address, about which there is one question alone. interval: between two
  /// questions while all is well; 0: it is asked only where an address fails.
  remote_addresses(bool is_name, duration interval) noexcept
      : is_name_(is_name), interval_(interval) {}

  /// Somebody wants to know. True: ask now; else an answer is on its way, or there is no need.
  bool ask(time_point now);
  /// Call when deadline() has come; earlier does no harm. True: ask now.
  bool on_timer(time_point now);
  /// The answer, in the resolver's order; none is no answer.
  change resolved(const std::vector<endpoint>& found, time_point now);
  /// There is no answer: what was known stays.
  void unresolved(time_point now);
  /// A stream, or the upstream, has answered there. It is the first to be tried from now on.
  change answered(const endpoint& at, time_point now);
  /// None has. It is tried after all others, and the name is asked anew: at once, or 5 s after the
  /// question before.
  change failed(const endpoint& at, time_point now);

  /// In the order in which they are to be tried.
  const std::vector<endpoint>& in_order() const noexcept { return order_; }
  /// These, and those that the name had until less than 10 minutes before its last answer: streams may
  /// still be there.
  std::vector<endpoint> in_use() const;
  /// Nothing: no timer is needed. May have moved after any call above.
  std::optional<time_point> deadline() const noexcept { return due_; }

private:
  struct entry {
    endpoint at;
    std::optional<time_point> failed;
    std::optional<time_point> left; ///< the name's addresses
  };
  entry* find(const endpoint& at) noexcept;
  void begin(time_point now) noexcept;
  change sort(time_point now);

  bool is_name_;
  duration interval_;
  std::vector<entry> all_; ///< those that left among them
  std::vector<endpoint> found_, order_;
  std::optional<endpoint> good_; ///< the last that answered
  std::optional<time_point> due_, asked_at_;
  bool asking_ = false, again_ = false;
  backoff wait_{std::chrono::seconds{1}, std::chrono::seconds{1}, std::chrono::seconds{30}};
};

/// The addresses that the opening of one stream tries, and when: each 250 ms the next, and at once where
/// one has refused.
/// Source: RFC 8305 §5
class address_race {
public:
  address_race() = default;
  /// first: is being tried from now on; the others follow in the order that they have after it.
  address_race(const std::vector<endpoint>& order, const endpoint& first, time_point now);
  /// The one to be tried now; nothing: none is due.
  std::optional<endpoint> next(time_point now);
  /// One has refused.
  void hurry(time_point now) noexcept { due_ = now; }
  /// The name has these addresses: those that were not tried come next.
  void renew(const std::vector<endpoint>& order, time_point now);
  /// Another attempt for one of them, in turn; call when there is one.
  const endpoint& again() { return all_[turn_++ % all_.size()]; }
  std::size_t size() const noexcept { return all_.size(); }
  /// When the next one is due; nothing: all were tried.
  std::optional<time_point> deadline() const noexcept;

private:
  std::vector<endpoint> all_;
  std::size_t tried_ = 0, turn_ = 0;
  time_point due_{};
};

} // namespace tonel::protocol
