#pragma once

#include "system/datagram_socket.hpp"
#include "system/os_error.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

namespace tonel::sys {

/// Bounds the sockets of all sessions together, so that descriptors are left for the rest of the
/// process: how many a session takes, a reload may change.
/// Owns:   a count, shared with the sockets
/// Thread: any
class socket_budget {
public:
  using socket = std::shared_ptr<datagram_socket>;

  explicit socket_budget(std::size_t most) : left_(std::make_shared<count>(most)) {}

  /// What `open` gives, counted until its last owner lets go.
  /// Errors: EMFILE: none is left; those of `open`
  template <class Open> result<socket> take(Open open) {
    auto now = left_->load();
    do {
      if (now == 0) return unexpected{os_error{EMFILE, "socket", "the rest is kept in reserve"}};
    } while (!left_->compare_exchange_weak(now, now - 1));
    result<socket> made = open();
    if (!made) {
      ++*left_;
      return made;
    }
    auto* const raw = made->get();
    return socket{raw, [left = left_, held = std::move(*made)](datagram_socket*) mutable {
                    held.reset();
                    ++*left;
                  }};
  }

private:
  using count = std::atomic<std::size_t>;
  std::shared_ptr<count> left_;
};

} // namespace tonel::sys
