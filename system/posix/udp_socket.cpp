#include "system/udp_socket.hpp"

#include "protocol/run.hpp"
#include "system/posix/socket_address.hpp"
#include "system/posix/udp_arrays.hpp"
#include "system/posix/udp_control.hpp"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tonel::sys {

udp_socket::udp_socket(kernel& k, descriptor fd, bool connected, bool v6) noexcept
    : kernel_(k), fd_(std::move(fd)), connected_(connected), v6_(v6) {}

bool udp_socket::set(int level, int name, int value) noexcept {
  return set_option(kernel_, fd_.get(), level, name, value) == 0;
}

result<std::unique_ptr<udp_socket>> udp_socket::open(kernel& k, bool v6, bool connected,
                                                     const udp_options& options) {
  descriptor fd{k, k.socket(v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | nonblocking, IPPROTO_UDP)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket", v6 ? "UDP over IPv6" : "UDP"}};
  std::unique_ptr<udp_socket> s{new udp_socket{k, std::move(fd), connected, v6}};
  if (options.buffer != 0) set_udp_buffers(k, s->fd(), options.buffer);
  s->gro_ = options.gro && start_gro(k, s->fd());
  if (options.gso && has_gso(k, s->fd())) s->gso_limit_ = max_datagram;
  return s;
}

result<std::unique_ptr<udp_socket>> udp_socket::listen(kernel& k, const protocol::endpoint& local,
                                                       const udp_options& options) {
  const bool v6 = local.address.is_v6();
  auto opened = open(k, v6, false, options);
  if (!opened) return opened;
  udp_socket& s = **opened;
  const auto failed = [&](int r, const char* operation) {
    return unexpected{os_error{-r, operation, local.to_string()}};
  };
  const int on = 1;
  const int off = 0;
  if (options.reuse_port)
    if (const int r = k.setsockopt(s.fd(), SOL_SOCKET, SO_REUSEPORT, &on, sizeof on); r < 0)
      return failed(r, "setsockopt SO_REUSEPORT");
  // The system's default of IPV6_V6ONLY may differ, but the meaning of [::] must not.
  if (v6) s.set(IPPROTO_IPV6, IPV6_V6ONLY, off);
  const int level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
  const int name = v6 ? IPV6_RECVPKTINFO : IP_PKTINFO;
  if (const int r = set_option(k, s.fd(), level, name, on); r < 0)
    return failed(r, v6 ? "setsockopt IPV6_RECVPKTINFO" : "setsockopt IP_PKTINFO");
  socket_address a{};
  const auto length = encode(local, 0, v6, a);
  if (const int r = k.bind(s.fd(), &a.any, length); r < 0) return failed(r, "bind");
  return opened;
}

result<std::unique_ptr<udp_socket>> udp_socket::connect(kernel& k, const protocol::endpoint& peer,
                                                        const udp_options& options) {
  const bool v6 = peer.address.is_v6();
  auto opened = open(k, v6, true, options);
  if (!opened) return opened;
  socket_address a{};
  const auto length = encode(peer, 0, v6, a);
  if (const int r = k.connect((*opened)->fd(), &a.any, length); r < 0)
    return unexpected{os_error{-r, "connect", peer.to_string()}};
  return opened;
}

result<protocol::endpoint> udp_socket::local() const {
  socket_address a{};
  unsigned length = sizeof a;
  if (const int r = kernel_.getsockname(fd_.get(), &a.any, &length); r < 0)
    return unexpected{os_error{-r, "getsockname", {}}};
  return decode(a);
}

std::uint16_t udp_socket::local_port() const noexcept {
  const auto at = local();
  return at ? at->port : std::uint16_t{0};
}

namespace {

// Messages to prepare beyond twice those of the last call.
constexpr std::size_t least_expected = 2;

/// Whether an error belongs to an earlier send or to a datagram, not to the socket.
bool is_passing(long e) noexcept {
  switch (-e) {
  case ECONNREFUSED:
  case EHOSTUNREACH:
  case ENETUNREACH:
  case EHOSTDOWN:
  case ENETDOWN:
  case ECONNRESET:
  case EMSGSIZE:
  case EPROTO:
  case ENOPROTOOPT:
  case EACCES:
  case EPERM:
  case EOPNOTSUPP:
  case ENOMEM:
  case ENOBUFS:
  case EIO: return true;
  default: return false;
  }
}

/// Whether a piece may follow the datagrams of `c` in a run.
bool continues(const chunk& c, std::uint32_t length, std::uint32_t size) noexcept {
  if (length == 0 || c.datagram_size == 0 || c.length % c.datagram_size != 0) return false;
  return size == c.datagram_size || (length == size && size < c.datagram_size);
}

} // namespace

/// Appends message i, which is in slot i of the open slab (and in spare i, if longer), to `out`.
/// Gives the number of its datagrams.
std::size_t udp_socket::accept(receive_arrays& a, std::size_t i, slab_writer& slabs,
                               std::vector<received_datagrams>& out, std::size_t first_out) {
  mmsghdr& m = a.messages[i];
  // Merged to over 64 KiB and cut by the kernel, never in practice.
  if ((m.msg_hdr.msg_flags & MSG_TRUNC) != 0) return 0;
  const std::uint32_t length = m.msg_len;
  const auto extra = read_ancillary(m.msg_hdr);
  // Decoding an address costs as much as all else, and most bursts are of one peer.
  const bool same_source = out.size() > first_out && (connected_ || a.came_from(i, extra));
  const auto size =
      extra.segment_size != 0 && extra.segment_size < length ? extra.segment_size : length;
  const auto count = protocol::datagrams_in(length, size);
  const auto path = [&]() -> datagram_path {
    if (connected_) return {};
    if (same_source) return out.back().path;
    a.source = {a.peers[i], extra.local, extra.interface};
    return a.source.decoded();
  };

  constexpr auto slot = slab_writer::small_slot;
  auto* front = slabs.front();
  const auto* source = static_cast<const std::uint8_t*>(a.pieces[i][0].iov_base);
  if (length > slot) {
    auto* whole = slabs.spare(i);
    std::memcpy(whole, source, slot);
    out.push_back({path(), slabs.commit_spare(i, length, size)});
    return count;
  }
  // Copying some hundred octets in the cache is far cheaper than another entry, and another piece
  // of a gathering write.
  if (same_source && continues(out.back().bytes, length, size) &&
      slabs.ends_at_front(out.back().bytes)) {
    if (front != source) std::memmove(front, source, length);
    slabs.extend(out.back().bytes, length);
    return count;
  }
  assert(source >= front);
  slabs.skip(static_cast<std::size_t>(source - front));
  out.push_back({path(), slabs.commit(length, size)});
  return count;
}

result<read_state> udp_socket::receive(slab_writer& slabs, std::vector<received_datagrams>& out,
                                       std::size_t max) {
  auto& a = receive_arrays::of_this_thread();
  constexpr auto slot = slab_writer::small_slot;
  const auto first_out = out.size();
  std::size_t got = 0;
  std::size_t messages = 0;
  // Preparing more messages than come costs cache lines, which are cold after a sleep.
  auto prepared = expected_;
  for (int errors = 0; got < max; prepared = receive_arrays::capacity) {
    const auto wanted = std::min(max - got, prepared);
    const auto spares = slabs.stock(wanted);
    if (spares == 0) return read_state::no_slab;
    // A few slots at the end of a slab are not worth a system call.
    const auto room = slabs.reserve_all(slot * std::min<std::size_t>(wanted, 8));
    if (room.data() == nullptr) return read_state::no_slab;
    const auto count = std::min({wanted, spares, room.size() / slot});
    for (std::size_t i = 0; i < count; ++i)
      a.prepare(i, {room.data() + i * slot, slot},
                {slabs.spare(i) + slot, slab_ref::capacity() - slot}, !connected_);
    const int n =
        kernel_.recvmmsg(fd_.get(), a.messages.data(), static_cast<unsigned>(count), MSG_DONTWAIT);
    if (n < 0) {
      if (n == -EAGAIN) return read_state::drained;
      if (!is_passing(n)) return unexpected{os_error{-n, "recvmmsg", {}}};
      ++receive_errors_;
      last_error_ = -n;
      // Each failed send gives one error, then data may follow; but limited, to return to the loop.
      if (++errors >= 16) return read_state::more;
      continue;
    }
    for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i)
      got += accept(a, i, slabs, out, first_out);
    messages += static_cast<std::size_t>(n);
    expected_ = std::min(2 * messages + least_expected, receive_arrays::capacity);
    if (static_cast<std::size_t>(n) < count) return read_state::drained;
  }
  return read_state::more;
}

} // namespace tonel::sys
