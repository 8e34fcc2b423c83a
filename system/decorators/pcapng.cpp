#include "system/decorators/pcapng.hpp"

#include "protocol/address.hpp"
#include "protocol/checksum.hpp"

#include <cstddef>
#include <cstring>
#include <string_view>

namespace tonel::sys::pcapng {

namespace {

constexpr std::uint32_t section_block = 0x0a0d0d0a, interface_block = 1, statistics_block = 5,
                        packet_block = 6;
constexpr std::uint32_t byte_order = 0x1a2b3c4d;
constexpr std::uint16_t linktype_raw = 101;

constexpr std::uint16_t option_comment = 1;
constexpr std::uint16_t option_program = 4;                           // section
constexpr std::uint16_t option_name = 2, option_resolution = 9;       // interface
constexpr std::uint16_t option_flags = 2, option_queue = 6;           // packet
constexpr std::uint16_t option_received = 4, option_not_recorded = 5; // statistics
constexpr std::uint32_t inbound = 1, outbound = 2;

constexpr std::uint8_t protocol_tcp = 6;

template <class Integer> void append_le(std::vector<std::uint8_t>& out, Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i)
    out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void append_padded(std::vector<std::uint8_t>& out, const void* octets, std::size_t size) {
  const auto* from = static_cast<const std::uint8_t*>(octets);
  out.insert(out.end(), from, from + size);
  out.resize(out.size() + (4 - size % 4) % 4);
}

void append_option(std::vector<std::uint8_t>& out, std::uint16_t code, std::string_view text) {
  append_le(out, code);
  append_le(out, static_cast<std::uint16_t>(text.size()));
  append_padded(out, text.data(), text.size());
}

template <class Integer>
void append_number_option(std::vector<std::uint8_t>& out, std::uint16_t code, Integer value) {
  append_le(out, code);
  append_le(out, static_cast<std::uint16_t>(sizeof value));
  append_le(out, value);
  out.resize(out.size() + (4 - sizeof value % 4) % 4);
}

/// Appends the high half first, in any byte order.
void append_time(std::vector<std::uint8_t>& out, std::int64_t time) {
  const auto value = static_cast<std::uint64_t>(time);
  append_le(out, static_cast<std::uint32_t>(value >> 32));
  append_le(out, static_cast<std::uint32_t>(value));
}

std::size_t begin(std::vector<std::uint8_t>& out, std::uint32_t type) {
  const auto at = out.size();
  append_le(out, type);
  append_le(out, std::uint32_t{0});
  return at;
}

/// Ends the options and the block, whose length is written at both ends.
void end(std::vector<std::uint8_t>& out, std::size_t at) {
  append_le(out, std::uint32_t{0});
  const auto length = static_cast<std::uint32_t>(out.size() - at + 4);
  append_le(out, length);
  std::memcpy(out.data() + at + 4, out.data() + out.size() - 4, 4);
}

} // namespace

void append_section(std::vector<std::uint8_t>& out, const std::string& program) {
  const auto at = begin(out, section_block);
  append_le(out, byte_order);
  append_le(out, std::uint16_t{1}); // version 1.0
  append_le(out, std::uint16_t{0});
  append_le(out, ~std::uint64_t{0}); // its length is not known
  append_option(out, option_program, program);
  end(out, at);
}

void append_interface(std::vector<std::uint8_t>& out, const std::string& name) {
  const auto at = begin(out, interface_block);
  append_le(out, linktype_raw);
  append_le(out, std::uint16_t{0});
  append_le(out, std::uint32_t{0}); // packets are whole
  append_option(out, option_name, name);
  append_number_option(out, option_resolution, std::uint8_t{9});
  end(out, at);
}

void append_packet(std::vector<std::uint8_t>& out, const packet_about& about,
                   protocol::byte_view packet) {
  const auto at = begin(out, packet_block);
  append_le(out, std::uint32_t{0}); // the interface
  append_time(out, about.time);
  append_le(out, static_cast<std::uint32_t>(packet.size()));
  append_le(out, static_cast<std::uint32_t>(packet.size()));
  append_padded(out, packet.data(), packet.size());
  if (about.dropped != nullptr)
    append_option(out, option_comment, std::string{"dropped: "} + about.dropped);
  append_number_option(out, option_flags, about.outbound ? outbound : inbound);
  append_number_option(out, option_queue, about.queue);
  end(out, at);
}

void append_statistics(std::vector<std::uint8_t>& out, std::int64_t time, std::uint64_t seen,
                       std::uint64_t lost) {
  const auto at = begin(out, statistics_block);
  append_le(out, std::uint32_t{0}); // the interface
  append_time(out, time);
  append_number_option(out, option_received, seen);
  append_number_option(out, option_not_recorded, lost);
  end(out, at);
}

void complete_checksum(protocol::byte_span packet) noexcept {
  if (packet.size() < 20) return;
  auto* p = packet.data();
  const bool v4 = (p[0] >> 4) == 4;
  const std::size_t ip = v4 ? std::size_t{p[0] & 0xfu} * 4 : 40;
  if (packet.size() < ip + 20 || p[v4 ? 9 : 6] != protocol_tcp) return;
  const auto address = [&](std::size_t at) {
    return v4 ? protocol::ip_address::v4(p[at], p[at + 1], p[at + 2], p[at + 3])
              : protocol::ip_address::v6(p + at);
  };
  const auto source = address(v4 ? 12 : 8), destination = address(v4 ? 16 : 24);
  auto* field = p + ip + 16;
  field[0] = field[1] = 0;
  const auto length = packet.size() - ip;
  const auto sum =
      protocol::tcp_pseudo_header(source, destination, static_cast<std::uint32_t>(length))
          .add({p + ip, length})
          .finish();
  field[0] = static_cast<std::uint8_t>(sum >> 8);
  field[1] = static_cast<std::uint8_t>(sum);
}

} // namespace tonel::sys::pcapng
