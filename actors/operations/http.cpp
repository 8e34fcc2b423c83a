#include "actors/operations/http.hpp"

#include "actors/operations/http_request.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tonel::actors {

namespace {

using namespace std::chrono_literals;

// A client that connects and sends nothing must not keep a health check from its answer.
constexpr connection_bounds bounds{32, std::size_t{8} << 10, 5s, true};
constexpr const char* text_type = "text/plain; charset=utf-8";
constexpr const char* metrics_type = "text/plain; version=0.0.4; charset=utf-8";

} // namespace

caf::behavior http(pinned<http_state>* self, const status_start& start) {
  self->state.start(start);
  return status_behavior<status_actor>(self);
}

void http_state::start(const status_start& s) {
  serve(
      *self, s, bounds, [](const sys::stream_connection&) { return true; },
      [this](connections::client_id client, std::string& input) { return take(client, input); });
}

bool http_state::take(connections::client_id client, std::string& input) {
  const auto request = parse_http_request(input);
  if (request.read == http_request::state::partial) return false;
  input.clear();
  const bool head = request.head;
  const auto refuse = [&](unsigned status, const char* reason) {
    clients->answer(
        client, http_response(status, reason, text_type, std::string{reason} + '\n', head), true);
  };
  if (request.read == http_request::state::bad) {
    refuse(400, "Bad Request");
  } else if (!request.get && !head) {
    refuse(405, "Method Not Allowed");
  } else if (request.path == "/metrics") {
    collector->ask_all([this, client, head](const status_snapshot& now) {
      const auto text = metrics_text(*given.facts, parts, now);
      clients->answer(client, http_response(200, "OK", metrics_type, text, head), true);
    });
  } else if (request.path == "/healthz") {
    collector->ask(0, 0, [this, client, head](const status_snapshot& now) {
      unsigned status = 200;
      const auto text = health(now, status);
      const char* reason = status == 200 ? "OK" : "Service Unavailable";
      clients->answer(client, http_response(status, reason, text_type, text, head), true);
    });
  } else {
    refuse(404, "Not Found");
  }
  return true;
}

std::string http_state::health(const status_snapshot& now, unsigned& status) const {
  status = 503;
  if (!now.complete()) return "a shard does not answer\n";
  // One resolved remote is enough to be healthy: other tunnels must not take it from its clients.
  if (std::none_of(parts.begin(), parts.end(),
                   [](const auto& part) { return part.second.state == "resolved"; }))
    return "no remote's name resolves\n";
  for (const auto& [which, part] : parts)
    if (part.state == "failing") return which + ": " + part.detail + '\n';
  if (const auto why = dead_tunnel(now)) return *why + '\n';
  status = 200;
  return "ok\n";
}

void http_state::on_timer() {
  collector->on_timer();
  clients->on_timer();
}

void http_state::arm() { self->arm(next_deadline()); }

} // namespace tonel::actors
