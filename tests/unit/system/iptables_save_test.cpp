#include "system/iptables_save.hpp"
#include "system/ruleset.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::ip_address address(const char* text) { return *protocol::ip_address::parse(text); }

/// What a client's TUN sends to its server.
forwarded_packet first() {
  forwarded_packet out;
  out.in = "t0";
  out.out = "eth0";
  out.state = "new";
  out.source = {address("192.168.200.2"), 0};
  out.destination = {address("192.0.2.1"), 443};
  return out;
}

std::string saved(const std::string& rules, const char* policy = "ACCEPT") {
  return std::string{"# by a test\n*filter\n:INPUT DROP [0:0]\n:FORWARD "} + policy +
         " [1:2]\n:mine - [0:0]\n" + rules + "\nCOMMIT\n";
}

/// "": the packet passes; "?": it may
std::string stopped(const std::string& text, const forwarded_packet& packet = first()) {
  const auto rules = ruleset::parse(json_of_iptables(text, false));
  BOOST_REQUIRE(rules.has_value());
  const auto found = rules->forward(packet);
  if (found.empty()) return {};
  return (found[0].what == chain_verdict::fate::unsure ? "? " : "") + found[0].by;
}

} // namespace

BOOST_AUTO_TEST_SUITE(iptables_save_test)

BOOST_AUTO_TEST_CASE(what_a_rule_looks_at_is_known) {
  const char* const matching[] = {
      "-i t0",
      "-i t+",
      "! -i docker0 -o eth0",
      "-s 192.168.200.0/24",
      "-s 192.168.200.2/32 -d 192.0.2.1/32",
      "! -d 10.0.0.0/8",
      "-p tcp -m tcp --dport 443",
      "-p tcp -m tcp --dport 400:500",
      "-p tcp -m tcp --dport 400:",
      "-p tcp -m multiport --dports 80,443",
      "-p tcp -m multiport ! --dports 80,1000:2000",
      "-m conntrack --ctstate NEW,RELATED",
      "-m state ! --state ESTABLISHED",
      "-m comment --comment \"this and -i that \\\"there\\\"\" -i t0",
      "",
  };
  for (const auto* match : matching) {
    const auto rule = "-A FORWARD " + std::string{match} + (*match != 0 ? " " : "") + "-j DROP";
    BOOST_TEST(stopped(saved(rule)) == "the rule " + rule);
    const auto accepting = "-A FORWARD " + std::string{match} + " -j ACCEPT";
    BOOST_TEST(stopped(saved(accepting, "DROP")) == "", accepting);
  }
  for (const auto* match :
       {"-i eth0", "-o t+", "! -i t0", "-s 10.0.0.0/8", "-p udp -m udp --dport 443", "-p icmp",
        "-p tcp -m tcp --dport 80", "-p tcp -m multiport --dports 80,1000:2000",
        "-m conntrack --ctstate RELATED,ESTABLISHED"}) {
    BOOST_TEST(stopped(saved("-A FORWARD " + std::string{match} + " -j DROP")) == "", match);
    BOOST_TEST(stopped(saved("-A FORWARD " + std::string{match} + " -j ACCEPT", "DROP")) ==
                   "its policy",
               match);
  }
}

BOOST_AUTO_TEST_CASE(what_is_not_known_may_hold_or_not) {
  for (const auto* match : {"-m limit --limit 3/min", "-m set --match-set x src",
                            "-m mark --mark 0x1/0x1", "-s 10.0.0.0/255.0.255.0"}) {
    BOOST_TEST(stopped(saved("-A FORWARD " + std::string{match} + " -j DROP")) == "", match);
    BOOST_TEST(stopped(saved("-A FORWARD " + std::string{match} + " -j ACCEPT", "DROP")) ==
                   "? its policy",
               match);
  }
}

BOOST_AUTO_TEST_CASE(chains_are_followed_and_targets_that_go_on_are_passed) {
  BOOST_TEST(stopped(saved("-A FORWARD -j LOG --log-prefix \"-j ACCEPT\"\n-A FORWARD -j mine\n"
                           "-A mine -j REJECT --reject-with icmp-port-unreachable")) ==
             "the rule -A mine -j REJECT --reject-with icmp-port-unreachable");
  BOOST_TEST(stopped(saved("-A FORWARD -g mine\n-A FORWARD -j DROP\n-A mine -j RETURN")) == "");
  BOOST_TEST(stopped(saved("-A FORWARD -j mine\n-A FORWARD -j DROP\n-A mine -j RETURN")) ==
             "the rule -A FORWARD -j DROP");
}

BOOST_AUTO_TEST_CASE(it_takes_the_place_of_what_nftables_shows_of_these_chains) {
  auto rules = ruleset::parse(R"({"nftables": [
    {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "type": "filter",
     "hook": "forward", "policy": "drop"}},
    {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "handle": 2, "expr": [
     {"xt": {"type": "match", "name": "conntrack"}}, {"accept": null}]}}]})");
  BOOST_REQUIRE(rules.has_value());
  BOOST_TEST((rules->forward(first())[0].what == chain_verdict::fate::unsure));
  rules->merge(*ruleset::parse(
      json_of_iptables(saved("-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT"), false)));
  BOOST_TEST_REQUIRE(rules->forward(first()).size() == 1u);
  BOOST_TEST((rules->forward(first())[0].what == chain_verdict::fate::dropped));
  // The old iptables has tables of the same names beside them.
  rules->merge(
      *ruleset::parse(json_of_iptables(saved("-A FORWARD -o eth0 -j DROP"), false, "-legacy")));
  const auto both = rules->forward(first());
  BOOST_TEST_REQUIRE(both.size() == 2u);
  BOOST_TEST(both[1].table == "filter-legacy");
}

BOOST_AUTO_TEST_CASE(the_other_family_and_nat_say_nothing) {
  BOOST_TEST(ruleset::parse(json_of_iptables(saved("", "DROP"), true))->forward(first()).empty());
  const auto nat = ruleset::parse(
      json_of_iptables("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -p tcp -j DNAT "
                       "--to-destination 192.168.200.2\nCOMMIT\n",
                       false));
  BOOST_TEST(nat->stopping("prerouting", first()).empty());
  BOOST_TEST(nat->translates(false));
  BOOST_TEST(ruleset::parse(json_of_iptables("", false))->forward(first()).empty());
}

BOOST_AUTO_TEST_SUITE_END()
