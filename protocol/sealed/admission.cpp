#include "protocol/sealed/admission.hpp"

namespace tonel::protocol::sealed {

const char* to_string(stranger s) noexcept {
  switch (s) {
  case stranger::incomplete: return "incomplete";
  case stranger::not_tls: return "not_tls";
  case stranger::no_identity: return "no_identity";
  case stranger::unknown_key: return "unknown_key";
  case stranger::stale: return "stale";
  }
  return "unknown";
}

expected<newcomer, stranger> look_at(crypto& c, const std::vector<named_key>& keys,
                                     byte_view octets, coarse_time now, coarse_time most_age) {
  const auto flight = parse_client_hello(octets);
  if (!flight) {
    switch (flight.error()) {
    case hello_refusal::incomplete: return unexpected{stranger::incomplete};
    case hello_refusal::not_tls: return unexpected{stranger::not_tls};
    case hello_refusal::no_identity: return unexpected{stranger::no_identity};
    }
  }
  const auto who = find_key(c, keys, flight->identity);
  if (!who) return unexpected{stranger::unknown_key};
  const auto said = who->said.minutes;
  const auto age = said < now ? now - said : said - now;
  if (most_age != 0 && age > most_age) return unexpected{stranger::stale};
  return newcomer{*who, *flight};
}

} // namespace tonel::protocol::sealed
