#include "actors/operations/http_request.hpp"

#include <boost/test/unit_test.hpp>

using namespace tonel::actors;
using state = http_request::state;

BOOST_AUTO_TEST_SUITE(http_request_test)

BOOST_AUTO_TEST_CASE(requests_are_told_from_what_is_none_or_not_whole) {
  const struct {
    std::string input;
    state read;
    const char* path;
  } table[] = {
      {"", state::partial, ""},
      {"GET /metrics HT", state::partial, ""},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\n", state::partial, ""},
      {"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", state::whole, "/metrics"},
      {"GET /metrics HTTP/1.0\r\n\r\n", state::whole, "/metrics"},
      {"GET /healthz?full=1 HTTP/1.1\r\n\r\n", state::whole, "/healthz"},
      {"GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nabc", state::whole, "/metrics"},
      {"GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", state::whole, "/a"},
      {"nonsense\r\n\r\n", state::bad, ""},
      {"GET /\x01 HTTP/1.1\r\n\r\n", state::bad, ""},
      {"GET / HTTP/9.9\r\n\r\n", state::bad, ""},
      {std::string(9'000, 'x'), state::bad, ""},
  };
  for (const auto& each : table) {
    BOOST_TEST_CONTEXT(each.input.substr(0, 60)) {
      const auto request = parse_http_request(each.input);
      BOOST_TEST((request.read == each.read));
      BOOST_TEST(request.path == each.path);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_method_is_told) {
  BOOST_TEST(parse_http_request("GET / HTTP/1.1\r\n\r\n").get);
  BOOST_TEST(parse_http_request("HEAD / HTTP/1.1\r\n\r\n").head);
  const auto post = parse_http_request("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab");
  BOOST_TEST((post.read == state::whole && !post.get && !post.head));
}

BOOST_AUTO_TEST_CASE(a_response_to_head_has_the_length_and_no_body) {
  const auto response = http_response(200, "OK", "text/plain", "hello", true);
  BOOST_TEST(response.find("Content-Length: 5\r\n") != std::string::npos);
  BOOST_TEST(response.substr(response.size() - 4) == "\r\n\r\n");
  BOOST_TEST(http_response(200, "OK", "text/plain", "hello", false) == response + "hello");
}

BOOST_AUTO_TEST_SUITE_END()
