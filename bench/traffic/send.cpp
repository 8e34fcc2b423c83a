#include "bench/traffic/commands.hpp"
#include "bench/traffic/json.hpp"
#include "bench/traffic/net.hpp"
#include "bench/traffic/options.hpp"
#include "bench/traffic/pattern.hpp"
#include "bench/traffic/tally.hpp"

#include <netinet/udp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <limits>
#include <thread>

namespace tonel::bench {
namespace {

constexpr std::size_t max_batch = 1024;
constexpr std::size_t max_segments = 64;
constexpr std::size_t max_sources = 60000;
constexpr auto unlimited = std::numeric_limits<std::uint64_t>::max();
// A sender that was kept from running catches up with so much at most: a longer burst would measure
// the queues behind it.
constexpr double max_catch_up = 0.02;

enum class mode { single, mmsg, gso };

/// Gives the size of each datagram to send: a list in turn, or a range at random.
struct size_source {
  std::vector<std::size_t> list{1400};
  std::size_t low = 0;
  std::size_t high = 0; ///< not 0: a range
  std::uint64_t drawn = 0;
  std::uint64_t seed = 0;

  std::size_t next() noexcept {
    const auto turn = drawn++;
    if (high == 0) return list[turn % list.size()];
    return low + mix(seed + turn) % (high - low + 1);
  }
  std::size_t largest() const noexcept {
    return high != 0 ? high : *std::max_element(list.begin(), list.end());
  }
  bool fixed() const noexcept { return high == 0 && list.size() == 1; }
};

std::size_t parse_size(options& given, const std::string& text) {
  if (text.empty() || text.size() > 5 ||
      text.find_first_not_of("0123456789") != std::string::npos || std::stoul(text) > max_datagram)
    given.fail("'" + text + "' is not a size from 0 to 65507");
  return std::stoul(text);
}

size_source parse_sizes(options& given) {
  size_source sizes;
  const auto one = given.text("size");
  const auto many = given.text("sizes");
  if (one && many) given.fail("--size and --sizes exclude each other");
  if (one) sizes.list = {parse_size(given, *one)};
  if (!many) return sizes;
  if (const auto dash = many->find('-'); dash != std::string::npos) {
    sizes.low = parse_size(given, many->substr(0, dash));
    sizes.high = parse_size(given, many->substr(dash + 1));
    if (sizes.low > sizes.high || sizes.high == 0) given.fail("--sizes A-B needs A <= B and B > 0");
    return sizes;
  }
  sizes.list.clear();
  for (std::size_t at = 0; at <= many->size();) {
    const auto comma = std::min(many->find(',', at), many->size());
    sizes.list.push_back(parse_size(given, many->substr(at, comma - at)));
    at = comma + 1;
  }
  return sizes;
}

/// One socket and the numbers of its stream.
struct source {
  udp_socket socket;
  stamp next;
};

struct totals {
  std::uint64_t sent = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t refused = 0;
  int last_error = 0;
};

/// Makes bursts of datagrams and sends them.
class burst {
public:
  burst(mode how, std::size_t batch, std::size_t largest)
      : how_(how), bytes_(std::max<std::size_t>(1, batch * largest)), parts_(batch),
        headers_(batch) {}

  /// Gives the bytes of the burst, which is the next `count` datagrams of `from`.
  std::uint64_t make(source& from, std::size_t count, size_source& sizes) {
    count_ = count;
    auto* at = bytes_.data();
    for (std::size_t i = 0; i < count; ++i) {
      const auto size = sizes.next();
      fill(at, size, from.next);
      if (is_numbered(size)) ++from.next.sequence;
      parts_[i] = {at, size};
      at += size;
    }
    return static_cast<std::uint64_t>(at - bytes_.data());
  }

  void send(int fd, totals& sum) {
    switch (how_) {
    case mode::single:
      for (std::size_t i = 0; i < count_; ++i)
        send_run(fd, i, 1, sum);
      break;
    case mode::mmsg: send_all(fd, sum); break;
    case mode::gso:
      for (std::size_t i = 0; i < count_;) {
        const auto length = run_at(i);
        send_run(fd, i, length, sum);
        i += length;
      }
      break;
    }
  }

private:
  /// How many datagrams from `first` on are of one size and fit in one message.
  std::size_t run_at(std::size_t first) const noexcept {
    const auto size = parts_[first].iov_len;
    if (size == 0) return 1;
    const auto most = std::min({max_segments, count_ - first, max_datagram / size});
    std::size_t length = 1;
    while (length < most && parts_[first + length].iov_len == size)
      ++length;
    return length;
  }

  void send_run(int fd, std::size_t first, std::size_t length, totals& sum) {
    iovec whole{parts_[first].iov_base, parts_[first].iov_len * length};
    msghdr header{};
    header.msg_iov = &whole;
    header.msg_iovlen = 1;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
    if (length > 1) {
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      auto* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      const auto segment = static_cast<std::uint16_t>(parts_[first].iov_len);
      std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
    }
    for (int tries = 0;;) {
      if (sendmsg(fd, &header, 0) >= 0) return count(first, length, sum);
      if (!again(tries, length, sum)) return;
    }
  }

  void send_all(int fd, totals& sum) {
    for (std::size_t i = 0; i < count_; ++i) {
      headers_[i] = {};
      headers_[i].msg_hdr.msg_iov = &parts_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
    int tries = 0;
    for (std::size_t done = 0; done < count_;) {
      const int sent = sendmmsg(fd, &headers_[done], static_cast<unsigned>(count_ - done), 0);
      if (sent > 0) {
        count(done, static_cast<std::size_t>(sent), sum);
        done += static_cast<std::size_t>(sent);
        tries = 0;
      } else if (!again(tries, 1, sum)) {
        ++done;
        tries = 0;
      }
    }
  }

  void count(std::size_t first, std::size_t length, totals& sum) const noexcept {
    sum.sent += length;
    for (std::size_t i = first; i < first + length; ++i)
      sum.bytes += parts_[i].iov_len;
  }

  /// True iff what failed is to be tried again. A refusal tells of an earlier datagram: this one
  /// has not been sent yet.
  static bool again(int& tries, std::size_t length, totals& sum) noexcept {
    if (errno == ECONNREFUSED && ++tries < 4) {
      ++sum.refused;
      return true;
    }
    if (errno == EINTR && !stop_requested()) return true;
    sum.errors += length;
    sum.last_error = errno;
    return false;
  }

  mode how_;
  std::size_t count_ = 0;
  std::vector<std::uint8_t> bytes_;
  std::vector<iovec> parts_;
  std::vector<mmsghdr> headers_;
};

/// Receives on the senders' sockets, in a thread of its own, until told that the last datagram has
/// been sent and nothing has come for `linger` seconds.
class echo_receiver {
public:
  echo_receiver(std::vector<source>& sources, double linger) : linger_(linger) {
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    if (poll_ < 0) die("epoll_create1");
    for (std::size_t i = 0; i < sources.size(); ++i) {
      sources[i].socket.enable_gro();
      sources[i].socket.enable_drop_count();
      endpoints_.push_back(sources[i].socket.local());
      fds_.push_back(sources[i].socket.fd());
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      if (epoll_ctl(poll_, EPOLL_CTL_ADD, fds_.back(), &event) != 0) die("epoll_ctl");
    }
    thread_ = std::thread([this] { receive(); });
  }
  ~echo_receiver() {
    finish();
    close(poll_);
  }

  void finish() {
    sending_ = false;
    if (thread_.joinable()) thread_.join();
  }
  void write(json_object& out, bool each) const { seen_.write(out, each); }

private:
  void receive() {
    double last = now_seconds();
    std::vector<epoll_event> ready(64);
    while (true) {
      const int count = epoll_wait(poll_, ready.data(), static_cast<int>(ready.size()), 20);
      const double now = now_seconds();
      if (sending_) last = now;
      for (int i = 0; i < count; ++i) {
        const auto index = static_cast<std::size_t>(ready[static_cast<std::size_t>(i)].data.u64);
        // A negative count is a refusal that one of our datagrams drew: the sender sees it too.
        const int got = reader_.read(fds_[index]);
        for (int m = 0; m < got; ++m) {
          // All come from one address: our own socket tells the streams apart.
          for_each_datagram(reader_.at(m), [&](const std::uint8_t* bytes, std::size_t size) {
            seen_.note(endpoints_[index], bytes, size);
          });
        }
        if (got > 0) last = now;
      }
      if (now - last > linger_ && !sending_) return;
    }
  }

  double linger_;
  int poll_;
  std::vector<endpoint> endpoints_;
  std::vector<int> fds_;
  batch_reader reader_;
  tally seen_;
  std::atomic<bool> sending_{true};
  std::thread thread_;
};

/// What the command line says.
struct plan {
  endpoint address;
  size_source sizes;
  mode how = mode::single;
  std::uint64_t batch = 1;
  std::optional<double> bps;
  std::optional<double> pps;
  std::uint64_t most_count = unlimited;
  std::uint64_t most_bytes = unlimited;
  std::optional<double> seconds;
  std::uint64_t sources = 1;
  std::optional<std::string> bind_to;
  std::uint64_t seed = 0;
  bool spin = false;
  bool stamped = false;
  bool serve = false;
  bool all_at_end = false;
  bool echo = false;
  bool each = false;
  double linger = 0;
};

plan parse(const words& args) {
  options given("send", args,
                {"single", "mmsg", "gso", "expect-echo", "per-source", "spin", "stamp", "serve",
                 "all-at-end"});
  plan p;
  p.address = resolve(given.word("HOST:PORT"));
  p.sizes = parse_sizes(given);
  const bool single = given.flag("single");
  const bool mmsg = given.flag("mmsg");
  const bool gso = given.flag("gso");
  if (int{single} + int{mmsg} + int{gso} > 1)
    given.fail("--single, --mmsg and --gso exclude each other");
  p.how = gso ? mode::gso : mmsg ? mode::mmsg : mode::single;
  std::size_t natural = p.how == mode::single ? 1 : max_segments;
  if (gso && p.sizes.fixed() && p.sizes.largest() > 0)
    natural = std::min(max_segments, max_datagram / p.sizes.largest());
  p.batch = given.number("batch", natural);
  if (p.batch < 1 || p.batch > max_batch) given.fail("--batch is 1 to 1024");
  p.bps = given.quantity("rate-bps");
  p.pps = given.quantity("rate-pps");
  if (p.bps && p.pps) given.fail("--rate-bps and --rate-pps exclude each other");
  p.spin = given.flag("spin");
  if (p.spin && !p.bps && !p.pps) given.fail("--spin needs a rate");
  p.most_count = given.number("count", unlimited);
  p.most_bytes = given.number("bytes", unlimited);
  p.seconds = given.quantity("seconds");
  p.sources = given.number("sources", 1);
  if (p.sources < 1 || p.sources > max_sources) given.fail("--sources is 1 to 60000");
  p.bind_to = given.text("bind");
  const auto clock = std::chrono::system_clock::now().time_since_epoch().count();
  p.seed = given.number("seed", static_cast<std::uint64_t>(clock));
  p.sizes.seed = mix(p.seed);
  p.stamped = given.flag("stamp");
  p.serve = given.flag("serve");
  if (p.serve && (p.bind_to || p.sources > 1))
    given.fail("--serve takes neither --bind nor --sources");
  p.all_at_end = given.flag("all-at-end");
  p.echo = given.flag("expect-echo");
  p.each = given.flag("per-source");
  p.linger = 1e-3 * static_cast<double>(given.number("linger-ms", 500));
  given.finish();
  return p;
}

std::vector<source> open_sources(const plan& p) {
  std::vector<source> sources;
  sources.reserve(p.sources);
  for (std::uint32_t i = 0; i < p.sources; ++i) {
    sources.push_back({udp_socket(p.address.family()), {p.seed, i, 0, 0}});
    if (p.bind_to) {
      auto local = resolve(*p.bind_to);
      if (local.port() != 0) local.set_port(static_cast<std::uint16_t>(local.port() + i));
      sources.back().socket.bind(local);
    }
    sources.back().socket.connect(p.address);
  }
  return sources;
}

/// One source that sends to whoever asks first, from the address that was asked. Without any if
/// told to stop before.
std::vector<source> await_request(const plan& p) {
  std::vector<source> sources;
  udp_socket socket(p.address.family());
  socket.bind(p.address);
  std::fprintf(stderr, "listening %s\n", socket.local().text().c_str());
  batch_reader reader(1);
  while (!stop_requested()) {
    pollfd ready{socket.fd(), POLLIN, 0};
    if (poll(&ready, 1, static_cast<int>(1000 * longest_wait)) <= 0) continue;
    if (reader.read(socket.fd()) < 1) continue;
    socket.connect(reader.at(0).source);
    sources.push_back({std::move(socket), {p.seed, 0, 0, 0}});
    break;
  }
  return sources;
}

/// Says when the next burst is due, and waits for it.
class pacer {
public:
  explicit pacer(const plan& p)
      : p_(p), start_(now_seconds()),
        end_(p.seconds ? start_ + *p.seconds : std::numeric_limits<double>::infinity()) {}

  /// False when the time is over.
  bool wait() {
    while (!stop_requested()) {
      const double due = start_ + behind_ + paced_;
      const double now = now_seconds();
      if (now >= end_) return false;
      if (now >= due) {
        note_lateness(now - due);
        return true;
      }
      // Busy waiting is the only way to be on time to the microsecond.
      if (!p_.spin) wait_until(std::min({due, end_, now + longest_wait}));
    }
    return false;
  }

  void sent(std::size_t count, std::uint64_t bytes) noexcept {
    if (p_.pps) paced_ += static_cast<double>(count) / *p_.pps;
    if (p_.bps) paced_ += 8 * static_cast<double>(bytes) / *p_.bps;
  }

  double took() const noexcept { return now_seconds() - start_; }
  void write(json_object& out) const {
    out.add("behind_s", behind_);
    out.add("late_percent", 100 * static_cast<double>(late_) /
                                static_cast<double>(std::max<std::uint64_t>(1, all_)));
  }

private:
  void note_lateness(double late) noexcept {
    if (!p_.pps && !p_.bps) return;
    ++all_;
    if (late > late_from) ++late_;
    if (late > max_catch_up) behind_ += late - max_catch_up;
  }

  static constexpr double late_from = 1e-4;

  const plan& p_;
  double start_;
  double end_;
  double behind_ = 0; // seconds of the schedule given up
  double paced_ = 0;  // seconds that what was sent is worth at the rate
  std::uint64_t all_ = 0;
  std::uint64_t late_ = 0;
};

/// Sends by the plan until it is fulfilled. What could not be sent counts as done, so that an end
/// is always reached.
totals send_all(plan& p, std::vector<source>& sources, pacer& pace) {
  burst out(p.how, p.batch, p.sizes.largest());
  totals sum;
  std::size_t turn = 0;
  std::uint64_t made = 0;
  std::uint64_t made_bytes = 0;
  const auto send = [&](source& from, std::size_t count) {
    if (p.stamped) from.next.time = now_nanoseconds();
    const auto bytes = out.make(from, count, p.sizes);
    out.send(from.socket.fd(), sum);
    made += count;
    made_bytes += bytes;
    pace.sent(count, bytes);
  };
  while (!sources.empty() && made < p.most_count && made_bytes < p.most_bytes && pace.wait()) {
    send(sources[turn], static_cast<std::size_t>(std::min(p.batch, p.most_count - made)));
    turn = (turn + 1) % sources.size();
  }
  if (p.all_at_end)
    for (auto& from : sources)
      send(from, 1);
  return sum;
}

} // namespace

int run_send(const words& args) {
  auto p = parse(args);
  catch_stop_signals();
  raise_descriptor_limit();
  auto sources = p.serve ? await_request(p) : open_sources(p);
  std::optional<echo_receiver> back;
  if (p.echo) back.emplace(sources, p.linger);

  pacer pace(p);
  const auto sum = send_all(p, sources, pace);
  const double took = pace.took();

  json_object result;
  result.add("sent", sum.sent)
      .add("bytes", sum.bytes)
      .add("errors", sum.errors)
      .add("refused", sum.refused)
      .add("seconds", took);
  pace.write(result);
  result.add("gbit_per_s", took > 0 ? 8e-9 * static_cast<double>(sum.bytes) / took : 0.0)
      .add("pps", took > 0 ? static_cast<double>(sum.sent) / took : 0.0)
      .add("sources", std::uint64_t{sources.size()})
      .add("seed", p.seed);
  if (sum.errors > 0) result.add("last_error", std::string{std::strerror(sum.last_error)});
  if (back) {
    back->finish();
    json_object came;
    back->write(came, p.each);
    result.add("echo", came);
  }
  result.print();
  return 0;
}

} // namespace tonel::bench
