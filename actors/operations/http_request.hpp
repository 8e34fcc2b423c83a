#pragma once

#include <optional>
#include <string>

namespace tonel::actors {

/// The head of a request; a body is not read.
struct http_request {
  enum class state : unsigned char { partial, bad, whole };
  state read = state::partial;
  bool get = false, head = false; ///< the method; neither: another method
  std::string path;               ///< of the target, without the query
};

/// Parses the octets received so far.
/// Source: RFC 9112 §2, by Boost.Beast's parser
http_request parse_http_request(const std::string& input);

/// A whole response, which ends the connection. head: leaves out the body, but not its length
std::string http_response(unsigned status, const char* reason, const char* type,
                          const std::string& body, bool head);

} // namespace tonel::actors
