#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <type_traits>
#include <vector>

namespace tonel::bench {

/// A JSON object that is written in the order of its `add` calls. Texts are the program's own:
/// names and addresses without anything to escape.
class json_object {
public:
  template <class Unsigned, class = std::enable_if_t<std::is_unsigned_v<Unsigned>>>
  json_object& add(const char* name, Unsigned value) {
    return raw(name, std::to_string(value));
  }
  json_object& add(const char* name, double value) {
    char text[32];
    std::snprintf(text, sizeof text, "%.6g", value);
    return raw(name, text);
  }
  json_object& add(const char* name, const std::string& value) {
    return raw(name, '"' + value + '"');
  }
  json_object& add(const char* name, const json_object& value) { return raw(name, value.text()); }
  json_object& add(const char* name, const std::vector<json_object>& values) {
    std::string list;
    for (const auto& value : values)
      list += (list.empty() ? "" : ", ") + value.text();
    return raw(name, '[' + list + ']');
  }

  json_object& add(const char* name, const std::vector<std::array<std::uint64_t, 2>>& pairs) {
    std::string list;
    for (const auto& [first, second] : pairs)
      list += (list.empty() ? "[" : ", [") + std::to_string(first) + ", " + std::to_string(second) +
              ']';
    return raw(name, '[' + list + ']');
  }

  std::string text() const { return '{' + body_ + '}'; }
  /// One line on stdout, at once: a reader may be waiting for it.
  void print() const {
    std::puts(text().c_str());
    std::fflush(stdout);
  }

private:
  json_object& raw(const char* name, const std::string& value) {
    if (!body_.empty()) body_ += ", ";
    body_ += '"' + std::string{name} + "\": " + value;
    return *this;
  }

  std::string body_;
};

} // namespace tonel::bench
