#include "system/macos/routes.hpp"

#include "system/macos/abi.hpp"
#include "system/macos/route_message.hpp"
#include "system/process.hpp"

#include <array>
#include <cerrno>
#include <vector>

namespace tonel::sys {

result<route_socket> route_socket::open(kernel& k) {
  descriptor fd{k, k.socket(darwin::pf_route, darwin::sock_raw, 0)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket PF_ROUTE", {}}};
  return route_socket{k, std::move(fd)};
}

result<std::optional<std::uint32_t>> route_socket::interface_to(const protocol::ip_address& to,
                                                                bool v6) {
  const auto question = route_question(to, v6, ++sequence_);
  const long sent = kernel_->write(fd_.get(), question.data(), question.size());
  // ESRCH: no route.
  if (sent == -ESRCH) return std::optional<std::uint32_t>{};
  if (sent < 0) return unexpected{os_error{static_cast<int>(-sent), "route RTM_GET", {}}};
  // Everybody's messages come here; ours is on its way when the write has ended.
  alignas(8) std::array<std::uint8_t, 2'048> buffer{};
  for (int others = 0; others < 1'000; ++others) {
    const long got = kernel_->read(fd_.get(), buffer.data(), buffer.size());
    if (got <= 0) return unexpected{os_error{static_cast<int>(-got), "route RTM_GET", {}}};
    const auto answer =
        parse_route_answer({buffer.data(), static_cast<std::size_t>(got)}, process_id(), sequence_);
    if (!answer) continue;
    if (answer->error != 0 || answer->interface == 0) return std::optional<std::uint32_t>{};
    return std::optional{answer->interface};
  }
  return unexpected{os_error{EIO, "route RTM_GET", "no answer"}};
}

result<void> route_socket::add(const protocol::ip_address& to, std::uint32_t interface) {
  const auto message = route_addition(to, interface, ++sequence_);
  const long sent = kernel_->write(fd_.get(), message.data(), message.size());
  if (sent < 0 && sent != -EEXIST)
    return unexpected{os_error{static_cast<int>(-sent), "route RTM_ADD", to.to_string()}};
  return {};
}

} // namespace tonel::sys
