#include "system/host_tcp.hpp"
#include "system/linux/tcp_table.hpp"
#include "system/stream_socket.hpp"
#include "system/tcp_ports.hpp"

#include <boost/test/unit_test.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string>

using namespace tonel;
using namespace tonel::sys;
using protocol::ip_address;

namespace {

/// A process of another user that has an abstract name, as long as this object lives.
struct stranger {
  stranger(const std::string& name, bool listens) {
    BOOST_TEST_REQUIRE(::pipe(told) == 0);
    BOOST_TEST_REQUIRE(::pipe(wait) == 0);
    process = ::fork();
    if (process == 0) take(name, listens);
    ::close(told[1]);
    char octet = 'n';
    has_name = ::read(told[0], &octet, 1) == 1 && octet == 'y';
  }
  stranger(const stranger&) = delete;
  stranger& operator=(const stranger&) = delete;
  ~stranger() {
    ::close(told[0]);
    ::close(wait[0]);
    ::close(wait[1]);
    ::waitpid(process, nullptr, 0);
  }

  bool has_name = false;

private:
  [[noreturn]] void take(const std::string& name, bool listens) {
    ::close(wait[1]);
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    std::memcpy(at.sun_path + 1, name.data(), name.size());
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const bool well = ::setuid(65'534) == 0 &&
                      ::bind(fd, reinterpret_cast<const sockaddr*>(&at), size) == 0 &&
                      (!listens || ::listen(fd, 1) == 0);
    char octet = well ? 'y' : 'n';
    // The read ends with the other end of the pipe.
    if (::write(told[1], &octet, 1) == 1) well_read = ::read(wait[0], &octet, 1);
    ::_exit(0);
  }

  int told[2] = {-1, -1}, wait[2] = {-1, -1};
  pid_t process = -1;
  long well_read = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(tcp_ports_test)

BOOST_AUTO_TEST_CASE(sockets_that_listen_are_told_by_their_state) {
  // Of a machine that stores the least octet first, as all do that this is built for.
  const auto found = parse_tcp_table(
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode\n"
      "   0: 0100007F:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "21 1 0\n"
      "   1: 0201A8C0:01BB 0101A8C0:C001 01 00000000:00000000 00:00000000 00000000     0        0 "
      "22 1 0\n"
      "   2: 00000000:01BC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 "
      "23 1 0\n"
      "   3: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 24 1 0\n"
      "   4: 0000000000000000FFFF00000201A8C0:01BB 00000000000000000000000000000000:0000 0A "
      "00000000:00000000 00:00000000 00000000     0        0 25 1 0\n"
      "   5: nonsense\n");
  BOOST_TEST_REQUIRE(found.size() == 4u);
  BOOST_TEST(found[0].at.to_string() == "127.0.0.1:443");
  BOOST_TEST(found[0].inode == 21u);
  BOOST_TEST(found[1].at.to_string() == "0.0.0.0:444");
  BOOST_TEST(found[2].at.to_string() == "[2001:db8::1]:443");
  BOOST_TEST(found[3].at.to_string() == "192.168.1.2:443");
}

BOOST_AUTO_TEST_CASE(a_listener_of_this_host_is_found_with_its_program) {
  constexpr std::uint16_t port = 47'113;
  const auto listens = stream_listener::listen_tcp({ip_address::v4(127, 0, 0, 1), port});
  BOOST_TEST_REQUIRE(listens.has_value());
  const auto found = tcp_listeners({port});
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST((found[0].address == ip_address::v4(127, 0, 0, 1)));
  BOOST_TEST(found[0].port == port);
  BOOST_TEST(found[0].pid == ::getpid());
  BOOST_TEST(!found[0].program.empty());
}

BOOST_AUTO_TEST_CASE(one_process_alone_has_a_claim_until_it_ends) {
  constexpr std::uint16_t port = 47'114;
  {
    const auto first = port_claim::make(port);
    BOOST_TEST_REQUIRE(first.has_value());
    const auto second = port_claim::make(port);
    BOOST_TEST_REQUIRE(!second.has_value());
    BOOST_TEST(second.error().number == EADDRINUSE);
    BOOST_TEST(port_claim::holder(port).pid == ::getpid());
    BOOST_TEST(port_claim::make(port + 1).has_value());
  }
  BOOST_TEST(port_claim::make(port).has_value());
  BOOST_TEST(port_claim::holder(port).pid == 0);
}

BOOST_AUTO_TEST_CASE(a_name_that_a_user_has_taken_who_can_serve_no_port_is_no_claim) {
  if (::geteuid() != 0) return; // only root can be another user
  constexpr std::uint16_t port = 47'117;
  for (const bool listens : {true, false}) {
    const stranger other{"tonel-tcp-" + std::to_string(port), listens};
    BOOST_TEST_REQUIRE(other.has_name);
    const auto claim = port_claim::make(port);
    BOOST_TEST_REQUIRE(!claim.has_value());
    BOOST_TEST(claim.error().number == EPERM);
  }
}

BOOST_AUTO_TEST_CASE(the_hosts_own_tcp_knows_its_connections_and_listeners) {
  const auto own = open_host_tcp();
  BOOST_TEST_REQUIRE((own != nullptr));
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0), near = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{}, from{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  const auto any = [](sockaddr_in& a) { return reinterpret_cast<sockaddr*>(&a); };
  BOOST_TEST_REQUIRE(::bind(listener, any(at), size) == 0);
  BOOST_TEST_REQUIRE(::listen(listener, 1) == 0);
  BOOST_TEST_REQUIRE(::getsockname(listener, any(at), &size) == 0);
  BOOST_TEST_REQUIRE(::connect(near, any(at), size) == 0);
  BOOST_TEST_REQUIRE(::getsockname(near, any(from), &size) == 0);
  const auto loopback = ip_address::v4(127, 0, 0, 1);
  const protocol::endpoint here{loopback, ntohs(from.sin_port)},
      there{loopback, ntohs(at.sin_port)};
  BOOST_TEST(own->has({here, there}));
  BOOST_TEST(own->has({there, {ip_address::v4(192, 0, 2, 1), 1}})); // by its listener
  BOOST_TEST(!own->has({here, {ip_address::v4(192, 0, 2, 1), there.port}}));
  ::close(near);
  ::close(listener);
}

BOOST_AUTO_TEST_SUITE_END()
