#include "bench/traffic/commands.hpp"
#include "bench/traffic/delays.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"
#include "bench/traffic/pattern.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace tonel::bench {
namespace {

/// So long after the last datagram an answer still counts.
constexpr double last_answers = 0.5;

/// One socket that asks at equal intervals. Unlike a ping it does not wait for answers: what is late
/// or lost is not asked for less often.
class pulse {
public:
  pulse(const endpoint& remote, std::size_t size) : socket_(remote.family()), datagram_(size) {
    socket_.connect(remote);
  }

  void send() {
    const auto at = now_nanoseconds();
    fill(datagram_.data(), datagram_.size(), {seed_, 0, trace_.size(), 0});
    // Refused (an earlier one met a closed port): as good as lost.
    ::send(socket_.fd(), datagram_.data(), datagram_.size(), 0);
    trace_.push_back({at / 1000, 0});
  }

  void listen(double seconds) {
    pollfd ready{socket_.fd(), POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(std::ceil(1e3 * std::max(0.0, seconds)))) <= 0) return;
    for (;;) {
      const auto got = recv(socket_.fd(), answer_.data(), answer_.size(), MSG_DONTWAIT);
      if (got < 0) return;
      take(check(answer_.data(), static_cast<std::size_t>(got)));
    }
  }

  bool any_answer() const noexcept { return trips_.count() != 0; }
  bool all_answered() const noexcept { return trips_.count() == trace_.size(); }

  void write(json_object& out, bool trace) const {
    out.add("sent", trace_.size())
        .add("received", trips_.count())
        .add("lost", trace_.size() - trips_.count())
        .add("strangers", strangers_);
    trips_.write(out, "");
    if (trace) out.add("trace", trace_);
  }

private:
  void take(const reading& what) {
    const auto number = what.from.sequence;
    if (what.result != verdict::intact || what.from.seed != seed_ || number >= trace_.size() ||
        trace_[number][1] != 0) {
      ++strangers_;
      return;
    }
    auto& [sent, took] = trace_[number];
    took = std::max<std::uint64_t>(now_nanoseconds() / 1000 - sent, 1);
    trips_.note(1000 * took);
  }

  udp_socket socket_;
  std::uint64_t seed_ = now_nanoseconds();
  std::vector<std::uint8_t> datagram_;
  std::array<std::uint8_t, 65536> answer_{};
  std::vector<std::array<std::uint64_t, 2>> trace_; // when it was sent, how long its answer took
  delay_log trips_;
  std::uint64_t strangers_ = 0;
};

} // namespace

int run_pulse(const words& args) {
  options given("pulse", args, {"trace"});
  const auto remote = resolve(given.word("HOST:PORT"));
  const auto size = given.number("size", 64);
  const auto interval = 1e-6 * static_cast<double>(given.number("interval-us", 5000));
  const auto seconds = given.quantity("seconds").value_or(10);
  const bool trace = given.flag("trace");
  if (size < header_size || size > max_datagram) given.fail("--size is 32 to 65507");
  if (interval <= 0) given.fail("--interval-us is at least 1");
  given.finish();

  catch_stop_signals();
  pulse one(remote, size);
  const double start = now_seconds();
  const double end = start + seconds;
  double due = start;
  while (!stop_requested()) {
    const double now = now_seconds();
    for (; due <= now && due < end; due += interval)
      one.send();
    if (due >= end && (one.all_answered() || now >= end + last_answers)) break;
    const double next = due < end ? due : end + last_answers;
    one.listen(std::min(longest_wait, next - now_seconds()));
  }
  json_object out;
  one.write(out, trace);
  out.add("seconds", now_seconds() - start).print();
  return one.any_answer() ? 0 : 1;
}

} // namespace tonel::bench
