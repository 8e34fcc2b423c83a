#include "system/rule_text.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

using namespace tonel;
using namespace tonel::sys;

namespace {

using lines = std::vector<std::string>;

protocol::ip_address address(const char* text) { return *protocol::ip_address::parse(text); }

protocol::endpoint remote(const char* host, std::uint16_t port) { return {address(host), port}; }

rule_plan client(std::vector<protocol::endpoint> remotes) {
  rule_plan plan;
  plan.table = "tonel_t";
  plan.tun = "t";
  plan.peer4 = address("192.168.200.2");
  plan.remotes = std::move(remotes);
  return plan;
}

rule_plan server(std::vector<std::uint16_t> ports) {
  rule_plan plan;
  plan.server = true;
  plan.table = "tonel_s";
  plan.tun = "s";
  plan.peer4 = address("192.168.201.2");
  plan.peer6 = address("fcc9::2");
  plan.ports = std::move(ports);
  return plan;
}

void check_equal(const lines& got, const lines& wanted) {
  BOOST_CHECK_EQUAL_COLLECTIONS(got.begin(), got.end(), wanted.begin(), wanted.end());
}

bool holds(const lines& all, const std::string& text) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& line) { return line.find(text) != std::string::npos; });
}

/// The rules of one chain, without what stands before them.
lines chain_of(const lines& all, const std::string& table, const std::string& chain) {
  const auto start = "add rule inet " + table + ' ' + chain + ' ';
  lines out;
  for (const auto& line : all)
    if (line.rfind(start, 0) == 0) out.push_back(line.substr(start.size()));
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(rule_text_test)

BOOST_AUTO_TEST_CASE(a_client_whole) {
  auto plan = client({remote("192.0.2.1", 443)});
  plan.interface4 = "eth0";
  check_equal(
      nft_statements(plan),
      {
          "add table inet tonel_t",
          "flush table inet tonel_t",
          "add chain inet tonel_t input { type filter hook input priority filter; policy accept; }",
          "add rule inet tonel_t input iifname \"t\" meta l4proto tcp ct state invalid drop",
          "add rule inet tonel_t input iifname != \"t\" ip saddr 192.0.2.1 tcp sport 443 ct state "
          "invalid drop",
          "add chain inet tonel_t forward { type filter hook forward priority filter; policy "
          "accept; "
          "}",
          "add rule inet tonel_t forward iifname \"t\" meta l4proto tcp ct state invalid drop",
          "add rule inet tonel_t forward oifname \"t\" meta l4proto tcp ct state invalid drop",
          "add rule inet tonel_t forward iifname != \"t\" ip saddr 192.0.2.1 tcp sport 443 ct "
          "state "
          "invalid drop",
          "add rule inet tonel_t forward iifname \"t\" oifname \"eth0\" ip saddr 192.168.200.2 ip "
          "daddr 192.0.2.1 tcp dport 443 accept",
          "add rule inet tonel_t forward iifname \"eth0\" oifname \"t\" ip daddr 192.168.200.2 ip "
          "saddr 192.0.2.1 tcp sport 443 accept",
          "add rule inet tonel_t forward ip daddr 192.168.200.2 oifname != \"t\" drop",
          "add chain inet tonel_t postrouting { type nat hook postrouting priority srcnat; policy "
          "accept; }",
          "add rule inet tonel_t postrouting oifname \"eth0\" ip saddr 192.168.200.2 ip daddr "
          "192.0.2.1 tcp dport 443 masquerade",
      });
}

BOOST_AUTO_TEST_CASE(a_server_translates_both_families) {
  auto plan = server({8443});
  plan.interface4 = "eth0";
  plan.interface6 = "eth1";
  const auto all = nft_statements(plan);
  check_equal(chain_of(all, "tonel_s", "prerouting"),
              {"iifname \"eth0\" meta nfproto ipv4 fib daddr type local tcp dport 8443 dnat ip to "
               "192.168.201.2",
               "iifname \"eth1\" meta nfproto ipv6 fib daddr type local tcp dport 8443 dnat ip6 to "
               "fcc9::2"});
  check_equal(chain_of(all, "tonel_s", "input"),
              {"iifname \"s\" meta l4proto tcp ct state invalid drop",
               "iifname != \"s\" tcp dport 8443 ct state invalid drop"});
  BOOST_TEST(holds(all, "forward iifname \"eth1\" oifname \"s\" ip6 daddr fcc9::2 tcp dport 8443 "
                        "accept"));
}

BOOST_AUTO_TEST_CASE(a_server_with_several_uplinks_marks_connections_by_them) {
  auto plan = server({8443, 443});
  BOOST_TEST(!holds(nft_statements(plan), "ct mark"));
  plan.uplinks = {{"w1", 7}, {"w2", 8}};
  check_equal(chain_of(nft_statements(plan), "tonel_s", "uplinks"),
              {"iifname \"w1\" tcp dport { 443, 8443 } fib daddr type local ct mark set 7",
               "iifname \"w2\" tcp dport { 443, 8443 } fib daddr type local ct mark set 8",
               "iifname \"s\" meta l4proto tcp ct mark { 7, 8 } meta mark set ct mark"});
  const auto rules = iptables_rules(plan, false);
  const auto count = [&](const char* what) {
    return std::count_if(rules.begin(), rules.end(), [&](const iptables_rule& r) {
      return r.table == "mangle" && r.match.find(what) != std::string::npos;
    });
  };
  BOOST_TEST(count("-j CONNMARK --set-mark 7") == 2);
  BOOST_TEST(count("-i s -p tcp -m connmark --mark 8") == 1);
  // The user's mark has rules of the user's; and commands that are printed know of no routes.
  plan.mark = 5;
  BOOST_TEST(!holds(nft_statements(plan), "ct mark"));
  plan.mark.reset();
  BOOST_TEST(!holds(shell_commands(plan), "ct mark"));
}

BOOST_AUTO_TEST_CASE(without_an_interface_all_but_the_tun_will_do) {
  const auto all = nft_statements(client({remote("192.0.2.1", 443)}));
  check_equal(chain_of(all, "tonel_t", "postrouting"),
              {"oifname != \"t\" ip saddr 192.168.200.2 ip daddr 192.0.2.1 tcp dport 443 "
               "masquerade"});
}

BOOST_AUTO_TEST_CASE(ipv6_is_named_only_where_it_is_used) {
  auto plan = server({1});
  BOOST_TEST(holds(nft_statements(plan), "ip6"));
  BOOST_TEST(holds(needed_sysctls(plan), "ipv6"));
  plan.peer6 = {};
  BOOST_TEST(!holds(nft_statements(plan), "ip6"));
  BOOST_TEST(!holds(nft_statements(plan), "ipv6"));
  BOOST_TEST(!holds(needed_sysctls(plan), "ipv6"));
  BOOST_TEST(iptables_rules(plan, true).empty());
}

BOOST_AUTO_TEST_CASE(a_remote_by_name_is_known_by_its_port_at_first) {
  auto plan = client({{{}, 4443}});
  plan.peer6 = address("fcc8::2");
  const auto all = nft_statements(plan);
  BOOST_TEST(holds(all, "input iifname != \"t\" tcp sport 4443 ct state invalid drop"));
  check_equal(chain_of(all, "tonel_t", "postrouting"),
              {"oifname != \"t\" ip saddr 192.168.200.2 tcp dport 4443 masquerade",
               "oifname != \"t\" ip6 saddr fcc8::2 tcp dport 4443 masquerade"});
}

BOOST_AUTO_TEST_CASE(many_tunnels_share_rules) {
  auto plan = client({remote("192.0.2.1", 443),
                      remote("192.0.2.1", 443),
                      remote("192.0.2.2", 80),
                      remote("2001:db8::1", 443),
                      {{}, 5},
                      {{}, 6}});
  plan.peer6 = address("fcc8::2");
  check_equal(
      chain_of(nft_statements(plan), "tonel_t", "postrouting"),
      {
          "oifname != \"t\" ip saddr 192.168.200.2 ip daddr . tcp dport { 192.0.2.1 . 443, "
          "192.0.2.2 . 80 } masquerade",
          "oifname != \"t\" ip6 saddr fcc8::2 ip6 daddr 2001:db8::1 tcp dport 443 masquerade",
          "oifname != \"t\" ip saddr 192.168.200.2 tcp dport { 5, 6 } masquerade",
          "oifname != \"t\" ip6 saddr fcc8::2 tcp dport { 5, 6 } masquerade",
      });
  auto listening = server({2, 1});
  listening.peer6 = {};
  check_equal(
      chain_of(nft_statements(listening), "tonel_s", "prerouting"),
      {"iifname != \"s\" meta nfproto ipv4 fib daddr type local tcp dport { 1, 2 } dnat ip to "
       "192.168.201.2"});
}

BOOST_AUTO_TEST_CASE(a_server_limits_syns_before_they_are_tracked) {
  const auto all = nft_statements(server({8443, 443}));
  BOOST_TEST(holds(all, "syns { type filter hook prerouting priority -310;"));
  check_equal(
      chain_of(all, "tonel_s", "syns"),
      {"iifname != \"s\" tcp dport { 443, 8443 } tcp flags & (fin | syn | rst | ack) == syn "
       "jump new_syns"});
  auto v4 = server({1});
  v4.peer6 = {};
  check_equal(chain_of(nft_statements(v4), "tonel_s", "new_syns"),
              {"fib daddr type != local accept", "limit rate 8/second burst 300 packets accept",
               "ip saddr @syn_sources4 update @syn_sources4 { ip saddr timeout 10s } add "
               "@syn_rates4 { ip saddr limit rate over 10000/second burst 10000 packets } drop",
               "ip saddr @syn_sources4 accept", "add @syn_sources4 { ip saddr }", "drop"});
  BOOST_TEST(holds(all, "add @syn_sources6 { ip6 saddr & ffff:ffff:ffff:ffff:: }"));
  BOOST_TEST(!holds(nft_statements(v4), "syn_sources6"));
  auto stateless = server({1});
  stateless.nat = nat_mode::stateless;
  BOOST_TEST(holds(nft_statements(stateless), "new_syns"));
  BOOST_TEST(!holds(nft_statements(client({remote("192.0.2.1", 443)})), "syn"));
}

BOOST_AUTO_TEST_CASE(a_server_limits_what_trackers_take_up_in_its_middle) {
  check_equal(chain_of(nft_statements(server({443})), "tonel_s", "pickups"),
              {"iifname != \"s\" tcp dport 443 ct state new tcp flags & (fin | syn | rst | ack) != "
               "syn fib daddr type local limit rate over 100/second burst 1000 packets drop"});
  auto stateless = server({443});
  stateless.nat = nat_mode::stateless;
  BOOST_TEST(!holds(nft_statements(stateless), "pickups"));
  BOOST_TEST(!holds(nft_statements(client({remote("192.0.2.1", 443)})), "pickups"));
}

BOOST_AUTO_TEST_CASE(a_mark_is_set_in_both_directions) {
  auto plan = client({remote("192.0.2.1", 443)});
  BOOST_TEST(!holds(nft_statements(plan), "mark"));
  plan.mark = 51820;
  const auto all = nft_statements(plan);
  check_equal(chain_of(all, "tonel_t", "marking"),
              {"iifname \"t\" meta l4proto tcp meta mark set 51820",
               "iifname != \"t\" ip saddr 192.0.2.1 tcp sport 443 meta mark set 51820"});
  BOOST_TEST(holds(all, "marking { type filter hook prerouting priority mangle;"));
}

BOOST_AUTO_TEST_CASE(stateless_translation_rewrites_and_does_not_track) {
  auto plan = server({8443});
  plan.nat = nat_mode::stateless;
  plan.interface4 = "eth0";
  plan.host4 = address("203.0.113.7");
  const auto all = nft_statements(plan);
  check_equal(chain_of(all, "tonel_s", "prerouting"),
              {"iifname \"s\" ip saddr 192.168.201.2 tcp sport 8443 notrack",
               "iifname \"eth0\" ip daddr 203.0.113.7 tcp dport 8443 notrack ip daddr set "
               "192.168.201.2"});
  check_equal(chain_of(all, "tonel_s", "postrouting"),
              {"oifname \"eth0\" ip saddr 192.168.201.2 tcp sport 8443 ip saddr set 203.0.113.7"});
  BOOST_TEST(!holds(all, "ct state"));
  BOOST_TEST(holds(all, "forward iifname \"s\" meta l4proto tcp drop"));
}

BOOST_AUTO_TEST_CASE(invalid_packets_are_dropped_before_anything_is_translated) {
  for (const auto& plan : {client({remote("192.0.2.1", 1)}), server({1})}) {
    const auto all = nft_statements(plan);
    const auto nat = std::find_if(all.begin(), all.end(), [](const auto& s) {
      return s.find("type nat") != std::string::npos;
    });
    BOOST_TEST((nat != all.end()));
    BOOST_TEST(!holds({nat, all.end()}, "drop"));
  }
}

BOOST_AUTO_TEST_CASE(the_owner_flag_is_all_that_an_owned_table_differs_in) {
  auto owned = nft_statements(server({1}), table_kind::owned);
  BOOST_TEST(owned.front() == "add table inet tonel_s { flags owner; }");
  owned.front() = "add table inet tonel_s";
  check_equal(owned, nft_statements(server({1})));
}

BOOST_AUTO_TEST_CASE(every_command_is_one_line_that_a_shell_takes_whole) {
  auto plan = server({1, 2});
  plan.mark = 7;
  for (const auto& line : shell_commands(plan)) {
    BOOST_TEST(line.find('\n') == std::string::npos);
    const auto quotes = std::count(line.begin(), line.end(), '\'');
    BOOST_TEST(quotes == (line.rfind("nft ", 0) == 0 ? 2 : 0), line);
  }
}

BOOST_AUTO_TEST_CASE(a_client_for_iptables) {
  auto plan = client({remote("192.0.2.1", 443)});
  plan.interface4 = "eth0";
  plan.mark = 7;
  lines got;
  for (const auto& r : iptables_rules(plan, false))
    got.push_back(r.table + ' ' + r.chain + ' ' + r.match);
  const std::string tag = " -m comment --comment \"tonel_t\" -j ";
  const std::string invalid = " -m conntrack --ctstate INVALID" + tag + "DROP";
  check_equal(
      got,
      {
          "filter INPUT -i t -p tcp" + invalid,
          "filter INPUT ! -i t -s 192.0.2.1 -p tcp --sport 443" + invalid,
          "filter FORWARD -i t -p tcp" + invalid,
          "filter FORWARD -o t -p tcp" + invalid,
          "filter FORWARD ! -i t -s 192.0.2.1 -p tcp --sport 443" + invalid,
          "filter FORWARD -i t -o eth0 -s 192.168.200.2 -d 192.0.2.1 -p tcp --dport 443" + tag +
              "ACCEPT",
          "filter FORWARD -i eth0 -o t -d 192.168.200.2 -s 192.0.2.1 -p tcp --sport 443" + tag +
              "ACCEPT",
          "filter FORWARD -d 192.168.200.2 ! -o t" + tag + "DROP",
          "mangle PREROUTING -i t -p tcp" + tag + "MARK --set-mark 7",
          "mangle PREROUTING ! -i t -s 192.0.2.1 -p tcp --sport 443" + tag + "MARK --set-mark 7",
          "nat POSTROUTING -o eth0 -s 192.168.200.2 -d 192.0.2.1 -p tcp --dport 443" + tag +
              "MASQUERADE",
      });
}

BOOST_AUTO_TEST_CASE(a_server_for_iptables) {
  lines got;
  for (const auto& r : iptables_rules(server({8443}), true))
    if (r.table == "nat") got.push_back(r.chain + ' ' + r.match);
  check_equal(got, {"PREROUTING ! -i s -m addrtype --dst-type LOCAL -p tcp --dport 8443 -m comment "
                    "--comment \"tonel_s\" -j DNAT --to-destination fcc9::2"});
}

BOOST_AUTO_TEST_CASE(iptables_replaces_what_has_the_tag_and_nothing_else) {
  const std::string saved = "# Generated\n"
                            "*filter\n"
                            ":FORWARD ACCEPT [0:0]\n"
                            "-A FORWARD -i t -m comment --comment tonel_t -j DROP\n"
                            "-A FORWARD -i t -m comment --comment \"tonel_t\" -j DROP\n"
                            "-A FORWARD -i t -m comment --comment tonel_t2 -j DROP\n"
                            "COMMIT\n"
                            "*nat\n"
                            "-A POSTROUTING -j MASQUERADE\n"
                            "COMMIT\n";
  BOOST_TEST(iptables_restore_text(saved, "tonel_t", {}) ==
             "*filter\n"
             "-D FORWARD -i t -m comment --comment tonel_t -j DROP\n"
             "-D FORWARD -i t -m comment --comment \"tonel_t\" -j DROP\n"
             "COMMIT\n");
  BOOST_TEST(
      iptables_restore_text(saved, "tonel_x",
                            {{"nat", "A", "one"}, {"nat", "A", "two"}, {"raw", "B", "three"}}) ==
      "*nat\n-I A 1 one\n-I A 2 two\nCOMMIT\n*raw\n-I B 1 three\nCOMMIT\n");
  BOOST_TEST(iptables_restore_text(saved, "tonel_x", {}).empty());
  BOOST_TEST(iptables_lines_of(saved, "tonel_t").size() == 2u);
}

BOOST_AUTO_TEST_CASE(removal_does_not_fail_where_there_is_nothing) {
  check_equal(nft_removal_statements("tonel_t"),
              {"add table inet tonel_t", "delete table inet tonel_t"});
  check_equal(nft_removal_statements("tonel_t", table_kind::owned),
              {"add table inet tonel_t { flags owner; }", "delete table inet tonel_t"});
}

BOOST_AUTO_TEST_CASE(only_packets_of_who_is_allowed_are_ours) {
  auto plan = server({8443, 443, 444, 80, 81});
  plan.uplinks = {{"w1", 7}};
  const auto net = [](const char* text) { return *ip_net::parse(text); };
  plan.allow[443] = {net("192.0.2.0/24"), net("198.51.100.7"), net("2001:db8::/32"),
                     net("192.0.2.8")};
  plan.allow[444] = {net("0.0.0.0/0"), net("192.0.2.0/24")}; // all of IPv4, none of IPv6
  plan.allow[80] = plan.allow[81] = {net("2001:db8::1")};
  const auto all = nft_statements(plan);
  const std::string v4 = "ip saddr { 192.0.2.0/24, 198.51.100.7 } tcp dport 443";
  const std::string any4 = "meta nfproto ipv4 tcp dport 444";
  const std::string v6 = "ip6 saddr 2001:db8::/32 tcp dport 443";
  const std::string one6 = "ip6 saddr 2001:db8::1 tcp dport { 80, 81 }";
  const std::string open = "tcp dport 8443";
  const auto here = " fib daddr type local ";
  const std::string to4 = " dnat ip to 192.168.201.2", to6 = " dnat ip6 to fcc9::2";
  check_equal(chain_of(all, "tonel_s", "prerouting"),
              {
                  "iifname != \"s\" meta nfproto ipv4" + (here + open) + to4,
                  "iifname != \"s\" meta nfproto ipv6" + (here + open) + to6,
                  "iifname != \"s\" meta nfproto ipv4" + (here + any4) + to4,
                  "iifname != \"s\" meta nfproto ipv4" + (here + v4) + to4,
                  "iifname != \"s\" meta nfproto ipv6" + (here + v6) + to6,
                  "iifname != \"s\" meta nfproto ipv6" + (here + one6) + to6,
              });
  // No other chain touches what comes to the port from elsewhere.
  for (const auto& line : all) {
    const auto of_port = line.find("tcp dport 443") != std::string::npos;
    BOOST_TEST(
        (!of_port || line.find(v4) != std::string::npos || line.find(v6) != std::string::npos),
        line);
  }
  for (const char* chain : {"syns", "input", "forward", "pickups", "uplinks"})
    BOOST_TEST(holds(chain_of(all, "tonel_s", chain), v4), chain);
}

BOOST_AUTO_TEST_CASE(only_packets_of_who_is_allowed_are_ours_by_iptables) {
  auto plan = server({8443, 443});
  plan.allow[443] = {*ip_net::parse("192.0.2.0/24"), *ip_net::parse("198.51.100.7")};
  const auto nat_of = [&](bool v6) {
    lines got;
    for (const auto& r : iptables_rules(plan, v6))
      if (r.table == "nat") got.push_back(r.match.substr(0, r.match.find(" -m comment")));
    return got;
  };
  const std::string local = "! -i s -m addrtype --dst-type LOCAL ";
  check_equal(nat_of(false),
              {local + "-s 192.0.2.0/24 -p tcp --dport 443",
               local + "-s 198.51.100.7 -p tcp --dport 443", local + "-p tcp --dport 8443"});
  check_equal(nat_of(true), {local + "-p tcp --dport 8443"});
  const auto rules = iptables_rules(plan, false);
  BOOST_TEST(std::count_if(rules.begin(), rules.end(), [](const iptables_rule& r) {
               return r.match.find("--sport 443 ") != std::string::npos;
             }) == 1);
}

BOOST_AUTO_TEST_SUITE_END()
