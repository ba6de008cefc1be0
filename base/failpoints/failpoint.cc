#include "base/failpoints/failpoint.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "base/text/quote.h"

namespace qstore::failpoint {
namespace {

struct Setting {
  enum class Action : uint8_t { kCrash, kError, kDelay };
  Action action = Action::kCrash;
  std::string text;  // of the action, for the log
  absl::StatusCode code = absl::StatusCode::kInternal;
  std::chrono::milliseconds delay{0};
  uint32_t percent = 100;
  uint64_t times_left = UINT64_MAX;
  uint64_t hits_before = 0;  // that pass
};

struct Point {
  std::atomic<bool> armed = false;
  std::atomic<uint64_t> fired_count = 0;
};

struct Registry {
  std::array<Point, kCount> points;
  absl::Mutex mutex;
  std::array<Setting, kCount> settings ABSL_GUARDED_BY(mutex);  // of the points
  std::minstd_rand random ABSL_GUARDED_BY(mutex);
};

// Cuts `text` after the first `end` and returns what was before it; nothing
// when there is none.
std::optional<std::string_view> TakeUntil(char end, std::string_view* text) {
  const size_t at = text->find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text->substr(0, at);
  text->remove_prefix(at + 1);
  return taken;
}

bool ParseNumber(std::string_view text, uint64_t* number) {
  return absl::SimpleAtoi(AbslView(text), number);
}

bool ParseCode(std::string_view text, absl::StatusCode* code) {
  for (int i = 1; i <= static_cast<int>(absl::StatusCode::kUnauthenticated);
       ++i) {
    *code = static_cast<absl::StatusCode>(i);
    if (absl::StatusCodeToString(*code) == std::string(text)) return true;
  }
  return false;
}

bool ParseAction(std::string_view text, Setting* setting) {
  setting->text = std::string(text);
  if (text == "crash") {
    setting->action = Setting::Action::kCrash;
    return true;
  }
  const std::optional<std::string_view> name = TakeUntil('(', &text);
  if (!name.has_value() || !text.ends_with(')')) return false;
  text.remove_suffix(1);
  if (*name == "error") {
    setting->action = Setting::Action::kError;
    return ParseCode(text, &setting->code);
  }
  uint64_t milliseconds = 0;
  setting->action = Setting::Action::kDelay;
  if (*name != "delay" || !ParseNumber(text, &milliseconds)) return false;
  setting->delay = std::chrono::milliseconds(milliseconds);
  return true;
}

bool ParseSetting(std::string_view text, Setting* setting) {
  uint64_t number = 0;
  if (const auto percent = TakeUntil('%', &text); percent.has_value()) {
    if (!ParseNumber(*percent, &number) || number > 100) return false;
    setting->percent = static_cast<uint32_t>(number);
  }
  if (const auto times = TakeUntil('*', &text); times.has_value()) {
    if (!ParseNumber(*times, &setting->times_left)) return false;
  }
  if (const size_t at = text.find('@'); at != std::string_view::npos) {
    if (!ParseNumber(text.substr(at + 1), &number) || number == 0) return false;
    setting->hits_before = number - 1;
    text = text.substr(0, at);
  }
  return ParseAction(text, setting);
}

absl::Status ArmOne(std::string_view text, Registry* registry) {
  const std::string whole(text);
  const std::optional<std::string_view> name = TakeUntil('=', &text);
  const auto refuse = [&whole](const char* why) {
    return absl::InvalidArgumentError(
        absl::StrCat("failpoint ", Quoted(whole), ": ", why));
  };
  if (!name.has_value()) return refuse("write NAME=ACTION");
  const absl::MutexLock lock(&registry->mutex);
  if (*name == "seed") {
    uint64_t seed = 0;
    if (!ParseNumber(text, &seed)) return refuse("the seed is a number");
    registry->random.seed(static_cast<uint32_t>(seed));
    return absl::OkStatus();
  }
  const auto* const found =
      std::find(std::begin(kNames), std::end(kNames), *name);
  if (found == std::end(kNames)) return refuse("no such name in the table");
  Setting setting;
  if (!ParseSetting(text, &setting)) return refuse("the action is unknown");
  const auto index = static_cast<size_t>(found - kNames);
  registry->settings[index] = std::move(setting);
  registry->points[index].armed = true;
  return absl::OkStatus();
}

absl::Status ArmAll(std::string_view settings, Registry* registry) {
  const std::vector<std::string> items =
      absl::StrSplit(AbslView(settings), ';', absl::SkipWhitespace());
  for (const std::string& item : items) {
    QSTORE_RETURN_IF_ERROR(
        ArmOne(std::string(absl::StripAsciiWhitespace(item)), registry));
  }
  return absl::OkStatus();
}

// Lives until the process ends: threads may hit points while it does.
Registry& TheRegistry() {
  static Registry& registry = *[] {
    auto* made = new Registry;
    const char* settings =
        std::getenv("QSTORE_FAILPOINTS");  // NOLINT(concurrency-mt-unsafe)
    const absl::Status status =
        ArmAll(settings == nullptr ? "" : settings, made);
    if (!status.ok()) {
      std::fprintf(stderr, "QSTORE_FAILPOINTS: %s\n",
                   std::string(status.message()).c_str());
      ::_exit(2);
    }
    return made;
  }();
  return registry;
}

// The setting, when the point's turn has come.
std::optional<Setting> Fire(Registry* registry, size_t index) {
  const absl::MutexLock lock(&registry->mutex);
  Setting& setting = registry->settings[index];
  if (setting.hits_before > 0) {
    --setting.hits_before;
    return std::nullopt;
  }
  if (setting.times_left == 0) return std::nullopt;
  if (registry->random() % 100 >= setting.percent) return std::nullopt;
  --setting.times_left;
  return setting;
}

}  // namespace

absl::Status Arm(std::string_view settings) {
  return ArmAll(settings, &TheRegistry());
}

void DisarmAll() {
  for (Point& point : TheRegistry().points) point.armed = false;
}

uint64_t FiredCount(size_t index) {
  return TheRegistry().points[index].fired_count;
}

absl::Status Hit(size_t index) {
  Registry& registry = TheRegistry();
  Point& point = registry.points[index];
  if (!point.armed.load(std::memory_order_relaxed)) return absl::OkStatus();
  const std::optional<Setting> setting = Fire(&registry, index);
  if (!setting.has_value()) return absl::OkStatus();
  ++point.fired_count;
  const std::string name(kNames[index]);
  std::fprintf(stderr, "failpoint %s: %s\n", name.c_str(),
               setting->text.c_str());
  switch (setting->action) {
    case Setting::Action::kCrash:
      ::kill(::getpid(), SIGKILL);
      ::pause();  // until the signal arrives
      break;
    case Setting::Action::kError:
      return {setting->code, absl::StrCat("failpoint ", name)};
    case Setting::Action::kDelay:
      std::this_thread::sleep_for(setting->delay);
      break;
  }
  return absl::OkStatus();
}

}  // namespace qstore::failpoint
