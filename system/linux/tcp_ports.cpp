#include "system/tcp_ports.hpp"

#include "system/instance_state.hpp"
#include "system/linux/tcp_table.hpp"
#include "system/posix/files.hpp"
#include "system/posix/socket_address.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>

namespace tonel::sys {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view state_listen = "0A";

template <class Number> bool read_number(std::string_view text, int base, Number& out) {
  const auto end = text.data() + text.size();
  const auto got = std::from_chars(text.data(), end, out, base);
  return got.ec == std::errc{} && got.ptr == end;
}

/// "0100007F", or four such words: as this machine's memory has them.
protocol::ip_address address_of(std::string_view hexadecimal) {
  std::uint8_t octets[16];
  const auto words = hexadecimal.size() / 8;
  if (hexadecimal.size() % 8 != 0 || (words != 1 && words != 4)) return {};
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word = 0;
    if (!read_number(hexadecimal.substr(8 * i, 8), 16, word)) return {};
    std::memcpy(octets + 4 * i, &word, sizeof word);
  }
  if (words == 1) return protocol::ip_address::v4(octets);
  in6_addr v6{};
  std::memcpy(&v6, octets, sizeof v6);
  return decode(v6);
}

std::string program_name(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/comm"};
  std::string out;
  std::getline(file, out);
  return out;
}

/// The process that has a socket open, by the socket's inode. Others' are visible to root alone.
void find_owner(std::uint64_t inode, listener_facts& out) {
  const auto wanted = "socket:[" + std::to_string(inode) + ']';
  std::error_code failed;
  for (fs::directory_iterator at{"/proc", failed}, end; !failed && at != end;
       at.increment(failed)) {
    int pid = 0;
    if (!read_number(at->path().filename().string(), 10, pid)) continue;
    std::error_code ignored;
    for (fs::directory_iterator fd{at->path() / "fd", ignored}; !ignored && fd != end;
         fd.increment(ignored)) {
      std::error_code gone;
      if (fs::read_symlink(fd->path(), gone) != wanted) continue;
      out.pid = pid;
      out.program = program_name(pid);
      return;
    }
  }
}

/// In the abstract namespace, which is one for each network namespace and leaves no file.
std::string claim_name(std::uint16_t port) { return "tonel-tcp-" + std::to_string(port); }

struct claim_address {
  explicit claim_address(std::uint16_t port) {
    const auto name = claim_name(port);
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path + 1, name.data(), name.size()); // its first octet is 0: abstract
    size = static_cast<unsigned>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  }
  const sockaddr* any() const { return reinterpret_cast<const sockaddr*>(&address); }

  sockaddr_un address{};
  unsigned size;
};

/// The process that has the claim, as the kernel noted it when it listened; nothing: nobody has it, or it
/// takes no more connections.
std::optional<ucred> claimant(std::uint16_t port) {
  auto& k = real_kernel();
  const descriptor fd{k, k.socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)};
  const claim_address at{port};
  if (!fd || k.connect(fd.get(), at.any(), at.size) < 0) return {};
  ucred out{};
  unsigned size = sizeof out;
  if (k.getsockopt(fd.get(), SOL_SOCKET, SO_PEERCRED, &out, &size) < 0) return {};
  return out;
}

/// Any user can take any name. Those that can serve a port are root, this user, and the service's, whose
/// the folder is.
bool can_serve(uid_t user) {
  struct stat folder {};
  return user == 0 || user == ::geteuid() ||
         (::stat(usual_runtime_folder(), &folder) == 0 && folder.st_uid == user);
}

} // namespace

std::vector<listening_socket> parse_tcp_table(std::string_view table) {
  std::vector<listening_socket> out;
  std::istringstream lines{std::string{table}};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields{line};
    std::string slot, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    const auto colon = local.find(':');
    listening_socket found;
    if (state != state_listen || colon == std::string::npos ||
        !read_number(std::string_view{local}.substr(colon + 1), 16, found.at.port) ||
        !read_number(inode, 10, found.inode))
      continue;
    found.at.address = address_of(std::string_view{local}.substr(0, colon));
    out.push_back(found);
  }
  return out;
}

std::vector<listener_facts> tcp_listeners(const std::vector<std::uint16_t>& ports) {
  std::vector<listener_facts> out;
  for (const char* table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    for (const auto& socket : parse_tcp_table(read_file(table).value_or(""))) {
      if (std::find(ports.begin(), ports.end(), socket.at.port) == ports.end()) continue;
      listener_facts found;
      found.port = socket.at.port;
      found.address = socket.at.address;
      find_owner(socket.inode, found);
      out.push_back(std::move(found));
    }
  }
  return out;
}

result<port_claim> port_claim::make(std::uint16_t port) {
  auto& k = real_kernel();
  descriptor fd{k, k.socket(AF_UNIX, SOCK_STREAM, 0)};
  if (!fd) return unexpected{os_error{-fd.get(), "socket AF_UNIX", {}}};
  const claim_address at{port};
  const auto failed = [&](int e, const char* call) {
    return unexpected{os_error{e, call, "@" + claim_name(port)}};
  };
  if (const int e = k.bind(fd.get(), at.any(), at.size); e == -EADDRINUSE) {
    const auto who = claimant(port);
    return failed(who && can_serve(who->uid) ? EADDRINUSE : EPERM, "bind");
  } else if (e < 0) {
    return failed(-e, "bind");
  }
  if (::listen(fd.get(), SOMAXCONN) != 0) return failed(errno, "listen");
  return port_claim{std::move(fd)};
}

listener_facts port_claim::holder(std::uint16_t port) {
  listener_facts out;
  out.port = port;
  const auto who = claimant(port);
  if (!who) return out;
  out.pid = who->pid;
  out.program = program_name(who->pid);
  return out;
}

} // namespace tonel::sys
