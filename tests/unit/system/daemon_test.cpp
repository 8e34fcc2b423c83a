#include "system/daemon.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>

using namespace tonel;
using namespace tonel::sys;

namespace {

/// The exit code of a process that leaves for the background and there does `then`.
int run_daemon(const std::function<void(daemon_parent&)>& then) {
  const auto child = ::fork();
  if (child == 0) {
    auto parent = daemon_parent::leave();
    if (parent) then(*parent);
    ::_exit(5); // what it ends with is not what its caller sees
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST_REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

struct path_fixture {
  std::string path = "/tmp/tonel_daemon_test." + std::to_string(::getpid());
  ~path_fixture() { std::remove(path.c_str()); }
  std::string content() const {
    std::ifstream in{path};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(daemon_test, path_fixture)

BOOST_AUTO_TEST_CASE(the_caller_ends_with_0_when_the_new_process_is_ready) {
  const auto caller = ::getpid();
  BOOST_TEST(run_daemon([&](daemon_parent& parent) {
               char where[64] = "";
               std::ofstream{path} << (::getsid(0) != ::getpid() && ::getppid() != caller)
                                   << (::getcwd(where, sizeof where) ? where : "?");
               parent.ready();
             }) == 0);
  BOOST_TEST(content() == "1/");
}

BOOST_AUTO_TEST_CASE(the_caller_ends_with_1_when_the_new_process_ends_before) {
  BOOST_TEST(run_daemon([](daemon_parent&) {}) == 1);
}

BOOST_AUTO_TEST_CASE(a_pid_file_names_the_process_and_goes_with_it) {
  {
    const auto file = pid_file::make(path);
    BOOST_TEST_REQUIRE(file.has_value());
    BOOST_TEST(content() == std::to_string(::getpid()) + "\n");
    const auto second = pid_file::make(path);
    BOOST_TEST_REQUIRE(!second.has_value());
    BOOST_TEST(second.error().number == EAGAIN);
    BOOST_TEST(content() == std::to_string(::getpid()) + "\n");
  }
  BOOST_TEST(::access(path.c_str(), F_OK) == -1);
}

BOOST_AUTO_TEST_CASE(a_pid_file_of_the_dead_is_taken_over) {
  std::ofstream{path} << "123456789 and more";
  const auto file = pid_file::make(path);
  BOOST_TEST(file.has_value());
  BOOST_TEST(content() == std::to_string(::getpid()) + "\n");
}

BOOST_AUTO_TEST_CASE(a_pid_file_follows_no_link_and_is_written_anew) {
  const auto target = path + ".target";
  std::ofstream{target} << "precious";
  BOOST_TEST_REQUIRE(::symlink(target.c_str(), path.c_str()) == 0);
  const auto linked = pid_file::make(path);
  BOOST_TEST_REQUIRE(!linked.has_value());
  BOOST_TEST(linked.error().number == ELOOP);
  std::remove(path.c_str());
  // A second name of a file keeps what it has.
  BOOST_TEST_REQUIRE(::link(target.c_str(), path.c_str()) == 0);
  BOOST_TEST(pid_file::make(path).has_value());
  std::ifstream kept{target};
  BOOST_TEST((std::string{std::istreambuf_iterator<char>{kept}, {}} == "precious"));
  std::remove(target.c_str());
  BOOST_TEST_REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  const auto pipe = pid_file::make(path);
  BOOST_TEST_REQUIRE(!pipe.has_value());
  BOOST_TEST(pipe.error().number == EINVAL);
}

BOOST_AUTO_TEST_CASE(closed_standard_descriptors_are_opened_and_the_umask_is_tightened) {
  const auto child = ::fork();
  if (child == 0) {
    for (int fd = 0; fd < 3; ++fd)
      ::close(fd);
    ::umask(0);
    make_standard_descriptors();
    keep_others_from_writing();
    const int next = ::open(path.c_str(), O_RDWR | O_CREAT, 0666);
    struct stat made {};
    ::_exit(next > 2 && ::fstat(next, &made) == 0 && (made.st_mode & 0777) == 0644 ? 0 : 1);
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

BOOST_AUTO_TEST_CASE(a_pid_file_that_cannot_be_made_is_an_error) {
  const auto file = pid_file::make("/nowhere/at/all");
  BOOST_TEST_REQUIRE(!file.has_value());
  BOOST_TEST(file.error().number == ENOENT);
}

BOOST_AUTO_TEST_CASE(paths_are_told_from_the_root) {
  BOOST_TEST(absolute_path("/a/b") == "/a/b");
  BOOST_TEST(absolute_path("b").front() == '/');
}

BOOST_AUTO_TEST_SUITE_END()
