#pragma once

#include "protocol/sealed/crypto.hpp"

#include <cstdint>
#include <memory>

namespace tonel::test {

/// Takes the place of OpenSSL in tests and in the simulator: the same interface and flights of the
/// same shape and length, the same outcomes for wrong keys and changed octets, the same octets for the
/// same seed, and no protection at all.
std::unique_ptr<protocol::sealed::crypto> make_fake_crypto(std::uint64_t seed);

} // namespace tonel::test
