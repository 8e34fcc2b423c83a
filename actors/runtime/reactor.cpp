#include "actors/runtime/reactor.hpp"

#include "actors/runtime/log.hpp"
#include "actors/runtime/reactor_actor.hpp"
#include "system/process.hpp"

#include <caf/actor_control_block.hpp>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <utility>

namespace tonel::actors {

namespace {

// The messages that one actor handles before the next has its turn; and the rounds of actors and
// timers before the descriptors' turn: large enough to amortise, small enough to stay fair. When
// thousands of sessions end at once, other sessions' datagrams must not wait for all of them.
constexpr std::size_t max_throughput = 64;
constexpr int max_rounds = 8;
constexpr std::size_t max_turns = 64;

} // namespace

reactor::reactor(caf::actor_system& system, std::unique_ptr<sys::event_loop> loop)
    : caf::execution_unit(&system), loop_(std::move(loop)), caught_up_(loop_->now()) {}

reactor::~reactor() {
  stop();
  if (current() == this) current() = nullptr; // the next reactor may have this address
  take_inbox();
  for (auto* job : jobs_)
    caf::intrusive_ptr_release(job);
}

reactor*& reactor::current() noexcept {
  static thread_local reactor* unit = nullptr;
  return unit;
}

void reactor::exec_later(caf::resumable* job) {
  if (current() == this) {
    jobs_.push_back(job);
    return;
  }
  {
    const std::lock_guard<std::mutex> guard{inbox_mutex_};
    inbox_.push_back(job);
  }
  nudge();
}

void reactor::nudge() noexcept {
  has_inbox_ = true;
  loop_->wake(); // a system call only if the loop sleeps
}

void reactor::start(const std::string& name) {
  thread_ = std::thread{[this, name] {
    sys::name_thread(name);
    set_log_component(name);
    // The default of 50 us would be added to each rest.
    sys::set_timer_slack(std::chrono::nanoseconds{1});
    while (!stop_)
      run_once(protocol::duration{-1});
  }};
}

void reactor::stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  loop_->wake();
  thread_.join();
}

void reactor::take_inbox() {
  has_inbox_ = false;
  const std::lock_guard<std::mutex> guard{inbox_mutex_};
  jobs_.insert(jobs_.end(), inbox_.begin(), inbox_.end());
  inbox_.clear();
}

void reactor::run_jobs() {
  auto turns = max_turns;
  for (int round = 0; round < max_rounds && !jobs_.empty(); ++round) {
    for (auto n = std::min(jobs_.size(), turns); n > 0; --n, --turns) {
      auto* job = jobs_.front();
      jobs_.pop_front();
      if (job->resume(this, max_throughput) == caf::resumable::resume_later)
        jobs_.push_back(job);
      else
        caf::intrusive_ptr_release(job);
    }
  }
}

void reactor::fire_timers() {
  if (next_expired_ == expired_.size()) {
    expired_.clear();
    next_expired_ = 0;
    loop_->timers().expire(loop_->now(), expired_);
    for (const auto token : expired_)
      find(token)->due = true;
  }
  const auto end = std::min(expired_.size(), next_expired_ + max_turns);
  while (next_expired_ < end) {
    const auto token = expired_[next_expired_++];
    auto* s = find(token);
    // Its owner may have ended or armed it again since it was due.
    if (s != nullptr && std::exchange(s->due, false)) deliver(token, timer_event{});
  }
}

void reactor::run_once(protocol::duration limit) {
  current() = this;
  if (has_inbox_) take_inbox();
  run_jobs();
  if (between_passes_) between_passes_();

  std::size_t count = 0;
  const bool done = is_done();
  if (done) {
    const auto rest = coalescing_.after_pass(std::exchange(found_, 0));
    if (rest > protocol::duration::zero()) {
      loop_->rest(rest);
      count = loop_->wait(ready_.data(), ready_.size(), protocol::duration::zero());
      if (count == 0) coalescing_.rested_in_vain();
    }
  }
  if (count == 0) {
    // A message queued meanwhile has called wake(), which ends this wait at once.
    const auto wait_for = is_done() && !has_inbox_ && !stop_ ? limit : protocol::duration::zero();
    count = loop_->wait(ready_.data(), ready_.size(), wait_for);
  }

  if (done) caught_up_ = loop_->now();

  if (loop_->resumed() && on_resume_) on_resume_();
  fire_timers();
  for (std::size_t i = 0; i < count; ++i)
    deliver(ready_[i].token,
            fd_event{ready_[i].token, ready_[i].readable, ready_[i].writable, ready_[i].failed});
  // Otherwise another reactor at this address would be taken for the one of this thread.
  current() = nullptr;
}

bool reactor::is_idle(reactor_actor& actor) const noexcept {
  return actor.mailbox().blocked() &&
         std::find(running_.begin(), running_.end(), &actor) == running_.end();
}

template <class Event> void reactor::deliver(std::uint64_t token, const Event& event) {
  auto* s = find(token);
  if (s == nullptr) return; // the owner has ended within this pass
  // The owner may end in its handler and release the slot.
  const auto guard = s->owner_ref;
  hand(*s->owner, event);
}

std::uint64_t reactor::take_slot(reactor_actor* owner) {
  std::uint32_t index = 0;
  if (free_slots_.empty()) {
    index = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_slots_.back();
    free_slots_.pop_back();
  }
  auto& s = slots_[index];
  s.owner_ref = caf::strong_actor_ptr{owner->ctrl()};
  s.owner = owner;
  return (std::uint64_t{s.generation} << 32) | index;
}

reactor::slot* reactor::find(std::uint64_t token) noexcept {
  const auto index = static_cast<std::uint32_t>(token);
  if (index >= slots_.size()) return nullptr;
  auto& s = slots_[index];
  return s.owner != nullptr && s.generation == static_cast<std::uint32_t>(token >> 32) ? &s
                                                                                       : nullptr;
}

void reactor::release(std::uint64_t token) noexcept {
  auto* s = find(token);
  if (s == nullptr) return;
  ++s->generation;
  s->owner = nullptr;
  s->due = false;
  s->fd = -1;
  free_slots_.push_back(static_cast<std::uint32_t>(token));
  // Last, and by locals: destroying `keep` or the actor may call this function again.
  const auto keep = std::move(s->keep);
  const auto owner = std::move(s->owner_ref);
}

reactor::watch_id reactor::watch(int fd, sys::interest what, reactor_actor* owner,
                                 std::shared_ptr<void> keep) {
  const auto token = take_slot(owner);
  auto* s = find(token);
  s->fd = fd;
  s->keep = std::move(keep);
  if (auto ok = loop_->watch(fd, what, token); !ok) {
    const auto text = ok.error().to_string();
    release(token);
    throw std::runtime_error(text);
  }
  return token;
}

void reactor::change(watch_id watch, sys::interest what) noexcept {
  // Called when a slab returns, so it must not throw; it only fails for a closed descriptor, and a
  // watch keeps its descriptor open.
  if (auto* s = find(watch)) static_cast<void>(loop_->change(s->fd, what, watch));
}

void reactor::forget(watch_id watch) noexcept {
  auto* s = find(watch);
  if (s == nullptr) return;
  loop_->forget(s->fd);
  release(watch);
}

sys::timer_wheel::timer_id reactor::create_timer(reactor_actor* owner) {
  const auto token = take_slot(owner);
  const auto timer = loop_->timers().create(token);
  find(token)->timer = timer;
  if (timer_tokens_.size() <= timer) timer_tokens_.resize(timer + 1);
  timer_tokens_[timer] = token;
  return timer;
}

void reactor::arm_timer(sys::timer_wheel::timer_id timer, std::optional<protocol::time_point> at) {
  find(timer_tokens_[timer])->due = false;
  if (at)
    loop_->timers().arm(timer, *at);
  else
    loop_->timers().cancel(timer);
}

void reactor::destroy_timer(sys::timer_wheel::timer_id timer) noexcept {
  loop_->timers().destroy(timer);
  release(timer_tokens_[timer]);
}

} // namespace tonel::actors
