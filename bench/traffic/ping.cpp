#include "bench/traffic/commands.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"
#include "bench/traffic/pattern.hpp"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace tonel::bench {
namespace {

/// The value below which `share` of the sorted list lies.
double quantile(const std::vector<double>& sorted, double share) {
  const auto last = static_cast<double>(sorted.size() - 1);
  return sorted[static_cast<std::size_t>(share * last + 0.5)];
}

/// Waits for the datagram that equals `wanted`; others are late answers. False at the deadline.
bool await(int fd, const std::vector<std::uint8_t>& wanted, std::vector<std::uint8_t>& buffer,
           double deadline, std::uint64_t& strangers) {
  while (!stop_requested()) {
    const double left = deadline - now_seconds();
    if (left <= 0) return false;
    timespec wait{};
    wait.tv_sec = static_cast<time_t>(left);
    wait.tv_nsec = static_cast<long>(1e9 * (left - static_cast<double>(wait.tv_sec)));
    pollfd ready{fd, POLLIN, 0};
    if (ppoll(&ready, 1, &wait, nullptr) <= 0) continue;
    const auto got = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0) continue; // nobody listens yet (ECONNREFUSED): as good as lost
    if (static_cast<std::size_t>(got) == wanted.size() &&
        std::equal(wanted.begin(), wanted.end(), buffer.begin()))
      return true;
    ++strangers;
  }
  return false;
}

} // namespace

int run_ping(const words& args) {
  options given("ping", args, {"first"});
  const auto remote = resolve(given.word("HOST:PORT"));
  const auto count = given.number("count", 1000);
  const auto size = given.number("size", 64);
  const auto timeout = 1e-3 * static_cast<double>(given.number("timeout-ms", 1000));
  const auto interval = 1e-6 * static_cast<double>(given.number("interval-us", 0));
  const bool first = given.flag("first");
  const auto seconds = given.quantity("seconds");
  if (size > max_datagram) given.fail("--size is at most 65507");
  given.finish();

  catch_stop_signals();
  udp_socket socket(remote.family());
  socket.connect(remote);
  std::vector<std::uint8_t> datagram(size);
  std::vector<std::uint8_t> buffer(65536);
  std::vector<double> trips;
  std::uint64_t sent = 0;
  std::uint64_t strangers = 0;
  const double start = now_seconds();
  const double end = seconds ? start + *seconds : std::numeric_limits<double>::infinity();
  const auto seed = static_cast<std::uint64_t>(start * 1e9);
  const auto most = first && seconds ? std::numeric_limits<std::uint64_t>::max() : count;
  while (sent < most && !stop_requested()) {
    const double at = now_seconds();
    if (at >= end) break;
    fill(datagram.data(), size, {seed, 0, sent});
    // A refused send (an earlier datagram met a closed port) counts as lost, like its answer.
    ++sent;
    if (::send(socket.fd(), datagram.data(), size, 0) < 0 && errno == ECONNREFUSED)
      ::send(socket.fd(), datagram.data(), size, 0);
    if (await(socket.fd(), datagram, buffer, std::min(at + timeout, end), strangers)) {
      trips.push_back(1e6 * (now_seconds() - at));
      if (first) break;
      if (interval > 0) wait_until(now_seconds() + interval);
    }
  }
  json_object out;
  out.add("sent", sent)
      .add("received", std::uint64_t{trips.size()})
      .add("lost", sent - trips.size())
      .add("strangers", strangers)
      .add("seconds", now_seconds() - start);
  if (!trips.empty()) {
    std::sort(trips.begin(), trips.end());
    double sum = 0;
    for (const double trip : trips)
      sum += trip;
    out.add("min_us", trips.front())
        .add("median_us", quantile(trips, 0.5))
        .add("mean_us", sum / static_cast<double>(trips.size()))
        .add("p99_us", quantile(trips, 0.99))
        .add("max_us", trips.back());
  }
  out.print();
  return trips.empty() ? 1 : 0;
}

} // namespace tonel::bench
