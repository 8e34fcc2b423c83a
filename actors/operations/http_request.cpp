#include "actors/operations/http_request.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/error.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>

namespace tonel::actors {

http_request parse_http_request(const std::string& input) {
  namespace http = boost::beast::http;
  http_request out;
  http::request_parser<http::empty_body> parser;
  boost::beast::error_code error;
  parser.put(boost::asio::buffer(input), error);
  if (error == http::error::need_more) return out;
  // The header is complete; a body is not needed.
  if (error && !parser.is_header_done()) {
    out.read = http_request::state::bad;
    return out;
  }
  if (!parser.is_header_done()) return out;
  out.read = http_request::state::whole;
  const auto& head = parser.get();
  out.get = head.method() == http::verb::get;
  out.head = head.method() == http::verb::head;
  out.path = std::string{head.target().substr(0, head.target().find('?'))};
  return out;
}

std::string http_response(unsigned status, const char* reason, const char* type,
                          const std::string& body, bool head) {
  std::string out = "HTTP/1.1 " + std::to_string(status) + ' ' + reason +
                    "\r\nContent-Type: " + type +
                    "\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\nCache-Control: no-store\r\nConnection: close\r\n";
  if (status == 405) out += "Allow: GET, HEAD\r\n";
  out += "\r\n";
  if (!head) out += body;
  return out;
}

} // namespace tonel::actors
