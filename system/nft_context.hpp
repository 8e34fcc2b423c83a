#pragma once

#include "system/os_error.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct nft_ctx;

namespace tonel::sys {

/// A connection to nftables. It owns the tables that it makes with the flag "owner": the kernel
/// keeps others from changing them, and removes them when the connection ends, even by kill -9.
/// Owns:   the netlink socket that these tables belong to
/// Thread: one at a time; calls block
/// Source: man 8 nft, "flags owner" (Linux 5.12); man 5 libnftables
class nft_context {
public:
  /// The form of output: statements, with rules without counters and sets without elements; or JSON
  /// (man 5 libnftables-json).
  enum class output : std::uint8_t { stateless, json };

  /// Errors: EPROTONOSUPPORT: a kernel without nf_tables; ENOMEM; others of the socket
  static result<nft_context> open(output form = output::stateless);

  /// Runs statements as one transaction, and gives their output.
  /// Errors: EPERM: the capability is missing, or a table belongs to another process; EOPNOTSUPP or
  ///         EINVAL: the kernel does not know a flag or statement; ENOENT; else EIO. The detail is
  ///         the message of nftables
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
