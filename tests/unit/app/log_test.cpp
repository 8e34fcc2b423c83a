#include "actors/app/log.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <regex>

using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

/// An empty file that goes away with the test; the log goes back to stderr.
struct log_file {
  log_file() {
    char name[] = "/tmp/tonel_log_test.XXXXXX";
    const int fd = mkstemp(name);
    BOOST_TEST_REQUIRE(fd >= 0);
    close(fd);
    path = name;
  }
  ~log_file() {
    BOOST_TEST(!open_log(log_level::info, "/dev/null").has_value());
    std::remove(path.c_str());
  }
  std::vector<std::string> lines() const {
    std::ifstream in{path};
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);)
      out.push_back(line);
    return out;
  }
  settings at(log_level level) const {
    settings out;
    out.level = level;
    out.log_output = path;
    return out;
  }
  std::string path;
};

struct counted {
  int& calls;
  std::string to_string() const {
    ++calls;
    return "counted";
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(log_test)

BOOST_AUTO_TEST_CASE(a_line_has_time_level_and_text) {
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  log_warn("port ", std::uint16_t{443}, " of ", std::string{"host"}, ' ', true);
  const auto lines = file.lines();
  BOOST_TEST_REQUIRE(lines.size() == 1u);
  const std::regex shape{R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z warning port 443 of host true)"};
  BOOST_TEST(std::regex_match(lines[0], shape), lines[0]);
}

BOOST_AUTO_TEST_CASE(each_level_shows_itself_and_those_before) {
  const log_level levels[] = {log_level::off,  log_level::error, log_level::warn,
                              log_level::info, log_level::debug, log_level::trace};
  for (std::size_t shown = 0; shown < std::size(levels); ++shown) {
    const log_file file;
    BOOST_TEST_REQUIRE(start_log(file.at(levels[shown])).has_value());
    log_error("e");
    log_warn("w");
    log_info("i");
    log_debug("d");
    log_trace("t");
    BOOST_TEST(file.lines().size() == shown);
  }
}

BOOST_AUTO_TEST_CASE(a_line_that_is_not_shown_is_not_made) {
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  int calls = 0;
  log_debug(counted{calls});
  BOOST_TEST(calls == 0);
  log_info(counted{calls});
  BOOST_TEST(calls == 1);
}

BOOST_AUTO_TEST_CASE(foreign_text_cannot_forge_a_line) {
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  log_info("a\nb\x1b[2J");
  const auto lines = file.lines();
  BOOST_TEST_REQUIRE(lines.size() == 1u);
  BOOST_TEST(lines[0].find("a\\x0ab\\x1b[2J") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_restart_appends) {
  const log_file file;
  for (int i = 0; i < 2; ++i) {
    BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
    log_info("start");
  }
  BOOST_TEST(file.lines().size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_opened_is_a_wrong_option) {
  settings chosen;
  chosen.log_output = "/nonexistent-folder/log";
  const auto r = start_log(chosen);
  BOOST_TEST_REQUIRE(!r.has_value());
  BOOST_TEST(r.error().to_string() == "--log-output /nonexistent-folder/log: cannot be opened: No "
                                      "such file or directory");
}

BOOST_AUTO_TEST_SUITE_END()
