#include "system/decorators/packet_capture.hpp"

#include "system/decorators/pcapng.hpp"
#include "system/worker.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

namespace tonel::sys {

namespace {

constexpr std::size_t block_size = std::size_t{1} << 20;
constexpr std::size_t max_blocks = 16;
// How long to wait for the thread, which has either nothing more to do or hangs for good.
constexpr auto writer_patience = std::chrono::milliseconds{100};

struct entry {
  packet_capture::packet about;
  std::size_t offset = 0;
  std::size_t length = 0;
};

/// Consecutive packets, with consecutive numbers.
struct block {
  std::uint64_t first = 0;
  std::vector<entry> entries;
  std::vector<std::uint8_t> octets;
  std::uint64_t closed_in = 0; ///< turn of the writer in which the block was closed
};

} // namespace

result<capture_file> capture_file::open(const std::string& path) {
  const auto failed = [&](int number, const char* operation) {
    return unexpected{os_error{number, operation, path}};
  };
  // Not blocked by a FIFO without a reader.
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0600);
  if (fd < 0) return failed(errno, "open");
  capture_file out{{real_kernel(), fd}, path};
  struct stat about {};
  if (::fstat(fd, &about) != 0) return failed(errno, "stat");
  if (!S_ISREG(about.st_mode)) return failed(EINVAL, "open");
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) return failed(errno, "flock");
  if (::fchmod(fd, 0600) != 0) return failed(errno, "chmod");
  return out;
}

/// The state that devices, writer, start() and stop() share.
struct packet_capture::state {
  explicit state(settings s) : chosen(std::move(s)) {}

  const settings chosen;
  std::atomic<bool> on{false};
  mutable std::mutex lock;
  std::condition_variable changed;
  capture_status about;
  bool writing = false; ///< the writer uses the file
  bool stopping = false;
  std::uint64_t next = 0;
  std::uint64_t turn = 0;
  block filling;
  std::deque<block> closed;
  std::vector<block> spare;
  std::size_t blocks = 0; ///< number of blocks in all
  // Used by the writer only, without the lock.
  capture_file file;
  std::vector<std::uint8_t> text;
  std::uint64_t size = 0; ///< octets of the file: whole blocks of pcapng
  bool limit_reached = false;
  bool over = false; ///< nothing more can be written

  bool make_room(std::size_t octets);
  void close_filling();
  bool pressed() const noexcept { return closed.size() > max_blocks / 2; }
  std::deque<block> take_rested();
  entry* find(std::uint64_t number) noexcept;
  void write_until_stopped();
  void write(block& from);
  bool append();
  void finish();
};

/// Whether a packet of this size fits into the present block, which may be a new one.
bool packet_capture::state::make_room(std::size_t octets) {
  if (filling.octets.capacity() != 0 && filling.octets.size() + octets <= block_size) return true;
  if (octets > block_size || (spare.empty() && blocks == max_blocks)) return false;
  if (filling.octets.capacity() != 0) close_filling();
  if (spare.empty()) {
    ++blocks;
    filling = {};
    filling.octets.reserve(block_size);
  } else {
    filling = std::move(spare.back());
    spare.pop_back();
  }
  filling.first = next;
  if (pressed()) changed.notify_all();
  return true;
}

void packet_capture::state::close_filling() {
  filling.closed_in = turn;
  closed.push_back(std::move(filling));
  filling = {};
}

/// The blocks to which no reason is added any more: those closed in the turn before; if many wait,
/// all but the newest.
std::deque<block> packet_capture::state::take_rested() {
  const bool hurry = pressed();
  std::deque<block> out;
  while (!closed.empty() &&
         (stopping || closed.front().closed_in < turn || (hurry && closed.size() > 1))) {
    out.push_back(std::move(closed.front()));
    closed.pop_front();
  }
  if (!filling.entries.empty()) close_filling();
  if (stopping)
    for (; !closed.empty(); closed.pop_front())
      out.push_back(std::move(closed.front()));
  ++turn;
  return out;
}

entry* packet_capture::state::find(std::uint64_t number) noexcept {
  const auto in = [number](block& b) -> entry* {
    const auto index = number - b.first; // huge if the packet is older
    return index < b.entries.size() ? &b.entries[index] : nullptr;
  };
  if (auto* found = in(filling)) return found;
  for (auto at = closed.rbegin(); at != closed.rend(); ++at)
    if (auto* found = in(*at)) return found;
  return nullptr;
}

void packet_capture::state::write_until_stopped() {
  // A limit on file sizes (SIGXFSZ) must be an error like others, not the end of the process.
  sigset_t too_large;
  sigemptyset(&too_large);
  sigaddset(&too_large, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &too_large, nullptr);
  std::unique_lock guard{lock};
  for (bool last = false; !last && !over;) {
    changed.wait_for(guard, chosen.rest, [this] { return stopping || pressed(); });
    last = stopping;
    auto rested = take_rested();
    guard.unlock();
    for (auto& each : rested)
      write(each);
    guard.lock();
    for (auto& each : rested) {
      each.entries.clear();
      each.octets.clear();
      spare.push_back(std::move(each));
    }
  }
  on = false;
  const bool told = limit_reached && !stopping;
  // Packets after the first that exceeds the limit do not count as lost.
  filling = {};
  closed.clear();
  spare.clear();
  blocks = 0;
  guard.unlock();
  finish();
  text = {};
  guard.lock();
  about.on = false;
  const auto now = about;
  guard.unlock();
  if (told && chosen.tell) chosen.tell(now);
  guard.lock();
  file = {};
  writing = false;
  changed.notify_all();
}

void packet_capture::state::write(block& from) {
  text.clear();
  std::uint64_t count = 0;
  for (auto& each : from.entries) {
    if (over) break;
    const protocol::byte_span octets{from.octets.data() + each.offset, each.length};
    if (each.about.unfinished) pcapng::complete_checksum(octets);
    const auto before = text.size();
    pcapng::append_packet(
        text, {each.about.time, each.about.outbound, each.about.queue, each.about.dropped}, octets);
    if (size + text.size() + pcapng::statistics_size > about.limit) {
      text.resize(before);
      limit_reached = over = true;
    } else {
      ++count;
    }
  }
  const bool written = text.empty() || append();
  const std::lock_guard guard{lock};
  (written ? about.packets : about.lost) += count;
  about.octets = size;
  about.limit_reached = limit_reached;
}

/// Writes all of the text, or nothing.
bool packet_capture::state::append() {
  auto& k = *chosen.system;
  int error = 0;
  std::size_t done = 0;
  while (done < text.size() && error == 0) {
    const long n = k.write(file.fd.get(), text.data() + done, text.size() - done);
    if (n > 0)
      done += static_cast<std::size_t>(n);
    else
      error = n == 0 ? ENOSPC : static_cast<int>(-n);
  }
  if (error == 0) {
    size += text.size();
    return true;
  }
  // A reader of the file must find whole blocks.
  if (done != 0 && ::ftruncate(file.fd.get(), static_cast<off_t>(size)) != 0) over = true;
  capture_status now;
  {
    const std::lock_guard guard{lock};
    const bool known = !about.problem.empty();
    about.problem = os_error{error, "write", file.path}.to_string();
    if (known) return false;
    now = about;
  }
  if (chosen.tell) chosen.tell(now);
  return false;
}

void packet_capture::state::finish() {
  text.clear();
  {
    const std::lock_guard guard{lock};
    pcapng::append_statistics(text, chosen.clock(), about.packets + about.lost, about.lost);
  }
  if (!append()) return;
  const std::lock_guard guard{lock};
  about.octets = size;
}

std::int64_t wall_clock() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

packet_capture::packet_capture(settings chosen)
    : state_(std::make_shared<state>(std::move(chosen))), on_(&state_->on),
      clock_(state_->chosen.clock) {}

packet_capture::~packet_capture() { stop(); }

result<void> packet_capture::start(capture_file file, std::uint64_t limit) {
  auto& s = *state_;
  {
    const std::lock_guard guard{s.lock};
    if (s.writing) return unexpected{os_error{EBUSY, "capture", s.about.file}};
  }
  // Without a writer, only this function uses the writer's members.
  if (::ftruncate(file.fd.get(), 0) != 0) return unexpected{os_error{errno, "truncate", file.path}};
  s.file = std::move(file);
  s.size = 0;
  s.limit_reached = s.over = false;
  s.text.clear();
  pcapng::append_section(s.text, s.chosen.program);
  pcapng::append_interface(s.text, s.chosen.interface);
  const long n = s.chosen.system->write(s.file.fd.get(), s.text.data(), s.text.size());
  if (n != static_cast<long>(s.text.size())) {
    os_error failed{n < 0 ? static_cast<int>(-n) : ENOSPC, "write", s.file.path};
    s.file = {};
    return unexpected{std::move(failed)};
  }
  s.size = s.text.size();
  {
    const std::lock_guard guard{s.lock};
    s.about = {};
    s.about.on = true;
    s.about.file = s.file.path;
    s.about.limit = limit;
    s.about.octets = s.size;
    s.stopping = false;
    s.writing = true;
  }
  s.on = true;
  if (!writer_) writer_ = std::make_unique<worker>(nullptr, writer_patience);
  writer_->run([of_all = state_] { of_all->write_until_stopped(); }, [] {});
  return {};
}

bool packet_capture::stop() {
  auto& s = *state_;
  std::unique_lock guard{s.lock};
  if (!s.writing) return false;
  const bool was_on = s.on.exchange(false);
  s.stopping = true;
  s.about.on = false; // even if the disk hangs
  s.changed.notify_all();
  s.changed.wait_for(guard, s.chosen.patience, [&s] { return !s.writing; });
  return was_on;
}

capture_status packet_capture::status() const {
  const std::lock_guard guard{state_->lock};
  return state_->about;
}

std::uint64_t packet_capture::add(const packet& about, const protocol::byte_view* pieces,
                                  std::size_t count) {
  auto& s = *state_;
  std::size_t length = 0;
  for (std::size_t i = 0; i < count; ++i)
    length += pieces[i].size();
  const std::lock_guard guard{s.lock};
  if (!s.on) return none;
  if (!s.make_room(length)) {
    ++s.about.lost;
    return none;
  }
  auto& to = s.filling;
  to.entries.push_back({about, to.octets.size(), length});
  for (std::size_t i = 0; i < count; ++i)
    to.octets.insert(to.octets.end(), pieces[i].begin(), pieces[i].end());
  return s.next++;
}

void packet_capture::note_dropped(std::uint64_t number, const char* reason) noexcept {
  const std::lock_guard guard{state_->lock};
  if (auto* found = state_->find(number)) found->about.dropped = reason;
}

} // namespace tonel::sys
