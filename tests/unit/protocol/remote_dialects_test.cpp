#include "protocol/session/remote_dialects.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::protocol;
using namespace std::chrono_literals;

namespace {

const time_point start = time_point{100h};
const endpoint remote{ip_address::v4(192, 0, 2, 1), 443};
const endpoint other{ip_address::v4(192, 0, 2, 1), 444};

} // namespace

BOOST_AUTO_TEST_SUITE(remote_dialects_test)

BOOST_AUTO_TEST_CASE(an_older_dialect_is_remembered_for_ten_minutes_and_worth_one_line) {
  remote_dialects known;
  BOOST_TEST(!known.legacy(remote, start));
  BOOST_TEST(known.saw_legacy(remote, profile::tonel, start));
  BOOST_TEST(!known.saw_legacy(remote, profile::tonel, start));
  BOOST_TEST((known.legacy(remote, start + 10min - 1ns) == profile::tonel));
  BOOST_TEST(!known.legacy(remote, start + 10min));
  BOOST_TEST(!known.legacy(other, start));
  BOOST_TEST(known.saw_legacy(remote, profile::tonel, start + 10min));
  BOOST_TEST(known.saw_legacy(remote, profile::phantun, start + 10min)); // it was replaced
}

BOOST_AUTO_TEST_CASE(a_native_hello_ends_what_was_known_of_older_dialects) {
  remote_dialects known;
  known.saw_legacy(remote, profile::tonel, start);
  known.saw_native(remote);
  BOOST_TEST(known.was_native(remote));
  BOOST_TEST(!known.was_native(other));
  BOOST_TEST(!known.legacy(remote, start));
}

BOOST_AUTO_TEST_CASE(an_older_dialect_without_an_answer_is_forgotten) {
  remote_dialects known;
  known.forget_legacy(remote);
  known.saw_legacy(remote, profile::tonel, start);
  known.forget_legacy(remote);
  BOOST_TEST(!known.legacy(remote, start));
}

BOOST_AUTO_TEST_CASE(what_is_remarked_is_so_once_for_each_remote) {
  remote_dialects known;
  BOOST_TEST(known.remark(remote));
  BOOST_TEST(!known.remark(remote));
  BOOST_TEST(known.remark(other));
  BOOST_TEST(known.remark_window(remote));
  BOOST_TEST(!known.remark_window(remote));
}

BOOST_AUTO_TEST_SUITE_END()
