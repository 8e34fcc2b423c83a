#include "actors/app/doctor/probe.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <future>
#include <random>
#include <vector>

namespace tonel::actors::app {

namespace {

using namespace std::chrono_literals;
using protocol::opening_cause;
using protocol::unreachable_kind;

/// A SYN is repeated after 1 s and 3 s.
constexpr auto connect_time = 3500ms;
/// The hello is one round trip away, or two where it is lost.
constexpr auto answer_time = 3s;

template <std::size_t Size> std::array<std::uint8_t, Size> drawn() {
  std::random_device source;
  std::array<std::uint8_t, Size> out{};
  for (auto& octet : out)
    octet = static_cast<std::uint8_t>(source());
  return out;
}

std::uint64_t mark_of(const tunnel_config& tunnel) {
  return tunnel.cipher ? tunnel.cipher->mark() : 0;
}

bool has_hello(const tunnel_config& tunnel) {
  return tunnel.wire == wire_choice::automatic || tunnel.wire == wire_choice::native;
}

/// Sends the first flight of a client: handshake packet and hello.
void greet(const sys::connection_probe& connection, const tunnel_config& tunnel,
           probe_answer& out) {
  const auto numbers = connection.initial_numbers();
  if (!numbers) return; // this user may not know them
  out.greeted = true;
  const auto say = [&](protocol::byte_view octets) {
    if (!connection.say(octets)) out.heard.is = sys::connection_probe::end::reset;
  };
  protocol::hello_repr hello;
  if (const auto& packet = tunnel.handshake_packet; packet && !packet->empty()) {
    say(*packet);
    hello.offset = static_cast<std::uint32_t>(packet->size());
  }
  hello.control_length = hello.offset + static_cast<std::uint32_t>(protocol::hello_size);
  hello.introduces = true;
  hello.session = drawn<sizeof(protocol::session_id)>();
  hello.counter = 1;
  hello.client_iss = numbers->own;
  hello.server_iss = numbers->other;
  hello.capabilities = protocol::key_capability(out.secret, mark_of(tunnel));
  hello.mtu = 1500;
  say(protocol::encode_hello(hello, out.secret));
}

/// What comes, until it has a hello, or can have none.
void hear(const sys::connection_probe& connection, sys::connection_probe::heard& out) {
  const auto until = std::chrono::steady_clock::now() + answer_time;
  constexpr std::size_t enough = 65'536; // the longest handshake packet goes ahead of a hello
  while (out.is == sys::connection_probe::end::none && out.octets.size() < enough) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= 0s) return;
    connection.listen(out, left);
    const auto found =
        protocol::find_hello(out.octets, static_cast<std::uint32_t>(out.octets.size()));
    if (found && found->hello) return;
  }
}

opening_cause cause_of(int connect_error) {
  switch (connect_error) {
  case ECONNREFUSED: return opening_cause::refused;
  case ENETUNREACH: return opening_cause::no_route;
  case EHOSTUNREACH:
  case EACCES:
  case EPERM: return opening_cause::unreachable;
  default: return opening_cause::no_answer;
  }
}

/// Where tonels has not answered the hello.
opening_cause cause_of(const sys::connection_probe::heard& heard) {
  if (!heard.octets.empty()) return opening_cause::not_tonel;
  switch (heard.is) {
  case sys::connection_probe::end::closed: return opening_cause::hung_up;
  case sys::connection_probe::end::reset: return opening_cause::reset_at_hello;
  case sys::connection_probe::end::none: break;
  }
  return opening_cause::mute;
}

/// A lost segment is sent again after 200 ms, 400 ms and 800 ms, if the way takes less than that.
constexpr auto size_time = 2s;

/// The headers of a segment, without options.
std::uint32_t headers_to(const protocol::endpoint& remote) {
  return remote.address.is_v6() ? 60 : 40;
}

/// Whether a segment that makes a packet of this size is answered; its true size, as the connection allows.
struct size_trial {
  std::uint32_t size = 0;
  bool passed = false;
};
size_trial try_size(const protocol::endpoint& remote, std::uint32_t size, std::uint32_t mark) {
  const auto connection = sys::connection_probe::open(remote, connect_time, mark);
  if (!connection) return {};
  const auto headers = headers_to(remote);
  const auto room = static_cast<std::uint32_t>(connection->segment_size());
  const auto octets = std::min(room, size - headers);
  if (octets < protocol::hello_size) return {};
  const auto hello = protocol::encode_hello({}, {});
  std::vector<std::uint8_t> segment{hello.begin(), hello.end()};
  segment[8] = 0xff; // no version
  segment.resize(octets);
  if (!connection->say(segment)) return {};
  sys::connection_probe::heard heard;
  connection->listen(heard, size_time);
  const bool answered = heard.is != sys::connection_probe::end::none || !heard.octets.empty();
  return {octets + headers, answered};
}

} // namespace

size_answer probe_sizes(const protocol::endpoint& remote, std::uint32_t mtu, std::uint32_t mark) {
  const auto whole = try_size(remote, mtu, mark);
  if (whole.size == 0 || whole.passed) return {whole.size, whole.size};
  size_answer out{whole.size, 0};
  // PPPoE; tunnels in IPv4 and IPv6; clouds and other VPNs; the least that IPv6 asks for, and IPv4's usual.
  constexpr std::uint32_t usual[] = {1492, 1480, 1472, 1460, 1450, 1440, 1430, 1420,
                                     1400, 1380, 1360, 1340, 1320, 1300, 1280, 576};
  std::vector<std::future<size_trial>> trials;
  for (const auto size : usual)
    if (size < whole.size)
      trials.push_back(std::async(std::launch::async, try_size, remote, size, mark));
  for (auto& each : trials)
    if (const auto trial = each.get(); trial.passed) out.passed = std::max(out.passed, trial.size);
  return out;
}

probe_answer probe_remote(const protocol::endpoint& remote, const tunnel_config& tunnel,
                          std::uint32_t mark) {
  probe_answer out;
  const auto connection = sys::connection_probe::open(remote, connect_time, mark);
  if (!connection) {
    out.connect_error = connection.error().number;
    return out;
  }
  out.secret = drawn<sizeof(protocol::session_secret)>();
  if (has_hello(tunnel)) greet(*connection, tunnel, out);
  if (out.greeted) hear(*connection, out.heard);
  return out;
}

std::optional<protocol::opening_failure>
judge(const probe_answer& answer, const protocol::endpoint& remote, const tunnel_config& tunnel) {
  protocol::opening_failure out;
  out.remote = remote;
  if (answer.connect_error != 0) {
    out.cause = cause_of(answer.connect_error);
    out.from = remote.address;
    if (answer.connect_error == EACCES || answer.connect_error == EPERM)
      out.icmp = unreachable_kind::prohibited;
    return out;
  }
  if (!answer.greeted) return std::nullopt;
  const auto& octets = answer.heard.octets;
  const auto found = protocol::find_hello(octets, static_cast<std::uint32_t>(octets.size()));
  if (!found || !found->hello || !protocol::proves(*found->hello, answer.secret)) {
    out.cause = cause_of(answer.heard);
    out.said_size = static_cast<std::uint8_t>(std::min(octets.size(), out.said.size()));
    std::copy_n(octets.begin(), out.said_size, out.said.begin());
    return out;
  }
  if (found->hello->tcp_ends)
    out.cause = opening_cause::path_ends_tcp;
  else if (protocol::names_other_key(found->hello->capabilities, answer.secret, mark_of(tunnel)))
    out.cause = opening_cause::other_key;
  else
    return std::nullopt;
  return out;
}

} // namespace tonel::actors::app
