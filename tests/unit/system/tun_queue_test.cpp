#include "protocol/checksum.hpp"
#include "system/fake/fake_kernel.hpp"
#include "system/linux/tun_queue.hpp"
#include "system/linux/vnet_header.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <cstring>
#include <variant>

using namespace tonel;
using namespace tonel::sys;

namespace {

using octets = fake_kernel::octets;
constexpr std::size_t vnet_size = sizeof(vnet_header);

octets bytes(std::size_t n, std::uint8_t first = 0) {
  octets b(n);
  for (std::size_t i = 0; i < n; ++i)
    b[i] = static_cast<std::uint8_t>(first + i * 7);
  return b;
}

octets with_vnet(vnet_header h, const octets& packet) {
  octets b(vnet_size);
  std::memcpy(b.data(), &h, vnet_size);
  b.insert(b.end(), packet.begin(), packet.end());
  return b;
}

vnet_header vnet_of(const octets& written) {
  vnet_header h;
  std::memcpy(&h, written.data(), vnet_size);
  return h;
}

/// What our own parser says about a written packet, its checksum included.
protocol::segment_repr parsed(const octets& packet, std::size_t skip, bool vouched = false) {
  protocol::offload_repr o;
  o.checksum_vouched = vouched;
  const auto p = protocol::parse_packet({packet.data() + skip, packet.size() - skip}, o);
  BOOST_TEST_REQUIRE(p.has_value());
  return std::get<protocol::segment_repr>(*p);
}

octets content(const chunk& c) { return {c.bytes().begin(), c.bytes().end()}; }

struct queue_fixture {
  fake_kernel k;
  slab_pool pool{64};
  slab_writer slabs{pool};
  std::vector<received_packet> got;

  tun_queue make(bool vnet, bool offload, std::size_t mtu = 1500) {
    return {k, descriptor{k, k.open("/dev/net/tun", 0)}, {vnet, offload, mtu}};
  }
  /// A run over pieces of the given lengths.
  struct outgoing {
    std::vector<outgoing_segment> segments;
    std::vector<chunk> chunks;
    octets payload;
  };
  outgoing run(const std::vector<std::size_t>& pieces, std::uint32_t datagram_size,
               bool v6 = false) {
    outgoing o;
    for (const auto n : pieces) {
      const auto piece = bytes(n, static_cast<std::uint8_t>(o.payload.size()));
      o.chunks.push_back(slabs.append(piece));
      o.payload.insert(o.payload.end(), piece.begin(), piece.end());
    }
    outgoing_segment s;
    const auto ip = [&](const char* v4, const char* six) {
      return *protocol::ip_address::parse(v6 ? six : v4);
    };
    s.header.tuple = {{ip("192.0.2.1", "2001:db8::1"), 1000}, {ip("192.0.2.2", "2001:db8::2"), 80}};
    s.header.seq = {0xfffffff0};
    s.header.ack = {77};
    s.header.ip_id = 0xfffe;
    s.header.flags = protocol::flag::ack | protocol::flag::psh;
    s.count = static_cast<std::uint32_t>(pieces.size());
    s.length = static_cast<std::uint32_t>(o.payload.size());
    s.datagram_size = datagram_size;
    o.segments.push_back(s);
    return o;
  }
};

/// The payloads of what was written, one after the other; each must parse.
octets payloads(const std::vector<octets>& packets, std::size_t skip, bool vouched = false) {
  octets all;
  for (const auto& p : packets) {
    const auto s = parsed(p, skip, vouched);
    const auto first = p.begin() + static_cast<std::ptrdiff_t>(skip + s.payload_offset);
    all.insert(all.end(), first, first + s.payload_length);
  }
  return all;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(tun_queue_test, queue_fixture)

BOOST_AUTO_TEST_CASE(small_packets_share_a_slab) {
  auto q = make(true, true);
  k.tun_in = {with_vnet({}, bytes(100)), with_vnet({}, bytes(200, 1))};
  BOOST_TEST((*q.read(slabs, got, 64) == read_state::drained));
  BOOST_TEST_REQUIRE(got.size() == 2u);
  BOOST_TEST((got[0].bytes.slab == got[1].bytes.slab));
  BOOST_TEST(content(got[0].bytes) == bytes(100));
  BOOST_TEST(content(got[1].bytes) == bytes(200, 1));
}

BOOST_AUTO_TEST_CASE(a_large_packet_has_a_slab_of_its_own_and_is_whole) {
  auto q = make(true, true);
  for (const std::size_t n : {2048u, 2049u, 40'000u, 65'535u})
    k.tun_in.push_back(with_vnet({}, bytes(n)));
  BOOST_TEST((*q.read(slabs, got, 64) == read_state::drained));
  BOOST_TEST_REQUIRE(got.size() == 4u);
  BOOST_TEST(content(got[0].bytes) == bytes(2048));
  BOOST_TEST(content(got[1].bytes) == bytes(2049));
  BOOST_TEST(content(got[2].bytes) == bytes(40'000));
  BOOST_TEST(content(got[3].bytes) == bytes(65'535));
  BOOST_TEST((got[1].bytes.slab != got[2].bytes.slab));
}

BOOST_AUTO_TEST_CASE(the_vnet_header_says_what_the_kernel_did) {
  struct row {
    vnet_header header;
    bool vouched;
    std::uint16_t segment_size;
  };
  const row table[] = {
      {{}, false, 0},
      {{vnet::needs_checksum, vnet::gso_none, 0, 0, 20, 16}, true, 0},
      {{vnet::data_valid, vnet::gso_none, 0, 1400, 0, 0}, true, 0},
      {{vnet::needs_checksum, vnet::gso_tcp4, 40, 1400, 20, 16}, true, 1400},
      {{vnet::needs_checksum, vnet::gso_tcp6 | vnet::gso_ecn, 60, 1300, 40, 16}, true, 1300},
      {{0, 3, 28, 1400, 0, 0}, false, 0}, // UDP, which was not asked for
  };
  auto q = make(true, true);
  for (const auto& r : table)
    k.tun_in.push_back(with_vnet(r.header, bytes(60)));
  BOOST_TEST(q.read(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == std::size(table));
  for (std::size_t i = 0; i < got.size(); ++i) {
    BOOST_TEST(got[i].offload.checksum_vouched == table[i].vouched);
    BOOST_TEST(got[i].offload.segment_size == table[i].segment_size);
  }
}

BOOST_AUTO_TEST_CASE(without_a_vnet_header_the_packet_is_all_there_is) {
  auto q = make(false, false, 9000);
  k.tun_in = {bytes(9000)};
  BOOST_TEST(q.read(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 1u);
  BOOST_TEST(content(got[0].bytes) == bytes(9000));
  BOOST_TEST(!got[0].offload.checksum_vouched);
}

BOOST_AUTO_TEST_CASE(reading_stops_at_max) {
  auto q = make(true, true);
  for (int i = 0; i < 5; ++i)
    k.tun_in.push_back(with_vnet({}, bytes(60)));
  BOOST_TEST((*q.read(slabs, got, 3) == read_state::more));
  BOOST_TEST(got.size() == 3u);
}

BOOST_AUTO_TEST_CASE(an_empty_pool_leaves_the_packets_in_the_device) {
  slab_pool small{4};
  slab_writer writer{small};
  auto q = make(true, true);
  for (int i = 0; i < 8; ++i)
    k.tun_in.push_back(with_vnet({}, bytes(30'000)));
  BOOST_TEST((*q.read(writer, got, 64) == read_state::no_slab));
  const auto first = got.size();
  BOOST_TEST(first > 0u);
  BOOST_TEST(first + k.tun_in.size() == 8u);
  while (!k.tun_in.empty()) {
    got.clear(); // the slabs return
    BOOST_TEST_REQUIRE(q.read(writer, got, 64).has_value());
    BOOST_TEST_REQUIRE(!got.empty());
  }
}

BOOST_AUTO_TEST_CASE(a_packet_that_cannot_be_described_is_passed_over) {
  auto q = make(true, true);
  k.fail("readv", EINVAL);
  k.tun_in = {with_vnet({}, bytes(60))};
  BOOST_TEST((*q.read(slabs, got, 64) == read_state::drained));
  BOOST_TEST(got.size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_read_that_fails_is_an_error) {
  auto q = make(true, true);
  k.fail("readv", EFAULT);
  const auto r = q.read(slabs, got, 64);
  BOOST_TEST_REQUIRE(!r.has_value());
  BOOST_TEST(r.error().number == EFAULT);
}

BOOST_AUTO_TEST_CASE(a_device_that_is_gone_is_told_and_another_takes_its_place) {
  auto q = make(true, true);
  const int before = q.fd();
  for (const int error : {EBADFD, EIO}) {
    k.fail("readv", error);
    BOOST_TEST((*q.read(slabs, got, 64) == read_state::gone));
  }
  BOOST_TEST(!q.renew()); // nobody has made one
  q.offer({k, k.open("/dev/net/tun", 0)}, {false, false, 1500});
  BOOST_TEST(q.fd() == before);
  BOOST_TEST(q.renew());
  BOOST_TEST(q.fd() != before);
  BOOST_TEST(!q.offload());
  k.tun_in = {bytes(60)};
  BOOST_TEST((*q.read(slabs, got, 64) == read_state::drained));
  BOOST_TEST(got.size() == 1u);
  BOOST_TEST(!q.renew());
}

BOOST_AUTO_TEST_CASE(a_run_goes_out_as_one_super_segment) {
  for (const bool v6 : {false, true}) {
    k.tun_out.clear();
    auto q = make(true, true);
    const auto o = run({1000, 500, 1700}, 500, v6);
    const auto tally = q.write(o.segments, o.chunks);
    BOOST_TEST(tally.written == 1u);
    BOOST_TEST_REQUIRE(k.tun_out.size() == 1u);
    const auto h = vnet_of(k.tun_out[0]);
    BOOST_TEST(h.flags == vnet::needs_checksum);
    BOOST_TEST(h.gso_type == (v6 ? vnet::gso_tcp6 : vnet::gso_tcp4));
    BOOST_TEST(h.gso_size == 500u);
    BOOST_TEST(h.header_length == (v6 ? 60u : 40u));
    BOOST_TEST(h.checksum_start == (v6 ? 40u : 20u));
    BOOST_TEST(h.checksum_offset == 16u);
    BOOST_TEST(payloads(k.tun_out, vnet_size, true) == o.payload);
  }
}

BOOST_AUTO_TEST_CASE(one_datagram_asks_for_its_checksum_alone) {
  auto q = make(true, true);
  const auto o = run({500}, 500);
  q.write(o.segments, o.chunks);
  BOOST_TEST_REQUIRE(k.tun_out.size() == 1u);
  const auto h = vnet_of(k.tun_out[0]);
  BOOST_TEST(h.flags == vnet::needs_checksum);
  BOOST_TEST(h.gso_type == vnet::gso_none);
  BOOST_TEST(h.gso_size == 0u);
}

BOOST_AUTO_TEST_CASE(a_segment_without_payload_is_a_header) {
  auto q = make(true, true);
  const auto o = run({}, 0);
  BOOST_TEST(q.write(o.segments, o.chunks).written == 1u);
  BOOST_TEST_REQUIRE(k.tun_out.size() == 1u);
  BOOST_TEST(k.tun_out[0].size() == vnet_size + 40);
}

BOOST_AUTO_TEST_CASE(without_offload_a_run_is_cut_and_each_checksum_is_whole) {
  for (const bool vnet : {false, true})
    for (const bool v6 : {false, true}) {
      k.tun_out.clear();
      auto q = make(vnet, false);
      const auto o = run({1000, 501, 1700}, 501, v6); // an odd size, over odd borders
      BOOST_TEST(q.write(o.segments, o.chunks).written == 1u);
      const auto skip = vnet ? vnet_size : 0;
      BOOST_TEST_REQUIRE(k.tun_out.size() == 7u);
      BOOST_TEST(payloads(k.tun_out, skip) == o.payload);
      for (std::size_t i = 0; i < k.tun_out.size(); ++i) {
        if (vnet) BOOST_TEST(vnet_of(k.tun_out[i]).flags == 0u);
        const auto s = parsed(k.tun_out[i], skip);
        BOOST_TEST((s.seq == o.segments[0].header.seq + static_cast<std::uint32_t>(i * 501)));
        BOOST_TEST(s.has(protocol::flag::psh) == (i == 6));
      }
    }
}

BOOST_AUTO_TEST_CASE(a_refused_super_segment_goes_again_as_singles_and_offload_ends) {
  for (const int error : {EINVAL, EIO}) {
    k.tun_out.clear();
    auto q = make(true, true);
    BOOST_TEST(q.offload());
    k.refuse_packet = [&](const octets& p) {
      return vnet_of(p).gso_type != vnet::gso_none ? error : 0;
    };
    const auto o = run({1400, 1400, 700}, 700);
    BOOST_TEST(q.write(o.segments, o.chunks).written == 1u);
    BOOST_TEST(!q.offload());
    BOOST_TEST(k.tun_out.size() == 5u);
    BOOST_TEST(payloads(k.tun_out, vnet_size) == o.payload);
    const auto calls = k.calls("writev");
    q.write(o.segments, o.chunks);
    BOOST_TEST(k.calls("writev") == calls + 5); // not tried again
  }
}

BOOST_AUTO_TEST_CASE(a_device_that_is_down_does_not_lose_its_offload) {
  auto q = make(true, true);
  k.refuse_packet = [](const octets&) { return EIO; };
  const auto o = run({1400}, 700);
  BOOST_TEST(q.write(o.segments, o.chunks).dropped == 1u);
  BOOST_TEST(q.offload());
}

BOOST_AUTO_TEST_CASE(a_full_device_drops_and_the_next_segment_is_tried) {
  auto q = make(true, true);
  k.fail("writev", EAGAIN);
  k.fail("writev", ENOBUFS);
  auto o = run({100}, 100);
  o.segments.push_back(o.segments[0]);
  o.segments.push_back(o.segments[0]);
  const auto tally = q.write(o.segments, o.chunks);
  BOOST_TEST(tally.dropped == 2u);
  BOOST_TEST(tally.written == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
