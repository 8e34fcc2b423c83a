#include "tests/support/fake_crypto.hpp"

#include "protocol/rate_limit.hpp"
#include "protocol/sealed/client_hello.hpp"
#include "protocol/siphash.hpp"
#include "tests/support/client_hello.hpp"

#include <algorithm>
#include <array>

namespace tonel::test {

using namespace protocol;
using namespace protocol::sealed;

namespace {

using octets = std::vector<std::uint8_t>;
using hash_key = std::array<std::uint8_t, 16>;

octets joined(std::initializer_list<byte_view> parts) {
  octets out;
  for (const auto part : parts)
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

/// As many octets as wanted that follow from all of the parts.
void expand(std::initializer_list<byte_view> parts, byte_span out) {
  hash_key key{};
  store_be64(key, 0, siphash24({1}, joined(parts)));
  store_be64(key, 8, siphash24({2}, joined(parts)));
  for (std::size_t at = 0; at < out.size(); ++at)
    out[at] = static_cast<std::uint8_t>(
        siphash24(key, std::array<std::uint8_t, 2>{static_cast<std::uint8_t>(at >> 8),
                                                   static_cast<std::uint8_t>(at)}));
}

bool equals(byte_view a, byte_view b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

/// Combines octets with a stream that follows from key and nonce.
class fake_aead : public aead {
public:
  explicit fake_aead(byte_view key) { expand({key}, key_); }

  bool seal(const aead_nonce& nonce, byte_view associated, byte_view plain, std::uint8_t last,
            byte_span out) noexcept override {
    std::copy(plain.begin(), plain.end(), out.begin());
    out[plain.size()] = last;
    seal_in_place(nonce, associated, out);
    return true;
  }
  bool open(const aead_nonce& nonce, byte_view associated, byte_view sealed,
            byte_span out) noexcept override {
    if (sealed.size() < tag_size) return false;
    const auto text = sealed.subview(0, sealed.size() - tag_size);
    if (!equals(tag_of(nonce, associated, text), sealed.subview(text.size()))) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
      out[i] = static_cast<std::uint8_t>(text[i] ^ mask(nonce, i));
    return true;
  }
  /// The last tag_size octets become the tag of the others.
  void seal_in_place(const aead_nonce& nonce, byte_view associated, byte_span out) noexcept {
    const auto length = out.size() - tag_size;
    for (std::size_t i = 0; i < length; ++i)
      out[i] = static_cast<std::uint8_t>(out[i] ^ mask(nonce, i));
    const auto tag = tag_of(nonce, associated, byte_view{out}.subview(0, length));
    std::copy(tag.begin(), tag.end(), out.begin() + length);
  }

private:
  std::uint8_t mask(const aead_nonce& nonce, std::size_t at) const noexcept {
    return static_cast<std::uint8_t>(key_[at % key_.size()] + nonce[at % nonce.size()] + at);
  }
  std::array<std::uint8_t, tag_size> tag_of(const aead_nonce& nonce, byte_view associated,
                                            byte_view text) const {
    std::array<std::uint8_t, tag_size> tag{};
    const auto all = joined({nonce, associated, text});
    store_be64(tag, 0, siphash24(key_, all));
    store_be64(tag, 8, siphash24(key_, joined({all, key_})));
    return tag;
  }

  hash_key key_{};
};

constexpr std::size_t server_flight_size = 225;
constexpr std::size_t finished_size = 64;
constexpr std::size_t record_start = 5;

/// A flight that begins like a record, then has random octets, and ends with a proof of the key and
/// of all that was said before.
octets proven(const secret& psk, byte_view said, std::size_t size, std::uint8_t type,
              xorshift& random) {
  octets out{type, 3, 3, 0, 0};
  while (out.size() < size - tag_size)
    out.push_back(static_cast<std::uint8_t>(random.next()));
  store_be16(out, 3, static_cast<std::uint16_t>(size - record_start));
  out.resize(size);
  const auto length = size - tag_size;
  expand({psk.view(), said, byte_view{out}.subview(0, length)}, byte_span{out}.subview(length));
  return out;
}

bool is_proven(const secret& psk, byte_view said, byte_view flight) {
  const auto length = flight.size() - tag_size;
  std::array<std::uint8_t, tag_size> proof{};
  expand({psk.view(), said, flight.subview(0, length)}, proof);
  return equals(proof, flight.subview(length));
}

/// Both ends: the three flights, each proven by the one before.
class fake_end : public tls_end {
public:
  fake_end(const secret& psk, byte_view identity, suite preferred, bool client, xorshift& random)
      : psk_(psk), identity_(identity.begin(), identity.end()), preferred_(preferred),
        client_(client), random_(random) {}

  tls_state take(byte_view in, octets& out) override {
    waiting_.insert(waiting_.end(), in.begin(), in.end());
    if (client_) return client(out);
    return server(out);
  }
  std::size_t consumed() const noexcept override { return consumed_; }
  handshake_failure why() const noexcept override { return why_; }
  suite chosen() const noexcept override { return preferred_; }
  bool export_secret(std::string_view label, byte_view context, secret& out) override {
    const octets name(label.begin(), label.end());
    expand({name, context, psk_.view(), said_}, out.span());
    return true;
  }

private:
  tls_state client(octets& out) {
    if (said_.empty()) {
      client_hello hello;
      hello.identities = {identity_};
      if (preferred_ == suite::chacha20_poly1305) hello.suites[1] = 3;
      for (auto& octet : hello.session)
        octet = static_cast<std::uint8_t>(random_.next());
      say(with_binder(hello), out);
      return tls_state::going_on;
    }
    if (waiting_.size() < server_flight_size) return tls_state::going_on;
    if (!hear(server_flight_size)) return tls_state::failed;
    say(proven(psk_, said_, finished_size, 20, random_), out);
    return tls_state::done;
  }

  tls_state server(octets& out) {
    if (said_.empty()) {
      const auto hello = parse_client_hello(waiting_);
      if (!hello)
        return hello.error() == hello_refusal::incomplete
                   ? tls_state::going_on
                   : refuse(out, handshake_failure::bad_octets);
      if (!equals(hello->identity, identity_) ||
          !is_proven(psk_, {}, byte_view{waiting_}.subview(0, hello->size)))
        return refuse(out, handshake_failure::bad_octets);
      const auto first_suite = record_start + 4 + 2 + 32 + 1 + 32 + 2 + 1;
      if (waiting_[first_suite] == 3) preferred_ = suite::chacha20_poly1305;
      move_on(hello->size);
      say(proven(psk_, said_, server_flight_size, 22, random_), out);
      return tls_state::going_on;
    }
    if (waiting_.size() < finished_size) return tls_state::going_on;
    return hear(finished_size) ? tls_state::done : refuse(out, handshake_failure::bad_octets);
  }

  /// The last octets of a ClientHello are those of its binder.
  octets with_binder(const client_hello& hello) const {
    auto out = hello.bytes();
    const auto length = out.size() - tag_size;
    expand({psk_.view(), byte_view{out}.subview(0, length)}, byte_span{out}.subview(length));
    return out;
  }
  void say(const octets& flight, octets& out) {
    said_.insert(said_.end(), flight.begin(), flight.end());
    out.insert(out.end(), flight.begin(), flight.end());
  }
  bool hear(std::size_t size) {
    why_ = waiting_[0] == 21 ? handshake_failure::alert : handshake_failure::bad_octets;
    if (!is_proven(psk_, said_, byte_view{waiting_}.subview(0, size))) return false;
    move_on(size);
    return true;
  }
  void move_on(std::size_t size) {
    const auto end = waiting_.begin() + static_cast<std::ptrdiff_t>(size);
    said_.insert(said_.end(), waiting_.begin(), end);
    waiting_.erase(waiting_.begin(), end);
    consumed_ += size;
  }
  tls_state refuse(octets& out, handshake_failure why) {
    out.insert(out.end(), {21, 3, 3, 0, 2, 2, 51}); // an alert: decrypt_error
    why_ = why;
    return tls_state::failed;
  }

  secret psk_;
  octets identity_;
  octets waiting_;
  octets said_; ///< all that both have said, in order
  std::size_t consumed_ = 0;
  suite preferred_;
  handshake_failure why_ = handshake_failure::none;
  bool client_;
  xorshift& random_;
};

class fake_crypto : public crypto {
public:
  explicit fake_crypto(std::uint64_t seed) : random_(seed) {}

  void hkdf(byte_view key, byte_view salt, byte_view info, byte_span out) override {
    expand({key, salt, info}, out);
  }
  std::unique_ptr<aead> make_aead(suite /*s*/, byte_view key) override {
    return std::make_unique<fake_aead>(key);
  }
  bool seal_once(byte_view key, const aead_nonce& nonce, byte_view plain, byte_span out) override {
    std::copy(plain.begin(), plain.end(), out.begin());
    fake_aead{key}.seal_in_place(nonce, {}, out);
    return true;
  }
  bool open_once(byte_view key, const aead_nonce& nonce, byte_view sealed, byte_span out) override {
    return fake_aead{key}.open(nonce, {}, sealed, out);
  }
  std::unique_ptr<tls_end> connect(const tls_offer& offer) override {
    return std::make_unique<fake_end>(offer.psk, offer.identity, offer.preferred, true, random_);
  }
  std::unique_ptr<tls_end> accept(const secret& psk, byte_view identity) override {
    return std::make_unique<fake_end>(psk, identity, suite::aes_128_gcm, false, random_);
  }

private:
  xorshift random_;
};

} // namespace

std::unique_ptr<crypto> make_fake_crypto(std::uint64_t seed) {
  return std::make_unique<fake_crypto>(seed);
}

} // namespace tonel::test
