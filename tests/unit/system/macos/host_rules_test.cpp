#include "system/host_rules.hpp"
#include "system/posix/host_parts.hpp"
#include "tests/unit/system/macos/fake_pf.hpp"

#include <boost/test/unit_test.hpp>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <future>
#include <iterator>
#include <memory>
#include <thread>

// What host_rules needs of a system, of a Mac in memory: in place of the Linux one that is linked.
namespace tonel::sys {

namespace {

fake_pf pf; // NOLINT: the one of this host
// What a question about its interfaces waits for.
std::function<void()> before_an_answer; // NOLINT

} // namespace

const char* to_string(backend_kind kind) noexcept { return kind == backend_kind::pf ? "pf" : ""; }
const char* known_backend_kinds() noexcept { return ""; }
std::optional<backend_kind> parse_backend_kind(std::string_view name) noexcept {
  return name == "pf" ? std::optional{backend_kind::pf} : std::nullopt;
}
result<std::unique_ptr<rule_backend>> open_backend(backend_kind) {
  return std::make_unique<pf_backend>(pf.runner());
}
std::vector<std::string> forward_obstacles(rule_backend&, const rule_plan&) { return {}; }
std::vector<std::string> tables_of_others(rule_backend&, const std::string&) { return {}; }
result<rule_plan> settle(const rule_request& request) {
  if (before_an_answer) before_an_answer();
  return request.plan;
}
void plan_forwarding(rule_plan&, const std::vector<instance_record>&,
                     const std::vector<std::string>&) {}
bool forwards(const rule_plan&) { return true; }
std::vector<std::string> switch_on(const rule_plan&, std::vector<sysctl_lease>&) { return {}; }
bool overtaken(const sysctl_lease&) { return false; }
result<bool> keep_uplinks(const rule_plan&) { return false; }
void remove_uplinks(const std::string&) noexcept {}
std::vector<std::string> uplink_obstacles(const rule_plan&) { return {}; }

} // namespace tonel::sys

using namespace tonel;
using namespace tonel::sys;

namespace {

struct host_fixture {
  host_fixture() {
    pf = fake_pf{};
    char name[] = "/tmp/host_rules_test-XXXXXX";
    folder = ::mkdtemp(name);
    request.plan.table = "tonel_utun7";
    request.plan.tun = "utun7";
    request.plan.peer4 = *protocol::ip_address::parse("192.168.200.2");
    request.plan.interface4 = "en0";
    request.plan.remotes = {{*protocol::ip_address::parse("203.0.113.7"), 4567}};
  }
  ~host_fixture() { std::filesystem::remove_all(folder); }

  std::string records() const {
    std::ifstream file{folder + "/rules"};
    return {std::istreambuf_iterator<char>{file}, {}};
  }
  static bool said(const std::string& command) {
    return std::count(pf.commands.begin(), pf.commands.end(), command) != 0;
  }

  std::string folder;
  rule_request request;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(host_rules_test, host_fixture)

BOOST_AUTO_TEST_CASE(the_reference_to_pf_is_written_down_while_it_is_held) {
  {
    host_rules rules{folder, backend_kind::automatic};
    BOOST_TEST(rules.ensure(request).has_value());
    BOOST_TEST(records().find("held 1234567890\n") != std::string::npos);
    pf.enabled = false; // "pfctl -d" of somebody: the next one is another
    pf.enable_says = "pf enabled\nToken : 77\n";
    BOOST_TEST(rules.ensure(request)->repaired);
    BOOST_TEST(records().find("held 77\n") != std::string::npos);
    BOOST_TEST(records().find("1234567890") == std::string::npos);
  }
  BOOST_TEST(said("pfctl -X 77"));
  BOOST_TEST(!said("pfctl -X 1234567890"));
  BOOST_TEST(records() == "");
}

BOOST_AUTO_TEST_CASE(one_is_written_down_though_the_rules_were_not_loaded_right) {
  pf.errors["pfctl -a com.apple/tonel_utun7 -s"] = EIO;
  host_rules rules{folder, backend_kind::automatic};
  BOOST_TEST(!rules.ensure(request).has_value());
  BOOST_TEST(records().find("held 1234567890\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_a_killed_process_held_is_given_up_by_the_next) {
  const auto child = ::fork();
  if (child == 0) {
    host_rules rules{folder, backend_kind::automatic};
    ::_exit(rules.ensure(request) ? 0 : 1);
  }
  int status = -1;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST_REQUIRE(status == 0);
  pf.enable_says = "pf enabled\nToken : 77\n";
  host_rules rules{folder, backend_kind::automatic};
  const auto report = rules.ensure(request);
  BOOST_TEST_REQUIRE(report.has_value());
  BOOST_TEST(report->notes ==
                 std::vector<std::string>{"removed what an earlier process had left: tonel_utun7"},
             boost::test_tools::per_element());
  BOOST_TEST(said("pfctl -X 1234567890"));
  BOOST_TEST(!said("pfctl -X 77"));
  BOOST_TEST(records().find("held 77\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_system_that_does_not_answer_keeps_nobody_from_ending) {
  host_rules rules{folder, backend_kind::automatic};
  BOOST_TEST_REQUIRE(rules.ensure(request).has_value());
  std::promise<void> asked, answered;
  before_an_answer = [&, answer = answered.get_future().share()] {
    asked.set_value();
    answer.wait();
  };
  std::thread hung{[&] { (void)rules.ensure(request); }};
  asked.get_future().wait();
  BOOST_TEST(rules.concerns("anything")); // it may; nobody waits to know
  BOOST_TEST(!rules.remove(std::chrono::milliseconds{10}));
  BOOST_TEST(!pf.loaded.empty());
  answered.set_value();
  hung.join();
  before_an_answer = nullptr;
  BOOST_TEST(rules.remove());
  BOOST_TEST(pf.loaded.empty());
}

BOOST_AUTO_TEST_SUITE_END()
