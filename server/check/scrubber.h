// Reads, decodes and checks in the background everything that revisions use,
// each object once a pass, so that damage is known while there is still a good
// copy elsewhere.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>

#include "absl/status/status.h"
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
  // Both outlive the scrubber. While `foreground` has running calls, the scrub
  // is slower by kScrubYieldDivisor.
  Scrubber(storage::ModelStore* store, const CallAdmission* foreground,
           const ScrubOptions& options);
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
  bool SleepUntil(std::chrono::steady_clock::time_point time);
  bool SleepUntilNextPass();
  void Save();

  storage::ModelStore* const store_;
  const CallAdmission* const foreground_;
  const ScrubOptions options_;
  ScrubLedger ledger_;
  ScrubPace pace_;
  std::chrono::steady_clock::time_point saved_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace qstore::server
