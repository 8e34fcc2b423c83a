#include "tls/openssl_tls.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

namespace tonel::tls {

using protocol::byte_view;
using protocol::sealed::handshake_failure;
using protocol::sealed::secret;
using protocol::sealed::suite;
using protocol::sealed::tls_offer;
using protocol::sealed::tls_state;

namespace {

// What OpenSSL 3.0 offers by itself, said here: a later one's longer first flight would not fit into
// one segment, and a configuration of the host's can't take away what is needed.
constexpr char groups[] = "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:"
                          "ffdhe8192";
constexpr char suites_with_aes[] =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
constexpr char suites_without_aes[] =
    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256";
// With another hash than the key's, a server of OpenSSL ignores it.
constexpr char suites_of_server[] = "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256";
constexpr unsigned char protocols[] = "\x02h2\x08http/1.1";

/// A handshake by OpenSSL.
class openssl_end : public protocol::sealed::tls_end {
public:
  openssl_end(const secret& psk, byte_view identity)
      : psk_(psk), identity_(identity.begin(), identity.end()) {}

  bool begin(SSL_CTX* context) {
    ssl_.reset(SSL_new(context));
    if (!ssl_) return false;
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    if (in_ == nullptr || out_ == nullptr) {
      BIO_free(in_);
      BIO_free(out_);
      return false;
    }
    SSL_set_bio(ssl_.get(), in_, out_); // which then has both
    return SSL_set_app_data(ssl_.get(), this) == 1;
  }
  SSL* ssl() const noexcept { return ssl_.get(); }

  tls_state take(byte_view in, std::vector<std::uint8_t>& out) override {
    const auto length = static_cast<int>(in.size());
    if (length != 0 && BIO_write(in_, in.data(), length) != length)
      return failed(handshake_failure::our_library);
    taken_ += in.size();
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_.get());
    const int error = SSL_get_error(ssl_.get(), result);
    const auto why = result == 1 ? 0 : ERR_peek_error();
    ERR_clear_error();
    char* said = nullptr;
    const auto size = BIO_get_mem_data(out_, &said);
    if (size > 0) out.insert(out.end(), said, said + size);
    static_cast<void>(BIO_reset(out_));
    if (result == 1) {
      // Without the key it would be a connection to anybody.
      if (SSL_session_reused(ssl_.get()) != 1 || SSL_version(ssl_.get()) != TLS1_3_VERSION)
        return failed(handshake_failure::stranger);
      return tls_state::done;
    }
    if (error == SSL_ERROR_WANT_READ) return tls_state::going_on;
    return failed(reason_of(why));
  }

  std::size_t consumed() const noexcept override { return taken_ - BIO_ctrl_pending(in_); }
  handshake_failure why() const noexcept override { return why_; }
  suite chosen() const noexcept override {
    return static_cast<suite>(SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl_.get())));
  }
  bool export_secret(std::string_view label, byte_view context, secret& out) override {
    return SSL_export_keying_material(ssl_.get(), out.span().data(), secret::size, label.data(),
                                      label.size(), context.data(), context.size(), 1) == 1;
  }

  /// Client: the key that is offered.
  static int use_session(SSL* ssl, const EVP_MD* /*of the server's choice*/,
                         const unsigned char** identity, std::size_t* length,
                         SSL_SESSION** session) {
    auto* const self = static_cast<openssl_end*>(SSL_get_app_data(ssl));
    *identity = self->identity_.data();
    *length = self->identity_.size();
    *session = self->session_of_key(ssl);
    return *session != nullptr ? 1 : 0;
  }
  /// Server: the key for an identity, which was looked up before.
  static int find_session(SSL* ssl, const unsigned char* identity, std::size_t length,
                          SSL_SESSION** session) {
    auto* const self = static_cast<openssl_end*>(SSL_get_app_data(ssl));
    *session = nullptr;
    const auto& known = self->identity_;
    if (std::equal(known.begin(), known.end(), identity, identity + length))
      *session = self->session_of_key(ssl);
    return 1;
  }

private:
  tls_state failed(handshake_failure why) noexcept {
    why_ = why;
    return tls_state::failed;
  }

  static handshake_failure reason_of(unsigned long error) noexcept {
    if (error == 0 || ERR_GET_LIB(error) != ERR_LIB_SSL) return handshake_failure::bad_octets;
    const int reason = ERR_GET_REASON(error);
    if (reason >= SSL_AD_REASON_OFFSET) return handshake_failure::alert;
    switch (reason) {
    case SSL_R_CERTIFICATE_VERIFY_FAILED:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: return handshake_failure::stranger;
    case ERR_R_MALLOC_FAILURE:
    case ERR_R_INTERNAL_ERROR: return handshake_failure::our_library;
    default: return handshake_failure::bad_octets;
    }
  }

  SSL_SESSION* session_of_key(SSL* ssl) {
    constexpr unsigned char aes_128_gcm_sha256[] = {0x13, 0x01};
    const auto* const cipher = SSL_CIPHER_find(ssl, aes_128_gcm_sha256);
    ssl_session session{SSL_SESSION_new()};
    const bool ok =
        session && cipher != nullptr &&
        SSL_SESSION_set1_master_key(session.get(), psk_.view().data(), secret::size) == 1 &&
        SSL_SESSION_set_cipher(session.get(), cipher) == 1 &&
        SSL_SESSION_set_protocol_version(session.get(), TLS1_3_VERSION) == 1;
    return ok ? session.release() : nullptr;
  }

  secret psk_;
  std::vector<std::uint8_t> identity_;
  ssl_connection ssl_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  std::size_t taken_ = 0;
  handshake_failure why_ = handshake_failure::none;
};

/// The first of the client's protocols that a web server has.
int choose_protocol(SSL* /*ssl*/, const unsigned char** chosen, unsigned char* length,
                    const unsigned char* offered, unsigned int offered_length, void* /*unused*/) {
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, length, protocols, sizeof protocols - 1, offered,
                            offered_length) != OPENSSL_NPN_NEGOTIATED)
    return SSL_TLSEXT_ERR_NOACK;
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

/// What both sides want.
bool set_up(SSL_CTX* context, const char* suites) {
  if (context == nullptr) return false;
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return SSL_CTX_set_ciphersuites(context, suites) == 1 &&
         SSL_CTX_set1_groups_list(context, groups) == 1 &&
         SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1;
}

} // namespace

ssl_context make_client_context() {
  ssl_context out{SSL_CTX_new(TLS_client_method())};
  // TLS 1.2 is offered as others do, and never accepted: there is no certificate that counts.
  const bool ok = set_up(out.get(), suites_with_aes) &&
                  SSL_CTX_set_min_proto_version(out.get(), TLS1_2_VERSION) == 1 &&
                  SSL_CTX_set_alpn_protos(out.get(), protocols, sizeof protocols - 1) == 0;
  if (!ok) return nullptr;
  SSL_CTX_set_verify(out.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_psk_use_session_callback(out.get(), openssl_end::use_session);
  return out;
}

ssl_context make_server_context() {
  ssl_context out{SSL_CTX_new(TLS_server_method())};
  const bool ok = set_up(out.get(), suites_of_server) &&
                  SSL_CTX_set_min_proto_version(out.get(), TLS1_3_VERSION) == 1 &&
                  SSL_CTX_set_num_tickets(out.get(), 0) == 1;
  if (!ok) return nullptr;
  // ChaCha20 for a client that names it first, since its processor lacks AES.
  SSL_CTX_set_options(out.get(), SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_psk_find_session_callback(out.get(), openssl_end::find_session);
  SSL_CTX_set_alpn_select_cb(out.get(), choose_protocol, nullptr);
  return out;
}

std::unique_ptr<protocol::sealed::tls_end> connect_by(SSL_CTX* context, const tls_offer& offer) {
  auto out = std::make_unique<openssl_end>(offer.psk, offer.identity);
  std::string name{offer.server_name};
  bool ok = out->begin(context);
  if (ok && offer.preferred == suite::chacha20_poly1305)
    ok = SSL_set_ciphersuites(out->ssl(), suites_without_aes) == 1;
  if (ok && !name.empty())
    ok = SSL_ctrl(out->ssl(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                  name.data()) == 1;
  ERR_clear_error();
  if (!ok) return nullptr;
  SSL_set_connect_state(out->ssl());
  return out;
}

std::unique_ptr<protocol::sealed::tls_end> accept_by(SSL_CTX* context, const secret& psk,
                                                     byte_view identity) {
  auto out = std::make_unique<openssl_end>(psk, identity);
  const bool ok = out->begin(context);
  ERR_clear_error();
  if (!ok) return nullptr;
  SSL_set_accept_state(out->ssl());
  return out;
}

} // namespace tonel::tls
