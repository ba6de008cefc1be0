#include "model/read_plan.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/error_reason.h"
#include "base/status.h"
#include "base/text/glob.h"
#include "base/text/quote.h"

namespace qstore::model {
namespace {

// Bytes [first, end) of an object that are wanted; empty: none.
struct ByteRange {
  uint64_t first = std::numeric_limits<uint64_t>::max();
  uint64_t end = 0;

  void Widen(const ByteRange& other) {
    first = std::min(first, other.first);
    end = std::max(end, other.end);
  }
};

absl::StatusOr<ByteRange> BytesOfRows(const Object& object,
                                      const RowRange& rows) {
  if (!object.is_tensor() || object.shape.empty()) {
    return WithReason(absl::InvalidArgumentError("it has no rows"),
                      kReasonInvalidSelection);
  }
  const uint64_t row_count = object.shape[0];
  if (rows.end > row_count) {
    return WithReason(absl::InvalidArgumentError(absl::StrCat(
                          "rows ", rows.first, " to ", rows.end,
                          " are asked for, but it has ", row_count)),
                      kReasonInvalidSelection);
  }
  // Rows of elements smaller than a byte may share one.
  if (object.raw_bytes % row_count != 0) {
    return WithReason(
        absl::InvalidArgumentError(
            "its rows are not of whole bytes, so it can only be read whole"),
        kReasonInvalidSelection);
  }
  const uint64_t row_bytes = object.raw_bytes / row_count;
  return ByteRange{rows.first * row_bytes, rows.end * row_bytes};
}

// A range that is the whole tensor is no range: then it is the same as asked
// for without one.
bool HasAllRows(const Object& object, const RowRange& rows) {
  return object.is_tensor() && !object.shape.empty() &&
         rows == RowRange{0, object.shape[0]};
}

class Planner {
 public:
  // All outlive this.
  Planner(const Manifest& manifest, const Selection& selection,
          const std::function<bool()>& cancelled)
      : manifest_(manifest),
        selection_(selection),
        cancelled_(cancelled),
        wanted_(manifest.objects.size()),
        file_matched_(selection.files.size()),
        tensor_matched_(selection.tensors.size()) {}

  absl::Status SelectFiles(std::vector<PlannedFile>* files) {
    for (size_t i = 0; i < manifest_.files.size(); ++i) {
      PlannedFile planned;
      planned.file_index = static_cast<uint32_t>(i);
      const File& file = manifest_.files[i];
      QSTORE_RETURN_IF_ERROR(CheckCancelled());
      planned.whole = selection_.all() || MatchFile(file.path);
      QSTORE_RETURN_IF_ERROR(
          Annotate(SelectSegments(file, &planned),
                   absl::StrCat("file ", Quoted(file.path))));
      if (planned.whole || !planned.segments.empty()) {
        files->push_back(std::move(planned));
      }
    }
    return CheckMatched();
  }

  void PlanChunks(const Representation& representation, const HeldChunks& held,
                  ReadPlan* plan) const {
    for (size_t i = 0; i < manifest_.objects.size(); ++i) {
      const Object& object = manifest_.objects[i];
      uint64_t offset = 0;
      for (size_t j = 0; j < object.chunks.size(); ++j) {
        const Chunk& chunk = object.chunks[j];
        const uint64_t begin = offset;
        offset += chunk.raw_bytes;
        if (offset <= wanted_[i].first || begin >= wanted_[i].end) continue;
        const PlannedChunk planned = {static_cast<uint32_t>(i),
                                      static_cast<uint32_t>(j),
                                      LayerCountOf(chunk, representation)};
        const bool is_held = held.Has(i, planned.chunk_index);
        CountBytes(object, chunk, planned.layer_count,
                   is_held ? &plan->held : &plan->to_read);
        (is_held ? plan->held_chunks : plan->chunks).push_back(planned);
      }
    }
  }

 private:
  bool MatchFile(const std::string& path) {
    bool matched = false;
    for (size_t i = 0; i < selection_.files.size(); ++i) {
      // Each pattern is tried, so that those that match nothing are found out.
      if (matched && file_matched_[i]) continue;
      if (!GlobMatch(selection_.files[i], path)) continue;
      file_matched_[i] = true;
      matched = true;
    }
    return matched;
  }

  // The first pattern that the tensor matches; null: none.
  const TensorPattern* MatchTensor(const std::string& name) {
    const TensorPattern* first = nullptr;
    for (size_t i = 0; i < selection_.tensors.size(); ++i) {
      if (first != nullptr && tensor_matched_[i]) continue;
      if (!GlobMatch(selection_.tensors[i].pattern, name)) continue;
      tensor_matched_[i] = true;
      if (first == nullptr) first = &selection_.tensors[i];
    }
    return first;
  }

  absl::Status SelectSegments(const File& file, PlannedFile* planned) {
    for (size_t i = 0; i < file.segments.size(); ++i) {
      const Segment& segment = file.segments[i];
      const Object& object = manifest_.objects[segment.object_index];
      QSTORE_RETURN_IF_ERROR(CheckCancelled());
      const TensorPattern* pattern =
          segment.tensor_name.empty() || selection_.tensors.empty()
              ? nullptr
              : MatchTensor(segment.tensor_name);
      if (!planned->whole && pattern == nullptr) continue;
      PlannedSegment wanted;
      wanted.segment_index = static_cast<uint32_t>(i);
      ByteRange bytes = {0, object.raw_bytes};
      if (!planned->whole && pattern->rows.has_value() &&
          !HasAllRows(object, *pattern->rows)) {
        wanted.rows = pattern->rows;
        absl::StatusOr<ByteRange> rows = BytesOfRows(object, *pattern->rows);
        if (!rows.ok()) {
          return Annotate(rows.status(),
                          absl::StrCat("tensor ", Quoted(segment.tensor_name)));
        }
        bytes = *rows;
      }
      wanted_[segment.object_index].Widen(bytes);
      planned->segments.push_back(wanted);
    }
    return absl::OkStatus();
  }

  absl::Status CheckCancelled() const {
    if (!cancelled_ || !cancelled_()) return absl::OkStatus();
    return absl::CancelledError("nobody waits for the plan any more");
  }

  absl::Status CheckMatched() const {
    for (size_t i = 0; i < file_matched_.size(); ++i) {
      if (file_matched_[i]) continue;
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "no file of ", manifest_.name(), " matches ",
                            Quoted(selection_.files[i]))),
                        kReasonInvalidSelection);
    }
    for (size_t i = 0; i < tensor_matched_.size(); ++i) {
      if (tensor_matched_[i]) continue;
      return WithReason(absl::InvalidArgumentError(absl::StrCat(
                            "no tensor of ", manifest_.name(), " matches ",
                            Quoted(selection_.tensors[i].pattern))),
                        kReasonInvalidSelection);
    }
    return absl::OkStatus();
  }

  static void CountBytes(const Object& object, const Chunk& chunk,
                         uint32_t layer_count, LayerBytes* sum) {
    QSTORE_DCHECK(layer_count <= chunk.layers.size());
    for (uint32_t i = 0; i < layer_count; ++i) {
      const LayerBlobs& layer = chunk.layers[i];
      if (object.is_tensor()) {
        sum->Add(layer.layer, layer.size_bytes());
      } else {
        sum->AddOther(layer.size_bytes());
      }
    }
  }

  const Manifest& manifest_;
  const Selection& selection_;
  const std::function<bool()>& cancelled_;
  std::vector<ByteRange> wanted_;  // by object
  std::vector<bool> file_matched_;
  std::vector<bool> tensor_matched_;
};

}  // namespace

absl::StatusOr<ReadPlan> PlanRead(const Manifest& manifest,
                                  const Selection& selection,
                                  const Representation& representation,
                                  const HeldChunks& held,
                                  const std::function<bool()>& cancelled) {
  QSTORE_RETURN_IF_ERROR(ValidateSelection(selection));
  ReadPlan plan;
  Planner planner(manifest, selection, cancelled);
  QSTORE_RETURN_IF_ERROR(planner.SelectFiles(&plan.files));
  planner.PlanChunks(representation, held, &plan);
  return plan;
}

uint32_t LayerCountOf(const Chunk& chunk,
                      const Representation& representation) {
  for (size_t i = 0; i < chunk.layers.size(); ++i) {
    if (chunk.layers[i].layer == representation.layer) {
      return static_cast<uint32_t>(i) + 1;
    }
  }
  return static_cast<uint32_t>(chunk.layers.size());
}

std::vector<ValueAddress> ValuesOf(const Chunk& chunk, uint32_t layer_count) {
  QSTORE_DCHECK(layer_count <= chunk.layers.size());
  std::vector<ValueAddress> values;
  for (uint32_t i = 0; i < layer_count; ++i) {
    const LayerBlobs& layer = chunk.layers[i];
    for (const Blob& blob : layer.blobs) {
      for (uint32_t value = 0; value < ValueCount(blob.size_bytes); ++value) {
        values.push_back({.layer = layer.layer,
                          .subgroup = blob.subgroup,
                          .value_index = static_cast<uint16_t>(value),
                          .size_bytes = ValueBytes(blob.size_bytes, value),
                          .xxh3 = blob.value_xxh3[value]});
      }
    }
  }
  return values;
}

uint64_t StoredBytesOf(const Chunk& chunk, uint32_t layer_count) {
  QSTORE_DCHECK(layer_count <= chunk.layers.size());
  uint64_t sum = 0;
  for (uint32_t i = 0; i < layer_count; ++i)
    sum += chunk.layers[i].size_bytes();
  return sum;
}

}  // namespace qstore::model
