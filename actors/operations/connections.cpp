#include "actors/operations/connections.hpp"

#include "actors/runtime/log.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

// Wait without a free descriptor: the listener stays readable, and the loop would do nothing else.
constexpr auto no_descriptor_rest = std::chrono::seconds{1};
// The most connections to accept in one wake-up, so that clients are read in between.
constexpr std::size_t most_at_once = 8;

} // namespace

connections::connections(reactor_actor& owner, std::shared_ptr<sys::stream_listener> listener,
                         connection_bounds bounds, admission admit, request_handler on_request)
    : owner_(owner), listener_(std::move(listener)), bounds_(bounds), admit_(std::move(admit)),
      on_request_(std::move(on_request)) {
  watch_ = owner_.watch(listener_->fd(), listener_);
}

void connections::on_ready(const fd_event& event) {
  if (event.watch == watch_) {
    accept();
    return;
  }
  const auto at = std::find_if(clients_.begin(), clients_.end(),
                               [&](const auto& c) { return c.second.watch == event.watch; });
  if (at == clients_.end()) return;
  const auto event_client = at->first;
  if (at->second.out.empty())
    read(at);
  else if (flush(at))
    serve(event_client);
}

void connections::accept() {
  for (std::size_t taken = 0; has_room(); ++taken) {
    if (taken == most_at_once) return; // the listener stays readable
    auto next = listener_->accept();
    if (!next) {
      log_warn("a connection has to wait: ", next.error());
      accept_again_ = owner_.now() + no_descriptor_rest;
      return listen(false);
    }
    if (!*next) return;
    if (!admit_(**next)) continue;
    client c;
    c.socket = std::make_shared<sys::stream_connection>(std::move(**next));
    c.watch = owner_.watch(c.socket->fd(), c.socket);
    pace(c);
    clients_.emplace(++last_id_, std::move(c));
    make_way();
  }
  full_ = true;
  listen(false);
}

bool connections::has_room() {
  return clients_.size() < bounds_.clients ||
         (bounds_.silent_make_way && oldest_silent() != clients_.end());
}

void connections::make_way() {
  while (clients_.size() > bounds_.clients) {
    const auto at = oldest_silent();
    if (at == clients_.end()) return;
    const auto id = at->first;
    read(at); // it may have asked just now
    const auto still = clients_.find(id);
    if (still != clients_.end() && still->second.is_silent()) drop(still);
  }
}

connections::client_map::iterator connections::oldest_silent() {
  return std::find_if(clients_.begin(), clients_.end(),
                      [](const auto& c) { return c.second.is_silent(); });
}

void connections::listen(bool on) {
  owner_.loop().change(watch_, on ? sys::interest::readable : sys::interest::none);
}

void connections::read(client_map::iterator at) {
  auto& c = at->second;
  while (c.in.size() < bounds_.request) {
    const auto state = c.socket->read(c.in, bounds_.request - c.in.size());
    if (state == sys::io_state::would_block) break;
    if (state == sys::io_state::ended) {
      drop(at);
      return;
    }
  }
  serve(at->first);
}

void connections::serve(client_id id) {
  if (serving_ == id) return; // called within the loop below, which goes on
  serving_ = id;
  for (auto at = clients_.find(id); at != clients_.end(); at = clients_.find(id)) {
    auto& c = at->second;
    if (c.asked || !c.out.empty()) break;
    c.asked = true;
    if (!on_request_(id, c.in)) {
      c.asked = false;
      if (c.in.size() >= bounds_.request) drop(at);
      break;
    }
    at = clients_.find(id); // the connection may have ended with the answer
    if (at == clients_.end()) break;
    if (at->second.asked) owner_.loop().change(at->second.watch, sys::interest::none);
  }
  serving_ = 0;
}

void connections::answer(client_id id, std::string text, bool last) {
  const auto at = clients_.find(id);
  if (at == clients_.end() || !at->second.asked) return;
  auto& c = at->second;
  c.out = std::move(text);
  c.written = 0;
  c.last = last;
  pace(c);
  if (!flush(at)) return;
  c.asked = false;
  serve(id);
}

bool connections::flush(client_map::iterator at) {
  auto& c = at->second;
  const auto state = c.socket->write(c.out, c.written);
  if (state == sys::io_state::ended || (state == sys::io_state::done && c.last)) {
    drop(at);
    return false;
  }
  if (state == sys::io_state::done) {
    std::string{}.swap(c.out);
    owner_.loop().change(c.watch, sys::interest::readable);
  } else {
    owner_.loop().change(c.watch, sys::interest::writable);
  }
  return true;
}

void connections::drop(client_map::iterator at) {
  owner_.unwatch(at->second.watch);
  clients_.erase(at);
  if (std::exchange(full_, false)) listen(true);
}

void connections::pace(client& c) { c.deadline = owner_.now() + bounds_.patience; }

void connections::on_timer() {
  const auto now = owner_.now();
  for (auto at = clients_.begin(); at != clients_.end();) {
    const auto here = at++;
    if (here->second.deadline <= now) drop(here);
  }
  if (!accept_again_ || *accept_again_ > now) return;
  accept_again_.reset();
  listen(true);
}

std::optional<protocol::time_point> connections::next_deadline() const {
  auto next = accept_again_;
  for (const auto& [id, c] : clients_)
    if (!next || c.deadline < *next) next = c.deadline;
  return next;
}

} // namespace tonel::actors
