#include "storage/records/metered_record_store.h"

#include <utility>

#include "storage/records/forwarding_record_store.h"

namespace qstore::storage {
namespace {

class MeteredRecordStore final : public ForwardingRecordStore {
 public:
  MeteredRecordStore(std::shared_ptr<RecordStore> target,
                     std::shared_ptr<ReadMeter> meter)
      : ForwardingRecordStore(std::move(target)), meter_(std::move(meter)) {}

  absl::StatusOr<PinnedValue> Get(std::string_view key) override {
    absl::StatusOr<PinnedValue> value = target().Get(key);
    if (value.ok()) meter_->CountRecord(value->bytes().size());
    return value;
  }

 private:
  const std::shared_ptr<ReadMeter> meter_;
};

}  // namespace

std::shared_ptr<RecordStore> NewMeteredRecordStore(
    std::shared_ptr<RecordStore> target, std::shared_ptr<ReadMeter> meter) {
  return std::make_shared<MeteredRecordStore>(std::move(target),
                                              std::move(meter));
}

}  // namespace qstore::storage
