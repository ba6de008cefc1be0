#include "server/calls/wire_records.h"

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "model/dtype.h"
#include "storage/records/keys.h"

namespace qstore::server {

v1::BytesByKind ToWire(const storage::v1::StoredBytes& stored) {
  v1::BytesByKind wire;
  wire.set_int8(stored.int8());
  wire.set_residual(stored.residual());
  wire.set_plain(stored.plain());
  wire.set_other(stored.other());
  return wire;
}

absl::StatusOr<ModelReference> FromWire(const v1::Reference& reference) {
  ModelReference result;
  QSTORE_RETURN_IF_ERROR(ValidateModelName(reference.model()));
  result.model = reference.model();
  switch (reference.version_case()) {
    case v1::Reference::kTag:
      QSTORE_RETURN_IF_ERROR(ValidateTag(reference.tag()));
      result.tag = reference.tag();
      break;
    case v1::Reference::kRevision:
      QSTORE_RETURN_IF_ERROR(ValidateRevisionPrefix(reference.revision()));
      result.revision_prefix = reference.revision();
      break;
    case v1::Reference::VERSION_NOT_SET:
      result.tag = kDefaultTag;
      break;
  }
  return result;
}

std::string NameOf(const v1::Reference& reference) {
  std::string name = reference.model();
  switch (reference.version_case()) {
    case v1::Reference::kTag:
      absl::StrAppend(&name, ":", reference.tag());
      break;
    case v1::Reference::kRevision:
      absl::StrAppend(&name, "@", reference.revision());
      break;
    case v1::Reference::VERSION_NOT_SET:
      break;
  }
  // It may be anything as yet: escaped and cut, without the quotes.
  name = Quoted(name);
  return name.substr(1, name.size() - 2);
}

std::string DtypeNameOf(const storage::v1::Object& object) {
  const absl::StatusOr<Dtype> dtype = DtypeFromNumber(object.dtype());
  return dtype.ok() ? std::string(DtypeName(*dtype)) : "";
}

v1::BytesByKind StoredBytesOf(const storage::v1::Object& object) {
  const bool opaque = object.kind() == storage::v1::OBJECT_KIND_OPAQUE;
  v1::BytesByKind stored;
  for (const storage::v1::Chunk& chunk : object.chunks()) {
    if (chunk.has_int8()) {
      stored.set_int8(stored.int8() + chunk.int8().size_bytes() +
                      storage::kDataKeyBytes);
    }
    for (const storage::v1::Blob& blob : chunk.residual()) {
      stored.set_residual(stored.residual() + blob.size_bytes() +
                          storage::kDataKeyBytes);
    }
    if (chunk.has_plain()) {
      const uint64_t bytes =
          chunk.plain().size_bytes() + storage::kDataKeyBytes;
      if (opaque) {
        stored.set_other(stored.other() + bytes);
      } else {
        stored.set_plain(stored.plain() + bytes);
      }
    }
  }
  return stored;
}

}  // namespace qstore::server
