#pragma once

#include "protocol/sealed/crypto.hpp"

#include <memory>

namespace tonel::tls {

/// The cryptography of sealed streams by OpenSSL 3. Null: the library misses something that is needed,
/// because of its configuration perhaps. Its random numbers are the library's own.
/// Owns:   contexts of the library; what it makes does not refer to it
/// Thread: one at a time; two of them share nothing that changes
std::unique_ptr<protocol::sealed::crypto> make_openssl_crypto();

} // namespace tonel::tls
