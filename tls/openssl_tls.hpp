#pragma once

#include "protocol/sealed/crypto.hpp"
#include "tls/openssl_handles.hpp"

#include <memory>

namespace tonel::tls {

/// What all handshakes of a side share. Null: the library can't.
ssl_context make_client_context();
ssl_context make_server_context();

/// One end of a connection over memory. Null: the library can't.
std::unique_ptr<protocol::sealed::tls_end> connect_by(SSL_CTX* context,
                                                      const protocol::sealed::tls_offer& offer);
std::unique_ptr<protocol::sealed::tls_end>
accept_by(SSL_CTX* context, const protocol::sealed::secret& psk, protocol::byte_view identity);

} // namespace tonel::tls
