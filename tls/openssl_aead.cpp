#include "tls/openssl_aead.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tonel::tls {

using protocol::byte_span;
using protocol::byte_view;
using protocol::sealed::aead_nonce;
using protocol::sealed::suite;
using protocol::sealed::tag_size;

namespace {

const unsigned char* key_or_kept(byte_view key) noexcept {
  return key.empty() ? nullptr : key.data();
}

class openssl_aead : public protocol::sealed::aead {
public:
  explicit openssl_aead(cipher_context context) noexcept : context_(std::move(context)) {}

  bool seal(const aead_nonce& nonce, byte_view associated, byte_view plain, std::uint8_t last,
            byte_span out) noexcept override {
    return seal_with(context_.get(), {}, nonce, associated, plain, &last, out);
  }
  bool open(const aead_nonce& nonce, byte_view associated, byte_view sealed,
            byte_span out) noexcept override {
    return open_with(context_.get(), {}, nonce, associated, sealed, out);
  }

private:
  cipher_context context_;
};

} // namespace

bool seal_with(EVP_CIPHER_CTX* context, byte_view key, const aead_nonce& nonce,
               byte_view associated, byte_view plain, const std::uint8_t* last,
               byte_span out) noexcept {
  const auto length = static_cast<int>(plain.size());
  int written = 0;
  bool ok = EVP_EncryptInit_ex2(context, nullptr, key_or_kept(key), nonce.data(), nullptr) == 1;
  if (!associated.empty())
    ok = ok && EVP_EncryptUpdate(context, nullptr, &written, associated.data(),
                                 static_cast<int>(associated.size())) == 1;
  if (length != 0)
    ok = ok && EVP_EncryptUpdate(context, out.data(), &written, plain.data(), length) == 1;
  if (last != nullptr)
    ok = ok && EVP_EncryptUpdate(context, out.data() + length, &written, last, 1) == 1;
  auto* const tag = out.data() + length + (last != nullptr ? 1 : 0);
  return ok && EVP_EncryptFinal_ex(context, tag, &written) == 1 &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, tag_size, tag) == 1;
}

bool open_with(EVP_CIPHER_CTX* context, byte_view key, const aead_nonce& nonce,
               byte_view associated, byte_view sealed, byte_span out) noexcept {
  if (sealed.size() < tag_size) return false;
  const auto length = static_cast<int>(sealed.size() - tag_size);
  // OpenSSL wants a tag that it may change, and does not.
  std::array<std::uint8_t, tag_size> tag{};
  std::copy_n(sealed.data() + length, tag.size(), tag.data());
  int written = 0;
  bool ok = EVP_DecryptInit_ex2(context, nullptr, key_or_kept(key), nonce.data(), nullptr) == 1 &&
            EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, tag_size, tag.data()) == 1;
  if (!associated.empty())
    ok = ok && EVP_DecryptUpdate(context, nullptr, &written, associated.data(),
                                 static_cast<int>(associated.size())) == 1;
  if (length != 0)
    ok = ok && EVP_DecryptUpdate(context, out.data(), &written, sealed.data(), length) == 1;
  ok = ok && EVP_DecryptFinal_ex(context, out.data() + length, &written) == 1;
  return ok;
}

std::unique_ptr<protocol::sealed::aead> make_openssl_aead(suite s, byte_view key) {
  const auto* const cipher = s == suite::aes_128_gcm ? EVP_aes_128_gcm() : EVP_chacha20_poly1305();
  cipher_context context{EVP_CIPHER_CTX_new()};
  // The key stays set for both directions.
  if (key.size() != key_size(s) || !context ||
      EVP_EncryptInit_ex2(context.get(), cipher, key.data(), nullptr, nullptr) != 1) {
    ERR_clear_error();
    return nullptr;
  }
  return std::make_unique<openssl_aead>(std::move(context));
}

} // namespace tonel::tls
