#pragma once

#include "actors/messages/interfaces.hpp"
#include "protocol/session/session_effects.hpp"

namespace tonel::actors {

/// Sends an order of a session's machine to one of its streams.
template <class Self>
void send_order(Self* self, const stream_actor& to, protocol::stream_order what) {
  switch (what) {
  case protocol::stream_order::close: self->send(to, close_stream{false}); break;
  case protocol::stream_order::close_at_exit: self->send(to, close_stream{true}); break;
  case protocol::stream_order::reset: self->send(to, reset_stream{}); break;
  case protocol::stream_order::supersede: self->send(to, supersede_stream{}); break;
  case protocol::stream_order::probe: self->send(to, probe_stream{}); break;
  }
}

/// Visits a variant by a lambda for each of its types.
template <class... Fs> struct overloaded : Fs... { using Fs::operator()...; };
template <class... Fs> overloaded(Fs...) -> overloaded<Fs...>;

} // namespace tonel::actors
