#include "protocol/packet.hpp"
#include "system/decorators/pcap_device.hpp"
#include "system/fake/memory_devices.hpp"
#include "system/fake/virtual_time_kernel.hpp"
#include "tests/support/pcapng_reader.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <future>
#include <string>
#include <thread>
#include <variant>

using namespace tonel;
using namespace tonel::sys;
using namespace std::chrono_literals;

namespace {

using octets = std::vector<std::uint8_t>;
using tests::pcapng_reader;

constexpr std::uint64_t mib = 1 << 20;

octets bytes(std::size_t n) {
  octets b(n);
  for (std::size_t i = 0; i < n; ++i)
    b[i] = static_cast<std::uint8_t>(i * 7);
  return b;
}

/// A disk that is full, or hangs, when told so.
struct odd_disk final : virtual_time_kernel {
  std::atomic<std::size_t> room{~std::size_t{0}};
  std::promise<void> go_on;
  std::shared_future<void> hangs; ///< valid: a write lasts until go_on

  long write(int fd, const void* buffer, std::size_t size) noexcept override {
    if (hangs.valid()) hangs.wait();
    if (room == 0) return -ENOSPC;
    size = std::min(size, room.load());
    room -= size;
    return virtual_time_kernel::write(fd, buffer, size);
  }
};

struct capture_fixture {
  std::string path = "/tmp/tonel_pcap_test." + std::to_string(::getpid());
  odd_disk disk;
  std::int64_t time = 1'700'000'000'123'456'789;
  std::promise<capture_status> told;
  std::atomic<unsigned> times_told{0};
  memory_packet_device inner;
  slab_pool pool{64};
  slab_writer slabs{pool};
  packet_capture capture{settings(1h)}; // nothing is written before the end
  pcap_device device{inner, capture, 3};

  ~capture_fixture() { std::remove(path.c_str()); }

  packet_capture::settings settings(std::chrono::milliseconds rest) {
    packet_capture::settings s;
    s.program = "tonelc 1.2.3";
    s.interface = "tonel7";
    s.rest = rest;
    s.tell = [this](const capture_status& now) {
      if (times_told++ == 0) told.set_value(now);
    };
    s.clock = [this] { return time; };
    s.system = &disk;
    return s;
  }
  void start(packet_capture& which, std::uint64_t limit = 64 * mib) {
    auto file = capture_file::open(path);
    BOOST_TEST_REQUIRE(file.has_value());
    BOOST_TEST_REQUIRE(which.start(std::move(*file), limit).has_value());
  }
  void start() { start(capture); }
  pcapng_reader stop() {
    BOOST_TEST(capture.stop());
    return pcapng_reader{path};
  }
  std::vector<received_packet> read() {
    std::vector<received_packet> got;
    BOOST_TEST(device.read(slabs, got, 64).has_value());
    return got;
  }

  static protocol::segment_header header(bool v6 = false) {
    protocol::segment_header h;
    h.tuple.local = *protocol::endpoint::parse(v6 ? "[fcc8::2]:4000" : "192.168.200.2:4000");
    h.tuple.remote = *protocol::endpoint::parse(v6 ? "[fcc9::2]:443" : "10.0.0.1:443");
    h.seq = protocol::seq_num{1000};
    h.ack = protocol::seq_num{2000};
    h.flags = protocol::flag::ack;
    return h;
  }
  /// Writes a run of so many octets, in pieces of two chunks.
  write_tally write(std::uint32_t length, std::uint32_t datagram_size, bool v6 = false) {
    const auto payload = bytes(length);
    const auto cut = length / 3;
    std::vector<chunk> chunks{slabs.append({payload.data(), cut}),
                              slabs.append({payload.data() + cut, length - cut})};
    return device.write({{header(v6), 0, 2, length, datagram_size}}, chunks);
  }
  /// As a packet comes from the kernel whose checksum it has not computed.
  void push_unfinished(std::uint32_t length, std::uint16_t segment_size, bool v6 = false) {
    const auto h = header(v6);
    const auto payload = bytes(length);
    octets p(h.size());
    protocol::write_partial_header({p.data(), p.size()}, h, length);
    p.insert(p.end(), payload.begin(), payload.end());
    inner.push(std::move(p), {true, segment_size});
  }
  /// A packet's payload, its checksums having been found right.
  static octets payload(const octets& packet) {
    const auto p = protocol::parse_packet({packet.data(), packet.size()}, {});
    BOOST_TEST_REQUIRE(p.has_value());
    const auto& s = std::get<protocol::segment_repr>(*p);
    return {packet.begin() + s.payload_offset, packet.end()};
  }
};

bool eventually(const std::function<bool()>& what) {
  const auto until = std::chrono::steady_clock::now() + 20s;
  while (!what()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

} // namespace

BOOST_AUTO_TEST_SUITE(pcap)

BOOST_FIXTURE_TEST_CASE(a_file_says_of_what_it_is, capture_fixture) {
  start();
  const auto file = stop();
  BOOST_TEST(file.link_type == 101u);
  BOOST_TEST(file.section.at(4) == "tonelc 1.2.3");
  BOOST_TEST(file.interface.at(2) == "tonel7");
  BOOST_TEST(file.interface.at(9) == "\x09");
  BOOST_TEST(file.packets.empty());
  struct stat about {};
  BOOST_TEST_REQUIRE(::stat(path.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 07777) == 0600u);
}

BOOST_FIXTURE_TEST_CASE(what_passes_is_recorded_with_its_direction_time_and_queue,
                        capture_fixture) {
  start();
  push_unfinished(100, 0);
  BOOST_TEST(read().size() == 1u);
  time += 5;
  BOOST_TEST(write(50, 50).written == 1u);
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 2u);
  const auto &in = file.packets[0], &out = file.packets[1];
  BOOST_TEST(in.inbound());
  BOOST_TEST(in.time == 1'700'000'000'123'456'789u);
  BOOST_TEST(in.queue() == 3u);
  BOOST_TEST(in.comment().empty());
  BOOST_TEST(payload(in.bytes) == bytes(100), boost::test_tools::per_element());
  BOOST_TEST(out.outbound());
  BOOST_TEST(out.time == in.time + 5);
  BOOST_TEST(payload(out.bytes) == bytes(50), boost::test_tools::per_element());
  BOOST_TEST(file.statistics.at(4) == std::string("\2\0\0\0\0\0\0\0", 8));
  BOOST_TEST(file.statistics.at(5) == std::string(8, '\0'));
}

BOOST_FIXTURE_TEST_CASE(merged_packets_are_one_large_one_with_its_checksum, capture_fixture) {
  start();
  for (const bool v6 : {false, true}) {
    push_unfinished(40'001, 1400, v6);
    BOOST_TEST(write(30'001, 1400, v6).written == 1u);
  }
  BOOST_TEST(read().size() == 2u);
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 4u);
  for (const auto& packet : file.packets)
    BOOST_TEST(payload(packet.bytes) == bytes(packet.inbound() ? 40'001 : 30'001),
               boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_checksum_that_nobody_vouches_for_is_recorded_as_it_came,
                        capture_fixture) {
  start();
  octets p(header().size());
  protocol::write_partial_header({p.data(), p.size()}, header(), 0);
  inner.push(p);
  read();
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 1u);
  BOOST_TEST(file.packets[0].bytes == p, boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(without_offload_the_single_segments_are_recorded, capture_fixture) {
  inner.with_offload = false;
  start();
  write(2'500, 1'000);
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 3u);
  BOOST_TEST_REQUIRE(inner.written.size() == 3u);
  for (std::size_t i = 0; i < 3; ++i)
    BOOST_TEST(file.packets[i].bytes == inner.written[i].packet(),
               boost::test_tools::per_element());
}

BOOST_FIXTURE_TEST_CASE(a_drop_has_its_reason, capture_fixture) {
  start();
  for (std::uint32_t n = 1; n <= 3; ++n)
    push_unfinished(n, 0);
  const auto got = read();
  device.dropped(got[1].bytes, "out_of_window");
  inner.full = true;
  BOOST_TEST(write(9, 9).dropped == 1u);
  // In any order, and after a write, too.
  device.dropped(got[0].bytes, "bad_hello");
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 4u);
  BOOST_TEST(file.packets[0].comment() == "dropped: bad_hello");
  BOOST_TEST(file.packets[1].comment() == "dropped: out_of_window");
  BOOST_TEST(file.packets[2].comment().empty());
  BOOST_TEST(file.packets[3].comment() == "dropped: tun_write_dropped");
}

BOOST_FIXTURE_TEST_CASE(a_drop_of_another_device_or_time_is_nobodys, capture_fixture) {
  pcap_device other{inner, capture, 4};
  start();
  push_unfinished(1, 0);
  const auto got = read();
  other.dropped(got[0].bytes, "bad_hello");
  read();
  device.dropped(got[0].bytes, "bad_hello");
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 1u);
  BOOST_TEST(file.packets[0].comment().empty());
}

BOOST_FIXTURE_TEST_CASE(without_a_capture_packets_pass_and_nothing_is_recorded, capture_fixture) {
  push_unfinished(10, 0);
  const auto got = read();
  BOOST_TEST(got.size() == 1u);
  device.dropped(got[0].bytes, "bad_hello");
  BOOST_TEST(write(2'000, 1'000).written == 1u);
  BOOST_TEST(inner.written.size() == 1u);
  BOOST_TEST(!capture.stop());
  BOOST_TEST(capture.status().file.empty());
}

BOOST_FIXTURE_TEST_CASE(a_capture_can_be_started_again, capture_fixture) {
  start();
  write(10, 10);
  BOOST_TEST(stop().packets.size() == 1u);
  write(10, 10);
  start();
  write(20, 20);
  const auto file = stop();
  BOOST_TEST_REQUIRE(file.packets.size() == 1u); // and what it held before is gone
  BOOST_TEST(payload(file.packets[0].bytes).size() == 20u);
  BOOST_TEST(capture.status().packets == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_second_one_beside_it_is_refused, capture_fixture) {
  start();
  auto same = capture_file::open(path);
  BOOST_TEST_REQUIRE(!same.has_value());
  BOOST_TEST(same.error().number == EWOULDBLOCK);
  auto other = capture_file::open(path + ".b");
  BOOST_TEST_REQUIRE(other.has_value());
  const auto refused = capture.start(std::move(*other), mib);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().number == EBUSY);
  BOOST_TEST(refused.error().detail == path);
  std::remove((path + ".b").c_str());
}

BOOST_FIXTURE_TEST_CASE(packets_are_in_the_file_while_the_capture_goes_on, capture_fixture) {
  packet_capture lively{settings(1ms)};
  pcap_device queue{inner, lively, 0};
  start(lively);
  push_unfinished(10, 0);
  std::vector<received_packet> got;
  BOOST_TEST(queue.read(slabs, got, 64).has_value());
  BOOST_TEST(eventually([&] { return lively.status().packets == 1; }));
  BOOST_TEST(pcapng_reader{path}.packets.size() == 1u);
  BOOST_TEST(lively.status().on);
}

BOOST_FIXTURE_TEST_CASE(at_the_limit_it_ends_whole_and_says_so_once, capture_fixture) {
  packet_capture lively{settings(1ms)};
  pcap_device queue{inner, lively, 0};
  start(lively, mib);
  BOOST_TEST(eventually([&] {
    const auto c = slabs.append({bytes(60'000).data(), 60'000});
    queue.write({{header(), 0, 1, 60'000, 1'400}}, {c});
    return !lively.on();
  }));
  auto news = told.get_future();
  BOOST_TEST_REQUIRE((news.wait_for(20s) == std::future_status::ready));
  BOOST_TEST(news.get().limit_reached);
  BOOST_TEST(!lively.stop());
  BOOST_TEST(times_told == 1u);
  const auto now = lively.status();
  const pcapng_reader file{path};
  BOOST_TEST(file.size() == now.octets);
  BOOST_TEST(now.octets <= mib);
  BOOST_TEST(now.octets > mib - 61'000);
  BOOST_TEST(file.packets.size() == now.packets);
  BOOST_TEST(!file.statistics.empty());
  start(lively); // and can be started again
  BOOST_TEST(lively.stop());
}

BOOST_FIXTURE_TEST_CASE(a_full_disk_costs_captured_packets_and_leaves_whole_ones, capture_fixture) {
  packet_capture lively{settings(1ms)};
  pcap_device queue{inner, lively, 0};
  start(lively);
  const auto send = [&](std::uint32_t length) {
    const auto c = slabs.append({bytes(length).data(), length});
    return queue.write({{header(), 0, 1, length, length}}, {c}).written;
  };
  BOOST_TEST(send(1'000) == 1u);
  BOOST_TEST(eventually([&] { return lively.status().packets == 1; }));
  disk.room = 500; // a part of the next is written
  BOOST_TEST(send(1'200) == 1u);
  BOOST_TEST(eventually([&] { return lively.status().lost == 1; }));
  BOOST_TEST(pcapng_reader{path}.packets.size() == 1u);
  auto news = told.get_future();
  BOOST_TEST_REQUIRE((news.wait_for(20s) == std::future_status::ready));
  BOOST_TEST(news.get().problem == "write (" + path + "): No space left on device");
  BOOST_TEST(send(1'300) == 1u);
  BOOST_TEST(eventually([&] { return lively.status().lost == 2; }));
  disk.room = ~std::size_t{0}; // and it goes on
  BOOST_TEST(send(1'400) == 1u);
  BOOST_TEST(eventually([&] { return lively.status().packets == 2; }));
  BOOST_TEST(lively.stop());
  const pcapng_reader file{path};
  BOOST_TEST_REQUIRE(file.packets.size() == 2u);
  BOOST_TEST(payload(file.packets[1].bytes).size() == 1'400u);
  BOOST_TEST(file.statistics.at(4) == std::string("\4\0\0\0\0\0\0\0", 8));
  BOOST_TEST(file.statistics.at(5) == std::string("\2\0\0\0\0\0\0\0", 8));
  BOOST_TEST(times_told == 1u);
}

BOOST_FIXTURE_TEST_CASE(a_disk_that_hangs_costs_captured_packets_and_no_others, capture_fixture) {
  packet_capture::settings chosen = settings(1ms);
  chosen.patience = 10ms;
  packet_capture stuck{chosen};
  pcap_device queue{inner, stuck, 0};
  start(stuck);
  disk.hangs = disk.go_on.get_future().share();
  const octets large = bytes(60'000);
  constexpr std::uint32_t many = 400; // 24 MB, of which 16 MiB have room
  std::uint32_t written = 0;
  for (std::uint32_t i = 0; i < many; ++i) {
    const auto c = slabs.append({large.data(), large.size()});
    written += queue.write({{header(), 0, 1, 60'000, 1'400}}, {c}).written;
    inner.written.clear();
  }
  BOOST_TEST(written == many);
  const auto lost = stuck.status().lost;
  BOOST_TEST(lost > 100u);
  BOOST_TEST(lost < 200u);
  BOOST_TEST(stuck.stop()); // nor is the end of the process
  BOOST_TEST(!stuck.status().on);
  auto other = capture_file::open(path + ".b");
  BOOST_TEST_REQUIRE(other.has_value());
  BOOST_TEST(!stuck.start(std::move(*other), mib).has_value());
  std::remove((path + ".b").c_str());
  disk.go_on.set_value();
  BOOST_TEST(eventually([&] { return !stuck.stop() && stuck.status().packets == many - lost; }));
}

BOOST_AUTO_TEST_CASE(paths_that_cannot_hold_a_capture_are_errors) {
  const auto number = [](const std::string& path) {
    const auto opened = capture_file::open(path);
    return opened ? 0 : opened.error().number;
  };
  BOOST_TEST(number("/tmp") == EISDIR);
  BOOST_TEST(number("/nonexistent-folder/x") == ENOENT);
  BOOST_TEST(number("/dev/null") == EINVAL);
  const auto fifo = "/tmp/tonel_pcap_fifo." + std::to_string(::getpid());
  BOOST_TEST_REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
  BOOST_TEST(number(fifo) == ENXIO);
  std::remove(fifo.c_str());
}

BOOST_FIXTURE_TEST_CASE(a_file_that_others_could_read_is_closed_to_them, capture_fixture) {
  std::fclose(std::fopen(path.c_str(), "w"));
  BOOST_TEST_REQUIRE(::chmod(path.c_str(), 0644) == 0);
  start();
  stop();
  struct stat about {};
  BOOST_TEST_REQUIRE(::stat(path.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 07777) == 0600u);
}

BOOST_AUTO_TEST_SUITE_END()
