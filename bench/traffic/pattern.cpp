#include "bench/traffic/pattern.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace tonel::bench {
namespace {

constexpr std::uint32_t magic = 0x314c4e74;       // "tNL1"; its first byte is no compact form's
constexpr std::uint32_t timed_magic = 0x324c4e74; // "tNL2"
constexpr std::uint8_t compact_base = 0x40;
constexpr std::size_t offset_range = 32768;

/// One table of noise that all datagrams are cut from, each at an offset of its own: making and
/// checking a datagram is then one memcpy and one memcmp.
struct noise_table {
  std::array<std::uint64_t, (offset_range + max_datagram) / 8 + 1> words{};
  noise_table() noexcept {
    for (std::size_t i = 0; i < words.size(); ++i)
      words[i] = mix(0x9e3779b97f4a7c15U * (i + 1));
  }
  const std::uint8_t* at(std::size_t offset) const noexcept {
    return reinterpret_cast<const std::uint8_t*>(words.data()) + offset;
  }
};
const noise_table noise;

std::uint64_t digest(const stamp& from) noexcept {
  return mix(from.seed + mix(from.sequence + (std::uint64_t{from.stream} << 32)));
}

const std::uint8_t* pattern_of(const stamp& from) noexcept {
  return noise.at(digest(from) % offset_range);
}

std::uint32_t check_word(const stamp& from, std::uint32_t length) noexcept {
  return static_cast<std::uint32_t>(mix(digest(from) + length + from.time) >> 32);
}

template <class T> void store(std::uint8_t* out, T value) noexcept {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out[i] = static_cast<std::uint8_t>(value >> (8 * i));
}

template <class T> T load(const std::uint8_t* in) noexcept {
  T value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= static_cast<T>(T{in[i]} << (8 * i));
  return value;
}

std::size_t compact_sequence_bytes(std::size_t size) noexcept {
  return std::min<std::size_t>(6, size - 1);
}

bool is_compact(std::uint8_t first) noexcept {
  return first > compact_base && first < compact_base + header_size;
}

reading check_compact(const std::uint8_t* bytes, std::size_t size) noexcept {
  reading got;
  if (bytes[0] != compact_base + size) {
    const bool ours = is_compact(bytes[0]) || bytes[0] == (magic & 0xff);
    got.result = ours ? verdict::wrong_length : verdict::altered;
    return got;
  }
  const auto known = compact_sequence_bytes(size);
  for (std::size_t i = 0; i < known; ++i)
    got.from.sequence |= std::uint64_t{bytes[1 + i]} << (8 * i);
  const auto body = 1 + known;
  if (std::memcmp(bytes + body, pattern_of(got.from), size - body) != 0) return got;
  got.sequence_bits = static_cast<unsigned>(8 * known);
  got.result = verdict::intact;
  return got;
}

} // namespace

void fill(std::uint8_t* out, std::size_t size, const stamp& from) noexcept {
  if (size == 0) return;
  if (size < header_size) {
    const auto known = compact_sequence_bytes(size);
    stamp visible; // a compact datagram shows 48 bits of its sequence at most, and nothing else
    for (std::size_t i = 0; i < known; ++i) {
      out[1 + i] = static_cast<std::uint8_t>(from.sequence >> (8 * i));
      visible.sequence |= std::uint64_t{out[1 + i]} << (8 * i);
    }
    out[0] = static_cast<std::uint8_t>(compact_base + size);
    std::memcpy(out + 1 + known, pattern_of(visible), size - 1 - known);
    return;
  }
  const bool timed = from.time != 0 && size >= timed_header_size;
  auto told = from;
  if (!timed) told.time = 0;
  const auto length = static_cast<std::uint32_t>(size);
  store(out, timed ? timed_magic : magic);
  store(out + 4, length);
  store(out + 8, told.stream);
  store(out + 12, check_word(told, length));
  store(out + 16, told.sequence);
  store(out + 24, told.seed);
  if (timed) store(out + header_size, told.time);
  const auto header = timed ? timed_header_size : header_size;
  std::memcpy(out + header, pattern_of(told), size - header);
}

reading check(const std::uint8_t* bytes, std::size_t size) noexcept {
  reading got;
  if (size == 0) {
    got.result = verdict::intact;
    return got;
  }
  if (size < header_size) return check_compact(bytes, size);
  const auto kind = load<std::uint32_t>(bytes);
  const bool timed = kind == timed_magic && size >= timed_header_size;
  if (kind != magic && !timed) {
    if (is_compact(bytes[0]) || kind == timed_magic) got.result = verdict::wrong_length;
    return got;
  }
  const auto header = timed ? timed_header_size : header_size;
  const auto length = load<std::uint32_t>(bytes + 4);
  stamp from;
  from.stream = load<std::uint32_t>(bytes + 8);
  from.sequence = load<std::uint64_t>(bytes + 16);
  from.seed = load<std::uint64_t>(bytes + 24);
  if (timed) from.time = load<std::uint64_t>(bytes + header_size);
  if (load<std::uint32_t>(bytes + 12) != check_word(from, length)) return got;
  got.whole_header = true;
  got.from = from;
  if (length != size) {
    got.result = verdict::wrong_length;
    return got;
  }
  if (std::memcmp(bytes + header, pattern_of(from), size - header) != 0) return got;
  got.sequence_bits = 64;
  got.result = verdict::intact;
  return got;
}

} // namespace tonel::bench
