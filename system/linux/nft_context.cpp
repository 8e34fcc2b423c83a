#include "system/nft_context.hpp"

#include "system/kernel.hpp"

#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

namespace tonel::sys {

namespace {

/// The errno for an error text of the library, which does not pass the number on.
int number_of(std::string_view text) noexcept {
  static constexpr std::pair<std::string_view, int> known[] = {
      {"Operation not permitted", EPERM}, {"Operation not supported", EOPNOTSUPP},
      {"Invalid argument", EINVAL},       {"No such file or directory", ENOENT},
      {"Device or resource busy", EBUSY}, {"Protocol not supported", EPROTONOSUPPORT},
  };
  for (const auto& [words, number] : known)
    if (text.find(words) != std::string_view::npos) return number;
  return EIO;
}

/// Whether there is memory for what the library does. Where it gets none it ends the process, with a
/// sentence of its own. Ours need not be exact: rules of ours take a tenth of it.
bool has_memory() noexcept {
  constexpr std::size_t needed = std::size_t{16} << 20u;
  void* room = ::mmap(nullptr, needed, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED) return false;
  ::munmap(room, needed);
  return true;
}

std::string first_line(std::string_view text) {
  return std::string{text.substr(0, text.find('\n'))};
}

} // namespace

void nft_context::free_context::operator()(nft_ctx* context) const noexcept {
  ::nft_ctx_free(context);
}

result<nft_context> nft_context::open(output form) {
  auto& k = real_kernel();
  // The library exits the process if it cannot open such a socket.
  {
    const descriptor probe{k, k.socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER)};
    if (!probe) return unexpected{os_error{-probe.get(), "socket NETLINK_NETFILTER", {}}};
  }
  if (!has_memory()) return unexpected{os_error{ENOMEM, "nft", {}}};
  nft_ctx* context = ::nft_ctx_new(NFT_CTX_DEFAULT);
  if (context == nullptr) return unexpected{os_error{ENOMEM, "nft_ctx_new", {}}};
  nft_context out{context};
  // Without buffers the output would go to this program's standard streams.
  if (::nft_ctx_buffer_output(context) != 0 || ::nft_ctx_buffer_error(context) != 0)
    return unexpected{os_error{ENOMEM, "nft_ctx_buffer_output", {}}};
  ::nft_ctx_output_set_flags(context, form == output::json
                                          ? NFT_CTX_OUTPUT_JSON
                                          : NFT_CTX_OUTPUT_STATELESS | NFT_CTX_OUTPUT_TERSE);
  return out;
}

result<std::string> nft_context::run(const std::vector<std::string>& statements) {
  std::string text;
  for (const auto& statement : statements)
    text += statement + '\n';
  if (!has_memory()) return unexpected{os_error{ENOMEM, "nft", {}}};
  const int failed = ::nft_run_cmd_from_buffer(context_.get(), text.c_str());
  // Reading a buffer empties it.
  std::string said = ::nft_ctx_get_output_buffer(context_.get());
  const std::string error = ::nft_ctx_get_error_buffer(context_.get());
  if (failed != 0) return unexpected{os_error{number_of(error), "nft", first_line(error)}};
  return said;
}

} // namespace tonel::sys
