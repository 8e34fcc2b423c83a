#include "protocol/xor_cipher.hpp"

#include "protocol/siphash.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace tonel::protocol {

namespace {

constexpr std::size_t largest_datagram = 65'535;

/// `to` ^= `key`, word by word: whether a compiler vectorises a plain loop depends on the
/// optimisation level.
template <class Word>
std::size_t xor_words(std::uint8_t* to, const std::uint8_t* key, std::size_t size) noexcept {
  std::size_t done = 0;
  for (; size - done >= sizeof(Word); done += sizeof(Word)) {
    Word a, b;
    std::memcpy(&a, to + done, sizeof a);
    std::memcpy(&b, key + done, sizeof b);
    a ^= b;
    std::memcpy(to + done, &a, sizeof a);
  }
  return done;
}

void xor_octets(std::uint8_t* to, const std::uint8_t* key, std::size_t size) noexcept {
  using wide = std::uint64_t __attribute__((vector_size(64)));
  auto done = xor_words<wide>(to, key, size);
  done += xor_words<std::uint64_t>(to + done, key + done, size - done);
  xor_words<std::uint8_t>(to + done, key + done, size - done);
}

} // namespace

xor_cipher::xor_cipher(std::string_view key) : stream_(largest_datagram) {
  assert(!key.empty());
  key = key.substr(0, max_key);
  for (std::size_t at = 0; at < stream_.size(); at += key.size())
    std::memcpy(stream_.data() + at, key.data(), std::min(key.size(), stream_.size() - at));
  mark_ = std::max<std::uint64_t>(1, siphash24({}, stream_));
}

void xor_cipher::apply(byte_span datagrams, std::uint32_t datagram_size) const noexcept {
  assert(datagram_size <= largest_datagram && (datagram_size > 0 || datagrams.empty()));
  for (std::size_t at = 0; at < datagrams.size(); at += datagram_size)
    xor_octets(datagrams.data() + at, stream_.data(),
               std::min<std::size_t>(datagram_size, datagrams.size() - at));
}

} // namespace tonel::protocol
