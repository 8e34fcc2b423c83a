#include "system/tun_net.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

const tun_ends client4{ip("192.168.200.1"), ip("192.168.200.2")};
const tun_ends server4{ip("192.168.201.1"), ip("192.168.201.2")};
const tun_ends client6{ip("fcc8::1"), ip("fcc8::2")};

host_net net(const char* address, unsigned bits, bool direct = true) {
  return {{ip(address), bits}, "eth0", direct};
}

/// "LOCAL PEER"; empty: none is free.
std::string free_of(const tun_ends& usual, const std::vector<host_net>& taken) {
  const auto ends = first_free(usual, taken);
  return ends ? ends->local.to_string() + ' ' + ends->peer.to_string() : std::string{};
}

} // namespace

BOOST_AUTO_TEST_SUITE(tun_net_test)

BOOST_AUTO_TEST_CASE(the_first_net_is_taken_that_nothing_of_the_host_holds) {
  struct row {
    tun_ends usual;
    std::vector<host_net> taken;
    const char* chosen;
  };
  const row table[] = {
      {client4, {}, "192.168.200.1 192.168.200.2"},
      {client4, {net("0.0.0.0", 0), net("128.0.0.0", 1)}, "192.168.200.1 192.168.200.2"},
      {client4, {net("192.168.1.0", 24), net("10.0.0.0", 8)}, "192.168.200.1 192.168.200.2"},
      {client4, {net("192.168.200.0", 24)}, "192.168.202.1 192.168.202.2"},
      // Somebody else's address in that net alone is in nobody's way.
      {client4, {net("192.168.200.254", 32)}, "192.168.200.1 192.168.200.2"},
      {client4, {net("192.168.200.2", 32)}, "192.168.202.1 192.168.202.2"},
      {client4, {net("192.168.192.0", 18, false)}, "172.31.200.1 172.31.200.2"},
      {client4, {net("192.168.0.0", 16), net("172.16.0.0", 12)}, "10.231.200.1 10.231.200.2"},
      {client4, {net("192.168.0.0", 16), net("172.16.0.0", 12), net("10.0.0.0", 8)}, ""},
      {server4, {net("192.168.201.0", 24)}, "192.168.203.1 192.168.203.2"},
      {server4, {net("192.168.0.0", 16)}, "172.31.201.1 172.31.201.2"},
      {client6, {}, "fcc8::1 fcc8::2"},
      {client6, {net("::", 0), net("2000::", 3)}, "fcc8::1 fcc8::2"},
      {client6, {net("fcc8::", 64)}, "fcc8:0:0:1::1 fcc8:0:0:1::2"},
      {client6, {net("fc00::", 7)}, ""},
      {client6, {net("192.168.200.0", 24)}, "fcc8::1 fcc8::2"},
  };
  for (const auto& r : table)
    BOOST_TEST(free_of(r.usual, r.taken) == r.chosen);
}

BOOST_AUTO_TEST_CASE(no_two_programs_of_a_host_are_given_one_net) {
  std::vector<host_net> taken;
  for (int i = 0; i < 64; ++i) {
    const auto client = first_free(client4, taken), server = first_free(server4, taken);
    BOOST_TEST_REQUIRE((client && server));
    for (const auto& ends : {*client, *server}) {
      BOOST_TEST(!overlap_of(ends, taken));
      taken.push_back({{ends.local, 32}, "tun", true});
      taken.push_back({{ends.peer, 32}, "tun", true});
    }
  }
}

BOOST_AUTO_TEST_CASE(an_overlap_names_the_address_and_the_most_specific_net) {
  const std::vector<host_net> taken{net("192.168.0.0", 16, false), net("192.168.200.2", 32),
                                    net("192.168.200.0", 24)};
  const auto found = overlap_of(client4, taken);
  BOOST_TEST_REQUIRE(found.has_value());
  BOOST_TEST(found->address.to_string() == "192.168.200.2");
  BOOST_TEST(found->with.net.to_string() == "192.168.200.2/32");
}

BOOST_AUTO_TEST_CASE(a_hosts_own_addresses_are_among_its_nets_but_those_of_its_device_not) {
  const auto holds = [](const std::vector<host_net>& nets) {
    return overlap_of({ip("127.0.0.1"), ip("127.0.0.2")}, nets).has_value();
  };
  BOOST_TEST(holds(host_nets("tonel0")));
  BOOST_TEST(!holds(host_nets("lo")));
}

BOOST_AUTO_TEST_SUITE_END()
