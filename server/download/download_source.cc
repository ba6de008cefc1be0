#include "server/download/download_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/failpoints/failpoint.h"
#include "base/hash.h"
#include "base/status.h"
#include "server/download/value_message.h"
#include "wire/layer_bytes.h"

namespace qstore::server {

DownloadSource::DownloadSource(std::unique_ptr<storage::RevisionReader> reader,
                               std::vector<std::string> tags,
                               wire::ReadRequest request,
                               std::shared_ptr<PinnedBytesGauge> gauge,
                               std::function<bool()> cancelled)
    : reader_(std::move(reader)),
      request_(std::move(request)),
      gauge_(std::move(gauge)),
      cancelled_(std::move(cancelled)),
      manifest_(reader_.get(), std::move(tags)),
      pages_(&manifest_.manifest(), manifest_.object_count(),
             [this](size_t index) { return manifest_.Object(index); }) {}

absl::StatusOr<std::optional<grpc::ByteBuffer>> DownloadSource::Next() {
  if (state_ == State::kManifest) return PageMessage();
  if (state_ == State::kEnded) return std::nullopt;
  while (value_position_ == values_.size() &&
         chunk_position_ < plan_.chunks.size()) {
    const model::PlannedChunk& chunk = plan_.chunks[chunk_position_];
    values_ = model::ValuesOf(manifest_.manifest()
                                  .objects[chunk.object_index]
                                  .chunks[chunk.chunk_index],
                              chunk.layer_count);
    value_position_ = 0;
    if (values_.empty()) ++chunk_position_;
  }
  if (chunk_position_ == plan_.chunks.size()) {
    QSTORE_FAILPOINT("download.end");
    return EndMessage();
  }
  QSTORE_ASSIGN_OR_RETURN(
      grpc::ByteBuffer message,
      ValueMessageOf(plan_.chunks[chunk_position_], values_[value_position_]));
  if (++value_position_ == values_.size()) ++chunk_position_;
  return message;
}

absl::StatusOr<grpc::ByteBuffer> DownloadSource::PageMessage() {
  QSTORE_FAILPOINT("download.manifest");
  QSTORE_ASSIGN_OR_RETURN(const v1::ManifestPage page, pages_.Next());
  if (pages_.done()) {
    // What a client holds of another revision is of no use.
    const bool holds = request_.held_revision == manifest_.manifest().revision;
    QSTORE_ASSIGN_OR_RETURN(
        plan_, model::PlanRead(manifest_.manifest(), request_.selection,
                               request_.representation,
                               holds ? request_.held : model::HeldChunks(),
                               cancelled_));
    state_ = State::kValues;
  }
  v1::DownloadResponse response;
  v1::Checked* checked = response.mutable_manifest_page();
  *checked->mutable_serialized() = page.SerializeAsString();
  checked->set_xxh3(Xxh3(AsBytes(checked->serialized())));
  return SerializedMessage(response);
}

absl::StatusOr<grpc::ByteBuffer> DownloadSource::ValueMessageOf(
    const model::PlannedChunk& chunk, const model::ValueAddress& address) {
  QSTORE_FAILPOINT("download.value");
  const model::Object& object =
      manifest_.manifest().objects[chunk.object_index];
  absl::StatusOr<storage::PinnedValue> value =
      reader_->GetValue(object.id, chunk.chunk_index, address);
  if (!value.ok()) {
    return Annotate(value.status(),
                    absl::StrCat("model ", object_name(), ": ",
                                 model::DescribeObject(manifest_.manifest(),
                                                       chunk.object_index),
                                 ": chunk ", chunk.chunk_index));
  }
  if (object.is_tensor()) {
    sent_.Add(address.layer, address.size_bytes);
  } else {
    sent_.AddOther(address.size_bytes);
  }
  return ValueMessage(
      chunk.object_index, chunk.chunk_index, address,
      std::make_shared<const CountedValue>(*std::move(value), gauge_));
}

grpc::ByteBuffer DownloadSource::EndMessage() {
  state_ = State::kEnded;
  v1::DownloadResponse response;
  wire::ToWire(sent_, response.mutable_end()->mutable_sent());
  return SerializedMessage(response);
}

}  // namespace qstore::server
