#pragma once

#include "protocol/bytes.hpp"

#include <cstdint>
#include <vector>

namespace tonel::test {

/// A ClientHello of a client with a pre-shared key, laid out by hand (RFC 8446 §4.1.2).
struct client_hello {
  using octets = std::vector<std::uint8_t>;

  octets session = octets(32, 0x5e);
  octets suites{0x13, 0x02, 0x13, 0x03, 0x13, 0x01};
  octets compressions{0};
  std::vector<octets> identities{octets(120, 0x1d)};
  std::vector<octets> binders{octets(32, 0xb1)};
  octets behind_psk; ///< extensions after the one that has to be the last

  octets bytes() const {
    octets extensions{0, 43, 0, 3, 2, 3, 4}; // supported_versions: 1.3
    if (!identities.empty()) {
      octets list;
      for (const auto& identity : identities) {
        append_vector(list, identity);
        list.insert(list.end(), 4, 0);
      }
      octets psk;
      append_vector(psk, list);
      list.clear();
      for (const auto& binder : binders)
        append_short(list, binder);
      append_vector(psk, list);
      extensions.insert(extensions.end(), {0, 41});
      append_vector(extensions, psk);
    }
    extensions.insert(extensions.end(), behind_psk.begin(), behind_psk.end());

    octets body{3, 3};
    body.insert(body.end(), 32, 0xab);
    append_short(body, session);
    append_vector(body, suites);
    append_short(body, compressions);
    append_vector(body, extensions);
    octets message{1, 0};
    append_vector(message, body);
    octets record{22, 3, 1};
    append_vector(record, message);
    return record;
  }

private:
  static void append_vector(octets& to, const octets& what) {
    to.push_back(static_cast<std::uint8_t>(what.size() >> 8));
    to.push_back(static_cast<std::uint8_t>(what.size()));
    to.insert(to.end(), what.begin(), what.end());
  }
  static void append_short(octets& to, const octets& what) {
    to.push_back(static_cast<std::uint8_t>(what.size()));
    to.insert(to.end(), what.begin(), what.end());
  }
};

} // namespace tonel::test
