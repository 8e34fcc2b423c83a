#include "actors/app/programs/start_error.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <string>

using namespace tonel;
using namespace tonel::actors::app;

namespace {

std::string advice_for(int number, sys::host_system on) {
  std::string out;
  for (const auto& line : tun_error({number, "open", "tun"}, on).advice)
    out += line + '\n';
  return out;
}

bool says(const std::string& text, const char* what) { return text.find(what) != text.npos; }

} // namespace

BOOST_AUTO_TEST_SUITE(start_error_test)

BOOST_AUTO_TEST_CASE(a_port_below_1024_names_the_drop_in_and_is_permanent) {
  actors::tunnel_config tunnel;
  const auto error_at = [&](std::uint16_t port, int number) {
    tunnel.local_udp = {protocol::ip_address::v4(127, 0, 0, 1), port};
    return listen_error(tunnel, {number, "bind", ""});
  };
  const auto low = error_at(53, EACCES);
  BOOST_TEST(low.permanent);
  BOOST_TEST(low.text.find("127.0.0.1:53") != std::string::npos);
  BOOST_TEST_REQUIRE(low.advice.size() == 2u);
  BOOST_TEST(says(low.advice[1], "low-port.conf"));
  const auto other = error_at(5353, EACCES);
  BOOST_TEST((!other.permanent && other.advice.empty()));
}

BOOST_AUTO_TEST_CASE(a_port_in_use_may_be_that_of_a_wireguard_of_this_host) {
  actors::tunnel_config tunnel;
  tunnel.local_udp = {protocol::ip_address::v4(127, 0, 0, 1), 51'820};
  const auto error = listen_error(tunnel, {EADDRINUSE, "bind", ""});
  BOOST_TEST(!error.permanent);
  BOOST_TEST_REQUIRE(error.advice.size() == 2u);
  BOOST_TEST(says(error.advice[0], "wg show all listen-port"));
  BOOST_TEST(says(error.advice[1], "ListenPort"));
}

BOOST_AUTO_TEST_CASE(a_missing_right_and_a_wrong_pid_file_are_permanent_and_a_busy_device_is_not) {
  const auto linux_host = sys::host_system::gnu_linux;
  BOOST_TEST(tun_error({EPERM, "open", "tun"}, linux_host).permanent);
  BOOST_TEST(!tun_error({EBUSY, "open", "tun"}, linux_host).permanent);
  BOOST_TEST(!tun_error({ENODEV, "open", "tun"}, linux_host).permanent); // a module may come
  BOOST_TEST(pid_error({ELOOP, "open", "p"}).permanent);
  BOOST_TEST(!pid_error({EAGAIN, "flock", "p"}).permanent);
}

BOOST_AUTO_TEST_CASE(each_system_has_its_own_advice) {
  const auto linux_says = [](int number) {
    return advice_for(number, sys::host_system::gnu_linux);
  };
  const auto macos_says = [](int number) { return advice_for(number, sys::host_system::macos); };
  for (const int number : {EPERM, EACCES}) {
    BOOST_TEST(says(linux_says(number), "CAP_NET_ADMIN"));
    BOOST_TEST(says(macos_says(number), "sudo"));
  }
  for (const int number : {ENOENT, ENODEV}) {
    BOOST_TEST(says(linux_says(number), "modprobe tun"));
    BOOST_TEST(macos_says(number) == "");
  }
  BOOST_TEST(says(linux_says(EBUSY), "--tun names another"));
  BOOST_TEST(says(macos_says(EBUSY), "without --tun"));
  BOOST_TEST(says(macos_says(EINVAL), "utunN"));
  BOOST_TEST(says(macos_says(EOPNOTSUPP), "--tun-queues"));
  for (const int number : {EPERM, EACCES, ENOENT, ENODEV, EBUSY, EINVAL, EOPNOTSUPP})
    for (const char* foreign : {"CAP_", "setcap", "systemd", "/dev/net", "modprobe"})
      BOOST_TEST(!says(macos_says(number), foreign));
}

BOOST_AUTO_TEST_CASE(a_wrong_descriptor_is_wrong_everywhere) {
  for (const auto on : {sys::host_system::gnu_linux, sys::host_system::macos})
    for (const int number : {EBADF, ENOTTY})
      BOOST_TEST(says(advice_for(number, on), "open TUN descriptor"));
  BOOST_TEST(advice_for(EIO, sys::host_system::gnu_linux) == "");
  BOOST_TEST(tun_error({EIO, "open", "tun"}).text.find("open") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
