#include "actors/app/settings/build_info.hpp"
#include "actors/app/settings/options.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <sstream>

using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

command_line client(std::vector<std::string> arguments) {
  return parse_command_line(role::client, arguments);
}

/// The errors, one a line.
std::string errors_of(const command_line& line) {
  std::string out;
  for (const auto& e : line.errors)
    out += e.to_string() + "\n";
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(options_test)

BOOST_AUTO_TEST_CASE(every_way_to_write_an_option_is_understood) {
  for (const auto& arguments : std::vector<std::vector<std::string>>{
           {"--local", "127.0.0.1:1", "--ipv4-only"},
           {"--local=127.0.0.1:1", "-4"},
           {"-l", "127.0.0.1:1", "-4"},
           {"-4", "-l127.0.0.1:1"},
           {"-4", "-l=127.0.0.1:1"},
       }) {
    const auto line = client(arguments);
    BOOST_TEST(errors_of(line) == "");
    BOOST_TEST((line.what == command_line::request::run));
    BOOST_TEST((line.values == option_values{{"local", "127.0.0.1:1"}, {"ipv4-only", ""}}));
  }
}

BOOST_AUTO_TEST_CASE(every_option_of_the_table_is_known_to_the_parser) {
  for (const auto side : {role::client, role::server}) {
    for (const auto& group : option_groups()) {
      for (const auto& option : group.options) {
        std::vector<std::string> arguments{std::string{"--"} + option.name};
        if (!option.argument.of(side).empty()) arguments.emplace_back("x");
        BOOST_TEST(errors_of(parse_command_line(side, arguments)) == "", option.name);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(values_are_taken_as_they_are) {
  const auto line = client({"--log-output=a=b #c", "--mtu", "-1", "--remote=[::1]:5"});
  BOOST_TEST(client({"-l", "=x"}).values.at("local") == "=x");
  BOOST_TEST(errors_of(client({"-l="})) == "--local: needs a value\n");
  BOOST_TEST(errors_of(line) == "");
  BOOST_TEST(line.values.at("log-output") == "a=b #c");
  BOOST_TEST(line.values.at("mtu") == "-1");
  BOOST_TEST(line.values.at("remote") == "[::1]:5");
}

BOOST_AUTO_TEST_CASE(help_and_version_win_over_errors) {
  BOOST_TEST((client({"--nope", "-h"}).what == command_line::request::help));
  BOOST_TEST((client({"-V", "--mtu"}).what == command_line::request::version));
  BOOST_TEST((client({"-h", "-V"}).what == command_line::request::help));
  BOOST_TEST((client({"--local", "--help"}).what == command_line::request::help));
}

BOOST_AUTO_TEST_CASE(prefixes_are_not_guessed) {
  BOOST_TEST(errors_of(client({"--mt", "3"})) == "--mt: is not an option\n");
  BOOST_TEST(errors_of(client({"--loc=127.0.0.1:1"})) == "--loc: is not an option\n");
  BOOST_TEST(errors_of(client({"--MTU=1500"})) == "--MTU: is not an option\n");
  BOOST_TEST(errors_of(client({"-x"})) == "-x: is not an option\n");
}

BOOST_AUTO_TEST_CASE(repeated_options_are_refused_in_every_spelling) {
  BOOST_TEST(errors_of(client({"--mtu=1400", "--mtu", "1500", "--mtu=1500"})) ==
             "--mtu: is given more than once\n");
  BOOST_TEST(errors_of(client({"-l", "a", "--local=b"})) == "--local: is given more than once\n");
  BOOST_TEST(errors_of(client({"-4", "--ipv4-only"})) == "--ipv4-only: is given more than once\n");
}

BOOST_AUTO_TEST_CASE(values_that_lack_or_are_too_many_are_named) {
  BOOST_TEST(errors_of(client({"--mtu"})) == "--mtu: needs a value\n");
  BOOST_TEST(errors_of(client({"-l"})) == "--local: needs a value\n");
  BOOST_TEST(errors_of(client({"--mtu="})) == "--mtu: needs a value\n");
  BOOST_TEST(errors_of(client({"--mtu", ""})) == "--mtu: needs a value\n");
  BOOST_TEST(errors_of(client({"--ipv4-only=yes"})) == "--ipv4-only: takes no value\n");
  BOOST_TEST(errors_of(client({"stray"})) == "stray: belongs to no option\n");
  BOOST_TEST(errors_of(client({"-4", "--", "--mtu"})) == "--mtu: belongs to no option\n");
}

BOOST_AUTO_TEST_CASE(an_option_is_not_taken_for_the_value_of_another) {
  const auto line = client({"--mtu", "--tun", "x", "-l", "-4"});
  const auto text = errors_of(line);
  BOOST_TEST(line.errors.size() == 2u, text);
  BOOST_TEST(text.find("--mtu: needs a value\n") != std::string::npos, text);
  BOOST_TEST(text.find("--local: needs a value\n") != std::string::npos, text);
  BOOST_TEST((line.values == option_values{{"tun", "x"}, {"ipv4-only", ""}}));
}

BOOST_AUTO_TEST_CASE(all_errors_are_collected_and_good_values_kept) {
  const auto line = client({"--nope", "1", "--mtu=", "--tun", "t0", "--mtu", "1400", "-4", "-4",
                            "stray", "--what=2", "--remote"});
  const auto text = errors_of(line);
  for (const char* part : {"--nope: is not an option\n", "--mtu: needs a value\n",
                           "--remote: needs a value\n", "--ipv4-only: is given more than once\n",
                           "stray: belongs to no option\n", "--what: is not an option\n"}) {
    BOOST_TEST(text.find(part) != std::string::npos, part << " in " << text);
  }
  BOOST_TEST(line.errors.size() == 6u);
  BOOST_TEST(line.values.at("tun") == "t0");
  BOOST_TEST(line.values.at("mtu") == "1400");
}

BOOST_AUTO_TEST_CASE(no_two_options_share_a_name_or_letter) {
  std::set<std::string> names;
  std::set<char> letters;
  for (const auto& group : option_groups()) {
    for (const auto& option : group.options) {
      BOOST_TEST(names.insert(option.name).second, option.name);
      BOOST_TEST((option.letter == 0 || letters.insert(option.letter).second), option.name);
    }
  }
}

BOOST_AUTO_TEST_CASE(help_lists_every_option_with_its_default_in_80_columns) {
  for (const auto side : {role::client, role::server}) {
    const auto help = help_text(side);
    std::string words; // wrapped texts joined again
    std::istringstream lines{help};
    for (std::string line; std::getline(lines, line);) {
      BOOST_TEST(line.size() <= 80u, line);
      BOOST_TEST((line.empty() || line.back() != ' '), line);
      const auto begin = line.find_first_not_of(' ');
      if (begin != std::string::npos) words += line.substr(begin) + ' ';
    }
    for (const auto& group : option_groups()) {
      for (const auto& option : group.options) {
        const auto at = words.find(std::string{"--"} + option.name + ' ');
        BOOST_TEST(at != std::string::npos, option.name);
        const auto preset = std::string{option.preset.of(side)};
        if (!preset.empty()) {
          BOOST_TEST(words.find('[' + preset + ']', at) != std::string::npos, option.name);
        }
        BOOST_TEST(!option.text.of(side).empty(), option.name);
      }
    }
    BOOST_TEST(words.find("tonel" + std::string(side == role::client ? "c" : "s")) == 0u);
  }
}

BOOST_AUTO_TEST_CASE(version_names_the_program) {
  const auto text = version_text("tonelc");
  BOOST_TEST(text.find("tonelc " + std::string{program_version()} + '\n') == 0u);
  // No feature or library is left without a name or a version.
  BOOST_TEST(text.find("\nfeatures: malloc=") != std::string::npos);
  BOOST_TEST(text.find("\nbuilt with: CAF 0.") != std::string::npos);
  BOOST_TEST(text.find(", Boost 1.") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(errors_are_printed_one_a_line_and_harmless_to_terminals) {
  BOOST_TEST(error_text(role::client, {{"--mtu", "20", "must be 576 to 65535"},
                                       {"--tun", "a\n\x1b[2J", "is bad"},
                                       {"", "stray", "belongs to no option"}}) ==
             "tonelc: --mtu 20: must be 576 to 65535\n"
             "tonelc: --tun a\\x0a\\x1b[2J: is bad\n"
             "tonelc: stray: belongs to no option\n"
             "'tonelc --help' lists the options and what they allow.\n");
}

BOOST_AUTO_TEST_SUITE_END()
