#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// A path that clears DF and cuts what is larger than its MTU, and two hosts whose trackers put it
/// together and cut it anew on the way to the TUN devices.
struct cutting_path : world {
  explicit cutting_path(const world_options& o = {}) : world(o) {
    lose = [this](const traced& t) { return carry(t); };
  }

  std::size_t mtu = 1'492;

private:
  bool carry(const traced& t) {
    const auto packet =
        sys::memory_packet_device::written_segment{t.header, t.payload, t.datagram_size}.packet();
    if (packet.size() <= mtu) return false;
    auto& to = t.from_client ? server() : client();
    const auto room = (mtu - 20) / 8 * 8;
    for (std::size_t at = 0; 20 + at < packet.size(); at += room) {
      const auto n = std::min(room, packet.size() - 20 - at);
      const bool last = 20 + at + n == packet.size();
      octets piece(packet.begin(), packet.begin() + 20);
      piece.insert(piece.end(), packet.begin() + static_cast<std::ptrdiff_t>(20 + at),
                   packet.begin() + static_cast<std::ptrdiff_t>(20 + at + n));
      const auto set = [&](std::size_t where, std::size_t value) {
        piece[where] = static_cast<std::uint8_t>(value >> 8);
        piece[where + 1] = static_cast<std::uint8_t>(value);
      };
      set(2, piece.size());
      set(6, (last ? 0u : 0x2000u) | at / 8);
      to.tuns[0]->push(std::move(piece), {true, 0}); // the kernel has looked at the header
    }
    return true;
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(fragments_test)

BOOST_AUTO_TEST_CASE(datagrams_that_come_in_fragments_are_delivered_both_ways) {
  cutting_path w;
  log_tail log;
  w.echo(5001, "small");
  BOOST_TEST(log.matching("IP fragments") == 0u);
  for (char c = 'a'; c < 'f'; ++c)
    w.echo(5001, std::string(1'457, c)); // with "re:" 1,460, the most that fits the TUN's 1,500
  for (auto* p : {&w.client(), &w.server()})
    BOOST_TEST(p->count(protocol::errc::fragment) == 0u);
  BOOST_TEST(w.server().count(counter::tun_packets_joined) == 5u);
  BOOST_TEST(w.client().count(counter::tun_packets_joined) == 5u);
  // Once an end, with the cure.
  BOOST_TEST(log.matching("IP fragments of at most 1492 octets") == 2u);
  BOOST_TEST(log.matching("--mtu 1492") == 2u);
}

BOOST_AUTO_TEST_CASE(a_first_datagram_in_fragments_reaches_a_server_that_knows_no_stream_yet) {
  world_options o;
  o.client_packet = std::string(1'460, 'p'); // ahead of the hello
  cutting_path w{o};
  w.echo(5001, "a");
  BOOST_TEST(w.server().count(counter::tun_packets_joined) >= 1u);
  BOOST_TEST(w.client().count(counter::streams_opened) == 1u);
}

BOOST_AUTO_TEST_CASE(fragments_of_no_stream_and_no_served_port_are_dropped) {
  cutting_path w;
  w.echo(5001, "a");
  sys::memory_packet_device::written_segment stranger;
  stranger.header = w.sent_with(protocol::flag::psh, false).back().header;
  stranger.header.tuple.remote.port = 9; // what arrives at the client for another port
  stranger.payload = octets(1'460, 's');
  auto packet = stranger.packet();
  packet.resize(20 + 1'472);
  packet[2] = static_cast<std::uint8_t>(packet.size() >> 8);
  packet[3] = static_cast<std::uint8_t>(packet.size());
  packet[6] = 0x20;
  w.client().tuns[0]->push(packet, {true, 0});
  w.run();
  BOOST_TEST(w.client().count(protocol::errc::fragment) == 1u);
  BOOST_TEST(w.client().count(counter::tun_packets_joined) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
