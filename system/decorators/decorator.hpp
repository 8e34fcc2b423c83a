#pragma once

#include "system/datagram_socket.hpp"
#include "system/packet_device.hpp"

#include <memory>
#include <utility>

namespace tonel::sys {

/// Base of decorators of a packet_device; passes calls on to the inner device.
/// Owns: nothing; the inner device outlives it
class packet_device_decorator : public packet_device {
public:
  explicit packet_device_decorator(packet_device& inner) noexcept : inner_(inner) {}
  int fd() const noexcept override { return inner_.fd(); }
  bool offload() const noexcept override { return inner_.offload(); }
  bool renew() override { return inner_.renew(); }
  void dropped(const chunk& packet, const char* reason) noexcept override {
    inner_.dropped(packet, reason);
  }

protected:
  packet_device& inner() const noexcept { return inner_; }

private:
  packet_device& inner_;
};

/// Base of decorators of a UDP socket; passes calls on to the inner socket.
class datagram_socket_decorator : public datagram_socket {
public:
  explicit datagram_socket_decorator(std::shared_ptr<datagram_socket> inner) noexcept
      : inner_(std::move(inner)) {}
  int fd() const noexcept override { return inner_->fd(); }
  std::uint64_t receive_errors() const noexcept override { return inner_->receive_errors(); }
  int take_error() noexcept override { return inner_->take_error(); }
  std::uint16_t local_port() const noexcept override { return inner_->local_port(); }

protected:
  datagram_socket& inner() const noexcept { return *inner_; }

private:
  std::shared_ptr<datagram_socket> inner_;
};

} // namespace tonel::sys
