#include "system/linux/direct_hooks.hpp"

#include "system/linux/bpf_call.hpp"
#include "system/posix/host_parts.hpp"
#include "system/posix/interfaces.hpp"

#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>
#include <string_view>
#include <utility>

namespace tonel::sys {

namespace {

// Ahead of others: one of them may let packets pass so that none behind it sees them. Another kind of
// filter may have a priority, and then the next one is tried.
constexpr std::uint16_t first_priority = 1, last_priority = 16;

constexpr std::string_view prefix = "tonel:";

/// "tonel:direct_tonel0:812:90210", of a filter for which clsact was made ":made" behind it.
std::string filter_name(const instance_record& of, bool made) {
  return std::string{prefix} + of.table + ':' + std::to_string(of.pid) + ':' +
         std::to_string(of.started) + (made ? ":made" : "");
}

struct named_process {
  instance_record record;
  bool made = false;
};

std::optional<named_process> parse_filter_name(const std::string& name) {
  if (name.rfind(prefix, 0) != 0) return {};
  std::vector<std::string> words;
  for (std::size_t at = prefix.size(); at <= name.size();) {
    const auto end = std::min(name.find(':', at), name.size());
    words.push_back(name.substr(at, end - at));
    at = end + 1;
  }
  if (words.size() < 3 || words[0].find('/') != std::string::npos) return {};
  named_process out;
  out.record.table = words[0];
  if (std::sscanf(words[1].c_str(), "%d", &out.record.pid) != 1) return {};
  unsigned long long started = 0;
  if (std::sscanf(words[2].c_str(), "%llu", &started) != 1) return {};
  out.record.started = started;
  out.made = words.size() > 3;
  return out;
}

/// Removes clsact where nobody uses it any more.
void give_back_clsact(route_netlink& netlink, std::uint32_t interface) {
  const auto left = netlink.count_filters(interface);
  if (left && *left == 0) static_cast<void>(netlink.remove_clsact(interface));
}

bool same(const ingress_filter& a, const ingress_filter& b) noexcept {
  return a.priority == b.priority && a.handle == b.handle && a.name == b.name &&
         a.program == b.program;
}

} // namespace

direct_hooks::~direct_hooks() {
  if (hooks_.empty()) return;
  if (auto netlink = route_netlink::open(real_kernel())) keep_only(*netlink, {});
}

void direct_hooks::set_name(const std::string& tun) {
  if (own_.table.empty()) own_ = own_record("direct_" + tun);
}

const char* direct_hooks::means() const noexcept {
  if (hooks_.empty()) return "";
  return hooks_.begin()->second.link ? "tcx" : "clsact";
}

result<bool> direct_hooks::keep(route_netlink& netlink, std::uint32_t interface, int program) {
  const auto known = hooks_.find(interface);
  if (known != hooks_.end()) {
    const auto there = is_there(netlink, interface, known->second);
    if (!there) return unexpected{there.error()};
    if (*there) return false;
  }
  hook now;
  if (known != hooks_.end()) now.made = known->second.made;
  if (auto done = attach(netlink, interface, program, now); !done) return unexpected{done.error()};
  const bool again = known != hooks_.end();
  hooks_[interface] = std::move(now);
  return again;
}

result<bool> direct_hooks::is_there(route_netlink& netlink, std::uint32_t interface,
                                    const hook& h) {
  if (h.link) return is_attached(h.link, interface);
  const auto filters = netlink.ingress_filters(interface);
  if (!filters) return unexpected{filters.error()};
  return std::any_of(filters->begin(), filters->end(),
                     [&](const ingress_filter& f) { return same(f, h.filter); });
}

result<void> direct_hooks::attach(route_netlink& netlink, std::uint32_t interface, int program,
                                  hook& into) {
  if (means_ != direct_means::clsact) {
    auto link = attach_tcx(interface, program);
    if (link) {
      means_ = direct_means::tcx;
      into.link = std::move(*link);
      return {};
    }
    if (means_ == direct_means::tcx || link.error().number != EINVAL)
      return unexpected{link.error()};
    means_ = direct_means::clsact; // a kernel without
  }
  return attach_filter(netlink, interface, program, into);
}

result<void> direct_hooks::attach_filter(route_netlink& netlink, std::uint32_t interface,
                                         int program, hook& into) {
  if (!mark_) {
    // Without its mark the process would be taken for dead, and what it attaches be swept.
    std::optional<os_error> failed;
    const auto kept = file_.update([&](std::vector<instance_record>&) {
      auto marked = file_.mark(own_);
      if (marked)
        mark_.emplace(std::move(*marked));
      else
        failed = marked.error();
    });
    if (!kept) return unexpected{kept.error()};
    if (failed) return unexpected{*failed};
  }
  const auto made = netlink.add_clsact(interface);
  if (!made) return unexpected{made.error()};
  into.made = into.made || *made;
  ingress_filter wanted;
  wanted.name = filter_name(own_, into.made);
  result<void> done;
  for (wanted.priority = first_priority; wanted.priority <= last_priority; ++wanted.priority) {
    done = netlink.add_filter(interface, wanted, program);
    if (done || done.error().number != EINVAL) break;
  }
  if (!done) return done;
  const auto filters = netlink.ingress_filters(interface);
  if (!filters) return unexpected{filters.error()};
  for (const auto& f : *filters)
    if (f.name == wanted.name && f.priority == wanted.priority) into.filter = f;
  return {};
}

void direct_hooks::detach(route_netlink& netlink, std::uint32_t interface, const hook& h) {
  if (h.link) return; // with its descriptor
  static_cast<void>(netlink.remove_filter(interface, h.filter));
  if (h.made) give_back_clsact(netlink, interface);
}

void direct_hooks::keep_only(route_netlink& netlink, const std::vector<std::uint32_t>& interfaces) {
  for (auto h = hooks_.begin(); h != hooks_.end();) {
    if (std::find(interfaces.begin(), interfaces.end(), h->first) != interfaces.end()) {
      ++h;
      continue;
    }
    detach(netlink, h->first, h->second);
    h = hooks_.erase(h);
  }
}

result<std::vector<std::string>> direct_hooks::sweep(route_netlink& netlink) {
  std::set<std::string> swept;
  result<void> all;
  // Under the lock of the records no other process is between its mark and its filter.
  static_cast<void>(file_.update([&](std::vector<instance_record>&) {
    for (const auto& [device, flags] : interface_flags()) {
      const auto interface = ::if_nametoindex(device.c_str());
      if (interface == 0) continue;
      const auto filters = netlink.ingress_filters(interface);
      if (!filters) {
        all = unexpected{filters.error()};
        continue;
      }
      for (const auto& f : *filters) {
        const auto of = parse_filter_name(f.name);
        if (!of || file_.is_alive(of->record)) continue;
        static_cast<void>(netlink.remove_filter(interface, f));
        if (of->made) give_back_clsact(netlink, interface);
        file_.forget(of->record);
        swept.insert(of->record.table);
      }
    }
  }));
  if (!all) return unexpected{all.error()};
  return std::vector<std::string>{swept.begin(), swept.end()};
}

} // namespace tonel::sys
