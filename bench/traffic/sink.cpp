#include "bench/traffic/commands.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"
#include "bench/traffic/tally.hpp"

#include <poll.h>

#include <cerrno>
#include <cmath>
#include <limits>

namespace tonel::bench {

int run_sink(const words& args) {
  options given("sink", args, {"per-source", "no-gro"});
  const auto local = resolve(given.word("ADDR:PORT"));
  const auto seconds = given.quantity("seconds");
  const auto count = given.number("count", std::numeric_limits<std::uint64_t>::max());
  const auto idle_ms = given.number("idle-ms");
  const bool each = given.flag("per-source");
  const bool gro = !given.flag("no-gro");
  const auto coalesce = 1e-6 * static_cast<double>(given.number("coalesce-us", 200));
  const auto request = given.text("request");
  given.finish();

  catch_stop_signals();
  udp_socket socket(local.family());
  if (gro) socket.enable_gro();
  socket.enable_drop_count();
  socket.bind(local);
  std::optional<endpoint> sender;
  if (request) sender = resolve(*request);
  std::fprintf(stderr, "listening %s\n", socket.local().text().c_str());

  batch_reader reader;
  tally seen;
  std::uint64_t reads = 0;
  std::uint64_t messages = 0;
  const double start = now_seconds();
  const double end = seconds ? start + *seconds : std::numeric_limits<double>::infinity();
  const double idle =
      idle_ms ? 1e-3 * static_cast<double>(*idle_ms) : std::numeric_limits<double>::infinity();
  double first = 0;
  double last = 0;
  double ask_at = 0;
  const char* ended = "signal";
  while (!stop_requested()) {
    const double now = now_seconds();
    const double silence_ends = first > 0 ? last + idle : std::numeric_limits<double>::infinity();
    if (now >= end || now >= silence_ends) {
      ended = now >= end ? "seconds" : "idle";
      break;
    }
    if (sender && first == 0 && now >= ask_at) {
      const char nothing = 0; // may be lost, or come before the sender is there: asked again
      sendto(socket.fd(), &nothing, 1, 0, &sender->raw.any, sender->size());
      ask_at = now + longest_wait;
    }
    pollfd ready{socket.fd(), POLLIN, 0};
    const double wait = std::min({end, silence_ends, now + longest_wait}) - now;
    if (poll(&ready, 1, static_cast<int>(std::ceil(wait * 1000))) <= 0) continue;
    std::uint64_t found = 0;
    for (int got = 1; got > 0 && found < 4096;) {
      got = reader.read(socket.fd());
      // With --request a refusal can come back: the sender does not listen yet.
      if (got < 0 && !(sender && errno == ECONNREFUSED)) die("receive");
      const auto came = now_nanoseconds();
      ++reads;
      for (int i = 0; i < got; ++i) {
        const auto one = reader.at(i);
        found += for_each_datagram(one, [&](const std::uint8_t* bytes, std::size_t size) {
          seen.note(one.source, bytes, size, came);
        });
      }
      messages += static_cast<std::uint64_t>(std::max(got, 0));
    }
    if (found == 0) continue;
    last = now_seconds();
    if (first == 0) first = last;
    if (seen.total().received >= count) {
      ended = "count";
      break;
    }
    // A burst has more to come: let it gather instead of waking up for each datagram.
    if (found > 1 && coalesce > 0) wait_until(last + coalesce);
  }

  const double took = last - first;
  json_object out;
  seen.write(out, each);
  out.add("seconds", took);
  seen.delays().write(out, "delay_");
  if (took > 0) {
    out.add("gbit_per_s", 8e-9 * static_cast<double>(seen.total().bytes) / took);
    out.add("pps", static_cast<double>(seen.total().received) / took);
  }
  out.add("reads", reads)
      .add("messages", messages)
      .add("kernel_drops", std::uint64_t{reader.kernel_drops()})
      .add("ended", std::string{ended})
      .print();
  return 0;
}

} // namespace tonel::bench
