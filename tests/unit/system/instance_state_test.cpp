#include "system/instance_state.hpp"

#include <boost/test/unit_test.hpp>

#include <stdlib.h>

#include <cstdio>
#include <string>

using namespace tonel::sys;

namespace {

/// A folder that does not exist yet, in one that goes away.
struct folder_fixture {
  folder_fixture() {
    char name[] = "/tmp/instance_state_test-XXXXXX";
    base = ::mkdtemp(name);
    path = base + "/run";
  }
  ~folder_fixture() {
    for (const char* file : {"/rules", "/rules.new", "/rules.lock"})
      std::remove((path + file).c_str());
    std::remove(path.c_str());
    std::remove(base.c_str());
  }
  std::string base, path;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(instance_state_test, folder_fixture)

BOOST_AUTO_TEST_CASE(what_is_written_is_read) {
  auto own = own_record("tonel_a");
  own.backend = "nft";
  own.leases = {{"net.ipv4.ip_forward", "0", "1"}, {"net.ipv6.conf.e/0.accept_ra", "1", "2"}};
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
  BOOST_TEST(read[1].backend.empty());
  BOOST_TEST(read[1].leases.empty());
}

BOOST_AUTO_TEST_CASE(broken_lines_are_left_out) {
  BOOST_TEST(parse_records("").empty());
  BOOST_TEST(parse_records("sysctl a 0 1\ninstance half\n\x01\xff\n").empty());
}

BOOST_AUTO_TEST_CASE(a_process_is_told_from_a_later_one_of_its_number) {
  auto record = own_record("tonel_a");
  BOOST_TEST(is_alive(record));
  ++record.started;
  BOOST_TEST(!is_alive(record));
  --record.started;
  record.boot = "another";
  BOOST_TEST(!is_alive(record));
  record = own_record("tonel_a");
  record.pid = 0x7fff'fff0;
  BOOST_TEST(!is_alive(record));
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

BOOST_AUTO_TEST_SUITE_END()
