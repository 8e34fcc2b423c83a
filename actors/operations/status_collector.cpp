#include "actors/operations/status_collector.hpp"

#include <caf/send.hpp>

#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

// A shard answers between two batches; if not within this time, it is stuck or restarting.
constexpr auto patience = std::chrono::seconds{1};

} // namespace

void status_collector::set_shards(const std::vector<caf::actor>& supervisors) {
  supervisors_.clear();
  for (const auto& s : supervisors)
    supervisors_.push_back(as<shard_supervisor_actor>(s));
  for (auto& [id, q] : open_)
    if (!q.sent) send(q);
}

status_collector::question& status_collector::add() {
  auto& q = open_[++last_];
  q.text.answer_to = caf::actor_cast<caf::actor>(&owner_);
  q.text.question = last_;
  q.gathered.shards_asked = shards_;
  q.deadline = owner_.now() + patience;
  return q;
}

void status_collector::ask(std::size_t sessions, std::uint64_t after, done then) {
  auto& q = add();
  q.text.sessions = sessions;
  q.text.after = after;
  q.then = std::move(then);
  send(q);
}

void status_collector::ask_all(done then) {
  auto& q = add();
  q.then = std::move(then);
  if (ask_host_) ask_host(q);
  send(q);
}

void status_collector::ask_host(question& q) {
  const auto now = owner_.now();
  q.waits_for_host = !host_asked_ || now - *host_asked_ < patience;
  if (host_asked_) return;
  host_asked_ = now;
  ask_host_(q.text.answer_to);
}

void status_collector::close(std::uint64_t session, std::function<void(bool)> then) {
  auto& q = add();
  q.session = session;
  q.then_closed = std::move(then);
  send(q);
}

void status_collector::send(question& q) {
  if (supervisors_.empty()) return; // asked by set_shards()
  q.sent = true;
  for (const auto& s : supervisors_) {
    if (q.session != 0)
      owner_.send(s, close_one{q.text.answer_to, q.text.question, q.session});
    else
      owner_.send(s, q.text);
  }
}

void status_collector::take(const shard_status& answer) {
  const auto at = open_.find(answer.question);
  if (at == open_.end()) return;
  at->second.gathered.shards.push_back(answer);
  finish_if_done(at);
}

void status_collector::take(session_status&& answer) {
  const auto at = open_.find(answer.question);
  if (at == open_.end()) return;
  at->second.gathered.sessions.push_back(std::move(answer));
  finish_if_done(at);
}

void status_collector::take(const host_answer& answer) {
  host_asked_.reset();
  for (auto at = open_.begin(); at != open_.end();) {
    const auto here = at++;
    if (!std::exchange(here->second.waits_for_host, false)) continue;
    here->second.gathered.host = answer;
    finish_if_done(here);
  }
}

void status_collector::finish_if_done(question_map::iterator at) {
  if (at->second.gathered.complete() && !at->second.waits_for_host) finish(at);
}

void status_collector::take(const session_closed& answer) {
  const auto at = open_.find(answer.question);
  if (at == open_.end()) return;
  at->second.found = at->second.found || answer.found;
  if (at->second.found || ++at->second.answers == shards_) finish(at);
}

void status_collector::on_timer() {
  const auto now = owner_.now();
  for (auto at = open_.begin(); at != open_.end();) {
    const auto here = at++;
    if (here->second.deadline <= now) finish(here);
  }
}

void status_collector::finish(question_map::iterator at) {
  auto q = std::move(at->second);
  open_.erase(at);
  q.gathered.at = owner_.now();
  if (host_asked_) q.gathered.host_silent = q.gathered.at - *host_asked_;
  if (q.then_closed)
    q.then_closed(q.found);
  else
    q.then(std::move(q.gathered));
}

std::optional<protocol::time_point> status_collector::next_deadline() const {
  std::optional<protocol::time_point> next;
  for (const auto& [id, q] : open_)
    if (!next || q.deadline < *next) next = q.deadline;
  return next;
}

} // namespace tonel::actors
