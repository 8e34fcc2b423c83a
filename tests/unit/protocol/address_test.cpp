#include "protocol/address.hpp"

#include <boost/test/unit_test.hpp>

#include <set>
#include <string>

using namespace tonel::protocol;

namespace {

struct literal {
  const char* text;
  const char* printed;
};

} // namespace

BOOST_AUTO_TEST_SUITE(address_test)

BOOST_AUTO_TEST_CASE(literals_are_read_and_printed_in_their_canonical_form) {
  const literal table[] = {
      {"0.0.0.0", "0.0.0.0"},
      {"192.0.2.1", "192.0.2.1"},
      {"255.255.255.255", "255.255.255.255"},
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::00A1", "2001:db8::a1"},
      {"2001:db8:0:0:0:0:0:1", "2001:db8::1"},
      // RFC 5952 §4.2.2: a single zero group is not shortened, though it may be read so.
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
      // §4.2.3: the longest run, and the first of equal ones.
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"0:0:1:2:3:4:5:6", "::1:2:3:4:5:6"},
      {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"::ffff:c000:201", "::ffff:192.0.2.1"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:192.0.2.1", "1:2:3:4:5:6:c000:201"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
  };
  for (const auto& row : table) {
    const auto a = ip_address::parse(row.text);
    BOOST_TEST_REQUIRE(a.has_value(), row.text);
    BOOST_TEST(a->to_string() == row.printed);
    BOOST_TEST((ip_address::parse(a->to_string()) == a), row.text);
    BOOST_TEST(a->size() == (std::string{row.text}.find(':') == std::string::npos ? 4u : 16u));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_literal_is_refused) {
  for (const char* text : {"",
                           "1",
                           "1.2.3",
                           "1.2.3.4.5",
                           "256.1.1.1",
                           "1.2.3.256",
                           "01.2.3.4",
                           "1.2.3.04",
                           "1..2.3",
                           ".1.2.3.4",
                           "1.2.3.4.",
                           " 1.2.3.4",
                           "1.2.3.4 ",
                           "+1.2.3.4",
                           "-1.2.3.4",
                           "0x1.2.3.4",
                           "1.2.3.99999",
                           "a.b.c.d",
                           "localhost",
                           ":",
                           ":::",
                           "1:2:3",
                           "1:2:3:4:5:6:7",
                           ":1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7:8:",
                           ":1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:",
                           "1::2::3",
                           "12345::",
                           "g::1",
                           "::1%eth0",
                           "[::1]",
                           "1:2:3:4::5:6:7:8",
                           "::1.2.3",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::256.0.0.1",
                           ":1::",
                           "::1:"}) {
    BOOST_TEST(!ip_address::parse(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(endpoints_are_read_and_printed) {
  for (const char* text : {"192.0.2.1:80", "0.0.0.0:0", "[2001:db8::1]:65535", "[::]:1"}) {
    const auto e = endpoint::parse(text);
    BOOST_TEST_REQUIRE(e.has_value(), text);
    BOOST_TEST(e->to_string() == text);
  }
  for (const char* text :
       {"", ":", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:-1", "192.0.2.1:+1",
        "192.0.2.1: 1", "192.0.2.1:1 ", "192.0.2.1:080", "[192.0.2.1]:80", "2001:db8::1:80",
        "[2001:db8::1]", "[2001:db8::1]80", "[]:80", "[::1:80", "::1]:80", "name:80", ":80"}) {
    BOOST_TEST(!endpoint::parse(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(special_addresses_are_known) {
  const auto at = [](const char* text) { return *ip_address::parse(text); };
  BOOST_TEST(at("0.0.0.0").is_wildcard());
  BOOST_TEST(at("::").is_wildcard());
  BOOST_TEST(!ip_address{}.is_wildcard());
  BOOST_TEST(!at("0.0.0.1").is_wildcard());
  BOOST_TEST(at("127.0.0.1").is_loopback());
  BOOST_TEST(at("127.255.0.9").is_loopback());
  BOOST_TEST(at("::1").is_loopback());
  BOOST_TEST(at("::ffff:127.0.0.1").is_loopback());
  BOOST_TEST(!at("::ffff:128.0.0.1").is_loopback());
  BOOST_TEST(!at("::2").is_loopback());
  BOOST_TEST(!at("128.0.0.1").is_loopback());
  BOOST_TEST(!ip_address{});
  BOOST_TEST(ip_address{}.to_string() == "none");
}

BOOST_AUTO_TEST_CASE(families_never_compare_equal) {
  BOOST_TEST((*ip_address::parse("0.0.0.0") != *ip_address::parse("::")));
  BOOST_TEST((ip_address{} != *ip_address::parse("0.0.0.0")));
  BOOST_TEST((ip_address::v4(192, 0, 2, 1) == *ip_address::parse("192.0.2.1")));
}

BOOST_AUTO_TEST_CASE(hashes_depend_on_every_part_and_on_the_seed) {
  const address_hash hash{1};
  const four_tuple base{*endpoint::parse("192.0.2.1:80"), *endpoint::parse("192.0.2.2:81")};
  auto swapped = base;
  std::swap(swapped.local, swapped.remote);
  auto port = base;
  port.remote.port = 82;
  auto address = base;
  address.local.address = *ip_address::parse("192.0.2.3");
  const auto v6 = four_tuple{*endpoint::parse("[2001:db8::1]:80"), *endpoint::parse("[::2]:81")};
  const std::set<std::size_t> all{hash(base),    hash(swapped), hash(port),
                                  hash(address), hash(v6),      address_hash{2}(base)};
  BOOST_TEST(all.size() == 6u);
  BOOST_TEST(hash(base) == address_hash{1}(base));
  BOOST_TEST(hash(*ip_address::parse("0.0.0.0")) != hash(*ip_address::parse("::")));
}

BOOST_AUTO_TEST_CASE(hashes_of_neighbours_fill_the_buckets_evenly) {
  const address_hash hash{42};
  std::array<int, 64> low{};
  std::array<int, 64> high{};
  for (unsigned port = 0; port < 6400; ++port) {
    const endpoint e{ip_address::v4(192, 0, 2, 1), static_cast<std::uint16_t>(port)};
    ++low[hash(e) & 63];
    ++high[(hash(e) >> (sizeof(std::size_t) * 8 - 6)) & 63];
  }
  for (std::size_t i = 0; i < low.size(); ++i) {
    BOOST_TEST((low[i] > 50 && low[i] < 160)); // 100 expected, standard deviation 10
    BOOST_TEST((high[i] > 50 && high[i] < 160));
  }
}

BOOST_AUTO_TEST_SUITE_END()
