#include "bench/traffic/net.hpp"

#include "bench/traffic/pattern.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/udp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace tonel::bench {
namespace {

volatile std::sig_atomic_t stop_flag = 0;

void raise_buffer(int fd, int forced, int plain) {
  const int wanted = 32 << 20;
  if (setsockopt(fd, SOL_SOCKET, forced, &wanted, sizeof wanted) == 0) return;
  setsockopt(fd, SOL_SOCKET, plain, &wanted, sizeof wanted); // as much as the sysctl allows
}

} // namespace

void die(const std::string& what) {
  std::fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what.c_str(),
               std::strerror(errno));
  std::exit(1);
}

std::uint16_t endpoint::port() const noexcept {
  return ntohs(family() == AF_INET6 ? raw.v6.sin6_port : raw.v4.sin_port);
}

void endpoint::set_port(std::uint16_t port) noexcept {
  (family() == AF_INET6 ? raw.v6.sin6_port : raw.v4.sin_port) = htons(port);
}

std::string endpoint::text() const {
  char host[INET6_ADDRSTRLEN] = "?";
  if (family() == AF_INET6)
    inet_ntop(AF_INET6, &raw.v6.sin6_addr, host, sizeof host);
  else
    inet_ntop(AF_INET, &raw.v4.sin_addr, host, sizeof host);
  const auto bracketed = family() == AF_INET6 ? '[' + std::string{host} + ']' : std::string{host};
  return bracketed + ':' + std::to_string(port());
}

std::size_t endpoint_hash::operator()(const endpoint& e) const noexcept {
  if (e.family() != AF_INET6)
    return mix(e.raw.v4.sin_addr.s_addr * std::uint64_t{65536} + e.port());
  std::uint64_t halves[2];
  std::memcpy(halves, &e.raw.v6.sin6_addr, sizeof halves);
  return mix(halves[0] ^ mix(halves[1] + e.port()));
}

endpoint resolve(const std::string& text) {
  const auto colon = text.rfind(':');
  auto host = text.substr(0, colon == std::string::npos ? 0 : colon);
  if (host.size() > 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int error = host.empty()
                        ? EAI_NONAME
                        : getaddrinfo(host.c_str(), text.c_str() + colon + 1, &hints, &found);
  if (error != 0) {
    std::fprintf(stderr, "%s: '%s' is not HOST:PORT: %s\n", program_invocation_short_name,
                 text.c_str(), gai_strerror(error));
    std::exit(2);
  }
  endpoint result;
  std::memcpy(&result.raw, found->ai_addr,
              std::min<std::size_t>(found->ai_addrlen, sizeof result.raw));
  freeaddrinfo(found);
  return result;
}

void raise_descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

udp_socket::udp_socket(int family) : fd_(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  if (fd_ < 0) die("socket");
  raise_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF);
  raise_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF);
}

udp_socket::~udp_socket() {
  if (fd_ >= 0) close(fd_);
}

void udp_socket::bind(const endpoint& local) {
  if (::bind(fd_, &local.raw.any, local.size()) != 0) die("bind to " + local.text());
}

bool udp_socket::try_bind(const endpoint& local) {
  if (::bind(fd_, &local.raw.any, local.size()) == 0) return true;
  if (errno != EADDRINUSE) die("bind to " + local.text());
  return false;
}

void udp_socket::connect(const endpoint& remote) {
  if (::connect(fd_, &remote.raw.any, remote.size()) != 0) die("connect to " + remote.text());
}

endpoint udp_socket::local() const {
  endpoint result;
  socklen_t size = sizeof result.raw;
  getsockname(fd_, &result.raw.any, &size);
  return result;
}

bool udp_socket::enable_gro() {
  const int on = 1;
  return setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &on, sizeof on) == 0;
}

void udp_socket::enable_drop_count() {
  const int on = 1;
  setsockopt(fd_, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
}

batch_reader::batch_reader(std::size_t slots)
    : bytes_(slots * slot_size), control_(slots * control_size), sources_(slots), iovecs_(slots),
      headers_(slots), segments_(slots) {
  for (std::size_t i = 0; i < slots; ++i)
    iovecs_[i] = {bytes_.data() + i * slot_size, slot_size};
}

int batch_reader::read(int fd) {
  for (std::size_t i = 0; i < headers_.size(); ++i) {
    auto& header = headers_[i].msg_hdr;
    header = {};
    header.msg_name = &sources_[i].raw;
    header.msg_namelen = sizeof sources_[i].raw;
    header.msg_iov = &iovecs_[i];
    header.msg_iovlen = 1;
    header.msg_control = control_.data() + i * control_size;
    header.msg_controllen = control_size;
  }
  const auto slots = static_cast<unsigned>(headers_.size());
  const int count = recvmmsg(fd, headers_.data(), slots, MSG_DONTWAIT, nullptr);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    auto& header = headers_[i].msg_hdr;
    segments_[i] = 0;
    for (auto* c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
      if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
        int segment = 0;
        std::memcpy(&segment, CMSG_DATA(c), sizeof segment);
        segments_[i] = static_cast<std::size_t>(segment);
      } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
        std::memcpy(&kernel_drops_, CMSG_DATA(c), sizeof kernel_drops_);
      }
    }
  }
  return count;
}

message batch_reader::at(int index) const noexcept {
  const auto i = static_cast<std::size_t>(index);
  return {sources_[i], bytes_.data() + i * slot_size, headers_[i].msg_len, segments_[i]};
}

std::uint64_t now_nanoseconds() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(t.tv_nsec);
}

double now_seconds() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

void wait_until(double at) noexcept {
  timespec t{};
  t.tv_sec = static_cast<time_t>(at);
  t.tv_nsec = static_cast<long>(1e9 * (at - static_cast<double>(t.tv_sec)));
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, nullptr);
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = [](int) { stop_flag = 1; };
  sigaction(SIGINT, &action, nullptr); // no SA_RESTART: a waiting system call must return
  sigaction(SIGTERM, &action, nullptr);
  prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

bool stop_requested() noexcept { return stop_flag != 0; }

} // namespace tonel::bench
