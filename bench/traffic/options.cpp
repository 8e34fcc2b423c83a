#include "bench/traffic/options.hpp"

#include <cstdio>
#include <cstdlib>

namespace tonel::bench {

options::options(std::string command, const std::vector<std::string>& words,
                 const std::set<std::string>& flags)
    : command_(std::move(command)) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto& word = words[i];
    if (word.rfind("--", 0) != 0) {
      words_.push_back(word);
      continue;
    }
    const auto equals = word.find('=');
    const auto name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    std::string value;
    if (flags.count(name) != 0) {
      if (equals != std::string::npos) fail("--" + name + " takes no value");
    } else if (equals != std::string::npos) {
      value = word.substr(equals + 1);
    } else if (++i < words.size()) {
      value = words[i];
    } else {
      fail("--" + name + " needs a value");
    }
    if (!given_.emplace(name, value).second) fail("--" + name + " is given twice");
  }
}

bool options::flag(const std::string& name) {
  asked_.insert(name);
  return given_.count(name) != 0;
}

std::optional<std::string> options::text(const std::string& name) {
  asked_.insert(name);
  const auto found = given_.find(name);
  if (found == given_.end()) return std::nullopt;
  return found->second;
}

std::string options::text(const std::string& name, const std::string& otherwise) {
  return text(name).value_or(otherwise);
}

std::optional<std::uint64_t> options::number(const std::string& name) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  if (given->empty() || given->size() > 19 ||
      given->find_first_not_of("0123456789") != std::string::npos)
    fail("--" + name + ": '" + *given + "' is not a whole number");
  return std::strtoull(given->c_str(), nullptr, 10);
}

std::uint64_t options::number(const std::string& name, std::uint64_t otherwise) {
  return number(name).value_or(otherwise);
}

std::optional<double> options::quantity(const std::string& name) {
  const auto given = text(name);
  if (!given) return std::nullopt;
  char* end = nullptr;
  double value = std::strtod(given->c_str(), &end);
  std::string suffix{end};
  if (suffix == "k" || suffix == "K") value *= 1e3;
  if (suffix == "M") value *= 1e6;
  if (suffix == "G") value *= 1e9;
  const bool known =
      suffix.empty() || suffix == "k" || suffix == "K" || suffix == "M" || suffix == "G";
  if (given->empty() || end == given->c_str() || !known || !(value > 0))
    fail("--" + name + ": '" + *given + "' is not a positive number (suffixes: k, M, G)");
  return value;
}

std::string options::word(const std::string& meaning) {
  if (words_.empty()) fail(meaning + " is missing");
  auto first = words_.front();
  words_.erase(words_.begin());
  return first;
}

void options::finish() {
  for (const auto& [name, value] : given_)
    if (asked_.count(name) == 0) fail("there is no option --" + name);
  if (!words_.empty()) fail("what is '" + words_.front() + "'?");
}

void options::fail(const std::string& why) const {
  std::fprintf(stderr, "tonel-traffic %s: %s (see tonel-traffic --help)\n", command_.c_str(),
               why.c_str());
  std::exit(2);
}

} // namespace tonel::bench
