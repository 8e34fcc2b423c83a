#include "actors/app/settings/handshake_packet.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

struct file_fixture {
  std::string path = "/tmp/tonel_handshake_test." + std::to_string(getpid());
  named_file named{path, "--handshake-packet", ""};
  config run;
  tunnel_config tunnel;
  std::shared_ptr<const std::vector<std::uint8_t>> packet;
  ~file_fixture() { std::remove(path.c_str()); }

  void write(const std::string& content) { std::ofstream{path, std::ios::binary} << content; }
  /// What is wrong; empty: nothing.
  std::string problem() {
    const auto read = read_handshake_packet(named, run, tunnel);
    packet = read ? *read : nullptr;
    return read ? std::string{} : read.error().problem;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(handshake_packet_test, file_fixture)

BOOST_AUTO_TEST_CASE(none_is_read_where_none_is_named) {
  named.path.clear();
  BOOST_TEST(problem() == "");
  BOOST_TEST(!packet);
}

BOOST_AUTO_TEST_CASE(the_content_is_taken_octet_for_octet) {
  const std::string content{"GET / HTTP/1.1\r\n\0\xff\n", 19};
  write(content);
  BOOST_TEST(problem() == "");
  BOOST_TEST((std::string{packet->begin(), packet->end()} == content));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_an_error_with_its_reason) {
  BOOST_TEST(problem() == "cannot be read: No such file or directory");
  named.path = "/tmp";
  BOOST_TEST(problem() == "cannot be read: Is a directory");
  write("");
  named.path = path;
  BOOST_TEST(problem() == "is empty");
}

BOOST_AUTO_TEST_CASE(it_fits_one_segment_of_the_address_family_that_may_be_used) {
  struct row {
    role side;
    const char* remote;
    bool ipv6;
    std::size_t most;
  };
  for (const auto& row :
       {row{role::client, "192.0.2.1", true, 1'460}, row{role::client, "2001:db8::1", true, 1'440},
        row{role::client, "host.example", true, 1'440},
        row{role::client, "host.example", false, 1'460},
        row{role::server, "127.0.0.1", true, 1'440},
        row{role::server, "127.0.0.1", false, 1'460}}) {
    run.side = row.side;
    tunnel.remote.host = row.remote;
    run.tun.ipv6 = row.ipv6;
    write(std::string(row.most, 'x'));
    BOOST_TEST(problem() == "", row.remote);
    write(std::string(row.most + 1, 'x'));
    BOOST_TEST(problem() ==
               "has more than the " + std::to_string(row.most) + " bytes that fit one packet");
  }
}

BOOST_AUTO_TEST_SUITE_END()
