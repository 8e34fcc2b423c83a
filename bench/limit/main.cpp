// tonel-limit: the same work as tonelc and tonels by hand, in one thread around epoll, with the
// same system calls: the figure that a tunnel of actors is measured against. It has no timers, no
// coalescing, and one stream a peer; it speaks to itself only.
#include "bench/limit/segment_writer.hpp"
#include "bench/limit/tun.hpp"
#include "bench/limit/wire.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"
#include "bench/traffic/pattern.hpp"

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <unordered_map>

namespace tonel::bench {
namespace {

constexpr std::size_t reads_a_wake_up = 64;
constexpr std::size_t mtu = 1500;
constexpr std::size_t most_held = 60000;        // what a tracker lets pass before the window opens
constexpr std::uint32_t ack_bytes = 64U << 20U; // acknowledge at least so often,
constexpr instant ack_interval = 1'000'000'000; // and while data comes, once a second
constexpr instant retry_interval = 200'000'000;

instant read_clock() noexcept {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<instant>(t.tv_sec) * 1'000'000'000 + static_cast<instant>(t.tv_nsec);
}

template <class T> T random_value() {
  T value{};
  if (getrandom(&value, sizeof value, 0) != sizeof value) die("getrandom");
  return value;
}

/// Sends one payload, split by the kernel where it holds several datagrams.
class datagram_writer {
public:
  void write(int fd, const endpoint* to, const incoming& in) {
    if (in.segment == 0 || in.size <= in.segment) return send(fd, to, in.payload, in.size, 0);
    const auto step = in.segment * std::min(max_segments, max_datagram / in.segment);
    for (std::size_t at = 0; at < in.size; at += step)
      send(fd, to, in.payload + at, std::min(step, in.size - at), in.segment);
  }
  std::uint64_t failed() const noexcept { return failed_; }

private:
  void send(int fd, const endpoint* to, const std::uint8_t* bytes, std::size_t size,
            std::size_t segment) {
    iovec part{const_cast<std::uint8_t*>(bytes), size};
    msghdr header{};
    if (to) {
      header.msg_name = const_cast<sockaddr*>(&to->raw.any);
      header.msg_namelen = to->size();
    }
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))];
    if (segment != 0 && size > segment) {
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      auto* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      const auto value = static_cast<std::uint16_t>(segment);
      std::memcpy(CMSG_DATA(c), &value, sizeof value);
    }
    if (sendmsg(fd, &header, MSG_DONTWAIT) < 0) ++failed_;
  }

  std::uint64_t failed_ = 0;
};

/// What both ends share: the TUN, its sessions by the remote 4-tuple, and the fake TCP.
class tunnel_end {
public:
  explicit tunnel_end(int tun) : tun_(tun), out_(tun, mtu), packet_(vnet_size + 65536) {
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    if (poll_ < 0) die("epoll_create1");
    watch(tun_, nullptr);
  }
  virtual ~tunnel_end() = default;
  tunnel_end(const tunnel_end&) = delete;
  tunnel_end& operator=(const tunnel_end&) = delete;

  void run() {
    std::vector<epoll_event> ready(64);
    while (!stop_requested()) {
      const int count = epoll_wait(poll_, ready.data(), static_cast<int>(ready.size()), -1);
      now_ = read_clock();
      for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
        if (ready[i].data.ptr == &tun_)
          read_tun();
        else
          read_udp(static_cast<session*>(ready[i].data.ptr));
      }
    }
    std::fprintf(stderr, "too large %llu, failed writes %llu, failed sends %llu\n",
                 static_cast<unsigned long long>(out_.too_large()),
                 static_cast<unsigned long long>(out_.failed_writes()),
                 static_cast<unsigned long long>(udp_out_.failed()));
  }

protected:
  virtual session* on_stranger(const incoming& in) = 0;
  virtual void on_syn(session& to, const incoming& in) = 0;
  virtual void on_open(session& to) = 0;
  /// Where a message of `from` goes (client: `from` is the listener, null); null: nowhere yet.
  virtual session* session_of(session* from, const message& what) = 0;
  virtual int socket_of(session* from) const = 0;
  virtual const endpoint* target_of(const session& from) const = 0;

  void watch(int fd, session* of) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = fd == tun_ ? static_cast<void*>(&tun_) : of;
    if (epoll_ctl(poll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
  }

  session& add_session(const tuple& path) {
    auto made = std::make_unique<session>();
    made->path = path;
    made->address_sum = (path.local_address >> 16) + (path.local_address & 0xffff) +
                        (path.remote_address >> 16) + (path.remote_address & 0xffff);
    made->ip_id = random_value<std::uint16_t>();
    made->iss = random_value<std::uint32_t>() | 0x10000U;
    made->snd_nxt = made->iss + 1;
    auto& result = *made;
    sessions_[key_of(path)] = std::move(made);
    return result;
  }

  void send_held(session& to) {
    for (const auto& one : to.held)
      out_.add(to, one.data(), one.size(), 0);
    out_.flush(now_);
    to.held.clear();
  }

  instant now() const noexcept { return now_; }
  segment_writer& out() noexcept { return out_; }

private:
  static std::uint64_t key_of(const tuple& path) noexcept {
    return std::uint64_t{path.remote_address} << 32 | std::uint32_t{path.remote_port} << 16 |
           path.local_port;
  }
  struct key_hash {
    std::size_t operator()(std::uint64_t key) const noexcept { return mix(key); }
  };

  void read_tun() {
    for (std::size_t i = 0; i < reads_a_wake_up; ++i) {
      const auto size = read(tun_, packet_.data(), packet_.size());
      if (size <= 0) return;
      if (const auto in = parse(packet_.data(), static_cast<std::size_t>(size))) take(*in);
    }
  }

  void take(const incoming& in) {
    auto* to = last_;
    if (const auto key = key_of(in.from); !to || key != last_key_) {
      const auto found = sessions_.find(key);
      to = found != sessions_.end() ? found->second.get() : on_stranger(in);
      if (!to) return;
      last_ = to;
      last_key_ = key;
    }
    if ((in.flags & (syn | rst)) != 0) {
      if ((in.flags & syn) != 0) on_syn(*to, in);
      return;
    }
    if (to->state != phase::open) {
      if (to->state == phase::opening && target_of(*to))
        return; // a client: its SYN-ACK comes first
      to->state = phase::open;
      on_open(*to);
    }
    if (in.size == 0 && (in.flags & psh) == 0) {
      if (after(to->rcv_nxt, in.seq)) out_.write_bare(*to, ack, to->snd_nxt, now_);
      return;
    }
    const auto end = in.seq + static_cast<std::uint32_t>(in.size);
    if (after(end, to->rcv_nxt)) to->rcv_nxt = end;
    udp_out_.write(to->udp, target_of(*to), in);
    if (to->rcv_nxt - to->acked >= ack_bytes || now_ - to->acked_at >= ack_interval)
      out_.write_bare(*to, ack, to->snd_nxt, now_);
  }

  void read_udp(session* from) {
    const int count = reader_.read(socket_of(from));
    for (int i = 0; i < count; ++i) {
      const auto one = reader_.at(i);
      auto* to = session_of(from, one);
      if (to) out_.add(*to, one.bytes, one.size, one.segment);
    }
    out_.flush(now_);
  }

  int tun_;
  int poll_;
  instant now_ = 0;
  segment_writer out_;
  datagram_writer udp_out_;
  batch_reader reader_;
  std::vector<std::uint8_t> packet_;
  std::unordered_map<std::uint64_t, std::unique_ptr<session>, key_hash> sessions_;
  session* last_ = nullptr;
  std::uint64_t last_key_ = 0;
};

class client_end final : public tunnel_end {
public:
  client_end(int tun, const endpoint& listen, const endpoint& remote, std::uint32_t address)
      : tunnel_end(tun), listener_(listen.family()), remote_(remote), address_(address),
        next_port_(random_value<std::uint16_t>()) {
    listener_.enable_gro();
    listener_.bind(listen);
    watch(listener_.fd(), nullptr);
  }

private:
  session* on_stranger(const incoming&) override { return nullptr; }

  void on_syn(session& to, const incoming& in) override {
    if ((in.flags & ack) == 0 || in.ack_no != to.iss + 1) return;
    if (to.state == phase::opening) {
      to.rcv_nxt = in.seq + 1;
      to.state = phase::answered;
    }
    out().write_bare(to, ack, to.snd_nxt, now());
  }

  void on_open(session& to) override { send_held(to); }

  int socket_of(session*) const override { return listener_.fd(); }
  const endpoint* target_of(const session& from) const override { return &from.peer; }

  session* session_of(session*, const message& what) override {
    if (!last_ || !(last_->peer == what.source)) {
      auto& known = by_peer_[what.source];
      if (!known) known = &open(what.source);
      last_ = known;
    }
    if (last_->state == phase::open) return last_;
    // The window is not open before the server has spoken: keep what would fit, as copies.
    std::size_t held = 0;
    for (const auto& one : last_->held)
      held += one.size();
    for_each_datagram(what, [&](const std::uint8_t* bytes, std::size_t size) {
      if ((held += size) <= most_held) last_->held.emplace_back(bytes, bytes + size);
    });
    if (now() - last_->tried_at >= retry_interval) {
      last_->tried_at = now();
      if (last_->state == phase::opening)
        out().write_bare(*last_, syn, last_->iss, now());
      else // below what the server expects, so that it answers
        out().write_bare(*last_, ack, last_->snd_nxt - 1, now());
    }
    return nullptr;
  }

  session& open(const endpoint& peer) {
    next_port_ = static_cast<std::uint16_t>(next_port_ < 1024 ? 1024 : next_port_ + 1);
    tuple path{address_, ntohl(remote_.raw.v4.sin_addr.s_addr), next_port_, remote_.port()};
    auto& made = add_session(path);
    made.peer = peer;
    made.udp = listener_.fd();
    return made;
  }

  udp_socket listener_;
  endpoint remote_;
  std::uint32_t address_;
  std::uint16_t next_port_;
  std::unordered_map<endpoint, session*, endpoint_hash> by_peer_;
  session* last_ = nullptr;
};

class server_end final : public tunnel_end {
public:
  server_end(int tun, std::uint16_t port, const endpoint& upstream)
      : tunnel_end(tun), port_(port), upstream_(upstream) {}

private:
  session* on_stranger(const incoming& in) override {
    if ((in.flags & (syn | ack | rst)) != syn || in.from.local_port != port_) return nullptr;
    return &add_session(in.from);
  }

  void on_syn(session& to, const incoming& in) override {
    if (to.state == phase::open) return;
    to.rcv_nxt = in.seq + 1;
    out().write_bare(to, static_cast<std::uint8_t>(syn | ack), to.iss, now());
  }

  void on_open(session& to) override {
    auto& socket = sockets_[&to];
    socket = std::make_unique<udp_socket>(upstream_.family());
    socket->enable_gro();
    socket->connect(upstream_);
    to.udp = socket->fd();
    watch(to.udp, &to);
    out().write_bare(to, ack, to.snd_nxt, now()); // opens the client's window
  }

  int socket_of(session* from) const override { return from->udp; }
  const endpoint* target_of(const session&) const override { return nullptr; }
  session* session_of(session* from, const message&) override { return from; }

  std::uint16_t port_;
  endpoint upstream_;
  std::unordered_map<session*, std::unique_ptr<udp_socket>> sockets_;
};

int run(const std::string& mode, const std::vector<std::string>& words) {
  options given(mode, words, {});
  const bool client = mode == "client";
  const auto listen = given.text("listen", client ? "127.0.0.1:4000" : "4567");
  const auto remote = resolve(given.text("remote", client ? "10.99.0.2:4567" : "127.0.0.1:5000"));
  const auto name = given.text("tun", client ? "limitc0" : "limits0");
  const auto address = given.text("tun-local", client ? "192.168.200.1" : "192.168.201.1");
  const auto peer = given.text("tun-peer", client ? "192.168.200.2" : "192.168.201.2");
  const auto queue = static_cast<int>(given.number("tun-queue", 2048));
  given.finish();
  if (remote.family() != AF_INET) given.fail("--remote must be IPv4");

  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  catch_stop_signals();
  const int tun = open_tun(name, address, peer, queue);
  in_addr own{};
  inet_pton(AF_INET, peer.c_str(), &own); // packets come from, and are sent to, the peer's address
  if (client) {
    client_end(tun, resolve(listen), remote, ntohl(own.s_addr)).run();
  } else {
    server_end(tun, static_cast<std::uint16_t>(std::stoul(listen)), remote).run();
  }
  return 0;
}

} // namespace
} // namespace tonel::bench

int main(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  if (mode == "client" || mode == "server") return tonel::bench::run(mode, {argv + 2, argv + argc});
  std::fputs(R"(tonel-limit: the tunnel written by hand, which bench/run measures tonel against

tonel-limit client --listen ADDR:PORT --remote IP:PORT     UDP in, fake TCP out
tonel-limit server --listen PORT --remote IP:PORT          fake TCP in, UDP out
  --tun NAME --tun-local IP --tun-peer IP --tun-queue N
)",
             stderr);
  return 2;
}
