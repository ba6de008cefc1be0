#include "cli/reports/scrub_report.h"

#include "absl/strings/str_cat.h"
#include "base/text/byte_format.h"
#include "base/text/printable.h"
#include "cli/phrases.h"

namespace qstore::cli {
namespace {

std::string DescribeDamage(const client::Damage& damage) {
  if (damage.model.empty()) return Printable(damage.problem);
  return Printable(absl::StrCat(
      damage.model, "@", ShortRevision(damage.revision), ": ", damage.problem));
}

}  // namespace

std::string DescribeScrub(const client::ScrubStatus& scrub) {
  if (!scrub.enabled) return "the scrub is off (qstored --scrub-interval)\n";
  std::string text = absl::StrCat(
      scrub.running ? "a pass runs since " : "the last pass began ",
      FormatTime(scrub.started_unix_seconds), ": ", scrub.checked_objects,
      " objects, ", FormatBytes(scrub.checked_bytes), " checked\n");
  if (scrub.finished_unix_seconds != 0) {
    absl::StrAppend(&text, "the last complete one ended ",
                    FormatTime(scrub.finished_unix_seconds), "\n");
  }
  if (scrub.damage.empty()) return text + "no damage known\n";
  for (const client::Damage& damage : scrub.damage) {
    absl::StrAppend(&text, "  ", DescribeDamage(damage), "\n");
  }
  if (scrub.unlisted_damage_count > 0) {
    absl::StrAppend(&text, "  and ", scrub.unlisted_damage_count, " more\n");
  }
  return text;
}

absl::Status DamageError(const client::ScrubStatus& scrub) {
  if (scrub.damage.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the scrub found ", scrub.damage.size() + scrub.unlisted_damage_count,
      " problems, the first: ", DescribeDamage(scrub.damage.front()),
      "; upload what is damaged again from its source, or restore a backup"));
}

}  // namespace qstore::cli
