#include "system/linux/direct_entries.hpp"

#include <boost/test/unit_test.hpp>

#include <arpa/inet.h>

#include <set>

using namespace tonel;
using namespace tonel::sys;
using protocol::ip_address;

namespace {

ip_address address(const char* text) { return ip_address::parse(text).value(); }

const std::vector<ip_address> locals{address("192.0.2.1"), address("2001:db8::1")};

direct_terms terms_at(const direct_entries& entries, const char* at, std::uint16_t port) {
  direct_service key{};
  key.address = to_direct(address(at));
  key.port = htons(port);
  const auto found = entries.services().find(key_octets(key));
  BOOST_REQUIRE((found != entries.services().end()));
  return found->second;
}

std::set<std::uint32_t> lists_of(const direct_entries& entries) {
  std::set<std::uint32_t> out;
  for (const auto& [octets, one] : entries.sources()) {
    direct_source key{};
    std::copy(octets.begin(), octets.end(), reinterpret_cast<char*>(&key));
    out.insert(key.list);
  }
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(direct_entries_test)

BOOST_AUTO_TEST_CASE(a_port_is_served_at_each_address_of_the_host) {
  direct_entries entries;
  entries.plan({{443, {}, {}}}, locals);
  BOOST_TEST(entries.services().size() == 2u);
  BOOST_TEST(terms_at(entries, "192.0.2.1", 443).list == 0u);
  BOOST_TEST(terms_at(entries, "2001:db8::1", 443).list == 0u);
  BOOST_TEST(entries.sources().empty());
}

BOOST_AUTO_TEST_CASE(a_port_at_one_address_has_its_own_terms_there) {
  direct_entries entries;
  entries.plan({{443, address("192.0.2.1"), {{address("10.0.0.0"), 8}}}, {443, {}, {}}}, locals);
  BOOST_TEST(entries.services().size() == 2u);
  BOOST_TEST(terms_at(entries, "192.0.2.1", 443).list != 0u);
  BOOST_TEST(terms_at(entries, "2001:db8::1", 443).list == 0u);
}

BOOST_AUTO_TEST_CASE(an_ipv4_net_is_one_of_mapped_addresses) {
  direct_entries entries;
  entries.plan({{443, {}, {{address("10.1.2.3"), 8}}}}, locals);
  BOOST_REQUIRE(entries.sources().size() == 1u);
  direct_source key{};
  const auto& octets = entries.sources().begin()->first;
  std::copy(octets.begin(), octets.end(), reinterpret_cast<char*>(&key));
  BOOST_TEST(key.bits == direct_list_bits + 96u + 8u);
  BOOST_TEST((key_octets(key.address) == key_octets(to_direct(address("10.0.0.0")))));
}

BOOST_AUTO_TEST_CASE(equal_lists_are_one_and_keep_their_number) {
  const std::vector<ip_net> some{{address("10.0.0.0"), 8}, {address("2001:db8::"), 32}};
  const std::vector<ip_net> turned{some[1], some[0]};
  direct_entries entries;
  entries.plan({{443, {}, some}, {80, {}, turned}}, locals);
  const auto before = lists_of(entries);
  BOOST_TEST(before.size() == 1u);
  entries.plan({{443, {}, turned}}, locals);
  BOOST_CHECK(lists_of(entries) == before);
}

BOOST_AUTO_TEST_CASE(a_changed_list_is_another_one_so_that_no_packet_finds_half_of_it) {
  direct_entries entries;
  entries.plan({{443, {}, {{address("10.0.0.0"), 8}}}}, locals);
  const auto before = terms_at(entries, "192.0.2.1", 443).list;
  entries.plan({{443, {}, {{address("10.0.0.0"), 9}}}}, locals);
  BOOST_TEST(terms_at(entries, "192.0.2.1", 443).list != before);
}

BOOST_AUTO_TEST_CASE(ends_of_a_connection_have_network_byte_order) {
  const auto key = to_direct({{address("192.0.2.1"), 0x1234}, {address("2001:db8::1"), 80}});
  BOOST_TEST(key.local_port == htons(0x1234));
  BOOST_TEST(key.remote_port == htons(80));
  BOOST_TEST(key.local.words[2] == htonl(0xffff));
  BOOST_TEST(key.remote.words[0] == htonl(0x20010db8));
}

BOOST_AUTO_TEST_SUITE_END()
