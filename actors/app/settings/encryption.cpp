#include "actors/app/settings/encryption.hpp"

#include "actors/app/settings/lower_case.hpp"

#include <cstddef>
#include <string>

namespace tonel::actors::app {

namespace {

// More would be cut without a word.
constexpr std::size_t longest_key = 1024;

} // namespace

expected<std::shared_ptr<const protocol::xor_cipher>, std::string>
parse_encryption(std::string_view given) {
  // Scheme and key in small letters, as in tonel 0.6.1.
  const auto text = lower_case_utf8(given);
  if (!text)
    return unexpected{
        std::string{"must be UTF-8 that has small letters for all capitals, on this system and "
                    "without regard to their place (no Greek capital sigma)"}};
  const auto colon = text->find(':');
  if (colon == std::string::npos || text->substr(0, colon) != "xor" || colon + 1 == text->size())
    return unexpected{std::string{"must be xor:KEY"}};
  if (text->size() - colon - 1 > longest_key)
    return unexpected{"must have a key of at most " + std::to_string(longest_key) + " bytes"};
  return std::make_shared<const protocol::xor_cipher>(std::string_view{*text}.substr(colon + 1));
}

} // namespace tonel::actors::app
