#pragma once

#include <optional>
#include <string>

namespace tonel::actors {

/// The head of a request; its body, if it has one, is not read.
struct http_request {
  enum class state : unsigned char { partial, bad, whole };
  state read = state::partial;
  bool get = false, head = false; ///< the method; neither: another one
  std::string path;               ///< of the target, without the query
};

/// Looks at what has arrived so far.
/// Source: RFC 9112 §2, by Boost.Beast's parser
http_request parse_http_request(const std::string& input);

/// A whole response that ends the connection; `body` is left out for HEAD, its length is not.
std::string http_response(unsigned status, const char* reason, const char* type,
                          const std::string& body, bool head);

} // namespace tonel::actors
