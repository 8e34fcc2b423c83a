#pragma once

#include "protocol/sealed/admission.hpp"
#include "protocol/sealed/handshake.hpp"
#include "protocol/sealed/record.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tonel::test {

/// A flight on its way.
struct sealed_flight {
  std::vector<std::uint8_t> octets;
  std::uint64_t at = 0;
  bool empty() const { return octets.empty(); }
};

/// Both ends of a handshake, by any cryptography; the test carries the flights.
struct handshake_pair {
  using octets = std::vector<std::uint8_t>;

  std::unique_ptr<protocol::sealed::crypto> c;
  protocol::sealed::secret client_key{protocol::sealed::secret::octets{1, 2, 3}};
  std::vector<protocol::sealed::named_key> server_keys{{"other", {}}, {"ours", client_key}};
  protocol::sealed::identity said;
  std::size_t identity_length = 120;
  std::string server_name = "www.example.com";
  protocol::sealed::suite preferred = protocol::sealed::suite::aes_128_gcm;
  protocol::time_point start{std::chrono::hours{1}};

  std::optional<protocol::sealed::handshake> client;
  std::optional<protocol::sealed::handshake> server;
  protocol::sealed::handshake_step last; ///< of the end that was called last

  explicit handshake_pair(std::unique_ptr<protocol::sealed::crypto> crypto) : c(std::move(crypto)) {
    server_keys[0].key = protocol::sealed::secret{protocol::sealed::secret::octets{9}};
    said.hello.mtu = 1'500;
    said.hello.session = {1, 2, 3, 4, 5, 6, 7, 8};
    said.minutes = 1'000;
  }

  sealed_flight sent(const protocol::sealed::handshake_step& step) {
    last = step;
    return {{step.send.begin(), step.send.end()}, step.at};
  }
  sealed_flight open() {
    client = protocol::sealed::handshake::connect(
        *c, client_key, seal_identity(*c, client_key, said, {4, 5, 6}, identity_length),
        server_name, preferred, start);
    return sent(client->open());
  }
  /// As a server does with the first octets of a connection.
  sealed_flight meet(const sealed_flight& flight) {
    const auto found = look_at(*c, server_keys, flight.octets, 1'000, 0);
    if (!found) return {};
    server = protocol::sealed::handshake::accept(*c, server_keys[found->who.key].key,
                                                 found->flight.identity, start);
    return to_server(flight);
  }
  sealed_flight to_server(const sealed_flight& flight) {
    return sent(server->on_octets(flight.at, flight.octets));
  }
  sealed_flight to_client(const sealed_flight& flight) {
    return sent(client->on_octets(flight.at, flight.octets));
  }
  /// All of it. True: both ends are done.
  bool run() {
    const auto answer = meet(open());
    if (answer.empty()) return false;
    const auto finished = to_client(answer);
    if (finished.empty()) return false;
    to_server(finished);
    return client->outcome() && server->outcome();
  }
};

} // namespace tonel::test
