#include "system/instance_state.hpp"
#include "system/stream_socket.hpp"

#include <boost/test/unit_test.hpp>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <set>
#include <string>
#include <utility>

using namespace tonel::sys;

namespace {

/// A folder that does not exist yet, in one that goes away.
struct folder_fixture {
  folder_fixture() {
    char name[] = "/tmp/instance_state_test-XXXXXX";
    base = ::mkdtemp(name);
    path = base + "/run";
  }
  ~folder_fixture() { std::filesystem::remove_all(base); }
  std::string base, path;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(instance_state_test, folder_fixture)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  auto own = own_record("tonel_a");
  own.backend = "nft";
  own.leases = {{"net.ipv4.ip_forward", "0", "1"}, {"net.ipv6.conf.e/0.accept_ra", "1", "2"}};
  own.held = "18446744";
  const auto other = own_record("tonel_b");
  const auto read = parse_records(to_text({own, other}));
  BOOST_REQUIRE(read.size() == 2);
  BOOST_TEST(read[0].table == "tonel_a");
  BOOST_TEST(read[0].backend == "nft");
  BOOST_TEST(read[0].pid == own.pid);
  BOOST_TEST(read[0].started == own.started);
  BOOST_TEST(read[0].boot == own.boot);
  BOOST_TEST(read[0].network == own.network);
  BOOST_REQUIRE(read[0].leases.size() == 2);
  BOOST_TEST(read[0].leases[1].name == "net.ipv6.conf.e/0.accept_ra");
  BOOST_TEST(read[0].leases[1].set == "2");
  BOOST_TEST(read[0].held == "18446744");
  BOOST_TEST(read[1].held.empty());
  BOOST_TEST(read[1].backend.empty());
  BOOST_TEST(read[1].leases.empty());
}

BOOST_AUTO_TEST_CASE(what_killed_processes_have_left_is_swept_and_nothing_else) {
  std::filesystem::create_directories(path);
  instance_file file{path};
  const auto own = own_record("tonel_a");
  auto dead = own;
  dead.pid += 1;
  std::optional<instance_mark> mark;
  BOOST_TEST_REQUIRE(file.update([&](auto& records) {
                           records = {own, dead};
                           if (auto made = file.mark(own)) mark.emplace(std::move(*made));
                         })
                         .has_value());
  BOOST_TEST_REQUIRE(mark.has_value());
  const auto names = [&] {
    std::set<std::string> out;
    for (const auto& each : std::filesystem::directory_iterator{path})
      out.insert(each.path().filename().string());
    return out;
  };
  const auto before = names();
  std::ofstream{path + "/tonel_b-77-1.lock"};
  std::ofstream{path + "/a-file.sock"};
  std::ofstream{path + "/notes"};
  const auto lives = stream_listener::listen_local(path + "/tonelc-lives.sock");
  BOOST_TEST_REQUIRE(lives.has_value());
  const auto child = ::fork();
  if (child == 0) {
    const auto killed = stream_listener::listen_local(path + "/tonelc-killed.sock");
    ::_exit(killed ? 0 : 1);
  }
  int status = 0;
  BOOST_TEST_REQUIRE(::waitpid(child, &status, 0) == child);
  BOOST_TEST_REQUIRE(status == 0);
  BOOST_TEST(names().count("tonelc-killed.sock") == 1u);
  sweep_runtime_folder(path);
  auto wanted = before;
  wanted.insert({"a-file.sock", "notes", "tonelc-lives.sock"});
  BOOST_TEST((names() == wanted));
  BOOST_TEST(file.is_alive(own));
  BOOST_TEST(!file.is_alive(dead));
}

BOOST_AUTO_TEST_CASE(broken_lines_are_left_out) {
  BOOST_TEST(parse_records("").empty());
  BOOST_TEST(parse_records("sysctl a 0 1\nheld 1\ninstance half\n\x01\xff\n").empty());
}

BOOST_AUTO_TEST_CASE(one_that_is_marked_lives_as_long_as_its_mark) {
  std::filesystem::create_directory(path);
  const instance_file file{path};
  const auto own = own_record("tonel_a");
  BOOST_TEST(!file.is_alive(own));
  {
    const auto mark = file.mark(own);
    BOOST_REQUIRE(mark.has_value());
    BOOST_TEST(file.is_alive(own));
    auto later = own; // of the same process number
    ++later.started;
    BOOST_TEST(!file.is_alive(later));
    BOOST_TEST(!file.mark(own).has_value());
  }
  BOOST_TEST(!file.is_alive(own));
  BOOST_TEST(std::filesystem::is_empty(path));
  BOOST_TEST(!instance_file{"/proc/no/such"}.mark(own).has_value());
}

BOOST_AUTO_TEST_CASE(one_that_was_killed_is_dead_though_its_file_is_there) {
  std::filesystem::create_directory(path);
  const instance_file file{path};
  const auto own = own_record("tonel_a");
  int ends[2];
  BOOST_REQUIRE(::pipe(ends) == 0);
  const auto child = ::fork();
  if (child == 0) {
    const auto mark = file.mark(own);
    if (::write(ends[1], "m", 1) == 1)
      for (;;)
        ::pause();
    ::_exit(1);
  }
  char octet = 0;
  BOOST_TEST(::read(ends[0], &octet, 1) == 1);
  BOOST_TEST(file.is_alive(own));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  BOOST_TEST(!std::filesystem::is_empty(path));
  BOOST_TEST(!file.is_alive(own));
  file.forget(own);
  BOOST_TEST(std::filesystem::is_empty(path));
}

BOOST_AUTO_TEST_CASE(its_files_are_the_folders_owners_alone) {
  instance_file file{path};
  const auto nothing = [](auto&) {};
  BOOST_TEST(file.update(nothing).has_value());
  if (::geteuid() == 0) {
    BOOST_REQUIRE(::chown(path.c_str(), 4711, 4712) == 0);
    BOOST_TEST(file.update(nothing).has_value());
  }
  const auto mark = file.mark(own_record("tonel_a"));
  for (const auto& entry : std::filesystem::directory_iterator{path}) {
    struct stat info {};
    BOOST_REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    BOOST_TEST((info.st_mode & 0777) == 0600u);
    BOOST_TEST(info.st_uid == (::geteuid() == 0 ? 4711 : ::geteuid()));
  }
}

BOOST_AUTO_TEST_CASE(the_file_keeps_what_was_made_of_it) {
  instance_file file{path};
  const auto add = [](auto& records) { records.push_back(own_record("tonel_a")); };
  BOOST_TEST(file.update(add).has_value());
  BOOST_TEST(instance_file{path}.update(add).has_value());
  std::size_t found = 0;
  BOOST_TEST(file.update([&](auto& records) { found = records.size(); }).has_value());
  BOOST_TEST(found == 2u);
}

BOOST_AUTO_TEST_CASE(without_a_file_the_work_is_done_all_the_same) {
  instance_file file{"/proc/no/such"};
  bool called = false;
  const auto kept = file.update([&](auto& records) { called = records.empty(); });
  BOOST_TEST(!kept.has_value());
  BOOST_TEST(called);
}

BOOST_AUTO_TEST_CASE(a_sysctl_that_does_not_exist_is_an_error) {
  BOOST_TEST(!read_sysctl("net.no.such").has_value());
  BOOST_TEST(!write_sysctl("net.no.such", "1").has_value());
}

BOOST_AUTO_TEST_CASE(who_comes_second_waits_until_the_first_lets_go) {
  using namespace std::chrono_literals;
  auto first = take_turn(path, 0s);
  BOOST_TEST_REQUIRE(first.has_value());
  const auto refused = take_turn(path, 0s);
  BOOST_TEST_REQUIRE(!refused.has_value());
  BOOST_TEST(refused.error().number == ETIMEDOUT);

  std::atomic<bool> let_go{false};
  auto second = std::async(std::launch::async, [&] {
    const auto turn = take_turn(path, 60s);
    return turn.has_value() && let_go;
  });
  let_go = true;
  first = tl::unexpected{os_error{}};
  BOOST_TEST(second.get());
  BOOST_TEST(take_turn(path, 0s).has_value());
}

BOOST_AUTO_TEST_CASE(without_a_folder_there_is_no_turn) {
  const auto turn = take_turn(path + "/deeper", std::chrono::seconds{0});
  BOOST_TEST_REQUIRE(!turn.has_value());
  BOOST_TEST(turn.error().number == ENOENT);
}

BOOST_AUTO_TEST_SUITE_END()
