#pragma once

#include <optional>
#include <string>
#include <vector>

namespace tonel::actors::app {

/// A packet as far as it is known beforehand: TCP, forwarded.
struct forwarded_packet {
  std::string in, out; ///< interfaces; empty: not known
  std::string state;   ///< of connection tracking: "new", "established"
};

/// What a chain at the forward hook does to a packet.
struct chain_verdict {
  /// unsure: a rule that looks at more than interface and state may accept it before it is dropped.
  enum class fate : unsigned char { passes, unsure, dropped };
  fate what = fate::passes;
  std::string family, table, chain; ///< the base chain
  std::string by;                   ///< "its policy", "the rule with handle 7 in chain x"
};

/// Rules of nftables, read from JSON.
class ruleset {
public:
  /// Source: man 5 libnftables-json
  /// Nothing: it is no such JSON.
  static std::optional<ruleset> parse(const std::string& json);

  /// The base chains at the forward hook that drop the packet, or may. What is judged is policy,
  /// interface, connection state and the protocols; a rule that looks at anything else is taken for
  /// one that may or may not match, and is never the ground for "dropped".
  std::vector<chain_verdict> forward(const forwarded_packet& packet) const;
  /// Whether some rule of the host translates addresses: of the source, or of the destination.
  bool translates(bool source) const;
  bool has_chain(const std::string& family, const std::string& table,
                 const std::string& chain) const;

  struct rule {
    unsigned long handle = 0;
    std::string expressions; ///< JSON
  };
  struct chain {
    std::string family, table, name, hook, policy;
    std::vector<rule> rules;
  };

private:
  const chain* find(const chain& near, const std::string& name) const;
  friend class walker;
  std::vector<chain> chains_;
};

} // namespace tonel::actors::app
