#include "protocol/session_proof.hpp"

#include <algorithm>

namespace tonel::protocol {

void session_claims::greeted(std::uint64_t counter) noexcept {
  latest_greeted_ = std::max(latest_greeted_, counter);
  next_.introduces = false;
}

void session_claims::was_reset(std::uint64_t counter, bool open) noexcept {
  // The refusal of a hello that a later, answered one has overtaken proves no loss.
  if (open || counter > latest_greeted_) next_.introduces = true;
}

expected<void, errc> session_proof::admit(const hello_repr& hello) {
  if (hello.stream_count != stream_count_ || hello.stream_index >= stream_count_ ||
      !proves(hello, secret_))
    return unexpected{errc::bad_hello};
  // A later stream of an index replaces an earlier one, never the reverse; so the highest counter
  // is enough.
  if (hello.stream_index > 0 && !used_by_others_)
    used_by_others_ = boxed{std::vector<std::uint64_t>(stream_count_ - std::size_t{1})};
  auto& used = hello.stream_index == 0 ? used_by_first_
                                       : (*used_by_others_)[hello.stream_index - std::size_t{1}];
  if (hello.counter < used || hello.counter == ~std::uint64_t{0})
    return unexpected{errc::replayed_hello};
  used = hello.counter + 1;
  return {};
}

} // namespace tonel::protocol
