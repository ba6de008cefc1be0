#include "server/calls/revision_summary.h"

#include "absl/strings/str_cat.h"
#include "base/quote.h"
#include "base/status.h"
#include "codec/int8/int8_coder.h"
#include "server/calls/wire_records.h"

namespace qstore::server {
namespace {

// Of a coder of a later build, its number.
std::string CoderName(uint32_t number) {
  const codec::Int8CoderEntry* coder =
      codec::FindInt8Coder(static_cast<uint8_t>(number));
  return coder == nullptr ? absl::StrCat(number) : std::string(coder->name);
}

void AddTensor(const storage::v1::Segment& segment,
               const storage::v1::Object& object, v1::FileSummary* file) {
  const v1::BytesByKind stored = StoredBytesOf(object);
  v1::TensorSummary* tensor = file->add_tensors();
  tensor->set_name(segment.tensor_name());
  tensor->set_dtype(DtypeNameOf(object));
  *tensor->mutable_shape() = object.shape();
  tensor->set_quantized(object.kind() == storage::v1::OBJECT_KIND_QUANTIZED);
  tensor->set_int8_bytes(stored.int8());
  tensor->set_residual_bytes(stored.residual());
  tensor->set_plain_bytes(stored.plain());
  tensor->set_raw_bytes(object.raw_bytes());
  if (tensor->quantized()) {
    tensor->set_int8_coder(CoderName(object.quantization().coder()));
  }
}

absl::Status SummarizeFile(storage::RevisionReader& reader,
                           const storage::v1::File& record,
                           v1::FileSummary* file) {
  file->set_path(record.path());
  file->set_size_bytes(record.size_bytes());
  for (const storage::v1::Segment& segment : record.segments()) {
    QSTORE_ASSIGN_OR_RETURN(const storage::v1::Object object,
                            reader.GetObject(segment.object_id()));
    if (object.kind() == storage::v1::OBJECT_KIND_OPAQUE) {
      file->set_other_bytes(file->other_bytes() +
                            StoredBytesOf(object).other());
    } else {
      AddTensor(segment, object, file);
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<v1::GetRevisionResponse> SummarizeRevision(
    storage::RevisionReader& reader) {
  const storage::v1::Revision& revision = reader.revision();
  v1::GetRevisionResponse response;
  response.set_model(revision.model());
  response.set_revision(revision.revision());
  response.set_created_unix_seconds(revision.created_unix_seconds());
  *response.mutable_stored() = ToWire(revision.stored());
  response.set_original_bytes(revision.original_bytes());
  response.set_two_copies_bytes(revision.two_copies_bytes());
  response.set_quantizer(revision.quantizer());
  for (const storage::v1::File& file : revision.files()) {
    QSTORE_RETURN_IF_ERROR(
        Annotate(SummarizeFile(reader, file, response.add_files()),
                 "file " + Quoted(file.path())));
  }
  return response;
}

}  // namespace qstore::server
