#include "system/fake/fake_kernel.hpp"
#include "system/offload_probe.hpp"
#include "system/udp_socket.hpp"

#include <boost/test/unit_test.hpp>

#include <poll.h>

#include <cerrno>

using namespace tonel;
using namespace tonel::sys;

// Real sockets over the host's loopback.

namespace {

protocol::endpoint at(const char* text) { return *protocol::endpoint::parse(text); }

bool readable(const udp_socket& s) {
  pollfd p{s.fd(), POLLIN, 0};
  return ::poll(&p, 1, 5'000) == 1;
}

struct loopback_fixture {
  kernel& k = real_kernel();
  slab_pool pool{256};
  slab_writer slabs{pool};

  struct run {
    std::vector<chunk> chunks;
    std::vector<outgoing_run> runs;
    std::vector<std::uint8_t> bytes;
  };
  run make(std::uint32_t length, std::uint32_t size, datagram_path path = {}) {
    run r;
    for (std::uint32_t i = 0; i < length; ++i)
      r.bytes.push_back(static_cast<std::uint8_t>(i * 13 + (i >> 8)));
    r.chunks.push_back(slabs.append(r.bytes));
    r.runs.push_back({path, 0, 1, length, size});
    return r;
  }
  /// All datagrams that come until `length` octets are there.
  std::vector<std::uint8_t> take(udp_socket& s, std::size_t length, std::uint32_t size,
                                 datagram_path* path = nullptr) {
    std::vector<std::uint8_t> all;
    std::vector<received_datagrams> got;
    while (all.size() < length && readable(s)) {
      got.clear();
      BOOST_TEST_REQUIRE(s.receive(slabs, got, 64).has_value());
      for (const auto& g : got) {
        if (all.size() + g.bytes.length < length) BOOST_TEST(g.bytes.datagram_size == size);
        all.insert(all.end(), g.bytes.bytes().begin(), g.bytes.bytes().end());
        if (path != nullptr) *path = g.path;
      }
    }
    return all;
  }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(udp_loopback_test, loopback_fixture)

BOOST_AUTO_TEST_CASE(a_run_arrives_octet_for_octet_and_so_does_the_answer) {
  for (const char* local : {"127.0.0.1:0", "[::1]:0", "[::]:0"}) {
    auto listener = udp_socket::listen(k, at(local), {});
    if (!listener) {
      BOOST_TEST_MESSAGE(local << ": " << listener.error().to_string());
      BOOST_TEST((*local == '[')); // a host without IPv6
      continue;
    }
    auto to = *(*listener)->local();
    // An IPv4 peer of a dual-stack socket.
    if (to.address.is_wildcard()) to.address = protocol::ip_address::v4(127, 0, 0, 1);
    auto client = udp_socket::connect(k, to, {});
    BOOST_TEST_REQUIRE(client.has_value());
    const auto r = make(40'123, 1'337);
    BOOST_TEST((*client)->send(r.runs, r.chunks).sent == 31u);
    datagram_path path;
    BOOST_TEST((take(**listener, r.bytes.size(), 1'337, &path) == r.bytes));
    BOOST_TEST(path.peer.to_string() == (*client)->local()->to_string());
    BOOST_TEST(path.local.to_string() == to.address.to_string());

    const auto back = make(5'000, 1'000, path);
    BOOST_TEST((*listener)->send(back.runs, back.chunks).sent == 5u);
    BOOST_TEST((take(**client, back.bytes.size(), 1'000) == back.bytes));
  }
}

BOOST_AUTO_TEST_CASE(without_offload_it_is_the_same) {
  udp_options o;
  o.gso = o.gro = false;
  const auto listener = std::move(*udp_socket::listen(k, at("127.0.0.1:0"), o));
  const auto client = std::move(*udp_socket::connect(k, *listener->local(), o));
  const auto r = make(20'000, 1'000);
  BOOST_TEST(client->send(r.runs, r.chunks).sent == 20u);
  BOOST_TEST((take(*listener, r.bytes.size(), 1'000) == r.bytes));
}

BOOST_AUTO_TEST_CASE(nobody_there_is_counted_and_the_socket_lives) {
  protocol::endpoint gone;
  {
    const auto listener = std::move(*udp_socket::listen(k, at("127.0.0.1:0"), {}));
    gone = *listener->local();
  }
  const auto client = std::move(*udp_socket::connect(k, gone, {}));
  const auto r = make(100, 100);
  client->send(r.runs, r.chunks);
  BOOST_TEST_REQUIRE(readable(*client));
  std::vector<received_datagrams> got;
  BOOST_TEST((*client->receive(slabs, got, 64) == read_state::drained));
  BOOST_TEST(client->receive_errors() == 1u);
}

BOOST_AUTO_TEST_CASE(sockets_of_one_port_share_it) {
  udp_options o;
  o.reuse_port = true;
  const auto first = std::move(*udp_socket::listen(k, at("127.0.0.1:0"), o));
  BOOST_TEST(udp_socket::listen(k, *first->local(), o).has_value());
  o.reuse_port = false;
  const auto stranger = udp_socket::listen(k, *first->local(), o);
  BOOST_TEST_REQUIRE(!stranger.has_value());
  BOOST_TEST(stranger.error().number == EADDRINUSE);
}

BOOST_AUTO_TEST_CASE(this_kernels_offload_is_found_out) {
  const auto found = probe_udp_offload(k);
  BOOST_TEST_MESSAGE("gso " << found.gso << " gro " << found.gro << " " << found.note);
  BOOST_TEST((found.note.empty() == (found.gso && found.gro)));
}

BOOST_AUTO_TEST_CASE(the_probe_believes_what_it_cannot_try) {
  fake_kernel fake; // takes everything and delivers nothing
  const auto found = probe_udp_offload(fake);
  BOOST_TEST(found.gso);
  BOOST_TEST(found.gro);
  BOOST_TEST(!found.note.empty());
  BOOST_TEST(fake.open_descriptors() == 0u);
}

BOOST_AUTO_TEST_CASE(the_probe_notices_what_the_kernel_lacks) {
  fake_kernel fake;
  fake.fail("setsockopt UDP_SEGMENT", ENOPROTOOPT, 100);
  fake.fail("setsockopt UDP_GRO", ENOPROTOOPT, 100);
  const auto found = probe_udp_offload(fake);
  BOOST_TEST(!found.gso);
  BOOST_TEST(!found.gro);
}

namespace {

/// A kernel whose segmentation does something to what it cuts.
struct bad_gso {
  fake_kernel k;
  explicit bad_gso(void (*harm)(std::vector<std::uint8_t>&)) {
    k.refuse_datagram = [this, harm](const fake_kernel::datagram& d) {
      const auto size = d.segment_size != 0 ? d.segment_size : d.bytes.size();
      for (std::size_t i = 0; i < d.bytes.size(); i += size) {
        fake_kernel::datagram one;
        const auto first = d.bytes.begin() + static_cast<std::ptrdiff_t>(i);
        one.bytes.assign(first,
                         first + static_cast<std::ptrdiff_t>(std::min(size, d.bytes.size() - i)));
        if (d.segment_size != 0) harm(one.bytes);
        k.udp_in.push_back(one);
      }
      k.ready.push_back({{0, 1}});
      return 0;
    };
  }
};

} // namespace

BOOST_AUTO_TEST_CASE(the_probe_notices_what_the_kernel_corrupts) {
  bad_gso flips{[](std::vector<std::uint8_t>& b) { b[b.size() / 2] ^= 1; }};
  BOOST_TEST(!probe_udp_offload(flips.k).gso);
  bad_gso cuts{[](std::vector<std::uint8_t>& b) { b.pop_back(); }};
  BOOST_TEST(!probe_udp_offload(cuts.k).gso);
  bad_gso good{[](std::vector<std::uint8_t>&) {}};
  const auto found = probe_udp_offload(good.k);
  BOOST_TEST(found.gso);
  BOOST_TEST(found.gro);
  BOOST_TEST(found.note == "");
}

BOOST_AUTO_TEST_SUITE_END()
