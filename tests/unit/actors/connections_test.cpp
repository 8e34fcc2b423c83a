#include "actors/operations/http.hpp"
#include "tests/unit/actors/world.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

using namespace tonel;
using namespace tonel::test;
using namespace std::chrono_literals;

namespace {

/// No descriptor can be had while this lives.
class exhausted {
public:
  exhausted() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::open("/dev/null", O_RDONLY);
    ::close(next);
    auto none = before_;
    none.rlim_cur = static_cast<rlim_t>(next);
    BOOST_TEST_REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  }
  ~exhausted() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  exhausted(const exhausted&) = delete;
  exhausted& operator=(const exhausted&) = delete;

private:
  rlimit before_{};
};

/// A client process that answers HTTP on a local socket.
struct served_world {
  served_world() {
    auto made = sys::stream_listener::listen_local(path);
    BOOST_TEST_REQUIRE(made.has_value());
    listener = std::make_shared<sys::stream_listener>(std::move(*made));
    facts->counts = {&counts};
    world_options o;
    o.client_services = [this](actors::reactor& loop) {
      return std::vector<actors::service>{
          {"http", [this, &loop](const caf::actor& root) {
             return loop.spawn(actors::http, actors::status_start{facts, listener, root});
           }}};
    };
    w.emplace(o);
  }
  sys::stream_connection connect() const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
    BOOST_TEST_REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
    return sys::stream_connection{{sys::real_kernel(), fd}};
  }
  bool listens() { return w->client().loop(1).watches(listener->fd()); }

  std::string path = "/tmp/tonel_connections_test." + std::to_string(::getpid());
  std::shared_ptr<actors::process_facts> facts = std::make_shared<actors::process_facts>();
  std::shared_ptr<sys::stream_listener> listener;
  actors::counters counts;
  std::optional<world> w; // gone first
};

} // namespace

BOOST_AUTO_TEST_SUITE(connections_test)

BOOST_AUTO_TEST_CASE(without_a_descriptor_they_wait_and_the_loop_rests) {
  served_world s;
  auto client = s.connect();
  std::size_t at = 0;
  BOOST_TEST((client.write("GET /healthz HTTP/1.1\r\n\r\n", at) == sys::io_state::done));
  {
    const exhausted none;
    s.w->run();
    BOOST_TEST(!s.listens());
    s.w->pass(1500ms); // it looks again, for as little
    BOOST_TEST(!s.listens());
  }
  std::string answer;
  BOOST_TEST((client.read(answer, 100) == sys::io_state::would_block));
  s.w->pass(1s);
  BOOST_TEST(s.listens());
  BOOST_TEST((client.read(answer, 100) == sys::io_state::done));
  BOOST_TEST(answer.substr(0, 15) == "HTTP/1.1 200 OK");
}

BOOST_AUTO_TEST_CASE(those_that_ask_nothing_delay_nobody_and_end_after_5_s) {
  served_world s;
  std::vector<sys::stream_connection> silent;
  while (silent.size() < 80)
    silent.push_back(s.connect());
  s.w->run();
  const auto ask = [&] {
    auto client = s.connect();
    std::size_t at = 0;
    BOOST_TEST((client.write("GET /healthz HTTP/1.1\r\n\r\n", at) == sys::io_state::done));
    s.w->run();
    std::string answer;
    client.read(answer, 100);
    return answer.substr(0, 15);
  };
  for (int i = 0; i < 8; ++i)
    BOOST_TEST(ask() == "HTTP/1.1 200 OK");
  const auto open = [&] {
    return std::count_if(silent.begin(), silent.end(), [](auto& each) {
      std::string nothing;
      return each.read(nothing, 1) == sys::io_state::would_block;
    });
  };
  BOOST_TEST(open() > 20); // the youngest
  BOOST_TEST(open() <= 32);
  s.w->pass(5'100ms);
  BOOST_TEST(open() == 0);
}

BOOST_AUTO_TEST_CASE(one_that_asked_before_it_was_read_is_answered_and_not_ended) {
  served_world s;
  std::vector<sys::stream_connection> asking;
  while (asking.size() < 80) {
    asking.push_back(s.connect());
    std::size_t at = 0;
    BOOST_TEST((asking.back().write("GET /healthz HTTP/1.1\r\n\r\n", at) == sys::io_state::done));
  }
  s.w->run();
  for (auto& each : asking) {
    std::string answer;
    each.read(answer, 100);
    BOOST_TEST(answer.substr(0, 15) == "HTTP/1.1 200 OK");
  }
}

BOOST_AUTO_TEST_SUITE_END()
