#include "system/ruleset.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel::sys;
using fate = chain_verdict::fate;

namespace {

const forwarded_packet packet{"tun0", "eth0", "new"};

std::string match(const char* key, const char* right, const char* op = "==") {
  return std::string{R"({"match": {"op": ")"} + op + R"(", "left": {"meta": {"key": ")" + key +
         R"("}}, "right": )" + right + "}}";
}

const std::string accept = R"({"accept": null})";
const std::string drop = R"({"drop": null})";

/// One base chain and one that it may jump to, each with rules of these expressions.
std::string rules(const char* policy, const std::vector<std::string>& base,
                  const std::vector<std::string>& other = {}) {
  std::string out = std::string{R"({"nftables": [{"metainfo": {}},
    {"chain": {"family": "inet", "table": "t", "name": "base", "hook": "forward", "policy": ")"} +
                    policy + R"("}}, {"chain": {"family": "inet", "table": "t", "name": "other"}})";
  const auto append = [&](const char* chain, const std::string& expressions) {
    out += std::string{R"(,{"rule": {"family": "inet", "table": "t", "handle": 9, "chain": ")"} +
           chain + R"(", "expr": [)" + expressions + "]}}";
  };
  for (const auto& each : base)
    append("base", each);
  for (const auto& each : other)
    append("other", each);
  return out + "]}";
}

fate of(const std::string& json) {
  const auto parsed = ruleset::parse(json);
  BOOST_TEST_REQUIRE(parsed.has_value());
  const auto found = parsed->forward(packet);
  BOOST_TEST(found.size() <= 1u);
  return found.empty() ? fate::passes : found.front().what;
}

} // namespace

BOOST_AUTO_TEST_SUITE(ruleset_test)

BOOST_AUTO_TEST_CASE(policy_interfaces_and_states_decide) {
  const auto state = [](const char* right, const char* op = "in") {
    return std::string{R"({"match": {"op": ")"} + op +
           R"(", "left": {"ct": {"key": "state"}}, "right": )" + right + "}}";
  };
  const auto port = R"({"match": {"op": "==", "left": {"payload": {}}, "right": 443}})";
  const auto jump = R"({"jump": {"target": "other"}})", go = R"({"goto": {"target": "other"}})";
  const std::string back = R"({"return": null})";
  const auto c = std::string{","};
  const struct {
    const char* what;
    std::string json;
    fate expected;
  } table[] = {
      {"policy", rules("drop", {}), fate::dropped},
      {"policy", rules("accept", {}), fate::passes},
      {"accept all", rules("drop", {accept}), fate::passes},
      {"in", rules("drop", {match("iifname", R"("tun0")") + c + accept}), fate::passes},
      {"in another", rules("drop", {match("iifname", R"("tun1")") + c + accept}), fate::dropped},
      {"wildcard", rules("drop", {match("iifname", R"("tun*")") + c + accept}), fate::passes},
      {"set", rules("drop", {match("oifname", R"({"set": ["lo", "eth0"]})") + c + accept}),
       fate::passes},
      {"not", rules("accept", {match("oifname", R"("lo")", "!=") + c + drop}), fate::dropped},
      {"not, ours", rules("accept", {match("oifname", R"("eth0")", "!=") + c + drop}),
       fate::passes},
      {"tcp", rules("accept", {match("l4proto", R"("tcp")") + c + drop}), fate::dropped},
      {"udp", rules("accept", {match("l4proto", R"("udp")") + c + drop}), fate::passes},
      {"state", rules("drop", {state(R"(["established", "related"])") + c + accept}),
       fate::dropped},
      {"state", rules("drop", {state(R"(["new", "related"])") + c + accept}), fate::passes},
      {"state", rules("accept", {state(R"("invalid")") + c + drop}), fate::passes},
      {"a port may match", rules("drop", {port + c + accept}), fate::unsure},
      {"a port may match: no guess", rules("accept", {port + c + drop}), fate::passes},
      {"counter and log", rules("accept", {R"({"counter": {}},{"log": null},)" + drop}),
       fate::dropped},
      {"a limit", rules("accept", {R"({"limit": {}},)" + drop}), fate::passes},
      {"iptables' match", rules("drop", {R"({"xt": null},)" + accept}), fate::unsure},
      {"reject", rules("accept", {R"({"reject": {}})"}), fate::dropped},
      {"accepted first", rules("accept", {accept, drop}), fate::passes},
      {"jump to a drop", rules("accept", {jump}, {drop}), fate::dropped},
      {"jump and back", rules("accept", {jump, drop}, {back, accept}), fate::dropped},
      {"jump, not taken", rules("accept", {match("iifname", R"("lo")") + c + jump}, {drop}),
       fate::passes},
      {"goto: the rest is left out", rules("drop", {go, accept}), fate::dropped},
      {"a map of verdicts", rules("drop", {R"({"vmap": {}})"}), fate::unsure},
      {"a loop", rules("accept", {jump}, {jump}), fate::passes},
  };
  for (const auto& each : table)
    BOOST_TEST((of(each.json) == each.expected), each.what << ": " << each.json);
}

BOOST_AUTO_TEST_CASE(what_is_not_known_of_the_packet_is_not_guessed) {
  const auto parsed = ruleset::parse(rules("accept", {match("iifname", R"("tun0")") + "," + drop}));
  BOOST_TEST(parsed->forward({"", "eth0", "new"}).empty());
}

BOOST_AUTO_TEST_CASE(translation_is_found) {
  const auto with = [](const char* statement) {
    return *ruleset::parse(
        std::string{R"({"nftables": [{"chain": {"family": "ip", "table": "nat", "name": "c"}},
      {"rule": {"family": "ip", "table": "nat", "chain": "c", "expr": [{")"} +
        statement + R"(": null}]}}]})");
  };
  BOOST_TEST(with("masquerade").translates(true));
  BOOST_TEST(with("snat").translates(true));
  BOOST_TEST(with("xt").translates(false));
  BOOST_TEST(with("dnat").translates(false));
  BOOST_TEST(!with("dnat").translates(true));
  BOOST_TEST(!with("accept").translates(false));
}

BOOST_AUTO_TEST_CASE(nonsense_is_no_ruleset) {
  for (const char* text : {"", "[]", "{}", R"({"nftables": 5})", "{", "\xff"})
    BOOST_TEST(!ruleset::parse(text).has_value());
  // Of what is odd within, nothing is made.
  BOOST_TEST(
      ruleset::parse(R"({"nftables": [5, {"chain": 5}, {"rule": 5}, {"chain": {}}]})").has_value());
}

BOOST_AUTO_TEST_SUITE_END()
