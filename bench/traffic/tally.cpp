#include "bench/traffic/tally.hpp"

namespace tonel::bench {

sequence_log::arrival sequence_log::note(std::uint64_t sequence) {
  if (sequence == next_) {
    ++next_;
    return arrival::next;
  }
  if (sequence > next_) {
    if (ranges_.size() == max_ranges) ranges_.erase(ranges_.begin());
    ranges_.emplace_hint(ranges_.end(), next_, sequence);
    missing_total_ += sequence - next_;
    next_ = sequence + 1;
    return arrival::ahead;
  }
  auto after = ranges_.upper_bound(sequence);
  if (after == ranges_.begin()) return arrival::duplicate;
  const auto in = std::prev(after);
  const auto last = in->second;
  if (sequence >= last) return arrival::duplicate;
  if (sequence + 1 < last) ranges_.emplace_hint(after, sequence + 1, last);
  if (in->first == sequence)
    ranges_.erase(in);
  else
    in->second = sequence;
  --missing_total_;
  return arrival::late;
}

std::uint64_t sequence_log::extend(std::uint64_t low, unsigned bits) const noexcept {
  if (bits >= 64) return low;
  const auto span = std::uint64_t{1} << bits;
  const auto ahead = (low - next_) & (span - 1);
  // More than half the span ahead is rather a little behind, unless that were below zero.
  if (ahead >= span / 2 && next_ + ahead >= span) return next_ + ahead - span;
  return next_ + ahead;
}

tally::source_log& tally::source_of(const endpoint& address) {
  if (last_ && last_->address == address) return *last_;
  auto& source = sources_[address];
  source.address = address;
  last_ = &source; // node-based map: the address of an element stays
  return source;
}

tally::stream_log& tally::new_stream() {
  streams_.push_back(std::make_unique<stream_log>());
  return *streams_.back();
}

tally::stream_log& tally::stream_of(source_log& source, const reading& got) {
  auto* stream = source.stream;
  if (got.whole_header) {
    const stream_key key{got.from.seed, got.from.stream};
    if (!stream || !(stream->key == key)) {
      auto& known = by_key_[key];
      if (!known) {
        // Compact datagrams may have come first; what they were counted for has no name yet.
        known = stream && !stream->key ? stream : &new_stream();
        known->key = key;
      }
      stream = known;
    }
  }
  if (!stream) stream = &new_stream();
  if (source.stream != stream) ++stream->sources;
  source.stream = stream;
  stream->last_source = source.address;
  return *stream;
}

void tally::note(const endpoint& from, const std::uint8_t* bytes, std::size_t size,
                 std::uint64_t now) {
  const auto got = check(bytes, size);
  auto& stream = stream_of(source_of(from), got);
  const auto count = [&](std::uint64_t counters::*member, std::uint64_t by) {
    total_.*member += by;
    stream.count.*member += by;
  };
  count(&counters::received, 1);
  count(&counters::bytes, size);
  if (size == 0) count(&counters::zero_length, 1);
  if (got.result == verdict::altered) count(&counters::altered, 1);
  if (got.result == verdict::wrong_length) count(&counters::wrong_length, 1);
  if (got.result != verdict::intact || got.sequence_bits == 0) return;
  if (got.from.time != 0 && now > got.from.time) delays_.note(now - got.from.time);
  auto& numbers = stream.numbers;
  const auto arrived = numbers.note(numbers.extend(got.from.sequence, got.sequence_bits));
  if (arrived == sequence_log::arrival::late) count(&counters::reordered, 1);
  if (arrived == sequence_log::arrival::duplicate) count(&counters::duplicates, 1);
}

std::uint64_t tally::gaps() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& stream : streams_)
    sum += stream->numbers.missing();
  return sum;
}

namespace {

void write_counters(json_object& out, const counters& count, std::uint64_t gaps) {
  out.add("received", count.received)
      .add("bytes", count.bytes)
      .add("gaps", gaps)
      .add("duplicates", count.duplicates)
      .add("reordered", count.reordered)
      .add("altered", count.altered)
      .add("wrong_length", count.wrong_length)
      .add("zero_length", count.zero_length);
}

} // namespace

void tally::write(json_object& out, bool each) const {
  write_counters(out, total_, gaps());
  out.add("streams", std::uint64_t{streams_.size()}).add("sources", std::uint64_t{sources_.size()});
  if (!each) return;
  std::vector<json_object> list;
  for (const auto& stream : streams_) {
    json_object one;
    one.add("source", stream->last_source.text()).add("sources", stream->sources);
    if (stream->key) one.add("seed", stream->key->seed).add("stream", stream->key->stream);
    one.add("next", stream->numbers.next());
    write_counters(one, stream->count, stream->numbers.missing());
    list.push_back(std::move(one));
  }
  out.add("per_source", list);
}

} // namespace tonel::bench
