#include "system/linux/netlink_message.hpp"

#include <libmnl/libmnl.h>

#include <cassert>
#include <cstring>

namespace tonel::sys {

netlink_request::netlink_request(std::uint16_t type, std::uint16_t flags, const void* fixed,
                                 std::size_t size)
    : header_(mnl_nlmsg_put_header(bytes_.data())) {
  header_->nlmsg_type = type;
  header_->nlmsg_flags = flags;
  std::memcpy(mnl_nlmsg_put_extra_header(header_, size), fixed, size);
}

void netlink_request::attribute(std::uint16_t type, const void* data, std::size_t size) {
  [[maybe_unused]] const bool fits = mnl_attr_put_check(header_, bytes_.size(), type, size, data);
  assert(fits);
}

void netlink_request::text(std::uint16_t type, const std::string& value) {
  attribute(type, value.c_str(), value.size() + 1);
}

void netlink_request::address(std::uint16_t type, const protocol::ip_address& a) {
  attribute(type, a.data(), a.size());
}

nlattr* netlink_request::open(std::uint16_t type) {
  auto* nest = mnl_attr_nest_start_check(header_, bytes_.size(), type);
  assert(nest != nullptr);
  return nest;
}

void netlink_request::close(nlattr* nest) noexcept { mnl_attr_nest_end(header_, nest); }

protocol::byte_view netlink_request::finish(std::uint32_t sequence) noexcept {
  header_->nlmsg_seq = sequence;
  return {bytes_.data(), header_->nlmsg_len};
}

std::uint16_t netlink_attribute::type() const noexcept { return mnl_attr_get_type(&at_); }
std::size_t netlink_attribute::size() const noexcept { return mnl_attr_get_payload_len(&at_); }

const std::uint8_t* netlink_attribute::data() const noexcept {
  return static_cast<const std::uint8_t*>(mnl_attr_get_payload(&at_));
}

std::uint32_t netlink_attribute::number() const noexcept {
  return size() < sizeof(std::uint32_t) ? 0 : mnl_attr_get_u32(&at_);
}

std::uint8_t netlink_attribute::octet() const noexcept {
  return size() < 1 ? 0 : mnl_attr_get_u8(&at_);
}

protocol::ip_address netlink_attribute::address() const noexcept {
  if (size() == 4) return protocol::ip_address::v4(data());
  if (size() == 16) return protocol::ip_address::v6(data());
  return {};
}

std::string_view netlink_attribute::text() const noexcept {
  const auto* begin = reinterpret_cast<const char*>(data());
  return {begin, ::strnlen(begin, size())};
}

namespace {

int hand_on(const nlattr* at, void* visit) {
  (*static_cast<const attribute_visitor*>(visit))(netlink_attribute{*at});
  return MNL_CB_OK;
}

/// The library hands back what it was given, and changes nothing of it.
void* context(const attribute_visitor& visit) noexcept {
  return const_cast<attribute_visitor*>(&visit);
}

} // namespace

void each_attribute(const nlmsghdr& message, std::size_t fixed, const attribute_visitor& visit) {
  if (message.nlmsg_len < MNL_NLMSG_HDRLEN + MNL_ALIGN(fixed)) return;
  mnl_attr_parse(&message, static_cast<unsigned>(fixed), hand_on, context(visit));
}

void each_attribute(protocol::byte_view octets, const attribute_visitor& visit) {
  mnl_attr_parse_payload(octets.data(), octets.size(), hand_on, context(visit));
}

bool read_fixed_part(const nlmsghdr& message, void* into, std::size_t size) noexcept {
  if (message.nlmsg_len < MNL_NLMSG_HDRLEN + size) return false;
  std::memcpy(into, mnl_nlmsg_get_payload(&message), size);
  return true;
}

bool each_message(protocol::byte_view bytes, const std::function<bool(const nlmsghdr&)>& visit) {
  const auto* message = reinterpret_cast<const nlmsghdr*>(bytes.data());
  int left = static_cast<int>(bytes.size());
  while (left > 0) {
    if (!mnl_nlmsg_ok(message, left)) return false;
    if (!visit(*message)) return true;
    message = mnl_nlmsg_next(message, &left);
  }
  return true;
}

} // namespace tonel::sys
