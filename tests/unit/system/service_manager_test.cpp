#include "system/service_manager.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>

using namespace tonel;
using namespace std::chrono_literals;

namespace {

/// A variable of the environment, as it was before at the end.
struct environment {
  environment(const char* n, const std::string& value) : name(n) {
    if (const char* old = std::getenv(n)) before = old;
    setenv(n, value.c_str(), 1);
  }
  ~environment() {
    if (before)
      setenv(name, before->c_str(), 1);
    else
      unsetenv(name);
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  const char* name;
  std::optional<std::string> before;
};

/// systemd's end of the line: a socket in the abstract name space.
struct listener {
  listener() : fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    name = "@tonel-service-manager-test-" + std::to_string(getpid());
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data() + 1, name.size() - 1);
    const auto length = offsetof(sockaddr_un, sun_path) + name.size();
    BOOST_TEST_REQUIRE(
        bind(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(length)) == 0);
  }
  ~listener() { close(fd); }
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;
  /// The next thing, which may have to be waited for.
  std::string heard() const {
    pollfd readable{fd, POLLIN, 0};
    poll(&readable, 1, 10'000);
    return heard_now();
  }
  std::string heard_now() const {
    std::array<char, 256> text{};
    const auto n = recv(fd, text.data(), text.size(), 0);
    return n < 0 ? "" : std::string{text.data(), static_cast<std::size_t>(n)};
  }
  int fd;
  std::string name;
};

} // namespace

BOOST_AUTO_TEST_SUITE(service_manager_test)

BOOST_AUTO_TEST_CASE(without_one_nothing_happens) {
  unsetenv("NOTIFY_SOCKET");
  const auto manager = sys::find_service_manager();
  manager->ready();
  manager->reloading();
  manager->stopping();
  manager->status("fine");
  manager->alive();
  BOOST_TEST((manager->watchdog_interval() == 0s));
}

#ifdef TONEL_SYSTEMD

BOOST_AUTO_TEST_CASE(systemd_hears_each_thing_in_its_words) {
  const listener systemd;
  const environment socket{"NOTIFY_SOCKET", systemd.name};
  auto manager = sys::find_service_manager();
  manager->ready();
  BOOST_TEST(systemd.heard() == "READY=1");
  manager->reloading();
  const auto reload = systemd.heard();
  const std::string begin = "RELOADING=1\nMONOTONIC_USEC=";
  BOOST_TEST(reload.substr(0, begin.size()) == begin);
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto age = now.tv_sec - std::stoll(reload.substr(begin.size())) / 1'000'000;
  BOOST_TEST(age >= 0);
  BOOST_TEST(age < 10);
  manager->status("3 sessions");
  BOOST_TEST(systemd.heard() == "STATUS=3 sessions");
  manager->status("two\nREADY=1");
  BOOST_TEST(systemd.heard() == "STATUS=two");
  manager->alive();
  BOOST_TEST(systemd.heard() == "WATCHDOG=1");
  manager->stopping();
  BOOST_TEST(systemd.heard() == "STOPPING=1");
  manager.reset();
  BOOST_TEST(systemd.heard_now() == "");
}

BOOST_AUTO_TEST_CASE(what_was_said_last_is_heard) {
  const listener systemd;
  const environment socket{"NOTIFY_SOCKET", systemd.name};
  auto manager = sys::find_service_manager();
  manager->alive();
  manager->stopping();
  manager.reset();
  BOOST_TEST(systemd.heard_now() == "WATCHDOG=1");
  BOOST_TEST(systemd.heard_now() == "STOPPING=1");
}

BOOST_AUTO_TEST_CASE(a_systemd_that_takes_nothing_is_not_waited_for) {
  const listener systemd;
  const environment socket{"NOTIFY_SOCKET", systemd.name};
  const auto began = std::chrono::steady_clock::now();
  {
    const auto manager = sys::find_service_manager();
    // More than its queue holds (net.unix.max_dgram_qlen).
    for (int i = 0; i < 2'000; ++i)
      manager->alive();
    manager->stopping();
  }
  BOOST_TEST((std::chrono::steady_clock::now() - began < 5s));
  BOOST_TEST(systemd.heard_now() == "WATCHDOG=1");
}

BOOST_AUTO_TEST_CASE(the_interval_is_that_of_this_process_alone) {
  const environment socket{"NOTIFY_SOCKET", "@nobody"};
  BOOST_TEST((sys::find_service_manager()->watchdog_interval() == 0s));
  const environment interval{"WATCHDOG_USEC", "30000000"};
  {
    const environment ours{"WATCHDOG_PID", std::to_string(getpid())};
    BOOST_TEST((sys::find_service_manager()->watchdog_interval() == 30s));
  }
  const environment foreign{"WATCHDOG_PID", std::to_string(getpid() + 1)};
  BOOST_TEST((sys::find_service_manager()->watchdog_interval() == 0s));
}

#endif

BOOST_AUTO_TEST_CASE(stderr_is_the_journal_only_where_it_is_the_very_same) {
  unsetenv("JOURNAL_STREAM");
  BOOST_TEST(!sys::stderr_is_journal());
  struct stat file {};
  BOOST_TEST_REQUIRE(fstat(STDERR_FILENO, &file) == 0);
  const auto id = std::to_string(file.st_dev) + ':' + std::to_string(file.st_ino);
  {
    const environment stream{"JOURNAL_STREAM", id};
    BOOST_TEST(sys::stderr_is_journal());
  }
  for (const auto& other : {id + "1", std::string{"1:1"}, std::string{}, std::string{"x"}}) {
    const environment stream{"JOURNAL_STREAM", other};
    BOOST_TEST(!sys::stderr_is_journal());
  }
}

BOOST_AUTO_TEST_SUITE_END()
