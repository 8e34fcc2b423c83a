#pragma once

#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <memory>

namespace tonel::tls {

/// Frees what OpenSSL has made by the function that belongs to it.
template <auto Free> struct freed_by {
  template <class T> void operator()(T* handle) const noexcept { Free(handle); }
};
using cipher_context = std::unique_ptr<EVP_CIPHER_CTX, freed_by<EVP_CIPHER_CTX_free>>;
using mac = std::unique_ptr<EVP_MAC, freed_by<EVP_MAC_free>>;
using mac_context = std::unique_ptr<EVP_MAC_CTX, freed_by<EVP_MAC_CTX_free>>;
using ssl_context = std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>>;
using ssl_connection = std::unique_ptr<SSL, freed_by<SSL_free>>;
using ssl_session = std::unique_ptr<SSL_SESSION, freed_by<SSL_SESSION_free>>;

} // namespace tonel::tls
