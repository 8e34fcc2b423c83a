#include "system/forward_obstacles.hpp"

#include <boost/test/unit_test.hpp>

#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

using texts = std::vector<std::string>;

protocol::ip_address address(const char* text) { return *protocol::ip_address::parse(text); }

rule_plan client() {
  rule_plan plan;
  plan.table = "tonel_t";
  plan.tun = "t";
  plan.peer4 = address("192.168.200.2");
  plan.interface4 = "eth0";
  plan.remotes = {{address("192.0.2.1"), 443}};
  return plan;
}

rule_plan server() {
  auto plan = client();
  plan.server = true;
  plan.remotes.clear();
  plan.ports = {443};
  return plan;
}

/// A ruleset of nftables, made of its parts.
struct rules_text {
  std::string json = R"({"nftables": [{"metainfo": {}})";

  rules_text& chain(const char* family, const char* table, const char* name,
                    const char* policy = nullptr) {
    json += std::string{R"(,{"chain": {"family": ")"} + family + R"(", "table": ")" + table +
            R"(", "name": ")" + name + '"';
    if (policy != nullptr)
      json += std::string{R"(, "hook": "forward", "policy": ")"} + policy + '"';
    json += "}}";
    at_ = std::string{R"({"family": ")"} + family + R"(", "table": ")" + table +
          R"(", "chain": ")" + name + R"(", "handle": 7, "expr": [)";
    return *this;
  }
  /// In the chain that was made last.
  rules_text& rule(const std::string& expressions) {
    json += ",{\"rule\": " + at_ + expressions + "]}}";
    return *this;
  }
  ruleset parsed() const { return *ruleset::parse(json + "]}"); }

private:
  std::string at_;
};

const std::string reject = R"({"reject": {"type": "icmpx", "expr": "admin-prohibited"}})";
const std::string accept = R"({"accept": null})";
const std::string drop = R"({"drop": null})";
const std::string established =
    R"({"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established"]}},)";
const std::string dnat =
    R"({"match": {"op": "in", "left": {"ct": {"key": "status"}}, "right": "dnat"}},)";

std::string payload(const char* protocol, const char* field, const char* right,
                    const char* op = "==") {
  return std::string{R"({"match": {"op": ")"} + op + R"(", "left": {"payload": {"protocol": ")" +
         protocol + R"(", "field": ")" + field + R"("}}, "right": )" + right + "}},";
}

texts said(const rules_text& rules, const rule_plan& plan,
           backend_kind backend = backend_kind::owned) {
  return forward_obstacles(rules.parsed(), plan, backend);
}

} // namespace

BOOST_AUTO_TEST_SUITE(forward_obstacles_test)

BOOST_AUTO_TEST_CASE(firewalld_rejects_what_a_client_sends_and_lets_dnat_pass) {
  rules_text rules;
  rules.chain("inet", "firewalld", "filter_FORWARD", "accept")
      .rule(established + accept)
      .rule(dnat + accept)
      .rule(reject);
  const auto found = said(rules, client());
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST(
      found[0] ==
      "the chain filter_FORWARD of table inet firewalld rejects the tunnel's packets, by the "
      "rule with handle 7 in chain filter_FORWARD, whatever our table accepts. Let the "
      "tunnel pass there: firewall-cmd --zone=trusted --add-interface=t and firewall-cmd "
      "--permanent --zone=trusted --add-interface=t");
  BOOST_TEST(said(rules, server()).empty());
}

BOOST_AUTO_TEST_CASE(firewalld_with_strict_forward_ports_needs_a_policy_at_a_server) {
  rules_text rules;
  rules.chain("inet", "firewalld", "filter_FORWARD", "accept")
      .rule(established + accept)
      .rule(reject);
  const auto found = find_obstacles(rules.parsed(), server(), {});
  BOOST_TEST_REQUIRE(found.size() == 1u);
  const texts expected{"firewall-cmd --permanent --zone=trusted --add-interface=t",
                       "firewall-cmd --permanent --new-policy=tonel",
                       "firewall-cmd --permanent --policy=tonel --add-ingress-zone=ANY",
                       "firewall-cmd --permanent --policy=tonel --add-egress-zone=trusted",
                       "firewall-cmd --permanent --policy=tonel --add-port=443/tcp",
                       "firewall-cmd --reload"};
  BOOST_TEST(found[0].commands == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(ufw_and_docker_have_commands_of_their_own) {
  rules_text ufw;
  ufw.chain("ip", "filter", "ufw-user-forward")
      .chain("ip", "filter", "FORWARD", "drop")
      .rule(R"({"xt": {"type": "match", "name": "conntrack"}},)" + accept);
  auto found = said(ufw, server());
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0] == "the chain FORWARD of table ip filter drops what it does not know, by its "
                         "policy, whatever our table accepts. Let the tunnel pass there: ufw route "
                         "allow in on t and ufw route allow out on t");
  rules_text docker;
  docker.chain("ip", "filter", "DOCKER-USER").chain("ip", "filter", "FORWARD", "drop");
  found = said(docker, client());
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].find("iptables -I DOCKER-USER -i t -j ACCEPT and iptables -I DOCKER-USER -o "
                           "t -j ACCEPT") != std::string::npos);
  // Our accepts are in that very chain.
  BOOST_TEST(said(docker, client(), backend_kind::iptables).empty());
}

BOOST_AUTO_TEST_CASE(addresses_ports_and_ranges_decide) {
  const auto rejected_at = [](const std::string& match, const rule_plan& plan) {
    rules_text rules;
    rules.chain("inet", "host", "f", "accept").rule(established + accept).rule(match + reject);
    return !said(rules, plan).empty();
  };
  BOOST_TEST(rejected_at(payload("tcp", "dport", "443"), client()));
  BOOST_TEST(rejected_at(payload("tcp", "dport", "443"), server()));
  BOOST_TEST(!rejected_at(payload("tcp", "dport", "444"), server()));
  BOOST_TEST(rejected_at(payload("tcp", "dport", R"({"range": [400, 500]})"), server()));
  BOOST_TEST(
      rejected_at(payload("th", "dport", R"({"set": [80, {"range": [400, 500]}]})"), server()));
  BOOST_TEST(!rejected_at(payload("udp", "dport", "443"), server()));
  BOOST_TEST(rejected_at(payload("ip", "saddr", R"("192.168.200.2")"), client()));
  BOOST_TEST(rejected_at(
      payload("ip", "saddr", R"({"prefix": {"addr": "192.168.0.0", "len": 16}})"), client()));
  BOOST_TEST(!rejected_at(payload("ip", "saddr", R"({"prefix": {"addr": "10.0.0.0", "len": 8}})"),
                          client()));
  BOOST_TEST(rejected_at(payload("ip", "daddr", R"("192.0.2.1")"), client()));
  BOOST_TEST(rejected_at(payload("ip", "daddr", R"("192.0.2.2")", "!="), client()));
  BOOST_TEST(!rejected_at(payload("ip6", "daddr", R"("2001:db8::1")"), client()));
  // What cannot be known is not guessed.
  BOOST_TEST(!rejected_at(payload("tcp", "dport", R"("@ports")"), server()));
  BOOST_TEST(!rejected_at(payload("ip", "saddr", R"("192.0.2.9")"), server()));
}

BOOST_AUTO_TEST_CASE(chains_that_let_the_tunnel_pass_are_not_named) {
  rules_text rules;
  rules.chain("inet", "host", "f", "drop")
      .rule(established + accept)
      .rule(payload("ip", "saddr", R"({"prefix": {"addr": "192.168.200.0", "len": 24}})") + accept);
  BOOST_TEST(said(rules, client()).empty());
  BOOST_TEST(said(rules, server()).size() == 1u);
  // iptables keeps a comment as a match that always holds.
  rules_text commented;
  commented.chain("ip", "filter", "FORWARD", "drop")
      .rule(R"({"xt": {"type": "match", "name": "comment"}},)" + accept);
  BOOST_TEST(said(commented, client()).empty());
}

BOOST_AUTO_TEST_CASE(answers_that_are_surely_dropped_are_named_too) {
  rules_text rules;
  rules.chain("inet", "host", "f", "accept").rule(established + drop);
  BOOST_TEST(said(rules, client()).size() == 1u);
}

BOOST_AUTO_TEST_CASE(other_families_and_tables_of_ours_do_not_count) {
  rules_text rules;
  rules.chain("ip6", "host", "f", "drop").chain("inet", "tonel_other", "forward", "drop");
  BOOST_TEST(said(rules, client()).empty());
  auto plan = client();
  plan.peer6 = address("fcc8::2");
  BOOST_TEST(said(rules, plan).size() == 1u);
}

BOOST_AUTO_TEST_CASE(chains_ahead_of_forwarding_and_behind_it_count_where_they_are_sure) {
  const auto at_hook = [](const char* hook, const std::string& expressions) {
    return *ruleset::parse(
        std::string{R"({"nftables": [{"chain": {"family": "ip", "table": "wall", "name": "c",)"} +
        R"("type": "filter", "policy": "accept", "hook": ")" + hook +
        R"("}}, {"rule": {"family": "ip", "table": "wall", "chain": "c", "handle": 7, "expr": [)" +
        expressions + "]}}]}");
  };
  obstacle_search how;
  how.all_hooks = true;
  how.network4 = "eth0";
  const auto port = payload("tcp", "dport", "443") + drop;
  auto found = find_obstacles(at_hook("prerouting", port), server(), how);
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].hook == "prerouting");
  const texts for_server{"nft insert rule ip wall c iifname t accept",
                         "nft insert rule ip wall c tcp dport 443 accept"};
  BOOST_TEST(found[0].commands == for_server, boost::test_tools::per_element());
  found =
      find_obstacles(at_hook("prerouting", payload("tcp", "sport", "443") + drop), client(), how);
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].commands.back() == "nft insert rule ip wall c tcp sport 443 accept");
  found = find_obstacles(at_hook("postrouting", port), client(), how);
  BOOST_TEST_REQUIRE(found.size() == 1u);
  BOOST_TEST(found[0].commands.back() == "nft insert rule ip wall c oifname t accept");
  // The state, the address and the way out are not known yet.
  const auto state = established + drop;
  BOOST_TEST(find_obstacles(at_hook("prerouting", state), client(), how).empty());
  const auto own = payload("ip", "daddr", R"("192.168.200.2")") + drop;
  BOOST_TEST(find_obstacles(at_hook("prerouting", own), server(), how).empty());
  // Nobody asks for them at a start.
  BOOST_TEST(find_obstacles(at_hook("prerouting", port), server(), {}).empty());
}

BOOST_AUTO_TEST_CASE(the_interface_of_the_way_decides_where_the_plan_names_none) {
  auto plan = client();
  plan.interface4.clear();
  rules_text rules;
  rules.chain("inet", "host", "f", "accept")
      .rule(R"({"match": {"op": "==", "left": {"meta": {"key": "oifname"}}, "right": "eth1"}},)" +
            reject);
  obstacle_search how;
  how.network4 = "eth0";
  BOOST_TEST(find_obstacles(rules.parsed(), plan, how).empty());
  how.network4 = "eth1";
  BOOST_TEST(find_obstacles(rules.parsed(), plan, how).size() == 1u);
}

BOOST_AUTO_TEST_CASE(chains_of_iptables_have_its_commands_where_it_is_installed) {
  rules_text rules;
  rules.chain("ip", "filter", "FORWARD", "drop").chain("ip", "filter-legacy", "FORWARD", "drop");
  obstacle_search how;
  how.has_iptables = true;
  const auto found = find_obstacles(rules.parsed(), client(), how);
  BOOST_TEST_REQUIRE(found.size() == 2u);
  BOOST_TEST(found[0].commands.front() == "iptables -I FORWARD -i t -j ACCEPT");
  BOOST_TEST(found[1].commands.front() == "iptables-legacy -I FORWARD -i t -j ACCEPT");
}

BOOST_AUTO_TEST_SUITE_END()
