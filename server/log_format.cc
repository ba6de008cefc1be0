#include "server/log_format.h"

#include <spdlog/spdlog.h>

#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/text/printable.h"

namespace qstore::server {
namespace {

using nlohmann::ordered_json;

// Of the message that this thread is logging; loggers format on the thread that
// logs.
thread_local const ordered_json* logged_fields = nullptr;

std::string TimeText(spdlog::log_clock::time_point time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::FromChrono(time),
                          absl::UTCTimeZone());
}

std::string_view View(spdlog::string_view_t text) {
  return {text.data(), text.size()};
}

void Append(const std::string& text, spdlog::memory_buf_t* line) {
  line->append(text.data(), text.data() + text.size());
}

class TextFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message,
              spdlog::memory_buf_t& line) override {
    Append(absl::StrCat(
               TimeText(message.time), " [",
               std::string(View(spdlog::level::to_string_view(message.level))),
               "] ", Printable(View(message.payload)), "\n"),
           &line);
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormatter>();
  }
};

class JsonFormatter final : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message,
              spdlog::memory_buf_t& line) override {
    ordered_json document = {
        {"time", TimeText(message.time)},
        {"level", View(spdlog::level::to_string_view(message.level))},
        {"message", Printable(View(message.payload))}};
    if (logged_fields != nullptr) document.update(*logged_fields);
    Append(PrintableJson(document.dump(
               /*indent=*/-1, ' ', /*ensure_ascii=*/false,
               ordered_json::error_handler_t::replace)) +
               "\n",
           &line);
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>();
  }
};

}  // namespace

std::unique_ptr<spdlog::formatter> NewLogFormatter(LogFormat format) {
  if (format == LogFormat::kJson) return std::make_unique<JsonFormatter>();
  return std::make_unique<TextFormatter>();
}

void LogWithFields(spdlog::level::level_enum level, const std::string& message,
                   const ordered_json& fields) {
  logged_fields = &fields;
  spdlog::log(level, "{}", message);
  logged_fields = nullptr;
}

}  // namespace qstore::server
