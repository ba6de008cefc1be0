#include "server/codec_set.h"

#include <utility>

namespace qstore::server {

std::unique_ptr<CodecSet> CodecPool::Take() {
  {
    const absl::MutexLock lock(&mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<CodecSet> set = std::move(idle_.back());
      idle_.pop_back();
      return set;
    }
  }
  return std::make_unique<CodecSet>();
}

void CodecPool::GiveBack(std::unique_ptr<CodecSet> set) {
  const absl::MutexLock lock(&mutex_);
  idle_.push_back(std::move(set));
}

}  // namespace qstore::server
