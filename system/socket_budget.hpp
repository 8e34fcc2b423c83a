#pragma once

#include "system/datagram_socket.hpp"
#include "system/os_error.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <utility>

namespace tonel::sys {

/// Limits the sockets of all sessions together, so that descriptors are left for the rest of the
/// process. A limit on sessions is not enough, since a reload may change the sockets of each.
/// Owns:   a count, shared with the sockets
/// Thread: any
class socket_budget {
public:
  using socket = std::shared_ptr<datagram_socket>;

  explicit socket_budget(std::size_t most) : left_(std::make_shared<count>(most)) {}

  /// Opens a socket by `open`, and counts it until its last owner releases it.
  /// Errors: EMFILE: the budget is used up; those of `open`
  template <class Open> result<socket> take(Open open) {
    auto now = left_->load();
    do {
      if (now == 0) return unexpected{os_error{EMFILE, "socket", "the rest is kept in reserve"}};
    } while (!left_->compare_exchange_weak(now, now - 1));
    result<std::unique_ptr<datagram_socket>> made = open();
    if (!made) {
      ++*left_;
      return unexpected{made.error()};
    }
    return socket{
        made->release(), [left = left_](datagram_socket* last) {
          delete last; // NOLINT(cppcoreguidelines-owning-memory): one allocation less a session
          ++*left;
        }};
  }

private:
  using count = std::atomic<std::size_t>;
  std::shared_ptr<count> left_;
};

} // namespace tonel::sys
