#include "system/macos/listeners.hpp"
#include "system/macos/pf_backend.hpp"
#include "system/macos/pf_text.hpp"
#include "tests/unit/system/macos/fake_pf.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <sstream>

using namespace tonel;
using namespace tonel::sys;

namespace {

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

rule_plan client() {
  rule_plan p;
  p.table = "tonel_utun7";
  p.tun = "utun7";
  p.peer4 = ip("192.168.200.2");
  p.interface4 = p.interface6 = "en0";
  p.remotes = {{ip("203.0.113.7"), 4567}};
  return p;
}

rule_plan server() {
  auto p = client();
  p.server = true;
  p.peer4 = ip("192.168.201.2");
  p.remotes.clear();
  p.ports = {4567};
  return p;
}

std::vector<std::string> lines_of(const rule_plan& plan) {
  const auto rules = pf_rules(plan);
  BOOST_TEST_REQUIRE(rules.has_value());
  std::vector<std::string> out;
  std::istringstream text{*rules};
  for (std::string line; std::getline(text, line);)
    out.push_back(line);
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pf_test)

BOOST_AUTO_TEST_CASE(a_client_is_translated_on_its_way_to_the_server_alone) {
  const std::vector<std::string> wanted{
      "nat on en0 inet proto tcp from 192.168.200.2 to 203.0.113.7 port 4567 -> (en0)",
      "pass quick on utun7 proto tcp all flags S/SA keep state",
      "block drop quick on utun7 proto tcp all",
      "pass out quick on en0 inet proto tcp from any to 203.0.113.7 port 4567 flags S/SA keep "
      "state",
      "block drop in quick on en0 inet proto tcp from 203.0.113.7 port 4567 to any",
      "block drop out quick on en0 inet from 192.168.200.2 to any",
      "block drop out quick on ! utun7 inet from any to 192.168.200.2",
  };
  BOOST_TEST(lines_of(client()) == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(a_server_gets_what_comes_for_this_host) {
  const std::vector<std::string> wanted{
      "rdr on en0 inet proto tcp from any to (en0) port 4567 -> 192.168.201.2",
      "pass quick on utun7 proto tcp all flags S/SA keep state",
      "block drop quick on utun7 proto tcp all",
      "pass in quick on en0 inet proto tcp from any to 192.168.201.2 port 4567 flags S/SA keep "
      "state",
      "block drop in quick on en0 inet proto tcp from any to 192.168.201.2 port 4567",
      "block drop out quick on en0 inet from 192.168.201.2 to any",
      "block drop out quick on ! utun7 inet from any to 192.168.201.2",
  };
  BOOST_TEST(lines_of(server()) == wanted, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(all_translation_stands_in_front_of_all_filter_rules) {
  auto p = client();
  p.peer6 = ip("fcc8::2");
  p.host6 = ip("2001:db8::9");
  p.remotes.push_back({ip("2001:db8::7"), 443});
  p.remotes.push_back({{}, 8'443}); // not resolved yet
  const auto lines = lines_of(p);
  bool filter = false;
  std::size_t translations = 0;
  for (const auto& line : lines) {
    const bool nat = line.rfind("nat ", 0) == 0;
    BOOST_TEST(!(nat && filter));
    filter |= !nat;
    translations += nat ? 1 : 0;
  }
  BOOST_TEST(translations == 4u);
  BOOST_TEST(lines[2].find("inet6 proto tcp from fcc8::2 to 2001:db8::7 port 443 -> 2001:db8::9") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(ipv6_is_left_out_where_the_host_has_no_address_of_it) {
  auto p = client();
  p.peer6 = ip("fcc8::2");
  for (const auto& line : lines_of(p))
    BOOST_TEST(line.find("inet6") == std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_pf_cannot_do_is_an_error) {
  auto marked = client();
  marked.mark = 7;
  auto stateless = client();
  stateless.nat = nat_mode::stateless;
  auto nowhere = client();
  nowhere.interface4.clear();
  for (const auto& plan : {marked, stateless, nowhere}) {
    const auto rules = pf_rules(plan);
    BOOST_TEST_REQUIRE(!rules.has_value());
    BOOST_TEST(rules.error().number == EOPNOTSUPP);
    BOOST_TEST(pf_shell_commands(plan).back().rfind("# ", 0) == 0u);
  }
}

BOOST_AUTO_TEST_CASE(the_commands_for_a_shell_do_the_same) {
  const auto commands = pf_shell_commands(server());
  BOOST_TEST_REQUIRE(commands.size() == 3u);
  BOOST_TEST(commands[0] == "sysctl -w net.inet.ip.forwarding=1");
  BOOST_TEST(commands[1].rfind("printf '%s\\n' 'rdr on en0", 0) == 0u);
  BOOST_TEST(commands[1].find("| pfctl -a com.apple/tonel_utun7 -f -") != std::string::npos);
  BOOST_TEST(commands[2] == "pfctl -E");
  auto v6 = server();
  v6.peer6 = ip("fcc9::2");
  BOOST_TEST(pf_shell_commands(v6)[1] == "sysctl -w net.inet6.ip6.forwarding=1");
}

BOOST_AUTO_TEST_CASE(a_token_is_the_number_behind_its_word) {
  BOOST_TEST(pf_token("pf enabled\nToken : 1234567890\n") == "1234567890");
  BOOST_TEST(pf_token("Token : 7") == "7");
  BOOST_TEST(pf_token("pfctl: Operation not permitted") == "");
}

BOOST_AUTO_TEST_CASE(the_main_ruleset_must_look_into_anchors) {
  const char* nat = "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n";
  const char* rules = "scrub-anchor \"com.apple/*\" all\nanchor \"com.apple/*\" all\n";
  BOOST_TEST(pf_uses_anchors(nat, rules));
  BOOST_TEST(!pf_uses_anchors(nat, ""));
  BOOST_TEST(!pf_uses_anchors("nat-anchor \"com.apple/*\" all", rules));
}

BOOST_AUTO_TEST_CASE(anchors_of_ours_are_known_by_their_names) {
  const std::vector<std::string> wanted{"tonel_utun7", "tonel_192.168.200.2"};
  BOOST_TEST(pf_own_anchors("  com.apple/200.AirDrop\n  com.apple/tonel_utun7\n"
                            "  com.apple/tonel_192.168.200.2\n") == wanted,
             boost::test_tools::per_element());
  BOOST_TEST(pf_own_anchors("").empty());
}

BOOST_AUTO_TEST_CASE(the_doctor_gets_what_pf_says_or_why_it_says_nothing) {
  fake_pf pf;
  pf.main_nat = "nat-anchor \"com.apple/*\" all\nrdr-anchor \"com.apple/*\" all\n";
  pf.main_rules = "anchor \"com.apple/*\" all\n";
  pf.loaded = "pass";
  const auto off = look_at_pf(pf.runner());
  BOOST_TEST_REQUIRE(off.has_value());
  BOOST_TEST(!off->on);
  BOOST_TEST(off->looks_into_anchors);
  BOOST_TEST(off->anchors == std::vector<std::string>{"tonel_utun7"},
             boost::test_tools::per_element());
  pf.enabled = true;
  pf.loaded.clear();
  pf.main_rules.clear();
  const auto bare = look_at_pf(pf.runner());
  BOOST_TEST_REQUIRE(bare.has_value());
  BOOST_TEST((bare->on && !bare->looks_into_anchors && bare->anchors.empty()));
  pf.errors["pfctl"] = EIO;
  BOOST_TEST(!look_at_pf(pf.runner()).has_value());
}

BOOST_AUTO_TEST_CASE(what_is_held_is_the_token_as_long_as_it_is) {
  fake_pf pf;
  pf_backend b{pf.runner()};
  BOOST_TEST(b.held() == "");
  BOOST_TEST(b.apply(client()).has_value());
  BOOST_TEST(b.held() == "1234567890");
  b.give_up("77"); // another's
  BOOST_TEST(pf.commands.back() == "pfctl -X 77");
  BOOST_TEST(b.held() == "1234567890");
  BOOST_TEST(b.remove("tonel_utun7").has_value());
  BOOST_TEST(b.held() == "");
}

BOOST_AUTO_TEST_CASE(rules_are_loaded_kept_and_taken_away) {
  fake_pf pf;
  {
    pf_backend b{pf.runner()};
    BOOST_TEST(b.apply(client()).has_value());
    BOOST_TEST(pf.loaded == *pf_rules(client()));
    BOOST_TEST(pf.enabled);
    BOOST_TEST(*b.intact());
    pf.loaded += "block all\n";
    BOOST_TEST(!*b.intact());
    BOOST_TEST(b.apply(client()).has_value());
    BOOST_TEST(*b.intact());
    pf.enabled = false; // pfctl -d
    BOOST_TEST(!*b.intact());
    BOOST_TEST(b.apply(client()).has_value());
    BOOST_TEST(pf.enabled);
    BOOST_TEST(b.remove("tonel_utun7").has_value());
    BOOST_TEST(pf.loaded.empty());
    BOOST_TEST(pf.commands.back() == "pfctl -X 1234567890");
  }
  BOOST_TEST(pf.commands.back() == "pfctl -X 1234567890");
  BOOST_TEST(std::count(pf.commands.begin(), pf.commands.end(), pf.commands.back()) == 1);
}

BOOST_AUTO_TEST_CASE(a_pf_that_refuses_is_an_error) {
  for (const char* command :
       {"pfctl -a com.apple/tonel_utun7 -f", "sh -c", "pfctl -a com.apple/tonel_utun7 -s"}) {
    fake_pf pf;
    pf.errors[command] = EIO;
    pf_backend b{pf.runner()};
    BOOST_TEST(!b.apply(client()).has_value());
  }
  fake_pf mute;
  mute.enable_says = "pf enabled";
  BOOST_TEST(!pf_backend{mute.runner()}.apply(client()).has_value());
  fake_pf forgetful;
  pf_backend b{[&](const auto& argv, const auto& input) {
    auto said = forgetful.run(argv, input);
    forgetful.loaded.clear();
    return said;
  }};
  BOOST_TEST(!b.apply(client()).has_value());
}

BOOST_AUTO_TEST_CASE(listeners_are_pairs_of_number_and_name) {
  const auto found = parse_listeners("p123\ncnginx\nf7\np9\ncssh d\n", 443);
  BOOST_TEST_REQUIRE(found.size() == 2u);
  BOOST_TEST(found[0].pid == 123);
  BOOST_TEST(found[0].program == "nginx");
  BOOST_TEST(found[1].program == "ssh d");
  BOOST_TEST(found[1].port == 443u);
  BOOST_TEST(parse_listeners("", 443).empty());
  BOOST_TEST(parse_listeners("cstray\n\n", 443).empty());
}

BOOST_AUTO_TEST_CASE(only_packets_of_who_is_allowed_are_translated) {
  auto plan = server();
  plan.peer6 = ip("fcc9::2");
  plan.allow[4567] = {*ip_net::parse("192.0.2.0/24"), *ip_net::parse("198.51.100.7")};
  const auto all = lines_of(plan);
  BOOST_TEST(all.front() ==
             "rdr on en0 inet proto tcp from { 192.0.2.0/24, 198.51.100.7/32 } to (en0) "
             "port 4567 -> 192.168.201.2");
  BOOST_TEST(std::none_of(all.begin(), all.end(), [](const std::string& line) {
    return line.rfind("rdr on en0 inet6", 0) == 0;
  }));
  plan.allow[4567] = {*ip_net::parse("::/0")};
  BOOST_TEST(lines_of(plan).front() ==
             "rdr on en0 inet6 proto tcp from any to (en0) port 4567 -> fcc9::2");
}

BOOST_AUTO_TEST_SUITE_END()
