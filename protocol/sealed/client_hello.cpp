#include "protocol/sealed/client_hello.hpp"

#include <algorithm>
#include <optional>

namespace tonel::protocol::sealed {

namespace {

constexpr std::uint8_t handshake_record = 22;
constexpr std::uint8_t client_hello = 1;
constexpr std::uint16_t pre_shared_key = 41;
constexpr std::size_t record_header = 5;
constexpr std::size_t message_header = 4;

/// Takes apart what has lengths in front; after a failure nothing more is there.
class reader {
public:
  explicit reader(byte_view rest) noexcept : rest_(rest) {}
  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return rest_.empty(); }

  byte_view take(std::size_t count) noexcept {
    if (count > rest_.size()) {
      good_ = false;
      rest_ = {};
      return {};
    }
    const auto out = rest_.subview(0, count);
    rest_ = rest_.subview(count);
    return out;
  }
  std::uint8_t u8() noexcept {
    const auto b = take(1);
    return b.empty() ? std::uint8_t{0} : b[0];
  }
  std::uint16_t u16() noexcept {
    const auto b = take(2);
    return b.empty() ? std::uint16_t{0} : load_be16(b, 0);
  }
  byte_view short_vector() noexcept { return take(u8()); }
  byte_view vector() noexcept { return take(u16()); }

private:
  byte_view rest_;
  bool good_ = true;
};

/// The one identity in a pre_shared_key extension; none: there are more, or it is misshapen.
std::optional<byte_view> only_identity(byte_view extension) noexcept {
  reader psk{extension};
  reader identities{psk.vector()};
  reader binders{psk.vector()};
  if (!psk.good() || !psk.at_end()) return std::nullopt;
  const auto identity = identities.vector();
  identities.take(4); // the age of a ticket
  const auto binder = binders.short_vector();
  if (!identities.good() || !identities.at_end() || identity.empty()) return std::nullopt;
  if (!binders.good() || !binders.at_end() || binder.size() < 32) return std::nullopt;
  return identity;
}

/// They may be the start of a record with a ClientHello.
bool may_begin(byte_view octets) noexcept {
  constexpr int any = -1;
  constexpr int pattern[] = {handshake_record, 3, any, any, any, client_hello, 0};
  const auto known = std::min(octets.size(), std::size(pattern));
  for (std::size_t i = 0; i < known; ++i)
    if (pattern[i] != any && pattern[i] != octets[i]) return false;
  return true;
}

} // namespace

expected<client_hello_view, hello_refusal> parse_client_hello(byte_view octets) noexcept {
  if (!may_begin(octets)) return unexpected{hello_refusal::not_tls};
  if (octets.size() < record_header) return unexpected{hello_refusal::incomplete};
  const std::size_t length = load_be16(octets, 3);
  const auto size = record_header + length;
  if (length < message_header || size > max_client_hello) return unexpected{hello_refusal::not_tls};
  if (octets.size() < size) return unexpected{hello_refusal::incomplete};

  const auto message = octets.subview(record_header, length);
  if ((load_be32(message, 0) & 0xff'ffff) != length - message_header)
    return unexpected{hello_refusal::not_tls};
  reader body{message.subview(message_header)};
  const bool version = body.u16() == 0x0303;
  body.take(32); // random
  const auto session = body.short_vector();
  const auto suites = body.vector();
  const auto compressions = body.short_vector();
  reader extensions{body.vector()};
  if (!body.good() || !body.at_end() || !version || session.size() > 32 || suites.empty() ||
      suites.size() % 2 != 0 || compressions.size() != 1 || compressions[0] != 0)
    return unexpected{hello_refusal::not_tls};

  while (!extensions.at_end()) {
    const auto type = extensions.u16();
    const auto extension = extensions.vector();
    if (!extensions.good()) return unexpected{hello_refusal::not_tls};
    if (type != pre_shared_key) continue;
    // Nothing follows it (RFC 8446 §4.2.11).
    const auto identity = extensions.at_end() ? only_identity(extension) : std::nullopt;
    if (!identity) break;
    return client_hello_view{*identity, size};
  }
  return unexpected{hello_refusal::no_identity};
}

} // namespace tonel::protocol::sealed
