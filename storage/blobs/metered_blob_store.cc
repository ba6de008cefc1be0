#include "storage/blobs/metered_blob_store.h"

#include <utility>

#include "storage/blobs/forwarding_blob_store.h"

namespace qstore::storage {
namespace {

class MeteredBlobStore final : public ForwardingBlobStore {
 public:
  MeteredBlobStore(std::shared_ptr<BlobStore> target,
                   std::shared_ptr<ReadMeter> meter)
      : ForwardingBlobStore(std::move(target)), meter_(std::move(meter)) {}

  void Read(std::vector<BlobKey> keys, ReadDone done) override {
    std::vector<Family> families;
    families.reserve(keys.size());
    for (const BlobKey& key : keys) families.push_back(key.family);
    target().Read(std::move(keys),
                  [meter = meter_, families = std::move(families),
                   done = std::move(done)](size_t index,
                                           absl::StatusOr<PinnedValue> value) {
                    if (value.ok()) {
                      meter->CountValue(families[index], value->bytes().size());
                    }
                    done(index, std::move(value));
                  });
  }

 private:
  const std::shared_ptr<ReadMeter> meter_;
};

}  // namespace

std::shared_ptr<BlobStore> NewMeteredBlobStore(
    std::shared_ptr<BlobStore> target, std::shared_ptr<ReadMeter> meter) {
  return std::make_shared<MeteredBlobStore>(std::move(target),
                                            std::move(meter));
}

}  // namespace qstore::storage
