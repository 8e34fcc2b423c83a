#include "system/host_facts.hpp"

#include <nftables/libnftables.h>

#include <memory>

namespace tonel::sys {

std::pair<std::string, std::string> read_ruleset() {
  const std::unique_ptr<nft_ctx, void (*)(nft_ctx*)> nft{nft_ctx_new(NFT_CTX_DEFAULT),
                                                         nft_ctx_free};
  if (!nft) return {"", "nftables cannot be asked"};
  nft_ctx_output_set_flags(nft.get(), NFT_CTX_OUTPUT_JSON);
  nft_ctx_buffer_output(nft.get());
  nft_ctx_buffer_error(nft.get());
  if (nft_run_cmd_from_buffer(nft.get(), "list ruleset") == 0)
    return {nft_ctx_get_output_buffer(nft.get()), ""};
  std::string why = nft_ctx_get_error_buffer(nft.get());
  return {"", why.substr(0, why.find('\n'))};
}

} // namespace tonel::sys
