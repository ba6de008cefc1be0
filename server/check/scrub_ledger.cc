#include "server/check/scrub_ledger.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/text_format.h>

#include <utility>

#include "base/bytes.h"
#include "base/file.h"
#include "base/status.h"

namespace qstore::server {
namespace {

// Far more than kMaxListedDamage messages take.
constexpr uint64_t kMaxStateBytes = 16u << 20;

// Keeps protobuf's complaints about a damaged file out of our log.
class Silence final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int /*line*/, int /*column*/,
                const std::string& /*message*/) override {}
};

bool Parse(const std::string& text, scrub::v1::ScrubState* state) {
  Silence silence;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&silence);
  parser.AllowUnknownField(true);
  return parser.ParseFromString(text, state);
}

}  // namespace

ScrubLedger::ScrubLedger(std::filesystem::path path) : path_(std::move(path)) {
  if (path_.empty()) return;
  const auto text = ReadWholeFile(path_, kMaxStateBytes);
  scrub::v1::ScrubState state;
  if (text.ok() && Parse(*text, &state)) {
    status_ = state.status();
    position_ = state.object_id();
  }
}

v1::ScrubStatus ScrubLedger::Status() const {
  const absl::MutexLock lock(&mutex_);
  return status_;
}

uint64_t ScrubLedger::position() const {
  const absl::MutexLock lock(&mutex_);
  return position_;
}

void ScrubLedger::BeginPass(int64_t now) {
  const absl::MutexLock lock(&mutex_);
  status_.set_running(true);
  status_.set_started_unix_seconds(now);
  status_.set_checked_objects(0);
  status_.set_checked_bytes(0);
  status_.set_unlisted_damage_count(0);
  position_ = 0;
}

void ScrubLedger::CountBytes(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  status_.set_checked_bytes(status_.checked_bytes() + bytes);
}

void ScrubLedger::FinishObject(uint64_t object_id) {
  const absl::MutexLock lock(&mutex_);
  status_.set_checked_objects(status_.checked_objects() + 1);
  position_ = object_id;
}

bool ScrubLedger::NoteDamage(const std::string& model,
                             const std::string& revision,
                             const std::string& problem, int64_t now) {
  const absl::MutexLock lock(&mutex_);
  for (v1::Damage& known : *status_.mutable_damage()) {
    if (known.problem() == problem && known.model() == model &&
        known.revision() == revision) {
      known.set_last_seen_unix_seconds(now);
      return false;
    }
  }
  if (status_.damage_size() >= kMaxListedDamage) {
    status_.set_unlisted_damage_count(status_.unlisted_damage_count() + 1);
    return true;
  }
  v1::Damage* damage = status_.add_damage();
  damage->set_model(model);
  damage->set_revision(revision);
  damage->set_problem(problem);
  damage->set_first_seen_unix_seconds(now);
  damage->set_last_seen_unix_seconds(now);
  return true;
}

void ScrubLedger::EndPass(int64_t now) {
  const absl::MutexLock lock(&mutex_);
  status_.set_running(false);
  status_.set_finished_unix_seconds(now);
  google::protobuf::RepeatedPtrField<v1::Damage> found;
  for (v1::Damage& damage : *status_.mutable_damage()) {
    if (damage.last_seen_unix_seconds() >= status_.started_unix_seconds()) {
      found.Add(std::move(damage));
    }
  }
  status_.mutable_damage()->Swap(&found);
  position_ = 0;
}

absl::Status ScrubLedger::Save() const {
  if (path_.empty()) return absl::OkStatus();
  std::string text;
  {
    scrub::v1::ScrubState state;
    const absl::MutexLock lock(&mutex_);
    *state.mutable_status() = status_;
    state.set_object_id(position_);
    google::protobuf::TextFormat::PrintToString(state, &text);
  }
  std::filesystem::path fresh = path_;
  fresh += ".new";
  QSTORE_ASSIGN_OR_RETURN(File file, File::Create(fresh));
  QSTORE_RETURN_IF_ERROR(file.WriteAt(0, AsBytes(text)));
  QSTORE_RETURN_IF_ERROR(file.Sync());
  QSTORE_RETURN_IF_ERROR(file.Close());
  return RenameDurably(fresh, path_);
}

}  // namespace qstore::server
