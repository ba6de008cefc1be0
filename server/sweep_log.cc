#include "server/sweep_log.h"

#include <spdlog/spdlog.h>

#include "absl/strings/str_cat.h"
#include "base/text/byte_format.h"

namespace qstore::server {

std::string DescribeSweep(const storage::SweepReport& report) {
  if (report.object_count == 0 && report.data_range_count == 0 &&
      report.unfinished_bytes == 0 && report.upload_count == 0) {
    return "nothing to sweep";
  }
  return absl::StrCat(
      "swept what an interrupted process left: ", report.object_count,
      " objects that nobody names, ", report.data_range_count,
      " runs of data that no object names, ",
      FormatBytes(report.unfinished_bytes), " of unfinished files, ",
      report.upload_count, " uploads that nobody went on with; ",
      FormatBytes(report.reclaimed_bytes), " came back");
}

void LogSweep(const storage::SweepReport& report) {
  spdlog::info("{}", DescribeSweep(report));
  if (report.problem.ok()) return;
  spdlog::warn(
      "not everything could be swept, what is left takes space until the next "
      "start: {}",
      std::string(report.problem.message()));
}

void LogCollection(const absl::Status& status) {
  if (status.ok()) {
    spdlog::info("the space of what was deleted has come back after all");
  } else {
    spdlog::warn(
        "not all space of what was deleted came back yet, it is tried again "
        "within a minute: {}",
        status.ToString());
  }
}

void LogWriting(const absl::Status& status) {
  if (status.ok()) {
    spdlog::warn("the store takes writes again");
  } else {
    spdlog::error(
        "the store takes no writes, and tries again every second; reads go on, "
        "and what was acknowledged is there; make room on the disk or see to "
        "it "
        "(dmesg); stopping and starting qstored is safe, and needed only if "
        "this "
        "stays after the disk is well: {}",
        status.ToString());
  }
}

}  // namespace qstore::server
