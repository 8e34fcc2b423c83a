#pragma once

#include <string>
#include <string_view>

namespace tonel::protocol {

/// UTF-8 text in lower case, as the key of tonel's cipher is: each character by its simple mapping,
/// U+0130 as two, and a capital sigma at a word's end as the final one. What is not UTF-8 stays.
/// Source: Unicode 14, UnicodeData.txt and SpecialCasing.txt
[[nodiscard]] std::string to_lower_case(std::string_view text);

} // namespace tonel::protocol
