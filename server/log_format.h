// How the lines of the log look: times in UTC as RFC 3339 has them, and nothing
// that a terminal or a reader of logs would obey (base/text/printable.h),
// whoever it came from.
#pragma once

#include <spdlog/common.h>
#include <spdlog/formatter.h>

#include <memory>
#include <string>

#include "nlohmann/json.hpp"

namespace qstore::server {

enum class LogFormat {
  // 2026-11-28T02:01:12.506Z [info] the message
  kText,
  // {"time":"2026-11-28T02:01:12.506Z","level":"info","message":"the message"},
  // and the fields that were given with it
  kJson,
};

std::unique_ptr<spdlog::formatter> NewLogFormatter(LogFormat format);

// Logs to the default logger. `fields`, an object, is for LogFormat::kJson
// alone: what `message` says, for programs.
void LogWithFields(spdlog::level::level_enum level, const std::string& message,
                   const nlohmann::ordered_json& fields);

}  // namespace qstore::server
