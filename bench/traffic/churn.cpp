#include "bench/traffic/commands.hpp"
#include "bench/traffic/delays.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"
#include "bench/traffic/pattern.hpp"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <deque>
#include <vector>

namespace tonel::bench {
namespace {

constexpr std::size_t datagram_size = 64;
// Ports are taken in turn from a wide range: one that comes back soon would be the session that a
// tunnel still knows.
constexpr std::uint16_t first_port = 5000;
constexpr std::uint16_t last_port = 64999;

/// Sockets that each send one datagram when they open, wait for its echo and close after a while.
class visitors {
public:
  visitors(const endpoint& remote, double life) : remote_(remote), life_(life) {
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    if (poll_ < 0) die("epoll_create1");
  }
  visitors(const visitors&) = delete;
  visitors& operator=(const visitors&) = delete;
  ~visitors() { close(poll_); }

  void open_one() {
    udp_socket socket(remote_.family());
    endpoint local;
    local.raw.any.sa_family = remote_.raw.any.sa_family;
    do {
      port_ = port_ >= last_port ? first_port : static_cast<std::uint16_t>(port_ + 1);
      local.set_port(port_);
    } while (!socket.try_bind(local));
    socket.connect(remote_);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = opened_;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, socket.fd(), &event) != 0) die("epoll_ctl");
    std::array<std::uint8_t, datagram_size> bytes{};
    fill(bytes.data(), bytes.size(), {seed_, 0, opened_, 0});
    const auto at = now_nanoseconds();
    if (::send(socket.fd(), bytes.data(), bytes.size(), 0) < 0) ++errors_;
    live_.push_back({std::move(socket), at, false});
    trace_.push_back({at / 1000, 0});
    ++opened_;
  }

  void close_old() {
    const double now = now_seconds();
    while (!live_.empty() && 1e-9 * static_cast<double>(live_.front().opened) + life_ <= now)
      live_.pop_front();
  }

  void listen(double seconds) {
    const auto milliseconds = static_cast<int>(std::ceil(1e3 * std::max(0.0, seconds)));
    const int count =
        epoll_wait(poll_, ready_.data(), static_cast<int>(ready_.size()), milliseconds);
    for (int i = 0; i < count; ++i)
      answer(ready_[static_cast<std::size_t>(i)].data.u64);
  }

  bool empty() const noexcept { return live_.empty(); }
  /// When the oldest one closes.
  double next_close() const noexcept {
    return live_.empty() ? now_seconds() + longest_wait
                         : 1e-9 * static_cast<double>(live_.front().opened) + life_;
  }

  void write(json_object& out, bool trace) const {
    out.add("opened", opened_)
        .add("answered", answers_.count())
        .add("unanswered", opened_ - answers_.count())
        .add("errors", errors_);
    answers_.write(out, "");
    if (trace) out.add("trace", trace_);
  }

private:
  struct visitor {
    udp_socket socket;
    std::uint64_t opened;
    bool answered;
  };

  void answer(std::uint64_t number) {
    const auto gone = opened_ - live_.size(); // they close in the order in which they opened
    if (number < gone) return;
    auto& one = live_[static_cast<std::size_t>(number - gone)];
    std::array<std::uint8_t, 2048> bytes{};
    const auto got = recv(one.socket.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0) {
      if (errno != EAGAIN) ++errors_; // refused: nobody listens there
      return;
    }
    const auto read = check(bytes.data(), static_cast<std::size_t>(got));
    if (read.result != verdict::intact || read.from.sequence != number) {
      ++errors_;
    } else if (!one.answered) {
      one.answered = true;
      const auto took = now_nanoseconds() - one.opened;
      answers_.note(took);
      trace_[static_cast<std::size_t>(number)][1] = std::max<std::uint64_t>(took / 1000, 1);
    }
  }

  endpoint remote_;
  double life_;
  int poll_;
  std::uint16_t port_ = first_port;
  std::uint64_t seed_ = now_nanoseconds();
  std::uint64_t opened_ = 0;
  std::uint64_t errors_ = 0;
  delay_log answers_;
  std::deque<visitor> live_;
  std::vector<std::array<std::uint64_t, 2>> trace_; // when it opened, how long its answer took
  std::vector<epoll_event> ready_{256};
};

} // namespace

int run_churn(const words& args) {
  options given("churn", args, {"trace"});
  const auto remote = resolve(given.word("HOST:PORT"));
  const auto rate = given.quantity("rate-pps").value_or(1000);
  const auto life = 1e-3 * static_cast<double>(given.number("life-ms", 1000));
  const auto seconds = given.quantity("seconds").value_or(10);
  const auto calm_rate = given.quantity("calm-pps").value_or(100);
  const auto calm = given.quantity("calm-seconds").value_or(0);
  const bool trace = given.flag("trace");
  given.finish();

  catch_stop_signals();
  raise_descriptor_limit();
  visitors all(remote, life);
  const double start = now_seconds();
  const double storm_end = start + seconds;
  const double end = storm_end + calm;
  double due = start;
  while (!stop_requested()) {
    const double now = now_seconds();
    if (now >= end && all.empty()) break;
    for (; due <= now && due < end; due += 1 / (due < storm_end ? rate : calm_rate))
      all.open_one();
    all.close_old();
    const double next = std::min(due < end ? due : all.next_close(), all.next_close());
    all.listen(std::min(longest_wait, next - now_seconds()));
  }
  json_object out;
  all.write(out, trace);
  out.add("seconds", now_seconds() - start).print();
  return 0;
}

} // namespace tonel::bench
