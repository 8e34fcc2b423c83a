#include "system/state_directory.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

using namespace tonel::sys;
namespace fs = std::filesystem;

namespace {

/// A folder of this test, and the state directory in it.
struct place {
  place() {
    std::string name = "/tmp/tonel-state-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(name.data()) != nullptr);
    root = name;
    path = root / "state";
  }
  place(const place&) = delete;
  place& operator=(const place&) = delete;
  ~place() { fs::remove_all(root); }
  void put(const std::string& name, const std::string& text, mode_t mode = 0600) const {
    std::ofstream{path / name} << text;
    BOOST_REQUIRE(::chmod((path / name).c_str(), mode) == 0);
  }
  fs::path root, path;
};

int error_of(const result<std::optional<std::string>>& r) { return r ? 0 : r.error().number; }

} // namespace

BOOST_AUTO_TEST_SUITE(state_directory_test)

BOOST_AUTO_TEST_CASE(what_is_written_is_read_and_others_see_nothing_of_it) {
  const place p;
  const auto d = state_directory::open(p.path);
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST((*d->read("x", 100) == std::nullopt));
  BOOST_TEST(d->write("x", "first").has_value());
  BOOST_TEST(d->write("x", "second").has_value());
  BOOST_TEST((*d->read("x", 100) == std::optional<std::string>{"second"}));
  BOOST_TEST((*d->read("x", 6) == std::optional<std::string>{"second"}));
  BOOST_TEST(error_of(d->read("x", 5)) == EFBIG);
  struct stat is {};
  BOOST_TEST(::stat((p.path / "x").c_str(), &is) == 0);
  BOOST_TEST((is.st_mode & 07777) == 0600u);
  BOOST_TEST(::stat(p.path.c_str(), &is) == 0);
  BOOST_TEST((is.st_mode & 07777) == 0700u);
  BOOST_TEST(!fs::exists(p.path / "x.new"));
}

BOOST_AUTO_TEST_CASE(two_programs_do_not_share_one) {
  const place p;
  {
    const auto first = state_directory::open(p.path);
    BOOST_TEST_REQUIRE(first.has_value());
    const auto second = state_directory::open(p.path);
    BOOST_TEST_REQUIRE(!second.has_value());
    BOOST_TEST(second.error().number == EWOULDBLOCK);
  }
  BOOST_TEST(state_directory::open(p.path).has_value());
}

BOOST_AUTO_TEST_CASE(a_link_in_place_of_a_file_is_not_followed) {
  const place p;
  const auto d = state_directory::open(p.path);
  const auto victim = p.root / "victim";
  std::ofstream{victim} << "mine";
  for (const char* name : {"x", "x.new"})
    fs::create_symlink(victim, p.path / name);
  BOOST_TEST(error_of(d->read("x", 100)) == ELOOP);
  BOOST_TEST(d->write("x", "state").has_value());
  BOOST_TEST((*d->read("x", 100) == std::optional<std::string>{"state"}));
  std::string left;
  std::getline(std::ifstream{victim} >> std::ws, left);
  BOOST_TEST(left == "mine");
}

BOOST_AUTO_TEST_CASE(what_others_may_have_written_or_read_is_not_taken) {
  const place p;
  const auto d = state_directory::open(p.path);
  for (const mode_t mode : {0604, 0640, 0660, 0602}) {
    p.put("x", "text", mode);
    BOOST_TEST(error_of(d->read("x", 100)) == EPERM);
  }
  if (::geteuid() == 0) {
    p.put("x", "text");
    BOOST_TEST(::chown((p.path / "x").c_str(), 12'345, 12'345) == 0);
    BOOST_TEST(error_of(d->read("x", 100)) == EPERM);
  }
  BOOST_TEST(d->write("x", "new").has_value());
  BOOST_TEST((*d->read("x", 100) == std::optional<std::string>{"new"}));
}

BOOST_AUTO_TEST_CASE(what_is_no_file_holds_nothing_up) {
  const place p;
  const auto d = state_directory::open(p.path);
  BOOST_TEST(::mkfifo((p.path / "x").c_str(), 0600) == 0);
  BOOST_TEST(error_of(d->read("x", 100)) == EINVAL);
  fs::create_directory(p.path / "y");
  BOOST_TEST(error_of(d->read("y", 100)) == EINVAL);
  BOOST_TEST(!d->write("y", "text").has_value());
  BOOST_TEST(!fs::exists(p.path / "y.new"));
}

BOOST_AUTO_TEST_CASE(a_directory_that_others_may_write_to_is_refused) {
  const place p;
  fs::create_directory(p.path);
  for (const mode_t mode : {0777, 0770, 0702}) {
    BOOST_TEST(::chmod(p.path.c_str(), mode) == 0);
    BOOST_TEST(state_directory::open(p.path).error().number == EPERM);
  }
  BOOST_TEST(::chmod(p.path.c_str(), 0755) == 0); // to look is no harm: files are closed themselves
  BOOST_TEST(state_directory::open(p.path).has_value());
  if (::geteuid() == 0) {
    BOOST_TEST(::chown(p.path.c_str(), 12'345, 12'345) == 0);
    BOOST_TEST(state_directory::open(p.path).error().number == EPERM);
  }
  BOOST_TEST(state_directory::open(p.root / "no" / "parent").error().number == ENOENT);
  std::ofstream{p.root / "file"} << "x";
  BOOST_TEST(state_directory::open(p.root / "file").error().number == ENOTDIR);
}

BOOST_AUTO_TEST_CASE(systemds_directory_is_the_first_of_its_list) {
  ::setenv("STATE_DIRECTORY", "/var/lib/a:/var/lib/b", 1);
  BOOST_TEST(given_state_directory() == "/var/lib/a");
  ::unsetenv("STATE_DIRECTORY");
  BOOST_TEST(given_state_directory().empty());
}

BOOST_AUTO_TEST_SUITE_END()
