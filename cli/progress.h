// Tells a person on stderr what the library tells: how far a long piece of work
// is (a bar that is redrawn on a terminal, a line every few seconds elsewhere),
// notes, and what is tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/events.h"

namespace qstore::cli {

enum class ProgressStyle { kHidden, kBar, kLines };

// kBar if stderr is a terminal that can redraw a line, else kLines.
ProgressStyle ProgressStyleForStderr();

struct ProgressReading {
  std::string action;  // "downloading org/model:latest"
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known
  uint64_t done_parts = 0;   // where bytes are not known
  uint64_t total_parts = 0;  // 0: bytes are
  double seconds = 0;
};

// "downloading org/model:latest: 45 %, 1.20 GB of 2.67 GB, 512 MB/s, 3 s left"
std::string FormatProgressLine(const ProgressReading& reading);

// The same with a bar, if there is room for one; at most `columns` wide.
std::string FormatProgressBar(const ProgressReading& reading, size_t columns);

// Thread-safe.
class Progress final : public client::Events {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  // `stream` is used by nobody else while this lives. `style` is about the bar:
  // notes are never hidden. `server` is for what to do about errors (advice.h).
  Progress(std::ostream* stream, ProgressStyle style, std::string server);
  Progress(std::ostream* stream, ProgressStyle style, std::string server,
           Clock clock);
  // Takes an unfinished bar off the screen.
  ~Progress() override;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Begin(const std::string& action, uint64_t total_bytes) override;
  void Add(uint64_t bytes) override;
  void Set(uint64_t done_bytes, uint64_t total_bytes) override;
  void SetParts(uint64_t done_bytes, uint64_t done_parts,
                uint64_t total_parts) override;
  // Clears the bar.
  void End() override;

  // Each in a line of its own behind "note: ".
  void Note(const std::string& sentence) override;
  void Retry(const client::RetryNotice& notice) override;

 private:
  void Draw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Clear() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ProgressStyle style_;
  const std::string server_;
  const Clock clock_;
  absl::Mutex mutex_;
  std::ostream* const stream_ ABSL_PT_GUARDED_BY(mutex_);
  ProgressReading reading_ ABSL_GUARDED_BY(mutex_);
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  bool bar_shown_ ABSL_GUARDED_BY(mutex_) = false;
  // Of the last retry, so that it is not told again and again.
  std::string retried_error_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point began_ ABSL_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point drawn_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace qstore::cli
