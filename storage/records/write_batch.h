// Small writes that take effect together or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace qstore::storage {

class WriteBatch {
 public:
  struct Operation {
    enum class Kind : uint8_t { kPut, kDelete } kind;
    std::string key;
    std::string value;
  };

  void Put(std::string key, std::string value) {
    operations_.push_back(
        {Operation::Kind::kPut, std::move(key), std::move(value)});
  }
  void Delete(std::string key) {
    operations_.push_back({Operation::Kind::kDelete, std::move(key), {}});
  }
  // In the order in which they were added: the last one of a key counts.
  const std::vector<Operation>& operations() const { return operations_; }
  bool empty() const { return operations_.empty(); }

 private:
  std::vector<Operation> operations_;
};

// What a batch comes to: for each key its last operation, ascending by key. The
// pointers are into `batch`.
std::vector<const WriteBatch::Operation*> LastOperations(
    const WriteBatch& batch);

}  // namespace qstore::storage
