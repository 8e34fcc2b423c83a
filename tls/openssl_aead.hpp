#pragma once

#include "protocol/sealed/crypto.hpp"
#include "tls/openssl_handles.hpp"

#include <memory>

namespace tonel::tls {

/// A cipher of OpenSSL with its key set, whose context is kept for all its records.
std::unique_ptr<protocol::sealed::aead> make_openssl_aead(protocol::sealed::suite s,
                                                          protocol::byte_view key);

/// Seals or opens one message with a context for this: `last` behind `plain`, if there is one. key:
/// empty: the one that the context has
bool seal_with(EVP_CIPHER_CTX* context, protocol::byte_view key,
               const protocol::sealed::aead_nonce& nonce, protocol::byte_view associated,
               protocol::byte_view plain, const std::uint8_t* last,
               protocol::byte_span out) noexcept;
bool open_with(EVP_CIPHER_CTX* context, protocol::byte_view key,
               const protocol::sealed::aead_nonce& nonce, protocol::byte_view associated,
               protocol::byte_view sealed, protocol::byte_span out) noexcept;

} // namespace tonel::tls
