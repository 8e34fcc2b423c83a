// tonel-tuncheck: whether this host's TUN device does what tonel needs of it.

#include "protocol/packet.hpp"
#include "system/event_loop.hpp"
#include "system/kernel.hpp"
#include "system/offload_probe.hpp"
#include "system/slab.hpp"
#include "system/tun_device.hpp"

#include <cstdio>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

using namespace tonel;
using namespace std::chrono_literals;

namespace {

constexpr const char* usage =
    "usage: tonel-tuncheck [--tun NAME] [--no-ipv6]\n"
    "\n"
    "Opens a TUN device, gives it addresses, sends the host's own TCP a SYN through it and waits\n"
    "for the answer; then tries the offload of UDP sockets. Leaves nothing. Needs the rights that\n"
    "tonelc and tonels need (root, or CAP_NET_ADMIN on Linux).\n"
    "\n"
    "  --tun NAME   the device's name; default: the system's choice (macOS: utun and a number)\n"
    "  --no-ipv6    IPv4 only\n"
    "  --version    the version\n"
    "  --help       this text\n"
    "\n"
    "Exit status: 0 all works, 1 something does not, 2 wrong options.\n";

struct options {
  std::string tun;
  bool ipv6 = true;
};

protocol::ip_address address(const char* text) { return *protocol::ip_address::parse(text); }

// Addresses for tests of networks (RFC 2544), and unique local ones: a tunnel's are others.
sys::tun_options device_options(const options& chosen) {
  sys::tun_options out;
  out.name = chosen.tun;
  out.local4 = address("198.18.255.1");
  out.peer4 = address("198.18.255.2");
  if (chosen.ipv6) {
    out.local6 = address("fdc9:255::1");
    out.peer6 = address("fdc9:255::2");
  }
  return out;
}

constexpr std::uint32_t first_sequence = 0x746f6e65;

sys::outgoing_segment syn(const protocol::endpoint& from, const protocol::endpoint& to) {
  sys::outgoing_segment out;
  out.header.tuple = {from, to};
  out.header.seq = {first_sequence};
  out.header.flags = protocol::flag::syn;
  out.header.mss = 1'200;
  return out;
}

/// Whether the packet is the answer to our SYN, of either kind, with a good checksum.
bool answers(const sys::received_packet& packet) {
  const auto parsed = protocol::parse_packet(packet.bytes.bytes(), packet.offload);
  const auto* s = parsed ? std::get_if<protocol::segment_repr>(&*parsed) : nullptr;
  return s != nullptr && s->has(protocol::flag::ack) && s->ack.raw == first_sequence + 1;
}

/// One device under test.
class check {
public:
  check(sys::tun_device& device, sys::event_loop& loop) : device_(device), loop_(loop) {}

  /// Sends a SYN from the peer's address to the host's, again each 200 ms (an IPv6 address is in
  /// force only some time after it was set), and waits for the answer.
  bool host_answers(const protocol::ip_address& host, const protocol::ip_address& peer) {
    // Port 9, discard: open or not, TCP answers.
    const auto segment = syn({peer, 49'151}, {host, 9});
    for (const auto end = loop_.now() + 3s; loop_.now() < end;) {
      if (device_.queue(0).write({segment}, {}).written == 0) ++refused_;
      for (const auto again = loop_.now() + 200ms; loop_.now() < again;) {
        sys::ready_event ready;
        if (loop_.wait(&ready, 1, again - loop_.now()) == 0) continue;
        std::vector<sys::received_packet> got;
        if (!device_.queue(0).read(slabs_, got, 64)) return false;
        for (const auto& packet : got)
          if (answers(packet)) return true;
      }
    }
    return false;
  }
  unsigned refused() const noexcept { return refused_; }

private:
  sys::tun_device& device_;
  sys::event_loop& loop_;
  sys::slab_pool pool_{16};
  sys::slab_writer slabs_{pool_};
  unsigned refused_ = 0;
};

bool failed(const sys::os_error& error) {
  std::printf("fault: %s\n", error.to_string().c_str());
  return false;
}

bool report(const char* family, bool good, const check& c) {
  std::printf("%s: %s\n", family, good ? "the host answers" : "no answer from the host");
  if (!good && c.refused() != 0)
    std::printf("%s: the device refused %u packets\n", family, c.refused());
  return good;
}

bool run(const options& chosen) {
  auto& k = sys::real_kernel();
  const auto wanted = device_options(chosen);
  auto device = sys::tun_device::open(k, wanted);
  if (!device) return failed(device.error());
  std::printf("device %s: MTU %u, offload %s\n", device->name().c_str(), unsigned{wanted.mtu},
              device->queue(0).offload() ? "on" : "none");
  for (const auto& note : device->notes())
    std::printf("note: %s\n", note.c_str());
  auto loop = sys::event_loop::create(k);
  if (!loop) return failed(loop.error());
  if (const auto done = (*loop)->watch(device->queue(0).fd(), sys::interest::readable, 1); !done)
    return failed(done.error());
  check c{*device, **loop};
  (*loop)->wait(nullptr, 0, 0ns); // its time begins
  bool good = report("IPv4", c.host_answers(wanted.local4, wanted.peer4), c);
  if (device->ipv6()) good &= report("IPv6", c.host_answers(wanted.local6, wanted.peer6), c);
  const auto udp = sys::probe_udp_offload(k);
  std::printf("UDP: sends %s, receives %s\n", udp.gso ? "several at once" : "one by one",
              udp.gro ? "several at once" : "one by one");
  if (!udp.note.empty()) std::printf("note: %s\n", udp.note.c_str());
  return good;
}

} // namespace

int main(int argc, char** argv) {
  options chosen;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help") return std::fputs(usage, stdout) < 0;
    if (word == "--version") return std::puts("tonel-tuncheck " TONEL_VERSION) < 0;
    if (word == "--no-ipv6") {
      chosen.ipv6 = false;
    } else if (word == "--tun" && i + 1 < argc) {
      chosen.tun = argv[++i];
    } else {
      std::fputs(usage, stderr);
      return 2;
    }
  }
  return run(chosen) ? 0 : 1;
}
