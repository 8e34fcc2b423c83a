#include "system/process.hpp"
#include "system/resolver.hpp"
#include "system/signal_source.hpp"

#include <boost/test/unit_test.hpp>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <thread>

using namespace tonel;
using namespace tonel::sys;
using namespace std::chrono_literals;

BOOST_AUTO_TEST_SUITE(process_test)

BOOST_AUTO_TEST_CASE(clocks_go_on) {
  const auto boot = boottime_now();
  const auto mono = monotonic_now();
  BOOST_TEST((boottime_now() >= boot));
  BOOST_TEST((monotonic_now() >= mono));
  BOOST_TEST((boot.time_since_epoch() > 0s));
}

BOOST_AUTO_TEST_CASE(random_octets_differ) {
  std::array<std::uint8_t, 32> a{};
  std::array<std::uint8_t, 32> b{};
  BOOST_TEST(fill_random(a).has_value());
  BOOST_TEST(fill_random(b).has_value());
  BOOST_TEST((a != b));
  BOOST_TEST(fill_random({}).has_value());
}

BOOST_AUTO_TEST_CASE(the_descriptor_limit_is_the_hard_one) {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  BOOST_TEST(raise_fd_limit() == before.rlim_max);
  rlimit after{};
  ::getrlimit(RLIMIT_NOFILE, &after);
  BOOST_TEST(after.rlim_cur == before.rlim_max);
}

BOOST_AUTO_TEST_CASE(timer_slack_is_this_threads) {
  std::thread{[] {
    set_timer_slack(1ns);
    BOOST_TEST(::prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0) == 1);
  }}.join();
}

BOOST_AUTO_TEST_CASE(signals_are_read_instead_of_handled) {
  // In a thread of its own, whose signal mask ends with it.
  std::thread{[] {
    auto source = signal_source::open({SIGUSR1, SIGUSR2});
    BOOST_TEST_REQUIRE(source.has_value());
    BOOST_TEST(source->take().empty());
    ::pthread_kill(::pthread_self(), SIGUSR2);
    pollfd p{source->fd(), POLLIN, 0};
    BOOST_TEST_REQUIRE(::poll(&p, 1, 10'000) == 1);
    BOOST_TEST(source->take() == std::vector<int>{SIGUSR2});
    BOOST_TEST(source->take().empty());
  }}.join();
}

BOOST_AUTO_TEST_CASE(a_literal_is_its_own_address) {
  const auto v4 = resolve("192.0.2.1", 80);
  BOOST_TEST_REQUIRE(v4.has_value());
  BOOST_TEST_REQUIRE(v4->size() == 1u);
  BOOST_TEST(v4->front().to_string() == "192.0.2.1:80");
  const auto v6 = resolve("2001:db8::1", 80, address_filter::v6);
  BOOST_TEST_REQUIRE(v6.has_value());
  BOOST_TEST(v6->front().to_string() == "[2001:db8::1]:80");
}

BOOST_AUTO_TEST_CASE(a_literal_of_the_other_family_is_refused) {
  const auto r = resolve("192.0.2.1", 80, address_filter::v6);
  BOOST_TEST_REQUIRE(!r.has_value());
  BOOST_TEST(r.error().number == EAFNOSUPPORT);
}

BOOST_AUTO_TEST_CASE(a_name_of_the_hosts_file_has_addresses) {
  const auto r = resolve("localhost", 53, address_filter::v4);
  BOOST_TEST_REQUIRE(r.has_value());
  BOOST_TEST_REQUIRE(!r->empty());
  BOOST_TEST(r->front().to_string() == "127.0.0.1:53");
}

BOOST_AUTO_TEST_CASE(a_name_that_cannot_be_is_told_in_words) {
  const auto r = resolve("not a name", 80);
  BOOST_TEST_REQUIRE(!r.has_value());
  BOOST_TEST(r.error().number == 0);
  BOOST_TEST(r.error().to_string().find("getaddrinfo (not a name: ") == 0u);
}

BOOST_AUTO_TEST_CASE(an_error_reads_like_perror) {
  const os_error e{EPERM, "ioctl TUNSETIFF", "tonel0"};
  BOOST_TEST(e.to_string() == "ioctl TUNSETIFF (tonel0): Operation not permitted");
}

BOOST_AUTO_TEST_SUITE_END()
