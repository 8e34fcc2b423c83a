#include "tls/openssl_crypto.hpp"

#include "tls/openssl_aead.hpp"
#include "tls/openssl_tls.hpp"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

namespace tonel::tls {

using protocol::byte_span;
using protocol::byte_view;
using namespace protocol::sealed;

namespace {

using digest = std::array<std::uint8_t, 32>;

class openssl_crypto : public crypto {
public:
  bool begin() {
    char name[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end()};
    const std::unique_ptr<EVP_MAC, freed_by<EVP_MAC_free>> hmac{
        EVP_MAC_fetch(nullptr, "HMAC", nullptr)};
    once_.reset(EVP_CIPHER_CTX_new());
    if (!hmac || !once_) return false;
    hmac_.reset(EVP_MAC_CTX_new(hmac.get()));
    const digest any{};
    clients_ = make_client_context();
    servers_ = make_server_context();
    return hmac_ && EVP_MAC_CTX_set_params(hmac_.get(), parameters) == 1 &&
           EVP_EncryptInit_ex2(once_.get(), EVP_aes_128_gcm(), any.data(), nullptr, nullptr) == 1 &&
           clients_ && servers_;
  }

  void hkdf(byte_view key, byte_view salt, byte_view info, byte_span out) override {
    const digest no_salt{};
    digest extracted = hmac(salt.empty() ? byte_view{no_salt} : salt, {key});
    digest block{};
    std::uint8_t count = 0;
    for (std::size_t at = 0; at < out.size(); at += block.size()) {
      ++count;
      block = hmac(extracted, {at == 0 ? byte_view{} : byte_view{block}, info, {&count, 1}});
      std::copy_n(block.begin(), std::min(block.size(), out.size() - at), out.begin() + at);
    }
    secret::wipe(extracted);
    secret::wipe(block);
  }

  std::unique_ptr<aead> make_aead(suite s, byte_view key) override {
    return make_openssl_aead(s, key);
  }
  bool seal_once(byte_view key, const aead_nonce& nonce, byte_view plain, byte_span out) override {
    return seal_with(once_.get(), key, nonce, {}, plain, nullptr, out);
  }
  bool open_once(byte_view key, const aead_nonce& nonce, byte_view sealed, byte_span out) override {
    return open_with(once_.get(), key, nonce, {}, sealed, out);
  }
  std::unique_ptr<tls_end> connect(const tls_offer& offer) override {
    return connect_by(clients_.get(), offer);
  }
  std::unique_ptr<tls_end> accept(const secret& psk, byte_view identity) override {
    return accept_by(servers_.get(), psk, identity);
  }

private:
  /// HMAC with SHA-256 of octets, one after the other. By the context that is kept: what EVP_KDF does
  /// for HKDF takes several times as long, and a server does it for each of its keys.
  digest hmac(byte_view key, std::initializer_list<byte_view> parts) {
    digest out{};
    std::size_t length = 0;
    bool ok = EVP_MAC_init(hmac_.get(), key.data(), key.size(), nullptr) == 1;
    for (const auto part : parts)
      ok = ok && (part.empty() || EVP_MAC_update(hmac_.get(), part.data(), part.size()) == 1);
    ok = ok && EVP_MAC_final(hmac_.get(), out.data(), &length, out.size()) == 1;
    // A key of zeros would be worse than an end.
    if (!ok) throw std::runtime_error{"OpenSSL fails to compute an HMAC"};
    return out;
  }

  mac_context hmac_;
  cipher_context once_;
  ssl_context clients_;
  ssl_context servers_;
};

} // namespace

std::unique_ptr<crypto> make_openssl_crypto() {
  auto out = std::make_unique<openssl_crypto>();
  const bool ok = out->begin();
  ERR_clear_error();
  if (!ok) return nullptr;
  return out;
}

} // namespace tonel::tls
