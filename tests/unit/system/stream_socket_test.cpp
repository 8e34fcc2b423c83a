#include "system/stream_socket.hpp"

#include <boost/test/unit_test.hpp>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

using namespace tonel;
using namespace tonel::sys;

namespace {

struct folder {
  folder() {
    char name[] = "/tmp/tonel-test-XXXXXX";
    BOOST_TEST_REQUIRE(::mkdtemp(name) != nullptr);
    path = name;
  }
  ~folder() { std::filesystem::remove_all(path); }
  std::string file(const char* name) const { return path + '/' + name; }
  std::string path;
};

/// A socket file as a process leaves it that was killed.
void leave_dead_socket(const std::string& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un a{};
  a.sun_family = AF_UNIX;
  std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
  BOOST_TEST_REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
  ::close(fd);
}

/// Answers each of `n` connections as told.
std::thread serve(stream_listener& listener, std::string answer) {
  return std::thread{[&listener, answer = std::move(answer)] {
    for (;;) {
      auto accepted = listener.accept();
      if (!accepted || !*accepted) continue; // the test's asker is about to connect
      auto& c = *accepted;
      std::string in;
      while (in.find('\n') == std::string::npos && c->read(in, 100) != io_state::ended) {
      }
      for (std::size_t at = 0; at < answer.size();)
        if (c->write(answer, at) == io_state::ended) break;
      return;
    }
  }};
}

} // namespace

BOOST_AUTO_TEST_SUITE(stream_socket_test)

BOOST_AUTO_TEST_CASE(a_question_gets_its_answer_whatever_its_size) {
  const folder f;
  auto listener = stream_listener::listen_local(f.file("s"));
  BOOST_TEST_REQUIRE(listener.has_value());
  const std::string large(3'000'000, 'x');
  auto server = serve(*listener, large + "\nmore");
  const auto answer = ask_local(f.file("s"), "question\n", 10'000);
  server.join();
  BOOST_TEST_REQUIRE(answer.has_value());
  BOOST_TEST((*answer == large));
}

BOOST_AUTO_TEST_CASE(an_end_without_an_answer_is_told) {
  const folder f;
  auto listener = stream_listener::listen_local(f.file("s"));
  auto server = serve(*listener, "half");
  const auto answer = ask_local(f.file("s"), "question\n", 10'000);
  server.join();
  BOOST_TEST_REQUIRE(!answer.has_value());
  BOOST_TEST(answer.error().number == EPROTO);
}

BOOST_AUTO_TEST_CASE(nobody_or_no_answer_is_told) {
  const folder f;
  BOOST_TEST(ask_local(f.file("s"), "x\n", 100).error().number == ENOENT);
  leave_dead_socket(f.file("dead"));
  BOOST_TEST(ask_local(f.file("dead"), "x\n", 100).error().number == ECONNREFUSED);
  auto listener = stream_listener::listen_local(f.file("s"));
  BOOST_TEST(ask_local(f.file("s"), "x\n", 20).error().number == ETIMEDOUT);
}

BOOST_AUTO_TEST_CASE(the_file_is_its_owners_alone_and_goes_with_the_listener) {
  const folder f;
  {
    auto listener = stream_listener::listen_local(f.file("s"));
    struct stat s {};
    BOOST_TEST_REQUIRE(::stat(f.file("s").c_str(), &s) == 0);
    BOOST_TEST((s.st_mode & 0777) == 0600u);
    const auto moved = std::move(*listener);
    BOOST_TEST(moved.path() == f.file("s"));
  }
  BOOST_TEST(!std::filesystem::exists(f.file("s")));
}

BOOST_AUTO_TEST_CASE(a_dead_socket_is_taken_over_a_living_one_is_not) {
  const folder f;
  leave_dead_socket(f.file("s"));
  auto first = stream_listener::listen_local(f.file("s"));
  BOOST_TEST_REQUIRE(first.has_value());
  auto second = stream_listener::listen_local(f.file("s"));
  BOOST_TEST_REQUIRE(!second.has_value());
  BOOST_TEST(second.error().number == EADDRINUSE);
}

BOOST_AUTO_TEST_CASE(another_file_in_the_place_is_left_alone) {
  const folder f;
  std::ofstream{f.file("s")} << "precious";
  BOOST_TEST(!stream_listener::listen_local(f.file("s")).has_value());
  BOOST_TEST(std::filesystem::file_size(f.file("s")) == 8u);
  {
    auto listener = stream_listener::listen_local(f.file("t"));
    std::filesystem::remove(f.file("t"));
    std::ofstream{f.file("t")} << "another's";
  }
  BOOST_TEST(std::filesystem::exists(f.file("t")));
}

BOOST_AUTO_TEST_CASE(an_impossible_path_is_an_error) {
  const folder f;
  BOOST_TEST(stream_listener::listen_local(std::string(200, 'x')).error().number == ENAMETOOLONG);
  BOOST_TEST(stream_listener::listen_local(f.file("no/s")).error().number == ENOENT);
}

BOOST_AUTO_TEST_CASE(the_user_at_the_other_end_is_known) {
  const folder f;
  auto listener = stream_listener::listen_local(f.file("s"));
  std::thread asker{[&] { static_cast<void>(ask_local(f.file("s"), "x\n", 10'000)); }};
  std::optional<stream_connection> c;
  while (!c) {
    auto accepted = listener->accept();
    BOOST_TEST_REQUIRE(accepted.has_value());
    c = std::move(*accepted);
  }
  const auto user = c->peer_user();
  c.reset();
  asker.join();
  BOOST_TEST_REQUIRE(user.has_value());
  BOOST_TEST(*user == ::geteuid());
}

BOOST_AUTO_TEST_SUITE_END()
