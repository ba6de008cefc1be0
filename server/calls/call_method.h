// The calls of both services, and what their frame must know of each.
#pragma once

#include <array>

#include "server/limits/call_admission.h"

namespace qstore::server {

struct CallMethod {
  // As in the proto file.
  const char* name;
  // Under which limit it runs.
  CallKind kind;
  // About one model, of which rights are asked by name (CallFrame::Authorize);
  // the others are asked for as a whole.
  bool about_model;
  // Damage that it tells of is in the store, and can be mended from the
  // source. (An upload is doing that already.)
  bool advises_on_damage;
};

inline constexpr CallMethod kUploadMethod{"Upload", CallKind::kUpload, true,
                                          false};
inline constexpr CallMethod kGetUploadStateMethod{
    "GetUploadState", CallKind::kWaiting, false, false};
inline constexpr CallMethod kDownloadMethod{"Download", CallKind::kDownload,
                                            true, true};
inline constexpr CallMethod kListModelsMethod{"ListModels", CallKind::kShort,
                                              false, true};
inline constexpr CallMethod kGetRevisionMethod{"GetRevision", CallKind::kShort,
                                               true, true};
inline constexpr CallMethod kSetTagMethod{"SetTag", CallKind::kShort, true,
                                          true};
inline constexpr CallMethod kDeleteMethod{"Delete", CallKind::kShort, true,
                                          true};
inline constexpr CallMethod kVerifyMethod{"Verify", CallKind::kVerify, true,
                                          true};
inline constexpr CallMethod kCreateBackupMethod{"CreateBackup",
                                                CallKind::kShort, false, false};
inline constexpr CallMethod kGetScrubStatusMethod{
    "GetScrubStatus", CallKind::kShort, false, false};

// All of them; names are unique.
inline constexpr std::array kCallMethods = {
    &kUploadMethod,        &kGetUploadStateMethod, &kDownloadMethod,
    &kListModelsMethod,    &kGetRevisionMethod,    &kSetTagMethod,
    &kDeleteMethod,        &kVerifyMethod,         &kCreateBackupMethod,
    &kGetScrubStatusMethod};

}  // namespace qstore::server
