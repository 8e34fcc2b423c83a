#pragma once

#include "actors/operations/status_server.hpp"

#include <caf/behavior.hpp>

#include <string>

namespace tonel::actors {

struct http_state;

/// Serves /metrics for Prometheus and /healthz for load balancers; one request for each connection.
/// Source: RFC 9110, RFC 9112
caf::behavior http(pinned<http_state>* self, const status_start& start);

struct http_state : status_server {
  static inline const char* name = "http";

  explicit http_state(pinned<http_state>* owner) : self(owner) {}
  void start(const status_start& s);
  void on_timer();
  void arm();

  pinned<http_state>* self;

private:
  bool take(connections::client_id client, std::string& input);
  std::string health(const status_snapshot& now, unsigned& status) const;
};

} // namespace tonel::actors
