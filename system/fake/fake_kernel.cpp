#include "system/fake/fake_kernel.hpp"

#include "system/posix/socket_address.hpp"

#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tonel::sys {

namespace {

std::string ioctl_name(unsigned long request) {
  switch (request) {
  case TUNSETIFF: return "ioctl TUNSETIFF";
  case TUNSETVNETHDRSZ: return "ioctl TUNSETVNETHDRSZ";
  case TUNSETOFFLOAD: return "ioctl TUNSETOFFLOAD";
  default: return "ioctl";
  }
}

std::string option_name(int level, int name) {
  if (level == SOL_SOCKET) {
    switch (name) {
    case SO_REUSEPORT: return "setsockopt SO_REUSEPORT";
    case SO_RCVBUF: return "setsockopt SO_RCVBUF";
    case SO_SNDBUF: return "setsockopt SO_SNDBUF";
    case SO_RCVBUFFORCE: return "setsockopt SO_RCVBUFFORCE";
    case SO_SNDBUFFORCE: return "setsockopt SO_SNDBUFFORCE";
    default: break;
    }
  }
  if (level == SOL_NETLINK) return "setsockopt NETLINK";
  if (level == IPPROTO_UDP && name == UDP_GRO) return "setsockopt UDP_GRO";
  if (level == IPPROTO_UDP && name == UDP_SEGMENT) return "setsockopt UDP_SEGMENT";
  if (level == IPPROTO_IP && name == IP_PKTINFO) return "setsockopt IP_PKTINFO";
  if (level == IPPROTO_IPV6 && name == IPV6_RECVPKTINFO) return "setsockopt IPV6_RECVPKTINFO";
  if (level == IPPROTO_IPV6 && name == IPV6_V6ONLY) return "setsockopt IPV6_V6ONLY";
  return "setsockopt";
}

std::size_t scatter(const std::vector<std::uint8_t>& from, const iovec* pieces,
                    std::size_t count) noexcept {
  std::size_t done = 0;
  for (std::size_t i = 0; i < count && done < from.size(); ++i) {
    const auto n = std::min(from.size() - done, pieces[i].iov_len);
    if (n != 0) std::memcpy(pieces[i].iov_base, from.data() + done, n);
    done += n;
  }
  return done;
}

std::vector<std::uint8_t> gather(const iovec* pieces, std::size_t count) {
  std::vector<std::uint8_t> all;
  for (std::size_t i = 0; i < count; ++i) {
    const auto* data = static_cast<const std::uint8_t*>(pieces[i].iov_base);
    all.insert(all.end(), data, data + pieces[i].iov_len);
  }
  return all;
}

} // namespace

void fake_kernel::fail(const std::string& call, int error, unsigned times, unsigned after) {
  failures_[call].push_back({error, times, after});
}

unsigned fake_kernel::calls(const std::string& call) const {
  const auto found = calls_.find(call);
  return found == calls_.end() ? 0 : found->second;
}

int fake_kernel::enter(const std::string& call) {
  ++calls_[call];
  auto& planned = failures_[call];
  if (planned.empty()) return 0;
  auto& f = planned.front();
  if (f.after > 0) {
    --f.after;
    return 0;
  }
  const int e = -f.error;
  if (--f.times == 0) planned.pop_front();
  return e;
}

int fake_kernel::make(const std::string& what) {
  open_[++last_fd_] = what;
  return last_fd_;
}

int fake_kernel::open(const char* path, int) noexcept {
  const std::string call = std::string{"open "} + path;
  if (const int e = enter(call); e != 0) return e;
  return make(call);
}

int fake_kernel::close(int fd) noexcept {
  const auto found = open_.find(fd);
  if (found == open_.end()) return -EBADF;
  const auto what = found->second;
  open_.erase(found);
  const bool last = std::none_of(open_.begin(), open_.end(),
                                 [&](const auto& other) { return other.second == what; });
  if (const auto l = links.find(what); last && l != links.end()) {
    if (l->second.persistent)
      l->second.carrier = false;
    else
      links.erase(l);
  }
  return 0;
}

int fake_kernel::hand_over(const std::string& name, short flags) {
  auto& l = links[name];
  if (l.index == 0) l.index = ++last_index_;
  l.carrier = true;
  tun_flags = flags;
  open_[++last_fd_] = name;
  return last_fd_;
}

void fake_kernel::delete_link(const std::string& name) {
  links.erase(name);
  for (auto& [fd, what] : open_)
    if (what == name) what = "deleted";
}

int fake_kernel::ioctl(int fd, unsigned long request, void* argument) noexcept {
  if (const int e = enter(ioctl_name(request)); e != 0) return e;
  if (request == TUNGETIFF) {
    const auto device = open_.find(fd);
    if (device == open_.end()) return -EBADF;
    if (links.count(device->second) == 0) return -ENOTTY;
    ifreq r{};
    std::strcpy(r.ifr_name, device->second.c_str());
    r.ifr_flags = tun_flags;
    std::memcpy(argument, &r, sizeof r);
    return 0;
  }
  if (request != TUNSETIFF) return 0;
  ifreq r{};
  std::memcpy(&r, argument, sizeof r);
  if (r.ifr_name[0] == '\0') std::strcpy(r.ifr_name, "tun0");
  tun_flags = r.ifr_flags;
  auto& l = links[r.ifr_name];
  if (l.index == 0) l.index = ++last_index_;
  l.carrier = true;
  open_[fd] = r.ifr_name;
  std::memcpy(argument, &r, sizeof r);
  return 0;
}

long fake_kernel::read(int, void* buffer, std::size_t size) noexcept {
  if (const int e = enter("read"); e != 0) return e;
  std::memset(buffer, 0, size);
  return static_cast<long>(size);
}

long fake_kernel::write(int, const void*, std::size_t size) noexcept {
  if (const int e = enter("write"); e != 0) return e;
  return static_cast<long>(size);
}

long fake_kernel::readv(int, const iovec* pieces, int count) noexcept {
  if (const int e = enter("readv"); e != 0) return e;
  if (tun_in.empty()) return -EAGAIN;
  const auto packet = std::move(tun_in.front());
  tun_in.pop_front();
  return static_cast<long>(scatter(packet, pieces, static_cast<std::size_t>(count)));
}

long fake_kernel::writev(int, const iovec* pieces, int count) noexcept {
  if (const int e = enter("writev"); e != 0) return e;
  auto packet = gather(pieces, static_cast<std::size_t>(count));
  if (refuse_packet)
    if (const int e = refuse_packet(packet); e != 0) return -e;
  tun_out.push_back(std::move(packet));
  return static_cast<long>(tun_out.back().size());
}

int fake_kernel::socket(int domain, int, int) noexcept {
  const std::string call = domain == AF_NETLINK ? "socket AF_NETLINK"
                           : domain == AF_INET6 ? "socket AF_INET6"
                                                : "socket AF_INET";
  if (const int e = enter(call); e != 0) return e;
  return make(call);
}

int fake_kernel::bind(int, const sockaddr*, unsigned) noexcept { return enter("bind"); }
int fake_kernel::connect(int, const sockaddr*, unsigned) noexcept { return enter("connect"); }

int fake_kernel::getsockname(int, sockaddr* address, unsigned* length) noexcept {
  if (const int e = enter("getsockname"); e != 0) return e;
  socket_address a{};
  *length = encode({protocol::ip_address::v4(127, 0, 0, 1), 4567}, 0, false, a);
  std::memcpy(address, &a, *length);
  return 0;
}

int fake_kernel::setsockopt(int, int level, int name, const void* value, unsigned) noexcept {
  const auto call = option_name(level, name);
  if (const int e = enter(call); e != 0) return e;
  std::memcpy(&options[call.substr(std::strlen("setsockopt "))], value, sizeof(int));
  return 0;
}

long fake_kernel::send(int, const void* buffer, std::size_t size, int) noexcept {
  if (const int e = enter("send"); e != 0) return e;
  const auto* data = static_cast<const std::uint8_t*>(buffer);
  answer_netlink({data, data + size});
  return static_cast<long>(size);
}

long fake_kernel::recv(int, void* buffer, std::size_t size, int) noexcept {
  if (const int e = enter("recv"); e != 0) return e;
  if (netlink_answers_.empty()) return -EAGAIN;
  const auto answer = std::move(netlink_answers_.front());
  netlink_answers_.pop_front();
  const auto n = std::min(size, answer.size());
  std::memcpy(buffer, answer.data(), n);
  return static_cast<long>(n);
}

int fake_kernel::receive_one(mmsghdr& m) {
  const auto d = std::move(udp_in.front());
  udp_in.pop_front();
  if (d.error != 0) return -d.error;
  msghdr& h = m.msg_hdr;
  m.msg_len = static_cast<unsigned>(scatter(d.bytes, h.msg_iov, h.msg_iovlen));
  h.msg_flags = d.truncated || m.msg_len < d.bytes.size() ? MSG_TRUNC : 0;
  if (h.msg_name != nullptr)
    h.msg_namelen = encode(d.peer, 0, false, *static_cast<socket_address*>(h.msg_name));
  std::size_t used = 0;
  const auto put = [&](int level, int type, const void* data, std::size_t size) {
    auto* at = static_cast<std::uint8_t*>(h.msg_control) + used;
    cmsghdr c{};
    c.cmsg_level = level;
    c.cmsg_type = type;
    c.cmsg_len = CMSG_LEN(size);
    std::memcpy(at, &c, sizeof c);
    std::memcpy(at + CMSG_LEN(0), data, size);
    used += CMSG_SPACE(size);
  };
  if (d.segment_size != 0) {
    const int size = static_cast<int>(d.segment_size);
    put(IPPROTO_UDP, UDP_GRO, &size, sizeof size);
  }
  if (d.local.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_addr, d.local.data(), 4);
    std::memcpy(&info.ipi_spec_dst, d.local.data(), 4);
    info.ipi_ifindex = 3;
    put(IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
  } else if (d.local.is_v6()) {
    in6_pktinfo info{};
    info.ipi6_addr = as_in6(d.local);
    info.ipi6_ifindex = 3;
    put(IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
  }
  h.msg_controllen = used;
  return 0;
}

int fake_kernel::recvmmsg(int, mmsghdr* messages, unsigned count, int) noexcept {
  if (const int e = enter("recvmmsg"); e != 0) return e;
  if (udp_in.empty()) return -EAGAIN;
  unsigned n = 0;
  while (n < count && !udp_in.empty()) {
    // Like the kernel: an error behind messages is kept for the next call.
    if (udp_in.front().error != 0 && n > 0) break;
    if (const int e = receive_one(messages[n]); e != 0) return e;
    ++n;
  }
  return static_cast<int>(n);
}

int fake_kernel::send_one(mmsghdr& m) {
  const msghdr& h = m.msg_hdr;
  datagram d;
  d.bytes = gather(h.msg_iov, h.msg_iovlen);
  if (h.msg_name != nullptr) d.peer = decode(*static_cast<socket_address*>(h.msg_name));
  for (auto* c = CMSG_FIRSTHDR(&h); c != nullptr; c = CMSG_NXTHDR(const_cast<msghdr*>(&h), c)) {
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) {
      std::uint16_t size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof size);
      d.segment_size = size;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      std::uint8_t four[4];
      std::memcpy(four, &info.ipi_spec_dst, sizeof four);
      d.local = protocol::ip_address::v4(four);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info{};
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      d.local = decode(info.ipi6_addr);
    }
  }
  if (refuse_datagram)
    if (const int e = refuse_datagram(d); e != 0) return -e;
  m.msg_len = static_cast<unsigned>(d.bytes.size());
  udp_out.push_back(std::move(d));
  return 0;
}

int fake_kernel::sendmmsg(int, mmsghdr* messages, unsigned count, int) noexcept {
  if (const int e = enter("sendmmsg"); e != 0) return e;
  for (unsigned i = 0; i < count; ++i)
    if (const int e = send_one(messages[i]); e != 0) return i > 0 ? static_cast<int>(i) : e;
  return static_cast<int>(count);
}

int fake_kernel::epoll_create() noexcept {
  if (const int e = enter("epoll_create1"); e != 0) return e;
  return make("epoll");
}

int fake_kernel::epoll_ctl(int, int operation, int fd, epoll_event* event) noexcept {
  if (const int e = enter("epoll_ctl"); e != 0) return e;
  const bool there = watched.count(fd) != 0;
  if (operation == EPOLL_CTL_ADD && there) return -EEXIST;
  if (operation != EPOLL_CTL_ADD && !there) return -ENOENT;
  if (operation == EPOLL_CTL_DEL)
    watched.erase(fd);
  else
    watched[fd] = {event->data.u64, event->events};
  return 0;
}

int fake_kernel::epoll_wait(int, epoll_event* events, int capacity, std::int64_t timeout) noexcept {
  last_timeout = timeout;
  if (const int e = enter("epoll_wait"); e != 0) return e;
  if (ready.empty()) {
    if (timeout > 0) {
      boottime += timeout;
      monotonic += timeout;
    }
    return 0;
  }
  const auto list = std::move(ready.front());
  ready.pop_front();
  const auto n = std::min(list.size(), static_cast<std::size_t>(capacity));
  for (std::size_t i = 0; i < n; ++i) {
    events[i].events = list[i].flags;
    events[i].data.u64 = list[i].token;
  }
  return static_cast<int>(n);
}

int fake_kernel::eventfd() noexcept {
  if (const int e = enter("eventfd"); e != 0) return e;
  return make("eventfd");
}

int fake_kernel::clock_change_fd() noexcept {
  if (const int e = enter("timerfd_create"); e != 0) return e;
  return make("timerfd");
}

void fake_kernel::sleep(std::int64_t nanoseconds) noexcept {
  boottime += nanoseconds;
  monotonic += nanoseconds;
}

std::int64_t fake_kernel::clock(int which) noexcept {
  return which == CLOCK_BOOTTIME ? boottime : monotonic;
}

} // namespace tonel::sys
