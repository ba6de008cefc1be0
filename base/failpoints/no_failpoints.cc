// What is shipped: failpoints that nobody can arm.
#include <cstddef>

#include "absl/status/status.h"
#include "base/failpoints/failpoint.h"

namespace qstore::failpoint {

absl::Status Hit(size_t /*index*/) { return absl::OkStatus(); }

}  // namespace qstore::failpoint
