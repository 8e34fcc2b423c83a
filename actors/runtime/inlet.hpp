#pragma once

#include "actors/runtime/reactor_actor.hpp"

#include <caf/actor_cast.hpp>

#include <typeinfo>
#include <utility>

// The way of a batch from one actor to the next: the sender's outlet calls the receiver's inlet
// (docs/design.md, "How a batch passes an actor").
namespace tonel::actors {

/// The entry of an actor for batches of one kind, implemented by the actor's state. The receivers
/// of `put(batch)` are the overriders of `on`.
template <class Batch> class inlet {
public:
  virtual ~inlet() = default;
  /// Handles a batch. Its content then has no meaning, but the sender may use its memory again.
  virtual void on(Batch& batch) = 0;
};

/// Base of an actor's state, with an inlet for each kind of batch that the actor takes.
template <class... Batches> class inlets : public inlet<Batches>... {
public:
  /// The inlet for this kind of batch, as inlet<Batch>*; null: the actor does not take it.
  void* find_inlet(const std::type_info& batch) noexcept {
    void* found = nullptr;
    static_cast<void>(
        ((batch == typeid(Batches) ? (found = static_cast<inlet<Batches>*>(this), true) : false) ||
         ...));
    return found;
  }
};

/// The exit of an actor for batches of one kind to one receiver.
/// Shape:  Handle: the receiver's typed handle, which lists Batch
/// Thread: the holder's reactor
template <class Batch, class Handle> class outlet {
public:
  outlet() = default;
  /// loop: the holder's. If the receiver is on the same loop, its inlet is found here, once.
  outlet(Handle to, const reactor& loop) : to_(std::move(to)) {
    if (auto* actor = to_ ? receiver() : nullptr; actor != nullptr && &actor->loop() == &loop)
      inlet_ = static_cast<inlet<Batch>*>(actor->find_inlet(typeid(Batch)));
  }

  const Handle& handle() const noexcept { return to_; }
  explicit operator bool() const noexcept { return bool{to_}; }

  /// An idle receiver on the same reactor handles the batch within this call, which costs a third
  /// of a message, and leaves the memory of its vectors. Otherwise the batch is sent as a message.
  /// Batches that come back to `from` meanwhile wait in its mailbox.
  void put(reactor_actor& from, Batch& batch) const {
    if (inlet_ == nullptr || !from.loop().is_idle(*receiver()))
      from.send(to_, std::move(batch));
    else // the handle is a member of `from`, which is busy here: the receiver outlives the call
      receiver()->take_now([this, &batch] { inlet_->on(batch); });
  }

private:
  reactor_actor* receiver() const noexcept {
    return static_cast<reactor_actor*>(caf::actor_cast<caf::abstract_actor*>(to_));
  }

  Handle to_;
  inlet<Batch>* inlet_ = nullptr; ///< valid as long as the handle
};

} // namespace tonel::actors
