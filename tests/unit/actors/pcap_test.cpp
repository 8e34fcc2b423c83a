#include "actors/operations/control.hpp"
#include "tests/support/pcapng_reader.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// A tunnel whose server's packets are captured.
struct captured_world {
  std::string path = "/tmp/tonel_actors_pcap." + std::to_string(::getpid());
  world w;

  captured_world() {
    auto file = sys::capture_file::open(path);
    BOOST_TEST_REQUIRE(file.has_value());
    BOOST_TEST_REQUIRE(w.server().capture.start(std::move(*file), 1 << 26).has_value());
  }
  ~captured_world() { std::remove(path.c_str()); }
  std::vector<tests::pcapng_reader::packet> stop() {
    BOOST_TEST(w.server().capture.stop());
    return tests::pcapng_reader{path}.packets;
  }
  /// The client's last segment with data.
  host::segment last_data() {
    host::segment out;
    for (const auto& t : w.trace)
      if (t.from_client && !t.payload.empty()) out = {t.header, t.payload, t.datagram_size};
    return out;
  }
};

/// A control actor that is told to capture, and its client on the local socket.
struct control_world {
  control_world() {
    auto made = sys::stream_listener::listen_local(path);
    BOOST_TEST_REQUIRE(made.has_value());
    listener = std::make_shared<sys::stream_listener>(std::move(*made));
    facts->counts = {&counts};
    world_options o;
    o.client_services = [this](actors::reactor& loop) {
      return std::vector<actors::service>{
          {"control", [this, &loop](const caf::actor& root) {
             actors::status_start start{facts, listener, root};
             start.capture = [this](const actors::capture_order& wanted, const caf::actor& asker) {
               orders.push_back(wanted);
               if (answers)
                 caf::anon_send(asker, actors::capture_done{wanted.question, works, "a detail"});
             };
             return loop.spawn(actors::control, start);
           }}};
    };
    w.emplace(o);
    fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
    BOOST_TEST_REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
  }
  ~control_world() { ::close(fd); }
  std::string ask(const std::string& line, protocol::duration wait = 1s) {
    const auto text = line + '\n';
    BOOST_TEST_REQUIRE(::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    std::string out;
    w->until(
        [&] {
          char part[512];
          const auto n = ::read(fd, part, sizeof part);
          if (n > 0) out.append(part, static_cast<std::size_t>(n));
          return n > 0;
        },
        wait);
    return out;
  }

  std::string path = "/tmp/tonel_control_test." + std::to_string(::getpid());
  std::shared_ptr<actors::process_facts> facts = std::make_shared<actors::process_facts>();
  std::shared_ptr<sys::stream_listener> listener;
  actors::counters counts;
  std::vector<actors::capture_order> orders;
  bool answers = true, works = true;
  int fd = -1;
  std::optional<world> w; // gone first
};

} // namespace

BOOST_AUTO_TEST_SUITE(pcap_test)

BOOST_AUTO_TEST_CASE(what_is_taken_has_no_comment_and_what_is_not_has_the_reason) {
  captured_world c;
  c.w.echo(5001, "a datagram");
  auto beyond = c.last_data();
  beyond.header.seq = beyond.header.seq + (std::uint32_t{1} << 31);
  c.w.send(beyond);
  auto stranger = c.last_data();
  stranger.header.tuple.local.port ^= 1;
  c.w.send(stranger);
  auto broken = c.last_data().packet();
  broken.back() ^= 1;
  c.w.server().tuns[0]->push(broken);
  c.w.run();
  const auto packets = c.stop();
  BOOST_TEST_REQUIRE(packets.size() > 6u);
  std::vector<std::string> comments;
  for (const auto& p : packets) {
    if (!p.comment().empty()) comments.push_back(p.comment());
    if (!p.comment().empty()) BOOST_TEST(p.inbound());
  }
  BOOST_TEST(comments == (std::vector<std::string>{"dropped: out_of_window", "dropped: unproven",
                                                   "dropped: bad_checksum"}),
             boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(an_order_to_capture_is_handed_on_and_its_result_answered) {
  control_world c;
  BOOST_TEST(c.ask(R"({"command":"pcap","do":"start","file":"/x","limit_mib":5})") ==
             "{\"pcap\":\"a detail\"}\n");
  c.works = false;
  BOOST_TEST(c.ask(R"({"command":"pcap","do":"start","file":"/y"})") ==
             "{\"error\":\"a detail\"}\n");
  BOOST_TEST(c.ask(R"({"command":"pcap","do":"stop"})") == "{\"error\":\"a detail\"}\n");
  BOOST_TEST_REQUIRE(c.orders.size() == 3u);
  BOOST_TEST((c.orders[0].start && c.orders[0].path == "/x" && c.orders[0].limit_mib == 5));
  BOOST_TEST((c.orders[1].start && c.orders[1].path == "/y" && c.orders[1].limit_mib == 0));
  BOOST_TEST(!c.orders[2].start);
}

BOOST_AUTO_TEST_CASE(an_order_to_capture_that_is_none_is_an_error) {
  control_world c;
  for (const char* wrong :
       {R"({"command":"pcap"})", R"({"command":"pcap","do":"go"})",
        R"({"command":"pcap","do":"start"})", R"({"command":"pcap","do":"start","file":"x"})",
        R"({"command":"pcap","do":"start","file":"/x","limit_mib":0})",
        R"({"command":"pcap","do":"start","file":"/x","limit_mib":1048577})",
        R"({"command":"pcap","do":"start","file":"/x","limit_mib":"5"})"})
    BOOST_TEST(c.ask(wrong).find("{\"error\":") == 0u, wrong);
  BOOST_TEST(c.orders.empty());
}

BOOST_AUTO_TEST_CASE(a_disk_that_does_not_answer_keeps_nobody_waiting) {
  control_world c;
  c.answers = false;
  BOOST_TEST(c.ask(R"({"command":"pcap","do":"start","file":"/x"})", 9s) ==
             "{\"error\":\"the disk is slow; status tells how the capture is\"}\n");
}

BOOST_AUTO_TEST_SUITE_END()
