#pragma once

#include "system/os_error.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct nft_ctx;

namespace tonel::sys {

/// A connection to nftables. Tables with the flag "owner" that it makes belong to it: the kernel keeps
/// all others off them, and takes them away when it ends, by kill -9, too.
/// Owns:   the netlink socket that tables belong to
/// Thread: one at a time; calls block
/// Source: man 8 nft, "flags owner" (Linux 5.12); man 5 libnftables
class nft_context {
public:
  /// How it prints: rules without their counters and sets without what is in them, as statements; or man 5 libnftables-json.
  enum class output : std::uint8_t { stateless, json };

  /// Errors: those of the socket: EPROTONOSUPPORT, a kernel without nf_tables; ENOMEM
  static result<nft_context> open(output form = output::stateless);

  /// Runs statements as one transaction and gives what they print.
  /// Errors: EPERM: the capability is missing, or a table belongs to another process; EOPNOTSUPP or
  ///         EINVAL: the kernel does not know a flag or statement; ENOENT; else EIO. The detail is
  ///         what nftables says.
  result<std::string> run(const std::vector<std::string>& statements);
  result<std::string> run(const std::string& statement) { return run(std::vector{statement}); }

private:
  struct free_context {
    void operator()(nft_ctx* context) const noexcept;
  };
  explicit nft_context(nft_ctx* context) noexcept : context_{context} {}
  std::unique_ptr<nft_ctx, free_context> context_;
};

} // namespace tonel::sys
