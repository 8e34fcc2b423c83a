#pragma once

#include <caf/behavior.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

#include <type_traits>
#include <utility>

namespace tonel::actors {

/// The messages that only an actor's own reactor, children or workers send to it.
template <class... Messages> struct own {};

namespace behavior_check {

template <class Function> struct handled : handled<decltype(&Function::operator())> {};
template <class Lambda, class Result, class Message> struct handled<Result (Lambda::*)(Message)> {
  using type = std::decay_t<Message>;
};
template <class Lambda, class Result, class Message>
struct handled<Result (Lambda::*)(Message) const> {
  using type = std::decay_t<Message>;
};

/// The number of handlers that take Message.
template <class Message, class... Handlers>
constexpr int count = (0 + ... + int{std::is_same_v<Message, typename handled<Handlers>::type>});

template <class Signature> struct message_of;
template <class Message, class Reply>
struct message_of<caf::typed_mpi<caf::detail::type_list<Message>, Reply>> {
  using type = Message;
};

template <class Handle> struct interface;
template <class... Signatures> struct interface<caf::typed_actor<Signatures...>> {
  template <class... Handlers>
  static constexpr bool
      is_handled = ((count<typename message_of<Signatures>::type, Handlers...> == 1) && ...);
  template <class Message>
  static constexpr bool has = (std::is_same_v<Message, typename message_of<Signatures>::type> ||
                               ...);
};

template <class Own> struct owned;
template <class... Messages> struct owned<own<Messages...>> {
  template <class... Handlers>
  static constexpr bool is_handled = ((count<Messages, Handlers...> == 1) && ...);
  template <class Message> static constexpr bool has = (std::is_same_v<Message, Messages> || ...);
};

} // namespace behavior_check

/// Makes the behaviour of an actor with this Handle: one handler for each message of Handle and
/// Own, and no others. CAF's typed behaviours do not permit a reactor's events, so the handlers are
/// checked here.
/// Shape: a handler is a lambda with one parameter
template <class Handle, class Own, class... Handlers>
caf::behavior behavior_of(Handlers... handlers) {
  using of_handle = behavior_check::interface<Handle>;
  using of_own = behavior_check::owned<Own>;
  static_assert(of_handle::template is_handled<Handlers...>,
                "a message of the actor's handle has no handler, or two");
  static_assert(of_own::template is_handled<Handlers...>,
                "a message of the actor's own has no handler, or two");
  static_assert(((of_handle::template has<typename behavior_check::handled<Handlers>::type> ||
                  of_own::template has<typename behavior_check::handled<Handlers>::type>)&&...),
                "a handler takes what the actor's handle does not list (actors/interfaces.hpp)");
  return {std::move(handlers)...};
}

} // namespace tonel::actors
