#include "cli/admin.h"

#include "absl/strings/str_cat.h"
#include "base/byte_format.h"
#include "base/status.h"
#include "cli/report.h"
#include "client/text_table.h"
#include "client/unary_call.h"
#include "qstore/v1/admin.grpc.pb.h"

namespace qstore::client {
namespace {

std::string DescribeDamage(const v1::Damage& damage) {
  if (damage.model().empty()) return Printable(damage.problem());
  return Printable(absl::StrCat(damage.model(), "@",
                                ShortRevision(damage.revision()), ": ",
                                damage.problem()));
}

}  // namespace

absl::StatusOr<v1::CreateBackupResponse> CreateBackup(
    Connection* connection, const std::string& name,
    Cancellation* cancellation) {
  v1::CreateBackupRequest request;
  request.set_name(name);
  v1::CreateBackupResponse response;
  QSTORE_RETURN_IF_ERROR(CallOnce(
      *connection, v1::Admin::NewStub(connection->channel()).get(),
      &v1::Admin::Stub::CreateBackup, request, cancellation, &response));
  return response;
}

nlohmann::ordered_json ToJson(const v1::CreateBackupResponse& response) {
  return {{"path", response.path()}, {"bytes", response.size_bytes()}};
}

std::string DescribeBackup(const std::string& name,
                           const v1::CreateBackupResponse& response) {
  return absl::StrCat("made backup ", name, ": ",
                      FormatBytes(response.size_bytes()), " in ",
                      Printable(response.path()), " on the server\n");
}

absl::StatusOr<v1::ScrubStatus> GetScrubStatus(Connection* connection,
                                               Cancellation* cancellation) {
  v1::ScrubStatus scrub;
  QSTORE_RETURN_IF_ERROR(
      CallOnce(*connection, v1::Admin::NewStub(connection->channel()).get(),
               &v1::Admin::Stub::GetScrubStatus, v1::GetScrubStatusRequest(),
               cancellation, &scrub));
  return scrub;
}

nlohmann::ordered_json ToJson(const v1::ScrubStatus& scrub) {
  nlohmann::ordered_json damage = nlohmann::ordered_json::array();
  for (const v1::Damage& one : scrub.damage()) {
    damage.push_back(
        {{"model", one.model()},
         {"revision", one.revision()},
         {"problem", one.problem()},
         {"first_seen_unix_seconds", one.first_seen_unix_seconds()},
         {"last_seen_unix_seconds", one.last_seen_unix_seconds()}});
  }
  return {{"enabled", scrub.enabled()},
          {"running", scrub.running()},
          {"started_unix_seconds", scrub.started_unix_seconds()},
          {"finished_unix_seconds", scrub.finished_unix_seconds()},
          {"checked_objects", scrub.checked_objects()},
          {"checked_bytes", scrub.checked_bytes()},
          {"damage", damage},
          {"unlisted_damage_count", scrub.unlisted_damage_count()}};
}

std::string DescribeScrub(const v1::ScrubStatus& scrub) {
  if (!scrub.enabled()) return "the scrub is off (qstored --scrub-interval)\n";
  std::string text = absl::StrCat(
      scrub.running() ? "a pass runs since " : "the last pass began ",
      FormatTime(scrub.started_unix_seconds()), ": ", scrub.checked_objects(),
      " objects, ", FormatBytes(scrub.checked_bytes()), " checked\n");
  if (scrub.finished_unix_seconds() != 0) {
    absl::StrAppend(&text, "the last complete one ended ",
                    FormatTime(scrub.finished_unix_seconds()), "\n");
  }
  if (scrub.damage().empty()) return text + "no damage known\n";
  for (const v1::Damage& damage : scrub.damage()) {
    absl::StrAppend(&text, "  ", DescribeDamage(damage), "\n");
  }
  if (scrub.unlisted_damage_count() > 0) {
    absl::StrAppend(&text, "  and ", scrub.unlisted_damage_count(), " more\n");
  }
  return text;
}

absl::Status DamageError(const v1::ScrubStatus& scrub) {
  if (scrub.damage().empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "the scrub found ", scrub.damage_size() + scrub.unlisted_damage_count(),
      " problems, the first: ", DescribeDamage(scrub.damage(0)),
      "; upload what is damaged again from its source, or restore a backup"));
}

}  // namespace qstore::client
