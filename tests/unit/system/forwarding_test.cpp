#include "system/forwarding.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

using names = std::vector<std::string>;

/// The sysctls of a host with two network devices and our TUN, as the kernel keeps them.
struct fake_host {
  explicit fake_host(bool by_device6) {
    for (const auto* device : {"lo", "t", "eth0", "eth1"}) {
      const std::string of = device;
      sysctls["net.ipv4.conf." + of + ".forwarding"] = "0";
      sysctls["net.ipv6.conf." + of + ".forwarding"] = "0";
      sysctls["net.ipv6.conf." + of + ".accept_ra"] = "1";
      if (by_device6) sysctls["net.ipv6.conf." + of + ".force_forwarding"] = "0";
    }
    sysctls["net.ipv4.ip_forward"] = "0";
    sysctls["net.ipv6.conf.all.forwarding"] = "0";
    sysctls["net.ipv6.conf.default.forwarding"] = "0";
    plan.tun = "t";
    plan.table = "tonel_t";
    plan.peer4 = *protocol::ip_address::parse("192.168.200.2");
    plan.peer6 = *protocol::ip_address::parse("fcc8::2");
    plan.interface4 = plan.interface6 = "eth0";
    facts.devices = {"eth0", "eth1", "t"};
  }

  sysctl_access access() {
    sysctl_access out;
    out.read = [this](const std::string& name) -> result<std::string> {
      const auto at = sysctls.find(name);
      if (at == sysctls.end()) return unexpected{os_error{ENOENT, "open", name}};
      return at->second;
    };
    out.write = [this](const std::string& name, const std::string& value) -> result<void> {
      if (read_only) return unexpected{os_error{EROFS, "open", name}};
      sysctls[name] = value;
      // One for all sets that of each, and takes away what was learnt.
      const bool all4 = name == "net.ipv4.ip_forward",
                 all6 = name == "net.ipv6.conf.all.forwarding";
      for (auto& [each, now] : sysctls) {
        const std::string of = all4 ? "net.ipv4.conf." : "net.ipv6.conf.";
        const std::string what = ".forwarding";
        if ((all4 || all6) && each.rfind(of, 0) == 0 && each.size() > what.size() &&
            each.compare(each.size() - what.size(), what.size(), what) == 0)
          now = value;
        if (all6 && value == "1" && each.find(".accept_ra") != each.npos && now == "1")
          forgotten = true;
      }
      return {};
    };
    return out;
  }

  void settle() { plan_forwarding(plan, facts, access()); }
  names turn_on() {
    auto failed = switch_on(plan, facts.devices, leases, access());
    facts.leases = leases;
    return failed;
  }

  std::map<std::string, std::string> sysctls;
  rule_plan plan;
  forwarding_facts facts;
  std::vector<sysctl_lease> leases;
  bool read_only = false;
  bool forgotten = false; ///< routes that were learnt
};

bool holds(const std::vector<std::string>& all, const std::string& text) {
  return std::any_of(all.begin(), all.end(),
                     [&](const auto& line) { return line.find(text) != std::string::npos; });
}

} // namespace

BOOST_AUTO_TEST_SUITE(forwarding_test)

BOOST_AUTO_TEST_CASE(one_device_beside_the_tun_forwards_and_is_closed_to_all_else) {
  fake_host host{true};
  host.settle();
  BOOST_TEST(!forwards(host.plan, host.access()));
  BOOST_TEST(host.turn_on().empty());
  BOOST_TEST(forwards(host.plan, host.access()));
  BOOST_TEST((host.plan.forward4.closed == names{"eth0"}));
  BOOST_TEST((host.plan.forward6.closed == names{"eth0"}));
  for (const auto* on : {"net.ipv4.conf.t.forwarding", "net.ipv4.conf.eth0.forwarding",
                         "net.ipv6.conf.t.force_forwarding", "net.ipv6.conf.eth0.force_forwarding"})
    BOOST_TEST(host.sysctls[on] == "1", on);
  for (const auto* off : {"net.ipv4.ip_forward", "net.ipv4.conf.eth1.forwarding",
                          "net.ipv6.conf.all.forwarding", "net.ipv6.conf.eth0.forwarding"})
    BOOST_TEST(host.sysctls[off] == "0", off);
  BOOST_TEST(host.leases.size() == 4u);
  // Looked at again, it is as it was, and nothing is noted twice.
  host.settle();
  BOOST_TEST((host.plan.forward4.closed == names{"eth0"}));
  host.turn_on();
  BOOST_TEST(host.leases.size() == 4u);
  const auto rules = nft_statements(host.plan);
  BOOST_TEST(holds(rules, "forward meta nfproto ipv4 iifname \"eth0\" ct state invalid drop"));
  BOOST_TEST(holds(rules, "forward meta nfproto ipv4 iifname \"eth0\" ct status & (snat | dnat) == "
                          "0 drop"));
  BOOST_TEST(holds(rules, "forward meta nfproto ipv6 iifname \"eth0\" ct status"));
}

BOOST_AUTO_TEST_CASE(without_a_device_all_but_those_of_tunnels_forward_and_are_closed) {
  fake_host host{true};
  host.plan.interface4.clear();
  host.facts.tuns = {"other"};
  host.facts.devices.emplace_back("other");
  host.settle();
  BOOST_TEST((host.plan.forward4.closed == names{"eth0", "eth1"}));
  BOOST_TEST(!holds(host.plan.forward4.on, "other"));
}

BOOST_AUTO_TEST_CASE(a_router_is_left_alone) {
  for (const bool by_device : {false, true}) {
    fake_host host{by_device};
    for (const auto* name : {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"})
      static_cast<void>(host.access().write(name, "1"));
    host.settle();
    BOOST_TEST(host.plan.forward4.closed.empty());
    BOOST_TEST(host.plan.forward6.closed.empty());
    BOOST_TEST(forwards(host.plan, host.access()));
    BOOST_TEST(host.turn_on().empty());
    BOOST_TEST(host.leases.empty());
    BOOST_TEST(!holds(nft_statements(host.plan), "ct status"));
  }
}

BOOST_AUTO_TEST_CASE(a_device_that_forwarded_before_stays_open) {
  fake_host host{true};
  host.sysctls["net.ipv4.conf.eth0.forwarding"] = "1";
  host.settle();
  BOOST_TEST(host.plan.forward4.closed.empty());
  host.turn_on();
  BOOST_TEST((host.leases.front().name == "net.ipv4.conf.t.forwarding"));
  // Unless another instance has opened it.
  host.facts.leases = {{"net.ipv4.conf.eth0.forwarding", "0", "1"}};
  host.settle();
  BOOST_TEST((host.plan.forward4.closed == names{"eth0"}));
}

BOOST_AUTO_TEST_CASE(an_older_kernel_forwards_as_a_whole_and_its_devices_stay_hosts) {
  fake_host host{false};
  host.sysctls["net.ipv6.conf.eth1.accept_ra"] = "0";
  host.settle();
  BOOST_TEST(host.turn_on().empty());
  BOOST_TEST(host.sysctls["net.ipv6.conf.all.forwarding"] == "1");
  for (const auto* off : {"default", "eth0", "eth1", "t"})
    BOOST_TEST(host.sysctls[std::string{"net.ipv6.conf."} + off + ".forwarding"] == "0", off);
  BOOST_TEST(host.sysctls["net.ipv6.conf.eth0.accept_ra"] == "1");
  BOOST_TEST(host.sysctls["net.ipv6.conf.eth1.accept_ra"] == "0");
  host.settle();
  BOOST_TEST((host.plan.forward6.closed == names{"eth0", "eth1"}));
  host.facts.tuns = {"other"};
  host.settle();
  BOOST_TEST(holds(nft_statements(host.plan),
                   "meta nfproto ipv6 iifname != { \"t\", \"other\" } ct state invalid drop"));
}

BOOST_AUTO_TEST_CASE(what_was_learnt_survives_the_moment_in_between) {
  fake_host host{false};
  host.facts.devices.emplace_back("lo"); // its routes are learnt by nobody
  host.settle();
  host.turn_on();
  BOOST_TEST(!host.forgotten);
}

BOOST_AUTO_TEST_CASE(others_who_make_the_host_a_router_have_the_last_word) {
  for (const bool by_device : {false, true}) {
    fake_host host{by_device};
    host.settle();
    host.turn_on();
    const auto undone = [&] {
      return std::count_if(host.leases.begin(), host.leases.end(),
                           [&](const auto& lease) { return !overtaken(lease, host.access()); });
    };
    BOOST_TEST(undone() == static_cast<std::ptrdiff_t>(host.leases.size()));
    for (const auto* name : {"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"})
      static_cast<void>(host.access().write(name, "1"));
    // A device's own setting changes nothing for a router.
    BOOST_TEST(undone() == (by_device ? 2 : 0));
    host.settle();
    BOOST_TEST(host.plan.forward4.closed.empty());
    BOOST_TEST(host.plan.forward6.closed.empty());
  }
}

BOOST_AUTO_TEST_CASE(nothing_is_to_be_undone_for_a_device_that_is_gone) {
  fake_host host{true};
  host.plan.interface4.clear();
  host.settle();
  host.turn_on();
  const auto of_eth1 = [&] {
    return std::count_if(host.leases.begin(), host.leases.end(), [](const auto& lease) {
      return lease.name == "net.ipv4.conf.eth1.forwarding";
    });
  };
  BOOST_TEST(of_eth1() == 1);
  host.sysctls.erase("net.ipv4.conf.eth1.forwarding");
  host.facts.devices = {"eth0", "t"};
  host.settle();
  host.turn_on();
  BOOST_TEST(of_eth1() == 0);
  BOOST_TEST(host.leases.size() == 4u);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_set_is_said_with_what_root_can_do) {
  fake_host host{true};
  host.read_only = true;
  host.settle();
  const auto failed = host.turn_on();
  BOOST_TEST(holds(failed, "sysctl -w net.ipv4.ip_forward=1; a line in /etc/sysctl.d keeps it"));
  BOOST_TEST(holds(failed, "sysctl -w net.ipv6.conf.all.forwarding=1"));
  BOOST_TEST(host.leases.empty());
}

BOOST_AUTO_TEST_CASE(frames_of_bridges_pass_and_iptables_names_each_device) {
  fake_host host{true};
  host.facts.bridges4 = {{"br0", "02:00:00:00:00:01"}};
  host.settle();
  const auto rules = nft_statements(host.plan);
  BOOST_TEST(holds(rules, "forward meta nfproto ipv4 iifname \"br0\" ether daddr != "
                          "02:00:00:00:00:01 accept"));
  BOOST_TEST(!holds(rules, "meta nfproto ipv6 iifname \"br0\""));
  std::vector<std::string> matches;
  for (const auto& rule : iptables_rules(host.plan, false))
    matches.push_back(rule.match);
  BOOST_TEST(holds(matches, "-i eth0 -m physdev ! --physdev-is-bridged -m conntrack ! --ctstate "
                            "SNAT,DNAT,UNTRACKED"));
}

BOOST_AUTO_TEST_SUITE_END()
