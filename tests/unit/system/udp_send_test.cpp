#include "system/fake/fake_kernel.hpp"
#include "system/udp_socket.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>

using namespace tonel;
using namespace tonel::sys;

namespace {

using octets = fake_kernel::octets;

protocol::endpoint at(const char* text) { return *protocol::endpoint::parse(text); }

const auto peer = at("198.51.100.7:4000");

struct send_fixture {
  fake_kernel k;
  slab_pool pool{256};
  slab_writer slabs{pool};
  std::unique_ptr<udp_socket> socket = std::move(*udp_socket::listen(k, at("0.0.0.0:53"), {}));
  std::vector<outgoing_run> runs;
  std::vector<chunk> chunks;
  octets all; ///< what should go out

  /// A run over pieces of the given lengths.
  outgoing_run& add(const std::vector<std::size_t>& pieces, std::uint32_t size) {
    outgoing_run r;
    r.path.peer = peer;
    r.first = static_cast<std::uint32_t>(chunks.size());
    r.count = static_cast<std::uint32_t>(pieces.size());
    r.datagram_size = size;
    for (const auto n : pieces) {
      octets b(n);
      for (auto& octet : b)
        octet = static_cast<std::uint8_t>(all.size() * 31 + (all.size() >> 8)),
        all.push_back(octet);
      chunks.push_back(slabs.append(b));
      r.length += static_cast<std::uint32_t>(n);
    }
    runs.push_back(r);
    return runs.back();
  }
  send_tally send() { return socket->send(runs, chunks); }
  octets sent() const {
    octets b;
    for (const auto& d : k.udp_out)
      b.insert(b.end(), d.bytes.begin(), d.bytes.end());
    return b;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(udp_send_test, send_fixture)

BOOST_AUTO_TEST_CASE(a_run_goes_out_in_one_message) {
  add({1000, 600, 900}, 500).path.local = *protocol::ip_address::parse("192.0.2.1");
  BOOST_TEST(send().sent == 5u);
  BOOST_TEST_REQUIRE(k.udp_out.size() == 1u);
  BOOST_TEST(k.udp_out[0].segment_size == 500u);
  BOOST_TEST(k.udp_out[0].peer.to_string() == "198.51.100.7:4000");
  BOOST_TEST(k.udp_out[0].local.to_string() == "192.0.2.1");
  BOOST_TEST((sent() == all));
}

BOOST_AUTO_TEST_CASE(one_datagram_needs_no_segmentation) {
  add({500}, 500).path.peer = {};
  BOOST_TEST(send().sent == 1u);
  BOOST_TEST_REQUIRE(k.udp_out.size() == 1u);
  BOOST_TEST(k.udp_out[0].segment_size == 0u);
  BOOST_TEST(!k.udp_out[0].peer.address);
  BOOST_TEST(!k.udp_out[0].local);
}

BOOST_AUTO_TEST_CASE(a_dual_stack_socket_answers_ipv4_peers) {
  socket = std::move(*udp_socket::listen(k, at("[::]:53"), {}));
  add({500}, 500).path.local = *protocol::ip_address::parse("192.0.2.1");
  BOOST_TEST(send().sent == 1u);
  BOOST_TEST(k.udp_out[0].peer.to_string() == "198.51.100.7:4000");
  BOOST_TEST(k.udp_out[0].local.to_string() == "192.0.2.1");
}

BOOST_AUTO_TEST_CASE(an_empty_datagram_is_sent) {
  add({0}, 0);
  add({}, 0);
  BOOST_TEST(send().sent == 2u);
  BOOST_TEST(k.udp_out.size() == 2u);
}

BOOST_AUTO_TEST_CASE(many_runs_take_few_system_calls) {
  for (int i = 0; i < 100; ++i)
    add({300}, 100);
  BOOST_TEST(send().sent == 300u);
  BOOST_TEST(k.calls("sendmmsg") == 2u);
  BOOST_TEST((sent() == all));
}

BOOST_AUTO_TEST_CASE(a_run_that_no_message_holds_is_cut_at_datagrams) {
  add({60'000, 20'000}, 1'000); // over 65,507 octets
  add({12'800}, 100);           // over 64 datagrams
  BOOST_TEST(send().sent == 80u + 128u);
  BOOST_TEST_REQUIRE(k.udp_out.size() == 4u);
  BOOST_TEST(k.udp_out[0].bytes.size() == 64'000u);
  BOOST_TEST(k.udp_out[2].bytes.size() == 6'400u);
  BOOST_TEST((sent() == all));
}

BOOST_AUTO_TEST_CASE(a_path_without_segmentation_gets_singles_for_good) {
  k.refuse_datagram = [](const fake_kernel::datagram& d) { return d.segment_size != 0 ? EIO : 0; };
  add({100}, 100);
  add({900, 700}, 400);
  add({800}, 400);
  BOOST_TEST(send().sent == 7u);
  BOOST_TEST(!socket->gso());
  BOOST_TEST((sent() == all));
  const auto calls = k.calls("sendmmsg");
  BOOST_TEST(send().sent == 7u);
  BOOST_TEST(k.calls("sendmmsg") == calls + 1);
}

BOOST_AUTO_TEST_CASE(a_size_over_the_mtu_does_not_end_segmentation_for_smaller_ones) {
  for (const int error : {EINVAL, EMSGSIZE}) {
    socket = std::move(*udp_socket::listen(k, at("0.0.0.0:53"), {}));
    k.refuse_datagram = [=](const fake_kernel::datagram& d) {
      return d.segment_size > 1'472 ? error : 0;
    };
    runs.clear();
    chunks.clear();
    all.clear();
    k.udp_out.clear();
    add({4'000}, 2'000);
    add({2'800}, 1'400);
    BOOST_TEST(send().sent == 4u);
    BOOST_TEST(socket->gso());
    BOOST_TEST(k.udp_out.size() == 3u);
    BOOST_TEST((sent() == all));
  }
}

BOOST_AUTO_TEST_CASE(an_error_that_singles_meet_too_is_not_blamed_on_segmentation) {
  k.refuse_datagram = [](const fake_kernel::datagram&) { return EINVAL; };
  add({800}, 400);
  const auto tally = send();
  BOOST_TEST(tally.sent == 0u);
  BOOST_TEST(tally.dropped == 2u);
  BOOST_TEST(socket->gso());
}

BOOST_AUTO_TEST_CASE(a_full_socket_drops_the_rest) {
  int taken = 0;
  k.refuse_datagram = [&](const fake_kernel::datagram&) { return taken++ >= 2 ? EAGAIN : 0; };
  for (int i = 0; i < 100; ++i)
    add({200}, 100);
  const auto tally = send();
  BOOST_TEST(tally.sent == 4u);
  BOOST_TEST(tally.dropped == 196u);
  BOOST_TEST(k.calls("sendmmsg") == 2u);
}

BOOST_AUTO_TEST_CASE(a_datagram_too_large_is_dropped_alone) {
  k.refuse_datagram = [](const fake_kernel::datagram& d) {
    return d.bytes.size() > 1'000 ? EMSGSIZE : 0;
  };
  add({100}, 100);
  add({1'001}, 1'001);
  add({100}, 100);
  const auto tally = send();
  BOOST_TEST(tally.sent == 2u);
  BOOST_TEST(tally.dropped == 1u);
}

BOOST_AUTO_TEST_CASE(an_unreachable_peer_does_not_cost_the_others) {
  const auto lost = at("203.0.113.1:9");
  k.refuse_datagram = [&](const fake_kernel::datagram& d) {
    return d.peer == lost ? EHOSTUNREACH : 0;
  };
  add({100}, 100);
  add({300}, 100).path.peer = lost;
  add({100}, 100);
  const auto tally = send();
  BOOST_TEST(tally.sent == 2u);
  BOOST_TEST(tally.refused == 3u);
}

BOOST_AUTO_TEST_CASE(the_refusal_of_an_earlier_datagram_costs_no_other) {
  int calls = 0;
  k.refuse_datagram = [&](const fake_kernel::datagram&) { return calls++ == 0 ? ECONNREFUSED : 0; };
  add({100}, 100);
  add({100}, 100);
  add({100}, 100);
  const auto tally = send();
  BOOST_TEST(tally.sent == 3u);
  BOOST_TEST(tally.refused == 1u);
  BOOST_TEST((sent() == all));
}

BOOST_AUTO_TEST_CASE(nothing_to_send_is_no_system_call) {
  BOOST_TEST(send().sent == 0u);
  BOOST_TEST(k.calls("sendmmsg") == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
