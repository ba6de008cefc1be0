#include "storage/records/records.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "storage/records/keys.h"
#include "storage/records/record_messages.h"
#include "storage/records/validate_records.h"

namespace qstore::storage {
namespace {

uint64_t Checksum(std::string_view key, std::string_view payload) {
  return Xxh3(AsBytes(std::string(key).append(payload)));
}

absl::Status Damaged(std::string_view key, std::string_view why) {
  return absl::DataLossError(
      absl::StrCat("record ", Quoted(key), " is damaged: ", AbslView(why)));
}

template <typename Message>
absl::StatusOr<Message> ParseMessage(const std::string& key, ByteView sealed) {
  QSTORE_ASSIGN_OR_RETURN(const std::string_view payload,
                          UnsealRecord(key, sealed));
  Message message;
  if (payload.size() > kMaxRecordBytes ||
      !message.ParseFromArray(payload.data(),
                              static_cast<int>(payload.size()))) {
    return Damaged(key, "it cannot be parsed");
  }
  return message;
}

// A record of the message type `Message`, as a struct that is valid.
template <typename Record, typename Message>
absl::StatusOr<Record> ParsePayload(const std::string& key, ByteView sealed,
                                    absl::Status (*validate)(const Record&)) {
  QSTORE_ASSIGN_OR_RETURN(const Message message,
                          ParseMessage<Message>(key, sealed));
  absl::StatusOr<Record> record = FromMessage(message);
  if (!record.ok()) {
    return Damaged(key, std::string(record.status().message()));
  }
  if (const absl::Status status = validate(*record); !status.ok()) {
    return Damaged(key, std::string(status.message()));
  }
  return record;
}

}  // namespace

std::string SealRecord(std::string_view key, std::string_view payload) {
  std::string sealed(payload);
  sealed.resize(payload.size() + kSealBytes);
  StoreLittleEndian(Checksum(key, payload), sealed.data() + payload.size());
  return sealed;
}

absl::StatusOr<std::string_view> UnsealRecord(std::string_view key,
                                              ByteView sealed) {
  if (sealed.size() < kSealBytes) return Damaged(key, "it is too short");
  const std::string_view payload =
      AsStringView(sealed.first(sealed.size() - kSealBytes));
  if (LoadLittleEndian<uint64_t>(sealed.data() + payload.size()) !=
      Checksum(key, payload)) {
    return Damaged(key, "its checksum does not match");
  }
  return payload;
}

absl::StatusOr<model::Object> ParseObjectRecord(uint64_t object_id,
                                                ByteView sealed) {
  const std::string key = ObjectKey(object_id);
  QSTORE_ASSIGN_OR_RETURN(model::Object object,
                          (ParsePayload<model::Object, v2::Object>(
                              key, sealed, ValidateStoredObject)));
  if (object.id != object_id) {
    return Damaged(key, absl::StrCat("it names object ", object.id));
  }
  return object;
}

absl::StatusOr<StoredRevision> ParseRevisionRecord(std::string_view model,
                                                   std::string_view revision,
                                                   ByteView sealed) {
  const std::string key = RevisionKey(model, revision);
  QSTORE_ASSIGN_OR_RETURN(StoredRevision record,
                          (ParsePayload<StoredRevision, v2::Revision>(
                              key, sealed, ValidateRevision)));
  if (record.model != model || record.revision != revision) {
    return Damaged(key, absl::StrCat("it names ", Quoted(record.model), "@",
                                     Quoted(record.revision)));
  }
  if (RevisionId(record) != record.revision) {
    return Damaged(key, "its content does not give its id");
  }
  return record;
}

absl::StatusOr<v2::UnfinishedUpload> ParseUnfinishedRecord(
    uint64_t checkpoint_id, ByteView sealed) {
  const std::string key = UnfinishedKey(checkpoint_id);
  QSTORE_ASSIGN_OR_RETURN(v2::UnfinishedUpload unfinished,
                          ParseMessage<v2::UnfinishedUpload>(key, sealed));
  uint64_t last_id = 0;
  for (const uint64_t id : unfinished.object_ids()) {
    if (id <= last_id) return Damaged(key, "its objects do not ascend");
    last_id = id;
  }
  return unfinished;
}

std::string SealNumber(std::string_view key, uint64_t number) {
  std::string payload(sizeof(number), '\0');
  StoreLittleEndian(number, payload.data());
  return SealRecord(key, payload);
}

absl::StatusOr<uint64_t> UnsealNumber(std::string_view key, ByteView sealed) {
  QSTORE_ASSIGN_OR_RETURN(const std::string_view payload,
                          UnsealRecord(key, sealed));
  if (payload.size() != sizeof(uint64_t)) {
    return Damaged(key, "it is not a number");
  }
  return LoadLittleEndian<uint64_t>(payload.data());
}

}  // namespace qstore::storage
