#include "actors/app/settings/validate.hpp"

#include <boost/test/unit_test.hpp>

#include <string>

using namespace tonel::actors;
using namespace tonel::actors::app;

namespace {

using result = tonel::expected<settings, std::vector<option_error>>;

result judge(role side, const std::string& nets) {
  auto line = parse_command_line(side, {"--allow=" + nets});
  line.values.emplace("local", side == role::client ? "127.0.0.1:5000" : "443");
  line.values.emplace("remote", "host.example:443");
  return validate(side, line);
}

std::string errors_of(const result& r) {
  std::string out;
  if (!r)
    for (const auto& e : r.error())
      out += e.to_string() + "\n";
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(allow_test)

BOOST_AUTO_TEST_CASE(who_is_allowed_is_a_list_of_nets) {
  const auto r = judge(role::server, "192.0.2.0/24, 198.51.100.7,2001:db8::/32");
  BOOST_TEST_REQUIRE(r.has_value(), errors_of(r));
  const auto& allow = r->run.tunnels.front()->allow;
  BOOST_TEST_REQUIRE(allow.size() == 3u);
  BOOST_TEST(allow[0].to_string() == "192.0.2.0/24");
  BOOST_TEST(allow[1].to_string() == "198.51.100.7/32");
  BOOST_TEST(allow[2].to_string() == "2001:db8::/32");
  // A client checks it only.
  BOOST_TEST(judge(role::client, "192.0.2.0/24")->run.tunnels.front()->allow.empty());
  for (const char* bad : {"192.0.2.0/33", "192.0.2.0/24,", "example.net", "192.0.2.7/24",
                          "2001:db8::1/32", "::ffff:192.0.2.0/120", "10.0.0.0/8,10.0.0.0/8"}) {
    for (const auto side : {role::server, role::client}) {
      const auto refused = judge(side, bad);
      BOOST_TEST_REQUIRE(!refused.has_value(), bad);
      BOOST_TEST(refused.error().size() == 1u, errors_of(refused));
      BOOST_TEST(refused.error().front().option == "--allow");
    }
  }
}

BOOST_AUTO_TEST_CASE(each_wrong_net_of_a_list_is_told_with_what_would_do) {
  const auto errors = errors_of(judge(role::server, "192.0.2.7/24,x,10.0.0.0/8,10.0.0.0/8"));
  BOOST_TEST(errors.find("has 192.0.2.7/24, of which only the first 24 bits count: is it "
                         "192.0.2.0/24, or the one address 192.0.2.7?") != std::string::npos,
             errors);
  BOOST_TEST(errors.find("must be nets or addresses joined by commas, such as "
                         "192.0.2.0/24,2001:db8::/32; x is none") != std::string::npos,
             errors);
  BOOST_TEST(errors.find("names 10.0.0.0/8 twice") != std::string::npos, errors);
  std::string many;
  for (int i = 0; i < 257; ++i)
    many +=
        (i == 0 ? "10." : ",10.") + std::to_string(i / 200) + '.' + std::to_string(i % 200) + ".1";
  BOOST_TEST(errors_of(judge(role::server, many)).find("must be at most 256 nets") !=
             std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
