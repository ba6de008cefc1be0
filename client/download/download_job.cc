#include "client/download/download_job.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/error_reason.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "client/export/scale_types.h"
#include "client/server_faults.h"
#include "model/dtype.h"
#include "wire/layer_bytes.h"

namespace qstore::client {
namespace {

// The budget bounds the chunks in flight; this only has to be out of its way.
constexpr size_t kMaxQueuedChunks = 4096;

std::string DescribeBytes(const model::LayerBytes& bytes) {
  std::string text;
  for (const auto& [layer, layer_bytes] : bytes.by_layer()) {
    absl::StrAppend(&text, "layer ", layer, ": ", layer_bytes, ", ");
  }
  absl::StrAppend(&text, "other: ", bytes.other());
  return text;
}

uint64_t ScaleRowBytes(const model::Object& object, Dtype dtype) {
  const uint64_t columns = object.shape[1];
  const uint32_t group = object.quantization->group_size;
  const uint64_t scales = group == 0 ? 1 : (columns + group - 1) / group;
  return scales * DtypeBits(dtype) / 8;
}

bool HasOneScale(const model::Object& object) {
  return object.quantization->strategy == codec::ScaleStrategy::kTensor;
}

}  // namespace

DownloadJob::DownloadJob(const Options& options,
                         const model::Manifest* manifest,
                         const model::ReadPlan* plan, DownloadLayout* layout,
                         FileWriter* output, DownloadJournal* journal,
                         Events* events)
    : options_(options),
      manifest_(*manifest),
      plan_(*plan),
      layout_(layout),
      output_(output),
      journal_(journal),
      events_(events),
      budget_(options.memory_bytes),
      assembler_(manifest, plan, &budget_) {
  pool_.emplace(options_.thread_count, kMaxQueuedChunks);
}

DownloadJob::~DownloadJob() = default;

bool DownloadJob::CanBeChecked(const TensorPlace& place) {
  // Of scales of another type there is no checksum.
  return !place.quantized || place.scales_dtype == Dtype::kF32;
}

absl::Status DownloadJob::Begin() {
  for (size_t i = 0; i < layout_->files().size(); ++i) {
    const DownloadLayout::File& file = layout_->files()[i];
    if (!file.laid_out) continue;
    QSTORE_RETURN_IF_ERROR(DeclareFile(i, file.literals));
  }
  return absl::OkStatus();
}

absl::Status DownloadJob::DeclareFile(
    size_t file_index, const std::vector<ShardLayout::Literal>& literals) {
  QSTORE_RETURN_IF_ERROR(output_->DeclareSize(
      file_index, layout_->files()[file_index].size_bytes));
  for (const ShardLayout::Literal& literal : literals) {
    QSTORE_RETURN_IF_ERROR(
        output_->Write(file_index, literal.offset_bytes, literal.bytes));
  }
  CheckHeld(file_index);
  return absl::OkStatus();
}

absl::Status DownloadJob::Handle(const DownloadEvent& event) {
  QSTORE_RETURN_IF_ERROR(FirstFailure());
  if (end_seen_) {
    return ContradictionError("the server sent more after the end");
  }
  if (const auto* value = std::get_if<ValueView>(&event.event)) {
    return AddValue(*value);
  }
  if (const auto* end = std::get_if<v1::DownloadEnd>(&event.event)) {
    return CheckEnd(*end);
  }
  return ContradictionError(
      "the server sent a page of the manifest after the last one");
}

absl::Status DownloadJob::AddValue(const ValueView& value) {
  const uint64_t size_bytes = value.payload_bytes();
  QSTORE_ASSIGN_OR_RETURN(std::optional<StoredChunk> chunk,
                          assembler_.Add(value));
  events_->Add(size_bytes);
  if (!chunk.has_value()) return absl::OkStatus();
  if (layout_->IsExportedHeader(chunk->planned.object_index)) {
    return AddHeaderChunk(*chunk);
  }
  const DownloadLayout::Use& use =
      layout_->uses(chunk->planned.object_index).front();
  if (!layout_->files()[use.file_index].laid_out) {
    return ContradictionError(absl::StrCat(
        layout_->Describe(use), " came before the header of its file"));
  }
  Submit(*std::move(chunk));
  return absl::OkStatus();
}

absl::Status DownloadJob::CheckEnd(const v1::DownloadEnd& end) {
  QSTORE_RETURN_IF_ERROR(assembler_.CheckComplete());
  const absl::StatusOr<model::LayerBytes> sent = wire::FromWire(end.sent());
  if (!sent.ok() || *sent != received()) {
    return DamagedInTransitError(absl::StrCat(
        "the server says that it sent bytes of ",
        sent.ok() ? DescribeBytes(*sent) : std::string("unknown layers"),
        ", but received were ", DescribeBytes(received()), ": download again"));
  }
  end_seen_ = true;
  return absl::OkStatus();
}

absl::Status DownloadJob::AddHeaderChunk(const StoredChunk& chunk) {
  // The file cannot be written before its header is known, so this is not left
  // to the pool.
  UnpackedChunk unpacked;
  const model::Object& object = ObjectOf(chunk.planned);
  QSTORE_RETURN_IF_ERROR(Annotate(
      header_unpacker_.Unpack(object, ChunkOf(chunk.planned),
                              chunk.planned.layer_count,
                              {chunk.bytes.get(), chunk.size_bytes}, &unpacked),
      DescribeChunk(manifest_, chunk.planned)));
  if (chunk.planned.chunk_index == 0) header_.clear();
  header_.insert(header_.end(), unpacked.raw.begin(), unpacked.raw.end());
  if (header_.size() < object.raw_bytes) return absl::OkStatus();
  return WriteExportedHeaders(chunk.planned.object_index);
}

absl::Status DownloadJob::WriteExportedHeaders(size_t object_index) {
  for (const DownloadLayout::Use& use : layout_->uses(object_index)) {
    const DownloadLayout::File& file = layout_->files()[use.file_index];
    if (!file.exported) {
      QSTORE_RETURN_IF_ERROR(output_->Write(
          use.file_index, layout_->segment(use).place.offset_bytes, header_));
      continue;
    }
    QSTORE_ASSIGN_OR_RETURN(const std::vector<ShardLayout::Literal> literals,
                            layout_->LayOutExported(use, header_));
    QSTORE_RETURN_IF_ERROR(DeclareFile(use.file_index, literals));
  }
  return absl::OkStatus();
}

DownloadJob::Target DownloadJob::TargetOf(
    const model::PlannedChunk& planned) const {
  const DownloadLayout::Use& use = layout_->uses(planned.object_index).front();
  const DownloadLayout::Segment& segment = layout_->segment(use);
  const model::Object& object = ObjectOf(planned);
  const model::Chunk& chunk = ChunkOf(planned);
  uint64_t first_byte = 0;  // of the chunk, in the object
  uint64_t first_row = 0;   // likewise
  for (uint32_t i = 0; i < planned.chunk_index; ++i) {
    first_byte += object.chunks[i].raw_bytes;
    first_row += object.chunks[i].rows;
  }
  Target target;
  target.file_index = use.file_index;
  target.place = segment.place;
  target.place.quantized = IsLowPrecision(planned);
  const model::RowRange rows = segment.rows.value_or(
      model::RowRange{0, object.shape.empty() ? 0 : object.shape[0]});
  if (target.place.quantized) {
    const uint64_t begin = std::max(first_row, rows.first);
    target.first_of_tensor = first_row <= rows.first;
    target.first_row = begin - first_row;
    target.row_count = std::min(first_row + chunk.rows, rows.end) - begin;
    target.place.offset_bytes +=
        (begin - rows.first) * segment.place.codes.row_bytes;
    if (!HasOneScale(object)) {
      target.place.scales_offset_bytes +=
          (begin - rows.first) *
          ScaleRowBytes(object, segment.place.scales_dtype);
    }
    return target;
  }
  uint64_t wanted_first = 0;
  uint64_t wanted_end = object.raw_bytes;
  if (segment.rows.has_value()) {
    const uint64_t row_bytes = object.raw_bytes / object.shape[0];
    wanted_first = rows.first * row_bytes;
    wanted_end = rows.end * row_bytes;
  }
  const uint64_t begin = std::max(first_byte, wanted_first);
  target.skip_bytes = begin - first_byte;
  target.size_bytes =
      std::min(first_byte + chunk.raw_bytes, wanted_end) - begin;
  target.place.offset_bytes += begin - wanted_first;
  return target;
}

bool DownloadJob::IsWhole(const model::PlannedChunk& planned,
                          const Target& target) const {
  const model::Chunk& chunk = ChunkOf(planned);
  return target.place.quantized ? target.row_count == chunk.rows
                                : target.size_bytes == chunk.raw_bytes;
}

void DownloadJob::CheckHeld(size_t file_index) {
  for (const model::PlannedChunk& planned : plan_.held_chunks) {
    if (layout_->IsExportedHeader(planned.object_index) ||
        layout_->uses(planned.object_index).front().file_index != file_index) {
      continue;
    }
    const model::Chunk& chunk = ChunkOf(planned);
    events_->Add(model::StoredBytesOf(chunk, planned.layer_count));
    auto lease =
        std::make_shared<ByteBudget::Lease>(budget_.Acquire(chunk.raw_bytes));
    const Target target = TargetOf(planned);
    pool_->Submit([this, planned, target, lease] {
      if (!failed_) Fail(KeepIfGood(planned, target));
      lease->Release();
    });
  }
}

absl::Status DownloadJob::KeepIfGood(const model::PlannedChunk& planned,
                                     const Target& target) {
  const model::Object& object = ObjectOf(planned);
  const model::Chunk& chunk = ChunkOf(planned);
  uint64_t kept_bytes = 0;
  const auto is_good = [&](uint64_t offset_bytes, uint64_t size_bytes,
                           const CodeLayout* codes, uint64_t xxh3) {
    ByteVector bytes(size_bytes);
    kept_bytes += size_bytes;
    if (!output_->ReadEarlier(target.file_index, offset_bytes, bytes).ok()) {
      return false;
    }
    if (codes == nullptr || codes->is_plain()) return Xxh3(bytes) == xxh3;
    // Codes that differ from those that were packed pack to other bytes too.
    const ByteVector unpacked = codes->Unpack(bytes);
    return Xxh3(unpacked) == xxh3 && codes->Pack(unpacked) == bytes;
  };
  bool good = false;
  if (target.place.quantized) {
    const std::vector<uint64_t>& xxh3 =
        chunk.layers[planned.layer_count - 1].decoded_xxh3;
    good = IsWhole(planned, target) && xxh3.size() == 2 &&
           is_good(target.place.offset_bytes,
                   target.row_count * target.place.codes.row_bytes,
                   &target.place.codes, xxh3[0]);
    if (!HasOneScale(object) || target.first_of_tensor) {
      const uint64_t rows = HasOneScale(object) ? 1 : target.row_count;
      good = good && is_good(target.place.scales_offset_bytes,
                             rows * ScaleRowBytes(object, Dtype::kF32), nullptr,
                             xxh3[1]);
    }
  } else {
    good = IsWhole(planned, target) &&
           is_good(target.place.offset_bytes, chunk.raw_bytes, nullptr,
                   chunk.raw_xxh3);
  }
  if (good) return output_->KeepEarlier(target.file_index, kept_bytes);
  journal_->Forget(planned.object_index, static_cast<int>(planned.chunk_index),
                   static_cast<int>(object.chunks.size()));
  ++damaged_count_;
  if (options_.stop_at_damage) {
    return absl::AbortedError(
        absl::StrCat(DescribeChunk(manifest_, planned), " is not there"));
  }
  return absl::OkStatus();
}

void DownloadJob::Submit(StoredChunk chunk) {
  const Target target = TargetOf(chunk.planned);
  // Shared, since std::function copies what it holds.
  auto shared = std::make_shared<StoredChunk>(std::move(chunk));
  pool_->Submit([this, shared = std::move(shared), target] {
    if (!failed_) Fail(UnpackAndWrite(*shared, target));
    shared->lease.Release();
  });
}

absl::Status DownloadJob::UnpackAndWrite(const StoredChunk& chunk,
                                         const Target& target) {
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
  const model::Object& object = ObjectOf(chunk.planned);
  QSTORE_RETURN_IF_ERROR(Annotate(
      unpacker->Unpack(object, ChunkOf(chunk.planned),
                       chunk.planned.layer_count,
                       {chunk.bytes.get(), chunk.size_bytes}, &unpacked),
      DescribeChunk(manifest_, chunk.planned)));
  if (target.place.quantized) {
    QSTORE_RETURN_IF_ERROR(WriteLowPrecision(chunk, target, unpacked));
  } else {
    QSTORE_RETURN_IF_ERROR(output_->Write(
        target.file_index, target.place.offset_bytes,
        unpacked.raw.subspan(target.skip_bytes, target.size_bytes)));
  }
  if (journal_ != nullptr && CanBeChecked(target.place) &&
      IsWhole(chunk.planned, target) && output_->CanResume(target.file_index)) {
    journal_->Add(chunk.planned.object_index,
                  static_cast<int>(chunk.planned.chunk_index),
                  static_cast<int>(object.chunks.size()));
  }
  const absl::MutexLock lock(&mutex_);
  idle_unpackers_.push_back(std::move(unpacker));
  return absl::OkStatus();
}

absl::Status DownloadJob::WriteLowPrecision(const StoredChunk& chunk,
                                            const Target& target,
                                            const UnpackedChunk& unpacked) {
  const model::Object& object = ObjectOf(chunk.planned);
  const uint64_t columns = object.shape[1];
  const ByteView codes = unpacked.codes.subspan(target.first_row * columns,
                                                target.row_count * columns);
  if (target.place.codes.is_plain()) {
    QSTORE_RETURN_IF_ERROR(
        output_->Write(target.file_index, target.place.offset_bytes, codes));
  } else {
    QSTORE_RETURN_IF_ERROR(output_->Write(target.file_index,
                                          target.place.offset_bytes,
                                          target.place.codes.Pack(codes)));
  }
  ByteView scales = unpacked.scales;
  if (HasOneScale(object)) {
    // It comes with each chunk of the tensor.
    if (!target.first_of_tensor) return absl::OkStatus();
  } else {
    const uint64_t row_bytes = ScaleRowBytes(object, Dtype::kF32);
    scales = scales.subspan(target.first_row * row_bytes,
                            target.row_count * row_bytes);
  }
  return output_->Write(target.file_index, target.place.scales_offset_bytes,
                        ConvertScales(scales, target.place.scales_dtype));
}

absl::Status DownloadJob::Finish() {
  if (!end_seen_) {
    return DamagedInTransitError(
        "the download ended before its last message: try again");
  }
  pool_.reset();
  QSTORE_RETURN_IF_ERROR(FirstFailure());
  if (damaged_count_ > 0) {
    return WithReason(
        absl::AbortedError(absl::StrCat(
            damaged_count_.load(),
            " chunks that an interrupted download left are damaged")),
        kReasonHeldDamaged);
  }
  for (const DownloadLayout::File& file : layout_->files()) {
    if (file.laid_out) continue;
    return ContradictionError(
        absl::StrCat("the server contradicts itself: file ", Quoted(file.path),
                     " has no header"));
  }
  return CopyToOtherPlaces();
}

absl::Status DownloadJob::CopyToOtherPlaces() {
  for (size_t i = 0; i < manifest_.objects.size(); ++i) {
    const std::vector<DownloadLayout::Use>& uses = layout_->uses(i);
    if (uses.size() < 2 || layout_->IsExportedHeader(i)) continue;
    const model::Object& object = manifest_.objects[i];
    const DownloadLayout::Segment& from = layout_->segment(uses.front());
    uint64_t size_bytes = object.raw_bytes;
    uint64_t scales_bytes = 0;
    if (!object.shape.empty() && object.shape[0] > 0) {
      const uint64_t rows = from.rows.has_value()
                                ? from.rows->end - from.rows->first
                                : object.shape[0];
      size_bytes = object.raw_bytes / object.shape[0] * rows;
      if (from.place.quantized) {
        size_bytes = rows * from.place.codes.row_bytes;
        scales_bytes = (HasOneScale(object) ? 1 : rows) *
                       ScaleRowBytes(object, from.place.scales_dtype);
      } else if (!from.rows.has_value()) {
        size_bytes = object.raw_bytes;
      }
    }
    for (size_t j = 1; j < uses.size(); ++j) {
      const TensorPlace& to = layout_->segment(uses[j]).place;
      if (to.scales_dtype != from.place.scales_dtype) {
        return NotExportableError(absl::StrCat(
            layout_->Describe(uses[j]), " has the same weights as ",
            layout_->Describe(uses.front()),
            ", but this format wants its scales in another type: use another "
            "format"));
      }
      QSTORE_RETURN_IF_ERROR(
          output_->Copy(uses.front().file_index, from.place.offset_bytes,
                        uses[j].file_index, to.offset_bytes, size_bytes));
      QSTORE_RETURN_IF_ERROR(output_->Copy(
          uses.front().file_index, from.place.scales_offset_bytes,
          uses[j].file_index, to.scales_offset_bytes, scales_bytes));
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
