#include "actors/shard/opening_words.hpp"

#include "protocol/bytes.hpp"
#include "protocol/hello.hpp"

#include <chrono>

namespace tonel::actors {

namespace {

using protocol::opening_cause;
using protocol::opening_failure;
using protocol::unreachable_kind;

std::string remote_text(const opening_failure& what, const tunnel_config& tunnel) {
  if (!what.remote.address) return tunnel.remote.host + ':' + std::to_string(tunnel.remote.port);
  auto out = what.remote.to_string();
  const auto& name = tunnel.remote.host;
  const bool named = !name.empty() && !protocol::ip_address::parse(name);
  return named && !what.at_server ? name + " (" + out + ')' : out;
}

/// What somebody said, as far as it is text.
std::string said_text(const opening_failure& what) {
  std::string out;
  for (std::size_t i = 0; i < what.said_size; ++i) {
    const auto c = static_cast<char>(what.said[i]);
    if (c == '\r' || c == '\n') break;
    out += c >= 0x20 && c < 0x7f ? c : '.';
  }
  return out;
}

bool begins(const std::string& text, const char* with) { return text.rfind(with, 0) == 0; }

std::string words_of_stranger(const opening_failure& what, const std::string& remote) {
  const protocol::byte_view said{what.said.data(), what.said_size};
  if (protocol::has_hello_magic(said))
    return "the tonels at " + remote +
           " speaks a version of the dialect that this tonelc doesn't know. Likely: one of the two "
           "is older and has to be updated";
  const auto text = said_text(what);
  const char* who = begins(text, "HTTP/") || begins(text, "<")     ? ", a web server"
                    : begins(text, "SSH-")                         ? ", an SSH server"
                    : begins(text, "220")                          ? ", a mail or FTP server"
                    : what.said[0] == 0x15 || what.said[0] == 0x16 ? ", a TLS server"
                                                                   : "";
  return "what answers at " + remote + " is not tonels" + who + " (it says \"" + text +
         "\"). Likely: another program has the port, or tonels serves another port or host";
}

std::string words_of_icmp(const opening_failure& what, const std::string& remote) {
  const auto by = what.here ? std::string{"this host"} : what.from.to_string();
  switch (what.icmp) {
  case unreachable_kind::network:
    return by + " has no route to " + remote +
           " (ICMP). Likely: the address is wrong, or the network there is down";
  case unreachable_kind::host:
    return by + " finds nobody at " + remote +
           " (ICMP host unreachable). Likely: the host is down, or its address is another";
  case unreachable_kind::port:
    return by + " rejects connections to " + remote +
           " (ICMP port unreachable). Likely: a firewall's REJECT; TCP port " +
           std::to_string(what.remote.port) + " has to be opened there";
  case unreachable_kind::prohibited: break;
  }
  return by + " prohibits connections to " + remote +
         " (ICMP). Likely: a firewall's rule; TCP port " + std::to_string(what.remote.port) +
         " has to be opened there";
}

std::string words_of_refusal(const opening_failure& what, const tunnel_config& tunnel,
                             const std::string& remote) {
  auto out = remote +
             " refuses connections. Likely: tonels does not run there, or serves another "
             "port; it does not --allow this address; its firewall rules are missing (--auto-rule, "
             "tonelctl doctor there); or a firewall on the way rejects";
  if (what.was_native)
    out +=
        ". It spoke tonel's own dialect before: if phantun has taken its place, --wire phantun is "
        "needed";
  else if (tunnel.wire == wire_choice::tonel || tunnel.wire == wire_choice::phantun)
    out += ". A tonels serves older dialects with --accept native,legacy alone";
  return out;
}

const char* program_of(protocol::profile wire) {
  return wire == protocol::profile::phantun ? "phantun" : "tonel 0.6.1";
}

} // namespace

std::string words_of(const opening_failure& what, const tunnel_config& tunnel) {
  const auto remote = remote_text(what, tunnel);
  const auto tcp_port = std::to_string(what.remote.port);
  switch (what.cause) {
  case opening_cause::no_answer:
    return "no answer from " + remote +
           ". Likely: the host is down or its address is another; a "
           "firewall or a cloud's rules drop TCP port " +
           tcp_port +
           "; tonels does not --allow this address; or rules are missing at either end (tonelctl "
           "doctor)";
  case opening_cause::refused: return words_of_refusal(what, tunnel, remote);
  case opening_cause::unreachable: return words_of_icmp(what, remote);
  case opening_cause::mute:
    return "something at " + remote +
           " takes TCP connections and answers no hello. Likely: another program has the port; or "
           "a "
           "firewall that inspects TCP lets the handshake pass alone";
  case opening_cause::hung_up:
    return "something at " + remote +
           " takes TCP connections and closes them at the hello. Likely: it is not tonels, and "
           "another program has the port";
  case opening_cause::reset_at_hello:
    return "something at " + remote +
           " takes TCP connections and resets them at the hello. Likely: another program has the "
           "port; tonels has as many sessions as it may (its log says so), or is of another "
           "version; "
           "or a firewall that inspects TCP";
  case opening_cause::not_tonel: return words_of_stranger(what, remote);
  case opening_cause::older_dialect:
    return "the server at " + remote + " speaks the dialect of " + program_of(what.wire) +
           ", which --wire native excludes";
  case opening_cause::path_ends_tcp:
    if (what.at_server)
      return "a connection from " + remote + " to port " + std::to_string(tunnel.local_port) +
             " comes through something that ends TCP connections (a proxy); it is refused, since "
             "datagrams would be merged and cut";
    return "something on the way to " + remote +
           " ends TCP connections (a proxy such as HAProxy or nginx, or the provider's): datagrams "
           "would be merged and cut, so none is sent. Use another port or path, or a load balancer "
           "that forwards packets (nftables, IPVS)";
  case opening_cause::other_key:
    return std::string{what.at_server ? "the client at " : "the server at "} + remote +
           " changes datagrams by another key than this end, or only one of them does: all arrive "
           "garbled. --encryption has to be the same at both ends";
  case opening_cause::no_reply:
    return "sessions to " + remote +
           " open and datagrams go, but none has come back. Likely: what is behind tonels does not "
           "run, or doesn't answer this peer (WireGuard: its keys); tonels' log and status know "
           "more. Where no answer is expected all is well";
  case opening_cause::unresolved:
    return "datagrams wait, and the name " + tunnel.remote.host +
           " has not been resolved. Likely: the name is wrong, or no name server answers";
  case opening_cause::no_route:
    return "this host has no route to " + remote +
           " for the tunnel's packets. Likely: the network or the default route is down, or a rule "
           "of policy routing leaves them out";
  case opening_cause::own_host:
    return remote + " is this host itself, where no packet passes the network";
  case opening_cause::no_family:
    return "no address of " + remote + " is of a family that can be used here (--ipv4-only)";
  case opening_cause::no_port: return "no TCP port is free for another connection to " + remote;
  case opening_cause::not_taken:
    return "the direct path takes no packets from " + remote +
           ". Likely: it is not in place (tonelctl status says why, at the firewall); or there are "
           "more connections than it takes";
  case opening_cause::stream_failed:
    return "connections to " + remote + " end by faults of this program; please report it";
  case opening_cause::upstream_refused:
    return "the upstream " + remote +
           " refuses datagrams: nobody listens there. Likely: it does not run, or listens at "
           "another "
           "address or port";
  case opening_cause::upstream_unreachable:
    return "the upstream " + remote +
           " can't be reached. Likely: its host is down, or there is no route, or a firewall";
  case opening_cause::count_: break;
  }
  return "nothing gets through to " + remote;
}

std::string words_of_end(const opening_failure& what, const tunnel_config& tunnel,
                         protocol::duration lasted) {
  const auto remote = remote_text(what, tunnel);
  switch (what.cause) {
  case opening_cause::no_reply: return "datagrams come back from " + remote;
  case opening_cause::upstream_refused:
  case opening_cause::upstream_unreachable:
    return "the upstream " + remote + " answers, after " + length_text(lasted);
  default: return "it works: sessions to " + remote + " open, after " + length_text(lasted);
  }
}

std::string length_text(protocol::duration length) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(length).count();
  const auto two = [](std::int64_t a, const char* x, std::int64_t b, const char* y) {
    return std::to_string(a) + x + (b == 0 ? "" : ' ' + std::to_string(b) + y);
  };
  if (seconds >= 3'600) return two(seconds / 3'600, " h", seconds % 3'600 / 60, " min");
  if (seconds >= 60) return two(seconds / 60, " min", seconds % 60, " s");
  return std::to_string(seconds) + " s";
}

} // namespace tonel::actors
