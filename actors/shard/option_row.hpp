#pragma once

#include <cstdint>
#include <string_view>

namespace tonel::actors {

/// The end of the tunnel that this process is.
enum class role : std::uint8_t { client, server };

/// A text that may differ between tonelc and tonels.
struct by_role {
  const char* client = "";
  const char* server = "";
  constexpr by_role() = default;
  constexpr by_role(const char* both) : client{both}, server{both} {} // NOLINT: meant to convert
  constexpr by_role(const char* c, const char* s) : client{c}, server{s} {}
  constexpr std::string_view of(role side) const { return side == role::client ? client : server; }
};

/// What an option applies to.
enum class option_scope : std::uint8_t {
  process,
  tunnel,       ///< permitted in a [tunnel.NAME] section
  command_line, ///< makes no sense in a file: --help, --config and the like
};

/// The headings of --help, in order.
enum class option_heading : std::uint8_t {
  tunnel,
  device,
  firewall,
  limits,
  logging,
  status,
  process,
  other,
};

/// The programs that use an option. The other program only checks it, so that both sides can share
/// their options.
enum class used_by : std::uint8_t { both, client, server };

/// The name, values and meaning of one option, for the parser, the check of values, --help, man
/// pages, completions and the lists in the documentation.
/// Shape: a value for tables; each member function gives a row with one property more
struct option_row {
  const char* name = "";             ///< without the dashes
  by_role argument;                  ///< word for the value in --help: "PATH"; empty: no value
  by_role preset;                    ///< the default, as typed; empty: none
  by_role text;                      ///< the meaning
  char letter = 0;                   ///< short form; 0: none
  std::uint64_t least = 0, most = 0; ///< range of a number; most 0: not a number
  const char* choices = "";          ///< permitted or suggested words, each followed by a blank
  option_heading group = option_heading::tunnel;
  option_scope scope = option_scope::process;
  used_by programs = used_by::both;
  bool secret = false; ///< the value is never shown, not even in errors

  constexpr option_row() = default;
  constexpr option_row(const char* called, by_role takes, by_role otherwise, by_role means)
      : name{called}, argument{takes}, preset{otherwise}, text{means} {}

  constexpr option_row with_letter(char c) const {
    auto out = *this;
    out.letter = c;
    return out;
  }
  constexpr option_row within(std::uint64_t from, std::uint64_t to) const {
    auto out = *this;
    out.least = from;
    out.most = to;
    return out;
  }
  constexpr option_row one_of(const char* words) const {
    auto out = *this;
    out.choices = words;
    return out;
  }
  constexpr option_row of(option_heading heading, option_scope what = option_scope::process) const {
    auto out = *this;
    out.group = heading;
    out.scope = what;
    return out;
  }
  constexpr option_row of_tunnel(used_by who = used_by::both) const {
    auto out = *this;
    out.scope = option_scope::tunnel;
    out.programs = who;
    return out;
  }
  constexpr option_row hidden() const {
    auto out = *this;
    out.secret = true;
    return out;
  }
  constexpr bool used(role side) const {
    return programs == used_by::both || (programs == used_by::client) == (side == role::client);
  }
};

} // namespace tonel::actors
