// What decorators of a record store stand on: hands all calls on.
#pragma once

#include <memory>
#include <utility>

#include "storage/records/record_store.h"

namespace qstore::storage {

class ForwardingRecordStore : public RecordStore {
 public:
  explicit ForwardingRecordStore(std::shared_ptr<RecordStore> target)
      : target_(std::move(target)) {}

  absl::StatusOr<PinnedValue> Get(std::string_view key) override {
    return target_->Get(key);
  }
  absl::Status Scan(std::string_view begin, std::string_view end,
                    const Visitor& visit) override {
    return target_->Scan(begin, end, visit);
  }
  absl::Status Commit(const WriteBatch& batch) override {
    return target_->Commit(batch);
  }

 protected:
  RecordStore& target() { return *target_; }

 private:
  const std::shared_ptr<RecordStore> target_;
};

}  // namespace qstore::storage
