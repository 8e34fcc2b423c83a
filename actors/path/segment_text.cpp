#include "actors/path/segment_text.hpp"

#include "protocol/address.hpp"

#include <utility>

namespace tonel::actors {

namespace {

namespace flag = protocol::flag;

std::string flags_text(std::uint8_t flags) {
  std::string out;
  for (const auto& [bit, letter] :
       {std::pair{flag::syn, 'S'}, std::pair{flag::fin, 'F'}, std::pair{flag::rst, 'R'},
        std::pair{flag::psh, 'P'}, std::pair{flag::urg, 'U'}, std::pair{flag::ece, 'E'},
        std::pair{flag::cwr, 'W'}, std::pair{flag::ack, '.'}})
    if ((flags & bit) != 0) out += letter;
  return out.empty() ? "none" : out;
}

std::string place_text(const protocol::endpoint& at) {
  return at.address.to_string() + '.' + std::to_string(at.port);
}

struct what {
  const protocol::endpoint& from;
  const protocol::endpoint& to;
  protocol::seq_num seq, ack;
  std::uint16_t window = 0;
  std::uint8_t flags = 0;
  std::uint32_t length = 0;
};

std::string text_of(const what& s) {
  auto out = (s.from.address.is_v4() ? "IP " : "IP6 ") + place_text(s.from) + " > " +
             place_text(s.to) + ": Flags [" + flags_text(s.flags) + ']';
  const bool shows_seq = s.length > 0 || (s.flags & (flag::syn | flag::fin | flag::rst)) != 0;
  if (shows_seq) out += ", seq " + std::to_string(s.seq.raw);
  if (s.length > 0) out += ':' + std::to_string((s.seq + s.length).raw);
  if ((s.flags & flag::ack) != 0) out += ", ack " + std::to_string(s.ack.raw);
  return out + ", win " + std::to_string(s.window) + ", length " + std::to_string(s.length);
}

} // namespace

std::string segment_text(const protocol::segment_repr& in) {
  return text_of(
      {in.tuple.remote, in.tuple.local, in.seq, in.ack, in.window, in.flags, in.payload_length});
}

std::string segment_text(const protocol::segment_header& out, std::uint32_t length) {
  return text_of(
      {out.tuple.local, out.tuple.remote, out.seq, out.ack, out.window, out.flags, length});
}

} // namespace tonel::actors
