#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace tonel::tests {

/// Reads a pcapng file by the draft only (draft-ietf-opsawg-pcapng §3, §4), so that it shares no
/// mistake with the writer.
/// Errors: std::runtime_error: no pcapng
class pcapng_reader {
public:
  using octets = std::vector<std::uint8_t>;
  using option_map = std::map<unsigned, std::string>;
  struct packet {
    std::uint64_t time = 0;
    octets bytes;
    option_map options;

    std::uint64_t flags() const { return number(options.at(2)); }
    std::uint64_t queue() const { return number(options.at(6)); }
    bool inbound() const { return (flags() & 3) == 1; }
    bool outbound() const { return (flags() & 3) == 2; }
    std::string comment() const { return options.count(1) == 0 ? "" : options.at(1); }
  };

  explicit pcapng_reader(const std::string& path) {
    std::ifstream in{path, std::ios::binary};
    file_.assign(std::istreambuf_iterator<char>{in}, {});
    std::size_t at = 0;
    while (at < file_.size()) {
      const auto type = u32(at);
      const auto length = u32(at + 4);
      if (length < 12 || length % 4 != 0 || at + length > file_.size() ||
          u32(at + length - 4) != length)
        throw std::runtime_error("a block is not whole");
      take(type, at + 8, at + length - 4);
      at += length;
    }
  }

  std::size_t size() const { return file_.size(); }
  unsigned link_type = 0;
  option_map section, interface, statistics; ///< statistics: empty without such a block
  std::vector<packet> packets;

  static std::uint64_t number(const std::string& value) {
    std::uint64_t n = 0;
    for (auto i = value.size(); i-- > 0;)
      n = n << 8 | static_cast<std::uint8_t>(value[i]);
    return n;
  }

private:
  std::uint32_t u16(std::size_t at) const { return file_.at(at) | unsigned{file_.at(at + 1)} << 8; }
  std::uint32_t u32(std::size_t at) const { return u16(at) | u16(at + 2) << 16; }

  option_map options(std::size_t at, std::size_t end) const {
    option_map out;
    while (at < end) {
      const auto code = u16(at), length = u16(at + 2);
      if (code == 0) return out;
      const auto from = file_.begin() + static_cast<std::ptrdiff_t>(at + 4);
      out[code] = {from, from + static_cast<std::ptrdiff_t>(length)};
      at += 4 + (length + 3) / 4 * 4;
    }
    throw std::runtime_error("options without an end");
  }

  void take(std::uint32_t type, std::size_t at, std::size_t end) {
    if (type == 0x0a0d0d0a) {
      if (u32(at) != 0x1a2b3c4d || u16(at + 4) != 1) throw std::runtime_error("another section");
      section = options(at + 16, end);
    } else if (type == 1) {
      link_type = u16(at);
      interface = options(at + 8, end);
    } else if (type == 5) {
      statistics = options(at + 12, end);
    } else if (type == 6) {
      packet p;
      p.time = std::uint64_t{u32(at + 4)} << 32 | u32(at + 8);
      const auto captured = u32(at + 12);
      if (captured != u32(at + 16)) throw std::runtime_error("a packet is cut");
      const auto from = file_.begin() + static_cast<std::ptrdiff_t>(at + 20);
      p.bytes.assign(from, from + static_cast<std::ptrdiff_t>(captured));
      p.options = options(at + 20 + (captured + 3) / 4 * 4, end);
      packets.push_back(std::move(p));
    } else {
      throw std::runtime_error("a block of another type");
    }
  }

  octets file_;
};

} // namespace tonel::tests
