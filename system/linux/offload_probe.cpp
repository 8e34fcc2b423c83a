#include "system/offload_probe.hpp"

#include "system/slab.hpp"
#include "system/udp_socket.hpp"

#include <sys/epoll.h>

#include <array>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace tonel::sys {

namespace {

enum class verdict { same, different, not_delivered, refused };

// Odd sizes, a shorter last datagram, and more than one page of payload.
constexpr std::uint32_t datagram_size = 1'173;
constexpr std::uint32_t last_size = 411;
constexpr std::uint32_t run_datagrams = 24;
constexpr std::uint32_t run_length = (run_datagrams - 1) * datagram_size + last_size;
constexpr std::int64_t patience = 200'000'000; // ns; loopback delivers within the send

struct loopback_pair {
  std::unique_ptr<udp_socket> receiver;
  std::unique_ptr<udp_socket> sender;
};

result<loopback_pair> make_pair(kernel& k, bool gso, bool gro) {
  udp_options options;
  options.gso = gso;
  options.gro = gro;
  const auto loopback = protocol::ip_address::v4(127, 0, 0, 1);
  auto receiver = udp_socket::listen(k, {loopback, 0}, options);
  if (!receiver) return unexpected{receiver.error()};
  const auto at = (*receiver)->local();
  if (!at) return unexpected{at.error()};
  auto sender = udp_socket::connect(k, *at, options);
  if (!sender) return unexpected{sender.error()};
  return loopback_pair{std::move(*receiver), std::move(*sender)};
}

/// Waits until `fd` is readable; false: not within `patience`.
bool wait_readable(kernel& k, int fd) {
  const descriptor epoll{k, k.epoll_create()};
  epoll_event e{};
  e.events = EPOLLIN;
  if (!epoll || k.epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &e) < 0) return false;
  return k.epoll_wait(epoll.get(), &e, 1, patience) > 0;
}

chunk make_pattern(slab_writer& slabs) {
  const auto room = slabs.reserve(run_length);
  // Pseudo-random octets, so that no two datagrams are alike.
  std::uint32_t x = 0x9e3779b9;
  for (auto& octet : room) {
    x = x * 1'664'525 + 1'013'904'223;
    octet = static_cast<std::uint8_t>(x >> 24);
  }
  return slabs.commit(run_length, datagram_size);
}

/// Sends one run and compares each datagram's size and octets; loopback keeps the order.
verdict try_run(kernel& k, const loopback_pair& pair) {
  slab_pool pool{64};
  slab_writer slabs{pool};
  const std::vector<chunk> chunks{make_pattern(slabs)};
  const std::vector<outgoing_run> runs{{{}, 0, 1, run_length, datagram_size}};
  const auto sent = pair.sender->send(runs, chunks);
  if (sent.sent == 0) return verdict::refused;

  std::vector<received_datagrams> got;
  std::uint32_t octets = 0;
  std::uint32_t datagrams = 0;
  while (octets < run_length) {
    if (!wait_readable(k, pair.receiver->fd())) break;
    got.clear();
    if (!pair.receiver->receive(slabs, got, 64)) break;
    for (const auto& g : got) {
      if (g.bytes.length > run_length - octets ||
          std::memcmp(g.bytes.bytes().data(), chunks[0].bytes().data() + octets, g.bytes.length) !=
              0)
        return verdict::different;
      // This piece starts at a border, so its datagrams must have the run's size.
      const bool at_end = octets + g.bytes.length == run_length;
      const bool right = g.bytes.datagram_size == datagram_size
                             ? at_end || g.bytes.length % datagram_size == 0
                             : at_end && g.bytes.length == last_size;
      if (!right) return verdict::different;
      octets += g.bytes.length;
      datagrams += (g.bytes.length + datagram_size - 1) / datagram_size;
    }
  }
  if (octets < run_length) return octets == 0 ? verdict::not_delivered : verdict::different;
  return datagrams == run_datagrams ? verdict::same : verdict::different;
}

void add_note(std::string& note, const std::string& more) {
  if (!note.empty()) note += "; ";
  note += more;
}

} // namespace

udp_offload probe_udp_offload(kernel& k) {
  udp_offload found;
  // One at a time, so that a fault of one is not blamed on the other.
  const auto gso = make_pair(k, true, false);
  if (!gso) {
    found.note = "UDP offload is not tried: " + gso.error().to_string();
    found.gso = found.gro = true;
    return found;
  }
  const bool offered = gso->sender->gso();
  const auto cut = offered ? try_run(k, *gso) : verdict::refused;
  const bool untried = offered && (cut == verdict::refused || cut == verdict::not_delivered);
  // If the run went out as single datagrams, the socket has turned its GSO off.
  found.gso = offered && (untried || (cut == verdict::same && gso->sender->gso()));
  if (untried) add_note(found.note, "UDP GSO cannot be tried (is loopback down?)");
  if (!offered) add_note(found.note, "UDP GSO is off: the kernel does not have it");
  if (offered && !found.gso)
    add_note(found.note, cut == verdict::different ? "UDP GSO is off: it corrupts datagrams"
                                                   : "UDP GSO is off: the kernel refuses it");

  const auto gro = make_pair(k, found.gso, true);
  if (!gro || !gro->receiver->gro()) {
    add_note(found.note, "UDP GRO is off: the kernel does not have it");
    return found;
  }
  found.gro = try_run(k, *gro) != verdict::different;
  if (!found.gro) add_note(found.note, "UDP GRO is off: it corrupts datagrams");
  return found;
}

} // namespace tonel::sys
