#include "system/decorators/faulty.hpp"
#include "system/decorators/lossy.hpp"
#include "system/fake/memory_devices.hpp"

#include <boost/test/unit_test.hpp>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using namespace tonel;
using namespace tonel::sys;

namespace {

using octets = std::vector<std::uint8_t>;

octets text(std::string_view t) { return {t.begin(), t.end()}; }
std::string text(const octets& b) { return {b.begin(), b.end()}; }
std::string text(const chunk& c) { return {c.bytes().begin(), c.bytes().end()}; }

/// Loses each second one, the first not.
loss every_second() {
  return [n = 0]() mutable { return n++ % 2 == 1; };
}

/// A fault for what reads so.
fault_finder at(fault_way way, const std::string& word, fault what) {
  return [=](fault_way of, protocol::byte_view bytes) {
    return of == way && std::string{bytes.begin(), bytes.end()} == word ? what : fault{};
  };
}

struct decorator_fixture {
  slab_pool pool{8};
  slab_writer slabs{pool};
  memory_packet_device device;
  std::shared_ptr<memory_datagram_socket> socket = std::make_shared<memory_datagram_socket>();
  protocol::endpoint peer = *protocol::endpoint::parse("10.0.0.1:53");

  chunk append(const std::string& word) {
    return slabs.append({reinterpret_cast<const std::uint8_t*>(word.data()), word.size()});
  }
  write_tally write(packet_device& to, const std::vector<std::string>& words) {
    std::vector<outgoing_segment> segments;
    std::vector<chunk> chunks;
    for (const auto& word : words) {
      const auto size = static_cast<std::uint32_t>(word.size());
      segments.push_back({{}, static_cast<std::uint32_t>(chunks.size()), 1, size, size});
      segments.back().header.tuple.local = segments.back().header.tuple.remote = peer;
      chunks.push_back(append(word));
    }
    return to.write(segments, chunks);
  }
  /// Runs of two datagrams, each half a word.
  send_tally send(datagram_socket& to, const std::vector<std::string>& words) {
    std::vector<outgoing_run> runs;
    std::vector<chunk> chunks;
    for (const auto& word : words) {
      const auto size = static_cast<std::uint32_t>(word.size());
      runs.push_back({{}, static_cast<std::uint32_t>(chunks.size()), 1, size, size / 2});
      chunks.push_back(append(word));
    }
    return to.send(runs, chunks);
  }
  std::string read(packet_device& from) {
    std::vector<received_packet> got;
    const auto state = from.read(slabs, got, 8);
    if (!state) return state.error().to_string();
    std::string all;
    for (const auto& each : got)
      all += text(each.bytes) + ' ';
    return all;
  }
  std::string receive(datagram_socket& from) {
    std::vector<received_datagrams> got;
    const auto state = from.receive(slabs, got, 8);
    if (!state) return state.error().to_string();
    std::string all;
    for (const auto& each : got)
      all += text(each.bytes) + ' ';
    return all;
  }
  std::string written() const {
    std::string all;
    for (const auto& each : device.written)
      all += text(each.payload) + ' ';
    return all;
  }
  std::string sent() const {
    std::string all;
    for (const auto& each : socket->sent)
      all += text(each.bytes) + ' ';
    return all;
  }
  void push(const std::vector<std::string>& words) {
    for (const auto& word : words) {
      device.push(text(word));
      socket->push(peer, text(word));
    }
  }
};

} // namespace

BOOST_AUTO_TEST_SUITE(decorators)

BOOST_FIXTURE_TEST_CASE(a_lossy_device_loses_packets_either_way_and_tells_nobody,
                        decorator_fixture) {
  lossy_packet_device lossy{device, every_second(), every_second()};
  push({"a", "b", "c"});
  BOOST_TEST(read(lossy) == "a c ");
  const auto tally = write(lossy, {"d", "e", "f"});
  BOOST_TEST(tally.written == 3u);
  BOOST_TEST(tally.dropped == 0u);
  BOOST_TEST(written() == "d f ");
  BOOST_TEST(lossy.fd() == device.fd());
  BOOST_TEST(lossy.offload());
}

BOOST_FIXTURE_TEST_CASE(a_lossy_device_leaves_what_was_read_before, decorator_fixture) {
  lossy_packet_device lossy{device, [] { return true; }, nullptr};
  std::vector<received_packet> got{{append("before"), {}}};
  push({"a"});
  BOOST_TEST(lossy.read(slabs, got, 8).has_value());
  BOOST_TEST_REQUIRE(got.size() == 1u);
  BOOST_TEST(text(got[0].bytes) == "before");
  BOOST_TEST(write(lossy, {"d"}).written == 1u);
  BOOST_TEST(written() == "d ");
}

BOOST_FIXTURE_TEST_CASE(a_lossy_socket_loses_runs_either_way_and_tells_nobody, decorator_fixture) {
  lossy_datagram_socket lossy{socket, every_second(), every_second()};
  push({"a", "b", "c"});
  BOOST_TEST(receive(lossy) == "a c ");
  BOOST_TEST(send(lossy, {"dd", "ee", "ff"}).sent == 6u);
  BOOST_TEST(sent() == "dd ff ");
}

BOOST_FIXTURE_TEST_CASE(a_faulty_device_fails_at_what_it_is_told, decorator_fixture) {
  faulty_packet_device read_fails{device, at(fault_way::in, "b", {EBADFD, false})};
  push({"a"});
  BOOST_TEST(read(read_fails) == "a ");
  push({"b"});
  BOOST_TEST(read(read_fails).find("read TUN (provoked)") == 0u);
  faulty_packet_device write_fails{device, at(fault_way::out, "e", {EIO, false})};
  const auto tally = write(write_fails, {"d", "e", "f"});
  BOOST_TEST(tally.written == 2u);
  BOOST_TEST(tally.dropped == 1u);
  BOOST_TEST(written() == "d f ");
}

BOOST_FIXTURE_TEST_CASE(a_faulty_device_can_be_gone_before_it_reads, decorator_fixture) {
  faulty_packet_device gone{device, at(fault_way::in, "", {EBADFD, false})};
  push({"a"});
  BOOST_TEST(read(gone).find("read TUN (provoked)") == 0u);
  BOOST_TEST(read(device) == "a ");
}

BOOST_FIXTURE_TEST_CASE(a_faulty_socket_fails_at_what_it_is_told, decorator_fixture) {
  faulty_datagram_socket receive_fails{socket, at(fault_way::in, "b", {ENOMEM, false})};
  push({"a"});
  BOOST_TEST(receive(receive_fails) == "a ");
  push({"b"});
  BOOST_TEST(receive(receive_fails) == "recvmmsg (provoked): Cannot allocate memory");
  faulty_datagram_socket send_fails{socket, at(fault_way::out, "ee", {ENOBUFS, false})};
  const auto tally = send(send_fails, {"dd", "ee", "ff"});
  BOOST_TEST(tally.sent == 4u);
  BOOST_TEST(tally.dropped == 2u);
  BOOST_TEST(sent() == "dd ff ");
}

BOOST_FIXTURE_TEST_CASE(a_bug_is_thrown_either_way, decorator_fixture) {
  faulty_packet_device device_in{device, at(fault_way::in, "x", {0, true})};
  faulty_packet_device device_out{device, at(fault_way::out, "x", {0, true})};
  faulty_datagram_socket socket_in{socket, at(fault_way::in, "x", {0, true})};
  faulty_datagram_socket socket_out{socket, at(fault_way::out, "xx", {0, true})};
  push({"x"});
  BOOST_CHECK_THROW(read(device_in), std::runtime_error);
  BOOST_CHECK_THROW(receive(socket_in), std::runtime_error);
  BOOST_CHECK_THROW(write(device_out, {"x"}), std::runtime_error);
  BOOST_CHECK_THROW(send(socket_out, {"xx"}), std::runtime_error);
  BOOST_TEST(written().empty());
  BOOST_TEST(sent().empty());
}

BOOST_AUTO_TEST_SUITE_END()
