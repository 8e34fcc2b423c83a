#include "system/linux/netlink.hpp"
#include "system/linux/netlink_message.hpp"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace tonel::sys {

namespace {

constexpr std::uint32_t clsact_parent(std::uint32_t direction) noexcept {
  return (TC_H_CLSACT & TC_H_MAJ_MASK) | direction;
}

tcmsg of_interface(std::uint32_t index) noexcept {
  tcmsg out{};
  out.tcm_family = AF_UNSPEC;
  out.tcm_ifindex = static_cast<int>(index);
  return out;
}

tcmsg as_message(std::uint32_t index, const ingress_filter& f) noexcept {
  auto out = of_interface(index);
  out.tcm_parent = clsact_parent(TC_H_MIN_INGRESS);
  out.tcm_handle = f.handle;
  out.tcm_info = std::uint32_t{f.priority} << 16 | htons(ETH_P_ALL);
  return out;
}

tcmsg clsact_of(std::uint32_t index) noexcept {
  auto out = of_interface(index);
  out.tcm_parent = TC_H_CLSACT;
  out.tcm_handle = TC_H_CLSACT & TC_H_MAJ_MASK;
  return out;
}

} // namespace

result<bool> route_netlink::add_clsact(std::uint32_t index) {
  const auto fixed = clsact_of(index);
  netlink_request r{RTM_NEWQDISC, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &fixed,
                    sizeof fixed};
  r.text(TCA_KIND, "clsact");
  auto done = exchange(r, "netlink RTM_NEWQDISC");
  if (!done && done.error().number == EEXIST) return false;
  if (!done) return unexpected{done.error()};
  return true;
}

result<void> route_netlink::remove_clsact(std::uint32_t index) {
  const auto fixed = clsact_of(index);
  netlink_request r{RTM_DELQDISC, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  return exchange(r, "netlink RTM_DELQDISC");
}

result<void> route_netlink::each_filter(std::uint32_t index, bool ingress,
                                        const std::function<void(const nlmsghdr&)>& visit) {
  auto fixed = of_interface(index);
  fixed.tcm_parent = clsact_parent(ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
  netlink_request r{RTM_GETTFILTER, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  return exchange(r, "netlink RTM_GETTFILTER", [&](const nlmsghdr& h) {
    if (h.nlmsg_type == RTM_NEWTFILTER) visit(h);
  });
}

result<std::size_t> route_netlink::count_filters(std::uint32_t index) {
  std::size_t count = 0;
  for (const bool ingress : {true, false}) {
    // Each chain and priority also reports itself, without a handle.
    const auto done = each_filter(index, ingress, [&](const nlmsghdr& h) {
      tcmsg m{};
      if (read_fixed(h, m) && m.tcm_handle != 0) ++count;
    });
    if (!done) return unexpected{done.error()};
  }
  return count;
}

result<std::vector<ingress_filter>> route_netlink::ingress_filters(std::uint32_t index) {
  std::vector<ingress_filter> found;
  const auto done = each_filter(index, true, [&](const nlmsghdr& h) {
    tcmsg m{};
    if (!read_fixed(h, m) || m.tcm_handle == 0) return;
    ingress_filter f;
    f.priority = static_cast<std::uint16_t>(m.tcm_info >> 16);
    f.handle = m.tcm_handle;
    bool program = false;
    each_attribute(h, sizeof m, [&](const netlink_attribute& a) {
      if (a.type() == TCA_KIND) program = a.text() == "bpf";
      if (a.type() != TCA_OPTIONS) return;
      each_attribute({a.data(), a.size()}, [&](const netlink_attribute& option) {
        if (option.type() == TCA_BPF_NAME) f.name = option.text();
        if (option.type() == TCA_BPF_ID) f.program = option.number();
      });
    });
    if (program) found.push_back(std::move(f));
  });
  if (!done) return unexpected{done.error()};
  return found;
}

result<void> route_netlink::add_filter(std::uint32_t index, const ingress_filter& f, int program) {
  const auto fixed = as_message(index, f);
  netlink_request r{RTM_NEWTFILTER, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &fixed,
                    sizeof fixed};
  r.text(TCA_KIND, "bpf");
  const auto options = r.open(TCA_OPTIONS);
  r.number(TCA_BPF_FD, static_cast<std::uint32_t>(program));
  r.text(TCA_BPF_NAME, f.name);
  r.number(TCA_BPF_FLAGS, std::uint32_t{TCA_BPF_FLAG_ACT_DIRECT});
  r.close(options);
  return exchange(r, "netlink RTM_NEWTFILTER");
}

result<void> route_netlink::remove_filter(std::uint32_t index, const ingress_filter& f) {
  const auto fixed = as_message(index, f);
  netlink_request r{RTM_DELTFILTER, NLM_F_REQUEST | NLM_F_ACK, &fixed, sizeof fixed};
  r.text(TCA_KIND, "bpf");
  return exchange(r, "netlink RTM_DELTFILTER");
}

} // namespace tonel::sys
