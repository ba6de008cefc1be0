#include "cli/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/error_reason.h"
#include "base/text/byte_format.h"
#include "base/text/printable.h"
#include "cli/advice.h"

namespace qstore::cli {
namespace {

constexpr auto kBarInterval = std::chrono::milliseconds(100);
constexpr auto kLineInterval = std::chrono::seconds(5);
// A rate over less time than this says nothing.
constexpr double kMinEstimateSeconds = 0.5;
constexpr size_t kMinBarCells = 6;
constexpr size_t kMaxBarCells = 24;
constexpr size_t kDefaultColumns = 80;

double Fraction(const ProgressReading& reading) {
  if (reading.total_parts > 0) {
    return std::min(1.0, static_cast<double>(reading.done_parts) /
                             static_cast<double>(reading.total_parts));
  }
  if (reading.total_bytes == 0) return 0;
  return std::min(1.0, static_cast<double>(reading.done_bytes) /
                           static_cast<double>(reading.total_bytes));
}

std::string FormatSecondsLeft(double seconds) {
  const auto whole = static_cast<uint64_t>(std::ceil(seconds));
  if (whole < 60) return absl::StrCat(whole, " s left");
  if (whole < 3600) return absl::StrFormat("%d min left", (whole + 59) / 60);
  return absl::StrFormat("%d h %d min left", whole / 3600, whole % 3600 / 60);
}

// ", 512 MB/s, 3 s left", or nothing while too little is known.
std::string FormatRate(const ProgressReading& reading) {
  if (reading.seconds < kMinEstimateSeconds || reading.done_bytes == 0)
    return "";
  const double bytes_per_second =
      static_cast<double>(reading.done_bytes) / reading.seconds;
  std::string text = absl::StrCat(
      ", ", FormatBytes(static_cast<uint64_t>(bytes_per_second)), "/s");
  if (reading.total_bytes > reading.done_bytes) {
    const auto left_bytes =
        static_cast<double>(reading.total_bytes - reading.done_bytes);
    absl::StrAppend(&text, ", ",
                    FormatSecondsLeft(left_bytes / bytes_per_second));
  }
  return text;
}

std::string FormatAmount(const ProgressReading& reading) {
  if (reading.total_parts > 0) {
    return absl::StrFormat("%3.0f %%, %s", 100 * Fraction(reading),
                           FormatBytes(reading.done_bytes));
  }
  if (reading.total_bytes == 0) return FormatBytes(reading.done_bytes);
  return absl::StrFormat("%3.0f %%, %s of %s", 100 * Fraction(reading),
                         FormatBytes(reading.done_bytes),
                         FormatBytes(reading.total_bytes));
}

size_t TerminalColumns() {
  winsize size = {};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    return size.ws_col;
  }
  return kDefaultColumns;
}

}  // namespace

ProgressStyle ProgressStyleForStderr() {
  // Read once, before there are threads.
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe)
  const bool can_redraw = isatty(STDERR_FILENO) == 1 &&
                          (term == nullptr || std::string_view(term) != "dumb");
  return can_redraw ? ProgressStyle::kBar : ProgressStyle::kLines;
}

std::string FormatProgressLine(const ProgressReading& reading) {
  return absl::StrCat(reading.action, ": ", FormatAmount(reading),
                      FormatRate(reading));
}

std::string FormatProgressBar(const ProgressReading& reading, size_t columns) {
  const std::string amount =
      absl::StrCat(FormatAmount(reading), FormatRate(reading));
  // Two brackets and two spaces go with the bar.
  const size_t text_columns = reading.action.size() + amount.size() + 4;
  if (text_columns + kMinBarCells > columns) {
    return FormatProgressLine(reading).substr(0, columns);
  }
  const size_t cells = std::min(kMaxBarCells, columns - text_columns);
  const auto filled =
      static_cast<size_t>(Fraction(reading) * static_cast<double>(cells));
  return absl::StrCat(reading.action, " [", std::string(filled, '#'),
                      std::string(cells - filled, '.'), "] ", amount);
}

Progress::Progress(std::ostream* stream, ProgressStyle style,
                   std::string server)
    : Progress(stream, style, std::move(server),
               std::chrono::steady_clock::now) {}

Progress::Progress(std::ostream* stream, ProgressStyle style,
                   std::string server, Clock clock)
    : style_(style),
      server_(std::move(server)),
      clock_(std::move(clock)),
      stream_(stream) {}

Progress::~Progress() { End(); }

void Progress::Begin(const std::string& action, uint64_t total_bytes) {
  const absl::MutexLock lock(&mutex_);
  Clear();
  reading_ = {.action = Printable(action), .total_bytes = total_bytes};
  active_ = true;
  began_ = clock_();
  drawn_ = began_;
  if (style_ == ProgressStyle::kBar) Draw();
}

void Progress::Add(uint64_t bytes) {
  const absl::MutexLock lock(&mutex_);
  reading_.done_bytes += bytes;
  Draw();
}

void Progress::Set(uint64_t done_bytes, uint64_t total_bytes) {
  const absl::MutexLock lock(&mutex_);
  reading_.done_bytes = done_bytes;
  reading_.total_bytes = total_bytes;
  Draw();
}

void Progress::SetParts(uint64_t done_bytes, uint64_t done_parts,
                        uint64_t total_parts) {
  const absl::MutexLock lock(&mutex_);
  reading_.done_bytes = done_bytes;
  reading_.done_parts = done_parts;
  reading_.total_parts = total_parts;
  Draw();
}

void Progress::End() {
  const absl::MutexLock lock(&mutex_);
  Clear();
  active_ = false;
}

void Progress::Note(const std::string& sentence) {
  const absl::MutexLock lock(&mutex_);
  Clear();
  *stream_ << "note: " << Printable(sentence) << std::endl;
}

void Progress::Retry(const client::RetryNotice& notice) {
  std::string sentence = ErrorForPeople(notice.error, server_);
  {
    const absl::MutexLock lock(&mutex_);
    if (sentence == retried_error_) {
      sentence = ReasonOf(notice.error) == kReasonUnreachable
                     ? absl::StrCat("still cannot reach ", server_)
                     : "it is still so";
    } else {
      retried_error_ = sentence;
    }
  }
  Note(absl::StrFormat("%s; trying again in %.1f s, for %.0f s more", sentence,
                       notice.wait_seconds, std::ceil(notice.left_seconds)));
}

void Progress::Draw() {
  if (!active_ || style_ == ProgressStyle::kHidden) return;
  const auto now = clock_();
  const bool bar = style_ == ProgressStyle::kBar;
  const bool first_bar = bar && !bar_shown_;
  if (!first_bar &&
      now - drawn_ < (bar ? std::chrono::steady_clock::duration(kBarInterval)
                          : kLineInterval)) {
    return;
  }
  drawn_ = now;
  reading_.seconds = std::chrono::duration<double>(now - began_).count();
  if (bar) {
    // One column stays free: some terminals wrap when the last one is written.
    *stream_ << '\r' << FormatProgressBar(reading_, TerminalColumns() - 1)
             << "\x1b[K" << std::flush;
    bar_shown_ = true;
  } else {
    *stream_ << FormatProgressLine(reading_) << std::endl;
  }
}

void Progress::Clear() {
  if (!bar_shown_) return;
  *stream_ << "\r\x1b[K" << std::flush;
  bar_shown_ = false;
}

}  // namespace qstore::cli
