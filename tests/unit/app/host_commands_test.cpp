#include "actors/app/host_commands.hpp"
#include "actors/app/validate.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

using lines = std::vector<std::string>;

config configure(role side, const std::vector<std::string>& arguments) {
  const auto r = validate(side, parse_command_line(side, arguments));
  BOOST_TEST_REQUIRE(r.has_value());
  return r->run;
}

void check_equal(const lines& got, const lines& wanted) {
  BOOST_CHECK_EQUAL_COLLECTIONS(got.begin(), got.end(), wanted.begin(), wanted.end());
}

} // namespace

BOOST_AUTO_TEST_SUITE(host_commands_test)

BOOST_AUTO_TEST_CASE(client_with_ipv4_only) {
  check_equal(
      host_commands(configure(role::client, {"-4", "-l127.0.0.1:1", "-r192.0.2.1:443"}), "tun0"),
      {
          "sysctl -w net.ipv4.ip_forward=1",
          "nft 'add table inet tonel_tun0'",
          "nft 'flush table inet tonel_tun0'",
          "nft 'add chain inet tonel_tun0 input { type filter hook input priority filter; policy "
          "accept; }'",
          "nft 'add rule inet tonel_tun0 input iifname \"tun0\" meta l4proto tcp ct state invalid "
          "drop'",
          "nft 'add rule inet tonel_tun0 input iifname != \"tun0\" ip saddr 192.0.2.1 tcp sport "
          "443 ct state invalid drop'",
          "nft 'add chain inet tonel_tun0 forward { type filter hook forward priority filter; "
          "policy accept; }'",
          "nft 'add rule inet tonel_tun0 forward iifname \"tun0\" meta l4proto tcp ct state "
          "invalid drop'",
          "nft 'add rule inet tonel_tun0 forward oifname \"tun0\" meta l4proto tcp ct state "
          "invalid drop'",
          "nft 'add rule inet tonel_tun0 forward iifname != \"tun0\" ip saddr 192.0.2.1 tcp sport "
          "443 ct state invalid drop'",
          "nft 'add rule inet tonel_tun0 forward ip daddr 192.168.200.2 oifname != \"tun0\" drop'",
          "nft 'add chain inet tonel_tun0 postrouting { type nat hook postrouting priority "
          "srcnat; policy accept; }'",
          "nft 'add rule inet tonel_tun0 postrouting ip saddr 192.168.200.2 oifname != \"tun0\" "
          "meta l4proto tcp masquerade'",
      });
}

BOOST_AUTO_TEST_CASE(server_with_both_families) {
  check_equal(
      host_commands(configure(role::server, {"-l8443", "-rlocalhost:51820"}), "vpn-1"),
      {
          "sysctl -w net.ipv4.ip_forward=1",
          "sysctl -w net.ipv6.conf.all.forwarding=1",
          "nft 'add table inet tonel_vpn-1'",
          "nft 'flush table inet tonel_vpn-1'",
          "nft 'add chain inet tonel_vpn-1 input { type filter hook input priority filter; policy "
          "accept; }'",
          "nft 'add rule inet tonel_vpn-1 input iifname \"vpn-1\" meta l4proto tcp ct state "
          "invalid drop'",
          "nft 'add rule inet tonel_vpn-1 input iifname != \"vpn-1\" tcp dport 8443 ct state "
          "invalid drop'",
          "nft 'add chain inet tonel_vpn-1 forward { type filter hook forward priority filter; "
          "policy accept; }'",
          "nft 'add rule inet tonel_vpn-1 forward iifname \"vpn-1\" meta l4proto tcp ct state "
          "invalid drop'",
          "nft 'add rule inet tonel_vpn-1 forward oifname \"vpn-1\" meta l4proto tcp ct state "
          "invalid drop'",
          "nft 'add rule inet tonel_vpn-1 forward iifname != \"vpn-1\" tcp dport 8443 ct state "
          "invalid drop'",
          "nft 'add rule inet tonel_vpn-1 forward ip daddr 192.168.201.2 oifname != \"vpn-1\" "
          "drop'",
          "nft 'add rule inet tonel_vpn-1 forward ip6 daddr fcc9::2 oifname != \"vpn-1\" drop'",
          "nft 'add chain inet tonel_vpn-1 prerouting { type nat hook prerouting priority dstnat; "
          "policy accept; }'",
          "nft 'add rule inet tonel_vpn-1 prerouting meta nfproto ipv4 iifname != \"vpn-1\" fib "
          "daddr type local tcp dport 8443 dnat ip to 192.168.201.2:8443'",
          "nft 'add rule inet tonel_vpn-1 prerouting meta nfproto ipv6 iifname != \"vpn-1\" fib "
          "daddr type local tcp dport 8443 dnat ip6 to [fcc9::2]:8443'",
      });
}

BOOST_AUTO_TEST_CASE(ipv6_is_named_only_where_it_is_used) {
  const auto has_v6 = [](const lines& all) {
    return std::any_of(all.begin(), all.end(), [](const auto& line) {
      return line.find("ip6") != std::string::npos || line.find("ipv6") != std::string::npos;
    });
  };
  const std::vector<std::string> client{"-l127.0.0.1:1", "-ra.example:1"};
  const std::vector<std::string> server{"-l1", "-ra.example:1"};
  for (const auto side : {role::client, role::server}) {
    auto arguments = side == role::client ? client : server;
    BOOST_TEST(has_v6(host_commands(configure(side, arguments), "t")));
    arguments.emplace_back("-4");
    BOOST_TEST(!has_v6(host_commands(configure(side, arguments), "t")));
  }
}

BOOST_AUTO_TEST_CASE(a_remote_by_name_is_known_by_its_port) {
  const auto all =
      nft_statements(configure(role::client, {"-l127.0.0.1:1", "-ra.example:4443"}), "t");
  const std::string rule =
      "add rule inet tonel_t input iifname != \"t\" tcp sport 4443 ct state invalid drop";
  BOOST_TEST((std::find(all.begin(), all.end(), rule) != all.end()));
}

BOOST_AUTO_TEST_CASE(invalid_packets_are_dropped_before_anything_is_translated) {
  for (const auto side : {role::client, role::server}) {
    const auto all = nft_statements(
        configure(side, {side == role::client ? "-l127.0.0.1:1" : "-l1", "-ra.example:1"}), "t");
    const auto first = [&](const char* what) {
      return std::find_if(all.begin(), all.end(),
                          [&](const auto& s) { return s.find(what) != std::string::npos; });
    };
    BOOST_TEST((first("type nat") != all.end()));
    BOOST_TEST(std::none_of(first("type nat"), all.end(),
                            [](const auto& s) { return s.find("drop") != std::string::npos; }));
  }
}

BOOST_AUTO_TEST_CASE(every_command_is_one_line_that_a_shell_takes_whole) {
  for (const auto& line :
       host_commands(configure(role::server, {"-l1", "-ra.example:1"}), "tonel-server.1")) {
    BOOST_TEST(line.find('\n') == std::string::npos);
    const auto quotes = std::count(line.begin(), line.end(), '\'');
    BOOST_TEST(quotes == (line.rfind("nft ", 0) == 0 ? 2 : 0), line);
  }
}

BOOST_AUTO_TEST_CASE(removal_does_not_fail_where_there_is_nothing) {
  check_equal(host_removal_commands("tun0"),
              {"nft 'add table inet tonel_tun0'", "nft 'delete table inet tonel_tun0'"});
}

BOOST_AUTO_TEST_SUITE_END()
