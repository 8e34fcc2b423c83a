#include "system/line_writer.hpp"

#include "system/posix/blocked_signals.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace tonel::sys {

namespace {

using clock = std::chrono::steady_clock;

// Nanoseconds between tries, if another program has made stderr non-blocking and it is full.
constexpr std::int64_t full_rest = 10'000'000;

result<descriptor> open_log_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return unexpected{os_error{errno, "open", path}};
  return descriptor{real_kernel(), fd};
}

} // namespace

/// Shared with the thread, which may outlive the writer.
struct line_writer::state {
  struct entry {
    std::string line;
    std::uint64_t lost_before = 0; ///< lines lost between the line before and this one
  };

  state(kernel& k, lost_text t, line_bounds b) : os(k), text(std::move(t)), most(b) {}

  kernel& os;
  const lost_text text;
  const line_bounds most;
  std::atomic<std::uint64_t> lost{0};
  std::atomic<bool> given_up{false};

  std::mutex lock;
  std::condition_variable work, progress;
  std::deque<entry> waiting;
  std::size_t octets = 0;       ///< of the lines that wait
  std::uint64_t lost_after = 0; ///< lines lost after the last waiting line
  failure reopening;            ///< set: reopen() was called
  bool busy = false;            ///< a thread writes
  clock::time_point busy_since{};
  bool stopping = false, ended = false;
  std::thread thread;

  // Used by the thread that is busy.
  std::string path;
  descriptor file; ///< none: stderr
  bool torn = false;
  std::uint64_t untold = 0;

  bool has_work() const { return !waiting.empty() || reopening || lost_after > 0; }
  bool is_idle() const { return !busy && !has_work(); }

  void add(std::string line) {
    if (given_up || waiting.size() >= most.lines || octets + line.size() > most.octets) {
      ++lost_after;
      lost.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    octets += line.size();
    waiting.push_back({std::move(line), std::exchange(lost_after, 0)});
  }

  /// Does the next piece of work, and releases the lock meanwhile.
  void step(std::unique_lock<std::mutex>& guard) {
    busy = true;
    busy_since = clock::now();
    const auto failed = std::exchange(reopening, {});
    std::optional<entry> next;
    if (failed) {
      // a failure is reported before waiting lines, which may be many
    } else if (!waiting.empty()) {
      next = std::move(waiting.front());
      waiting.pop_front();
      octets -= next->line.size();
    } else {
      untold += std::exchange(lost_after, 0);
    }
    guard.unlock();
    std::optional<os_error> problem;
    if (failed)
      problem = open_again();
    else
      put(next);
    guard.lock();
    busy = false;
    progress.notify_all();
    if (!problem) return;
    guard.unlock(); // the callback may write lines
    failed(*problem);
    guard.lock();
  }

  std::optional<os_error> open_again() {
    if (path.empty()) return {};
    auto opened = open_log_file(path);
    if (!opened) return opened.error();
    file = std::move(*opened);
    torn = false;
    return {};
  }

  void put(const std::optional<entry>& next) {
    if (next) untold += next->lost_before;
    if (untold > 0 && put(text(untold))) untold = 0;
    if (!next || put(next->line)) return;
    ++untold;
    lost.fetch_add(1, std::memory_order_relaxed);
  }

  /// Writes a line; false: not all of it.
  bool put(std::string line) {
    // The torn part of the line before must not run into this one.
    if (torn) line.insert(0, 1, '\n');
    line += '\n';
    const int fd = file ? file.get() : STDERR_FILENO;
    std::size_t done = 0;
    while (done < line.size()) {
      const long n = os.write(fd, line.data() + done, line.size() - done);
      if (n > 0) {
        done += static_cast<std::size_t>(n);
        torn = true;
      } else if (n == -EAGAIN && !given_up) {
        os.sleep(full_rest);
      } else {
        return false;
      }
    }
    torn = false;
    return true;
  }

  /// Writes all, on the calling thread, while there is no thread of its own.
  void drain(std::unique_lock<std::mutex>& guard) {
    progress.wait(guard, [this] { return !busy; });
    while (has_work() && !busy)
      step(guard);
  }

  void more(std::unique_lock<std::mutex>& guard) {
    if (thread.joinable())
      work.notify_one();
    else if (!given_up)
      drain(guard);
  }

  void loop() {
    // Without a reader, lines are lost; the process must not end.
    (void)block_signals({SIGPIPE});
    std::unique_lock guard{lock};
    for (;;) {
      work.wait(guard, [this] { return stopping || has_work(); });
      if (given_up || !has_work()) break;
      step(guard);
    }
    ended = true;
    progress.notify_all();
  }
};

line_writer::line_writer(kernel& k, lost_text text, line_bounds bounds)
    : state_(std::make_shared<state>(k, std::move(text), bounds)) {}

line_writer::~line_writer() { stop(protocol::duration::zero()); }

result<void> line_writer::open(const std::string& path) {
  descriptor file;
  if (!path.empty()) {
    auto opened = open_log_file(path);
    if (!opened) return unexpected{opened.error()};
    file = std::move(*opened);
  }
  std::unique_lock guard{state_->lock};
  state_->progress.wait(guard, [this] { return !state_->busy; });
  state_->path = path;
  state_->file = std::move(file);
  state_->torn = false;
  return {};
}

void line_writer::reopen(failure failed) {
  std::unique_lock guard{state_->lock};
  state_->reopening = std::move(failed);
  state_->more(guard);
}

void line_writer::write(std::string line) {
  std::unique_lock guard{state_->lock};
  state_->add(std::move(line));
  state_->more(guard);
}

void line_writer::start() {
  const std::lock_guard guard{state_->lock};
  if (state_->given_up || state_->thread.joinable()) return;
  state_->thread = std::thread{[s = state_] { s->loop(); }};
}

bool line_writer::flush(protocol::duration patience) {
  std::unique_lock guard{state_->lock};
  return state_->progress.wait_for(guard, patience, [this] { return state_->is_idle(); });
}

void line_writer::stop(protocol::duration patience) {
  auto& s = *state_;
  std::unique_lock guard{s.lock};
  if (!s.thread.joinable()) return;
  s.stopping = true;
  s.work.notify_one();
  const auto last = clock::now() + patience;
  while (!s.ended) {
    const auto until = s.busy ? std::min(last, s.busy_since + patience) : last;
    if (clock::now() >= until) break;
    s.progress.wait_until(guard, until);
  }
  if (!s.ended) {
    s.given_up = true;
    s.thread.detach();
    return;
  }
  auto thread = std::move(s.thread);
  s.stopping = s.ended = false;
  guard.unlock();
  thread.join();
  guard.lock();
  s.drain(guard); // lines that came after the thread's end
}

std::uint64_t line_writer::lost() const noexcept {
  return state_->lost.load(std::memory_order_relaxed);
}

} // namespace tonel::sys
