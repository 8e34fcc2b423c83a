#include "protocol/errc.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

using namespace tonel::protocol;

BOOST_AUTO_TEST_SUITE(errc_test)

BOOST_AUTO_TEST_CASE(every_cause_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < errc_count; ++i)
    names.insert(to_string(static_cast<errc>(i)));
  BOOST_TEST(names.size() == errc_count);
  BOOST_TEST(names.count("unknown") == 0u);
  BOOST_TEST(to_string(errc::bad_checksum) == std::string{"bad_checksum"});
}

BOOST_AUTO_TEST_SUITE_END()
