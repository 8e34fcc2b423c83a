#include "actors/app/programs/port_keeper.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;
using protocol::ip_address;

namespace {

sys::listener_facts listener(const char* address, std::uint16_t port, const char* program = "",
                             int pid = 0) {
  return {port, pid, program, ip_address::parse(address).value_or(ip_address{})};
}

tunnel_ptr tunnel(std::uint16_t port, const char* name = "") {
  auto out = std::make_shared<tunnel_config>();
  out->name = name;
  out->local_port = port;
  return out;
}

/// A host on which others listen, and on which other programs of ours serve ports.
struct ports_of_a_host {
  std::vector<sys::listener_facts> listeners;
  std::set<std::uint16_t> served;
  std::vector<std::uint16_t> claimed; ///< in the order in which it was asked

  port_questions answers() {
    port_questions out;
    out.listeners = [this](const std::vector<std::uint16_t>&) { return listeners; };
    out.claim = [this](std::uint16_t port) -> sys::result<sys::port_claim> {
      claimed.push_back(port);
      // Whatever else goes wrong is no reason not to serve.
      return unexpected{sys::os_error{served.count(port) != 0 ? EADDRINUSE : EPERM, "bind", ""}};
    };
    out.holder = [](std::uint16_t port) { return sys::listener_facts{port, 9, "tonels", {}}; };
    return out;
  }
  port_keeper keeper(bool take_used = false) { return {take_used, true, answers()}; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(port_keeper_test)

BOOST_AUTO_TEST_CASE(a_port_in_use_is_refused_with_port_address_and_program) {
  ports_of_a_host host;
  host.listeners = {listener("0.0.0.0", 443, "nginx", 812), listener("::", 443, "nginx", 812)};
  const auto problems = host.keeper().take({tunnel(443)});
  BOOST_TEST_REQUIRE(problems.size() == 1u);
  BOOST_TEST(problems[0] == "TCP port 443 is in use: nginx (process 812) listens on 0.0.0.0:443, "
                            "nginx (process 812) listens on [::]:443");
  const auto failed = port_error(problems);
  BOOST_TEST(failed.text == problems[0]);
  BOOST_TEST_REQUIRE(failed.advice.size() == 1u);
  BOOST_TEST(failed.advice[0].find("--take-port") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_program_that_cannot_be_seen_is_refused_all_the_same) {
  ports_of_a_host host;
  host.listeners = {listener("192.0.2.1", 443)};
  const auto problems = host.keeper().take({tunnel(443, "a")});
  BOOST_TEST_REQUIRE(problems.size() == 1u);
  BOOST_TEST(problems[0] == "tunnel a: TCP port 443 is in use: a program listens on 192.0.2.1:443 "
                            "(root sees which: ss -ltnp)");
}

BOOST_AUTO_TEST_CASE(another_program_of_ours_has_the_port) {
  ports_of_a_host host;
  host.served = {443};
  const auto problems = host.keeper().take({tunnel(443)});
  BOOST_TEST_REQUIRE(problems.size() == 1u);
  BOOST_TEST(problems[0] == "TCP port 443 is in use: tonels (process 9) serves it");
}

BOOST_AUTO_TEST_CASE(what_listens_on_loopback_or_in_a_family_without_tunnels_loses_nothing) {
  const auto used = [](const char* address, bool ipv6) {
    return port_users({listener(address, 443)}, 443, ipv6).has_value();
  };
  for (const bool ipv6 : {false, true}) {
    for (const auto* loopback : {"127.0.0.1", "127.8.0.1", "::1"})
      BOOST_TEST(!used(loopback, ipv6), loopback);
    for (const auto* caught : {"0.0.0.0", "192.0.2.1", "::", ""})
      BOOST_TEST(used(caught, ipv6), caught);
    BOOST_TEST(used("2001:db8::1", ipv6) == ipv6);
  }
}

BOOST_AUTO_TEST_CASE(take_port_takes_it_and_says_so_once) {
  ports_of_a_host host;
  host.listeners = {listener("0.0.0.0", 443, "nginx", 812)};
  auto keeper = host.keeper(true);
  BOOST_TEST(keeper.take({tunnel(443)}).empty());
  const auto said = keeper.warnings();
  BOOST_TEST_REQUIRE(said.size() == 2u);
  BOOST_TEST(said[0].find("nginx (process 812) listens on 0.0.0.0:443") != std::string::npos);
  BOOST_TEST(keeper.take({tunnel(443)}).empty());
  BOOST_TEST(keeper.warnings().empty());
}

BOOST_AUTO_TEST_CASE(a_claim_that_cannot_be_had_is_said_and_is_no_obstacle) {
  ports_of_a_host host;
  auto keeper = host.keeper();
  BOOST_TEST(keeper.take({tunnel(443)}).empty());
  const auto said = keeper.warnings();
  BOOST_TEST_REQUIRE(said.size() == 1u);
  BOOST_TEST(said[0].find("another tonels cannot be told that TCP port 443 is served") == 0u);
}

BOOST_AUTO_TEST_CASE(a_reload_asks_for_new_ports_alone_and_a_refusal_changes_nothing) {
  ports_of_a_host host;
  auto keeper = host.keeper();
  BOOST_TEST(keeper.take({tunnel(1), tunnel(2)}).empty());
  host.listeners = {listener("0.0.0.0", 1, "late", 5), listener("0.0.0.0", 4, "nginx", 7)};
  host.claimed.clear();
  BOOST_TEST(keeper.take({tunnel(1), tunnel(3), tunnel(4)}).size() == 1u);
  BOOST_TEST((host.claimed == std::vector<std::uint16_t>{3, 4}));
  // 3 was not kept, or it would not be asked for now; 2 still is.
  host.claimed.clear();
  BOOST_TEST(keeper.take({tunnel(1), tunnel(2), tunnel(3)}).empty());
  BOOST_TEST((host.claimed == std::vector<std::uint16_t>{3}));
  keeper.keep_only({tunnel(1)});
  host.claimed.clear();
  BOOST_TEST(keeper.take({tunnel(1), tunnel(2)}).empty());
  BOOST_TEST((host.claimed == std::vector<std::uint16_t>{2}));
}

BOOST_AUTO_TEST_SUITE_END()
