#include "protocol/run.hpp"
#include "system/posix/udp_arrays.hpp"
#include "system/posix/udp_control.hpp"
#include "system/udp_socket.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

namespace tonel::sys {

receive_arrays::receive_arrays() noexcept : control{}, messages{}, pieces{}, peers{}, source{} {
  for (std::size_t i = 0; i < capacity; ++i) {
    messages[i].msg_hdr.msg_iov = pieces[i].data();
    messages[i].msg_hdr.msg_iovlen = 2;
    messages[i].msg_hdr.msg_control = control[i].data();
  }
}

receive_arrays& receive_arrays::of_this_thread() noexcept {
  static thread_local receive_arrays a;
  return a;
}

send_arrays::send_arrays() noexcept : control{}, messages{}, peers{}, contents{}, pieces{} {}

send_arrays& send_arrays::of_this_thread() noexcept {
  static thread_local send_arrays a;
  return a;
}

/// One call of send(): lays out messages, sends them, and lays out failed ones in another way.
class udp_socket::sender {
public:
  sender(udp_socket& s, const std::vector<outgoing_run>& runs, const std::vector<chunk>& chunks)
      : socket_(s), runs_(runs), chunks_(chunks) {
    if (!runs.empty()) next_.chunk = runs[0].first;
  }

  send_tally run() {
    while (next_.run < runs_.size()) {
      fill();
      flush();
    }
    return tally_;
  }

private:
  using content = send_arrays::content;

  std::uint32_t at_once(const outgoing_run& r) const noexcept {
    const bool alone = trial_ && trial_->run == next_.run;
    if (alone || r.datagram_size == 0 || r.datagram_size > socket_.gso_limit_) return 1;
    return static_cast<std::uint32_t>(
        std::min(protocol::max_run_segments, max_datagram / r.datagram_size));
  }

  void start_run(std::uint32_t index) noexcept {
    next_ = content{};
    next_.run = index;
    if (index < runs_.size()) next_.chunk = runs_[index].first;
  }

  /// Lays out messages, from next_ on, as many as the arrays hold.
  void fill() {
    count_ = 0;
    std::size_t used = 0;
    while (count_ < send_arrays::capacity && next_.run < runs_.size()) {
      const outgoing_run& r = runs_[next_.run];
      const auto left = r.length - next_.offset;
      const auto size = std::max(r.datagram_size, 1u);
      const auto length = std::min(left, at_once(r) * size);
      const auto datagrams = std::max(1u, (length + size - 1) / size);
      const auto before = next_;
      const auto first_piece = used;
      if (!gather(length, used)) {
        next_ = before;
        if (count_ > 0) return; // in the next round all pieces are free for it
        tally_.dropped += protocol::datagrams_in(left, r.datagram_size);
        start_run(next_.run + 1);
        continue;
      }
      auto& c = arrays_.contents[count_];
      c = before;
      c.datagrams = datagrams;
      c.size = r.datagram_size;
      set_header(r.path, c, &arrays_.pieces[first_piece], used - first_piece);
      ++count_;
      next_.offset += length;
      if (next_.offset >= r.length) start_run(next_.run + 1);
    }
  }

  /// Moves next_ over `length` octets, and lists their pieces.
  bool gather(std::uint32_t length, std::size_t& used) noexcept {
    while (length > 0) {
      const chunk& c = chunks_[next_.chunk];
      const auto n = std::min(length, c.length - next_.inside);
      if (n > 0) {
        if (used == arrays_.pieces.size()) return false;
        arrays_.pieces[used++] = {c.slab.data() + c.offset + next_.inside, n};
      }
      length -= n;
      next_.inside += n;
      if (next_.inside == c.length) {
        ++next_.chunk;
        next_.inside = 0;
      }
    }
    return true;
  }

  void set_header(const datagram_path& path, const content& c, iovec* pieces,
                  std::size_t count) noexcept {
    msghdr& m = arrays_.messages[count_].msg_hdr;
    m = msghdr{};
    if (path.peer.address) {
      m.msg_name = &arrays_.peers[count_];
      m.msg_namelen = encode(path.peer, path.interface, socket_.v6_, arrays_.peers[count_]);
    }
    m.msg_iov = pieces;
    m.msg_iovlen = static_cast<decltype(m.msg_iovlen)>(count);
    auto* control = arrays_.control[count_].data();
    std::size_t size = 0;
    if (c.datagrams > 1) size += put_segment_size(control, c.size);
    if (path.local) size += put_source(control + size, path, socket_.v6_);
    if (size > 0) {
      m.msg_control = control;
      m.msg_controllen = static_cast<decltype(m.msg_controllen)>(size);
    }
  }

  /// Sends the messages of fill(). Ends early, with next_ moved back, if some need another layout.
  void flush() {
    bool refused_before = false;
    for (std::size_t i = 0; i < count_;) {
      const int n = socket_.kernel_.sendmmsg(socket_.fd_.get(), &arrays_.messages[i],
                                             static_cast<unsigned>(count_ - i), MSG_DONTWAIT);
      if (n > 0) {
        for (const auto end = i + static_cast<std::size_t>(n); i < end; ++i)
          went_out(i);
        refused_before = false;
        continue;
      }
      const content& c = arrays_.contents[i];
      switch (-n) {
      case EAGAIN: drop_rest(i); return;
      case EINVAL:
      case EIO:
      case EMSGSIZE:
        if (c.datagrams > 1) {
          // The path does not take several datagrams at once: EIO: the device cannot compute
          // checksums; else perhaps only not of this size, over its MTU. Or the cause is another (a
          // source address that is gone): so the singles of this run have to pass first.
          const bool size_may_matter = n != -EIO && c.size > 1'200;
          trial_ = trial{c.run, size_may_matter ? c.size - 1 : 0};
          next_ = c;
          return;
        }
        tally_.dropped += c.datagrams;
        break;
      case ENOBUFS:
      case ENOMEM: tally_.dropped += c.datagrams; break;
      case ECONNREFUSED:
        if (!refused_before) {
          // An error of an earlier datagram; this one was not tried.
          refused_before = true;
          socket_.last_error_ = -n;
          ++tally_.refused;
          continue;
        }
        tally_.refused += c.datagrams;
        break;
      default: tally_.refused += c.datagrams; socket_.last_error_ = -n;
      }
      refused_before = false;
      ++i;
    }
  }

  void went_out(std::size_t i) noexcept {
    const content& c = arrays_.contents[i];
    tally_.sent += c.datagrams;
    if (trial_ && trial_->run == c.run) {
      socket_.gso_limit_ = std::min(socket_.gso_limit_, trial_->limit);
      trial_.reset();
    }
  }

  /// The socket's buffer is full: drops all further messages.
  void drop_rest(std::size_t i) noexcept {
    for (; i < count_; ++i)
      tally_.dropped += arrays_.contents[i].datagrams;
    for (auto run = next_.run; run < runs_.size(); ++run) {
      const auto sent = run == next_.run ? next_.offset : 0;
      tally_.dropped += protocol::datagrams_in(runs_[run].length - sent, runs_[run].datagram_size);
    }
    next_.run = static_cast<std::uint32_t>(runs_.size());
  }

  struct trial {
    std::uint32_t run;
    std::uint32_t limit; ///< gso_limit_ if the singles pass
  };

  udp_socket& socket_;
  const std::vector<outgoing_run>& runs_;
  const std::vector<chunk>& chunks_;
  send_arrays& arrays_ = send_arrays::of_this_thread();
  content next_{};
  std::size_t count_ = 0;
  std::optional<trial> trial_;
  send_tally tally_;
};

send_tally udp_socket::send(const std::vector<outgoing_run>& runs,
                            const std::vector<chunk>& chunks) {
  return sender{*this, runs, chunks}.run();
}

} // namespace tonel::sys
