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
