#include "system/command.hpp"

#include "system/kernel.hpp"
#include "system/posix/platform.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace tonel::sys {

namespace {

struct pipe_ends {
  descriptor read, write;
};

result<pipe_ends> open_pipe() {
  int fds[2];
  if (make_pipe(fds) != 0) return unexpected{os_error{errno, "pipe", {}}};
  auto& k = real_kernel();
  return pipe_ends{descriptor{k, fds[0]}, descriptor{k, fds[1]}};
}

/// The attributes of a program to start: its streams, and signals as a shell sets them (ours are
/// blocked for signalfd).
class spawn_setup {
public:
  spawn_setup(int in, int out, int err) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, in, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, out, 1);
    ::posix_spawn_file_actions_adddup2(&actions_, err, 2);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none, standard;
    sigemptyset(&none);
    sigemptyset(&standard);
    sigaddset(&standard, SIGPIPE);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &standard);
    ::posix_spawnattr_setflags(&attributes_,
                               POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | spawn_flags);
  }
  ~spawn_setup() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }
  spawn_setup(const spawn_setup&) = delete;
  spawn_setup& operator=(const spawn_setup&) = delete;

  int start(pid_t& pid, const std::string& path, char* const* argv) {
    return ::posix_spawn(&pid, path.c_str(), &actions_, &attributes_, argv, environ);
  }

private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

/// Appends what can be read; true: the end of the stream.
bool take(int fd, std::string& out) {
  std::array<char, 16'384> buffer{};
  const long got = real_kernel().read(fd, buffer.data(), buffer.size());
  if (got > 0) out.append(buffer.data(), static_cast<std::size_t>(got));
  return got == 0 || (got < 0 && got != -EAGAIN);
}

/// A file without a name with this content: unlike a pipe it never fills, and causes no SIGPIPE.
result<descriptor> file_of(const std::string& content) {
  auto& k = real_kernel();
  descriptor fd{k, make_temporary_file()};
  if (!fd) return unexpected{os_error{errno, "temporary file", {}}};
  for (std::size_t done = 0; done < content.size();) {
    const long n = k.write(fd.get(), content.data() + done, content.size() - done);
    if (n <= 0) return unexpected{os_error{static_cast<int>(-n), "write", "temporary file"}};
    done += static_cast<std::size_t>(n);
  }
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

/// Reads until the program has closed both streams.
void listen_to(pipe_ends& out, pipe_ends& err, std::string& said, std::string& complained) {
  while (out.read || err.read) {
    std::array<pollfd, 2> polled{{{out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}}};
    if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    if (polled[0].revents != 0 && take(out.read.get(), said)) out.read.reset();
    if (polled[1].revents != 0 && take(err.read.get(), complained)) err.read.reset();
  }
}

} // namespace

std::string find_program(const std::string& name) {
  const char* path = ::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  folders += ":/usr/sbin:/sbin:/usr/bin:/bin";
  for (std::size_t begin = 0; begin < folders.size();) {
    const auto end = std::min(folders.find(':', begin), folders.size());
    auto full = folders.substr(begin, end - begin) + '/' + name;
    if (full.front() == '/' && ::access(full.c_str(), X_OK) == 0) return full;
    begin = end + 1;
  }
  return {};
}

result<std::string> run_command(const std::vector<std::string>& argv, const std::string& input) {
  const auto path = find_program(argv.front());
  if (path.empty()) return unexpected{os_error{ENOENT, "exec", argv.front()}};
  auto in = file_of(input);
  if (!in) return unexpected{in.error()};
  auto out = open_pipe(), err = open_pipe();
  for (auto* p : {&out, &err})
    if (!*p) return unexpected{p->error()};
  std::vector<char*> words;
  words.reserve(argv.size() + 1);
  for (const auto& word : argv)
    words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  pid_t pid = 0;
  spawn_setup setup{in->get(), out->write.get(), err->write.get()};
  if (const int e = setup.start(pid, path, words.data()); e != 0)
    return unexpected{os_error{e, "posix_spawn", path}};
  out->write.reset();
  err->write.reset();
  std::string said, complained;
  listen_to(*out, *err, said, complained);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    const auto last = complained.find_last_not_of('\n');
    complained.erase(last == std::string::npos ? 0 : last + 1);
    return unexpected{
        os_error{EIO, "exec", argv.front() + ": " + complained.substr(0, complained.find('\n'))}};
  }
  return said;
}

} // namespace tonel::sys
