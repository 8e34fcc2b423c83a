#include "system/direct_path.hpp"

#include <cerrno>

namespace tonel::sys {

result<std::unique_ptr<direct_path>> direct_path::open(std::string, direct_means) {
  return unexpected{os_error{EOPNOTSUPP, "bpf", "this tonel was built without clang and libbpf"}};
}

} // namespace tonel::sys
