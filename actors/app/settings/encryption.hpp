#pragma once

#include "protocol/expected.hpp"
#include "protocol/xor_cipher.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace tonel::actors::app {

/// The cipher of "xor:KEY", as in tonel 0.6.1.
/// Errors: the problem in words, without any part of the key
[[nodiscard]] expected<std::shared_ptr<const protocol::xor_cipher>, std::string>
parse_encryption(std::string_view text);

} // namespace tonel::actors::app
