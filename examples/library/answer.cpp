// What a server on port 443 says to IP packets that belong to no stream yet, SYNs for example. Reads
// one packet a line from standard input, in hexadecimal, and prints the answer likewise.
#include <tonel/protocol/acceptor.hpp>
#include <tonel/protocol/checksum.hpp>

#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

using namespace tonel::protocol;
using octets = std::vector<std::uint8_t>;

octets from_hex(const std::string& line) {
  octets out;
  for (std::size_t i = 0; i + 1 < line.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoul(line.substr(i, 2), nullptr, 16)));
  return out;
}

void print_packet(const segment_header& header) {
  octets packet(header.size());
  write_partial_header(packet, header, 0);
  finish_checksum(packet, inet_checksum{}); // over a payload of nothing
  for (const auto octet : packet)
    std::printf("%02x", unsigned{octet});
  std::printf("\n");
}

int main() {
  acceptor_config config;
  config.secret.fill(42); // a real server takes 16 random octets
  config.ports[443];      // with the defaults: native streams
  acceptor server{config};
  auto now = time_point{} + std::chrono::hours{1}; // a real one asks a clock

  for (std::string line; std::getline(std::cin, line); now += std::chrono::seconds{1}) {
    const auto packet = from_hex(line);
    const auto parsed = parse_packet(packet, {}); // {}: checksums are looked at
    if (!parsed) {
      std::printf("not taken: %s\n", to_string(parsed.error()));
      continue;
    }
    const auto* in = std::get_if<segment_repr>(&*parsed);
    if (in == nullptr) continue; // an ICMP error, which is about a stream
    const auto payload = byte_view{packet}.subview(in->payload_offset, in->payload_length);
    const auto what = server.on_stray(*in, payload, now);
    if (const auto* reply = std::get_if<reply_stray>(&what))
      print_packet(reply->header);
    else if (std::get_if<accept_stream>(&what) != nullptr)
      std::printf("a stream is open\n"); // stream::accept, as in exchange.cpp
    else
      std::printf("no answer\n");
  }
}
