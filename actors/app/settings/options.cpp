#include "actors/app/settings/options.hpp"

#include <boost/program_options/errors.hpp>
#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>

#include <algorithm>
#include <cstring>
#include <set>
#include <sstream>

namespace tonel::actors::app {

namespace {

namespace po = boost::program_options;

po::options_description describe(role side) {
  po::options_description out;
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      std::string names = option.name;
      if (option.letter != 0) names += std::string{","} + option.letter;
      if (option.argument.of(side).empty()) {
        out.add_options()(names.c_str(), "");
      } else {
        out.add_options()(names.c_str(), po::value<std::string>(), "");
      }
    }
  }
  return out;
}

/// "--remote" from "--remote", "--remote=x", "-r" and "-rx"; empty: no known option.
std::string long_name(const std::string& token) {
  if (token.size() < 2 || token[0] != '-') return {};
  if (token[1] == '-') {
    const auto name = token.substr(2, token.find('=') - 2);
    return find_option(name) != nullptr ? "--" + name : std::string{};
  }
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      if (option.letter == token[1]) return std::string{"--"} + option.name;
    }
  }
  return {};
}

std::string problem_of(const po::error_with_option_name& error) {
  const auto* syntax = dynamic_cast<const po::invalid_syntax*>(&error);
  if (syntax != nullptr) {
    switch (syntax->kind()) {
    case po::invalid_syntax::missing_parameter:
    case po::invalid_syntax::empty_adjacent_parameter: return "needs a value";
    case po::invalid_syntax::extra_parameter: return "takes no value";
    default: break;
    }
  }
  return error.what();
}

/// In "--mtu --tun x" the library takes an option for the value of the one before it: gives the
/// index of the latter.
std::size_t find_swallower(const std::vector<std::string>& tokens,
                           const std::vector<po::option>& options) {
  for (const auto& option : options) {
    const auto& own = option.original_tokens;
    if (own.size() < 2 || option.unregistered || long_name(own[1]).empty()) continue;
    const auto at = std::search(tokens.begin(), tokens.end(), own.begin(), own.end());
    if (at != tokens.end()) return static_cast<std::size_t>(at - tokens.begin());
  }
  return tokens.size();
}

/// The index of the token that an error about `name` is about. If the option is given more than
/// once, it is the one with something attached ("--mtu=", "-4x"), or else the last one, since only
/// at the end of the line an option can lack its value.
std::size_t find_bad(const std::vector<std::string>& tokens, const std::string& name) {
  std::size_t bad = tokens.size();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (long_name(tokens[i]) != name) continue;
    bad = i;
    const bool attached = tokens[i][1] == '-' ? tokens[i].back() == '=' : tokens[i].size() > 2;
    if (attached) break;
  }
  return bad;
}

/// The library stops at the first error: its token is noted and removed, and the rest is parsed
/// again.
std::vector<po::option> parse_all(const po::options_description& known,
                                  std::vector<std::string> tokens,
                                  std::vector<option_error>& errors) {
  namespace style = po::command_line_style;
  constexpr int no_guessing = style::unix_style & ~style::allow_guessing;
  while (true) {
    try {
      auto options = po::command_line_parser(tokens)
                         .options(known)
                         .style(no_guessing)
                         .allow_unregistered()
                         .run()
                         .options;
      const auto bad = find_swallower(tokens, options);
      if (bad == tokens.size()) return options;
      errors.push_back({long_name(tokens[bad]), "", "needs a value"});
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(bad));
    } catch (const po::error_with_option_name& error) {
      auto name = error.get_option_name();
      if (const auto canonical = long_name(name); !canonical.empty()) name = canonical;
      errors.push_back({name, "", problem_of(error)});
      const auto bad = find_bad(tokens, name);
      if (bad == tokens.size()) return {};
      tokens.erase(tokens.begin() + static_cast<std::ptrdiff_t>(bad));
    } catch (const po::error& error) {
      errors.push_back({"", "", error.what()});
      return {};
    }
  }
}

/// The value without the = of "-l=PORT", which the library leaves, and tonel 0.6.1 accepted.
std::string value_of(const po::option& option) {
  if (option.value.empty()) return {};
  const auto& value = option.value.front();
  const auto& token = option.original_tokens.empty() ? value : option.original_tokens.front();
  const bool sign = token.size() > 2 && token[0] == '-' && token[1] != '-' && token[2] == '=';
  return sign && !value.empty() && value[0] == '=' ? value.substr(1) : value;
}

} // namespace

command_line parse_command_line(role side, const std::vector<std::string>& arguments) {
  command_line out;
  const auto known = describe(side);
  std::set<std::string> refused;
  bool after_unknown = false;
  for (const auto& option : parse_all(known, arguments, out.errors)) {
    const auto value = value_of(option);
    if (option.position_key >= 0) {
      // A word after an unknown option is most likely its value, so it is no other error.
      if (!after_unknown) out.errors.push_back({"", value, "belongs to no option"});
      after_unknown = false;
      continue;
    }
    after_unknown = option.unregistered;
    if (option.unregistered) {
      const auto token =
          option.original_tokens.empty() ? option.string_key : option.original_tokens.front();
      out.errors.push_back({token.substr(0, token.find('=')), "", "is not an option"});
      continue;
    }
    const auto name = "--" + option.string_key;
    if (option.string_key == "help" || option.string_key == "version") {
      if (out.what == command_line::request::run) {
        out.what = option.string_key == "help" ? command_line::request::help
                                               : command_line::request::version;
      }
      continue;
    }
    const auto* row = find_option(option.string_key);
    const bool takes_value = row != nullptr && !row->argument.of(side).empty();
    if (takes_value && value.empty()) {
      out.errors.push_back({name, "", "needs a value"});
    } else if (!out.values.emplace(option.string_key, value).second &&
               refused.insert(name).second) {
      out.errors.push_back({name, "", "is given more than once"});
    }
  }
  return out;
}

std::optional<std::pair<std::string, std::string>> parse_assignment(const std::string& line) {
  // The library would end the value at a #, which a key may contain.
  constexpr char shield = '\x01';
  if (line.find(shield) != std::string::npos) return {};
  std::string shielded = line;
  std::replace(shielded.begin(), shielded.end(), '#', shield);
  std::istringstream in{shielded};
  try {
    // One line at a time: the library stops at the first error, and does not count lines.
    const auto parsed = po::parse_config_file(in, po::options_description{}, true).options;
    if (parsed.size() != 1 || parsed.front().string_key.empty()) return {};
    auto value = parsed.front().value.empty() ? std::string{} : parsed.front().value.front();
    std::replace(value.begin(), value.end(), shield, '#');
    return std::pair{parsed.front().string_key, std::move(value)};
  } catch (const po::error&) {
    return {};
  }
}

void hide_keys(int argc, char** argv) {
  const auto is_secret = [](std::string_view word) {
    const auto* row = word.substr(0, 2) == "--" ? find_option(word.substr(2)) : nullptr;
    return row != nullptr && row->secret;
  };
  for (int i = 1; i < argc; ++i) {
    char* from = argv[i];
    const std::string_view word{from};
    const auto sign = word.find('=');
    if (!is_secret(word.substr(0, sign))) continue;
    if (sign != std::string_view::npos)
      from += sign + 1;
    else if (i + 1 < argc)
      from = argv[++i];
    else
      continue;
    std::fill(from, from + std::strlen(from), 'x');
  }
}

} // namespace tonel::actors::app
