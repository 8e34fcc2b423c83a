#include "actors/app/programs/state_keeper.hpp"
#include "actors/runtime/log.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/stat.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

const std::string key = "0123456789abcdef 127.0.0.1:5000 127.0.0.1 0";
constexpr std::size_t most = 10;

struct place {
  place() {
    std::string name = "/tmp/tonel-keeper-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  ~place() { fs::remove_all(path); }
  std::unique_ptr<state_keeper> open() const { return state_keeper::open(path, most); }
  std::string text() const {
    std::ostringstream out;
    out << std::ifstream{path / "sessions"}.rdbuf();
    return out.str();
  }
  void damage(const std::string& text) const {
    std::ofstream{path / "sessions"} << text;
    BOOST_REQUIRE(::chmod((path / "sessions").c_str(), 0600) == 0);
  }
  fs::path path;
};

void keep(state_keeper& k) {
  k.memory()->keep(key, {{{1}, {9}, 5, true}, {protocol::ip_address::v4(192, 0, 2, 1), 443}});
}

} // namespace

BOOST_AUTO_TEST_SUITE(state_keeper_test)

BOOST_AUTO_TEST_CASE(a_later_program_has_the_sessions_of_an_earlier_one) {
  const place p;
  keep(*p.open());
  const auto later = p.open();
  BOOST_TEST_REQUIRE((later != nullptr));
  BOOST_TEST(later->memory()->is_kept());
  const auto session = later->memory()->take(key);
  BOOST_TEST_REQUIRE(session.has_value());
  BOOST_TEST((session->claim.id == protocol::session_id{1}));
}

BOOST_AUTO_TEST_CASE(
    a_program_that_is_killed_has_written_before_and_its_counters_are_not_used_again) {
  const place p;
  auto first = p.open();
  keep(*first);
  first->start();
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (p.text().empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::yield();
  BOOST_TEST_REQUIRE(!p.text().empty());
  const auto written = p.text();
  first.reset();
  p.damage(written); // as if the end had not been written
  const auto counter = p.open()->memory()->take(key)->claim.counter;
  p.damage(written);
  {
    const auto second = p.open();
    BOOST_TEST(p.text() != written); // at the start already
  }
  BOOST_TEST(p.open()->memory()->take(key)->claim.counter > counter);
}

BOOST_AUTO_TEST_CASE(what_is_damaged_is_a_fresh_start_and_is_replaced) {
  const place p;
  p.damage("tonel sessions 1\nrubbish\n");
  {
    const auto k = p.open();
    BOOST_TEST_REQUIRE((k != nullptr));
    BOOST_TEST(k->memory()->size() == 0u);
    keep(*k);
  }
  BOOST_TEST(p.open()->memory()->size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_second_program_goes_on_without_it) {
  const place p;
  const auto first = p.open();
  BOOST_TEST((first != nullptr));
  BOOST_TEST((p.open() == nullptr));
  BOOST_TEST((state_keeper::open(p.path / "no" / "parent", most) == nullptr));
}

BOOST_AUTO_TEST_CASE(where_nothing_can_be_written_the_program_goes_on) {
  const place p;
  const auto k = p.open();
  fs::create_directory(p.path / "sessions"); // nothing can take its place
  std::ofstream{p.path / "sessions" / "x"} << "x";
  keep(*k);
  k->start();
  BOOST_TEST(k->memory()->size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
