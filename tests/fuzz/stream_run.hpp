#pragma once

#include "protocol/stream.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

// Common parts of the fuzzers of streams of all dialects.
namespace tonel::fuzz {

using octets = std::vector<std::uint8_t>;

/// The octets of the input; zeros after its end.
class reader {
public:
  reader(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}
  bool done() const { return at_ >= bytes_.size(); }
  std::uint8_t octet() { return done() ? std::uint8_t{0} : bytes_[at_++]; }
  std::uint32_t word() {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i)
      out = out << 8 | octet();
    return out;
  }

private:
  protocol::byte_view bytes_;
  std::size_t at_ = 0;
};

inline protocol::four_tuple tuple() {
  using protocol::ip_address;
  return {{ip_address::v4(198, 51, 100, 7), 40'000}, {ip_address::v4(192, 0, 2, 1), 443}};
}

/// A stream driven by an input, with checks for streams of any dialect.
class stream_run {
public:
  virtual ~stream_run() = default;

  /// Takes one event from the input, after letting its time pass.
  void step() {
    using namespace std::chrono_literals;
    const auto what = in_.octet();
    constexpr protocol::duration waits[] = {0ms, 1ms, 150ms, 1s, 3s, 20s, 10min, 1h};
    now_ += waits[what >> 5];
    for (int spins = 0; stream_.deadline() && *stream_.deadline() <= now_; ++spins) {
      check(spins < 3, "a timer that was served is over");
      examine(stream_.on_timer(now_), 0);
    }
    on_event(what & 15, (what & 16) != 0);
  }

  /// Lets time pass until the stream has ended.
  void finish() {
    for (int timers = 0; stream_.deadline() && timers < 200; ++timers) {
      now_ = std::max(now_, *stream_.deadline());
      examine(stream_.on_timer(now_), 0);
    }
  }

protected:
  struct sent_data {
    protocol::segment_header header;
    std::uint32_t length = 0;
  };

  stream_run(reader& in, bool client, protocol::stream stream)
      : in_(in), client_(client), stream_(std::move(stream)) {}

  virtual void on_event(int kind, bool option) = 0;
  virtual void sent(const protocol::send_segment& s) = 0;

  /// Checks the effects of a segment with this much payload.
  virtual void examine(const protocol::effects& list, std::size_t payload) {
    using namespace protocol;
    // Without asserts an effect too many is dropped.
    check(list.size() <= effects::capacity, "effects fit");
    for (const auto& e : list) {
      if (const auto* s = std::get_if<send_segment>(&e)) {
        sent(*s);
      } else if (const auto* d = std::get_if<deliver>(&e)) {
        check(d->offset + d->length <= payload, "what is delivered lies in the segment");
      } else if (std::get_if<ended>(&e) != nullptr || std::get_if<try_new_port>(&e) != nullptr) {
        check(!ended_, "the end is said once");
        ended_ = true;
      } else if (std::get_if<forgotten>(&e) != nullptr) {
        check(ended_ && !forgotten_, "forgotten after the end, and once");
        forgotten_ = true;
        check(!stream_.deadline(), "what is forgotten waits for nothing");
      }
    }
  }

  /// Sends as many datagrams as are admitted.
  std::optional<sent_data> send(std::uint32_t size, std::uint32_t count) {
    const auto admitted = stream_.admit(size, count, now_);
    check(admitted <= count, "no more is admitted than was asked for");
    check(admitted == 0 || stream_.is_open(), "only an open stream sends");
    if (admitted == 0) return std::nullopt;
    const auto seq = stream_.snd_nxt();
    const auto length = size * static_cast<std::uint32_t>(admitted);
    const auto header = stream_.data_header(length, admitted, true, now_);
    check(header.seq == seq, "data goes out at SND.NXT");
    return sent_data{header, length};
  }

  reader& in_;
  bool client_;
  protocol::stream stream_;
  protocol::time_point now_{};

private:
  bool ended_ = false;
  bool forgotten_ = false;
};

/// Runs a whole input: an octet of options, then events.
template <class Run> int run_input(const std::uint8_t* data, std::size_t size) {
  reader in{data, size};
  Run run{in, in.octet()};
  for (int events = 0; !in.done() && events < 500; ++events)
    run.step();
  run.finish();
  return 0;
}

} // namespace tonel::fuzz
