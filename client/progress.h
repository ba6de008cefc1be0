// Shows how far a long piece of work is: a bar that is redrawn on a terminal, a
// line every few seconds elsewhere. Written to stderr, never to stdout.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <ostream>
#include <string>

namespace qstore::client {

enum class ProgressStyle { kHidden, kBar, kLines };

// kBar if stderr is a terminal that can redraw a line, else kLines.
ProgressStyle ProgressStyleForStderr();

struct ProgressReading {
  std::string action;  // "downloading org/model:latest"
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;  // 0: not known
  double seconds = 0;
};

// "downloading org/model:latest: 45 %, 1.20 GB of 2.67 GB, 512 MB/s, 3 s left"
std::string FormatProgressLine(const ProgressReading& reading);

// The same with a bar, if there is room for one; at most `columns` wide.
std::string FormatProgressBar(const ProgressReading& reading, size_t columns);

// Thread-safe.
class Progress {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  Progress(std::ostream* stream, ProgressStyle style,
           Clock clock = std::chrono::steady_clock::now);
  // Takes an unfinished bar off the screen.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void Begin(const std::string& action, uint64_t total_bytes);
  void Add(uint64_t bytes);
  // Sets what has been done so far and the total, for work that reports both.
  void Set(uint64_t done_bytes, uint64_t total_bytes);
  // Ends what Begin began: clears the bar.
  void End();

 private:
  void Draw();
  void Clear();

  std::ostream* const stream_;
  const ProgressStyle style_;
  const Clock clock_;
  std::mutex mutex_;
  // State below is guarded by mutex_.
  ProgressReading reading_;
  bool active_ = false;
  bool bar_shown_ = false;
  std::chrono::steady_clock::time_point began_;
  std::chrono::steady_clock::time_point drawn_;
};

}  // namespace qstore::client
