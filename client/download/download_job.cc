#include "client/download/download_job.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "client/export/scale_types.h"
#include "model/dtype.h"

namespace qstore::client {
namespace {

// The budget bounds the chunks in flight; this only has to be out of its way.
constexpr size_t kMaxQueuedChunks = 4096;

uint64_t ScaleBytes(const codec::ChunkShape& shape, Dtype dtype) {
  return shape.scale_count() * DtypeBits(dtype) / 8;
}

// Whether what is written can be compared with the server's checksums, so that
// an interrupted download can be gone on with.
bool CanBeChecked(const TensorPlace& place) {
  return !place.quantized || place.scales_dtype == Dtype::kF32;
}

// The one scale of a tensor comes with each of its chunks.
bool RepeatsScales(const ObjectPlan& object, int chunk_index) {
  return object.chunk_shape.strategy == codec::ScaleStrategy::kTensor &&
         chunk_index > 0;
}

std::string Describe(const v1::BytesByKind& bytes) {
  return absl::StrCat("int8 ", bytes.int8(), ", residual ", bytes.residual(),
                      ", plain ", bytes.plain(), ", other ", bytes.other());
}

bool Equal(const v1::BytesByKind& a, const v1::BytesByKind& b) {
  return a.int8() == b.int8() && a.residual() == b.residual() &&
         a.plain() == b.plain() && a.other() == b.other();
}

}  // namespace

DownloadJob::DownloadJob(const Options& options, DownloadLayout* layout,
                         FileWriter* output, DownloadJournal* journal,
                         Events* events)
    : options_(options),
      layout_(layout),
      output_(output),
      journal_(journal),
      events_(events),
      budget_(options.memory_bytes),
      assembler_(&budget_) {
  pool_.emplace(options_.thread_count, kMaxQueuedChunks);
}

DownloadJob::~DownloadJob() = default;

absl::Status DownloadJob::DeclareSizes() {
  for (size_t i = 0; i < layout_->files().size(); ++i) {
    const DownloadLayout::File& file = layout_->files()[i];
    if (!file.laid_out) continue;
    QSTORE_RETURN_IF_ERROR(output_->DeclareSize(i, file.size_bytes));
  }
  return absl::OkStatus();
}

absl::Status DownloadJob::Handle(const DownloadEvent& event) {
  QSTORE_RETURN_IF_ERROR(FirstFailure());
  if (end_seen_) {
    return absl::InternalError("the server sent more after the end");
  }
  if (const auto* object = std::get_if<v1::ObjectManifest>(&event.event)) {
    return BeginObject(*object);
  }
  if (const auto* part = std::get_if<BlobPartView>(&event.event)) {
    return AddPart(*part);
  }
  if (const auto* end = std::get_if<v1::DownloadEnd>(&event.event)) {
    return CheckEnd(*end);
  }
  return absl::InternalError("the server sent a second revision manifest");
}

absl::Status DownloadJob::BeginObject(const v1::ObjectManifest& manifest) {
  QSTORE_RETURN_IF_ERROR(assembler_.CheckComplete());
  const uint64_t index = next_object_index_;
  if (index == layout_->manifest().object_count()) {
    return absl::InternalError(absl::StrCat("the server sent more than the ",
                                            index, " objects it announced"));
  }
  absl::StatusOr<ObjectPlan> checked = CheckObjectManifest(
      manifest, layout_->Describe(layout_->uses(index).front()), index,
      layout_->object_raw_bytes(index), options_.precision);
  if (!checked.ok()) return checked.status();
  QSTORE_RETURN_IF_ERROR(layout_->CheckPlaced(*checked));
  const auto object = std::make_shared<const ObjectPlan>(*std::move(checked));
  ++next_object_index_;
  header_.clear();
  const bool exported_header = layout_->IsExportedHeader(index);
  if (exported_header && object->quantized()) {
    return absl::InternalError(
        absl::StrCat(object->description, " cannot be a quantized tensor"));
  }
  if (layout_->uses(index).size() > 1 && !exported_header) {
    shared_objects_.push_back(object);
  }
  std::set<int> held;
  if (journal_ != nullptr && !exported_header) {
    held = journal_->Chunks(index, object->manifest.chunks_size());
  }
  PlaceChunks(*object);
  CheckHeld(object, held);
  return assembler_.Begin(object, std::move(held));
}

absl::Status DownloadJob::AddPart(const BlobPartView& part) {
  const uint64_t part_bytes = part.payload_bytes();
  QSTORE_ASSIGN_OR_RETURN(std::optional<StoredChunk> chunk,
                          assembler_.Add(part));
  events_->Add(part_bytes);
  if (!chunk.has_value()) return absl::OkStatus();
  if (layout_->IsExportedHeader(part.object_index)) {
    return AddHeaderChunk(*chunk);
  }
  Submit(*std::move(chunk));
  return absl::OkStatus();
}

absl::Status DownloadJob::CheckEnd(const v1::DownloadEnd& end) {
  QSTORE_RETURN_IF_ERROR(assembler_.CheckComplete());
  if (next_object_index_ != layout_->manifest().object_count()) {
    return absl::DataLossError(absl::StrCat(
        layout_->Describe(layout_->uses(next_object_index_).front()),
        " did not come: the server ended after ", next_object_index_, " of ",
        layout_->manifest().object_count(), " objects; download again"));
  }
  if (!Equal(end.sent(), received())) {
    return absl::DataLossError(absl::StrCat(
        "the server sent ", Describe(end.sent()), " bytes, but received were ",
        Describe(received()), ": download again"));
  }
  end_seen_ = true;
  return absl::OkStatus();
}

absl::Status DownloadJob::AddHeaderChunk(const StoredChunk& chunk) {
  // The file cannot be written before its header is known, so this is not left
  // to the pool.
  UnpackedChunk unpacked;
  QSTORE_RETURN_IF_ERROR(
      header_unpacker_.Unpack(chunk, options_.precision, &unpacked));
  header_.insert(header_.end(), unpacked.raw.begin(), unpacked.raw.end());
  if (header_.size() < chunk.object->manifest.raw_bytes()) {
    return absl::OkStatus();
  }
  return WriteExportedHeaders(chunk.object->manifest.object_index());
}

absl::Status DownloadJob::WriteExportedHeaders(uint64_t object_index) {
  for (const DownloadLayout::Use& use : layout_->uses(object_index)) {
    const DownloadLayout::File& file = layout_->files()[use.file_index];
    if (!file.exported) {
      QSTORE_RETURN_IF_ERROR(output_->Write(
          use.file_index, file.segments[use.segment_index].place.offset_bytes,
          header_));
      continue;
    }
    QSTORE_ASSIGN_OR_RETURN(const std::vector<ShardLayout::Literal> literals,
                            layout_->LayOutExported(use, header_));
    QSTORE_RETURN_IF_ERROR(
        output_->DeclareSize(use.file_index, file.size_bytes));
    for (const ShardLayout::Literal& literal : literals) {
      QSTORE_RETURN_IF_ERROR(
          output_->Write(use.file_index, literal.offset_bytes, literal.bytes));
    }
  }
  return absl::OkStatus();
}

void DownloadJob::PlaceChunks(const ObjectPlan& object) {
  const DownloadLayout::Use& use =
      layout_->uses(object.manifest.object_index()).front();
  TensorPlace place =
      layout_->files()[use.file_index].segments[use.segment_index].place;
  place.quantized = exports(object);
  places_.clear();
  for (const v1::ChunkManifest& chunk : object.manifest.chunks()) {
    places_.push_back(place);
    if (exports(object)) {
      const codec::ChunkShape shape = object.ShapeOf(chunk);
      place.offset_bytes += place.codes.SizeOf(shape.weight_count());
      place.scales_offset_bytes += ScaleBytes(shape, place.scales_dtype);
    } else {
      place.offset_bytes += chunk.raw_bytes();
    }
  }
}

void DownloadJob::CheckHeld(const std::shared_ptr<const ObjectPlan>& object,
                            const std::set<int>& held) {
  for (const int chunk_index : held) {
    const v1::ChunkManifest& chunk = object->manifest.chunks(chunk_index);
    uint64_t stored_bytes = 0;
    for (const v1::BlobManifest& blob : chunk.blobs()) {
      stored_bytes += blob.size_bytes();
    }
    held_bytes_ += stored_bytes;
    events_->Add(stored_bytes);
    auto lease =
        std::make_shared<ByteBudget::Lease>(budget_.Acquire(chunk.raw_bytes()));
    const TensorPlace place = places_[static_cast<size_t>(chunk_index)];
    pool_->Submit([this, object, chunk_index, place, lease] {
      if (!failed_) Fail(KeepIfGood(*object, chunk_index, place));
      lease->Release();
    });
  }
}

absl::Status DownloadJob::KeepIfGood(const ObjectPlan& object, int chunk_index,
                                     const TensorPlace& place) {
  const v1::ChunkManifest& chunk = object.manifest.chunks(chunk_index);
  const uint64_t object_index = object.manifest.object_index();
  const size_t file_index = layout_->uses(object_index).front().file_index;
  uint64_t kept_bytes = 0;
  const auto is_good = [&](uint64_t offset_bytes, uint64_t size_bytes,
                           const CodeLayout* codes, uint64_t xxh3) {
    ByteVector bytes(size_bytes);
    kept_bytes += size_bytes;
    if (!output_->ReadEarlier(file_index, offset_bytes, bytes).ok()) {
      return false;
    }
    if (codes == nullptr || codes->is_plain()) return Xxh3(bytes) == xxh3;
    // Codes that differ from those that were packed pack to other bytes too.
    const ByteVector unpacked = codes->Unpack(bytes);
    return Xxh3(unpacked) == xxh3 && codes->Pack(unpacked) == bytes;
  };
  bool good = false;
  if (place.quantized) {
    const codec::ChunkShape shape = object.ShapeOf(chunk);
    good = is_good(place.offset_bytes, place.codes.SizeOf(shape.weight_count()),
                   &place.codes, chunk.codes_xxh3());
    if (!RepeatsScales(object, chunk_index)) {
      good = good &&
             is_good(place.scales_offset_bytes, ScaleBytes(shape, Dtype::kF32),
                     nullptr, chunk.scales_xxh3());
    }
  } else {
    good = is_good(place.offset_bytes, chunk.raw_bytes(), nullptr,
                   chunk.raw_xxh3());
  }
  if (good) return output_->KeepEarlier(file_index, kept_bytes);
  journal_->Forget(object_index, chunk_index);
  ++damaged_count_;
  return absl::OkStatus();
}

void DownloadJob::NoteWritten(const ObjectPlan& object, int chunk_index) {
  const size_t file_index =
      layout_->uses(object.manifest.object_index()).front().file_index;
  if (journal_ == nullptr || !output_->CanResume(file_index)) return;
  journal_->Add(object.manifest.object_index(), chunk_index,
                object.manifest.chunks_size());
}

void DownloadJob::Submit(StoredChunk chunk) {
  const TensorPlace place = places_[static_cast<size_t>(chunk.chunk_index)];
  // Shared, since std::function copies what it holds.
  auto shared = std::make_shared<StoredChunk>(std::move(chunk));
  pool_->Submit([this, shared = std::move(shared), place] {
    if (!failed_) Fail(UnpackAndWrite(*shared, place));
    shared->lease.Release();
  });
}

absl::Status DownloadJob::UnpackAndWrite(const StoredChunk& chunk,
                                         const TensorPlace& place) {
  std::unique_ptr<ChunkUnpacker> unpacker;
  {
    const absl::MutexLock lock(&mutex_);
    if (!idle_unpackers_.empty()) {
      unpacker = std::move(idle_unpackers_.back());
      idle_unpackers_.pop_back();
    }
  }
  if (unpacker == nullptr) unpacker = std::make_unique<ChunkUnpacker>();
  UnpackedChunk unpacked;
  QSTORE_RETURN_IF_ERROR(
      unpacker->Unpack(chunk, options_.precision, &unpacked));
  const size_t file_index =
      layout_->uses(chunk.object->manifest.object_index()).front().file_index;
  if (!place.quantized) {
    QSTORE_RETURN_IF_ERROR(
        output_->Write(file_index, place.offset_bytes, unpacked.raw));
  } else {
    QSTORE_RETURN_IF_ERROR(WriteCodes(file_index, place, unpacked.codes));
    if (!RepeatsScales(*chunk.object, chunk.chunk_index)) {
      QSTORE_RETURN_IF_ERROR(
          output_->Write(file_index, place.scales_offset_bytes,
                         ConvertScales(unpacked.scales, place.scales_dtype)));
    }
  }
  if (CanBeChecked(place)) NoteWritten(*chunk.object, chunk.chunk_index);
  const absl::MutexLock lock(&mutex_);
  idle_unpackers_.push_back(std::move(unpacker));
  return absl::OkStatus();
}

absl::Status DownloadJob::WriteCodes(size_t file_index,
                                     const TensorPlace& place, ByteView codes) {
  if (place.codes.is_plain()) {
    return output_->Write(file_index, place.offset_bytes, codes);
  }
  return output_->Write(file_index, place.offset_bytes,
                        place.codes.Pack(codes));
}

absl::Status DownloadJob::Finish() {
  if (!end_seen_) {
    return absl::DataLossError(absl::StrCat(
        "the download ended after ", next_object_index_, " of ",
        layout_->manifest().object_count(), " objects: try again"));
  }
  pool_.reset();
  QSTORE_RETURN_IF_ERROR(FirstFailure());
  if (damaged_count_ > 0) {
    return absl::AbortedError(
        absl::StrCat(damaged_count_.load(),
                     " chunks that an interrupted download left are damaged"));
  }
  return CopyToOtherPlaces();
}

absl::Status DownloadJob::CopyToOtherPlaces() {
  for (const std::shared_ptr<const ObjectPlan>& object : shared_objects_) {
    const std::vector<DownloadLayout::Use>& uses =
        layout_->uses(object->manifest.object_index());
    const auto place_of = [this](const DownloadLayout::Use& use) {
      return layout_->files()[use.file_index].segments[use.segment_index].place;
    };
    const TensorPlace from = place_of(uses.front());
    uint64_t size_bytes = object->manifest.raw_bytes();
    uint64_t scales_bytes = 0;
    if (exports(*object)) {
      size_bytes = from.codes.SizeOf(
          size_bytes / codec::FloatBytes(object->chunk_shape.format));
      codec::ChunkShape whole = object->chunk_shape;
      whole.rows = static_cast<uint32_t>(object->total_rows);
      scales_bytes = ScaleBytes(whole, from.scales_dtype);
    }
    for (size_t i = 1; i < uses.size(); ++i) {
      const TensorPlace to = place_of(uses[i]);
      if (to.scales_dtype != from.scales_dtype) {
        return absl::FailedPreconditionError(absl::StrCat(
            layout_->Describe(uses[i]), " has the same weights as ",
            layout_->Describe(uses.front()),
            ", but this format wants its scales in another type: use another "
            "format"));
      }
      QSTORE_RETURN_IF_ERROR(
          output_->Copy(uses.front().file_index, from.offset_bytes,
                        uses[i].file_index, to.offset_bytes, size_bytes));
      QSTORE_RETURN_IF_ERROR(output_->Copy(
          uses.front().file_index, from.scales_offset_bytes, uses[i].file_index,
          to.scales_offset_bytes, scales_bytes));
    }
  }
  return absl::OkStatus();
}

void DownloadJob::Fail(const absl::Status& status) {
  if (status.ok()) return;
  const absl::MutexLock lock(&mutex_);
  failure_.Update(status);
  failed_ = true;
}

absl::Status DownloadJob::FirstFailure() {
  if (!failed_) return absl::OkStatus();
  const absl::MutexLock lock(&mutex_);
  return failure_;
}

}  // namespace qstore::client
