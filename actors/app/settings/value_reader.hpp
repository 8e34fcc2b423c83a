#pragma once

#include "actors/app/settings/config_file.hpp"
#include "actors/app/settings/options.hpp"
#include "actors/app/settings/settings.hpp"
#include "actors/app/settings/value_rules.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tonel::actors::app {

/// Reads values one by one; notes errors, and goes on with harmless values.
class reader {
public:
  reader(role side, const command_line& line, const config_files& files)
      : side_{side}, line_{line}, files_{files}, errors_{line.errors} {
    errors_.insert(errors_.end(), files.errors.begin(), files.errors.end());
  }

  std::vector<option_error>& errors() { return errors_; }
  /// Reads the values of this tunnel's section from now on; null: those of the process.
  void enter(const tunnel_section* section) { section_ = section; }

  /// Whether the option was given.
  bool given(std::string_view name) const { return rank(name) != source::preset; }

  /// The value as typed, or the default.
  std::string_view text(std::string_view name) const { return look(name).text; }

  /// Of two options the one from the stronger place; it is an error if both come from the same.
  std::string_view stronger(const char* one, const char* other) {
    if (given(one) && rank(one) == rank(other))
      refuse(other, std::string{"cannot go with "} + (rank(one) == source::line ? "--" : "") + one);
    return rank(other) < rank(one) ? other : one;
  }

  /// Whether a required option was given; if not, notes the error once.
  bool present(std::string_view name, const char* example) {
    if (given(name)) return true;
    const auto option = (section_ != nullptr ? "" : "--") + std::string{name};
    const auto place = section_ != nullptr ? section_->place : std::string{};
    const auto noted = std::any_of(errors_.begin(), errors_.end(), [&](const auto& e) {
      return e.option == option && e.place == place;
    });
    if (!noted)
      errors_.push_back({option, "", std::string{"is required, for example "} + example, place});
    return false;
  }

  void refuse(std::string_view name, std::string problem) {
    const auto found = look(name);
    // Errors must not show keys.
    const auto* row = find_option(name);
    const auto value = row != nullptr && row->secret ? std::string_view{} : found.text;
    option_error error{option_of(name), std::string{value}, std::move(problem),
                       std::string{found.place}};
    // Values before the sections are read for each of them, but give one error.
    const auto same = [&](const auto& e) {
      return e.option == error.option && e.place == error.place && e.problem == error.problem;
    };
    if (std::none_of(errors_.begin(), errors_.end(), same)) errors_.push_back(std::move(error));
  }

  /// The file that an option names.
  named_file file(std::string_view name) const {
    const auto found = look(name);
    return {std::string{found.text}, option_of(name), std::string{found.place}};
  }

  std::uint64_t number(std::string_view name) {
    const auto* row = find_option(name);
    const auto value = parse_number(text(name));
    if (value && *value >= row->least && *value <= row->most) return *value;
    const bool or_auto = row->preset.of(side_) == "auto";
    refuse(name, "must be " + range_text(*row) + (or_auto ? ", or auto" : ""));
    bad_numbers_.emplace_back(name);
    return row->least;
  }
  std::size_t size(std::string_view name) { return static_cast<std::size_t>(number(name)); }

  /// Whether a number read before was valid: a cross-check with a wrong one would only confuse.
  bool good(std::string_view name) const {
    return std::find(bad_numbers_.begin(), bad_numbers_.end(), name) == bad_numbers_.end();
  }

private:
  // The strongest first.
  enum class source : std::uint8_t { line, section, process, preset };
  struct found_value {
    source from = source::preset;
    std::string_view text, place;
  };

  found_value look(std::string_view name) const {
    const auto* row = find_option(name);
    // Outside sections these two would apply to every tunnel.
    const bool own = section_ != nullptr && (name == "local" || name == "remote");
    if (const auto at = line_.values.find(name); !own && at != line_.values.end())
      return {source::line, at->second, {}};
    if (section_ != nullptr)
      if (const auto at = section_->values.find(name); at != section_->values.end())
        return {source::section, at->second.text, at->second.place};
    if (const auto at = files_.process.find(name); !own && at != files_.process.end())
      // A flag's value is empty; or "no", as if not given.
      if (row == nullptr || !row->argument.of(side_).empty() || at->second.text.empty())
        return {source::process, at->second.text, at->second.place};
    return {source::preset, row != nullptr ? row->preset.of(side_) : std::string_view{}, {}};
  }
  source rank(std::string_view name) const { return look(name).from; }
  std::string option_of(std::string_view name) const {
    const bool in_file = !look(name).place.empty();
    return (in_file ? "" : "--") + std::string{name};
  }

  role side_;
  const command_line& line_;
  const config_files& files_;
  const tunnel_section* section_ = nullptr;
  std::vector<option_error> errors_;
  std::vector<std::string> bad_numbers_;
};

} // namespace tonel::actors::app
