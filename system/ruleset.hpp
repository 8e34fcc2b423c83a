#pragma once

#include "protocol/address.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tonel::sys {

/// A TCP packet that the host forwards, as far as it is known beforehand.
struct forwarded_packet {
  std::string in, out;                        ///< interfaces; empty: unknown
  std::string state;                          ///< of connection tracking: "new", "established"
  bool dnat = false;                          ///< connection tracking has rewritten the destination
  protocol::endpoint source{}, destination{}; ///< address unspecified or port 0: unknown
};

/// The verdict of a base chain about a packet.
struct chain_verdict {
  /// unsure: a rule that matches more than interface and state may accept it before it is dropped
  enum class fate : unsigned char { passes, unsure, dropped };
  fate what = fate::passes;
  std::string family, table, chain; ///< the base chain
  std::string by; ///< "its policy", "the rule with handle 7 in chain x", or of iptables its text
  bool rejects = false; ///< the sender is told
};

/// Rules of nftables, read from JSON.
class ruleset {
public:
  /// Parses JSON of nftables; none: no such JSON.
  /// Source: man 5 libnftables-json
  static std::optional<ruleset> parse(const std::string& json);

  /// Replaces the rules of its chains by those of `better`, and adds what is not there yet.
  void merge(const ruleset& better);

  /// The base chains at the hook ("forward") that drop or reject the packet, or may. Policies,
  /// interfaces, connection states, protocols, addresses and ports are evaluated; a rule with any
  /// other match may or may not match, and is never the reason for "dropped". Chains for NAT are left
  /// out.
  std::vector<chain_verdict> stopping(const std::string& hook,
                                      const forwarded_packet& packet) const;
  std::vector<chain_verdict> forward(const forwarded_packet& packet) const {
    return stopping("forward", packet);
  }
  /// Whether some rule of the host does NAT: of the source, or else of the destination.
  bool translates(bool source) const;
  bool has_chain(const std::string& family, const std::string& table,
                 const std::string& chain) const;

  struct rule {
    unsigned long handle = 0;
    std::string expressions; ///< JSON
    std::string text;        ///< of iptables: "-A FORWARD -j DROP"; else empty
  };
  struct chain {
    std::string family, table, name, type, hook, policy;
    std::vector<rule> rules;
  };

private:
  const chain* find(const chain& near, const std::string& name) const;
  friend class walker;
  std::vector<chain> chains_;
};

} // namespace tonel::sys
