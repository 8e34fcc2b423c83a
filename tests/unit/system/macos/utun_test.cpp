#include "protocol/packet.hpp"
#include "system/macos/utun_queue.hpp"
#include "system/tun_device.hpp"
#include "tests/unit/system/macos/fake_darwin.hpp"

#include <boost/test/unit_test.hpp>

#include <variant>

using namespace tonel;
using namespace tonel::sys;

namespace {

using octets = fake_darwin::octets;

protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

tun_options usual() {
  tun_options o;
  o.mtu = 1'400;
  o.local4 = ip("192.168.200.1");
  o.peer4 = ip("192.168.200.2");
  o.local6 = ip("fcc8::1");
  o.peer6 = ip("fcc8::2");
  return o;
}

octets with_family(std::uint8_t family, std::size_t size) {
  octets out{0, 0, 0, family};
  for (std::size_t i = 0; i < size; ++i)
    out.push_back(static_cast<std::uint8_t>(i * 7));
  return out;
}

struct queue_fixture {
  fake_darwin k;
  slab_pool pool{64};
  slab_writer slabs{pool};
  std::vector<received_packet> got;
  utun_queue q{k, descriptor{k, k.socket(darwin::pf_system, 0, 0)}, 1'500};

  outgoing_segment segment(bool v6) {
    outgoing_segment s;
    s.header.tuple = {{ip(v6 ? "2001:db8::1" : "192.0.2.1"), 1'000},
                      {ip(v6 ? "2001:db8::2" : "192.0.2.2"), 80}};
    s.header.seq = {0xfffffff0};
    s.header.flags = protocol::flag::ack | protocol::flag::psh;
    return s;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(utun_queue_test, queue_fixture)

BOOST_AUTO_TEST_CASE(a_packet_is_what_follows_its_family) {
  k.incoming = {with_family(2, 60), with_family(30, 1'500)};
  BOOST_TEST((*q.read(slabs, got, 64) == read_state::drained));
  BOOST_TEST_REQUIRE(got.size() == 2u);
  const auto first = with_family(2, 60);
  const auto bytes = got[0].bytes.bytes();
  BOOST_TEST(octets(bytes.begin(), bytes.end()) == octets(first.begin() + 4, first.end()));
  BOOST_TEST(got[1].bytes.length == 1'500u);
  BOOST_TEST(!got[0].offload.checksum_vouched);
}

BOOST_AUTO_TEST_CASE(what_holds_no_packet_is_passed_over) {
  k.incoming = {octets{0, 0}, with_family(2, 0), with_family(2, 40)};
  BOOST_TEST((*q.read(slabs, got, 64) == read_state::drained));
  BOOST_TEST(got.size() == 1u);
}

BOOST_AUTO_TEST_CASE(reading_stops_at_max_and_without_slabs) {
  for (int i = 0; i < 5; ++i)
    k.incoming.push_back(with_family(2, 60));
  BOOST_TEST((*q.read(slabs, got, 3) == read_state::more));
  BOOST_TEST(got.size() == 3u);
  slab_pool none{0};
  slab_writer empty{none};
  BOOST_TEST((*q.read(empty, got, 3) == read_state::no_slab));
  BOOST_TEST(k.incoming.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_device_that_is_gone_is_an_error) {
  k.incoming.emplace_back(); // the end of the control
  BOOST_TEST(q.read(slabs, got, 64).error().number == ENXIO);
  k.errors["readv"] = EBADF;
  BOOST_TEST(q.read(slabs, got, 64).error().number == EBADF);
}

BOOST_AUTO_TEST_CASE(a_run_is_cut_behind_its_family_and_each_checksum_is_whole) {
  for (const bool v6 : {false, true}) {
    k.outgoing.clear();
    octets payload(2'500);
    for (std::size_t i = 0; i < payload.size(); ++i)
      payload[i] = static_cast<std::uint8_t>(i * 31);
    const std::vector<chunk> chunks{slabs.append({payload.data(), 1'300}),
                                    slabs.append({payload.data() + 1'300, 1'200})};
    auto s = segment(v6);
    s.count = 2;
    s.length = 2'500;
    s.datagram_size = 1'001;
    BOOST_TEST(q.write({s}, chunks).written == 1u);
    BOOST_TEST_REQUIRE(k.outgoing.size() == 3u);
    octets all;
    for (const auto& packet : k.outgoing) {
      BOOST_TEST(octets(packet.begin(), packet.begin() + 4) ==
                 (octets{0, 0, 0, static_cast<std::uint8_t>(v6 ? 30 : 2)}));
      const auto parsed = protocol::parse_packet({packet.data() + 4, packet.size() - 4}, {});
      BOOST_TEST_REQUIRE(parsed.has_value());
      const auto& r = std::get<protocol::segment_repr>(*parsed);
      BOOST_TEST((r.seq == s.header.seq + static_cast<std::uint32_t>(all.size())));
      const auto first = packet.begin() + 4 + static_cast<std::ptrdiff_t>(r.payload_offset);
      all.insert(all.end(), first, first + r.payload_length);
    }
    BOOST_TEST(all == payload);
  }
}

BOOST_AUTO_TEST_CASE(a_full_device_drops) {
  k.errors["writev"] = ENOBUFS;
  const auto tally = q.write({segment(false)}, {});
  BOOST_TEST(tally.dropped == 1u);
  BOOST_TEST(tally.written == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(utun_device_test)

BOOST_AUTO_TEST_CASE(a_device_gets_its_addresses_and_comes_up) {
  fake_darwin k;
  {
    auto d = tun_device::open(k, usual());
    BOOST_TEST_REQUIRE(d.has_value(), (d ? "" : d.error().to_string()));
    BOOST_TEST(d->name() == "utun7");
    BOOST_TEST(d->queues() == 1u);
    BOOST_TEST(d->ipv6());
    BOOST_TEST(d->notes().empty());
    BOOST_TEST_REQUIRE(k.connected.size() == 1u);
    BOOST_TEST(k.connected[0].id == 42u);
    BOOST_TEST(k.connected[0].unit == 0u);
    const auto info = k.ioctls_of(darwin::ctliocginfo).at(0).as<darwin::ctl_info>();
    BOOST_TEST(std::string{info.name} == "com.apple.net.utun_control");

    const auto mtu = k.ioctls_of(darwin::siocsifmtu).at(0).as<darwin::ifreq>();
    BOOST_TEST(std::string{mtu.name} == "utun7");
    BOOST_TEST(mtu.value == 1'400);
    const auto up = k.ioctls_of(darwin::siocsifflags).at(0).as<darwin::ifreq>();
    BOOST_TEST((up.value & darwin::iff_up) != 0);

    const auto v4 = k.ioctls_of(darwin::siocaifaddr).at(0).as<darwin::ifaliasreq>();
    BOOST_TEST((octets(v4.address.address, v4.address.address + 4) == octets{192, 168, 200, 1}));
    BOOST_TEST(
        (octets(v4.destination.address, v4.destination.address + 4) == octets{192, 168, 200, 2}));
    BOOST_TEST(v4.address.length == 16);
    BOOST_TEST(v4.address.family == 2);

    const auto v6 = k.ioctls_of(darwin::siocaifaddr_in6).at(0).as<darwin::in6_aliasreq>();
    BOOST_TEST(v6.address.address[0] == 0xfc);
    BOOST_TEST(v6.address.address[15] == 1);
    BOOST_TEST(v6.mask.address[7] == 0xff);
    BOOST_TEST(v6.mask.address[8] == 0);
    BOOST_TEST(v6.destination.family == 0);
    BOOST_TEST(v6.flags == darwin::in6_iff_nodad);
    BOOST_TEST(v6.lifetime.valid_for == 0xffffffffu);
    BOOST_TEST(k.outgoing.size() == 1u); // the route to the peer
    BOOST_TEST(k.ioctls_of(darwin::siocdifaddr).empty());
  }
  BOOST_TEST(k.ioctls_of(darwin::siocdifaddr).size() == 1u);
  BOOST_TEST(k.ioctls_of(darwin::siocdifaddr_in6).size() == 1u);
  BOOST_TEST(k.open_descriptors.empty());
}

BOOST_AUTO_TEST_CASE(a_name_is_utun_and_a_number) {
  const std::pair<const char*, std::uint32_t> good[] = {{"utun0", 1}, {"utun12", 13}};
  for (const auto& [name, unit] : good) {
    fake_darwin k;
    auto o = usual();
    o.name = name;
    BOOST_TEST(tun_device::open(k, o).has_value());
    BOOST_TEST(k.connected.at(0).unit == unit);
  }
  for (const char* name : {"tonel0", "utun", "utunx", "utun1x", "utun123456"}) {
    fake_darwin k;
    auto o = usual();
    o.name = name;
    const auto d = tun_device::open(k, o);
    BOOST_TEST_REQUIRE(!d.has_value());
    BOOST_TEST(d.error().number == EINVAL);
    BOOST_TEST(k.open_descriptors.empty());
  }
}

BOOST_AUTO_TEST_CASE(each_call_that_it_needs_may_fail) {
  const auto opened_with = [](auto break_it) {
    fake_darwin k;
    break_it(k);
    auto o = usual();
    o.ipv6_required = true;
    const auto d = tun_device::open(k, o);
    BOOST_TEST_REQUIRE(!d.has_value());
    BOOST_TEST(d.error().number == EPERM);
    BOOST_TEST(k.open_descriptors.empty());
  };
  for (const char* call :
       {"socket 32", "socket 2", "socket 30", "socket 17", "connect", "getsockopt", "write"})
    opened_with([&](fake_darwin& k) { k.errors[call] = EPERM; });
  for (const auto number :
       {darwin::ctliocginfo, darwin::fionbio, darwin::siocsifmtu, darwin::siocgifflags,
        darwin::siocsifflags, darwin::siocaifaddr, darwin::siocaifaddr_in6})
    opened_with([&](fake_darwin& k) { k.ioctl_errors[number] = EPERM; });
}

BOOST_AUTO_TEST_CASE(a_host_without_ipv6_is_noted) {
  fake_darwin k;
  k.errors["socket 30"] = EAFNOSUPPORT;
  const auto d = tun_device::open(k, usual());
  BOOST_TEST_REQUIRE(d.has_value());
  BOOST_TEST(!d->ipv6());
  BOOST_TEST(d->notes().size() == 1u);
}

BOOST_AUTO_TEST_CASE(several_queues_are_refused) {
  fake_darwin k;
  auto o = usual();
  o.queues = 2;
  BOOST_TEST(tun_device::open(k, o).error().number == EOPNOTSUPP);
}

BOOST_AUTO_TEST_CASE(a_given_descriptor_is_taken_as_it_is) {
  fake_darwin k;
  k.flags = darwin::iff_up;
  auto o = usual();
  o.fd = k.socket(darwin::pf_system, 0, 0);
  {
    const auto d = tun_device::open(k, o);
    BOOST_TEST_REQUIRE(d.has_value());
    BOOST_TEST(d->name() == "utun7");
    BOOST_TEST(k.connected.empty());
    BOOST_TEST(k.ioctls_of(darwin::siocsifflags).empty()); // is up already
  }
  BOOST_TEST(k.open_descriptors.empty());
}

BOOST_AUTO_TEST_SUITE_END()
