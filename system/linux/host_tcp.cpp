#include "system/host_tcp.hpp"

#include "system/kernel.hpp"
#include "system/linux/netlink_message.hpp"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <mutex>
#include <utility>

namespace tonel::sys {

namespace {

class asked_tcp final : public host_tcp {
public:
  explicit asked_tcp(descriptor fd) : fd_{std::move(fd)} {}

  bool has(const protocol::four_tuple& connection) override {
    inet_diag_req_v2 fixed{};
    fixed.sdiag_family = connection.local.address.is_v6() ? AF_INET6 : AF_INET;
    fixed.sdiag_protocol = IPPROTO_TCP;
    fixed.idiag_states = ~0u;
    auto& id = fixed.id;
    id.idiag_sport = htons(connection.local.port);
    id.idiag_dport = htons(connection.remote.port);
    std::memcpy(id.idiag_src, connection.local.address.data(), connection.local.address.size());
    std::memcpy(id.idiag_dst, connection.remote.address.data(), connection.remote.address.size());
    id.idiag_cookie[0] = id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
    netlink_request question{SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, &fixed, sizeof fixed};

    const std::lock_guard lock{mutex_};
    const auto bytes = question.finish(++sequence_);
    auto& k = real_kernel();
    if (k.send(fd_.get(), bytes.data(), bytes.size(), 0) < 0) return false;
    // The answer is there when the question has been sent.
    alignas(nlmsghdr) std::array<std::uint8_t, 4'096> buffer{};
    for (;;) {
      const long got = k.recv(fd_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got <= 0) return false;
      bool found = false, answered = false;
      each_message({buffer.data(), static_cast<std::size_t>(got)}, [&](const nlmsghdr& h) {
        if (h.nlmsg_seq != sequence_) return true;
        answered = true;
        found = h.nlmsg_type == SOCK_DIAG_BY_FAMILY;
        return false;
      });
      if (answered) return found;
    }
  }

private:
  std::mutex mutex_;
  descriptor fd_;
  std::uint32_t sequence_ = 0;
};

} // namespace

std::unique_ptr<host_tcp> open_host_tcp() {
  auto& k = real_kernel();
  descriptor fd{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG)};
  if (!fd) return nullptr;
  return std::make_unique<asked_tcp>(std::move(fd));
}

} // namespace tonel::sys
