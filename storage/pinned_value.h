// Bytes of a store that stay where they are while somebody reads them.
#pragma once

#include <memory>
#include <utility>

#include "base/bytes.h"

namespace qstore::storage {

// A value that stays readable, without a copy, while this object or a copy of
// it lives. It must not outlive the store that it is of.
class PinnedValue {
 public:
  PinnedValue() = default;
  PinnedValue(ByteView bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}

  ByteView bytes() const { return bytes_; }
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  ByteView bytes_;
  std::shared_ptr<const void> owner_;
};

}  // namespace qstore::storage
