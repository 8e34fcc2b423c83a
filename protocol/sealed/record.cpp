#include "protocol/sealed/record.hpp"

#include <algorithm>

namespace tonel::protocol::sealed {

namespace {

constexpr std::uint8_t application_data = 23;

using record_header = std::array<std::uint8_t, record_header_size>;

record_header header_for(std::size_t content) noexcept {
  record_header out{application_data, 3, 3, 0, 0};
  store_be16(out, 3, static_cast<std::uint16_t>(content + 1 + tag_size));
  return out;
}

aead_nonce nonce_at(const aead_nonce& iv, std::uint64_t position) noexcept {
  auto out = iv;
  store_be64(out, 4, load_be64(out, 4) ^ position);
  return out;
}

constexpr std::uint32_t epoch_of(std::uint64_t position) noexcept {
  return static_cast<std::uint32_t>(position >> 32);
}

} // namespace

sealer::sealer(crypto& c, const secret& exported, suite s)
    : crypto_(&c), exported_(exported), suite_(s) {
  enter(0);
}

void sealer::enter(std::uint32_t epoch) {
  const auto keys = keys_of_epoch(*crypto_, exported_, suite_, epoch);
  cipher_ = crypto_->make_aead(suite_, keys.key.view().subview(0, key_size(suite_)));
  iv_ = keys.iv;
  epoch_ = epoch;
}

bool sealer::seal(std::uint64_t position, inner_type type, byte_view content,
                  byte_span out) noexcept {
  if (position < next_ || content.size() > max_record_content) return false;
  if (epoch_of(position) != epoch_) enter(epoch_of(position));
  // Whether or not this succeeds, the nonce is used.
  next_ = position + content.size() + record_overhead;
  if (!cipher_) return false;
  const auto header = header_for(content.size());
  std::copy(header.begin(), header.end(), out.begin());
  return cipher_->seal(nonce_at(iv_, position), header, content, static_cast<std::uint8_t>(type),
                       out.subview(header.size(), content.size() + 1 + tag_size));
}

bool sealer::seal_run(std::uint64_t position, byte_view datagrams, std::uint32_t datagram_size,
                      byte_span out) noexcept {
  std::size_t at = 0;
  std::size_t written = 0;
  do {
    const auto length = std::min<std::size_t>(datagram_size, datagrams.size() - at);
    if (!seal(position + written, inner_type::datagram, datagrams.subview(at, length),
              out.subview(written)))
      return false;
    at += length;
    written += length + record_overhead;
  } while (at < datagrams.size());
  return true;
}

opener::opener(crypto& c, const secret& exported, suite s)
    : crypto_(&c), exported_(exported), suite_(s) {}

/// The cipher for a position; null: its epoch is too far from those of records that came.
opener::epoch_cipher* opener::cipher_of(std::uint64_t position) noexcept {
  const auto epoch = epoch_of(position);
  if (epoch + std::uint64_t{1} < highest_epoch_ || epoch > highest_epoch_ + std::uint64_t{1})
    return nullptr;
  auto& kept = ciphers_[epoch % ciphers_.size()];
  // Once for each epoch: what claims to be of the next one finds its cipher made.
  if (!kept.cipher || kept.epoch != epoch) {
    const auto keys = keys_of_epoch(*crypto_, exported_, suite_, epoch);
    kept.cipher = crypto_->make_aead(suite_, keys.key.view().subview(0, key_size(suite_)));
    kept.iv = keys.iv;
    kept.epoch = epoch;
  }
  return kept.cipher ? &kept : nullptr;
}

opener::content opener::open(std::uint64_t position, byte_view record, byte_span out) noexcept {
  if (record.size() < record_overhead) return {};
  const auto length = record.size() - record_overhead;
  if (length > max_record_content) return {};
  const auto header = record.subview(0, record_header_size);
  const auto wanted = header_for(length);
  if (!std::equal(wanted.begin(), wanted.end(), header.begin())) return {};
  switch (window_.look(position)) {
  case replay_window::verdict::seen: return {found_as::repeated, 0};
  case replay_window::verdict::old: return {found_as::old, 0};
  case replay_window::verdict::fresh: break;
  }
  auto* const kept = cipher_of(position);
  if (kept == nullptr) return {};
  if (!kept->cipher->open(nonce_at(kept->iv, position), header, record.subview(header.size()),
                          out.subview(0, length + 1)))
    return {};
  highest_epoch_ = std::max(highest_epoch_, kept->epoch);
  switch (window_.take(position)) {
  case replay_window::verdict::seen: return {found_as::repeated, 0};
  case replay_window::verdict::old: return {found_as::old, 0};
  case replay_window::verdict::fresh: break;
  }
  const auto content_length = static_cast<std::uint32_t>(length);
  switch (inner_type{out[length]}) {
  case inner_type::datagram: return {found_as::datagrams, content_length};
  case inner_type::control: return {found_as::control, content_length};
  }
  return {found_as::unknown, 0};
}

} // namespace tonel::protocol::sealed
