#include "actors/app/programs/state_keeper.hpp"

#include "actors/runtime/log.hpp"
#include "system/process.hpp"

#include <cerrno>
#include <chrono>
#include <utility>

namespace tonel::actors::app {

using namespace std::chrono_literals;

namespace {

constexpr const char* file_name = "sessions";
// Sessions come and go in numbers.
constexpr auto write_after = 2s;

std::string advice(const sys::os_error& why) {
  if (why.number == EWOULDBLOCK) return why.detail + " is in use by another program";
  if (why.number == EPERM)
    return why.to_string() +
           "; it has to belong to the user of this program, and to be closed to others";
  return why.to_string();
}

} // namespace

std::unique_ptr<state_keeper> state_keeper::open(const std::string& path,
                                                 std::size_t max_sessions) {
  auto folder = sys::state_directory::open(path);
  if (!folder) {
    log_warn("sessions will not outlive this program: ", advice(folder.error()));
    return nullptr;
  }
  std::unique_ptr<state_keeper> out{new state_keeper{std::move(*folder), max_sessions}};
  out->load();
  return out;
}

state_keeper::state_keeper(sys::state_directory folder, std::size_t max_sessions)
    : folder_(std::move(folder)), memory_(std::make_shared<session_memory>(max_sessions)) {
  memory_->keep_in_file([this] {
    const std::lock_guard lock{mutex_};
    if (!std::exchange(changed_, true)) wake_.notify_one();
  });
}

state_keeper::~state_keeper() {
  memory_->keep_in_file(nullptr);
  {
    const std::lock_guard lock{mutex_};
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
  save();
}

void state_keeper::load() {
  const auto text = folder_.read(file_name, session_memory::most_text);
  if (!text) {
    log_warn("what an earlier program left of its sessions is not used: ", advice(text.error()));
    return;
  }
  if (!*text) return;
  if (!memory_->load(**text)) {
    log_warn("what an earlier program left of its sessions is not used: ", folder_.path(), '/',
             file_name, " is damaged");
    return;
  }
  if (const auto known = memory_->size(); known != 0)
    log_info("sessions of an earlier program that can go on: ", known);
  // Before any of them is used: the counters are higher now.
  save();
}

void state_keeper::start() {
  thread_ = std::thread{[this] {
    sys::name_thread("state");
    run();
  }};
}

void state_keeper::run() {
  std::unique_lock lock{mutex_};
  for (;;) {
    wake_.wait(lock, [this] { return changed_ || ending_; });
    if (wake_.wait_for(lock, write_after, [this] { return ending_; })) return;
    changed_ = false;
    lock.unlock();
    save();
    lock.lock();
  }
}

void state_keeper::save() {
  auto now = memory_->text();
  if (now == saved_) return;
  const auto done = folder_.write(file_name, now);
  if (done) {
    saved_ = std::move(now);
    if (std::exchange(failing_, std::nullopt)) log_info("sessions are kept in ", folder_.path());
  } else if (failing_ != done.error().number) {
    failing_ = done.error().number;
    log_warn("sessions will not outlive this program: ", done.error());
  }
}

} // namespace tonel::actors::app
