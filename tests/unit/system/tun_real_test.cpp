#include "system/linux/netlink.hpp"
#include "system/linux/netlink_message.hpp"
#include "system/netlink_watch.hpp"
#include "system/tun_device.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <variant>

using namespace tonel;
using namespace tonel::sys;
namespace utf = boost::unit_test;

// Real devices, in a network namespace of the test's own:
//
//   the test <-tona-> the namespace's kernel, forwarding <-tonb-> the test
//            192.0.2.2              192.0.2.1  198.51.100.1            198.51.100.2
//            2001:db8:a::2       2001:db8:a::1  2001:db8:b::1        2001:db8:b::2

namespace {

/// Runs it in a thread that has a network namespace to itself; false: there is none to be had.
bool in_namespace(const std::function<void()>& f) {
  bool possible = false;
  std::exception_ptr failure; // of a BOOST_TEST_REQUIRE, which ends this test, not the process
  std::thread{[&] {
    possible = ::unshare(CLONE_NEWNET) == 0;
    try {
      if (possible) f();
    } catch (...) {
      failure = std::current_exception();
    }
  }}.join();
  if (failure) std::rethrow_exception(failure);
  return possible;
}

boost::test_tools::assertion_result can_have_tun(utf::test_unit_id) {
  const bool possible = in_namespace([] {}) && ::access("/dev/net/tun", R_OK | W_OK) == 0;
  // Where everything has to be tested, the cases run and fail.
  const char* ci = std::getenv("CI");
  if (possible || (ci != nullptr && std::strcmp(ci, "true") == 0)) return true;
  boost::test_tools::assertion_result no{false};
  no.message() << "no rights to make a network namespace or a TUN";
  return no;
}

void write_file(const char* path, const char* text) { std::ofstream{path} << text; }

bool remove_link(std::uint32_t index) {
  kernel& k = real_kernel();
  const descriptor socket{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)};
  ifinfomsg which{};
  which.ifi_index = static_cast<int>(index);
  netlink_request r{RTM_DELLINK, NLM_F_REQUEST, &which, sizeof which};
  const auto bytes = r.finish(1);
  return k.send(socket.get(), bytes.data(), bytes.size(), 0) == static_cast<long>(bytes.size());
}

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

tun_options options_of(char side) {
  const bool a = side == 'a';
  tun_options o;
  o.name = std::string{"ton"} + side;
  o.queues = 2;
  o.local4 = ip(a ? "192.0.2.1" : "198.51.100.1");
  o.peer4 = ip(a ? "192.0.2.2" : "198.51.100.2");
  o.local6 = ip(a ? "2001:db8:a::1" : "2001:db8:b::1");
  o.peer6 = ip(a ? "2001:db8:a::2" : "2001:db8:b::2");
  return o;
}

tun_device must_open(const tun_options& o) {
  auto d = tun_device::open(real_kernel(), o);
  BOOST_TEST_REQUIRE(d.has_value(), (d ? std::string{} : d.error().to_string()));
  for (const auto& note : d->notes())
    BOOST_TEST_MESSAGE(note);
  return std::move(*d);
}

/// A segment that was read, with what its packet carried.
struct taken {
  protocol::segment_repr segment;
  std::vector<std::uint8_t> payload;
};

/// The TCP segments that come on any queue until `octets` of payload, or for want of payload one
/// segment, are there.
std::vector<taken> take(tun_device& d, slab_writer& slabs, std::size_t octets,
                        int milliseconds = 5'000) {
  std::vector<taken> all;
  std::size_t got = 0;
  while (all.empty() || got < octets) {
    pollfd p[2] = {{d.queue(0).fd(), POLLIN, 0}, {d.queue(1).fd(), POLLIN, 0}};
    if (::poll(p, 2, milliseconds) <= 0) break;
    for (std::size_t q = 0; q < 2; ++q) {
      if (p[q].revents == 0) continue;
      std::vector<received_packet> packets;
      BOOST_TEST_REQUIRE(d.queue(q).read(slabs, packets, 64).has_value());
      for (const auto& packet : packets) {
        const auto parsed = protocol::parse_packet(packet.bytes.bytes(), packet.offload);
        if (!parsed) {
          BOOST_TEST((parsed.error() == protocol::errc::not_tcp)); // MLD and the like
          continue;
        }
        const auto& s = std::get<protocol::segment_repr>(*parsed);
        const auto payload = packet.bytes.bytes().subview(s.payload_offset, s.payload_length);
        all.push_back({s, {payload.begin(), payload.end()}});
        got += payload.size();
      }
    }
  }
  return all;
}

outgoing_segment segment(const protocol::endpoint& from, const protocol::endpoint& to,
                         std::uint8_t flags) {
  outgoing_segment s;
  s.header.tuple = {from, to};
  s.header.seq = {1'000};
  s.header.ack = {2'000};
  s.header.flags = flags;
  if ((flags & protocol::flag::syn) != 0) s.header.mss = 1'460;
  return s;
}

} // namespace

BOOST_AUTO_TEST_SUITE(tun_real_test, *utf::precondition(&can_have_tun))

BOOST_AUTO_TEST_CASE(a_device_is_as_it_was_asked_for_and_goes_with_its_owner) {
  BOOST_TEST(in_namespace([] {
    auto netlink = route_netlink::open(real_kernel());
    BOOST_TEST_REQUIRE(netlink.has_value());
    {
      auto o = options_of('a');
      o.mtu = 1'400;
      auto d = must_open(o);
      const auto link = netlink->find_link("tona");
      BOOST_TEST_REQUIRE((link && *link));
      BOOST_TEST((*link)->mtu == 1'400u);
      BOOST_TEST((*link)->txqueuelen == 2'048u);
      BOOST_TEST((*link)->up);
      BOOST_TEST(d.index() == (*link)->index);
      BOOST_TEST(d.queue(0).offload());
      const auto addresses = netlink->addresses((*link)->index);
      BOOST_TEST_REQUIRE(addresses.has_value());
      // And no link-local one.
      BOOST_TEST(addresses->size() == (d.ipv6() ? 2u : 1u));
      for (const auto& a : *addresses)
        BOOST_TEST((a.peer == (a.local.is_v4() ? o.peer4 : o.peer6)));

      const auto second = tun_device::open(real_kernel(), o);
      BOOST_TEST_REQUIRE(!second.has_value());
      BOOST_TEST(second.error().number == EBUSY);
    }
    const auto gone = netlink->find_link("tona");
    BOOST_TEST_REQUIRE(gone.has_value());
    BOOST_TEST(!gone->has_value());
  }));
}

BOOST_AUTO_TEST_CASE(a_name_that_is_no_tun_is_an_error) {
  BOOST_TEST(in_namespace([] {
    auto o = options_of('a');
    o.name = "lo";
    const auto d = tun_device::open(real_kernel(), o);
    BOOST_TEST_REQUIRE(!d.has_value());
    BOOST_TEST_MESSAGE(d.error().to_string());
  }));
}

BOOST_AUTO_TEST_CASE(a_persistent_device_stays_without_our_addresses) {
  BOOST_TEST(in_namespace([] {
    kernel& k = real_kernel();
    {
      const descriptor maker{k, k.open("/dev/net/tun", O_RDWR)};
      ifreq r{};
      std::strcpy(r.ifr_name, "tona");
      r.ifr_flags = IFF_TUN | IFF_NO_PI; // one queue, no vnet header
      BOOST_TEST_REQUIRE(k.ioctl(maker.get(), TUNSETIFF, &r) == 0);
      BOOST_TEST_REQUIRE(::ioctl(maker.get(), TUNSETPERSIST, 1) == 0);
    }
    auto netlink = route_netlink::open(k);
    BOOST_TEST_REQUIRE(netlink.has_value());
    auto o = options_of('a');
    const auto refused = tun_device::open(k, o); // two queues
    BOOST_TEST_REQUIRE(!refused.has_value());
    BOOST_TEST(refused.error().number == EINVAL);
    o.queues = 1;
    std::uint32_t index = 0;
    {
      auto d = must_open(o);
      index = d.index();
      BOOST_TEST(d.queue(0).offload());
      BOOST_TEST(!netlink->addresses(index)->empty());
    }
    BOOST_TEST(netlink->find_link("tona")->has_value());
    BOOST_TEST(netlink->addresses(index)->empty());
    must_open(o); // and again
  }));
}

BOOST_AUTO_TEST_CASE(what_others_do_to_a_device_is_told_and_mended) {
  BOOST_TEST(in_namespace([] {
    auto d = must_open(options_of('a'));
    auto netlink = route_netlink::open(real_kernel());
    auto watch = netlink_watch::open(real_kernel(), netlink_watch::subject::device);
    BOOST_TEST_REQUIRE((netlink && watch));
    const auto change = [&](auto set) {
      link_change c;
      set(c);
      return netlink->change_link(d.index(), c).has_value();
    };
    struct row {
      const char* told;
      std::function<bool()> act;
    };
    const row table[] = {
        {"it was set down", [&] { return change([](auto& c) { c.up = false; }); }},
        {"it was renamed tonz", [&] { return change([](auto& c) { c.name = "tonz"; }); }},
        {"its queue was set to 0 packets",
         [&] { return change([](auto& c) { c.txqueuelen = 0; }); }},
        {"its MTU was set to 9000", [&] { return change([](auto& c) { c.mtu = 9'000; }); }},
        {"its address 192.0.2.1 was removed",
         [&] {
           const auto there = netlink->addresses(d.index());
           return there && netlink->remove_address(d.index(), there->front()).has_value();
         }},
        {"its route to 192.0.2.2 was removed",
         [&] {
           const auto there = netlink->routes({false, d.index(), RT_TABLE_MAIN});
           return there && netlink->remove_route(there->front()).has_value();
         }},
        {"it was deleted", [&] { return remove_link(d.index()); }},
    };
    slab_pool pool{64};
    slab_writer slabs{pool};
    for (const auto& r : table) {
      watch->take();
      BOOST_TEST_REQUIRE(r.act(), r.told);
      pollfd p{watch->fd(), POLLIN, 0};
      BOOST_TEST_REQUIRE(::poll(&p, 1, 5'000) == 1);
      BOOST_TEST(d.concerns(watch->take()), r.told);
      const auto report = d.ensure();
      BOOST_TEST_REQUIRE(report.has_value(), (report ? "" : report.error().to_string()));
      // With the link IPv6's address goes, too.
      BOOST_TEST_REQUIRE(!report->repaired.empty(), r.told);
      BOOST_TEST(report->repaired[0] == r.told);
      if (report->made_again) {
        std::vector<received_packet> none;
        BOOST_TEST((*d.queue(0).read(slabs, none, 1) == read_state::gone));
        BOOST_TEST((d.queue(0).renew() && d.queue(1).renew()));
      }
      BOOST_TEST(d.ensure()->repaired.empty());
      const auto syn =
          segment({ip("192.0.2.2"), 4'000}, {ip("192.0.2.1"), 81}, protocol::flag::syn);
      BOOST_TEST(d.queue(0).write({syn}, {}).written == 1u);
      BOOST_TEST(take(d, slabs, 0).size() == 1u, r.told);
    }
  }));
}

BOOST_AUTO_TEST_CASE(the_hosts_tcp_answers_a_segment) {
  BOOST_TEST(in_namespace([] {
    auto d = must_open(options_of('a'));
    slab_pool pool{64};
    slab_writer slabs{pool};
    for (const bool v6 : {false, true}) {
      if (v6 && !d.ipv6()) continue;
      const protocol::endpoint peer{ip(v6 ? "2001:db8:a::2" : "192.0.2.2"), 4'000};
      const protocol::endpoint host{ip(v6 ? "2001:db8:a::1" : "192.0.2.1"), 81};
      // The kernel sets an IPv6 address into force some milliseconds after it has taken it.
      std::vector<taken> got;
      for (int tries = 0; got.empty() && tries < 50; ++tries) {
        const auto tally = d.queue(0).write({segment(peer, host, protocol::flag::syn)}, {});
        BOOST_TEST(tally.written == 1u);
        got = take(d, slabs, 0, 100);
      }
      BOOST_TEST_REQUIRE(got.size() == 1u);
      BOOST_TEST(got[0].segment.has(protocol::flag::rst));
      BOOST_TEST(got[0].segment.ack.raw == 1'001u);
    }
  }));
}

// What goes in at one device comes out at the other, cut or merged by the kernel, with every
// combination of offloads.
BOOST_AUTO_TEST_CASE(a_run_passes_through_the_kernel_octet_for_octet) {
  BOOST_TEST(in_namespace([] {
    for (const bool write_offload : {true, false})
      for (const bool read_offload : {true, false}) {
        auto oa = options_of('a');
        auto ob = options_of('b');
        oa.want_offload = write_offload;
        ob.want_offload = read_offload;
        auto a = must_open(oa);
        auto b = must_open(ob);
        write_file("/proc/sys/net/ipv4/ip_forward", "1");
        write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1");
        slab_pool pool{256};
        slab_writer slabs{pool};
        for (const bool v6 : {false, true}) {
          if (v6 && !(a.ipv6() && b.ipv6())) continue;
          const protocol::endpoint from{ip(v6 ? "2001:db8:a::2" : "192.0.2.2"), 4'000};
          const protocol::endpoint to{ip(v6 ? "2001:db8:b::2" : "198.51.100.2"), 80};
          std::vector<std::uint8_t> bytes(40 * 1'001 + 500);
          for (std::size_t i = 0; i < bytes.size(); ++i)
            bytes[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8));
          // In two pieces, the border in the middle of a datagram.
          const std::vector<chunk> chunks{
              slabs.append({bytes.data(), 15'000}),
              slabs.append({bytes.data() + 15'000, bytes.size() - 15'000})};
          auto s = segment(from, to, protocol::flag::ack | protocol::flag::psh);
          s.count = 2;
          s.length = static_cast<std::uint32_t>(bytes.size());
          s.datagram_size = 1'001;
          BOOST_TEST(a.queue(0).write({s}, chunks).written == 1u);
          BOOST_TEST(a.queue(0).offload() == write_offload);

          const auto got = take(b, slabs, bytes.size());
          std::vector<std::uint8_t> received;
          for (const auto& t : got) {
            BOOST_TEST(
                (t.segment.seq == s.header.seq + static_cast<std::uint32_t>(received.size())));
            received.insert(received.end(), t.payload.begin(), t.payload.end());
            BOOST_TEST(t.segment.datagram_size == (t.payload.size() == 500 ? 500u : 1'001u));
            BOOST_TEST(t.segment.has(protocol::flag::psh) == (received.size() == bytes.size()));
          }
          BOOST_TEST((received == bytes));
          BOOST_TEST_MESSAGE("v6 " << v6 << " offload " << write_offload << read_offload << ": "
                                   << got.size() << " reads");
          if (write_offload && read_offload) BOOST_TEST(got.size() == 1u);
          if (!read_offload) BOOST_TEST(got.size() == 41u);
        }
      }
  }));
}

// The first answer of a flow may be made before the kernel has learnt the queue.
BOOST_AUTO_TEST_CASE(a_flow_comes_back_on_the_queue_that_wrote_it) {
  BOOST_TEST(in_namespace([] {
    auto d = must_open(options_of('a'));
    slab_pool pool{64};
    slab_writer slabs{pool};
    for (std::uint16_t port = 5'000; port < 5'016; ++port) {
      const auto q = static_cast<std::size_t>(port % 2);
      const auto s = segment({ip("192.0.2.2"), port}, {ip("192.0.2.1"), 81}, protocol::flag::syn);
      BOOST_TEST(d.queue(q).write({s}, {}).written == 1u);
      BOOST_TEST_REQUIRE(take(d, slabs, 0).size() == 1u);
      BOOST_TEST(d.queue(q).write({s}, {}).written == 1u);
      pollfd p{d.queue(q).fd(), POLLIN, 0};
      BOOST_TEST_REQUIRE(::poll(&p, 1, 5'000) == 1);
      BOOST_TEST_REQUIRE(take(d, slabs, 0).size() == 1u);
    }
  }));
}

BOOST_AUTO_TEST_SUITE_END()
