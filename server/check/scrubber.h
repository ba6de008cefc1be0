// Reads, decodes and checks in the background everything that revisions use,
// each object once a pass, so that damage is known while there is still a good
// copy elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "base/timer.h"
#include "qstore/v1/admin.pb.h"
#include "server/check/scrub_ledger.h"
#include "server/check/scrub_pace.h"
#include "server/codec_set.h"
#include "server/limits/call_admission.h"
#include "storage/model_store.h"

namespace qstore::server {

struct ScrubOptions {
  uint64_t bytes_per_second = 16u << 20;
  // From the start of a pass to that of the next. A pass that takes longer is
  // followed by the next at once.
  std::chrono::milliseconds interval{};
  // Where a later run finds how far this one came; empty: nowhere.
  std::filesystem::path state_path;
};

// One thread, whose rate is its only brake: at a lower priority it would make
// others wait for locks that it holds. It holds one object at a time, so that
// what is deleted meanwhile is given back, and memory for one chunk and one
// codec set during a pass.
class Scrubber {
 public:
  // All outlive the scrubber; the timer wakes it for the next chunk or pass.
  // While `foreground` has running calls, the scrub
  // is slower by kScrubYieldDivisor.
  Scrubber(storage::ModelStore* store, const CallAdmission* foreground,
           Timer* timer, const ScrubOptions& options);
  ~Scrubber() { Stop(); }

  // Returns within the time that checking one chunk takes, and remembers how
  // far it came. Call from one thread.
  void Stop();

  v1::ScrubStatus Status() const { return ledger_.Status(); }

 private:
  void Run();
  // False when the pass was stopped.
  bool RunPass();
  bool CheckRevisions();
  bool CheckObjects();
  bool CheckObject(storage::ObjectReader* reader, CodecSet* codecs);
  absl::Status CheckChunk(storage::ObjectReader* reader,
                          const model::Object& object, uint32_t chunk_index,
                          CodecSet* codecs, uint64_t* read_bytes);
  void NoteObjectDamage(uint64_t object_id, const std::string& where,
                        const absl::Status& status);
  void NoteDamage(const std::string& model, const std::string& revision,
                  const std::string& problem);
  // Waits as the rate demands; false when stopping.
  bool Spend(uint64_t bytes);
  void EndRest();
  bool SleepUntil(std::chrono::steady_clock::time_point time);
  bool SleepUntilNextPass();
  void Save();

  storage::ModelStore* const store_;
  const CallAdmission* const foreground_;
  const ScrubOptions options_;
  ScrubLedger ledger_;
  ScrubPace pace_;
  std::chrono::steady_clock::time_point saved_;
  absl::Mutex mutex_;
  bool rested_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  Alarm end_of_rest_;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace qstore::server
