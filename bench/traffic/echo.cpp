#include "bench/traffic/commands.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"

#include <netinet/udp.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <limits>

namespace tonel::bench {
namespace {

constexpr std::size_t max_segments = 64;

/// Sends messages back to where they came from.
class answerer {
public:
  explicit answerer(int fd) : fd_(fd) {}

  void answer(const message& what) {
    if (what.segment == 0 || what.size <= what.segment) return send(what, what.bytes, what.size);
    if (merged_) {
      const auto step = what.segment * max_segments;
      for (std::size_t at = 0; at < what.size; at += step)
        send(what, what.bytes + at, std::min(step, what.size - at));
      return;
    }
    for_each_datagram(
        what, [&](const std::uint8_t* bytes, std::size_t size) { send(what, bytes, size); });
  }
  std::uint64_t errors() const noexcept { return errors_; }

private:
  void send(const message& what, const std::uint8_t* bytes, std::size_t size) {
    const bool several = what.segment != 0 && size > what.segment;
    iovec part{const_cast<std::uint8_t*>(bytes), size};
    msghdr header{};
    header.msg_name = const_cast<sockaddr*>(&what.source.raw.any);
    header.msg_namelen = what.source.size();
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
    if (several) {
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      auto* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      const auto segment = static_cast<std::uint16_t>(what.segment);
      std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    if (sendmsg(fd_, &header, 0) >= 0) return;
    if (several && (errno == EIO || errno == EINVAL)) {
      // The way out cannot split: from now on one by one, this message too.
      merged_ = false;
      const message rest{what.source, bytes, size, what.segment};
      return answer(rest);
    }
    ++errors_;
  }

  int fd_;
  bool merged_ = true;
  std::uint64_t errors_ = 0;
};

} // namespace

int run_echo(const words& args) {
  options given("echo", args, {"no-gro"});
  const auto local = resolve(given.word("ADDR:PORT"));
  const auto seconds = given.quantity("seconds");
  const bool gro = !given.flag("no-gro");
  given.finish();

  catch_stop_signals();
  udp_socket socket(local.family());
  if (gro) socket.enable_gro();
  socket.enable_drop_count();
  socket.bind(local);
  std::fprintf(stderr, "listening %s\n", socket.local().text().c_str());

  batch_reader reader;
  answerer out(socket.fd());
  std::uint64_t received = 0;
  std::uint64_t bytes = 0;
  const double end = seconds ? now_seconds() + *seconds : std::numeric_limits<double>::infinity();
  while (!stop_requested()) {
    const double left = end - now_seconds();
    if (left <= 0) break;
    pollfd ready{socket.fd(), POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(std::ceil(std::min(left, longest_wait) * 1000))) <= 0)
      continue;
    // An error here is one that an earlier answer drew (nobody listens there any more).
    const int got = reader.read(socket.fd());
    for (int i = 0; i < got; ++i) {
      const auto one = reader.at(i);
      received += for_each_datagram(one, [](const std::uint8_t*, std::size_t) {});
      bytes += one.size;
      out.answer(one);
    }
  }
  json_object{}
      .add("received", received)
      .add("bytes", bytes)
      .add("errors", out.errors())
      .add("kernel_drops", std::uint64_t{reader.kernel_drops()})
      .print();
  return 0;
}

} // namespace tonel::bench
