#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace tonel::protocol {

/// A borrowed run of octets, read-only or writable.
/// Owns: nothing; never outlives the call it is passed to (no view in a message or a member).
template <class Octet> class basic_byte_view {
public:
  constexpr basic_byte_view() noexcept = default;
  constexpr basic_byte_view(Octet* data, std::size_t size) noexcept : data_(data), size_(size) {}
  template <std::size_t N>
  constexpr basic_byte_view(std::array<std::remove_const_t<Octet>, N>& a) noexcept
      : data_(a.data()), size_(N) {}
  template <std::size_t N, class O = Octet, class = std::enable_if_t<std::is_const_v<O>>>
  constexpr basic_byte_view(const std::array<std::uint8_t, N>& a) noexcept
      : data_(a.data()), size_(N) {}
  template <class O = Octet, class = std::enable_if_t<std::is_const_v<O>>>
  basic_byte_view(const std::vector<std::uint8_t>& v) noexcept : data_(v.data()), size_(v.size()) {}
  basic_byte_view(std::vector<std::uint8_t>& v) noexcept : data_(v.data()), size_(v.size()) {}
  /// A writable view is also a read-only one.
  template <class O = Octet, class = std::enable_if_t<std::is_const_v<O>>>
  constexpr basic_byte_view(basic_byte_view<std::remove_const_t<O>> v) noexcept
      : data_(v.data()), size_(v.size()) {}

  constexpr Octet* data() const noexcept { return data_; }
  constexpr std::size_t size() const noexcept { return size_; }
  constexpr bool empty() const noexcept { return size_ == 0; }
  constexpr Octet& operator[](std::size_t i) const noexcept { return assert(i < size_), data_[i]; }
  constexpr Octet* begin() const noexcept { return data_; }
  constexpr Octet* end() const noexcept { return data_ + size_; }
  /// A view of the octets from `offset` on; offset <= size().
  constexpr basic_byte_view subview(std::size_t offset) const noexcept {
    return assert(offset <= size_), basic_byte_view{data_ + offset, size_ - offset};
  }
  /// A view of `length` octets from `offset` on; offset + length <= size().
  constexpr basic_byte_view subview(std::size_t offset, std::size_t length) const noexcept {
    return assert(offset + length <= size_), basic_byte_view{data_ + offset, length};
  }

private:
  Octet* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Octets to read.
using byte_view = basic_byte_view<const std::uint8_t>;
/// Octets to write.
using byte_span = basic_byte_view<std::uint8_t>;

// Integers in network byte order, at any alignment. The caller checks that they lie inside.
inline std::uint16_t load_be16(byte_view b, std::size_t at) noexcept {
  return static_cast<std::uint16_t>((b[at] << 8) | b[at + 1]);
}
inline std::uint32_t load_be32(byte_view b, std::size_t at) noexcept {
  return (std::uint32_t{load_be16(b, at)} << 16) | load_be16(b, at + 2);
}
inline std::uint64_t load_be64(byte_view b, std::size_t at) noexcept {
  return (std::uint64_t{load_be32(b, at)} << 32) | load_be32(b, at + 4);
}
inline void store_be16(byte_span b, std::size_t at, std::uint16_t v) noexcept {
  b[at] = static_cast<std::uint8_t>(v >> 8);
  b[at + 1] = static_cast<std::uint8_t>(v);
}
inline void store_be32(byte_span b, std::size_t at, std::uint32_t v) noexcept {
  store_be16(b, at, static_cast<std::uint16_t>(v >> 16));
  store_be16(b, at + 2, static_cast<std::uint16_t>(v));
}
inline void store_be64(byte_span b, std::size_t at, std::uint64_t v) noexcept {
  store_be32(b, at, static_cast<std::uint32_t>(v >> 32));
  store_be32(b, at + 4, static_cast<std::uint32_t>(v));
}

} // namespace tonel::protocol
