#include "actors/app/programs/log.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
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
    BOOST_TEST(!open_log({log_level::info, log_format::text, "/dev/null"}).has_value());
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

/// stderr goes to that file.
struct captured_stderr {
  explicit captured_stderr(const std::string& path) : before(dup(STDERR_FILENO)) {
    std::clog.flush();
    const int fd = open(path.c_str(), O_WRONLY | O_APPEND);
    dup2(fd, STDERR_FILENO);
    close(fd);
  }
  ~captured_stderr() {
    std::clog.flush();
    dup2(before, STDERR_FILENO);
    close(before);
  }
  captured_stderr(const captured_stderr&) = delete;
  captured_stderr& operator=(const captured_stderr&) = delete;
  int before;
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
  log_debug("", counted{calls});
  BOOST_TEST(calls == 0);
  log_info("", counted{calls});
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

BOOST_AUTO_TEST_CASE(a_json_line_is_an_object_with_all_fields) {
  const log_file file;
  auto chosen = file.at(log_level::info);
  chosen.format = log_format::json;
  BOOST_TEST_REQUIRE(start_log(chosen).has_value());
  set_log_component("shard-1");
  log_warn("port ", 443, " says \"\n\x1b\" and \xc3\xa4, \xff and \xc3");
  set_log_component("main");
  log_info("plain");
  const auto lines = file.lines();
  BOOST_TEST_REQUIRE(lines.size() == 2u);
  const auto first = nlohmann::json::parse(lines[0]);
  BOOST_TEST(first.at("level") == "warning");
  BOOST_TEST(first.at("component") == "shard-1");
  // What is no UTF-8 is replaced; all else can be read back as it was.
  BOOST_TEST(first.at("message") ==
             "port 443 says \"\n\x1b\" and \xc3\xa4, \xef\xbf\xbd and \xef\xbf\xbd");
  BOOST_TEST(first.size() == 4u);
  const std::regex time{R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"};
  BOOST_TEST(std::regex_match(first.at("time").get<std::string>(), time));
  BOOST_TEST(lines[1].find("{\"time\":\"") == 0u);
  BOOST_TEST(nlohmann::json::parse(lines[1]).at("component") == "main");
}

BOOST_AUTO_TEST_CASE(the_journal_gets_a_priority_and_no_time) {
  const log_file file;
  const captured_stderr journal{file.path};
  settings chosen;
  chosen.level = log_level::trace;
  BOOST_TEST_REQUIRE(start_log(chosen, true).has_value());
  log_error("e");
  log_warn("w");
  log_info("i");
  log_debug("d");
  log_trace("t");
  const std::vector<std::string> expected{"<3>e", "<4>w", "<6>i", "<7>d", "<7>t"};
  BOOST_TEST(file.lines() == expected);
  chosen.format = log_format::json;
  BOOST_TEST_REQUIRE(start_log(chosen, true).has_value());
  log_warn("j");
  BOOST_TEST(file.lines().back().find("<4>{\"time\":") == 0u);
}

BOOST_AUTO_TEST_CASE(a_file_has_no_priorities_even_where_there_is_a_journal) {
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info), true).has_value());
  log_info("i");
  BOOST_TEST_REQUIRE(file.lines().size() == 1u);
  BOOST_TEST(file.lines()[0].front() == '2');
}

BOOST_AUTO_TEST_CASE(a_file_that_was_moved_away_is_made_anew) {
  const log_file file;
  const log_file old;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  log_info("before");
  BOOST_TEST_REQUIRE(std::rename(file.path.c_str(), old.path.c_str()) == 0);
  log_info("meanwhile");
  reopen_log();
  log_info("after");
  BOOST_TEST(old.lines().size() == 2u);
  BOOST_TEST_REQUIRE(file.lines().size() == 1u);
  BOOST_TEST(file.lines()[0].find(" after") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_made_anew_leaves_the_old_one) {
  const log_file file;
  auto chosen = file.at(log_level::info);
  const auto folder = file.path + ".d";
  BOOST_TEST_REQUIRE(mkdir(folder.c_str(), 0700) == 0);
  chosen.log_output = folder + "/log";
  const auto moved = file.path + ".moved";
  BOOST_TEST_REQUIRE(start_log(chosen).has_value());
  BOOST_TEST_REQUIRE(std::rename(folder.c_str(), moved.c_str()) == 0);
  reopen_log();
  log_info("still");
  std::ifstream in{moved + "/log"};
  std::string line;
  BOOST_TEST(!std::getline(in, line).fail());
  BOOST_TEST(line.find(" error the log's file cannot be opened: No such file or directory") !=
             std::string::npos);
  BOOST_TEST(!std::getline(in, line).fail());
  BOOST_TEST(line.find(" still") != std::string::npos);
  std::remove((moved + "/log").c_str());
  rmdir(moved.c_str());
}

BOOST_AUTO_TEST_CASE(stderr_is_not_opened_again) {
  const log_file file;
  const captured_stderr standard{file.path};
  BOOST_TEST_REQUIRE(start_log(settings{}).has_value());
  reopen_log();
  log_info("still");
  BOOST_TEST_REQUIRE(file.lines().size() == 1u);
  BOOST_TEST(file.lines()[0].find(" still") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_flood_of_one_kind_is_cut_and_others_pass) {
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  for (int i = 0; i < 10'000; ++i)
    log_warn("from the network: ", i);
  // A machine that takes long for these may let one more pass.
  BOOST_TEST(file.lines().size() >= 200u);
  BOOST_TEST(file.lines().size() <= 205u);
  const auto before = file.lines().size();
  log_warn("from the network: ", "another place in the code");
  BOOST_TEST(file.lines().size() == before + 1);
  for (int i = 0; i < 300; ++i)
    log_line(log_level::info, {}, "asked for");
  BOOST_TEST(file.lines().size() == before + 301);
}

BOOST_AUTO_TEST_CASE(a_kind_has_some_lines_at_once_and_then_one_each_while) {
  log_limit limit{3, 10s};
  const log_limit::time_point t0{1h};
  const log_place one{"file", 1}, other{"file", 2};
  for (int i = 0; i < 3; ++i)
    BOOST_TEST((limit.admit(one, t0) == std::uint64_t{0}));
  for (int i = 0; i < 5; ++i)
    BOOST_TEST(!limit.admit(one, t0 + 9s).has_value());
  BOOST_TEST((limit.admit(other, t0 + 9s) == std::uint64_t{0}));
  BOOST_TEST((limit.admit(one, t0 + 10s) == std::uint64_t{5}));
  BOOST_TEST(!limit.admit(one, t0 + 19s).has_value());
  BOOST_TEST((limit.admit(one, t0 + 21s) == std::uint64_t{1}));
  // Full again, and no fuller.
  for (int i = 0; i < 3; ++i)
    BOOST_TEST((limit.admit(one, t0 + 24h) == std::uint64_t{0}));
  BOOST_TEST(!limit.admit(one, t0 + 24h).has_value());
  // No place, no limit.
  for (int i = 0; i < 10; ++i)
    BOOST_TEST((limit.admit({}, t0) == std::uint64_t{0}));
}

BOOST_AUTO_TEST_CASE(a_thread_of_its_own_writes_what_all_say_each_in_order) {
  const log_file file;
  auto chosen = file.at(log_level::info);
  chosen.format = log_format::json;
  BOOST_TEST_REQUIRE(start_log(chosen).has_value());
  {
    const log_thread writer;
    std::vector<std::thread> speakers;
    for (int s = 0; s < 4; ++s)
      speakers.emplace_back([s] {
        set_log_component("shard-" + std::to_string(s));
        for (int i = 0; i < 200; ++i)
          log_line(log_level::info, {}, std::to_string(i));
      });
    for (auto& each : speakers)
      each.join();
    flush_log();
    BOOST_TEST(file.lines().size() == 800u);
    log_info("last");
  }
  std::map<std::string, int> next;
  const auto lines = file.lines();
  BOOST_TEST_REQUIRE(lines.size() == 801u);
  BOOST_TEST(lines.back().find("last") != std::string::npos);
  for (std::size_t i = 0; i < 800; ++i) {
    const auto line = nlohmann::json::parse(lines[i]);
    BOOST_TEST(line.at("message") == std::to_string(next[line.at("component")]++));
  }
  log_info("after");
  BOOST_TEST(file.lines().size() == 802u);
}

BOOST_AUTO_TEST_CASE(commands_are_bare_on_stderr_and_lines_in_a_file) {
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  log_commands({"sysctl -w a=1", "nft add"});
  BOOST_TEST_REQUIRE(file.lines().size() == 2u);
  BOOST_TEST(file.lines()[1].find(" info   nft add") != std::string::npos);
  const captured_stderr standard{file.path};
  BOOST_TEST_REQUIRE(start_log(settings{}).has_value());
  log_commands({"sysctl -w a=1"});
  BOOST_TEST(file.lines().back() == "  sysctl -w a=1");
}

BOOST_AUTO_TEST_CASE(a_full_file_costs_lines_that_are_counted) {
  settings chosen;
  chosen.log_output = "/dev/full";
  BOOST_TEST_REQUIRE(start_log(chosen).has_value());
  const auto before = log_lines_lost();
  log_info("one");
  log_info("two");
  BOOST_TEST(log_lines_lost() == before + 2);
  const log_file file;
  BOOST_TEST_REQUIRE(start_log(file.at(log_level::info)).has_value());
  log_info("three");
  const auto lines = file.lines();
  BOOST_TEST_REQUIRE(lines.size() == 2u);
  BOOST_TEST(lines[0].find(" warning 2 log lines were lost") != std::string::npos);
  BOOST_TEST(lines[1].find(" info three") != std::string::npos);
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
