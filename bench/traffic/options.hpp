#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tonel::bench {

/// The words after a subcommand: `--name VALUE`, `--name=VALUE`, flags, and positional words.
/// Errors: every mistake ends the program with a message and exit code 2; `finish` finds options
///         that nothing asked for
class options {
public:
  /// `flags` are the options that take no value.
  options(std::string command, const std::vector<std::string>& words,
          const std::set<std::string>& flags);

  bool flag(const std::string& name);
  std::optional<std::string> text(const std::string& name);
  std::string text(const std::string& name, const std::string& otherwise);
  std::optional<std::uint64_t> number(const std::string& name);
  std::uint64_t number(const std::string& name, std::uint64_t otherwise);
  /// A number that may have a fraction, and a suffix k, M or G (powers of 1000).
  std::optional<double> quantity(const std::string& name);
  /// The next positional word.
  std::string word(const std::string& meaning);
  void finish();

  [[noreturn]] void fail(const std::string& why) const;

private:
  std::string command_;
  std::map<std::string, std::string> given_;
  std::set<std::string> asked_;
  std::vector<std::string> words_;
};

} // namespace tonel::bench
