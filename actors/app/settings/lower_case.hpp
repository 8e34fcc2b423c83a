#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tonel::actors::app {

/// The text in small letters of any script, for keys that must be the same on both sides.
/// Errors: none: the text is no UTF-8; or has letters beyond ASCII, and the system has no UTF-8
///         locale; or has a capital sigma, whose small form depends on its place in a word
std::optional<std::string> lower_case_utf8(std::string_view text);

} // namespace tonel::actors::app
