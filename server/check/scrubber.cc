#include "server/check/scrubber.h"

#include <spdlog/spdlog.h>

#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/text/quote.h"
#include "model/chunk_layers.h"
#include "server/check/stored_chunk.h"

namespace qstore::server {
namespace {

using std::chrono::steady_clock;

constexpr auto kSaveInterval = std::chrono::seconds(30);

// Damage to an object is told for this many of the revisions that use it.
constexpr size_t kMaxNamedUses = 16;

int64_t UnixNow() { return static_cast<int64_t>(std::time(nullptr)); }

}  // namespace

Scrubber::Scrubber(storage::ModelStore* store, const CallAdmission* foreground,
                   Timer* timer, const ScrubOptions& options)
    : store_(store),
      foreground_(foreground),
      options_(options),
      ledger_(options.state_path),
      pace_(options.bytes_per_second),
      end_of_rest_(timer, [this] { EndRest(); }),
      thread_([this] { Run(); }) {}

void Scrubber::Stop() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Scrubber::Run() {
  while (SleepUntilNextPass() && RunPass()) continue;
  Save();
}

bool Scrubber::SleepUntilNextPass() {
  const v1::ScrubStatus status = ledger_.Status();
  if (status.running() || status.started_unix_seconds() == 0) return true;
  const auto passed =
      std::chrono::seconds(UnixNow() - status.started_unix_seconds());
  return SleepUntil(steady_clock::now() + options_.interval - passed);
}

bool Scrubber::RunPass() {
  const bool resumed = ledger_.Status().running();
  if (!resumed) ledger_.BeginPass(UnixNow());
  Save();
  if (!CheckRevisions() || !CheckObjects()) return false;
  ledger_.EndPass(UnixNow());
  Save();
  const v1::ScrubStatus status = ledger_.Status();
  spdlog::info("scrub: checked {} objects, {} bytes: {} problems",
               status.checked_objects(), status.checked_bytes(),
               static_cast<uint64_t>(status.damage_size()) +
                   status.unlisted_damage_count());
  return true;
}

// The records of models and revisions.
bool Scrubber::CheckRevisions() {
  const auto models = store_->ListModels();
  if (!models.ok()) {
    NoteDamage("", "", "listing the models: " + models.status().ToString());
    return true;
  }
  for (const storage::ModelSummary& model : *models) {
    for (const std::string& revision : model.revisions) {
      ModelReference reference;
      reference.model = model.name;
      reference.revision_prefix = revision;
      const auto reader = store_->OpenRevision(reference);
      if (!reader.ok() && !absl::IsNotFound(reader.status())) {
        NoteDamage(model.name, revision,
                   std::string(reader.status().message()));
      }
      const uint64_t read_bytes =
          reader.ok() ? (*reader)->revision().stored.other() : 0;
      if (!Spend(read_bytes)) return false;
    }
  }
  return true;
}

bool Scrubber::CheckObjects() {
  CodecSet codecs;
  while (true) {
    auto reader = store_->OpenNextObject(ledger_.position());
    if (!reader.ok()) {
      // Without the references nobody knows what there is to be checked.
      NoteDamage("", "", "reading references: " + reader.status().ToString());
      return true;
    }
    if (*reader == nullptr) return true;
    if (!CheckObject(reader->get(), &codecs)) return false;
    ledger_.FinishObject((*reader)->object_id());
    if (steady_clock::now() >= saved_ + kSaveInterval) Save();
  }
}

bool Scrubber::CheckObject(storage::ObjectReader* reader, CodecSet* codecs) {
  const uint64_t id = reader->object_id();
  const auto object = reader->GetObject();
  if (!object.ok()) {
    NoteObjectDamage(id, "", object.status());
    return Spend(0);
  }
  for (size_t i = 0; i < object->chunks.size(); ++i) {
    uint64_t read_bytes = 0;
    const absl::Status status = CheckChunk(
        reader, *object, static_cast<uint32_t>(i), codecs, &read_bytes);
    NoteObjectDamage(id, absl::StrCat("chunk ", i), status);
    ledger_.CountBytes(read_bytes);
    if (!Spend(read_bytes)) return false;
  }
  return true;
}

absl::Status Scrubber::CheckChunk(storage::ObjectReader* reader,
                                  const model::Object& object,
                                  uint32_t chunk_index, CodecSet* codecs,
                                  uint64_t* read_bytes) {
  const model::Chunk& chunk = object.chunks[chunk_index];
  const uint32_t layer_count = model::LayerCountOf(chunk, {});
  QSTORE_ASSIGN_OR_RETURN(
      const ByteVector bytes,
      ReadStoredBytes(chunk, layer_count,
                      [&](const model::ValueAddress& value) {
                        *read_bytes += value.size_bytes;
                        return reader->GetValue(chunk_index, value);
                      }));
  return DecodeAndCheck(object, chunk,
                        model::SplitLayers(chunk, layer_count, bytes), *codecs);
}

void Scrubber::NoteObjectDamage(uint64_t object_id, const std::string& where,
                                const absl::Status& status) {
  if (status.ok()) return;
  const std::string what = absl::StrCat(where, where.empty() ? "" : ": ",
                                        std::string(status.message()));
  const auto uses = store_->UsesOf(object_id, kMaxNamedUses);
  if (!uses.ok()) {
    NoteDamage("", "", absl::StrCat("object ", object_id, ": ", what));
    return;
  }
  // None: it was deleted while it was checked.
  for (const storage::ObjectUse& use : *uses) {
    std::string problem;
    if (!use.file.empty())
      absl::StrAppend(&problem, "file ", Quoted(use.file), ": ");
    if (!use.tensor.empty()) {
      absl::StrAppend(&problem, "tensor ", Quoted(use.tensor), ": ");
    }
    NoteDamage(use.model, use.revision, problem + what);
  }
}

void Scrubber::NoteDamage(const std::string& model, const std::string& revision,
                          const std::string& problem) {
  if (!ledger_.NoteDamage(model, revision, problem, UnixNow())) return;
  if (model.empty()) {
    spdlog::error("scrub: {}", problem);
  } else {
    spdlog::error("scrub: model {}@{}: {}", model, revision, problem);
  }
}

bool Scrubber::Spend(uint64_t bytes) {
  const bool yielding = foreground_->running_calls() > 0;
  return SleepUntil(pace_.After(bytes, yielding, steady_clock::now()));
}

bool Scrubber::SleepUntil(steady_clock::time_point time) {
  const absl::MutexLock lock(&mutex_);
  if (stopping_ || time <= steady_clock::now()) return !stopping_;
  rested_ = false;
  end_of_rest_.SetNoLaterThan(time);
  const auto may_go_on = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return rested_ || stopping_;
  };
  mutex_.Await(absl::Condition(&may_go_on));
  return !stopping_;
}

void Scrubber::EndRest() {
  const absl::MutexLock lock(&mutex_);
  rested_ = true;
}

void Scrubber::Save() {
  saved_ = steady_clock::now();
  const absl::Status status = ledger_.Save();
  if (!status.ok()) {
    spdlog::warn("scrub: a restart will begin anew: {}",
                 std::string(status.message()));
  }
}

}  // namespace qstore::server
