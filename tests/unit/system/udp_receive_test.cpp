#include "system/fake/fake_kernel.hpp"
#include "system/udp_socket.hpp"

#include <boost/test/unit_test.hpp>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

using namespace tonel;
using namespace tonel::sys;

namespace {

using octets = fake_kernel::octets;

protocol::endpoint at(const char* text) { return *protocol::endpoint::parse(text); }
protocol::ip_address ip(const char* text) { return *protocol::ip_address::parse(text); }

octets bytes(std::size_t n, std::uint8_t first = 0) {
  octets b(n);
  for (std::size_t i = 0; i < n; ++i)
    b[i] = static_cast<std::uint8_t>(first + i * 7);
  return b;
}
octets content(const chunk& c) { return {c.bytes().begin(), c.bytes().end()}; }
octets joined(const octets& a, const octets& b) {
  auto all = a;
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

const auto peer = at("198.51.100.7:4000");

struct receive_fixture {
  fake_kernel k;
  slab_pool pool{256};
  slab_writer slabs{pool};
  std::vector<received_datagrams> got;

  std::unique_ptr<udp_socket> listener(const char* local = "0.0.0.0:53") {
    return std::move(*udp_socket::listen(k, at(local), {}));
  }
  void push(octets b, std::uint32_t segment_size = 0, protocol::endpoint from = peer) {
    fake_kernel::datagram d;
    d.peer = from;
    d.local = ip("192.0.2.1");
    d.bytes = std::move(b);
    d.segment_size = segment_size;
    k.udp_in.push_back(std::move(d));
  }
  void push_error(int e) {
    fake_kernel::datagram d;
    d.error = e;
    k.udp_in.push_back(std::move(d));
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(udp_receive_test, receive_fixture)

BOOST_AUTO_TEST_CASE(a_listener_sets_what_it_needs) {
  udp_options o;
  o.reuse_port = true;
  o.buffer = listener_buffer;
  const auto s = udp_socket::listen(k, at("0.0.0.0:53"), o);
  BOOST_TEST_REQUIRE(s.has_value());
  BOOST_TEST(k.options.at("SO_REUSEPORT") == 1);
  BOOST_TEST(k.options.at("IP_PKTINFO") == 1);
  BOOST_TEST(k.options.at("UDP_GRO") == 1);
  BOOST_TEST(k.options.at("SO_RCVBUFFORCE") == listener_buffer);
  BOOST_TEST(k.options.count("SO_RCVBUF") == 0u);
  BOOST_TEST((*s)->gso());
  BOOST_TEST((*s)->gro());
}

BOOST_AUTO_TEST_CASE(a_wildcard_of_ipv6_takes_ipv4_too) {
  const auto s = udp_socket::listen(k, at("[::]:53"), {});
  BOOST_TEST_REQUIRE(s.has_value());
  BOOST_TEST(k.options.at("IPV6_V6ONLY") == 0);
  BOOST_TEST(k.options.at("IPV6_RECVPKTINFO") == 1);
}

BOOST_AUTO_TEST_CASE(buffers_are_as_large_as_the_host_lets_us) {
  k.fail("setsockopt SO_RCVBUFFORCE", EPERM);
  udp_options o;
  o.buffer = listener_buffer;
  BOOST_TEST_REQUIRE(udp_socket::listen(k, at("0.0.0.0:53"), o).has_value());
  BOOST_TEST(k.options.at("SO_RCVBUF") == listener_buffer);
}

BOOST_AUTO_TEST_CASE(a_socket_that_cannot_be_made_says_why) {
  struct row {
    const char* call;
    const char* operation;
  };
  const row table[] = {{"socket AF_INET", "socket"},
                       {"setsockopt SO_REUSEPORT", "setsockopt SO_REUSEPORT"},
                       {"setsockopt IP_PKTINFO", "setsockopt IP_PKTINFO"},
                       {"bind", "bind"}};
  udp_options o;
  o.reuse_port = true;
  for (const auto& r : table) {
    fake_kernel fresh;
    fresh.fail(r.call, EADDRINUSE);
    const auto s = udp_socket::listen(fresh, at("0.0.0.0:53"), o);
    BOOST_TEST_REQUIRE(!s.has_value());
    BOOST_TEST(s.error().operation == std::string{r.operation});
    BOOST_TEST(fresh.open_descriptors() == 0u);
  }
  k.fail("connect", ENETUNREACH);
  const auto s = udp_socket::connect(k, peer, {});
  BOOST_TEST_REQUIRE(!s.has_value());
  BOOST_TEST(s.error().to_string() == "connect (198.51.100.7:4000): Network is unreachable");
}

BOOST_AUTO_TEST_CASE(an_old_kernel_has_no_offload_and_works) {
  k.fail("setsockopt UDP_GRO", ENOPROTOOPT);
  k.fail("setsockopt UDP_SEGMENT", ENOPROTOOPT);
  const auto s = listener();
  BOOST_TEST(!s->gso());
  BOOST_TEST(!s->gro());
}

BOOST_AUTO_TEST_CASE(a_datagram_comes_with_its_path) {
  const auto s = listener();
  push(bytes(100));
  BOOST_TEST((*s->receive(slabs, got, 64) == read_state::drained));
  BOOST_TEST_REQUIRE(got.size() == 1u);
  BOOST_TEST(got[0].path.peer.to_string() == "198.51.100.7:4000");
  BOOST_TEST(got[0].path.local.to_string() == "192.0.2.1");
  BOOST_TEST(got[0].path.interface == 3u);
  BOOST_TEST(content(got[0].bytes) == bytes(100));
  BOOST_TEST(got[0].bytes.datagram_size == 100u);
}

BOOST_AUTO_TEST_CASE(a_connected_socket_knows_its_peer) {
  const auto s = std::move(*udp_socket::connect(k, peer, {}));
  push(bytes(100));
  BOOST_TEST(s->receive(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 1u);
  BOOST_TEST(!got[0].path.peer.address);
}

BOOST_AUTO_TEST_CASE(what_the_kernel_merged_keeps_its_borders) {
  const auto s = listener();
  push(bytes(60'000), 1'200);
  push(bytes(900), 300);
  BOOST_TEST(s->receive(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 2u);
  BOOST_TEST(content(got[0].bytes) == bytes(60'000));
  BOOST_TEST(got[0].bytes.datagram_size == 1'200u);
  BOOST_TEST(content(got[1].bytes) == bytes(900));
  BOOST_TEST(got[1].bytes.datagram_size == 300u);
}

BOOST_AUTO_TEST_CASE(neighbours_of_one_peer_and_size_become_one_piece) {
  const auto s = listener();
  push(bytes(200, 1));
  push(bytes(200, 2));
  push(bytes(50, 3)); // ends the run
  push(bytes(50, 4));
  push(bytes(50, 5), 0, at("198.51.100.8:4000"));
  push(bytes(50, 6), 0, at("198.51.100.8:4000"));
  push(bytes(60, 7), 0, at("198.51.100.8:4000")); // longer: not of this run
  BOOST_TEST(s->receive(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 4u);
  BOOST_TEST(content(got[0].bytes) == joined(joined(bytes(200, 1), bytes(200, 2)), bytes(50, 3)));
  BOOST_TEST(got[0].bytes.datagram_size == 200u);
  BOOST_TEST(content(got[1].bytes) == bytes(50, 4));
  BOOST_TEST(content(got[2].bytes) == joined(bytes(50, 5), bytes(50, 6)));
  BOOST_TEST(got[2].path.peer.to_string() == "198.51.100.8:4000");
  BOOST_TEST(content(got[3].bytes) == bytes(60, 7));
}

BOOST_AUTO_TEST_CASE(a_run_goes_on_over_the_borders_of_a_system_call) {
  const auto s = listener();
  octets all;
  for (int i = 0; i < 100; ++i) {
    push(bytes(500, static_cast<std::uint8_t>(i)));
    all = joined(all, bytes(500, static_cast<std::uint8_t>(i)));
  }
  BOOST_TEST((*s->receive(slabs, got, 100) == read_state::more));
  octets received;
  for (const auto& g : got) {
    BOOST_TEST(g.bytes.datagram_size == 500u);
    received = joined(received, content(g.bytes));
  }
  BOOST_TEST((received == all));
  BOOST_TEST(got.size() <= 3u);
}

BOOST_AUTO_TEST_CASE(empty_datagrams_stay_apart) {
  const auto s = listener();
  push(bytes(100));
  push({});
  push({});
  push(bytes(100));
  BOOST_TEST(s->receive(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 4u);
  BOOST_TEST(got[1].bytes.length == 0u);
  BOOST_TEST(got[1].bytes.datagram_size == 0u);
  BOOST_TEST(bool(got[1].bytes.slab));
}

BOOST_AUTO_TEST_CASE(a_long_datagram_between_short_ones_is_whole) {
  const auto s = listener();
  push(bytes(100));
  push(bytes(65'507, 9));
  push(bytes(100));
  push(bytes(2'049, 3));
  BOOST_TEST(s->receive(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 4u);
  BOOST_TEST((content(got[1].bytes) == bytes(65'507, 9)));
  BOOST_TEST((content(got[2].bytes) == bytes(100)));
  BOOST_TEST((content(got[3].bytes) == bytes(2'049, 3)));
}

BOOST_AUTO_TEST_CASE(a_cut_datagram_is_dropped) {
  const auto s = listener();
  push(bytes(100));
  k.udp_in.back().truncated = true;
  push(bytes(200));
  BOOST_TEST(s->receive(slabs, got, 64).has_value());
  BOOST_TEST_REQUIRE(got.size() == 1u);
  BOOST_TEST(got[0].bytes.length == 200u);
}

BOOST_AUTO_TEST_CASE(errors_of_earlier_sends_are_counted_and_passed_over) {
  const auto s = std::move(*udp_socket::connect(k, peer, {}));
  push_error(ECONNREFUSED);
  push(bytes(100));
  push_error(EHOSTUNREACH);
  BOOST_TEST((*s->receive(slabs, got, 64) == read_state::drained));
  BOOST_TEST(got.size() == 1u);
  BOOST_TEST((*s->receive(slabs, got, 64) == read_state::drained));
  BOOST_TEST(s->receive_errors() == 2u);
}

BOOST_AUTO_TEST_CASE(endless_errors_do_not_keep_the_loop) {
  const auto s = std::move(*udp_socket::connect(k, peer, {}));
  for (int i = 0; i < 100; ++i)
    push_error(ECONNREFUSED);
  BOOST_TEST((*s->receive(slabs, got, 64) == read_state::more));
  BOOST_TEST(s->receive_errors() < 100u);
}

BOOST_AUTO_TEST_CASE(a_descriptor_that_is_none_is_an_error) {
  const auto s = listener();
  k.fail("recvmmsg", EBADF);
  BOOST_TEST(!s->receive(slabs, got, 64).has_value());
}

BOOST_AUTO_TEST_CASE(an_empty_pool_leaves_the_datagrams_in_the_socket) {
  slab_pool small{4};
  slab_writer writer{small};
  const auto s = listener();
  for (int i = 0; i < 10; ++i)
    push(bytes(30'000, static_cast<std::uint8_t>(i)));
  BOOST_TEST((*s->receive(writer, got, 64) == read_state::no_slab));
  auto count = got.size();
  while (!k.udp_in.empty()) {
    got.clear();
    BOOST_TEST_REQUIRE(s->receive(writer, got, 64).has_value());
    BOOST_TEST_REQUIRE(!got.empty());
    count += got.size();
  }
  BOOST_TEST(count == 10u);
}

BOOST_AUTO_TEST_SUITE_END()
