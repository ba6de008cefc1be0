#include "storage/records/write_batch.h"

#include <map>
#include <string_view>

namespace qstore::storage {

std::vector<const WriteBatch::Operation*> LastOperations(
    const WriteBatch& batch) {
  std::map<std::string_view, const WriteBatch::Operation*> last;
  for (const WriteBatch::Operation& operation : batch.operations()) {
    last[operation.key] = &operation;
  }
  std::vector<const WriteBatch::Operation*> operations;
  operations.reserve(last.size());
  for (const auto& [key, operation] : last) operations.push_back(operation);
  return operations;
}

}  // namespace qstore::storage
