#include "actors/app/doctor/doctor.hpp"
#include "actors/app/doctor/doctor_target.hpp"
#include "system/iptables_save.hpp"

#include <boost/test/unit_test.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::actors;
using namespace tonel::actors::app;
using level = finding::level;

namespace {

const char* const masquerading = R"({"nftables": [
  {"chain": {"family": "inet", "table": "t", "name": "post", "hook": "postrouting"}},
  {"chain": {"family": "inet", "table": "t", "name": "pre", "hook": "prerouting"}},
  {"rule": {"family": "inet", "table": "t", "chain": "post", "expr": [{"masquerade": null}]}},
  {"rule": {"family": "inet", "table": "t", "chain": "pre", "expr": [{"dnat": {"addr": "1.2.3.4"}}]}}
]})";

/// A host on which all is well.
sys::host_facts good_host() {
  sys::host_facts out;
  out.net_admin = true;
  out.forward4 = out.forward6 = 1;
  sys::interface_facts uplink;
  uplink.name = "eth0";
  uplink.mtu = 1500;
  uplink.up = uplink.default_route = true;
  uplink.forwarding = 1;
  out.interfaces = {uplink};
  out.uplink = "eth0";
  out.path_mtu = 1500;
  out.ruleset = masquerading;
  out.conntrack_count = 10;
  out.conntrack_max = 100;
  out.conntrack_liberal = 1;
  return out;
}

/// Configuration files, in a folder of their own.
struct config_folder {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("tonel_doctor_test." + std::to_string(getpid()));

  config_folder() {
    for (const auto* name : {"client.d", "server.d"})
      std::filesystem::create_directories(folder / name);
  }
  ~config_folder() { std::filesystem::remove_all(folder); }
  std::string path(const std::string& name) const { return (folder / name).string(); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream{path(name)} << text;
    std::filesystem::permissions(path(name), std::filesystem::perms::owner_read |
                                                 std::filesystem::perms::owner_write);
  }
};

sys::host_facts good_mac() {
  sys::host_facts out;
  out.system = sys::host_system::macos;
  out.net_admin = true;
  out.forward4 = out.forward6 = 1;
  sys::interface_facts uplink;
  uplink.name = "en0";
  uplink.mtu = 1500;
  uplink.up = uplink.default_route = true;
  out.interfaces = {uplink};
  out.uplink = "en0";
  out.path_mtu = 1500;
  out.pf = sys::pf_facts{true, true, {"tonel_utun7"}};
  return out;
}

doctor_target server() {
  doctor_target out;
  out.side = role::server;
  out.tun = "tonel0";
  out.local_port = 443;
  return out;
}
doctor_target client() {
  doctor_target out;
  out.tun = "tonel0";
  return out;
}

sys::interface_facts second(const char* name) {
  sys::interface_facts out;
  out.name = name;
  out.up = out.default_route = true;
  out.rp_filter = 1;
  return out;
}

std::string forward_chain(const char* policy) {
  return std::string{R"({"nftables": [{"chain": {"family": "inet", "table": "f", "name": "fwd",)"} +
         R"("hook": "forward", "policy": ")" + policy + R"("}},)" +
         R"({"chain": {"family": "ip", "table": "nat", "name": "x", "hook": "postrouting"}},)" +
         R"({"rule": {"family": "ip", "table": "nat", "chain": "x", "expr": [{"xt": null}]}}]})";
}

using change = std::function<void(sys::host_facts&, doctor_target&)>;

} // namespace

BOOST_AUTO_TEST_SUITE(doctor_test)

BOOST_AUTO_TEST_CASE(a_good_host_has_nothing_to_mend) {
  for (const auto& target : {client(), server()})
    for (const auto& each : diagnose(target, good_host()))
      BOOST_TEST((each.is == level::fine && each.mend.empty()), each.text);
}

BOOST_AUTO_TEST_CASE(a_host_that_forwards_by_device_is_no_router_and_good) {
  auto facts = good_host();
  facts.forward4 = facts.forward6 = 0;
  facts.forwards6_by_device = true;
  sys::interface_facts tun;
  tun.name = client().tun;
  tun.up = true;
  tun.forwarding = 1;
  facts.interfaces.push_back(tun);
  for (const auto& each : diagnose(client(), facts))
    BOOST_TEST((each.is == level::fine && each.mend.empty()), each.text);
  facts.interfaces[0].forwarding = 0; // the uplink
  const auto found = diagnose(client(), facts);
  BOOST_TEST(std::any_of(found.begin(), found.end(), [](const finding& each) {
    return each.is == level::fault && each.about == std::string{"forwarding"};
  }));
}

BOOST_AUTO_TEST_CASE(each_fault_is_named_alone_with_what_mends_it) {
  using facts = sys::host_facts;
  using target = doctor_target;
  const struct {
    const char* about;
    level is;
    const char* mend; ///< the first command; empty: none
    target of;
    change make;
  } table[] = {
      {"tun", level::fault, "mkdir -p /dev/net", client(),
       [](facts& f, target&) { f.tun_error = ENOENT; }},
      {"tun", level::fault, "modprobe tun", client(),
       [](facts& f, target&) { f.tun_error = ENODEV; }},
      {"tun", level::fault, "", client(), [](facts& f, target&) { f.tun_error = EPERM; }},
      {"tun", level::fault, "chmod 666 /dev/net/tun", client(),
       [](facts& f, target&) { f.tun_error = EACCES; }},
      {"tun", level::fault, "", client(), [](facts& f, target&) { f.tun_error = EIO; }},
      {"capability", level::fault, "setcap cap_net_admin+ep /usr/bin/tonelc", client(),
       [](facts& f, target&) {
         f.net_admin = false;
         f.programs = {{"/usr/bin/tonelc", false}};
       }},
      {"capability", level::fault, "", client(), [](facts& f, target&) { f.net_admin = false; }},
      {"route", level::fault, "", client(),
       [](facts& f, target&) {
         f.uplink.clear();
         f.path_mtu.reset();
       }},
      {"route", level::fault, "", client(),
       [](facts& f, target&) { f.interfaces[0].wireguard = true; }},
      {"route", level::note, "", client(),
       [](facts& f, target& t) {
         f.interfaces[0].wireguard = true;
         t.parts = {{"tunnel", "works", ""}};
       }},
      {"route", level::fault, "", client(),
       [](facts& f, target&) {
         f.spared_mark = 51820;
         // Nothing of the VPN's device says how large the tunnel's own packets may be.
         f.interfaces[0].mtu = 1428;
       }},
      {"route", level::note, "", client(),
       [](facts& f, target& t) {
         f.spared_mark = 51820;
         t.answered = true;
       }},
      {"route", level::fault, "", client(), [](facts&, target& t) { t.auto_rule = "eth1"; }},
      {"addresses", level::fault, "", client(),
       [](facts& f, target& t) {
         t.chosen = {{*protocol::ip_address::parse("10.0.0.253"),
                      *protocol::ip_address::parse("10.0.0.254")}};
         f.nets = {{{*protocol::ip_address::parse("10.0.0.0"), 24}, "eth0", true}};
       }},
      {"forwarding", level::fault, "sysctl -w net.ipv4.ip_forward=1", client(),
       [](facts& f, target&) { f.forward4 = 0; }},
      {"forwarding6", level::fault, "sysctl -w net.ipv6.conf.all.forwarding=1", server(),
       [](facts& f, target&) { f.forward6 = 0; }},
      {"forwarding", level::fault, "sysctl -w net/ipv4/conf/eth0/forwarding=1", client(),
       [](facts& f, target&) { f.interfaces[0].forwarding = 0; }},
      {"rp_filter", level::fault, "sysctl -w net/ipv4/conf/eth1.5/rp_filter=2", client(),
       [](facts& f, target&) { f.interfaces.push_back(second("eth1.5")); }},
      {"forward", level::fault, "nft insert rule inet f fwd iifname tonel0 accept", client(),
       [](facts& f, target&) { f.ruleset = forward_chain("drop"); }},
      {"translation", level::fault, "nft x", client(),
       [](facts& f, target& t) {
         f.ruleset = R"({"nftables": []})";
         t.running = true;
         t.rule_commands = {"nft x"};
       }},
      {"translation", level::note, "", server(),
       [](facts& f, target&) { f.ruleset = R"({"nftables": []})"; }},
      {"forward", level::fault, "iptables -I FORWARD -i tonel0 -j ACCEPT", client(),
       [](facts& f, target&) {
         f.has_iptables = true;
         f.iptables = {
             sys::json_of_iptables("*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack "
                                   "--ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n",
                                   false)};
       }},
      {"port", level::note, "", server(),
       [](facts& f, target& t) {
         t.take_port = true;
         f.listeners = {{443, 7, "nginx"}};
       }},
      {"conntrack", level::fault, "sysctl -w net.netfilter.nf_conntrack_max=200", client(),
       [](facts& f, target&) { f.conntrack_count = 90; }},
      {"conntrack", level::note, "modprobe nf_conntrack", client(),
       [](facts& f, target&) { f.conntrack_liberal.reset(); }},
      {"conntrack-strict", level::note, "sysctl -w net.netfilter.nf_conntrack_tcp_be_liberal=1",
       client(), [](facts& f, target&) { f.conntrack_liberal = 0; }},
      {"offload", level::note, "ethtool -K eth0 tso on gro on", client(),
       [](facts& f, target&) {
         f.interfaces[0].off = {"tso", "gro"};
       }},
      {"mtu", level::note, "", client(), [](facts& f, target&) { f.path_mtu = 1400; }},
      {"mtu", level::note, "", client(), [](facts& f, target&) { f.interfaces[0].mtu = 1400; }},
      {"mtu", level::note, "sed -i -e '1i mtu = 1400' -e '/^ *mtu *=/d' /etc/x", client(),
       [](facts& f, target& t) {
         f.path_mtu = 1400;
         t.config_file = "/etc/x";
       }},
      {"port", level::fault, "", server(),
       [](facts& f, target&) {
         f.listeners = {{443, 7, "nginx"}, {443, 7, "nginx"}};
       }},
      {"port", level::fault, "", server(),
       [](facts& f, target&) {
         f.listeners = {{443, 0, ""}};
       }},
  };
  for (const auto& row : table) {
    auto facts_now = good_host();
    auto target_now = row.of;
    row.make(facts_now, target_now);
    BOOST_TEST_CONTEXT(row.about << ' ' << row.mend) {
      std::size_t found = 0;
      for (const auto& each : diagnose(target_now, facts_now)) {
        if (each.is == level::fine) continue;
        ++found;
        BOOST_TEST(each.about == row.about);
        BOOST_TEST((each.is == row.is));
        BOOST_TEST((each.mend.empty() ? "" : each.mend.front()) == row.mend);
      }
      BOOST_TEST(found == 1u);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_mac_gets_advice_for_macs) {
  using facts = sys::host_facts;
  const struct {
    const char* about; ///< empty: nothing is wrong
    level is;
    const char* mend;
    doctor_target of;
    change make;
  } table[] = {
      {"", level::fine, "", client(), [](facts&, doctor_target&) {}},
      {"", level::fine, "", server(), [](facts&, doctor_target&) {}},
      {"", level::fine, "", client(),
       [](facts& f, doctor_target& t) {
         f.net_admin = false;
         t.running = true;
       }},
      {"capability", level::fault, "", client(),
       [](facts& f, doctor_target&) { f.net_admin = false; }},
      {"forwarding", level::fault, "sysctl -w net.inet.ip.forwarding=1", client(),
       [](facts& f, doctor_target&) { f.forward4 = 0; }},
      {"forwarding6", level::fault, "sysctl -w net.inet6.ip6.forwarding=1", client(),
       [](facts& f, doctor_target&) { f.forward6 = 0; }},
      {"forward", level::note, "", client(),
       [](facts& f, doctor_target&) {
         f.pf.reset();
         f.ruleset_error = "/dev/pf: Permission denied";
       }},
      {"forward", level::fault, "pfctl -f /etc/pf.conf", client(),
       [](facts& f, doctor_target&) { f.pf->looks_into_anchors = false; }},
      {"translation", level::fault, "pfctl -E", client(),
       [](facts& f, doctor_target&) { f.pf->on = false; }},
      {"translation", level::note, "", server(),
       [](facts& f, doctor_target&) { f.pf->anchors.clear(); }},
      {"translation", level::fault, "pfctl x", client(),
       [](facts& f, doctor_target& t) {
         f.pf->anchors.clear();
         t.running = true;
         t.rule_commands = {"pfctl x"};
       }},
      {"mtu", level::note, "", client(),
       [](facts& f, doctor_target& t) {
         f.path_mtu = 1400;
         t.config_file = "/etc/x";
       }},
  };
  for (const auto& row : table) {
    auto facts_now = good_mac();
    auto target_now = row.of;
    row.make(facts_now, target_now);
    BOOST_TEST_CONTEXT(row.about << ' ' << row.mend) {
      std::size_t found = 0;
      for (const auto& each : diagnose(target_now, facts_now)) {
        for (const char* foreign : {"nft", "/dev/net", "CAP_", "net.ipv4", "conntrack"})
          BOOST_TEST(each.text.find(foreign) == std::string::npos, each.text);
        if (each.is == level::fine) continue;
        ++found;
        BOOST_TEST(each.about == row.about);
        BOOST_TEST((each.is == row.is));
        BOOST_TEST((each.mend.empty() ? "" : each.mend.front()) == row.mend);
      }
      BOOST_TEST(found == (*row.about == '\0' ? 0u : 1u));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_concern_of_the_tunnel_is_no_fault) {
  using facts = sys::host_facts;
  const std::pair<const char*, change> table[] = {
      {"the program runs: whatever this user may",
       [](facts& f, doctor_target& t) {
         t.running = true;
         f.net_admin = false;
       }},
      {"its file has the capability",
       [](facts& f, doctor_target&) {
         f.net_admin = false;
         f.programs = {{"/usr/bin/tonelc", true}};
       }},
      {"strict where the way back is the same",
       [](facts& f, doctor_target&) { f.interfaces[0].rp_filter = 1; }},
      {"strict on an interface that is down",
       [](facts& f, doctor_target&) {
         f.interfaces.push_back(second("eth1"));
         f.interfaces[1].up = false;
       }},
      {"strict on an inner network",
       [](facts& f, doctor_target&) {
         f.interfaces.push_back(second("lan"));
         f.interfaces[1].default_route = false;
       }},
      {"loose",
       [](facts& f, doctor_target&) {
         f.interfaces.push_back(second("eth1"));
         f.interfaces[1].rp_filter = 2;
       }},
      {"no IPv6 wanted",
       [](facts& f, doctor_target& t) {
         t.ipv6 = false;
         f.forward6 = 0;
       }},
      {"no IPv6 at all", [](facts& f, doctor_target&) { f.forward6.reset(); }},
      {"the program will switch forwarding on and set its rules",
       [](facts& f, doctor_target& t) {
         t.sets_rules = true;
         f.forward4 = f.forward6 = 0;
         f.ruleset = R"({"nftables": []})";
       }},
      {"its rules are in place, and others may not read them",
       [](facts& f, doctor_target& t) {
         t.running = t.sets_rules = true;
         t.parts = {{"firewall", "ok", "owned"}};
         f.ruleset = R"({"nftables": []})";
       }},
      {"its rules were set by hand",
       [](facts& f, doctor_target& t) {
         t.running = true;
         f.own_tables = {"tonel_tonel0"};
         f.ruleset = R"({"nftables": []})";
       }},
      {"iptables lets its chains' packets pass by what nftables does not show",
       [](facts& f, doctor_target& t) {
         t.ends4.peer = *protocol::ip_address::parse("192.168.200.2");
         f.iptables = {sys::json_of_iptables(
             "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m conntrack --ctstate "
             "RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -s 192.168.0.0/16 -j ACCEPT\nCOMMIT\n",
             false)};
       }},
      {"a chosen address in a net behind a gateway",
       [](facts& f, doctor_target& t) {
         t.chosen = {{*protocol::ip_address::parse("10.0.0.253"),
                      *protocol::ip_address::parse("10.0.0.254")}};
         f.nets = {{{*protocol::ip_address::parse("10.0.0.0"), 24}, "eth0", false}};
       }},
      {"a listener is no matter at the client",
       [](facts& f, doctor_target&) {
         f.listeners = {{443, 7, "nginx"}};
       }},
  };
  for (const auto& [what, make] : table) {
    auto facts_now = good_host();
    auto target_now = client();
    make(facts_now, target_now);
    for (const auto& each : diagnose(target_now, facts_now))
      BOOST_TEST((each.is == level::fine), what << ": " << each.text);
  }
}

BOOST_AUTO_TEST_CASE(rules_of_iptables_are_mended_by_iptables) {
  auto facts = good_host();
  facts.has_iptables = true;
  facts.ruleset = R"({"nftables": [
    {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
    {"chain": {"family": "ip6", "table": "filter", "name": "FORWARD", "hook": "forward", "policy": "drop"}},
    {"chain": {"family": "ip", "table": "filter", "name": "DOCKER-USER"}}]})";
  std::vector<std::string> commands;
  for (const auto& each : diagnose(client(), facts))
    if (each.about == "forward")
      commands.insert(commands.end(), each.mend.begin(), each.mend.end());
  const std::vector<std::string> expected{
      "iptables -I DOCKER-USER -i tonel0 -j ACCEPT", "iptables -I DOCKER-USER -o tonel0 -j ACCEPT",
      "ip6tables -I FORWARD -i tonel0 -j ACCEPT", "ip6tables -I FORWARD -o tonel0 -j ACCEPT"};
  BOOST_TEST(commands == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(rules_that_cannot_be_read_are_a_note) {
  auto facts = good_host();
  facts.ruleset.clear();
  facts.ruleset_error = "Operation not permitted";
  const auto all = diagnose(client(), facts);
  const auto at =
      std::find_if(all.begin(), all.end(), [](const finding& f) { return f.about == "forward"; });
  BOOST_TEST_REQUIRE((at != all.end()));
  BOOST_TEST((at->is == level::note));
  BOOST_TEST(at->text.find("not permitted") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(findings_are_told_to_people_and_programs) {
  const std::vector<finding> some{{level::fine, "a", "well", {}},
                                  {level::fault, "b", "ill", {"do this", "then that"}}};
  BOOST_TEST(findings_text(some) == "ok     a: well\nfault  b: ill\n         do this\n"
                                    "         then that\n");
  BOOST_TEST(findings_json(client(), some) ==
             R"({"side":"client","tun":"tonel0","running":false,"findings":[)"
             R"({"is":"ok","about":"a","text":"well","mend":[]},)"
             R"({"is":"fault","about":"b","text":"ill","mend":["do this","then that"]}]})");
}

BOOST_FIXTURE_TEST_CASE(a_case_comes_from_all_files_or_a_running_program, config_folder) {
  write("server.conf", "tun = t9\nmtu = 1400\n[tunnel.a]\nremote=10.0.0.1:53 # up\r\nlocal = 444\n"
                       "encryption = xor:a#b\n[tunnel.b]\nlocal = 445\nremote = 10.0.0.1:54\n");
  write("server.d/c.conf", "[tunnel.c]\nlocal = 446\nremote = 10.0.0.1:55\n");
  command_line line;
  line.values["config"] = path("server.conf");
  const auto of_file = case_of_options(role::server, line);
  BOOST_TEST(of_file.target.mtu == 1400u);
  BOOST_TEST(of_file.target.tun == "t9");
  BOOST_TEST(of_file.target.problems.empty());
  BOOST_TEST(of_file.target.tunnels == 3u);
  BOOST_TEST_REQUIRE(of_file.ways.size() == 3u);
  BOOST_TEST(of_file.ways[0].tunnel == "a");
  BOOST_TEST(of_file.ways[1].question.tcp_port == 445);
  BOOST_TEST(of_file.ways[2].tunnel == "c");
  BOOST_TEST(of_file.ways[2].question.tcp_port == 446);
  const auto commands = of_file.target.rule_commands;
  BOOST_TEST(std::any_of(commands.begin(), commands.end(),
                         [](const auto& c) { return c.find("446") != std::string::npos; }));

  // What a section has beats what stands before them, in a running program as well.
  auto running = case_of_status(R"json({"side": "server", "options": {"tun": "t0", "mtu": "1300",
    "local": "", "encryption": "xor (key not shown)", "config": ")json" +
                                path("server.conf") + R"json("}})json");
  BOOST_TEST_REQUIRE(running.has_value());
  BOOST_TEST(running->target.running);
  BOOST_TEST(running->target.tun == "t0");
  BOOST_TEST(running->target.mtu == 1300u);
  BOOST_TEST(running->ways.size() == 3u);

  running = case_of_status(R"json({"side": "client", "options": {"tun": "t0",
    "ipv4-only": "on", "tun-local6": "fcc8::1", "local": "127.0.0.1:5000",
    "remote": "vpn.example.net:443", "encryption": "xor (key not shown)"}})json");
  BOOST_TEST_REQUIRE(running.has_value());
  BOOST_TEST(running->target.running);
  BOOST_TEST(!running->target.ipv6);
  BOOST_TEST(!running->target.rule_commands.empty());
  BOOST_TEST_REQUIRE(running->ways.size() == 1u);
  BOOST_TEST_REQUIRE(running->ways[0].remote.has_value());
  BOOST_TEST(running->ways[0].remote->host == "vpn.example.net");
  BOOST_TEST(!case_of_status("{}").has_value());
  BOOST_TEST(!case_of_status("x").has_value());
}

BOOST_FIXTURE_TEST_CASE(what_is_wrong_with_files_is_a_fault_and_the_rest_is_looked_at,
                        config_folder) {
  write("client.conf", "mtu = 5\n[tunnel.a]\nlocal = 127.0.0.1:1\nremote = 10.0.0.1:443\n");
  write("client.d/b.conf", "mtu = 1400\n[tunnel.b]\nlocal = 127.0.0.1:1\nremote = x:1\nfoo = 1\n");
  command_line line;
  line.values["config"] = path("client.conf");
  const auto of_file = case_of_options(role::client, line);
  BOOST_TEST(of_file.target.mtu == 1500u);
  BOOST_TEST(of_file.ways.size() == 2u);
  const auto found = diagnose(of_file.target, good_host());
  std::vector<std::string> texts;
  for (const auto& f : found)
    if (f.about == "configuration" && f.is == level::fault) texts.push_back(f.text);
  BOOST_TEST_REQUIRE(texts.size() == 4u);
  BOOST_TEST(texts[0] == path("client.d/b.conf") + ":1: mtu: is given more than once, at " +
                             path("client.conf") + ":1 too");
  BOOST_TEST(texts[1] == path("client.d/b.conf") + ":5: foo: is not an option");
  BOOST_TEST(texts[2] == path("client.d/b.conf") +
                             ":3: local 127.0.0.1:1: of tunnel b is that of " + "tunnel a too (" +
                             path("client.conf") + ":2)");
  BOOST_TEST(texts[3] == path("client.conf") + ":1: mtu 5: must be 576 to 65535");
  // On a command line, what is not told is no fault.
  BOOST_TEST(case_of_options(role::client, {}).target.problems.empty());
  line.values = {{"mtu", "5"}};
  BOOST_TEST(case_of_options(role::client, line).target.problems.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_fault_of_one_tunnel_names_it_and_one_of_all_stands_once) {
  const finding of_host{level::fine, "tun", "well", {}};
  const finding here{level::fault, "port", "ill", {"kill 1"}};
  const finding there{level::fine, "port", "free", {}};
  const finding last{level::note, "mtu", "small", {}};
  const auto all =
      joined({{"a", {of_host, there}}, {"b", {of_host, here, last}}, {"c", {of_host, there}}});
  BOOST_TEST(findings_text(all) == "ok     tun: well\n"
                                   "ok     port: tunnels a, c: free\n"
                                   "fault  port: tunnel b: ill\n"
                                   "         kill 1\n"
                                   "note   mtu: tunnel b: small\n");
  BOOST_TEST(findings_json(client(), all).find(R"("mend":["kill 1"],"tunnels":["b"])") !=
             std::string::npos);
  // The only tunnel needs no name.
  BOOST_TEST(findings_text(joined({{"a", {there}}})) == "ok     port: free\n");
}

BOOST_AUTO_TEST_SUITE_END()
