#include "storage/blobs/blob_store.h"

#include <utility>

#include "absl/synchronization/notification.h"

namespace qstore::storage {

absl::StatusOr<PinnedValue> BlobStore::Get(Family family,
                                           std::string_view key) {
  struct Waiting {
    absl::StatusOr<PinnedValue> value = absl::UnknownError("not read");
    absl::Notification is_read;
  };
  // Shared, as the notification is used for a moment longer than it is waited
  // for.
  const auto waiting = std::make_shared<Waiting>();
  Read({{family, std::string(key)}},
       [waiting](size_t /*index*/, absl::StatusOr<PinnedValue> value) {
         waiting->value = std::move(value);
         waiting->is_read.Notify();
       });
  waiting->is_read.WaitForNotification();
  return std::move(waiting->value);
}

}  // namespace qstore::storage
