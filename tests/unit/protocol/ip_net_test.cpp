#include "protocol/ip_net.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel::protocol;

namespace {

ip_address address(const char* text) { return *ip_address::parse(text); }

std::vector<ip_net> nets(const std::vector<std::string>& texts) {
  std::vector<ip_net> out;
  for (const auto& text : texts)
    out.push_back(*ip_net::parse(text));
  return out;
}

std::string joined(const std::vector<ip_net>& all) {
  std::string out;
  for (const auto& net : all)
    out += (out.empty() ? "" : " ") + net.to_string();
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(ip_net_test)

BOOST_AUTO_TEST_CASE(nets_are_read_and_shown) {
  const struct {
    const char *text, *shown;
  } table[] = {
      {"192.0.2.0/24", "192.0.2.0/24"},
      {"192.0.2.7", "192.0.2.7/32"},
      {"192.0.2.7/24", "192.0.2.0/24"},
      {"0.0.0.0/0", "0.0.0.0/0"},
      {"2001:db8::/32", "2001:db8::/32"},
      {"2001:DB8::1", "2001:db8::1/128"},
      {"::/0", "::/0"},
      {"192.0.2.0/33", ""},
      {"2001:db8::/129", ""},
      {"192.0.2.0/", ""},
      {"192.0.2.0/08", ""},
      {"192.0.2.0/-1", ""},
      {"192.0.2.0/24/24", ""},
      {"192.0.2.0/255.255.255.0", ""},
      {"192.0.2/24", ""},
      {"/24", ""},
      {"example.net/24", ""},
      {"", ""},
  };
  for (const auto& t : table) {
    const auto net = ip_net::parse(t.text);
    BOOST_TEST((net ? net->to_string() : "") == t.shown, t.text);
  }
}

BOOST_AUTO_TEST_CASE(what_another_net_holds_is_left_out) {
  const auto all = nets({"10.1.0.0/16", "192.0.2.1", "10.0.0.0/8", "10.255.255.255", "10.0.0.0/8",
                         "2001:db8:1::/48", "2001:db8::/32", "11.0.0.0/8"});
  BOOST_TEST(joined(outermost(all, false)) == "10.0.0.0/8 11.0.0.0/8 192.0.2.1/32");
  BOOST_TEST(joined(outermost(all, true)) == "2001:db8::/32");
  BOOST_TEST(outermost({}, true).empty());
}

BOOST_AUTO_TEST_CASE(a_set_holds_what_one_of_its_nets_holds) {
  const ip_net_set set{nets({"10.0.0.0/9", "10.127.0.0/16", "192.0.2.8/30", "203.0.113.7",
                             "2001:db8::/33", "fd00::5", "255.255.255.255"})};
  const struct {
    const char* source;
    bool held;
  } table[] = {
      {"9.255.255.255", false},
      {"10.0.0.0", true},
      {"10.127.255.255", true},
      {"10.128.0.0", false},
      {"192.0.2.7", false},
      {"192.0.2.8", true},
      {"192.0.2.11", true},
      {"192.0.2.12", false},
      {"203.0.113.7", true},
      {"203.0.113.8", false},
      {"255.255.255.255", true},
      {"0.0.0.0", false},
      {"2001:db8::", true},
      {"2001:db8:7fff:ffff:ffff:ffff:ffff:ffff", true},
      {"2001:db8:8000::", false},
      {"fd00::5", true},
      {"fd00::6", false},
      {"::", false},
      {"::ffff:203.0.113.7", false}, // another address, whatever it holds
      {"a00::", false},              // begins with the octets of 10.0.0.0
  };
  for (const auto& t : table)
    BOOST_TEST(set.holds(address(t.source)) == t.held, t.source);
  BOOST_TEST(!set.holds({}));
}

BOOST_AUTO_TEST_CASE(a_set_of_all_addresses_of_a_family_holds_none_of_the_other) {
  const ip_net_set all4{nets({"0.0.0.0/0", "10.0.0.0/8"})};
  BOOST_TEST(all4.holds(address("255.255.255.255")));
  BOOST_TEST(all4.holds(address("0.0.0.0")));
  BOOST_TEST(!all4.holds(address("::1")));
  BOOST_TEST(!ip_net_set{}.holds(address("192.0.2.1")));
}

BOOST_AUTO_TEST_SUITE_END()
