#include "system/linux/spared_marks.hpp"

#include "system/linux/netlink_message.hpp"

#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace tonel::sys {

namespace {

constexpr std::uint32_t sequence = 1;

/// The mark of a rule of that kind; 0: another.
std::uint32_t mark_of(const nlmsghdr& message) {
  fib_rule_hdr rule{};
  if (message.nlmsg_type != RTM_NEWRULE || !read_fixed(message, rule)) return 0;
  if (rule.action != FR_ACT_TO_TBL || (rule.flags & FIB_RULE_INVERT) == 0) return 0;
  if (rule.src_len != 0 || rule.dst_len != 0) return 0;
  std::uint32_t mark = 0;
  each_attribute(message, sizeof rule, [&](const netlink_attribute& a) {
    if (a.type() == FRA_FWMARK) mark = a.number();
  });
  return mark;
}

} // namespace

result<std::vector<std::uint32_t>> spared_marks(kernel& k, bool v6) {
  const auto failed = [](long e) {
    return unexpected{os_error{static_cast<int>(-e), "netlink RTM_GETRULE", {}}};
  };
  const descriptor fd{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
  if (!fd) return failed(fd.get());
  fib_rule_hdr fixed{};
  fixed.family = v6 ? AF_INET6 : AF_INET;
  netlink_request request{RTM_GETRULE, NLM_F_REQUEST | NLM_F_DUMP, &fixed, sizeof fixed};
  const auto bytes = request.finish(sequence);
  if (const long sent = k.send(fd.get(), bytes.data(), bytes.size(), 0); sent < 0)
    return failed(sent);
  std::vector<std::uint32_t> out;
  alignas(nlmsghdr) std::array<std::uint8_t, 32'768> buffer{};
  for (bool ended = false; !ended;) {
    const long got = k.recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (got < 0) return failed(got);
    const bool whole =
        each_message({buffer.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr& h) {
          ended = h.nlmsg_type == NLMSG_DONE || h.nlmsg_type == NLMSG_ERROR;
          if (const auto mark = mark_of(h); mark != 0) out.push_back(mark);
          return !ended;
        });
    if (!whole) return failed(-EBADMSG);
  }
  return out;
}

} // namespace tonel::sys
